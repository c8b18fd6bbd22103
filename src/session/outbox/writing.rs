//! From packets that wait to bytes on the wire: batches are measured, sealed, kept for a resume, and written.

use super::{Batch, Flushed, Outbox, Queued, Stamp};
use crate::limits;
use crate::outgoing::Outgoing;
use crate::packet::{self, BatchHead, Body};
use crate::session::compression::{Compressed, Scratch};
use crate::session::replay::Sealed;
use crate::time::{Tick, WallMs};
use crate::websocket::{Header, OpCode};

impl Outbox {
    /// Writes what waits, one gathered write for each time round, until nothing is left, the socket takes no more, or it has
    /// taken [`limits::FLUSH_BYTES`]: others wait too.
    /// `scratch` is shared by all peers and holds nothing between calls. `limit` as in [`Outbox::push`].
    pub fn flush(
        &mut self,
        stamp: Stamp,
        limit: usize,
        out: &mut impl Outgoing,
        scratch: &mut Scratch,
    ) -> Flushed {
        let mut done = Flushed::default();
        while !self.is_empty() {
            if !self.unsent.is_empty() {
                let taken = out.write(&self.unsent);
                done.bytes += taken;
                if taken < self.unsent.len() {
                    self.unsent.drain(..taken);
                    break;
                }
                self.unsent = Vec::new();
                continue;
            }
            scratch.clear();
            done.batches += u32::from(self.gather(stamp, scratch));
            let taken = out.write(scratch);
            done.bytes += taken;
            if taken < scratch.len() {
                self.unsent.extend_from_slice(&scratch[taken..]);
                break;
            }
            if done.bytes >= limits::FLUSH_BYTES && !self.is_empty() {
                done.is_cut = true;
                break;
            }
        }
        done.drained = self.is_empty();
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
        let is_last = self.queue.is_empty() && self.kept.is_written();
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
        self.connection = self.connection.saturating_sub(batch.queued as u32);
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
        if self.kept.is_written() {
            return false;
        }
        let last = self.seq;
        let written = self.kept.change(|replay| {
            let seq = last + 1 - (replay.len() - replay.written()) as u64;
            let (batch, bodies) = replay.write_next()?;
            let head = BatchHead { seq, tick: batch.tick, time: batch.time };
            let size = (usize::from(batch.packets), batch.bytes as usize);
            // To compress is dear, and to be sent the same again and again costs a client nothing.
            let deflate = stamp.deflate.filter(|_| !batch.was_written);
            write_batch(head, Stamp { deflate, ..stamp }, size, bodies, scratch);
            Some(())
        });
        written.flatten().is_some()
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
    pub(super) fn seal(&mut self, batch: Batch, tick: Tick, time: WallMs, written: bool) {
        if self.keeps {
            self.bytes -= batch.bytes;
            // One by one: there are few of them, and to drain them is made for many.
            let bodies = (0..batch.queued).map_while(|_| self.queue.pop_front()).map(|packet| packet.body);
            self.kept.keep(Sealed::new(tick.0, time.0, batch.packets), bodies, written);
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
    pub(super) fn measure_batch(&self) -> Batch {
        let is_connection_s = self.sequenced && self.connection > 0;
        let most = if is_connection_s { self.connection as usize } else { self.queue.len() };
        if !is_connection_s && self.bytes <= limits::BATCH_BYTES {
            // Nearly always everything fits, and no body has to be looked at.
            let packets = self.queue.iter().map(|packet| usize::from(packet.packets)).sum();
            if packets <= limits::BATCH_PACKETS {
                return Batch { queued: most, packets, bytes: self.bytes };
            }
        }
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

    /// Gives memory back that only a burst needed.
    fn shrink(&mut self) {
        const USUAL: usize = 32;
        if self.queue.is_empty() && self.queue.capacity() > 2 * USUAL {
            self.queue.shrink_to(USUAL);
        }
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
    let len = out.batch_len(&head, encoding, (packets, bodies.len(), bytes));
    let opcode = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
    if stamp.deflate.is_some() && write_compressed(head, stamp, (packets, len), bodies.clone(), out) {
        return;
    }
    out.reserve(Header::MAX + len);
    out.extend_from_slice(Header::new(opcode, true, len, None).as_slice());
    let start = out.len();
    out.begin_batch(&head, encoding, packets);
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
