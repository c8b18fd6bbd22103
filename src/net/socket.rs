//! The table of sockets: one small entry for each connection, indexed by slot, and the list of those to be served.
//!
//! The entry holds what the loop must remember between two events, because readiness is reported only when it changes
//! and never repeated. Invariant: a socket that can be read, or that waits to be flushed or closed, and is allowed to,
//! stands in the ready list, once.

use super::calls::Calls;
use super::transport::{Received, Sent, Stopped, Transport};
use crate::ids::ConnId;
use crate::limits::RESERVED_PEERS;
use crate::outgoing::{Next, Outgoing};
use mio::{Token, event::Event};
use std::collections::VecDeque;
use std::io::IoSlice;

/// What the loop does with a socket's input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Reads it and passes it on.
    Reading,
    /// Leaves it in the kernel until the service wants it.
    Paused,
    /// There is none any more: the peer has ended its half.
    Ended,
    /// Discards it: we have ended our half.
    Lingering,
}

/// One connection as the loop sees it.
pub(super) struct Socket {
    transport: Transport,
    generation: u32,
    /// Bytes discarded while lingering.
    pub(super) discarded: u32,
    pub(super) phase: Phase,
    /// There may be input: it was reported, and no read since has shown that it was all.
    readable: bool,
    /// The end of the stream or an error stands behind the input; no further event will say so.
    at_the_end: bool,
    /// The last write found the socket full, and no event since says otherwise.
    full: bool,
    /// It was full and is no longer: the service must be told.
    has_room: bool,
    /// The connection is gone.
    failed: bool,
    /// Stands in the ready list.
    queued: bool,
}

/// An idle connection owns nothing else here (docs/architecture.md, "Memory and syscalls").
#[cfg(all(unix, not(debug_assertions)))]
const _: () = assert!(size_of::<Option<Socket>>() <= 24);

impl Socket {
    fn new(transport: Transport, generation: u32) -> Socket {
        Socket {
            transport,
            generation,
            discarded: 0,
            phase: Phase::Reading,
            readable: false,
            at_the_end: false,
            full: false,
            has_room: false,
            failed: false,
            queued: false,
        }
    }

    /// Takes note of an event; true when there is something to do for it. Both directions are registered, so an event
    /// for input reports room for output too: that counts only where somebody waits for it.
    fn note(&mut self, event: &Event) -> bool {
        if event.is_readable() {
            self.readable = true;
        }
        if event.is_read_closed() || event.is_error() {
            self.readable = true;
            self.at_the_end = true;
        }
        if event.is_error() && matches!(self.phase, Phase::Paused | Phase::Ended) {
            // Where nobody reads, nobody would find out.
            self.failed = true;
        }
        if event.is_writable() && self.full {
            self.full = false;
            self.has_room = self.phase != Phase::Lingering;
        }
        self.has_work()
    }

    fn has_work(&self) -> bool {
        self.can_read() || self.has_room || self.failed
    }

    /// Whether a read is allowed and may find something.
    pub(super) fn can_read(&self) -> bool {
        self.readable && matches!(self.phase, Phase::Reading | Phase::Lingering)
    }

    /// Whether the connection is gone, as a write or an event has shown.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether an answer of the service changes nothing: the case of nearly all of them.
    pub(super) fn goes_on(&self, next: Next) -> bool {
        next == Next::Read && self.phase == Phase::Reading && !self.failed
    }

    /// Whether the service must be told that the socket takes bytes again; true once.
    pub(super) fn take_room(&mut self) -> bool {
        std::mem::take(&mut self.has_room)
    }

    /// Reads once into the shared buffer.
    pub(super) fn receive(&mut self, buffer: &mut [u8], calls: &mut Calls) -> Received {
        let received = self.transport.receive(buffer, self.at_the_end, calls);
        if let Received::Bytes { drained: true, .. } | Received::Nothing = received {
            self.readable = false;
        }
        received
    }

    /// Where the service writes to.
    pub(super) fn writer<'a>(&'a mut self, calls: &'a mut Calls) -> Writer<'a> {
        Writer { socket: self, calls }
    }

    /// Ends our half. False when the connection is gone.
    pub(super) fn shutdown(&mut self) -> bool {
        self.transport.shutdown()
    }

    /// Whether writes are offered to the system at all.
    fn is_open(&self) -> bool {
        !self.full && !self.failed
    }

    fn settle(&mut self, sent: Sent) -> usize {
        match sent.stopped {
            None => {}
            Some(Stopped::Full) => self.full = true,
            Some(Stopped::Failed) => self.failed = true,
        }
        sent.taken
    }
}

/// The socket as a service sees it. A socket that is known to be full takes nothing, without a system call.
pub(super) struct Writer<'a> {
    socket: &'a mut Socket,
    calls: &'a mut Calls,
}

impl Outgoing for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> usize {
        if !self.socket.is_open() || bytes.is_empty() {
            return 0;
        }
        let sent = self.socket.transport.send(bytes, self.calls);
        self.socket.settle(sent)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> usize {
        if !self.socket.is_open() || slices.iter().all(|slice| slice.is_empty()) {
            return 0;
        }
        let sent = self.socket.transport.send_vectored(slices, self.calls);
        self.socket.settle(sent)
    }
}

/// All sockets, by slot, and who among them is to be served.
pub(super) struct Sockets {
    entries: Vec<Option<Socket>>,
    /// Slots in the order in which they are served. A slot whose socket was closed meanwhile is passed over, or finds
    /// its next owner with nothing to do.
    ready: VecDeque<u32>,
}

impl Sockets {
    /// None yet, and room for many.
    pub(super) fn new() -> Sockets {
        Sockets {
            entries: Vec::with_capacity(RESERVED_PEERS),
            ready: VecDeque::with_capacity(RESERVED_PEERS),
        }
    }

    /// Puts a new connection's socket into its slot.
    ///
    /// # Panics
    /// In debug builds, where the slot is taken: the service has given out an id that is still in use.
    pub(super) fn insert(&mut self, conn: ConnId, transport: Transport) -> &mut Socket {
        let slot = conn.slot as usize;
        if slot >= self.entries.len() {
            self.entries.resize_with(slot + 1, || None);
        }
        debug_assert!(self.entries[slot].is_none(), "{conn} was given out while its slot is in use");
        self.entries[slot].insert(Socket::new(transport, conn.generation))
    }

    /// The socket of a connection that is still there.
    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Socket> {
        let socket = self.entries.get_mut(conn.slot as usize)?.as_mut()?;
        (socket.generation == conn.generation).then_some(socket)
    }

    /// Whether the connection is still there.
    pub(super) fn contains(&self, conn: ConnId) -> bool {
        let entry = self.entries.get(conn.slot as usize).and_then(Option::as_ref);
        entry.is_some_and(|socket| socket.generation == conn.generation)
    }

    /// Drops a socket, which closes it. False when it was gone already.
    pub(super) fn remove(&mut self, conn: ConnId) -> bool {
        let there = self.contains(conn);
        if there {
            self.entries[conn.slot as usize] = None;
        }
        there
    }

    /// Takes note of an event; an event for an earlier owner of the slot misses.
    pub(super) fn note(&mut self, event: &Event) {
        let slot = slot_of(event.token());
        let Some(Some(socket)) = self.entries.get_mut(slot as usize) else { return };
        if token(ConnId { slot, generation: socket.generation }) != event.token() {
            return;
        }
        if socket.note(event) && !socket.queued {
            socket.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Puts a connection at the end of the ready list, where it has something to be served and is not in it yet.
    pub(super) fn queue(&mut self, conn: ConnId) {
        let Some(socket) = self.get_mut(conn) else { return };
        if socket.has_work() && !socket.queued {
            socket.queued = true;
            self.ready.push_back(conn.slot);
        }
    }

    /// How many entries the ready list has.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes the first connection off the ready list; `None` also for a slot that has become empty.
    pub(super) fn next_ready(&mut self) -> Option<ConnId> {
        let slot = self.ready.pop_front()?;
        let socket = self.entries[slot as usize].as_mut()?;
        socket.queued = false;
        Some(ConnId { slot, generation: socket.generation })
    }
}

/// Bits of a token that hold the slot; those above hold as much of the generation as there is room for. Where a
/// `usize` has 32 bits, a slot has 20: more descriptors than such a system gives to one process.
const SLOT_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };

/// The highest slot that a token can name; beyond it stand the loop's own tokens.
pub(super) const MAX_SLOT: u32 = ((1_u64 << SLOT_BITS) - 2) as u32;

/// The name under which a connection's socket is registered.
pub(super) fn token(conn: ConnId) -> Token {
    Token((conn.generation as usize).wrapping_shl(SLOT_BITS) | conn.slot as usize)
}

fn slot_of(token: Token) -> u32 {
    (token.0 & ((1_u64 << SLOT_BITS) - 1) as usize) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_slot_and_generation() {
        let conn = ConnId { slot: 77, generation: 3 };
        assert_eq!(slot_of(token(conn)), 77);
        assert_ne!(token(conn), token(ConnId { generation: 4, ..conn }));
        assert_eq!(slot_of(token(ConnId { slot: MAX_SLOT, generation: u32::MAX })), MAX_SLOT);
    }

    #[test]
    fn an_entry_is_small() {
        // A debug build of mio adds a word that says which poll the socket belongs to.
        assert!(size_of::<Option<Socket>>() <= if cfg!(debug_assertions) { 32 } else { 24 });
    }
}
