//! Where newcomers appear.

use super::place::{Point, Rect};
use super::world::{LocationIndex, Spot, World};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The setting: where newcomers appear.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spawn {
    /// At a random point of the world's start, so that two of them see each other.
    #[default]
    Start,
    /// Evenly over all locations, each at a random point of its own: for measuring.
    Spread,
}

impl FromStr for Spawn {
    type Err = String;

    fn from_str(s: &str) -> Result<Spawn, String> {
        match s {
            "start" => Ok(Spawn::Start),
            "spread" => Ok(Spawn::Spread),
            _ => Err(format!("spawn is \"start\" or \"spread\", not {s:?}")),
        }
    }
}

/// Gives newcomers their places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spawner {
    spawn: Spawn,
    /// The location that the next one is spread to.
    next: u32,
}

impl Spawner {
    pub(super) fn new(spawn: Spawn) -> Spawner {
        Spawner { spawn, next: 0 }
    }

    /// Where the next newcomer appears.
    pub(super) fn place(&mut self, world: &World, random: &mut Random) -> Spot {
        let (location, within) = match self.spawn {
            Spawn::Start => (world.start.location, world.start.within),
            Spawn::Spread => {
                let location = LocationIndex(self.next);
                self.next = (self.next + 1) % world.len() as u32;
                (location, world.location(location).bounds)
            }
        };
        Spot { location, at: point_in(within, random) }
    }
}

fn point_in(Rect { min, max }: Rect, random: &mut Random) -> Point {
    // Rounding may carry a number below 1 times the width to the very edge, never beyond it.
    let x = random.between(min.x, max.x).min(max.x);
    Point::new(x, random.between(min.y, max.y).min(max.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_start_in_one_region() {
        let (world, mut random) = (World::built_in(), Random::new(1));
        let mut spawner = Spawner::new(Spawn::Start);
        let first = spawner.place(&world, &mut random);
        for _ in 0..1000 {
            let next = spawner.place(&world, &mut random);
            assert!(world.start.within.contains(next.at));
            assert_eq!(world.region_at(next), world.region_at(first));
        }
    }

    #[test]
    fn or_are_spread_evenly() {
        let (world, mut random) = (World::built_in(), Random::new(1));
        let mut spawner = Spawner::new(Spawn::Spread);
        let mut counts = vec![0; world.len()];
        for _ in 0..1500 {
            let spot = spawner.place(&world, &mut random);
            assert!(world.location(spot.location).bounds.contains(spot.at));
            counts[spot.location.0 as usize] += 1;
        }
        assert!(counts.iter().all(|&n| n == 100));
    }

    #[test]
    fn the_setting_is_read_as_the_contract_writes_it() {
        assert_eq!("start".parse(), Ok(Spawn::Start));
        assert_eq!("spread".parse(), Ok(Spawn::Spread));
        assert!("Start".parse::<Spawn>().is_err_and(|e| e.contains("\"Start\"")));
    }
}
