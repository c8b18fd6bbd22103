//! What is heard by somebody who is told everything afresh: of the tick in which that begins, the end.
//!
//! The engine holds back what is said to a player until its game knows that it is back, and what is said in a tick is known
//! here whether or not it was held back. Everything else about who has heard what is in `checks`.

use crate::engine::Game;
use crate::packet::Priority;
use crate::time::Tick;
use std::collections::VecDeque;
use std::fmt::Debug;

/// What was said to a player in the tick in which it was told everything afresh, but for what may be spared. What was said
/// before the game knew never comes; all that was said behind it does. So what is heard of it is its end, and where two
/// that stand in it are alike it need not be known which of them was heard.
pub(super) struct Fresh<Out> {
    pub(super) tick: Tick,
    told: Vec<Out>,
    heard: Vec<Out>,
}

impl<Out: Clone + PartialEq + Debug> Fresh<Out> {
    /// What stands in the first tick of `due`.
    pub(super) fn first<G: Game<Out = Out>>(due: &VecDeque<(Tick, usize, Out)>) -> Fresh<Out> {
        let tick = due.front().map_or(Tick(0), |(tick, ..)| *tick);
        let told = due.iter().filter(|(told, _, out)| *told == tick && G::priority(out) != Priority::Low);
        Fresh { tick, told: told.map(|(.., out)| out.clone()).collect(), heard: Vec::new() }
    }

    /// The next that was said in `tick` is heard, or is not: whether it may be of what never comes.
    ///
    /// # Errors
    /// It is of a later tick, and what was heard of this one was not its end.
    pub(super) fn pass(&mut self, tick: Tick, heard: Option<&Out>) -> Result<bool, String> {
        if tick != self.tick {
            return self.is_whole().map(|()| false);
        }
        self.heard.extend(heard.cloned());
        Ok(true)
    }

    /// What was heard is the end of what was told.
    pub(super) fn is_whole(&self) -> Result<(), String> {
        let Fresh { tick, told, heard } = self;
        match told.ends_with(heard) {
            true => Ok(()),
            false => Err(format!("was told {told:?} in tick {tick}, afresh, and heard {heard:?} of it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seed 713: two states that were alike were told in one tick, one before the game knew and one behind it.
    #[test]
    fn what_is_heard_of_a_fresh_start_is_its_end() {
        let fresh = |heard: &str| {
            let mut fresh = Fresh { tick: Tick(7), told: vec!['a', 'b', 'a', 'a'], heard: Vec::new() };
            heard.chars().for_each(|heard| assert_eq!(fresh.pass(Tick(7), Some(&heard)), Ok(true)));
            assert_eq!(fresh.pass(Tick(7), None), Ok(true), "it may be void");
            fresh.pass(Tick(8), Some(&'z'))
        };
        for end in ["abaa", "baa", "aa", "a", ""] {
            assert_eq!(fresh(end), Ok(false), "{end}");
        }
        for gap in ["b", "ab", "ba", "aaa", "aba"] {
            assert!(fresh(gap).is_err(), "{gap}");
        }
    }
}
