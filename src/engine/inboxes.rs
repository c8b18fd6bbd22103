//! What waits for the tick, and whose it is.
//!
//! Every packet that its game has not handled yet, and every request, is counted for the peer that sent it: until the
//! next tick, and for somebody who stands in the line of arrivals until the tick that lets it in. So the budget holds
//! nothing that is nobody's, and closing whoever holds the most always frees something. A peer that goes meanwhile leaves
//! its last words behind; all that so remain are bounded by [`limits::PARTING_BYTES`], and what is more is forgotten.
//!
//! Where a queue fills up, half of it is whoever's comes first, and of the other half everybody has the same share.
//!
//! Invariant: a peer stands in `Core::senders` exactly while it holds something and is not in the line.

use super::Engine;
use super::core::Core;
use super::peer::Peer;
use crate::ids::{ConnId, GameId};
use crate::limits;

/// What of one peer waits for the tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) packets: u32,
    /// The bytes that these, or a request, came as.
    pub(super) bytes: usize,
}

/// How much more may wait in a queue that many share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// What the asking peer has in it.
    pub(super) own: usize,
    /// How many share it.
    pub(super) among: usize,
}

impl Share {
    /// Whether one more finds room where `waiting` of `most` are there: the first half is had by whoever comes first, in
    /// the second everybody may have its share.
    pub(super) fn has_room(self, waiting: usize, most: usize) -> bool {
        waiting < most / 2 || (waiting < most && self.own < most / 2 / self.among.max(1))
    }
}

impl Peer {
    /// Whether as many of its packets wait as may.
    pub(super) fn inbox_is_full(&self) -> bool {
        self.held.packets as usize >= limits::INBOX_PLAYER
    }

    /// Whether packets of it wait for its game.
    pub(super) fn has_inputs(&self) -> bool {
        self.held.packets > 0
    }

    /// Whether its game has not been told of it yet.
    pub(super) fn is_in_line(&self) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.waits)
    }
}

/// How much of the budget there is, and is in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    limit: usize,
    used: usize,
    /// How many peers there are.
    among: usize,
}

impl Budget {
    /// Whether so many bytes more of a peer that holds `own` find room. Where the budget is spent, those who hold less
    /// than their share of half of it are heard all the same: whoever holds the most makes room for them.
    pub(super) fn has_room(self, own: usize, bytes: usize) -> bool {
        self.used + bytes <= self.limit || own + bytes <= self.limit / 2 / self.among.max(1)
    }
}

impl Core {
    pub(super) fn budget(&self) -> Budget {
        Budget { limit: self.settings.memory_limit, used: self.memory(), among: self.peers.len() }
    }

    /// Counts so many packets of a peer, or a request, of so many bytes.
    pub(super) fn hold(&mut self, conn: ConnId, packets: u32, bytes: usize) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        if peer.held == Held::default() && !peer.is_in_line() {
            self.senders.push(conn);
        }
        peer.held.packets += packets;
        peer.held.bytes += bytes;
        peer.accounted += bytes;
        self.memory += bytes;
    }

    /// What of a peer waited in the line waits for the coming tick from here on.
    pub(super) fn bring_forward(&mut self, conn: ConnId) {
        if self.peers.get(conn).is_some_and(|peer| peer.held != Held::default()) {
            self.senders.push(conn);
        }
    }

    /// What of one peer waits is another's from here on: the same player's, over another connection.
    pub(super) fn move_held(&mut self, from: ConnId, to: ConnId) {
        self.senders.iter_mut().filter(|sender| **sender == from).for_each(|sender| *sender = to);
    }

    /// Nothing of a peer waits any more.
    pub(super) fn release(&mut self, conn: ConnId) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        let Held { bytes, .. } = std::mem::take(&mut peer.held);
        debug_assert!(peer.accounted >= bytes, "what is held is counted");
        peer.accounted -= bytes;
        self.memory -= bytes;
    }

    /// The games have handled all that waited for the tick.
    pub(super) fn release_all(&mut self) {
        let mut senders = std::mem::take(&mut self.senders);
        senders.drain(..).for_each(|conn| self.release(conn));
        // It keeps its memory.
        self.senders = senders;
        self.parting_bytes = 0;
    }
}

impl Engine {
    /// A peer is no more, and its last words wait for the tick: they are heard, unless too much is left behind.
    pub(super) fn leave_behind(&mut self, conn: ConnId, game: Option<GameId>, held: Held) {
        self.core.parting_bytes += held.bytes;
        if self.core.parting_bytes > limits::PARTING_BYTES {
            self.core.parting_bytes -= held.bytes;
            self.forget(conn, game);
        }
    }

    /// Nothing that a peer has sent is handled any more.
    pub(super) fn forget(&mut self, conn: ConnId, game: Option<GameId>) {
        self.core.release(conn);
        self.core.senders.retain(|&sender| sender != conn);
        for (host, id) in self.hosts.iter_mut().zip(0..) {
            // A request may be for any game.
            if game.is_none_or(|game| game.0 == id) {
                host.forget(conn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_for_whoever_comes_first_and_half_is_shared() {
        let share = |own| Share { own, among: 10 };
        assert!(share(1000).has_room(49, 100), "nobody else wants it");
        assert!(!share(5).has_room(50, 100), "it has its share, and others come too");
        assert!(share(4).has_room(50, 100) && share(0).has_room(99, 100));
        assert!(!share(0).has_room(100, 100), "full is full");
        assert!(!Share { own: 0, among: 1000 }.has_room(50, 100), "there is no share for so many");
        assert!(Share { own: 0, among: 0 }.has_room(50, 100));
    }

    #[test]
    fn who_holds_little_finds_room_where_there_is_none() {
        let spent = Budget { limit: 1000, used: 1000, among: 5 };
        assert!(spent.has_room(60, 40) && !spent.has_room(60, 41));
        assert!(Budget { used: 500, ..spent }.has_room(400, 500));
        assert!(!Budget { used: 501, ..spent }.has_room(400, 500));
    }
}
