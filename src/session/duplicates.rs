//! Finds packets that came twice: a client that sends again because it is not sure.
//!
//! It remembers the hashes of the last [`limits::DUPLICATES`] messages for the length of the window. The hash is keyed
//! by nothing: whoever makes two of its own messages collide only loses its own message.

use crate::limits;
use crate::time::Time;
use std::hash::Hasher;
use std::time::Duration;

/// The last messages of one peer.
#[derive(Clone, Debug, Default)]
pub struct Duplicates {
    recent: [(u64, Time); limits::DUPLICATES],
    next: usize,
}

impl Duplicates {
    /// Whether the same bytes came within `window` before `now`; remembers them. An empty window finds nothing.
    pub fn is_repeated(&mut self, message: &[u8], window: Duration, now: Time) -> bool {
        if window.is_zero() {
            return false;
        }
        let hash = hash(message);
        let seen = self.recent.iter().any(|&(h, at)| h == hash && now.since(at) <= window);
        if !seen {
            self.recent[self.next] = (hash, now);
            self.next = (self.next + 1) % self.recent.len();
        }
        seen
    }
}

/// Never 0, which stands for "nothing yet".
fn hash(message: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(message);
    hasher.finish() | 1
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
