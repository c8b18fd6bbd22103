//! The loop's clock: the one place of this module that asks the system what time it is.

use crate::time::Time;
use std::time::Instant;

/// Turns the system's monotonic clock into [`Time`]. Copies count from the same zero, so what is measured beside the
/// loop (the length of a tick, of a commit) can be compared with the times that the loop passes on.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that reads [`Time::START`] now.
    #[allow(clippy::disallowed_methods, reason = "net is where time enters the program")]
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The time since the start.
    pub fn now(&self) -> Time {
        Time::START + self.start.elapsed()
    }
}
