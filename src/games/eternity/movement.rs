//! Walking and taking exits: what a body may do in the time it had.
//!
//! A walker has an allowance of distance that grows with time and that every step spends. It is what makes speed the
//! server's business while positions come from the client. Nothing here sends anything or knows of anybody else.

use super::effects::Clock;
use super::place::{LocationId, Point};
use super::recent::{Limit, Recent};
use super::world::{Exit, LocationIndex, Rules, Spot, World};
use crate::engine::Refusal;
use crate::packet::Code;
use crate::time::Tick;

/// Where a player is, how it moves, and what it may do next.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) spot: Spot,
    pub(super) velocity: Point,
    allowance: Allowance,
    violations: Recent,
}

/// A walk that no honest walker makes. It changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Violation {
    /// The walker is to be put right.
    Refused,
    /// It was one of too many: the walker is to be sent away.
    Cheating,
}

impl Body {
    /// A body that stands somewhere, with all the allowance there is.
    pub(super) fn at(spot: Spot, rules: &Rules, clock: Clock) -> Body {
        let allowance = Allowance { units: rules.allowance_most(), at: clock.tick };
        Body { spot, velocity: Point::ZERO, allowance, violations: Recent::default() }
    }

    /// Walks to a point of the same location and goes on at a velocity.
    pub(super) fn walk(
        &mut self,
        world: &World,
        to: Point,
        velocity: Point,
        clock: Clock,
    ) -> Result<(), Violation> {
        let rules = &world.rules;
        // What is not a number or infinite lies within no bounds.
        let possible = world.location(self.spot.location).bounds.contains(to) && velocity.is_finite();
        if !possible || !self.allowance.spend(self.spot.at.distance(to), rules, clock) {
            return Err(self.violated(rules, clock));
        }
        self.spot.at = to;
        self.velocity = velocity.at_most(rules.max_speed);
        Ok(())
    }

    /// Stands somewhere else from now on. Being put there spends nothing.
    pub(super) fn put(&mut self, spot: Spot) {
        self.spot = spot;
        self.velocity = Point::ZERO;
    }

    /// "20 violations in 10 s end in `cheating`": the twentieth is the last.
    fn violated(&mut self, rules: &Rules, clock: Clock) -> Violation {
        let limit = Limit { count: rules.violations, seconds: rules.violation_window_s };
        let has_room = self.violations.admit(limit, clock).is_ok();
        if has_room && self.violations.len() < limit.count as usize {
            return Violation::Refused;
        }
        // The walker goes with the end of the tick; what else it sends until then counts anew.
        self.violations.clear();
        Violation::Cheating
    }
}

/// A distance that may be covered, as it was at a tick.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    units: f32,
    at: Tick,
}

impl Allowance {
    /// Takes `distance` off what has grown until now; `false`, and nothing is taken, where that is less.
    fn spend(&mut self, distance: f32, rules: &Rules, clock: Clock) -> bool {
        let grown = self.units + rules.allowance_growth() * clock.seconds_since(self.at);
        *self = Allowance { units: grown.min(rules.allowance_most()), at: clock.tick };
        if distance > self.units {
            return false;
        }
        self.units -= distance;
        true
    }
}

/// The exit that somebody at `from` takes to get to a location: the nearest within reach.
///
/// # Errors
/// `not_found`: there is no such location. `conflict`: the asker takes itself to be elsewhere. `invalid`: no exit leads
/// there from here, or the nearest that does is out of reach.
pub(super) fn exit(
    world: &World,
    from: Spot,
    to: LocationId,
    claimed: Option<LocationId>,
) -> Result<Spot, Refusal> {
    let here = world.location(from.location);
    if claimed.is_some_and(|claimed| claimed != here.id()) {
        return Err(Refusal::new(Code::Conflict, format!("you are in location {}", here.id())));
    }
    let to =
        world.find(to).ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no location {to}")))?;
    let nearest = nearest_exit(&here.exits, to, from.at).ok_or_else(|| {
        let name = &world.location(to).told.name;
        Refusal::new(Code::Invalid, format!("no exit leads to {name} from here"))
    })?;
    let reach = world.rules.exit_reach;
    if nearest.at.distance(from.at) > reach {
        return Err(Refusal::new(Code::Invalid, format!("the exit is more than {reach} units away")));
    }
    Ok(Spot { location: to, at: nearest.there })
}

fn nearest_exit(exits: &[Exit], to: LocationIndex, from: Point) -> Option<&Exit> {
    let distance = |exit: &&Exit| exit.at.distance_squared(from);
    exits.iter().filter(|exit| exit.to == to).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TickRate;

    const HOME: LocationIndex = LocationIndex(0);

    fn clock(tick: u64) -> Clock {
        Clock { tick: Tick(tick), rate: TickRate::new(20).unwrap() }
    }

    fn body_at(x: f32, y: f32) -> (World, Body) {
        let world = World::built_in();
        let body = Body::at(Spot { location: HOME, at: Point::new(x, y) }, &world.rules, clock(0));
        (world, body)
    }

    fn step(world: &World, body: &mut Body, x: f32, tick: u64) -> Result<(), Violation> {
        body.walk(world, Point::new(x, body.spot.at.y), Point::ZERO, clock(tick))
    }

    #[test]
    fn the_allowance_holds_two_seconds_and_a_half_unit() {
        let (world, mut body) = body_at(10.0, 10.0);
        assert_eq!(step(&world, &mut body, 29.0, 0), Err(Violation::Refused), "19 > 18.9");
        assert_eq!(body.spot.at.x, 10.0, "a refused step changes nothing");
        assert_eq!(step(&world, &mut body, 28.8, 0), Ok(()));
        assert_eq!(step(&world, &mut body, 29.0, 0), Err(Violation::Refused), "0.1 are left");
        // 9.2 units a second: 0.46 a tick at 20 Hz.
        assert_eq!(step(&world, &mut body, 29.3, 1), Ok(()));
        // However long one stands, the allowance is full again at 18.9.
        assert_eq!(step(&world, &mut body, 48.3, 100_000), Err(Violation::Refused));
        assert_eq!(step(&world, &mut body, 48.1, 100_000), Ok(()));
    }

    #[test]
    fn who_walks_at_full_speed_is_never_refused_and_who_runs_is() {
        for (speed, refused) in [(8.0, false), (9.19, false), (9.5, true)] {
            let (world, mut body) = body_at(96.0, 10.0);
            let mut refusals = 0;
            let mut heading = speed / 10.0;
            for tick in (0..6000).step_by(2) {
                if !(1.0..=191.0).contains(&(body.spot.at.x + heading)) {
                    heading = -heading;
                }
                let x = body.spot.at.x + heading;
                refusals += u32::from(step(&world, &mut body, x, tick).is_err());
            }
            assert_eq!(refusals > 0, refused, "{speed} units a second");
        }
    }

    #[test]
    fn what_is_no_place_is_a_violation() {
        for (x, y) in [
            (f32::NAN, 10.0),
            (10.0, f32::NAN),
            (f32::INFINITY, 10.0),
            (10.0, f32::NEG_INFINITY),
            (-0.1, 10.0),
            (10.0, 192.1),
        ] {
            let (world, mut body) = body_at(1.0, 191.0);
            let walked = body.walk(&world, Point::new(x, y), Point::ZERO, clock(50));
            assert_eq!(walked, Err(Violation::Refused), "{x} {y}");
        }
        let (world, mut body) = body_at(1.0, 1.0);
        let nowhere = Point::new(f32::NAN, 0.0);
        assert_eq!(body.walk(&world, Point::new(1.0, 2.0), nowhere, clock(0)), Err(Violation::Refused));
        assert_eq!(body.walk(&world, Point::ZERO, Point::new(0.0, 99.0), clock(0)), Ok(()), "the edge is in");
        assert_eq!(body.velocity, Point::new(0.0, 8.0), "nobody is drawn faster than it walks");
    }

    #[test]
    fn twenty_violations_in_ten_seconds_are_cheating() {
        let (world, mut body) = body_at(10.0, 10.0);
        let outcomes: Vec<_> = (0..20).map(|tick| step(&world, &mut body, 190.0, tick)).collect();
        assert!(outcomes[..19].iter().all(|o| *o == Err(Violation::Refused)));
        assert_eq!(outcomes[19], Err(Violation::Cheating));
        // At 20 Hz ten seconds are 200 ticks: one every 11th tick is never the twentieth within them.
        let (world, mut body) = body_at(10.0, 10.0);
        for i in 0..200 {
            assert_eq!(step(&world, &mut body, 190.0, i * 11), Err(Violation::Refused));
        }
    }

    #[test]
    fn an_exit_is_taken_from_within_its_reach() {
        let world = World::built_in();
        let at = |x, y| Spot { location: HOME, at: Point::new(x, y) };
        let code = |outcome: Result<Spot, Refusal>| outcome.expect_err("refused").code;
        // Dawnhaven's exit to the Whispering Meadows, location 2, is at (190, 96).
        let landed = exit(&world, at(187.0, 96.0), LocationId(2), Some(LocationId(1))).unwrap();
        assert_eq!(world.location(landed.location).id(), LocationId(2));
        assert_eq!(landed.at, Point::new(8.0, 128.0));
        assert_eq!(code(exit(&world, at(186.9, 96.0), LocationId(2), None)), Code::Invalid, "out of reach");
        assert_eq!(code(exit(&world, at(190.0, 96.0), LocationId(15), None)), Code::Invalid, "no way there");
        assert_eq!(code(exit(&world, at(190.0, 96.0), LocationId(99), None)), Code::NotFound);
        assert_eq!(code(exit(&world, at(190.0, 96.0), LocationId(2), Some(LocationId(3)))), Code::Conflict);
    }
}
