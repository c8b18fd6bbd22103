//! One file descriptor held back, for the moment when there are none left.
//!
//! A process at its limit of descriptors cannot accept, so it cannot even turn newcomers away: they would stand in the
//! kernel's queue, connected and unanswered. With the reserve given up for a moment, the first in the queue is
//! accepted and closed. Systems without such a limit hold nothing.

/// The descriptor held back, while there is one.
pub(super) struct Reserve {
    #[cfg(unix)]
    held: Option<std::fs::File>,
}

impl Reserve {
    /// Takes a descriptor, where one is to be had.
    pub(super) fn new() -> Reserve {
        let mut reserve = Reserve {
            #[cfg(unix)]
            held: None,
        };
        reserve.refill();
        reserve
    }

    /// Gives the descriptor up; false when there is none to give up.
    pub(super) fn give_up(&mut self) -> bool {
        #[cfg(unix)]
        return self.held.take().is_some();
        #[cfg(not(unix))]
        false
    }

    /// Takes a descriptor again; another thread may have been quicker.
    pub(super) fn refill(&mut self) {
        #[cfg(unix)]
        if self.held.is_none() {
            self.held = std::fs::File::open("/dev/null").ok();
        }
    }
}
