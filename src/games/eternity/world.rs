//! The world as it is once its file has been checked: rules in numbers, locations, and which region is where.
//!
//! Nothing here changes while the game runs. The invariants that the rest of the rules stand on hold by construction:
//! every exit leads to a location that exists and comes out within it, the start lies within one region of a safe
//! location, and regions are numbered without gaps, location by location in the file's order, row by row. What a file
//! may say is in `world_file.rs`.

use super::character::{Class, Vitals};
use super::packets;
use super::place::{LocationId, Point, Rect};
use crate::engine::Grid;
use crate::ids::RegionId;
use std::sync::Arc;

pub use super::world_file::WorldError;

/// The numbers of the rules.
#[derive(Clone, PartialEq, Debug)]
pub struct Rules {
    /// Side of the square regions, units.
    pub region_size: f32,
    /// How fast one may walk, units a second.
    pub max_speed: f32,
    /// The allowance of distance grows by `max_speed` times this a second.
    pub speed_tolerance: f32,
    /// It grows to at most what this many seconds give...
    pub allowance_s: f32,
    /// ...plus this many units.
    pub allowance_slack: f32,
    /// So many refused walks...
    pub violations: u32,
    /// ...within so many seconds end in `cheating`.
    pub violation_window_s: f32,
    /// How close to an exit one must be to take it, units.
    pub exit_reach: f32,
    /// The longest chat message, characters.
    pub chat_characters: usize,
    /// So many chat messages...
    pub chat_messages: u32,
    /// ...within so many seconds.
    pub chat_window_s: f32,
    /// How many characters an account may have.
    pub characters: usize,
}

impl Rules {
    /// By how much the allowance grows, units a second.
    pub fn allowance_growth(&self) -> f32 {
        self.max_speed * self.speed_tolerance
    }

    /// The most the allowance grows to, units.
    pub fn allowance_most(&self) -> f32 {
        self.allowance_growth() * self.allowance_s + self.allowance_slack
    }
}

/// Which location, dense from 0 in the file's order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocationIndex(pub(super) u32);

/// One location.
#[derive(Clone, Debug)]
pub struct Location {
    /// Its rectangle: from the origin to its width and height.
    pub bounds: Rect,
    /// The ways out.
    pub exits: Vec<Exit>,
    /// The same as clients are told it.
    pub told: Arc<packets::Location>,
    pub(super) grid: Grid,
    pub(super) first_region: u32,
}

impl Location {
    /// Its number in the file.
    pub fn id(&self) -> LocationId {
        self.told.id
    }
}

/// A way out of a location.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exit {
    /// Where it is.
    pub at: Point,
    /// Where it leads.
    pub to: LocationIndex,
    /// Where in there one comes out.
    pub there: Point,
}

/// A location and a point in it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spot {
    /// Which location.
    pub location: LocationIndex,
    /// Where in it.
    pub at: Point,
}

/// Where newcomers appear.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Start {
    /// Which location; it is safe.
    pub location: LocationIndex,
    /// Where in it: within one region.
    pub within: Rect,
}

/// The rules in numbers, and the map.
#[derive(Clone, Debug)]
pub struct World {
    /// The numbers of the rules.
    pub rules: Rules,
    /// What each class brings along, by its number.
    pub classes: [Vitals; 3],
    /// Where newcomers appear.
    pub start: Start,
    /// All locations as clients are told them.
    pub names: Arc<[packets::LocationName]>,
    /// All shards as clients are told them.
    pub shards: Arc<[packets::Shard]>,
    pub(super) locations: Vec<Location>,
}

impl World {
    /// The world that is embedded in the program.
    pub fn built_in() -> World {
        World::parse(include_str!("world.toml")).expect("the embedded file is checked by the tests")
    }

    /// The world that a file's text describes.
    ///
    /// # Errors
    /// The first mistake found, with its line.
    pub fn parse(text: &str) -> Result<World, WorldError> {
        super::world_file::parse(text)
    }

    /// One grid a location, in order.
    pub fn grids(&self) -> Vec<Grid> {
        self.locations.iter().map(|l| l.grid).collect()
    }

    /// How many regions all locations have together.
    pub fn regions(&self) -> usize {
        self.locations.last().map_or(0, |l| (l.first_region + l.grid.columns * l.grid.rows) as usize)
    }

    /// How many locations there are, at least 1.
    pub fn len(&self) -> usize {
        self.locations.len()
    }

    /// Never: a world has a start.
    pub fn is_empty(&self) -> bool {
        self.locations.is_empty()
    }

    /// All locations, in order.
    pub fn indexes(&self) -> impl Iterator<Item = LocationIndex> {
        (0..self.locations.len() as u32).map(LocationIndex)
    }

    /// One location.
    pub fn location(&self, index: LocationIndex) -> &Location {
        &self.locations[index.0 as usize]
    }

    /// The location of that number in the file.
    pub fn find(&self, id: LocationId) -> Option<LocationIndex> {
        self.indexes().find(|&i| self.location(i).id() == id)
    }

    /// The index as a number, to look up a table of all locations with.
    pub fn number_of(&self, index: LocationIndex) -> usize {
        index.0 as usize
    }

    /// What a class brings along.
    pub fn vitals(&self, class: Class) -> Vitals {
        self.classes[class as usize]
    }

    /// The spot at a point of the location of that number; `None` where there is no such place on this map.
    pub fn spot(&self, id: LocationId, at: Point) -> Option<Spot> {
        let location = self.find(id)?;
        self.location(location).bounds.contains(at).then_some(Spot { location, at })
    }

    /// The region that a spot lies in. A point on the right or lower edge belongs to the last region.
    pub fn region_at(&self, spot: Spot) -> RegionId {
        let Location { grid, first_region, .. } = *self.location(spot.location);
        // `as` saturates: a point left of or above the origin, or no number, counts to the first region.
        let cell = |v: f32, cells: u32| ((v / self.rules.region_size) as u32).min(cells - 1);
        RegionId(first_region + cell(spot.at.y, grid.rows) * grid.columns + cell(spot.at.x, grid.columns))
    }

    /// The regions that are seen from `region`: itself and those of the same location that touch it.
    pub fn area(&self, region: RegionId) -> Area {
        let after = self.locations.partition_point(|l| l.first_region <= region.0);
        let Location { grid, first_region, .. } = self.locations[after - 1];
        let cell = region.0 - first_region;
        let (row, column) = (cell / grid.columns, cell % grid.columns);
        let mut area = Area { regions: [region; 9], len: 0 };
        for r in row.saturating_sub(1)..=(row + 1).min(grid.rows - 1) {
            for c in column.saturating_sub(1)..=(column + 1).min(grid.columns - 1) {
                area.regions[usize::from(area.len)] = RegionId(first_region + r * grid.columns + c);
                area.len += 1;
            }
        }
        area
    }
}

/// Up to 3 x 3 regions, in ascending order.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    regions: [RegionId; 9],
    len: u8,
}

impl Area {
    /// The area of who is nowhere.
    pub const NOWHERE: Area = Area { regions: [RegionId(0); 9], len: 0 };

    /// Its regions.
    pub fn regions(&self) -> &[RegionId] {
        &self.regions[..usize::from(self.len)]
    }

    /// Whether `region` is one of them.
    pub fn contains(&self, region: RegionId) -> bool {
        self.regions().contains(&region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_world_is_what_the_rules_promise() {
        let world = World::built_in();
        assert_eq!(world.len(), 15);
        assert_eq!(world.shards.len(), 12);
        assert_eq!(world.rules.region_size, 32.0);
        assert!((world.rules.allowance_growth() - 9.2).abs() < 1e-5);
        assert!((world.rules.allowance_most() - 18.9).abs() < 1e-5);
        assert!(world.location(world.start.location).told.safe);
        assert_eq!(
            world.regions(),
            world.grids().iter().map(|g| (g.columns * g.rows) as usize).sum::<usize>()
        );
        for location in &world.locations {
            for exit in &location.exits {
                let back = &world.location(exit.to).exits;
                let back =
                    back.iter().find(|e| world.location(e.to).id() == location.id()).expect("a way back");
                // Coming out must not be standing in the way back, or a walker would be thrown to and fro.
                assert!(exit.there.distance(back.at) > world.rules.exit_reach, "{}", location.told.name);
            }
        }
    }

    #[test]
    fn regions_are_numbered_row_by_row_and_location_by_location() {
        let world = World::built_in();
        let at = |location, x, y| world.region_at(Spot { location, at: Point::new(x, y) });
        let (first, second) = (LocationIndex(0), LocationIndex(1));
        // The first location is 192 x 192: 6 x 6 regions.
        assert_eq!(at(first, 0.0, 0.0), RegionId(0));
        assert_eq!(at(first, 31.99, 0.0), RegionId(0));
        assert_eq!(at(first, 32.0, 0.0), RegionId(1));
        assert_eq!(at(first, 0.0, 32.0), RegionId(6));
        assert_eq!(at(first, 192.0, 192.0), RegionId(35), "the far edges belong to the last region");
        assert_eq!(at(second, 0.0, 0.0), RegionId(36));
        assert_eq!(at(first, f32::NAN, -5.0), RegionId(0));
    }

    #[test]
    fn an_area_is_three_by_three_and_ends_at_the_location() {
        let world = World::built_in();
        let area = |r| world.area(RegionId(r)).regions().iter().map(|r| r.0).collect::<Vec<_>>();
        assert_eq!(area(7), [0, 1, 2, 6, 7, 8, 12, 13, 14]);
        assert_eq!(area(0), [0, 1, 6, 7]);
        assert_eq!(area(35), [28, 29, 34, 35], "the next region is another location's");
        assert_eq!(area(36), [36, 37, 44, 45]);
        for a in 0..world.regions() as u32 {
            for &b in world.area(RegionId(a)).regions() {
                assert!(world.area(b).contains(RegionId(a)), "sight is mutual: {a} {b:?}");
            }
        }
    }
}
