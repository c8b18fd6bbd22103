//! Where bytes go out: the one verb that a state machine is given to write with, and the one word with which it answers.
//!
//! A socket, a simulated link and a test's `Vec` all are an [`Outgoing`]. Nothing here blocks.

use std::io::IoSlice;

/// Takes bytes on their way to one peer.
pub trait Outgoing {
    /// Offers `bytes`; returns how many were taken, from the front. Fewer than offered: the peer takes no more for
    /// now (or never again, which its owner finds out by other means), and whoever offered keeps the rest until
    /// it is asked to flush.
    fn write(&mut self, bytes: &[u8]) -> usize;

    /// The same for bytes that lie in several places; they are written in one go where the transport can.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let mut taken = 0;
        for slice in slices {
            let n = self.write(slice);
            taken += n;
            if n < slice.len() {
                break;
            }
        }
        taken
    }
}

/// What whoever drives a connection is to do with it next: the answer of a state machine to every call about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on reading, and flush when the socket takes more.
    Read,
    /// Read nothing until a later answer says [`Next::Read`] again; go on flushing.
    Pause,
    /// Everything has been written: end the stream in our direction, discard what still comes up to
    /// [`LINGER_BYTES`](crate::limits::LINGER_BYTES) or [`LINGER_TIME`](crate::limits::LINGER_TIME), then close, so
    /// that the peer reads the reason and no reset eats it.
    Finish,
    /// Close now; nobody will read what is left.
    Abort,
}

/// Takes everything: for tests, and for building bytes in memory.
impl Outgoing for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.extend_from_slice(bytes);
        bytes.len()
    }
}
