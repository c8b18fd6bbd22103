//! "So many in so many seconds": the times of the last few events of one kind.

use super::effects::Clock;
use crate::time::Tick;
use std::collections::VecDeque;

/// A rule of that kind.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Limit {
    /// So many...
    pub(super) count: u32,
    /// ...in so many seconds.
    pub(super) seconds: f32,
}

/// The ticks of the events that the rule still counts, oldest first. One word, and no memory before the first: every
/// player has several of these, and most players have never needed one.
///
/// Invariant: never holds more than the limit's `count`, as long as the limit stays the same.
#[derive(Clone, Debug, Default)]
#[expect(clippy::box_collection, reason = "a queue is four words, and there are two in every player")]
pub(super) struct Recent(Option<Box<VecDeque<u64>>>);

impl Recent {
    /// Counts an event, where the limit has room for it.
    ///
    /// # Errors
    /// The limit is reached: when there will be room.
    pub(super) fn admit(&mut self, limit: Limit, clock: Clock) -> Result<(), Tick> {
        let span = clock.ticks(limit.seconds);
        let times = self.0.get_or_insert_default();
        while times.front().is_some_and(|&at| at + span <= clock.tick.0) {
            times.pop_front();
        }
        match times.front() {
            Some(&oldest) if times.len() >= limit.count as usize => Err(Tick(oldest + span)),
            _ => {
                times.push_back(clock.tick.0);
                Ok(())
            }
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// How many are counted.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |times| times.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TickRate;

    fn at(tick: u64) -> Clock {
        Clock { tick: Tick(tick), rate: TickRate::new(10).unwrap() }
    }

    #[test]
    fn the_window_slides() {
        let limit = Limit { count: 2, seconds: 1.0 };
        let mut recent = Recent::default();
        assert_eq!(recent.admit(limit, at(0)), Ok(()));
        assert_eq!(recent.admit(limit, at(6)), Ok(()));
        assert_eq!(recent.admit(limit, at(9)), Err(Tick(10)), "the first is still counted");
        assert_eq!(recent.admit(limit, at(10)), Ok(()), "and now it is not");
        assert_eq!(recent.admit(limit, at(15)), Err(Tick(16)));
        assert_eq!(recent.len(), 2);
    }

    #[test]
    fn what_is_refused_is_not_counted() {
        let limit = Limit { count: 1, seconds: 1.0 };
        let mut recent = Recent::default();
        assert_eq!(recent.admit(limit, at(0)), Ok(()));
        for tick in 1..10 {
            assert_eq!(recent.admit(limit, at(tick)), Err(Tick(10)));
        }
        assert_eq!(recent.admit(limit, at(10)), Ok(()));
    }
}
