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

use super::compression::{Compressed, Scratch};
use super::replay::{Replay, Sealed, make_room};
use crate::limits;
use crate::outgoing::Outgoing;
use crate::packet::{self, BatchHead, Body, Encoding, Priority};
use crate::time::{Tick, Time, WallMs};
use crate::websocket::deflate::Agreed;
use crate::websocket::{self, Header, OpCode};
use std::collections::VecDeque;

/// Packets and control bytes on their way to one peer.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Queued>,
    bytes: usize,
    /// How many packets at the front belong to the connection: their batch has `seq` 0.
    connection: usize,
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
    replay: Option<Box<Replay>>,
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
            // Only a peer that did not take all of an earlier batch can have an older one waiting.
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

    /// A packet comes while nobody is there.
    fn put_away(&mut self, packet: Queued) -> Pushed {
        self.lagging |= packet.priority == Priority::Low;
        if packet.priority == Priority::Low || self.has_lost {
            return Pushed::Dropped;
        }
        self.bytes += packet.body.len();
        make_room(&mut self.queue);
        self.queue.push_back(packet);
        self.keep_bounds_away();
        if self.has_lost { Pushed::Dropped } else { Pushed::Queued }
    }

    /// Lets go of everything where more waits for an absent player than may.
    fn keep_bounds_away(&mut self) {
        let bytes = self.bytes + self.replay.as_ref().map_or(0, |replay| replay.bytes());
        if bytes > limits::REPLAY_BYTES || self.queue.len() > limits::LINGERING_PACKETS {
            self.forget();
        }
        self.check();
    }

    /// Whether a packet of low priority may wait. Who has taken all so far is offered as much as anybody may have waiting,
    /// and who has nothing waiting one more, however large: only somebody who is slow is spared anything.
    fn has_room_for_low(&self, len: usize, limit: usize) -> bool {
        let most = if self.is_stuck() { limit / 2 } else { limit };
        self.waiting() == 0 || self.waiting() + len <= most
    }

    /// From here on batches are numbered: what is queued now belongs to the connection, what follows to the player.
    pub fn begin_sequence(&mut self) {
        self.connection = self.queue.len();
        self.sequenced = true;
        self.check();
    }

    /// From here on numbered batches are kept until they are acknowledged.
    pub fn keep_batches(&mut self) {
        self.keeps = true;
    }

    /// Number of the last batch that was written on this connection.
    fn written(&self) -> u64 {
        let unwritten = self.replay.as_ref().map_or(0, |replay| replay.len() - replay.written());
        self.seq - unwritten as u64
    }

    /// Whether it is time to ask the peer what it has: something is kept that it was not asked about yet.
    pub fn is_to_ask(&self, now: Time) -> bool {
        let keeps = self.replay.as_ref().is_some_and(|replay| replay.written() > 0);
        keeps && self.asked_about != self.written() && now.since(self.asked) >= limits::ACKNOWLEDGE_INTERVAL
    }

    /// Appends a ping that carries the number of the last batch written: RFC 6455 section 5.5.3, "A Pong frame sent in
    /// response to a Ping frame must have identical Application data".
    fn ask(&mut self, now: Time, out: &mut Vec<u8>) {
        self.asked = now;
        self.asked_about = self.written();
        self.pongs_due = self.pongs_due.saturating_add(1);
        websocket::encode(out, OpCode::Ping, &self.asked_about.to_be_bytes());
    }

    /// Has a ping go out with the next flush, behind all that was written: one that acknowledges where something is
    /// kept, else one that only asks whether somebody is there.
    pub fn ping(&mut self, now: Time) {
        let mut control = std::mem::take(&mut self.control);
        if self.is_to_ask(now) {
            self.ask(now, &mut control);
        } else {
            self.pongs_due = self.pongs_due.saturating_add(1);
            websocket::encode(&mut control, OpCode::Ping, &[]);
        }
        self.control = control;
    }

    /// A pong came: lets go of the batches that it says have arrived.
    pub fn pong(&mut self, payload: &[u8]) -> Pong {
        let is_due = self.pongs_due > 0;
        self.pongs_due = self.pongs_due.saturating_sub(1);
        let named = payload.try_into().ok().map(u64::from_be_bytes).filter(|seq| *seq <= self.written());
        if let (Some(seq), Some(replay)) = (named, &mut self.replay) {
            let before_oldest = self.seq - replay.len() as u64;
            replay.drop_oldest(seq.saturating_sub(before_oldest) as usize);
        }
        Pong { is_due, names_a_batch: named.is_some() }
    }

    /// Parts the player from a connection that is lost: what is the player's is returned and goes on collecting, what is
    /// left is the connection's alone, the rest of a frame first of all. `says_goodbye`: one more batch is told on it,
    /// under the next number.
    pub fn part(&mut self, says_goodbye: bool) -> Outbox {
        let mut player = std::mem::take(self);
        debug_assert!(player.sequenced);
        let own: VecDeque<Queued> = player.queue.drain(..player.connection).collect();
        let own_bytes = own.iter().map(|packet| packet.body.len()).sum();
        *self = Outbox {
            bytes: own_bytes,
            connection: own.len(),
            queue: own,
            sequenced: true,
            seq: player.written(),
            greeted: player.greeted,
            control: std::mem::take(&mut player.control),
            unsent: std::mem::take(&mut player.unsent),
            close: std::mem::take(&mut player.close),
            pongs_due: player.pongs_due,
            ..Outbox::default()
        };
        player.bytes -= own_bytes;
        player.connection = 0;
        (player.is_away, player.greets) = (true, false);
        player.goodbye = if says_goodbye { player.written() + 1 } else { 0 };
        player.over_soft_limit_since = None;
        player.spare_low();
        player.keep_bounds_away();
        self.check();
        player
    }

    /// Drops the packets of low priority that wait.
    fn spare_low(&mut self) {
        let before = self.queue.len();
        self.queue.retain(|packet| packet.priority != Priority::Low);
        self.lagging |= self.queue.len() < before;
        self.bytes = self.queue.iter().map(|packet| packet.body.len()).sum();
    }

    /// The player comes back and has seen everything up to and with `seq`: what it has not is sealed and is to be written
    /// again, from there on. How many batches that are; `None` where they are not all held: see [`Outbox::restart`].
    ///
    /// Whoever has seen the goodbye has seen its number: what follows comes one number later.
    pub fn resume(&mut self, seq: u64, tick: Tick, time: WallMs) -> Option<u32> {
        let kept = self.replay.as_ref().map_or(0, |replay| replay.len()) as u64;
        let before_oldest = self.seq - kept;
        let saw_goodbye = self.goodbye != 0 && seq == self.goodbye;
        let seen = seq - u64::from(saw_goodbye);
        let is_held = (before_oldest..=self.seq).contains(&seen);
        if !self.keeps || self.has_lost || self.owes_state || !is_held {
            return None;
        }
        if let Some(replay) = &mut self.replay {
            replay.drop_oldest((seen - before_oldest) as usize);
            replay.rewind();
        }
        self.seq += u64::from(saw_goodbye);
        self.goodbye = 0;
        while !self.queue.is_empty() {
            let batch = self.measure_batch();
            self.seq += 1;
            self.seal(batch, tick, time, false);
        }
        self.check();
        Some(self.replay.as_ref().map_or(0, |replay| replay.len()) as u32)
    }

    /// The player comes back and is told everything afresh: nothing of what was is kept. The numbers go on.
    pub fn restart(&mut self) {
        self.forget();
        (self.has_lost, self.lagging) = (false, false);
        self.owes_state = self.keeps;
        self.seq += u64::from(std::mem::take(&mut self.goodbye) != 0);
    }

    /// The client knows that it was told everything afresh: from here on what it has not seen is replayed again.
    pub fn knows_of_restart(&mut self) {
        self.owes_state = false;
    }

    /// A new connection goes on with a player's part: what waits here belongs to the connection, and a ping goes behind it.
    pub fn adopt(&mut self, player: Outbox) {
        debug_assert!(!self.sequenced, "a connection has one player");
        self.connection = self.queue.len();
        self.queue.extend(player.queue);
        self.bytes += player.bytes;
        (self.sequenced, self.greets) = (true, true);
        (self.seq, self.keeps, self.lagging) = (player.seq, player.keeps, player.lagging);
        self.owes_state = player.owes_state;
        self.replay = player.replay;
        self.busy = true;
        self.check();
    }

    /// Lets go of everything that the peer may not have seen, and of what waits: only a full state helps then.
    fn forget(&mut self) {
        self.queue = VecDeque::new();
        (self.bytes, self.connection) = (0, 0);
        self.replay = None;
        self.has_lost = true;
    }

    /// Gives memory back that is only for a resume, which is then a full state: what was written and not acknowledged;
    /// and where nobody is there, all that waits.
    pub fn trim(&mut self) {
        if self.is_away && (self.replay.is_some() || !self.queue.is_empty()) {
            self.forget();
        } else if self.replay.as_ref().is_some_and(|replay| replay.is_written()) {
            self.replay = None;
        }
    }

    /// Bytes of memory that [`Outbox::trim`] gives back.
    pub fn trimmable(&self) -> usize {
        if self.is_away {
            return self.memory();
        }
        self.replay.as_ref().filter(|replay| replay.is_written()).map_or(0, |replay| replay.memory())
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
        let is_written = self.replay.as_ref().is_none_or(|replay| replay.is_written());
        let nothing_whole = self.queue.is_empty() && self.control.is_empty() && is_written;
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
            + self.replay.as_ref().map_or(0, |replay| replay.memory())
    }

    /// Since when more than half of the hard limit waits.
    pub fn over_soft_limit_since(&self) -> Option<Time> {
        self.over_soft_limit_since
    }

    /// Drops the packets that wait unsealed: for a peer that is closed because it takes too few. What no goodbye makes
    /// sense without is kept: the first packet of all, and those that belong to the connection once it plays.
    pub fn drop_unsealed(&mut self) {
        let kept = if self.sequenced { self.connection } else { usize::from(!self.greeted) };
        self.has_lost |= self.keeps && self.queue.len() > kept;
        self.queue.truncate(kept);
        self.queue.shrink_to_fit();
        self.bytes = self.queue.iter().map(|packet| packet.body.len()).sum();
        self.over_soft_limit_since = None;
        self.check();
    }

    /// Something of the player's was let go of that only a full state makes good.
    pub fn lose(&mut self) {
        self.has_lost |= self.keeps;
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
        if self.replay.as_ref().is_some_and(|replay| replay.len() == 0) {
            self.replay = None;
        }
    }

    /// Writes what waits, one gathered write for each time round, until nothing is left or the socket takes no more.
    /// `scratch` is shared by all peers and holds nothing between calls. `limit` as in [`Outbox::push`].
    pub fn flush(
        &mut self,
        stamp: Stamp,
        limit: usize,
        out: &mut impl Outgoing,
        scratch: &mut Scratch,
    ) -> Flushed {
        let mut done = Flushed::default();
        loop {
            if !self.unsent.is_empty() {
                let taken = out.write(&self.unsent);
                done.bytes += taken;
                if taken < self.unsent.len() {
                    self.unsent.drain(..taken);
                    break;
                }
                self.unsent = Vec::new();
            }
            scratch.clear();
            done.batches += u32::from(self.gather(stamp, scratch));
            if scratch.is_empty() {
                done.drained = true;
                break;
            }
            let taken = out.write(scratch);
            done.bytes += taken;
            if taken < scratch.len() {
                self.unsent.extend_from_slice(&scratch[taken..]);
                break;
            }
        }
        done.left = self.waiting();
        if done.left <= limit / 2 {
            self.over_soft_limit_since = None;
        }
        done.caught_up = done.drained && std::mem::take(&mut self.lagging);
        self.check();
        done
    }

    /// Moves control bytes, one batch and, behind everything, the Close frame into `scratch`; true if there was a batch.
    fn gather(&mut self, stamp: Stamp, scratch: &mut Scratch) -> bool {
        scratch.extend_from_slice(&self.control);
        // An idle peer owns no buffer: a pong now and then allocates, ten thousand silent peers do not.
        self.control = Vec::new();
        let wrote = self.write_connection_s(stamp, scratch)
            || self.write_kept(stamp, scratch)
            || self.write_new(stamp, scratch);
        let is_last = self.queue.is_empty() && self.replay.as_ref().is_none_or(|replay| replay.is_written());
        if is_last && !self.close.is_empty() {
            scratch.append(&mut self.close);
            self.close = Vec::new();
        } else if is_last && wrote && self.is_to_ask(stamp.now) {
            self.ask(stamp.now, scratch);
        }
        wrote
    }

    /// Writes what belongs to the connection, and behind it the ping that tells when it has arrived.
    fn write_connection_s(&mut self, stamp: Stamp, scratch: &mut Scratch) -> bool {
        if self.sequenced && self.connection == 0 {
            return false;
        }
        let batch = self.measure_batch();
        if batch.queued == 0 {
            return false;
        }
        self.connection = self.connection.saturating_sub(batch.queued);
        self.write_queued(0, batch, stamp, scratch);
        drop(self.take_queued(batch));
        self.shrink();
        if self.connection == 0 && std::mem::take(&mut self.greets) {
            self.ask(stamp.now, scratch);
        }
        true
    }

    /// Writes the next of the batches that were sealed before and are not on this connection yet.
    fn write_kept(&mut self, stamp: Stamp, scratch: &mut Scratch) -> bool {
        let Some(replay) = &mut self.replay else { return false };
        let seq = self.seq + 1 - (replay.len() - replay.written()) as u64;
        let Some((batch, bodies)) = replay.write_next() else { return false };
        let head = BatchHead { seq, tick: batch.tick, time: batch.time };
        let size = (usize::from(batch.packets), batch.bytes as usize);
        write_batch(head, stamp, size, bodies, scratch);
        true
    }

    /// Seals one batch of what waits, as much as one batch holds, and writes it.
    fn write_new(&mut self, stamp: Stamp, scratch: &mut Scratch) -> bool {
        let batch = self.measure_batch();
        if batch.queued == 0 {
            return false;
        }
        self.seq += 1;
        self.write_queued(self.seq, batch, stamp, scratch);
        self.seal(batch, stamp.tick, stamp.time, true);
        true
    }

    fn write_queued(&mut self, seq: u64, batch: Batch, stamp: Stamp, scratch: &mut Scratch) {
        self.greeted = true;
        let head = BatchHead { seq, tick: stamp.tick.0, time: stamp.time.0 };
        let bodies = self.queue.range(..batch.queued).map(|packet| &packet.body);
        write_batch(head, stamp, (batch.packets, batch.bytes), bodies, scratch);
    }

    /// Takes what is sealed out of the queue, and keeps it where it may have to be sent again.
    fn seal(&mut self, batch: Batch, tick: Tick, time: WallMs, written: bool) {
        if self.keeps {
            self.bytes -= batch.bytes;
            // One by one: there are few of them, and to drain them is made for many.
            let bodies = (0..batch.queued).map_while(|_| self.queue.pop_front()).map(|packet| packet.body);
            let replay = self.replay.get_or_insert_default();
            replay.keep(Sealed::new(tick.0, time.0, batch.packets), bodies, written);
        } else {
            drop(self.take_queued(batch));
        }
        self.shrink();
    }

    fn take_queued(&mut self, batch: Batch) -> impl Iterator<Item = Queued> {
        self.bytes -= batch.bytes;
        self.queue.drain(..batch.queued)
    }

    /// What goes into the next batch.
    fn measure_batch(&self) -> Batch {
        let most = if self.sequenced && self.connection > 0 { self.connection } else { self.queue.len() };
        let mut batch = Batch::default();
        for packet in self.queue.iter().take(most) {
            let next = Batch {
                queued: batch.queued + 1,
                packets: batch.packets + usize::from(packet.packets),
                bytes: batch.bytes + packet.body.len(),
            };
            let fits = next.bytes <= limits::BATCH_BYTES && next.packets <= limits::BATCH_PACKETS;
            if batch.queued > 0 && !fits {
                break;
            }
            batch = next;
        }
        batch
    }

    /// Takes the older packet with this key out of the queue. Its content may have been wider than the newer one's, so
    /// the peer is told everything afresh once it has caught up.
    fn drop_superseded(&mut self, by: &Queued) -> bool {
        let of_connection = self.connection;
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

    /// Gives memory back that only a burst needed.
    fn shrink(&mut self) {
        const USUAL: usize = 32;
        if self.queue.is_empty() && self.queue.capacity() > 2 * USUAL {
            self.queue.shrink_to(USUAL);
        }
    }

    fn check(&self) {
        debug_assert_eq!(self.bytes, self.queue.iter().map(|q| q.body.len()).sum::<usize>());
        debug_assert!(self.connection <= self.queue.len());
    }
}

/// Appends one batch, of so many packets and bytes, as one WebSocket frame: all that is decided about what a batch is on
/// the wire, compression too. The same batch may be written again, on another connection.
fn write_batch<'a>(
    head: BatchHead,
    stamp: Stamp,
    (packets, bytes): (usize, usize),
    bodies: impl ExactSizeIterator<Item = &'a Body> + Clone,
    out: &mut Scratch,
) {
    let encoding = stamp.encoding;
    let len = head.message_len(encoding, packets, bodies.len(), bytes);
    let opcode = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
    if stamp.deflate.is_some() && write_compressed(head, stamp, (packets, len), bodies.clone(), out) {
        return;
    }
    out.reserve(Header::MAX + len);
    out.extend_from_slice(Header::new(opcode, true, len, None).as_slice());
    let start = out.len();
    head.begin(encoding, packets, out);
    for (i, body) in bodies.enumerate() {
        if i > 0 {
            out.extend_from_slice(packet::separator(encoding));
        }
        out.extend_from_slice(body);
    }
    out.extend_from_slice(packet::end(encoding));
    debug_assert_eq!(out.len() - start, len, "the frame's header tells the batch's length");
}

/// The same, compressed; false, and nothing appended, where a message of `len` bytes is not to be or gets no shorter.
fn write_compressed<'a>(
    head: BatchHead,
    stamp: Stamp,
    (packets, len): (usize, usize),
    bodies: impl Iterator<Item = &'a Body>,
    out: &mut Scratch,
) -> bool {
    let encoding = stamp.encoding;
    let compressed = out.compress(len, stamp.deflate, |batch| {
        batch.store_written(|numbers| head.begin(encoding, packets, numbers));
        for (i, body) in bodies.enumerate() {
            if i > 0 {
                batch.store(packet::separator(encoding));
            }
            batch.body(body);
        }
        batch.store(packet::end(encoding));
    });
    let Some(Compressed { message, out }) = compressed else { return false };
    let opcode = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
    out.extend_from_slice(Header::new(opcode, true, message.len(), None).compressed().as_slice());
    out.extend_from_slice(message);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::read_batch;
    use crate::websocket::{Connection, Event, Role};
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;
    const STAMP: Stamp = Stamp {
        tick: Tick(7),
        time: WallMs(1_700_000_000_000),
        now: Time::START,
        encoding: Encoding::Json,
        deflate: None,
    };

    /// Takes at most so many bytes, then no more.
    struct Narrow {
        took: Vec<u8>,
        room: usize,
    }

    impl Outgoing for Narrow {
        fn write(&mut self, bytes: &[u8]) -> usize {
            let n = bytes.len().min(self.room);
            self.room -= n;
            self.took.extend_from_slice(&bytes[..n]);
            n
        }
    }

    fn body(name: &str) -> Body {
        Body::from(format!(r#"{{"type":"{name}"}}"#).as_bytes())
    }

    fn push(outbox: &mut Outbox, name: &str, priority: Priority, key: Option<u32>) -> Pushed {
        outbox.push(&body(name), priority, key, LIMIT, Time::START)
    }

    fn flush(outbox: &mut Outbox, out: &mut impl Outgoing) -> Flushed {
        outbox.flush(STAMP, LIMIT, out, &mut Scratch::default())
    }

    /// The batches in what was written: their `seq` and the types of their packets.
    fn read(mut written: Vec<u8>) -> Vec<(u64, Vec<String>)> {
        let mut client = Connection::new(Role::Client, usize::MAX);
        let mut input = written.as_mut_slice();
        let mut batches = Vec::new();
        while let Some(event) = client.next(&mut input) {
            let Event::Text(message) = event else { panic!("{event:?}") };
            let head = read_batch(Encoding::Json, message).expect("a batch").head;
            let value: serde_json::Value = serde_json::from_slice(message).expect("JSON");
            let packets = value["packets"].as_array().expect("a list").iter();
            batches
                .push((head.seq, packets.map(|p| p["type"].as_str().expect("a name").to_owned()).collect()));
        }
        batches
    }

    fn batch(seq: u64, packets: &[&str]) -> (u64, Vec<String>) {
        (seq, packets.iter().map(|p| p.to_string()).collect())
    }

    #[test]
    fn batches_are_numbered_from_the_player_s_first_packet_on() {
        let mut outbox = Outbox::default();
        push(&mut outbox, "connected", Priority::Critical, None);
        push(&mut outbox, "auth_response", Priority::Critical, None);
        outbox.begin_sequence();
        push(&mut outbox, "game_state", Priority::Critical, None);
        push(&mut outbox, "chat", Priority::Normal, None);
        let mut out = Vec::new();
        assert!(flush(&mut outbox, &mut out).drained);
        push(&mut outbox, "pong", Priority::Critical, None);
        assert_eq!(flush(&mut outbox, &mut out).batches, 1);
        let expected = [
            batch(0, &["connected", "auth_response"]),
            batch(1, &["game_state", "chat"]),
            batch(2, &["pong"]),
        ];
        assert_eq!(read(out), expected);
        assert!(outbox.is_empty() && outbox.waiting() == 0);
    }

    #[test]
    fn a_tick_s_packets_are_one_write() {
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        for name in ["a", "b", "c"] {
            push(&mut outbox, name, Priority::Normal, None);
        }
        outbox.control().extend_from_slice(&[0x89, 0x00]);
        let mut out = Narrow { took: Vec::new(), room: usize::MAX };
        struct Count<'a>(&'a mut Narrow, usize);
        impl Outgoing for Count<'_> {
            fn write(&mut self, bytes: &[u8]) -> usize {
                self.1 += 1;
                self.0.write(bytes)
            }
        }
        let mut counted = Count(&mut out, 0);
        flush(&mut outbox, &mut counted);
        assert_eq!(counted.1, 1);
        assert_eq!(out.took[..2], [0x89, 0x00], "control frames go before the batch");
    }

    #[test]
    fn newer_positions_replace_what_is_not_sealed_yet() {
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        push(&mut outbox, "old", Priority::Low, Some(1));
        let mut out = Narrow { took: Vec::new(), room: 10 };
        assert!(!flush(&mut outbox, &mut out).drained, "sealed, and stuck half way");
        push(&mut outbox, "middle", Priority::Low, Some(1));
        push(&mut outbox, "elsewhere", Priority::Low, Some(2));
        push(&mut outbox, "chat", Priority::Normal, None);
        assert_eq!(push(&mut outbox, "new", Priority::Low, Some(1)), Pushed::Dropped);
        out.room = usize::MAX;
        let flushed = flush(&mut outbox, &mut out);
        assert!(flushed.drained && flushed.caught_up, "it is told that something was left out");
        assert_eq!(read(out.took), [batch(1, &["old"]), batch(2, &["elsewhere", "chat", "new"])]);
        push(&mut outbox, "x", Priority::Low, Some(1));
        assert!(!flush(&mut outbox, &mut Vec::new()).caught_up, "once");
    }

    #[test]
    fn joined_packets_are_many_on_the_wire_and_one_in_the_queue() {
        let joined = |names: &str, packets, part| {
            let bodies: Vec<_> = names.split(' ').map(|name| format!(r#"{{"type":"{name}"}}"#)).collect();
            Joined::new(Body::from(bodies.join(",").as_bytes()), packets, part)
        };
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        push(&mut outbox, "stuck", Priority::Normal, None);
        let mut out = Narrow { took: Vec::new(), room: 10 };
        flush(&mut outbox, &mut out);
        let mut add = |joined: Joined| outbox.push_joined(&joined, LIMIT, Time::START);
        assert_eq!(add(joined("a b c", 3, 0)), Pushed::Queued);
        assert_eq!(add(joined("d", 1, 1)), Pushed::Queued);
        assert_eq!(add(joined("e f", 2, 0)), Pushed::Dropped, "the older one of its part");
        // The keys of single packets are others.
        assert_eq!(push(&mut outbox, "single", Priority::Low, Some(0)), Pushed::Queued);
        out.room = usize::MAX;
        assert!(flush(&mut outbox, &mut out).caught_up);
        assert!(outbox.is_at_rest());
        assert_eq!(read(out.took), [batch(1, &["stuck"]), batch(2, &["d", "e", "f", "single"])]);
    }

    #[test]
    fn over_the_soft_limit_only_low_priority_is_dropped_and_over_the_hard_one_it_is_said() {
        let limit = 1000;
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        push(&mut outbox, "stuck", Priority::Normal, None);
        flush(&mut outbox, &mut Narrow { took: Vec::new(), room: usize::MAX - 1 });
        push(&mut outbox, "stuck", Priority::Normal, None);
        outbox.flush(STAMP, limit, &mut Narrow { took: Vec::new(), room: 40 }, &mut Scratch::default());
        assert!(outbox.is_stuck() && outbox.waiting() < 50);
        let big = Body::from(vec![b'x'; 400].as_slice());
        let later = Time::from_millis(5);
        let mut add = |priority| outbox.push(&big, priority, None, limit, later);
        assert_eq!(add(Priority::Low), Pushed::Queued);
        assert_eq!(add(Priority::Low), Pushed::Dropped);
        assert_eq!(add(Priority::High), Pushed::Queued);
        assert_eq!(add(Priority::Normal), Pushed::Over);
        assert_eq!(outbox.over_soft_limit_since(), Some(later));
        outbox.drop_unsealed();
        assert!(outbox.waiting() < 50 && outbox.over_soft_limit_since().is_none());
    }

    #[test]
    fn who_has_taken_all_gets_positions_whatever_the_limit_is() {
        // A whole batch of them never fitted under the soft limit of the smallest outbox, though its peer took everything.
        let limit = *limits::OUTBOX_LIMIT.start();
        let part = Joined::new(Body::from(vec![b'x'; limits::BATCH_BYTES].as_slice()), 1, 0);
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        for _ in 0..3 {
            push(&mut outbox, "chat", Priority::Normal, None);
            assert_eq!(outbox.push_joined(&part, limit, Time::START), Pushed::Queued);
            let flushed = outbox.flush(STAMP, limit, &mut Vec::new(), &mut Scratch::default());
            assert!(flushed.drained && !flushed.caught_up, "nothing was left out");
        }
        // However large it is, it is offered where nothing else waits.
        let large = Joined::new(Body::from(vec![b'x'; 2 * limit].as_slice()), 1, 0);
        assert_eq!(outbox.push_joined(&large, limit, Time::START), Pushed::Over);
        assert!(outbox.flush(STAMP, limit, &mut Vec::new(), &mut Scratch::default()).drained);
        // Who is stuck is spared what it could not read in time anyway.
        push(&mut outbox, "chat", Priority::Normal, None);
        outbox.flush(STAMP, limit, &mut Narrow { took: Vec::new(), room: 10 }, &mut Scratch::default());
        assert_eq!(outbox.push_joined(&part, limit, Time::START), Pushed::Dropped);
    }

    #[test]
    fn the_close_frame_comes_last() {
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        outbox.close().extend_from_slice(&[0x88, 0x02, 0x03, 0xE8]);
        for _ in 0..limits::BATCH_PACKETS + 1 {
            push(&mut outbox, "a", Priority::Normal, None);
        }
        let mut out = Vec::new();
        assert_eq!(flush(&mut outbox, &mut out).batches, 2);
        assert_eq!(out[out.len() - 4..], [0x88, 0x02, 0x03, 0xE8]);
    }

    #[test]
    fn an_empty_outbox_owns_next_to_nothing() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.memory(), 0);
        for _ in 0..1000 {
            push(&mut outbox, "a", Priority::Normal, None);
        }
        flush(&mut outbox, &mut Vec::new());
        assert!(outbox.memory() <= 64 * size_of::<Queued>(), "{}", outbox.memory());
        outbox.rest();
        outbox.rest();
        assert_eq!(outbox.memory(), 0);
    }

    /// A peer at the end of a line that is cut now and then, and what it has seen.
    struct Wire {
        outbox: Outbox,
        line: Narrow,
        client: Connection,
        /// How much of what was written the client has read.
        read: usize,
        seq: u64,
        seen: Vec<String>,
        pongs: Vec<Vec<u8>>,
    }

    impl Wire {
        fn new() -> Wire {
            let mut outbox = Outbox::default();
            push(&mut outbox, "connected", Priority::Critical, None);
            outbox.begin_sequence();
            outbox.keep_batches();
            let line = Narrow { took: Vec::new(), room: 0 };
            let client = Connection::new(Role::Client, usize::MAX);
            Wire { outbox, line, client, read: 0, seq: 0, seen: Vec::new(), pongs: Vec::new() }
        }

        fn flush(&mut self, room: usize, now: Time) {
            self.line.room = room;
            self.outbox.flush(Stamp { now, ..STAMP }, LIMIT, &mut self.line, &mut Scratch::default());
        }

        /// Has the client read so much of what is on the way.
        fn read(&mut self, len: usize) {
            let end = self.line.took.len().min(self.read.saturating_add(len));
            let mut bytes = self.line.took[self.read..end].to_vec();
            self.read = end;
            let mut input = bytes.as_mut_slice();
            while let Some(event) = self.client.next(&mut input) {
                match event {
                    Event::Ping(payload) => self.pongs.push(payload.to_vec()),
                    Event::Text(message) => {
                        let head = read_batch(Encoding::Json, message).expect("a batch").head;
                        let value: serde_json::Value = serde_json::from_slice(message).expect("JSON");
                        let packets = value["packets"].as_array().expect("a list").iter();
                        if head.seq == 0 {
                            continue;
                        }
                        assert_eq!(head.seq, self.seq + 1, "without gaps, and none twice");
                        self.seq = head.seq;
                        self.seen.extend(packets.map(|p| p["type"].as_str().expect("a name").to_owned()));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }

        fn pong(&mut self) {
            for payload in std::mem::take(&mut self.pongs) {
                assert!(self.outbox.pong(&payload).is_due);
            }
        }

        /// The line breaks; `away` is pushed while nobody is there, then the client comes back.
        fn cut(&mut self, away: &[String], goodbye: Goodbye) {
            let says_goodbye = goodbye != Goodbye::Unsaid;
            let mut player = self.outbox.part(says_goodbye);
            if says_goodbye {
                push(&mut self.outbox, "goodbye", Priority::Critical, None);
                self.flush(usize::MAX, Time::START);
            }
            if goodbye == Goodbye::Seen {
                self.read(usize::MAX);
                assert_eq!(self.seen.pop().as_deref(), Some("goodbye"));
            }
            for name in away {
                push(&mut player, name, Priority::Normal, None);
            }
            let replayed = player.resume(self.seq, Tick(8), WallMs(1)).expect("nothing is let go of");
            assert!(player.replay.as_ref().map_or(0, |replay| replay.len()) as u32 == replayed);
            self.outbox = Outbox::default();
            push(&mut self.outbox, "connected", Priority::Critical, None);
            self.outbox.adopt(player);
            self.line.took.clear();
            self.read = 0;
            self.client = Connection::new(Role::Client, usize::MAX);
            self.pongs.clear();
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Goodbye {
        Unsaid,
        Unseen,
        Seen,
    }

    #[derive(Clone, Debug)]
    enum Op {
        Push(u8),
        Flush(usize),
        Read(usize),
        Pong,
        Wait(u64),
        Cut(u8, Goodbye),
    }

    fn op() -> impl Strategy<Value = Op> {
        let goodbye = prop_oneof![Just(Goodbye::Unsaid), Just(Goodbye::Unseen), Just(Goodbye::Seen)];
        prop_oneof![
            4 => (1u8..5).prop_map(Op::Push),
            4 => (0usize..400).prop_map(Op::Flush),
            4 => (0usize..400).prop_map(Op::Read),
            2 => Just(Op::Pong),
            2 => (0u64..1500).prop_map(Op::Wait),
            1 => (0u8..4, goodbye).prop_map(|(n, goodbye)| Op::Cut(n, goodbye)),
        ]
    }

    #[test]
    fn a_ping_names_what_it_follows_and_its_pong_lets_go_of_that() {
        let mut wire = Wire::new();
        let second = |s: u64| Time::from_millis(s * 1000);
        push(&mut wire.outbox, "a", Priority::Normal, None);
        wire.flush(usize::MAX, second(1));
        push(&mut wire.outbox, "b", Priority::Normal, None);
        wire.flush(usize::MAX, second(1));
        wire.read(usize::MAX);
        assert_eq!(wire.pongs, [1u64.to_be_bytes()], "at most once a second, behind the first batch");
        wire.pong();
        let kept = |wire: &Wire| wire.outbox.replay.as_ref().map_or(0, |replay| replay.len());
        assert_eq!(kept(&wire), 1);
        assert!(!wire.outbox.is_to_ask(Time::from_millis(1999)) && wire.outbox.is_to_ask(second(2)));
        wire.outbox.ping(second(2));
        assert!(!wire.outbox.is_to_ask(second(9)), "what was asked is not asked again");
        wire.flush(usize::MAX, second(2));
        wire.read(usize::MAX);
        assert_eq!(wire.pongs, [2u64.to_be_bytes()]);
        wire.pong();
        assert_eq!(kept(&wire), 0);
        wire.outbox.rest();
        wire.outbox.rest();
        assert_eq!(wire.outbox.memory(), 0, "who has everything costs nothing");
        let forged = wire.outbox.pong(&9u64.to_be_bytes());
        assert_eq!(forged, Pong { is_due: false, names_a_batch: false });
    }

    #[test]
    fn who_does_not_answer_keeps_no_more_than_the_bound() {
        let mut wire = Wire::new();
        for n in 0..1000 {
            push(&mut wire.outbox, &format!("p{n}"), Priority::Normal, None);
            wire.flush(usize::MAX, Time::START);
        }
        let replay = wire.outbox.replay.as_ref().expect("something is kept");
        assert_eq!(replay.len(), limits::REPLAY_BATCHES);
        let mut player = wire.outbox.part(false);
        assert_eq!(player.resume(1000 - limits::REPLAY_BATCHES as u64 - 1, Tick(1), WallMs(1)), None);
        assert_eq!(player.resume(1001, Tick(1), WallMs(1)), None, "from the future");
        let all = limits::REPLAY_BATCHES as u64;
        assert_eq!(player.resume(1000 - all, Tick(1), WallMs(1)), Some(all as u32));
        assert_eq!(player.resume(1000, Tick(1), WallMs(1)), Some(0));
    }

    #[test]
    fn while_nobody_is_there_low_priority_is_spared_and_too_much_is_let_go() {
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        outbox.keep_batches();
        push(&mut outbox, "low", Priority::Low, Some(1));
        let mut player = outbox.part(true);
        assert_eq!(push(&mut player, "low", Priority::Low, Some(1)), Pushed::Dropped);
        assert_eq!(push(&mut player, "chat", Priority::Normal, None), Pushed::Queued);
        assert_eq!(player.queue.len(), 1);
        let big = Body::from(vec![b'x'; limits::BATCH_BYTES].as_slice());
        let add = |player: &mut Outbox| player.push(&big, Priority::Critical, None, LIMIT, Time::START);
        let held = (0..100).take_while(|_| add(&mut player) == Pushed::Queued).count();
        assert_eq!(held, limits::REPLAY_BYTES / limits::BATCH_BYTES - 1);
        assert!(player.memory() < 1000, "{}", player.memory());
        assert_eq!(add(&mut player), Pushed::Dropped);
        assert_eq!(player.resume(0, Tick(1), WallMs(1)), None);
        player.restart();
        let mut next = Outbox::default();
        next.adopt(player);
        push(&mut next, "state", Priority::Critical, None);
        let mut out = Vec::new();
        next.flush(STAMP, LIMIT, &mut out, &mut Scratch::default());
        // The goodbye may have been seen as number 1.
        assert!(out.windows(8).any(|bytes| bytes == b"\"seq\":2,"), "{}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn memory_that_is_for_resumes_only_can_be_had_back() {
        let mut wire = Wire::new();
        push(&mut wire.outbox, "a", Priority::Normal, None);
        wire.flush(usize::MAX, Time::START);
        assert!(wire.outbox.trimmable() > 0);
        wire.outbox.trim();
        assert_eq!(wire.outbox.trimmable(), 0);
        let mut player = wire.outbox.part(false);
        assert_eq!(player.resume(0, Tick(1), WallMs(1)), None, "told afresh");
        assert_eq!(player.resume(1, Tick(1), WallMs(1)), Some(0), "has seen it all");
    }

    proptest! {
        /// However little the socket takes at a time, it gets the same bytes.
        #[test]
        fn short_writes_change_nothing(
            names in prop::collection::vec("[a-z]{1,300}", 1..40),
            rooms in prop::collection::vec(1usize..500, 1..200),
        ) {
            let fill = || {
                let mut outbox = Outbox::default();
                outbox.begin_sequence();
                for name in &names {
                    push(&mut outbox, name, Priority::Normal, None);
                }
                outbox
            };
            let mut whole = Vec::new();
            flush(&mut fill(), &mut whole);
            let mut outbox = fill();
            let mut out = Narrow { took: Vec::new(), room: 0 };
            for room in rooms.iter().chain(std::iter::repeat(&500)) {
                out.room = *room;
                if flush(&mut outbox, &mut out).drained {
                    break;
                }
            }
            prop_assert_eq!(out.took, whole);
        }

        /// Whatever is written, read, acknowledged and cut in between: the client sees each packet once, and in order.
        #[test]
        fn cut_anywhere_each_packet_is_seen_once(ops in prop::collection::vec(op(), 1..120)) {
            let (mut wire, mut told, mut now) = (Wire::new(), Vec::new(), Time::START);
            let mut name = {
                let mut count = 0;
                move || {
                    count += 1;
                    format!("p{count}")
                }
            };
            for op in ops {
                match op {
                    Op::Push(count) => {
                        for _ in 0..count {
                            told.push(name());
                            push(&mut wire.outbox, &told[told.len() - 1], Priority::Normal, None);
                        }
                    }
                    Op::Flush(room) => wire.flush(room, now),
                    Op::Read(len) => wire.read(len),
                    Op::Pong => wire.pong(),
                    Op::Wait(ms) => {
                        now = now + std::time::Duration::from_millis(ms);
                        if wire.outbox.is_to_ask(now) {
                            wire.outbox.ping(now);
                        }
                    }
                    Op::Cut(count, goodbye) => {
                        let away: Vec<String> = (0..count).map(|_| name()).collect();
                        told.extend_from_slice(&away);
                        wire.cut(&away, goodbye);
                    }
                }
            }
            wire.flush(usize::MAX, now);
            wire.read(usize::MAX);
            prop_assert_eq!(&wire.seen, &told);
            now = now + std::time::Duration::from_secs(2);
            if wire.outbox.is_to_ask(now) {
                wire.outbox.ping(now);
            }
            wire.flush(usize::MAX, now);
            wire.read(usize::MAX);
            wire.pong();
            prop_assert!(wire.outbox.replay.as_ref().is_none_or(|replay| replay.len() == 0));
        }
    }
}
