//! How other threads reach the loop.

use std::io;
use std::sync::Arc;

/// Ends the loop's poll from any thread, so that [`Service::turn`](super::Service::turn) is called soon. It carries
/// no message: leave that in a queue or a flag first, then wake. Wakes that come together may be answered by one turn.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    pub(super) fn new(waker: mio::Waker) -> Waker {
        Waker(Arc::new(waker))
    }

    /// Wakes the loop, or lets its next poll return at once. Wakes nobody and succeeds when the loop is gone.
    ///
    /// # Errors
    /// What the system says; a full counter is not an error.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}
