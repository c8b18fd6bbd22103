//! The board and its rules: what a drop does, four in a row, a full board. It knows no players and no time.
//!
//! Two bitboards, one bit for each disc: bit `7 * column + height`, heights counted from the bottom. The seventh bit of
//! each column stays empty, so that a shift never carries a disc from one column's top into the next one's bottom; a
//! shift by 1 is a step up, by 7 a step to the right, by 8 and 6 along the diagonals. (After John Tromp's Fhourstones,
//! and Pascal Pons, "Solving Connect 4: how to build a perfect AI", on counting the squares that win.)
//!
//! Invariant: red has as many discs as yellow or one more, no disc hangs in the air, and the sentinels are empty.

use serde::{Deserialize, Serialize};

/// From left to right.
pub const COLUMNS: usize = 7;
/// From top to bottom.
pub const ROWS: usize = 6;
/// Discs that the board holds.
pub const CELLS: u32 = (COLUMNS * ROWS) as u32;

/// Bits from one column to the next: its rows and the sentinel.
const STRIDE: u32 = ROWS as u32 + 1;
/// The lowest cell of each column.
const BOTTOM: u64 = {
    let mut bits = 0;
    let mut column = 0;
    while column < COLUMNS {
        bits |= 1 << (column as u32 * STRIDE);
        column += 1;
    }
    bits
};
/// All cells, without the sentinels.
const CELLS_MASK: u64 = BOTTOM * ((1 << ROWS) - 1);
/// Steps to the next cell: up, to the right, down and up to the right.
const DIRECTIONS: [u32; 4] = [1, STRIDE, STRIDE - 1, STRIDE + 1];

/// Whose disc. Red begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Disc {
    /// Number 0, `R`.
    #[serde(rename = "R")]
    Red,
    /// Number 1, `Y`.
    #[serde(rename = "Y")]
    Yellow,
}

impl Disc {
    /// The other one.
    pub fn other(self) -> Disc {
        match self {
            Disc::Red => Disc::Yellow,
            Disc::Yellow => Disc::Red,
        }
    }

    /// As the board shows it.
    pub fn letter(self) -> char {
        match self {
            Disc::Red => 'R',
            Disc::Yellow => 'Y',
        }
    }
}

/// `[row, column]`: a place on the board, rows from the top, columns from the left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Cell(pub u8, pub u8);

/// A column that exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Column(u8);

impl Column {
    /// All of them, from the left.
    pub const ALL: [Column; COLUMNS] =
        [Column(0), Column(1), Column(2), Column(3), Column(4), Column(5), Column(6)];

    /// `None` where there is no such column.
    pub fn new(column: u32) -> Option<Column> {
        Column::ALL.get(usize::try_from(column).ok()?).copied()
    }

    /// Its number, from the left.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its cells.
    fn cells(self) -> u64 {
        ((1 << ROWS) - 1) << (u32::from(self.0) * STRIDE)
    }
}

/// The discs that were dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Board {
    red: u64,
    yellow: u64,
}

/// No disc fits into that column any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Board {
    /// Without discs.
    pub const EMPTY: Board = Board { red: 0, yellow: 0 };

    /// Drops a disc of whoever is on turn.
    ///
    /// # Errors
    /// [`Full`]; then nothing changes.
    pub fn drop(&mut self, column: Column) -> Result<(), Full> {
        let cell = self.playable() & column.cells();
        if cell == 0 {
            return Err(Full);
        }
        match self.turn() {
            Disc::Red => self.red |= cell,
            Disc::Yellow => self.yellow |= cell,
        }
        Ok(())
    }

    /// How many discs were dropped.
    pub fn moves(&self) -> u32 {
        self.taken().count_ones()
    }

    /// Whose disc comes next.
    pub fn turn(&self) -> Disc {
        if self.moves().is_multiple_of(2) { Disc::Red } else { Disc::Yellow }
    }

    /// Whether no disc fits any more.
    pub fn is_full(&self) -> bool {
        self.taken() == CELLS_MASK
    }

    /// Four of one colour in a row, whose last disc has just been dropped: which cells, from one end to the other.
    pub fn line(&self) -> Option<[Cell; 4]> {
        let mine = self.discs(self.turn().other());
        DIRECTIONS.into_iter().find_map(|step| {
            let starts = fours(mine, step);
            // Wherever more than four stand in a row, all fours of it hold the last disc: without it there was none.
            (starts != 0).then(|| [0, 1, 2, 3].map(|n| cell_at(starts.trailing_zeros() + n * step)))
        })
    }

    /// What stands in a cell.
    pub fn at(&self, row: usize, column: usize) -> Option<Disc> {
        let height = ROWS.checked_sub(row + 1)?;
        let bit = 1u64.checked_shl(u32::try_from(column).ok()? * STRIDE + height as u32)?;
        match (self.red & bit != 0, self.yellow & bit != 0) {
            (true, _) => Some(Disc::Red),
            (_, true) => Some(Disc::Yellow),
            _ => None,
        }
    }

    /// The discs of one colour.
    pub(super) fn discs(&self, disc: Disc) -> u64 {
        match disc {
            Disc::Red => self.red,
            Disc::Yellow => self.yellow,
        }
    }

    /// The discs of both.
    fn taken(&self) -> u64 {
        self.red | self.yellow
    }

    /// The cells that a disc may fall into, one in each column that is not full.
    pub(super) fn playable(&self) -> u64 {
        // Adding the bottom carries through a column's discs to the first cell above them.
        (self.taken() + BOTTOM) & CELLS_MASK
    }

    /// The empty cells, in reach or not, that would make four of `disc`.
    pub(super) fn threats(&self, disc: Disc) -> u64 {
        let mine = self.discs(disc);
        let mut cells = (mine << 1) & (mine << 2) & (mine << 3);
        for step in &DIRECTIONS[1..] {
            let (before, after) =
                ((mine << step) & (mine << (2 * step)), (mine >> step) & (mine >> (2 * step)));
            cells |= before & (mine << (3 * step));
            cells |= before & (mine >> step);
            cells |= after & (mine << step);
            cells |= after & (mine >> (3 * step));
        }
        cells & CELLS_MASK & !self.taken()
    }

    /// The cell of `cells` that lies in a column; 0 for none.
    pub(super) fn in_column(cells: u64, column: Column) -> u64 {
        cells & column.cells()
    }

    /// The cells right under some cells.
    pub(super) fn under(cells: u64) -> u64 {
        (cells >> 1) & CELLS_MASK
    }
}

/// The first cells of every four in a row in one direction.
fn fours(discs: u64, step: u32) -> u64 {
    let pairs = discs & (discs >> step);
    pairs & (pairs >> (2 * step))
}

fn cell_at(bit: u32) -> Cell {
    let (column, height) = (bit / STRIDE, bit % STRIDE);
    Cell((ROWS as u32 - 1 - height) as u8, column as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The rules as one would write them down first: a grid of cells, looked through one by one.
    #[derive(Default)]
    struct Naive {
        grid: [[Option<Disc>; COLUMNS]; ROWS],
        moves: u32,
    }

    impl Naive {
        fn turn(&self) -> Disc {
            [Disc::Red, Disc::Yellow][self.moves as usize % 2]
        }

        fn drop(&mut self, column: usize) -> bool {
            let Some(row) = (0..ROWS).rev().find(|row| self.grid[*row][column].is_none()) else {
                return false;
            };
            self.grid[row][column] = Some(self.turn());
            self.moves += 1;
            true
        }

        fn has(&self, row: i32, column: i32, disc: Disc) -> bool {
            let inside = (0..ROWS as i32).contains(&row) && (0..COLUMNS as i32).contains(&column);
            inside && self.grid[row as usize][column as usize] == Some(disc)
        }

        fn lines(&self, disc: Disc) -> BTreeSet<Vec<(i32, i32)>> {
            let mut found = BTreeSet::new();
            for row in 0..ROWS as i32 {
                for column in 0..COLUMNS as i32 {
                    for (down, right) in [(0, 1), (1, 0), (1, 1), (1, -1)] {
                        let cells: Vec<_> = (0..4).map(|n| (row + n * down, column + n * right)).collect();
                        if cells.iter().all(|&(row, column)| self.has(row, column, disc)) {
                            let mut cells = cells;
                            cells.sort_unstable();
                            found.insert(cells);
                        }
                    }
                }
            }
            found
        }

        /// Whether a disc of `disc` in that empty cell makes four.
        fn is_threat(&mut self, row: usize, column: usize, disc: Disc) -> bool {
            if self.grid[row][column].is_some() {
                return false;
            }
            let before = self.lines(disc);
            self.grid[row][column] = Some(disc);
            let after = self.lines(disc);
            self.grid[row][column] = None;
            after.len() > before.len()
        }
    }

    fn bit(row: usize, column: usize) -> u64 {
        1 << (column as u32 * STRIDE + (ROWS - 1 - row) as u32)
    }

    fn agree(board: &Board, naive: &mut Naive) -> Result<(), TestCaseError> {
        prop_assert_eq!(board.moves(), naive.moves);
        prop_assert_eq!(board.turn(), naive.turn());
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                prop_assert_eq!(board.at(row, column), naive.grid[row][column]);
                for disc in [Disc::Red, Disc::Yellow] {
                    let threat = board.threats(disc) & bit(row, column) != 0;
                    prop_assert_eq!(
                        threat,
                        naive.is_threat(row, column, disc),
                        "{} {} {:?}",
                        row,
                        column,
                        disc
                    );
                }
            }
        }
        prop_assert_eq!(board.is_full(), naive.grid.iter().flatten().all(Option::is_some));
        prop_assert_eq!((board.red | board.yellow) & !CELLS_MASK, 0, "the sentinels are empty");
        let lines = naive.lines(naive.turn().other());
        match board.line() {
            None => prop_assert!(lines.is_empty(), "{:?}", lines),
            Some(line) => {
                let mut line: Vec<_> = line.map(|Cell(row, column)| (row.into(), column.into())).into();
                line.sort_unstable();
                prop_assert!(lines.contains(&line), "{:?} of {:?}", line, lines);
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whole_games_go_as_the_naive_rules_have_them(columns in prop::collection::vec(0..COLUMNS as u32, 0..80)) {
            let (mut board, mut naive) = (Board::EMPTY, Naive::default());
            for number in columns {
                let column = Column::new(number).unwrap();
                let before = board;
                let dropped = naive.drop(column.index());
                prop_assert_eq!(board.drop(column).is_ok(), dropped);
                prop_assert!(dropped || board == before, "a full column changes nothing");
                agree(&board, &mut naive)?;
                if board.line().is_some() {
                    break;
                }
            }
        }
    }

    /// John Tromp's counts of legal positions after n moves (OEIS A212693).
    #[test]
    fn as_many_positions_are_legal_as_are_known_to_be() {
        const KNOWN: [usize; 8] = [1, 7, 49, 238, 1120, 4263, 16_422, 54_859];
        let mut positions = BTreeSet::from([Board::EMPTY]);
        for (moves, known) in KNOWN.into_iter().enumerate() {
            assert_eq!(positions.len(), known, "after {moves} moves");
            let running = positions.iter().filter(|board| board.line().is_none());
            let next = running.flat_map(|board| {
                Column::ALL.into_iter().filter_map(|column| {
                    let mut board = *board;
                    board.drop(column).ok().map(|()| board)
                })
            });
            positions = next.collect();
        }
    }

    fn played(columns: &[u32]) -> Board {
        let mut board = Board::EMPTY;
        for &column in columns {
            board.drop(Column::new(column).unwrap()).unwrap();
        }
        board
    }

    #[test]
    fn the_line_is_told_in_every_direction() {
        let across = played(&[0, 0, 1, 1, 2, 2, 3]);
        assert_eq!(across.line(), Some([Cell(5, 0), Cell(5, 1), Cell(5, 2), Cell(5, 3)]));
        let upwards = played(&[6, 0, 6, 0, 6, 0, 6]);
        assert_eq!(upwards.line(), Some([Cell(5, 6), Cell(4, 6), Cell(3, 6), Cell(2, 6)]));
        let rising = played(&[0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3]);
        assert_eq!(rising.line(), Some([Cell(5, 0), Cell(4, 1), Cell(3, 2), Cell(2, 3)]));
        let falling = played(&[6, 5, 5, 4, 4, 3, 4, 3, 3, 0, 3]);
        assert_eq!(falling.line(), Some([Cell(2, 3), Cell(3, 4), Cell(4, 5), Cell(5, 6)]));
        // From the top of one column to the bottom of the next there is no line.
        assert_eq!(played(&[0, 1, 0, 1, 2, 0, 0, 2, 0, 3, 0]).line(), None);
    }

    #[test]
    fn a_column_that_is_full_or_not_there() {
        let mut board = played(&[3; 6]);
        let before = board;
        assert_eq!(board.drop(Column::ALL[3]), Err(Full));
        assert_eq!(board, before);
        assert_eq!(Column::new(7), None);
        assert_eq!(Column::new(u32::MAX), None);
    }
}
