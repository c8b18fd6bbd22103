//! What waits for one peer, and how it becomes bytes.
//!
//! Packets wait as handles on bodies that were encoded once for everybody. A batch is **sealed** (its `seq`, `tick`,
//! `time` and header are fixed) only when it is first written, so that as long as a peer cannot take more, newer
//! positions may still replace older ones. Once sealed it never changes: what the socket did not take stands in
//! `unsent`, byte for byte.
//!
//! A player's batches are kept, in `replay`, until the peer has said that it has them: a WebSocket ping that carries
//! the last `seq` goes behind the batch it names, at most once a second, and its pong acknowledges. **A player whose
//! connection is lost takes its part of the outbox along** ([`Outbox::part`]); on a new connection the write cursor
//! moves back to what was not seen ([`Outbox::resume`], [`Outbox::adopt`]). While nobody is there packets of low priority
//! are spared, and what is over its bounds is let go altogether.
//!
//! Control frames and HTTP answers go before the next batch, never into the middle of one; the Close frame goes
//! last. One flush is one write, as long as the socket takes it.
//!
//! Invariant: `bytes` is the sum of the queued bodies' lengths, and `connection` never exceeds the number of queued
//! packets; both are checked after each change in debug builds.
//!
//! Here is what it holds and how packets come to wait; in `writing` how they become bytes, in `acknowledgement` how one learns
//! that those have arrived, and in `absence` what becomes of a player whose connection is lost.

mod absence;
mod acknowledgement;
mod ahead;
mod writing;

use super::replay::{Kept, make_room};
use crate::packet::{Body, Encoding, Priority};
use crate::time::{Tick, Time, WallMs};
use crate::websocket::deflate::Agreed;
pub use ahead::Ahead;
use std::collections::VecDeque;

/// Packets and control bytes on their way to one peer.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Queued>,
    bytes: usize,
    /// How many packets at the front belong to the connection: their batch has `seq` 0.
    connection: u32,
    /// Whether packets that come now are the player's and their batches are numbered.
    sequenced: bool,
    /// Number of the last numbered batch that was sealed.
    seq: u64,
    /// Whether any batch was sealed: the peer has, or will have, the answer to its handshake and its first packet.
    greeted: bool,
    /// Whole frames, or HTTP, to be written before the next batch.
    control: Vec<u8>,
    /// What was serialized and not taken by the socket.
    unsent: Vec<u8>,
    /// The Close frame, to be written when nothing else is left.
    close: Vec<u8>,
    /// Whether a packet of low priority was dropped or replaced since the peer last had caught up.
    lagging: bool,
    /// Whether anything was pushed since [`Outbox::rest`] was last asked.
    busy: bool,
    over_soft_limit_since: Option<Time>,
    /// Whether sealed batches are kept until they are acknowledged.
    keeps: bool,
    /// Whether nobody is there: the connection is lost, and packets wait for the next one.
    is_away: bool,
    /// Whether something that was never seen has been let go: only a full state helps.
    has_lost: bool,
    /// Whether it was told everything afresh and has not shown that it knows.
    owes_state: bool,
    /// The number of the goodbye on the connection that is lost; 0 where none was said.
    goodbye: u64,
    /// Whether a ping is to go behind the batch that belongs to the connection.
    greets: bool,
    /// Pings whose pongs are still to come.
    pongs_due: u8,
    /// When the peer was last asked what it has.
    asked: Time,
    /// The batch that it was last asked about.
    asked_about: u64,
    /// What it has not said it has; nothing where it has said so.
    kept: Kept,
}

#[derive(Clone, Debug)]
struct Queued {
    body: Body,
    /// [`NEVER`] or the key under which a newer one takes its place.
    supersedes: u32,
    /// How many packets the body is.
    packets: u8,
    priority: Priority,
    /// Whether it was joined: its key is of another kind than those of single packets.
    joined: bool,
}

const _: () = assert!(size_of::<Queued>() <= 16, "thousands of these wait at the end of every tick");

/// The key of packets that nothing takes the place of.
const NEVER: u32 = u32::MAX;

/// Packets of low priority that many are to get together: they wait, are sent and are left out as one.
#[derive(Clone, Debug)]
pub struct Joined(Queued);

impl Joined {
    /// So many packets, with their separators between them. While a peer cannot take more, a newer one of the same
    /// `part` takes the place of an older one.
    pub fn new(body: Body, packets: u8, part: u32) -> Joined {
        Joined(Queued { body, supersedes: part, packets, priority: Priority::Low, joined: true })
    }

    /// How many packets it is.
    pub fn packets(&self) -> u8 {
        self.0.packets
    }
}

/// What became of a packet that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits.
    Queued,
    /// It is of low priority and the peer is slow: it was dropped, or an older one for it.
    Dropped,
    /// It waits, but the hard limit is passed: the peer is to be closed, unless its socket takes the surplus.
    Over,
}

/// When and for whom a batch is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The newest tick.
    pub tick: Tick,
    /// The time told to the client.
    pub time: WallMs,
    /// The same by the monotonic clock.
    pub now: Time,
    /// How the peer reads packets.
    pub encoding: Encoding,
    /// What was agreed on about compressed messages.
    pub deflate: Option<Agreed>,
}

/// How much of the queue one batch holds.
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    /// Entries of the queue.
    queued: usize,
    packets: usize,
    bytes: usize,
}

/// What a pong was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// Whether it answers a ping of ours, as far as their number goes.
    pub is_due: bool,
    /// Whether it names a batch that was written: a ping that carried its number has arrived.
    pub names_a_batch: bool,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Whether nothing is left.
    pub drained: bool,
    /// Whether the socket would take more, and has to wait for its next turn.
    pub is_cut: bool,
    /// Bytes that are left.
    pub left: usize,
    /// Bytes that the socket took.
    pub bytes: usize,
    /// Batches sealed.
    pub batches: u32,
    /// Whether a peer that had been lagging has caught up with this flush.
    pub caught_up: bool,
}
impl Outbox {
    /// Queues one packet. `limit` is the hard limit in bytes. Packets of low priority are dropped from there on, and
    /// while the peer has not taken all that it was offered, from half of it on.
    pub fn push(
        &mut self,
        body: &Body,
        priority: Priority,
        supersedes: Option<u32>,
        limit: usize,
        now: Time,
    ) -> Pushed {
        let supersedes = supersedes.unwrap_or(NEVER);
        let packet = Queued { body: body.clone(), supersedes, packets: 1, priority, joined: false };
        self.put(packet, limit, now)
    }

    /// Queues packets that were joined; `limit` as in [`Outbox::push`].
    pub fn push_joined(&mut self, joined: &Joined, limit: usize, now: Time) -> Pushed {
        self.put(joined.0.clone(), limit, now)
    }

    fn put(&mut self, packet: Queued, limit: usize, now: Time) -> Pushed {
        if self.is_away {
            return self.put_away(packet);
        }
        let mut outcome = Pushed::Queued;
        if packet.priority == Priority::Low {
            if !self.has_room_for_low(packet.body.len(), limit) {
                self.lagging = true;
                return Pushed::Dropped;
            }
            // Of a peer that did not take all of an earlier batch. Where only its turn was over, it soon goes on with both.
            if !self.unsent.is_empty() && packet.supersedes != NEVER && self.drop_superseded(&packet) {
                outcome = Pushed::Dropped;
            }
        }
        self.bytes += packet.body.len();
        self.busy = true;
        make_room(&mut self.queue);
        self.queue.push_back(packet);
        self.mark_soft_limit(limit, now);
        self.check();
        if self.waiting() > limit { Pushed::Over } else { outcome }
    }

    /// Whether a packet of low priority may wait. Who has taken all so far is offered as much as anybody may have waiting,
    /// and who has nothing waiting one more, however large: only somebody who is slow is spared anything.
    fn has_room_for_low(&self, len: usize, limit: usize) -> bool {
        let most = if self.is_stuck() { limit / 2 } else { limit };
        self.waiting() == 0 || self.waiting() + len <= most
    }

    /// From here on batches are numbered: what is queued now belongs to the connection, what follows to the player.
    pub fn begin_sequence(&mut self) {
        self.connection = self.queue.len() as u32;
        self.sequenced = true;
        self.check();
    }

    /// Where whole control frames and HTTP answers are appended.
    pub fn control(&mut self) -> &mut Vec<u8> {
        &mut self.control
    }

    /// Where the Close frame is written; it goes out when nothing else is left.
    pub fn close(&mut self) -> &mut Vec<u8> {
        &mut self.close
    }

    /// Number of the last numbered batch that was sealed; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether the socket took part of a frame: nothing but its rest may follow.
    pub fn is_mid_frame(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        let nothing_whole = self.queue.is_empty() && self.control.is_empty() && self.kept.is_written();
        nothing_whole && self.unsent.is_empty() && self.close.is_empty()
    }

    /// Whether a flush has nothing to do: nothing waits, and there is nobody to be said to have caught up.
    pub fn is_at_rest(&self) -> bool {
        self.is_empty() && !self.lagging
    }

    /// Bytes that wait in front of the socket.
    pub fn waiting(&self) -> usize {
        self.bytes + self.control.len() + self.unsent.len() + self.close.len()
    }

    /// Whether the socket did not take all that it was offered last.
    pub fn is_stuck(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Bytes of memory this holds, shared bodies counted in full.
    pub fn memory(&self) -> usize {
        self.bytes
            + self.control.capacity()
            + self.unsent.capacity()
            + self.close.capacity()
            + self.queue.capacity() * size_of::<Queued>()
            + self.kept.memory()
    }

    /// Since when more than half of the hard limit waits.
    pub fn over_soft_limit_since(&self) -> Option<Time> {
        self.over_soft_limit_since
    }

    /// Drops the packets that wait unsealed: for a peer that is closed because it takes too few. What no goodbye makes
    /// sense without is kept: the first packet of all, and those that belong to the connection once it plays.
    pub fn drop_unsealed(&mut self) {
        let kept = if self.sequenced { self.connection as usize } else { usize::from(!self.greeted) };
        self.has_lost |= self.keeps && self.queue.len() > kept;
        self.queue.truncate(kept);
        self.queue.shrink_to_fit();
        self.bytes = self.queue.iter().map(|packet| packet.body.len()).sum();
        self.over_soft_limit_since = None;
        self.check();
    }

    /// The same, and drops the control frames that wait too.
    pub fn make_room(&mut self) {
        self.drop_unsealed();
        if self.greeted {
            self.control = Vec::new();
        }
    }

    /// Called now and then: a peer that got nothing since the last time owns no memory from here on.
    pub fn rest(&mut self) {
        if std::mem::take(&mut self.busy) {
            return;
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        if self.kept.replay().is_some_and(|replay| replay.len() == 0) {
            self.kept.clear();
        }
    }

    /// Takes the older packet with this key out of the queue. Its content may have been wider than the newer one's, so
    /// the peer is told everything afresh once it has caught up.
    fn drop_superseded(&mut self, by: &Queued) -> bool {
        let of_connection = self.connection as usize;
        let same = |q: &Queued| (q.supersedes, q.joined) == (by.supersedes, by.joined);
        let found = self.queue.iter().skip(of_connection).position(same);
        let Some(old) = found.and_then(|at| self.queue.remove(of_connection + at)) else { return false };
        debug_assert_eq!(old.priority, Priority::Low, "only low priority is superseded");
        self.bytes -= old.body.len();
        self.lagging = true;
        true
    }

    fn mark_soft_limit(&mut self, limit: usize, now: Time) {
        if self.over_soft_limit_since.is_none() && self.waiting() > limit / 2 {
            self.over_soft_limit_since = Some(now);
        }
    }

    fn check(&self) {
        debug_assert_eq!(self.bytes, self.queue.iter().map(|q| q.body.len()).sum::<usize>());
        debug_assert!(self.connection as usize <= self.queue.len());
    }
}

#[cfg(test)]
mod tests;
