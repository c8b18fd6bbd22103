//! One peer's byte stream: the system calls, with their many results reduced to what the loop acts on.
//!
//! It reports bytes and "drained" apart, so that a transport which holds bytes of its own (TLS) fits in the same
//! place. Plain TCP is the only one now.

use super::calls::Calls;
use mio::net::TcpStream;
use mio::{Registry, Token};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;

/// Whether a call that moved fewer bytes than it could have proves that the next would block, and whether an event will
/// come when it no longer would. epoll(7) and kqueue(2) watch the socket itself: they do. Elsewhere (Windows, poll) mio
/// asks for the next event only when a call has said "would block", so each must be driven to that.
const SHORT_IS_DRAINED: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "illumos",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// How many slices one vectored write is known to take: `IOV_MAX`, or the 16 that POSIX promises.
const SLICES_AT_ONCE: usize = if cfg!(any(target_os = "linux", target_os = "macos")) { 1024 } else { 16 };

/// A nonblocking TCP stream.
pub(super) struct Transport(TcpStream);

/// What a read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// So many bytes, at least one; `drained`: there was no more, and an event will say when there is.
    Bytes { len: usize, drained: bool },
    /// Nothing for now; an event will come.
    Nothing,
    /// The peer has ended its half.
    End,
    /// The connection is gone.
    Failed,
}

/// What a write achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    /// Bytes taken, from the front.
    pub taken: usize,
    /// Why not all of them were.
    pub stopped: Option<Stopped>,
}

/// Why a write ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stopped {
    /// The socket is full; an event will come.
    Full,
    /// The connection is gone.
    Failed,
}

impl Transport {
    pub(super) fn new(stream: TcpStream) -> Transport {
        Transport(stream)
    }

    /// Registers for both directions, once and for all: edge-triggered readiness needs no further change.
    pub(super) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        calls: &mut Calls,
    ) -> io::Result<()> {
        calls.registrations += 1;
        registry.register(&mut self.0, token, mio::Interest::READABLE | mio::Interest::WRITABLE)
    }

    /// Reads once. `to_the_end`: an event said that the end or an error stands behind the bytes. No further event
    /// will come for it, so a short read does not count as drained.
    pub(super) fn receive(&mut self, buffer: &mut [u8], to_the_end: bool, calls: &mut Calls) -> Received {
        loop {
            calls.reads += 1;
            return match self.0.read(buffer) {
                Ok(0) => Received::End,
                Ok(len) => {
                    Received::Bytes { len, drained: SHORT_IS_DRAINED && !to_the_end && len < buffer.len() }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => Received::Nothing,
                Err(_) => Received::Failed,
            };
        }
    }

    /// Writes as much as the socket takes.
    pub(super) fn send(&mut self, bytes: &[u8], calls: &mut Calls) -> Sent {
        let mut taken = 0;
        while taken < bytes.len() {
            calls.writes += 1;
            match self.0.write(&bytes[taken..]) {
                Ok(n) => {
                    taken += n;
                    if SHORT_IS_DRAINED && taken < bytes.len() {
                        return Sent { taken, stopped: Some(Stopped::Full) };
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Sent { taken, stopped: Some(Stopped::from(&e)) },
            }
        }
        Sent { taken, stopped: None }
    }

    /// The same for bytes in several places, at least one of them; one call where the system takes that many slices.
    pub(super) fn send_vectored(&mut self, slices: &[IoSlice<'_>], calls: &mut Calls) -> Sent {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        loop {
            calls.writes += 1;
            return match self.0.write_vectored(slices) {
                Ok(taken) if taken == total => Sent { taken, stopped: None },
                Ok(taken) if SHORT_IS_DRAINED && slices.len() <= SLICES_AT_ONCE => {
                    Sent { taken, stopped: Some(Stopped::Full) }
                }
                Ok(taken) => self.send_rest(slices, taken, calls),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => Sent { taken: 0, stopped: Some(Stopped::from(&e)) },
            };
        }
    }

    /// After a vectored write took only `taken` bytes: either the socket is full, or the system has taken as many
    /// slices as it does at once, which only another write can tell.
    fn send_rest(&mut self, slices: &[IoSlice<'_>], mut taken: usize, calls: &mut Calls) -> Sent {
        let mut start = 0;
        for slice in slices {
            let end = start + slice.len();
            if taken < end {
                let sent = self.send(&slice[taken - start..], calls);
                taken += sent.taken;
                if sent.stopped.is_some() {
                    return Sent { taken, stopped: sent.stopped };
                }
            }
            start = end;
        }
        Sent { taken, stopped: None }
    }

    /// Ends our half: the peer reads the end after all that was sent. False when the connection is gone.
    pub(super) fn shutdown(&mut self) -> bool {
        self.0.shutdown(Shutdown::Write).is_ok()
    }
}

impl From<&io::Error> for Stopped {
    fn from(error: &io::Error) -> Stopped {
        match error.kind() {
            ErrorKind::WouldBlock => Stopped::Full,
            _ => Stopped::Failed,
        }
    }
}
