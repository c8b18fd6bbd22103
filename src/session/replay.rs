//! Sealed batches that the peer has not said it has: what a resume sends again.
//!
//! A batch is kept as its numbers and handles on its bodies, in the order of `seq` and without gaps; the last one has the
//! number of the last that was sealed. Those in front were written on the present connection; behind the write cursor
//! stand those that a resume has still to write. Nothing kept ever changes.
//!
//! It is bounded by [`limits::REPLAY_BATCHES`] and [`limits::REPLAY_BYTES`]: over them the oldest are let go, and a player
//! that has not seen those is told everything afresh. A peer that has acknowledged everything keeps nothing.
//!
//! Invariant: `bytes`, `shares` and the number of bodies are the sums over the kept batches, `written` is at most their
//! number and `written_bodies` the bodies of those.

use crate::limits;
use crate::packet::Body;
use crate::prefetch::prefetch;
use std::collections::VecDeque;

/// Bodies between the one that is let go of and the one that is fetched.
const AHEAD: usize = 6;

/// The batches kept for one player, and what is asked of them at every turn: whoever has said everything does not lie in
/// the caches with all that it holds.
///
/// Invariant: `memory` and `is_unwritten` are what the replay would say.
#[derive(Debug, Default)]
pub(super) struct Kept {
    replay: Option<Box<Replay>>,
    memory: u32,
    is_unwritten: bool,
}

impl Kept {
    /// The batches, where any were kept.
    pub(super) fn replay(&self) -> Option<&Replay> {
        self.replay.as_deref()
    }

    /// Changes the batches, where any were kept.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Replay) -> T) -> Option<T> {
        let done = self.replay.as_deref_mut().map(change);
        self.take_note();
        done
    }

    /// Keeps a batch behind all others, see [`Replay::keep`].
    pub(super) fn keep(&mut self, batch: Sealed, bodies: impl Iterator<Item = Body>, written: bool) {
        self.replay.get_or_insert_default().keep(batch, bodies, written);
        self.take_note();
    }

    /// Lets go of all.
    pub(super) fn clear(&mut self) {
        *self = Kept::default();
    }

    /// Whether all of it was written on this connection.
    #[inline]
    pub(super) fn is_written(&self) -> bool {
        !self.is_unwritten
    }

    /// Bytes of memory it holds, see [`Replay::memory`].
    #[inline]
    pub(super) fn memory(&self) -> usize {
        self.memory as usize
    }

    fn take_note(&mut self) {
        let replay = self.replay.as_deref();
        self.memory = replay.map_or(0, |replay| u32::try_from(replay.memory()).unwrap_or(u32::MAX));
        self.is_unwritten = replay.is_some_and(|replay| !replay.is_written());
    }
}

/// The batches kept for one player.
#[derive(Debug, Default)]
pub(super) struct Replay {
    sealed: VecDeque<Sealed>,
    /// Of all batches, one behind the other.
    bodies: VecDeque<Body>,
    /// The write cursor: how many of the batches were written on this connection.
    written: usize,
    written_bodies: usize,
    /// Bytes of all bodies in full.
    bytes: usize,
    /// What of them counts as this player's.
    shares: usize,
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) tick: u64,
    pub(super) time: u64,
    /// Bytes of its bodies.
    pub(super) bytes: u32,
    /// The part of those bytes that counts as this player's.
    share: u32,
    bodies: u16,
    pub(super) packets: u16,
    /// Whether it was written before, be it on a connection that is lost.
    pub(super) was_written: bool,
}

const _: () = assert!(size_of::<Kept>() <= 16, "there are as many of these as connections");
const _: () = assert!(size_of::<Replay>() <= 96, "everybody who is told anything has one of these");
const _: () = assert!(size_of::<Sealed>() <= 32, "every player has a second's worth of these");
const _: () = assert!(limits::BATCH_PACKETS <= u16::MAX as usize);

impl Sealed {
    /// The numbers of a batch that is being kept; its bodies follow.
    pub(super) fn new(tick: u64, time: u64, packets: usize) -> Sealed {
        Sealed { tick, time, bytes: 0, share: 0, bodies: 0, packets: packets as u16, was_written: false }
    }
}

impl Replay {
    /// Keeps a batch behind all others, and lets go of those for which there is no room any more.
    pub(super) fn keep(&mut self, mut batch: Sealed, bodies: impl Iterator<Item = Body>, written: bool) {
        debug_assert!(!written || self.is_written(), "batches are written in their order");
        make_room(&mut self.sealed);
        for body in bodies {
            make_room(&mut self.bodies);
            // All who are sent the same hold it by now. As they let go of it one by one this is less than what is held,
            // by no more than each body once.
            batch.share = batch.share.saturating_add((body.len() / body.holders()) as u32);
            batch.bytes = batch.bytes.saturating_add(body.len() as u32);
            batch.bodies += 1;
            self.bodies.push_back(body);
        }
        self.bytes += batch.bytes as usize;
        self.shares += batch.share as usize;
        self.sealed.push_back(batch);
        if written {
            self.pass();
        }
        while self.written > 0
            && (self.sealed.len() > limits::REPLAY_BATCHES || self.bytes > limits::REPLAY_BYTES)
        {
            self.pop();
        }
        self.check();
    }

    /// The batch at the write cursor and its bodies; it counts as written from here on.
    pub(super) fn write_next(&mut self) -> Option<(Sealed, impl ExactSizeIterator<Item = &Body> + Clone)> {
        let batch = *self.sealed.get(self.written)?;
        let first = self.written_bodies;
        self.pass();
        Some((batch, self.bodies.range(first..first + usize::from(batch.bodies))))
    }

    fn pass(&mut self) {
        let batch = &mut self.sealed[self.written];
        batch.was_written = true;
        self.written_bodies += usize::from(batch.bodies);
        self.written += 1;
    }

    /// Moves the write cursor back to the first batch: a new connection has been sent nothing yet.
    pub(super) fn rewind(&mut self) {
        (self.written, self.written_bodies) = (0, 0);
    }

    /// Lets go of the oldest `count`.
    pub(super) fn drop_oldest(&mut self, count: usize) {
        for _ in 0..count.min(self.sealed.len()) {
            self.pop();
        }
        self.check();
    }

    fn pop(&mut self) {
        let Some(batch) = self.sealed.pop_front() else { return };
        for _ in 0..batch.bodies {
            self.bodies.pop_front();
            // Whoever lets go of one lets go of a second's worth.
            self.bodies.get(AHEAD).inspect(|later| later.prefetch());
        }
        self.bytes -= batch.bytes as usize;
        self.shares -= batch.share as usize;
        if self.written > 0 {
            self.written -= 1;
            self.written_bodies -= usize::from(batch.bodies);
        }
    }

    /// Has the places fetched where the next batch will be kept.
    pub(super) fn prefetch(&self) {
        self.sealed.back().inspect(|last| prefetch(*last));
        self.bodies.back().inspect(|last| prefetch(*last));
    }

    /// How many batches are kept.
    pub(super) fn len(&self) -> usize {
        self.sealed.len()
    }

    /// How many of them were written on this connection.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Whether all of them were.
    pub(super) fn is_written(&self) -> bool {
        self.written == self.sealed.len()
    }

    /// Bytes of all bodies in full.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory it holds; of bodies that others hold too, its share of when they were sealed.
    pub(super) fn memory(&self) -> usize {
        size_of::<Replay>()
            + self.sealed.capacity() * size_of::<Sealed>()
            + self.bodies.capacity() * size_of::<Body>()
            + self.shares
    }

    fn check(&self) {
        let sum = |of: fn(&Sealed) -> usize| self.sealed.iter().map(of).sum::<usize>();
        debug_assert_eq!(self.bytes, sum(|batch| batch.bytes as usize));
        debug_assert_eq!(self.shares, sum(|batch| batch.share as usize));
        debug_assert_eq!(self.bodies.len(), sum(|batch| usize::from(batch.bodies)));
        debug_assert!(self.written <= self.sealed.len());
        let passed = self.sealed.iter().take(self.written).map(|batch| usize::from(batch.bodies));
        debug_assert_eq!(self.written_bodies, passed.sum::<usize>());
    }
}

/// Room for one more. Many players are told something once in a while and hold one batch, or two: they take no more for it.
pub(super) fn make_room<T>(queue: &mut VecDeque<T>) {
    if queue.len() == queue.capacity() {
        queue.reserve_exact(queue.len().max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(len: usize) -> Body {
        Body::from(vec![b'x'; len].as_slice())
    }

    fn keep(replay: &mut Replay, tick: u64, bodies: &[Body], written: bool) {
        replay.keep(Sealed::new(tick, 0, bodies.len()), bodies.iter().cloned(), written);
    }

    fn write(replay: &mut Replay) -> Vec<(u64, usize)> {
        std::iter::from_fn(|| replay.write_next().map(|(batch, bodies)| (batch.tick, bodies.len()))).collect()
    }

    #[test]
    fn the_cursor_goes_back_and_forth() {
        let mut replay = Replay::default();
        let one = [body(3)];
        keep(&mut replay, 1, &one, true);
        keep(&mut replay, 2, &[body(1), body(2)], true);
        assert!(replay.is_written());
        replay.drop_oldest(1);
        replay.rewind();
        keep(&mut replay, 3, &one, false);
        assert_eq!(write(&mut replay), [(2, 2), (3, 1)]);
        assert_eq!((replay.len(), replay.written(), replay.bytes()), (2, 2, 6));
        replay.drop_oldest(9);
        assert_eq!((replay.len(), replay.bytes()), (0, 0));
    }

    #[test]
    fn the_oldest_go_over_the_bounds_but_never_what_is_still_to_be_written() {
        let mut replay = Replay::default();
        for tick in 0..limits::REPLAY_BATCHES as u64 + 10 {
            keep(&mut replay, tick, &[], true);
        }
        assert_eq!(replay.len(), limits::REPLAY_BATCHES);
        replay.rewind();
        keep(&mut replay, 0, &[body(limits::REPLAY_BYTES + 1)], false);
        assert_eq!(replay.len(), limits::REPLAY_BATCHES + 1);
        let first = write(&mut replay)[0];
        assert_eq!(first.0, 10);
        keep(&mut replay, 7, &[], true);
        assert!(replay.len() <= limits::REPLAY_BATCHES && replay.bytes() <= limits::REPLAY_BYTES);
    }

    #[test]
    fn what_many_hold_counts_by_shares() {
        let shared = body(1000);
        let others: Vec<Body> = (0..8).map(|_| shared.clone()).collect();
        let mut replay = Replay::default();
        keep(&mut replay, 1, &[shared], true);
        assert!((100..=120).contains(&replay.shares), "{}", replay.shares);
        drop(others);
        replay.drop_oldest(1);
        assert_eq!(replay.shares, 0);
    }
}
