//! Who is where: the cells of a game's grids and the members that stand in them.
//!
//! Finding a cell, entering and leaving one take constant time. Regions of different grids never touch, whatever
//! their numbers are.
//!
//! Invariant: a member stands in at most one cell, at the index its [`Place`] says.

use super::game::Grid;
use crate::ids::RegionId;
use crate::limits;

/// Where a member stands: the region and the index within its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) region: RegionId,
    index: u32,
}

/// The cells of all grids of one game; a member is a key of the realm.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    grids: Vec<Span>,
    /// Which grid each region belongs to.
    grid_of: Vec<u16>,
    cells: Vec<Vec<u32>>,
}

#[derive(Debug)]
struct Span {
    base: u32,
    columns: u32,
    rows: u32,
}

impl Regions {
    /// Lays the grids out one behind the other; `Err` names the first that is empty or one too many.
    pub(crate) fn new(grids: &[Grid]) -> Result<Regions, String> {
        let mut regions = Regions::default();
        for (i, grid) in grids.iter().enumerate() {
            let base = regions.cells.len() as u64;
            let count = u64::from(grid.columns) * u64::from(grid.rows);
            if count == 0 || base + count > limits::REGIONS as u64 || i > usize::from(u16::MAX) {
                return Err(format!("grid {i} of {}x{} regions cannot be laid out", grid.columns, grid.rows));
            }
            regions.grids.push(Span { base: base as u32, columns: grid.columns, rows: grid.rows });
            regions.grid_of.extend(std::iter::repeat_n(i as u16, count as usize));
            regions.cells.resize_with((base + count) as usize, Vec::new);
        }
        let room = limits::room_of_region(regions.cells.len());
        regions.cells.iter_mut().for_each(|cell| cell.reserve_exact(room));
        Ok(regions)
    }

    /// The members of a region; none for a region that does not exist.
    pub(crate) fn members(&self, region: RegionId) -> &[u32] {
        self.cells.get(region.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// The region and those that touch it, in the order of their numbers.
    pub(crate) fn around(&self, region: RegionId) -> impl Iterator<Item = RegionId> + use<> {
        let span = self.grid_of.get(region.0 as usize).map(|&grid| &self.grids[usize::from(grid)]);
        let (base, columns, rows) = span.map_or((0, 0, 0), |s| (s.base, s.columns, s.rows));
        let (x, y) = match columns {
            0 => (0, 0),
            _ => ((region.0 - base) % columns, (region.0 - base) / columns),
        };
        let ys = y.saturating_sub(1)..(y + 2).min(rows);
        ys.flat_map(move |y| {
            let xs = x.saturating_sub(1)..(x + 2).min(columns);
            xs.map(move |x| RegionId(base + y * columns + x))
        })
    }

    /// Whether `member` stands where `place` says.
    pub(crate) fn stands(&self, member: u32, place: Place) -> bool {
        self.members(place.region).get(place.index as usize) == Some(&member)
    }

    /// How many stand anywhere.
    pub(crate) fn standing(&self) -> usize {
        self.cells.iter().map(Vec::len).sum()
    }

    /// Puts a member into a region; `None` where the region does not exist.
    pub(crate) fn enter(&mut self, region: RegionId, member: u32) -> Option<Place> {
        let cell = self.cells.get_mut(region.0 as usize)?;
        cell.push(member);
        Some(Place { region, index: cell.len() as u32 - 1 })
    }

    /// Takes the member at `place` out. Returns whoever took its index, to be told its new place.
    pub(crate) fn leave(&mut self, place: Place) -> Option<(u32, Place)> {
        let cell = self.cells.get_mut(place.region.0 as usize)?;
        cell.swap_remove(place.index as usize);
        cell.get(place.index as usize).map(|&moved| (moved, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_grids() -> Regions {
        Regions::new(&[Grid { columns: 3, rows: 3 }, Grid { columns: 2, rows: 1 }]).expect("they fit")
    }

    fn around(regions: &Regions, region: u32) -> Vec<u32> {
        regions.around(RegionId(region)).map(|r| r.0).collect()
    }

    #[test]
    fn a_region_sees_those_that_touch_it_and_never_another_grid() {
        let r = two_grids();
        assert_eq!(around(&r, 4), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(around(&r, 0), [0, 1, 3, 4]);
        assert_eq!(around(&r, 8), [4, 5, 7, 8], "the next number belongs to the other grid");
        assert_eq!(around(&r, 9), [9, 10]);
        assert_eq!(around(&r, 11), [0u32; 0], "there is no such region");
    }

    #[test]
    fn leaving_tells_who_moved_up() {
        let mut r = two_grids();
        let places: Vec<Place> = (0..3).map(|m| r.enter(RegionId(5), m).expect("exists")).collect();
        assert_eq!(r.leave(places[0]), Some((2, places[0])));
        assert_eq!(r.members(RegionId(5)), [2, 1]);
        assert_eq!(r.leave(places[1]), None, "the last one moves nobody");
        assert!(r.enter(RegionId(11), 9).is_none());
    }

    #[test]
    fn grids_that_cannot_be_are_refused() {
        assert!(Regions::new(&[Grid { columns: 0, rows: 5 }]).is_err());
        assert!(Regions::new(&[Grid { columns: u32::MAX, rows: u32::MAX }]).is_err());
    }
}
