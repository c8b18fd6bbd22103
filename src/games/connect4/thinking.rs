//! Who thinks how long: all bots of all matches share so many steps a tick, so that a thousand of them delay none.
//!
//! Those who think take turns in a fixed order; each gets its share of what is left, and the next tick goes on with
//! the next. After [`PATIENCE`] a bot drops its disc where it seems best so far, the next time it gets a turn. There are
//! at least 1,250 turns in a tick: of as many bots a disc falls within `PATIENCE`, of more within a tick more for each
//! further 1,250. Steps are counted, not measured, so that a run can be replayed.

use super::board::{Board, Column};
use super::bot::{Level, Search};
use super::matches::Serial;
use crate::random::Random;
use crate::time::Tick;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// Positions that all bots together look at in one tick: a millisecond or two.
pub(super) const NODES_PER_TICK: u32 = 20_000;
/// The least that one of them gets at a time: less is not worth the turn.
const LEAST_SHARE: u32 = 16;
/// How many of them get a turn in every tick, at the least.
#[cfg(test)]
const TURNS_PER_TICK: u32 = NODES_PER_TICK / LEAST_SHARE;
/// For how long one of them may think.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The bots that are on turn.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    searches: BTreeMap<Serial, Thought>,
    /// Who had the last turn.
    last: Serial,
}

#[derive(Debug)]
struct Thought {
    search: Search,
    until: Tick,
}

impl Thinking {
    /// Has a bot think about a board until then at the latest. Nothing changes where it does so already.
    pub(super) fn ask(
        &mut self,
        serial: Serial,
        board: Board,
        level: Level,
        until: Tick,
        random: &mut Random,
    ) {
        if self.searches.get(&serial).is_none_or(|thought| thought.search.board() != board) {
            let search = Search::new(board, level, random);
            self.searches.insert(serial, Thought { search, until });
        }
    }

    /// A match needs no more thinking.
    pub(super) fn forget(&mut self, serial: Serial) {
        self.searches.remove(&serial);
    }

    /// One tick's thinking, which takes its steps off `left`: which bots have made up their minds, and for which
    /// column.
    pub(super) fn think(&mut self, left: &mut u32, now: Tick) -> Vec<(Serial, Column)> {
        let mut decided = Vec::new();
        // The same for all in this tick, however many are done before it is over.
        let share = (*left / (self.searches.len() as u32).max(1)).max(LEAST_SHARE);
        while *left > 0 {
            let share = share.min(*left);
            let Some((serial, thought)) = self.next() else { break };
            let mut unused = share;
            let done = thought.search.run(&mut unused) || thought.until <= now;
            // Even a turn that needed no step is one: the loop ends.
            *left -= (share - unused).max(1);
            if done {
                decided.extend(thought.search.best().map(|column| (serial, column)));
                self.searches.remove(&serial);
            }
        }
        decided
    }

    /// Whose turn it is among those who think.
    fn next(&mut self) -> Option<(Serial, &mut Thought)> {
        let behind = (Bound::Excluded(self.last), Bound::Unbounded);
        let next = self.searches.range(behind).next().or_else(|| self.searches.iter().next());
        let serial = *next?.0;
        self.last = serial;
        Some((serial, self.searches.get_mut(&serial)?))
    }

    /// How many think.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.searches.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TickRate;

    fn thousand() -> Thinking {
        bots(1000)
    }

    fn bots(count: u64) -> Thinking {
        let mut thinking = Thinking::default();
        let mut random = Random::new(4);
        let until = Tick(TickRate::default().ticks_in(PATIENCE));
        let level = Level::new(5).unwrap();
        for serial in 1..=count {
            thinking.ask(Serial(serial), Board::EMPTY, level, until, &mut random);
        }
        thinking
    }

    /// The bound that `docs/protocol.md` gives.
    #[test]
    fn bots_keep_the_budget_and_all_answer_within_a_second_and_a_tick_for_each_further_1250() {
        assert_eq!(TURNS_PER_TICK, 1250);
        for (count, ticks) in [(1, 20), (1000, 20), (1250, 20), (1251, 21), (3000, 22)] {
            let mut thinking = bots(count);
            let mut decided = Vec::new();
            let mut tick = 0;
            while thinking.len() > 0 {
                tick += 1;
                let mut left = NODES_PER_TICK;
                decided.extend(thinking.think(&mut left, Tick(tick)));
                assert!(thinking.len() == 0 || left == 0, "none is wasted: {left} of tick {tick}");
            }
            assert_eq!(decided.len() as u64, count);
            assert!(tick <= ticks, "{count} bots: tick {tick}");
            assert!(tick == ticks || count == 1, "the bound is met: {count} bots, tick {tick}");
        }
    }

    #[test]
    fn all_get_as_much() {
        let mut thinking = thousand();
        for tick in 1..10 {
            assert!(thinking.think(&mut { NODES_PER_TICK / 3 }, Tick(tick)).is_empty());
        }
        let spent: Vec<u32> = thinking.searches.values().map(|thought| thought.search.spent()).collect();
        let (least, most) = (spent.iter().min().unwrap(), spent.iter().max().unwrap());
        assert!(*least > 0 && most - least < 2 * LEAST_SHARE, "{least} to {most}");
    }

    #[test]
    fn what_is_not_needed_is_forgotten() {
        let mut thinking = thousand();
        for serial in 1..=1000 {
            thinking.forget(Serial(serial));
        }
        let mut left = NODES_PER_TICK;
        assert_eq!(thinking.think(&mut left, Tick(1)), []);
        assert_eq!((thinking.len(), left), (0, NODES_PER_TICK));
    }
}
