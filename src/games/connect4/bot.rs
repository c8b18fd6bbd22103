//! The server's own player: five levels of looking ahead, in steps that can be counted and put off.
//!
//! A [`Search`] is alpha-beta with iterative deepening, on a stack of its own instead of the machine's: it does as many
//! steps as it is given ([`Search::run`]) and goes on where it stopped. It knows no time and no match; who thinks how
//! much in a tick is decided in `thinking.rs`. What it comes to follows from the board, the level, the chance it was
//! given, and the steps it got.
//!
//! The least that a level sees does not depend on steps: a four of one's own (all levels) and one of the other's that
//! has to be blocked (from level 2 on) are seen when the search is made.

use super::board::{Board, CELLS, COLUMNS, Column};
use crate::random::Random;

/// How well the bot plays, 1 to 5.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Level(u8);

impl Level {
    /// `None` where there is no such level.
    pub(super) fn new(level: u32) -> Option<Level> {
        matches!(level, 1..=5).then_some(Level(level as u8))
    }

    /// Its number.
    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// How many discs ahead it looks at the most; two more are seen from each position that it gets to.
    fn depth(self) -> u32 {
        match self.0 {
            1 => 0,
            2 => 1,
            3 => 2,
            4 => 6,
            _ => CELLS,
        }
    }

    /// How many positions it looks at for one disc, at the most.
    fn nodes(self) -> u32 {
        match self.0 {
            1..=4 => 20_000,
            _ => 120_000,
        }
    }
}

/// A won position's worth, less the discs on the board when it is won: a win is better sooner, a loss later.
const WIN: i32 = 10_000;
/// Beyond all that a position may seem to be worth that is not won or lost for certain.
const CERTAIN: i32 = WIN - CELLS as i32 - 2;
/// From the middle outwards: middle columns are part of more fours.
const FROM_THE_MIDDLE: [Column; COLUMNS] = {
    let all = Column::ALL;
    [all[3], all[2], all[4], all[1], all[5], all[0], all[6]]
};

/// Looking for a column to drop into.
#[derive(Clone, Debug)]
pub(super) struct Search {
    board: Board,
    level: Level,
    /// The columns that come into question, the best so far first.
    order: Vec<Column>,
    /// How deep the last whole iteration went.
    depth: u32,
    /// Positions looked at.
    spent: u32,
    settled: bool,
    /// From the root of this iteration down; empty between two.
    stack: Vec<Node>,
}

/// One position on the way down.
#[derive(Clone, Debug)]
struct Node {
    board: Board,
    order: [Column; COLUMNS],
    count: usize,
    /// How many of them have been tried.
    tried: usize,
    /// Discs still to be looked ahead from here.
    depth: u32,
    alpha: i32,
    beta: i32,
    best: i32,
    best_column: Column,
}

impl Search {
    /// A search for whoever is on turn. The board is neither full nor won.
    pub(super) fn new(board: Board, level: Level, random: &mut Random) -> Search {
        let playable = board.playable();
        let mut order: Vec<Column> = columns(playable).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u64 + 1) as usize);
        }
        let four = board.threats(board.turn()) & playable;
        let block = board.threats(board.turn().other()) & playable;
        let mut settled = true;
        if four != 0 {
            order = columns(four).collect();
        } else if level.number() > 1 && block != 0 {
            order = columns(block).collect();
        } else if level.number() > 1 {
            let safe = safe(&board, playable);
            if safe != 0 {
                order.retain(|column| Board::in_column(safe, *column) != 0);
            }
            settled = order.len() < 2;
        }
        Search { board, level, order, depth: 0, spent: 0, settled, stack: Vec::new() }
    }

    /// The column that seems best so far.
    pub(super) fn best(&self) -> Option<Column> {
        self.order.first().copied()
    }

    /// The board that it is about.
    pub(super) fn board(&self) -> Board {
        self.board
    }

    /// How many positions it has looked at.
    #[cfg(test)]
    pub(super) fn spent(&self) -> u32 {
        self.spent
    }

    /// Looks at up to `left` positions and takes them off it; true when there is nothing more to be found out.
    pub(super) fn run(&mut self, left: &mut u32) -> bool {
        while !self.settled && *left > 0 {
            match self.stack.last() {
                None => self.begin_iteration(),
                Some(node) if node.is_done() => self.go_up(),
                Some(_) => {
                    *left -= 1;
                    self.spent += 1;
                    self.go_down();
                }
            }
        }
        self.settled
    }

    fn begin_iteration(&mut self) {
        let ahead = self.level.depth().min(CELLS - self.board.moves());
        if self.depth >= ahead || self.spent >= self.level.nodes() {
            self.settled = true;
            return;
        }
        let mut root = Node::new(self.board, self.depth + 1, -WIN, WIN);
        self.order.iter().for_each(|column| root.offer(*column));
        self.stack.push(root);
    }

    /// Tries the next column of the lowest node.
    fn go_down(&mut self) {
        let Some(node) = self.stack.last_mut() else { return };
        let mut board = node.board;
        // A column that was offered is not full.
        let _ = board.drop(node.order[node.tried]);
        let (alpha, beta) = (-node.beta, -node.alpha.max(node.best));
        match look(board, node.depth - 1, alpha, beta) {
            Looked::Worth(worth) => node.take(-worth),
            Looked::Opens(below) => self.stack.push(below),
        }
        if self.spent >= self.level.nodes() {
            self.settled = true;
        }
    }

    /// The lowest node is done: what it is worth is known to the one above.
    fn go_up(&mut self) {
        let Some(done) = self.stack.pop() else { return };
        if let Some(above) = self.stack.last_mut() {
            return above.take(-done.best);
        }
        self.depth += 1;
        self.settled = done.best.abs() >= CERTAIN;
        if let Some(at) = self.order.iter().position(|column| *column == done.best_column) {
            self.order[..=at].rotate_right(1);
        }
    }
}

impl Node {
    fn new(board: Board, depth: u32, alpha: i32, beta: i32) -> Node {
        let order = FROM_THE_MIDDLE;
        let best_column = order[0];
        Node { board, order, count: 0, tried: 0, depth, alpha, beta, best: -WIN, best_column }
    }

    fn offer(&mut self, column: Column) {
        self.order[self.count] = column;
        self.count += 1;
    }

    fn is_done(&self) -> bool {
        self.tried == self.count || self.best >= self.beta
    }

    /// The column that was tried last is worth so much.
    fn take(&mut self, worth: i32) {
        if worth > self.best {
            (self.best, self.best_column) = (worth, self.order[self.tried]);
        }
        self.tried += 1;
    }
}

/// What a look at a position comes to, for whoever is on turn in it.
enum Looked {
    Worth(i32),
    Opens(Node),
}

fn look(board: Board, depth: u32, alpha: i32, beta: i32) -> Looked {
    let (me, playable, moves) = (board.turn(), board.playable(), board.moves() as i32);
    if board.threats(me) & playable != 0 {
        return Looked::Worth(WIN - moves - 1);
    }
    if playable == 0 {
        return Looked::Worth(0);
    }
    let safe = safe(&board, playable);
    if safe == 0 {
        return Looked::Worth(moves + 2 - WIN);
    }
    if depth == 0 {
        return Looked::Worth(seems(&board));
    }
    let mut node = Node::new(board, depth, alpha, beta);
    let offered = FROM_THE_MIDDLE.into_iter().filter(|column| Board::in_column(safe, *column) != 0);
    offered.for_each(|column| node.offer(column));
    Looked::Opens(node)
}

/// Of some playable cells those after which the other does not win at once.
fn safe(board: &Board, playable: u64) -> u64 {
    let threats = board.threats(board.turn().other());
    let forced = threats & playable;
    let answers = match forced.count_ones() {
        0 => playable,
        1 => forced,
        _ => 0,
    };
    answers & !Board::under(threats)
}

/// What a position seems to be worth to whoever is on turn: cells that would make four, and discs near the middle.
fn seems(board: &Board) -> i32 {
    let side = |disc| {
        let discs = board.discs(disc);
        let weight = |(column, weight): (Column, u32)| Board::in_column(discs, column).count_ones() * weight;
        let middle: u32 = Column::ALL.into_iter().zip([0, 1, 2, 3, 2, 1, 0]).map(weight).sum();
        (8 * board.threats(disc).count_ones() + middle) as i32
    };
    side(board.turn()) - side(board.turn().other())
}

/// The columns of some cells, from the left.
fn columns(cells: u64) -> impl Iterator<Item = Column> {
    Column::ALL.into_iter().filter(move |column| Board::in_column(cells, *column) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::connect4::board::Disc;

    fn level(n: u32) -> Level {
        Level::new(n).unwrap()
    }

    /// The column that a search comes to when it gets `steps`.
    fn choice(board: Board, n: u32, steps: u32, random: &mut Random) -> Column {
        let mut search = Search::new(board, level(n), random);
        search.run(&mut { steps });
        search.best().unwrap()
    }

    /// Boards of random games, none of them over.
    fn boards(games: u64) -> impl Iterator<Item = Board> {
        (0..games).flat_map(|seed| {
            let mut random = Random::new(seed);
            let mut board = Board::EMPTY;
            std::iter::from_fn(move || {
                let _ = board.drop(Column::ALL[random.below(7) as usize]);
                (board.line().is_none() && !board.is_full()).then_some(board)
            })
            .collect::<Vec<_>>()
        })
    }

    /// The columns in which a disc of whoever is on turn makes four, tried out one by one.
    fn wins(board: Board) -> Vec<Column> {
        let won = |column: &Column| {
            let mut board = board;
            board.drop(*column).is_ok() && board.line().is_some()
        };
        Column::ALL.into_iter().filter(won).collect()
    }

    /// The columns in which the other would make four if it were on turn.
    fn losses(board: Board) -> Vec<Column> {
        let lost = |column: &Column| {
            let cell = Board::in_column(board.playable(), *column);
            cell & board.threats(board.turn().other()) != 0
        };
        Column::ALL.into_iter().filter(lost).collect()
    }

    #[test]
    fn level_five_misses_no_four_and_no_block_however_few_steps_it_gets() {
        let mut random = Random::new(1);
        let (mut fours, mut blocks) = (0, 0);
        for board in boards(600) {
            for steps in [0, 1, 40] {
                let column = choice(board, 5, steps, &mut random);
                let (wins, losses) = (wins(board), losses(board));
                if !wins.is_empty() {
                    assert!(wins.contains(&column), "{board:?} with {steps}");
                    fours += 1;
                } else if !losses.is_empty() {
                    assert!(losses.contains(&column), "{board:?} with {steps}");
                    blocks += 1;
                }
            }
        }
        assert!(fours > 500 && blocks > 500, "{fours} and {blocks}: enough of both were met");
    }

    #[test]
    fn every_choice_is_a_column_with_room() {
        let mut random = Random::new(2);
        for board in boards(100) {
            for n in 1..=5 {
                let mut after = board;
                assert_eq!(after.drop(choice(board, n, 200, &mut random)), Ok(()));
            }
        }
    }

    #[test]
    fn a_search_that_is_put_off_comes_to_the_same() {
        for (at, board) in boards(12).step_by(7).enumerate() {
            let seed = at as u64;
            let whole = choice(board, 4, u32::MAX, &mut Random::new(seed));
            let mut search = Search::new(board, level(4), &mut Random::new(seed));
            let mut spent = 0;
            loop {
                let mut left = 3;
                let done = search.run(&mut left);
                spent += 3 - left;
                if done {
                    break;
                }
                assert_eq!(left, 0, "it stops only when it has used up its steps");
            }
            assert_eq!((search.best(), search.spent), (Some(whole), spent));
        }
    }

    /// What a position is worth, without leaving anything out.
    fn worth(board: Board, depth: u32) -> i32 {
        match look(board, depth, -WIN, WIN) {
            Looked::Worth(worth) => worth,
            Looked::Opens(node) => node.order[..node.count]
                .iter()
                .map(|column| {
                    let mut after = board;
                    after.drop(*column).unwrap();
                    -worth(after, depth - 1)
                })
                .max()
                .unwrap(),
        }
    }

    #[test]
    fn the_search_comes_to_what_looking_at_everything_comes_to() {
        for (at, board) in boards(60).enumerate() {
            let mut search = Search::new(board, level(4), &mut Random::new(at as u64));
            if search.settled {
                continue;
            }
            search.run(&mut { u32::MAX });
            let depth = search.depth;
            let after = |column: &Column| {
                let mut after = board;
                after.drop(*column).unwrap();
                -worth(after, depth - 1)
            };
            let most = search.order.iter().map(after).max().unwrap();
            assert_eq!(after(&search.best().unwrap()), most, "{board:?} at {depth}");
        }
    }

    /// Wins and losses of the first against the second, and nobody's, over a few games with both beginning.
    fn contest(first: u32, second: u32, steps: u32) -> (u32, u32) {
        let (mut won, mut lost) = (0, 0);
        for game in 0..16 {
            let mut random = Random::new(game);
            let mut board = Board::EMPTY;
            let firsts = [Disc::Red, Disc::Yellow][game as usize % 2];
            while board.line().is_none() && !board.is_full() {
                let n = if board.turn() == firsts { first } else { second };
                board.drop(choice(board, n, steps, &mut random)).unwrap();
            }
            match board.line().map(|_| board.turn().other() == firsts) {
                Some(true) => won += 1,
                Some(false) => lost += 1,
                None => {}
            }
        }
        (won, lost)
    }

    #[test]
    fn each_level_plays_better_than_the_one_below() {
        for n in 1..5 {
            let (won, lost) = contest(n + 1, n, 20_000);
            assert!(won > lost, "level {} against {n}: {won} to {lost}", n + 1);
        }
        let (won, lost) = contest(5, 1, 2_000);
        assert_eq!((won, lost), (16, 0));
    }

    #[test]
    fn a_win_that_can_be_forced_is_found() {
        // Red has three cells free on both sides of two discs: 2 or 5 makes three with both ends open.
        let mut board = Board::EMPTY;
        for column in [3, 3, 4, 4] {
            board.drop(Column::ALL[column]).unwrap();
        }
        let column = choice(board, 3, 1000, &mut Random::new(1)).index();
        assert!([2, 5].contains(&column), "{column}");
    }

    #[test]
    fn no_level_looks_longer_than_it_may() {
        for n in 1..=5 {
            let mut search = Search::new(Board::EMPTY, level(n), &mut Random::new(1));
            assert!(search.run(&mut { u32::MAX }));
            assert!(search.spent <= level(n).nodes(), "{}", search.spent);
            assert!(search.stack.len() <= CELLS as usize);
        }
        assert_eq!(Level::new(0).or(Level::new(6)), None);
    }
}
