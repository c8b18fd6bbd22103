//! Finds packets that came twice: a client that sends again because it is not sure.
//!
//! It remembers the hashes of what came within the window, at most [`limits::DUPLICATES`] of them. The hash is keyed by
//! nothing: whoever makes two of its own messages collide only loses its own message.

use crate::limits;
use crate::time::Time;
use std::collections::VecDeque;
use std::hash::Hasher;
use std::time::Duration;

/// What one peer sent lately.
#[derive(Clone, Debug, Default)]
pub struct Duplicates {
    /// Hashes and when they came, the oldest first.
    recent: VecDeque<(u64, Time)>,
}

impl Duplicates {
    /// Whether the same bytes came within `window` before `now`; remembers them. An empty window finds nothing.
    pub fn is_repeated(&mut self, message: &[u8], window: Duration, now: Time) -> bool {
        if window.is_zero() {
            return false;
        }
        self.forget(window, now);
        let hash = hash(message);
        let seen = self.recent.iter().any(|&(earlier, _)| earlier == hash);
        if !seen {
            if self.recent.len() >= limits::DUPLICATES {
                self.recent.pop_front();
            }
            self.recent.push_back((hash, now));
        }
        seen
    }

    /// Whether nothing that came matters any more.
    pub fn is_stale(&mut self, window: Duration, now: Time) -> bool {
        self.forget(window, now);
        self.recent.is_empty()
    }

    fn forget(&mut self, window: Duration, now: Time) {
        while self.recent.front().is_some_and(|&(_, at)| now.since(at) > window) {
            self.recent.pop_front();
        }
    }
}

fn hash(message: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(message);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(100);

    #[test]
    fn the_same_bytes_within_the_window() {
        let mut d = Duplicates::default();
        let at = Time::from_millis;
        assert!(!d.is_repeated(b"hello", WINDOW, at(0)));
        assert!(!d.is_repeated(b"world", WINDOW, at(10)));
        assert!(d.is_repeated(b"hello", WINDOW, at(100)), "others in between do not hide it");
        assert!(!d.is_repeated(b"hello", WINDOW, at(101)), "the window runs from the one that was taken");
    }

    #[test]
    fn as_many_as_a_burst_holds_are_told_apart_and_no_more_are_kept() {
        let mut d = Duplicates::default();
        for n in 0..limits::DUPLICATES as u32 * 2 {
            assert!(!d.is_repeated(&n.to_le_bytes(), WINDOW, Time::START));
        }
        assert!(d.recent.len() <= limits::DUPLICATES);
        let last = limits::DUPLICATES as u32;
        assert!(d.is_repeated(&last.to_le_bytes(), WINDOW, Time::START));
        assert!(!d.is_stale(WINDOW, Time::from_millis(100)));
        assert!(d.is_stale(WINDOW, Time::from_millis(101)));
    }

    #[test]
    fn an_empty_window_finds_nothing() {
        let mut d = Duplicates::default();
        assert!(!d.is_repeated(b"x", Duration::ZERO, Time::START));
        assert!(!d.is_repeated(b"x", Duration::ZERO, Time::START));
    }

    #[test]
    fn at_the_very_start_nothing_is_a_duplicate() {
        assert!(!Duplicates::default().is_repeated(b"", WINDOW, Time::START));
    }
}
