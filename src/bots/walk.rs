//! Where a bot goes: straight on, off the walls, now and then another way.

use crate::games::eternity::packets::GameState;
use crate::games::eternity::place::{Point, Rect};
use crate::random::Random;
use crate::time::Time;
use std::time::Duration;

/// How much of the speed that it may have a bot walks at: late packets then never look like cheating.
const PACE: f32 = 0.75;
/// Units that a bot keeps away from its bounds.
const MARGIN: f32 = 0.5;
/// The longest time that one step makes up for.
const LONGEST: Duration = Duration::from_secs(1);
/// Seconds between two turns, at least and at most.
const TURNS: (f32, f32) = (2.0, 6.0);

/// One bot's place and way.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    at: Point,
    velocity: Point,
    speed: f32,
    bounds: Rect,
    /// When the last step was.
    stepped: Time,
    /// When it will turn.
    turns: Time,
}

impl Walker {
    /// Somebody who has just been told where it is. With `stay` its bounds are its region's, else its location's.
    pub(super) fn new(state: &GameState, stay: bool, now: Time) -> Walker {
        let at = state.you.position;
        let location = &state.location;
        let span = |at: f32, size: f32| match stay {
            true => {
                let near = (at / location.region_size).floor() * location.region_size;
                inner(near, (near + location.region_size).min(size))
            }
            false => inner(0.0, size),
        };
        let ((left, right), (top, bottom)) = (span(at.x, location.width), span(at.y, location.height));
        let bounds = Rect { min: Point::new(left, top), max: Point::new(right, bottom) };
        let speed = state.you.max_speed * PACE;
        Walker { at, velocity: Point::ZERO, speed, bounds, stepped: now, turns: now }
    }

    /// Where it is by now, and how it goes on.
    pub(super) fn step(&mut self, now: Time, random: &mut Random) -> (Point, Point) {
        let seconds = now.since(self.stepped).min(LONGEST).as_secs_f32();
        self.stepped = now;
        if now >= self.turns {
            let angle = random.between(0.0, std::f32::consts::TAU);
            self.velocity = Point::new(angle.cos() * self.speed, angle.sin() * self.speed);
            self.turns = now + Duration::from_secs_f32(random.between(TURNS.0, TURNS.1));
        }
        let Rect { min, max } = self.bounds;
        (self.at.x, self.velocity.x) = go(self.at.x, self.velocity.x, seconds, min.x, max.x);
        (self.at.y, self.velocity.y) = go(self.at.y, self.velocity.y, seconds, min.y, max.y);
        (self.at.told(), self.velocity.told())
    }

    /// Stands where it is.
    pub(super) fn stand(&mut self, now: Time) -> (Point, Point) {
        self.stepped = now;
        (self.at.told(), Point::ZERO)
    }
}

/// The span without its margins; its middle where it is all margin.
fn inner(low: f32, high: f32) -> (f32, f32) {
    let middle = (low + high) / 2.0;
    ((low + MARGIN).min(middle), (high - MARGIN).max(middle))
}

/// One axis of a step: what would lead out of the span is thrown back from its end.
fn go(at: f32, velocity: f32, seconds: f32, low: f32, high: f32) -> (f32, f32) {
    // Who came in within the margin is not pushed out of it: no step is longer than its time.
    let (low, high) = (low.min(at), high.max(at));
    let to = at + velocity * seconds;
    match () {
        () if to < low => ((2.0 * low - to).min(high), velocity.abs()),
        () if to > high => ((2.0 * high - to).max(low), -velocity.abs()),
        () => (to, velocity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walker(at: Point, bounds: Rect) -> Walker {
        let (stepped, turns) = (Time::START, Time::START);
        Walker { at, velocity: Point::ZERO, speed: 6.0, bounds, stepped, turns }
    }

    proptest! {
        /// Never faster than its speed, never out of its bounds, and not forever in one place.
        #[test]
        fn an_honest_walk(seed in any::<u64>(), x in 0.0f32..32.0, y in 0.0f32..32.0,
                          waits in prop::collection::vec(1u64..2000, 1..200)) {
            let bounds = Rect { min: Point::new(0.5, 0.5), max: Point::new(31.5, 31.5) };
            let whole = Rect { min: Point::ZERO, max: Point::new(32.0, 32.0) };
            let (mut random, mut now) = (Random::new(seed), Time::START);
            let mut walker = walker(Point::new(x, y), bounds);
            let start = walker.at;
            let mut walked = 0.0;
            for wait in &waits {
                let before = walker.at;
                now = now + Duration::from_millis(*wait);
                let (at, velocity) = walker.step(now, &mut random);
                let distance = walker.at.distance(before);
                prop_assert!(distance <= 6.0 * *wait as f32 / 1000.0 + 1e-3);
                prop_assert!(whole.contains(at) && velocity.distance(Point::ZERO) < 6.1);
                walked += distance;
            }
            prop_assert!(walked > 0.0 || walker.at != start || waits.len() < 2);
            let stood = walker.stand(now);
            prop_assert_eq!(stood, (walker.at.told(), Point::ZERO));
        }
    }

    /// Somebody in the middle of a location of 192 x 180 units, whose last region is cut off.
    fn state(x: f32, y: f32) -> GameState {
        let state = serde_json::json!({
            "you": {
                "id": 1_000_000_000, "name": "Bot", "faction": "verdant", "class": "mage", "level": 1,
                "position": { "x": x, "y": y }, "velocity": { "x": 0.0, "y": 0.0 }, "max_speed": 8.0
            },
            "location": {
                "id": 1, "name": "Dawnhaven", "description": "A town.", "terrain": "town", "width": 192.0,
                "height": 180.0, "region_size": 32.0, "safe": true, "exit_reach": 3.0, "exits": []
            },
            "locations": [], "players": [], "monsters": [], "shards": [], "party": null, "quests": []
        });
        serde_json::from_value(state).unwrap()
    }

    #[test]
    fn whoever_stays_keeps_to_the_region_it_came_in_by() {
        let walk = |stay, x, y| {
            let (mut random, mut now) = (Random::new(7), Time::START);
            let mut walker = Walker::new(&state(x, y), stay, now);
            let step = |_| {
                now = now + Duration::from_millis(100);
                walker.step(now, &mut random).0
            };
            (0..20_000).map(step).collect::<Vec<Point>>()
        };
        let rect =
            |left, top, right, bottom| Rect { min: Point::new(left, top), max: Point::new(right, bottom) };
        for (x, y, region) in [
            (80.0, 100.0, rect(64.0, 96.0, 96.0, 128.0)),
            // On a border one is in the region that begins there.
            (64.0, 96.0, rect(64.0, 96.0, 96.0, 128.0)),
            (191.9, 179.9, rect(160.0, 160.0, 192.0, 180.0)),
        ] {
            assert!(walk(true, x, y).iter().all(|at| region.contains(*at)), "from {x}, {y}");
            let free = walk(false, x, y);
            assert!(free.iter().any(|at| !region.contains(*at)), "from {x}, {y}");
            assert!(free.iter().all(|at| rect(0.0, 0.0, 192.0, 180.0).contains(*at)));
        }
    }

    #[test]
    fn a_span_that_is_all_margin_has_a_middle() {
        assert_eq!(inner(0.0, 256.0), (0.5, 255.5));
        assert_eq!(inner(0.0, 0.5), (0.25, 0.25));
    }
}
