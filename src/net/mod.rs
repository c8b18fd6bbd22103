//! The loop that owns every socket: it turns readiness and time into calls on a [`Service`], and what the service
//! writes into bytes on the wire.
//!
//! It knows nothing of WebSocket, HTTP or games, never blocks but in the poll, and keeps no bytes: all sockets are
//! read into one shared buffer, and what a socket does not take stays with the service until it is writable again.
//! An idle connection costs one entry of the socket table, at most 24 bytes.
//!
//! **Implement [`Service`], bind an [`EventLoop`], and [`run`](EventLoop::run) it.** The service gives out the
//! connection ids, is called with bytes and the time, and answers with a [`Next`] that says what the loop shall do
//! with the socket. Everything happens on the caller's thread; other threads reach the loop with a [`Waker`].
//!
//! Invariants: for every id that [`Service::accept`] gave out, [`Service::closed`] is called exactly once and nothing
//! is called for that id after it (unless the loop itself was stopped first); no system call is made that is known
//! to find nothing; one peer's flood, one tick's flush and a burst of newcomers each have a bound per turn.
//!
//! Errors: what goes wrong with one socket ends that socket and is reported as `closed`; a lack of descriptors or
//! memory pauses accepting; only a failing poll ends the loop.
//!
//! Read next: `event_loop`, the turn and its numbered steps; then `socket`, the table and its flags.

mod calls;
mod clock;
mod event_loop;
mod heap;
mod linger;
mod listener;
mod reserve;
mod resident;
mod settings;
mod socket;
mod transport;
mod waker;

pub use calls::Calls;
pub use clock::Clock;
pub use event_loop::EventLoop;
pub use heap::give_back_memory;
pub use resident::resident_bytes;
pub use settings::Settings;
pub use waker::Waker;

use crate::ids::ConnId;
pub use crate::outgoing::{Next, Outgoing};
use crate::time::Time;
use std::net::SocketAddr;

/// What runs on the loop: a protocol and whatever stands behind it.
///
/// All times passed in are those of the loop's [`Clock`], read once after each poll; none of the calls may block.
pub trait Service {
    /// A peer has connected. The service allots the connection's slot (dense from 0: the loop's table is as long as
    /// the highest slot in use) and its generation. `None` drops the connection without a word.
    fn accept(&mut self, peer: SocketAddr, now: Time) -> Option<ConnId>;

    /// Bytes from the peer, all of which are consumed or copied by this call: `input` is the loop's shared buffer
    /// (at most [`RECEIVE_BUFFER`](crate::limits::RECEIVE_BUFFER) bytes, at least one) and may be overwritten, to
    /// unmask in place for example. Replies may be written to `out` at once.
    fn receive(&mut self, conn: ConnId, input: &mut [u8], out: &mut impl Outgoing, now: Time) -> Next;

    /// The socket takes bytes again after `out` had taken fewer than it was offered, or
    /// [`attention`](Service::attention) had named this connection. In the latter case the socket may still be full:
    /// then `out` takes nothing, at no cost, and this is called again once it has room.
    fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next;

    /// The peer has closed its half: everything that it sent was received, and nothing more will come. Bytes can
    /// still be sent to it; [`Next::Read`] and [`Next::Pause`] mean the same from here on.
    fn end_of_stream(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next;

    /// The last call for this connection: its socket is gone (reset, failed, or finished as the service had asked).
    /// The slot may be given out again, with another generation.
    fn closed(&mut self, conn: ConnId, now: Time);

    /// Takes the next connection that has something to send, or whose [`Next`] changed outside of a call for it, off
    /// the service's list; `None` when there is nobody. Ids that have been closed meanwhile do no harm.
    fn attention(&mut self) -> Option<ConnId>;

    /// When [`due`](Service::due) wants to be called; `None` for never.
    fn deadline(&self) -> Option<Time>;

    /// The deadline has passed: the tick. Must move the deadline past `now`.
    fn due(&mut self, now: Time);

    /// Once after each `due`: everyone who wanted attention has had it, or the next deadline came first. `now` is read
    /// freshly, so that the difference to the tick's end measures the flush.
    fn flushed(&mut self, now: Time);

    /// Called once a turn, between the reads and the tick: the place to drain what other threads have left before they
    /// woke the loop, and to say how the loop goes on.
    fn turn(&mut self, now: Time) -> Control;

    /// Whether newcomers are taken from the listener now. Those who are not wait in the kernel's queue.
    fn wants_accepts(&self) -> bool {
        true
    }
}

/// How the loop goes on, as the service answers once a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// As before.
    Run,
    /// Close the listener, so that its address is free, and serve those who are there. Cannot be taken back.
    Drain,
    /// Return from [`EventLoop::run`] at the end of this turn. Sockets that are still open are dropped with the loop.
    Stop,
}
