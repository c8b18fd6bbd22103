//! Encoded packets, each shared by all its recipients, and the memory that they take turns in.
//!
//! A [`Body`] never changes while anybody has a handle on it. [`Bodies`] keeps a handle of its own on those that it made,
//! and once nobody else has one writes the next packet of about that size there: what a server says in a steady tick
//! takes no memory that was not there a moment before. They are used again in the order in which they were made, so that one
//! look at the oldest says whether there is any, and one at the newest, which may have been gone at once; a body that somebody has for longer than `LIFETIME` is no longer waited
//! for, and is freed by the last who has it. A body that is kept keeps nothing but itself.
//!
//! Bounds: a body has at most a quarter more memory than bytes, and all that are kept for later at most what
//! [`Bodies::new`] is told; what is more, or larger than `LARGEST`, is allocated when it is needed and freed by the
//! last who has it. What was not needed for `LIFETIME` is given back.

use crate::prefetch::{LINE, prefetch};
use crate::time::Time;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// One encoded packet, or several with their separators. As a handle it is as large as a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(Arc<Vec<u8>>);

impl Deref for Body {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Body {
    /// A body of its own, at its exact size.
    fn from(bytes: &[u8]) -> Body {
        Body(Arc::new(bytes.to_vec()))
    }
}

impl Body {
    /// Has fetched where its bytes lie, and how many.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(&*self.0);
    }

    /// Has the first of its bytes fetched; that more of them are read in a row the processor sees by itself.
    #[inline]
    pub fn prefetch_bytes(&self) {
        self.chunks(LINE).take(FETCHED).for_each(|line| prefetch(&line[0]));
    }

    /// How many have a handle on it, at least 1; without the one that is kept to use its memory again, where there is one.
    pub fn holders(&self) -> usize {
        (Arc::strong_count(&self.0) - 1).max(1)
    }
}

/// Lines of a body that are fetched before they are read.
const FETCHED: usize = 6;
/// Bytes of the largest body that is kept for later.
const LARGEST: usize = SMALLEST << (SIZES / 4);
/// What one alone is told is kept for later up to so many bytes.
const LARGE: usize = 1024;
/// Room of the smallest, bytes.
const SMALLEST: usize = 64;
/// Sizes that bodies come in: four to each doubling.
const SIZES: usize = 40;
/// How long bodies live that do not wait for a laggard: a second until they are acknowledged, and some more.
const LIFETIME: Duration = Duration::from_secs(2);

/// Makes bodies.
///
/// Invariant: `bytes` is the room of all bodies in `rings`.
#[derive(Debug)]
pub struct Bodies {
    /// By size.
    rings: [Ring; SIZES + 1],
    bytes: usize,
    most: usize,
    now: Time,
    rested: Time,
}

/// Bodies of one size.
#[derive(Debug, Default)]
struct Ring {
    /// The oldest in front, each with the time at which it was made.
    bodies: VecDeque<(Time, Body)>,
    /// How many were made since the last rest.
    made: usize,
}

impl Bodies {
    /// Keeps at most so many bytes for later.
    pub fn new(most: usize) -> Bodies {
        let rings = std::array::from_fn(|_| Ring::default());
        Bodies { rings, bytes: 0, most, now: Time::START, rested: Time::START }
    }

    /// A body of these bytes that one alone is told. A large one is a state of the game: seldom said, and of a size of its own
    /// each time, so that its memory is of use to anybody but the next.
    pub fn make_for_one(&mut self, bytes: &[u8]) -> Body {
        if bytes.len() > LARGE { Body::from(bytes) } else { self.make(bytes) }
    }

    /// A body of these bytes.
    pub fn make(&mut self, bytes: &[u8]) -> Body {
        let Some(size) = size_of_len(bytes.len()) else { return Body::from(bytes) };
        let ring = &mut self.rings[size];
        ring.made += 1;
        while let Some((made, mut body)) = ring.bodies.pop_front() {
            ring.bodies.front().inspect(|(_, next)| next.prefetch());
            if let Some(room) = Arc::get_mut(&mut body.0) {
                room.clear();
                room.extend_from_slice(bytes);
                ring.bodies.push_back((self.now, body.clone()));
                return body;
            }
            if self.now.since(made) < LIFETIME {
                ring.bodies.push_front((made, body));
                break;
            }
            self.bytes -= room_of(size);
        }
        // What was made last may have been for somebody who took it at once.
        if let Some((made, last)) = ring.bodies.back_mut()
            && let Some(room) = Arc::get_mut(&mut last.0)
        {
            room.clear();
            room.extend_from_slice(bytes);
            *made = self.now;
            return last.clone();
        }
        if self.bytes + room_of(size) > self.most {
            return Body::from(bytes);
        }
        let mut room = Vec::with_capacity(room_of(size));
        room.extend_from_slice(bytes);
        let body = Body(Arc::new(room));
        self.bytes += room_of(size);
        ring.bodies.push_back((self.now, body.clone()));
        body
    }

    /// Called with each tick: now and then gives back what was not needed lately.
    pub fn rest(&mut self, now: Time) {
        self.now = now;
        if now.since(self.rested) < LIFETIME {
            return;
        }
        self.rested = now;
        for (size, ring) in self.rings.iter_mut().enumerate() {
            let needed = std::mem::take(&mut ring.made).min(ring.bodies.len());
            // Those that somebody still has are freed by whoever has them last.
            self.bytes -= ring.bodies.drain(needed..).count() * room_of(size);
            ring.bodies.shrink_to(2 * needed);
        }
        self.check();
    }

    fn check(&self) {
        let rooms = self.rings.iter().enumerate().map(|(size, ring)| ring.bodies.len() * room_of(size));
        debug_assert_eq!(self.bytes, rooms.sum::<usize>());
    }
}

/// The smallest size that has room for so many bytes; `None` where none has.
fn size_of_len(len: usize) -> Option<usize> {
    if len <= SMALLEST {
        return Some(0);
    }
    // The three highest bits of the last byte's place say which quarter of which doubling it is in.
    let last = len - 1;
    let doubling = last.ilog2() as usize;
    let quarter = (last >> (doubling - 2)) & 3;
    Some((doubling - SMALLEST.ilog2() as usize) * 4 + quarter + 1).filter(|&size| size <= SIZES)
}

/// Bytes that a body of a size has room for.
fn room_of(size: usize) -> usize {
    (SMALLEST << (size / 4)) / 4 * (4 + size % 4)
}

const _: () =
    assert!(LARGEST >= crate::limits::BATCH_BYTES, "what is joined for many is made again and again");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(body: &Body) -> *const u8 {
        body.as_ptr()
    }

    #[test]
    fn memory_is_used_again_once_nobody_has_it() {
        let mut bodies = Bodies::new(1 << 20);
        let first = bodies.make(b"first");
        let (place, second) = (at(&first), bodies.make(b"second"));
        assert_ne!(at(&second), place, "somebody has the first");
        assert_eq!((&*first, &*second), (&b"first"[..], &b"second"[..]));
        let kept = first.clone();
        drop(first);
        assert_ne!(at(&bodies.make(b"third")), place, "still somebody has it");
        drop(kept);
        assert_eq!(at(&bodies.make(b"later")), place);
        assert_eq!(&*second, b"second", "what somebody has never changes");
    }

    #[test]
    fn what_is_gone_at_once_does_not_wait_for_what_is_held() {
        let mut bodies = Bodies::new(1 << 20);
        let held = bodies.make(b"held");
        let place = at(&bodies.make(b"gone at once"));
        assert_eq!(at(&bodies.make(b"the next")), place);
        assert_eq!((&*held, bodies.bytes), (&b"held"[..], 2 * SMALLEST));
    }

    #[test]
    fn of_what_one_alone_is_told_only_the_small_is_kept() {
        let mut bodies = Bodies::new(1 << 20);
        let large = bodies.make_for_one(&[7; LARGE + 1]);
        assert_eq!((large.len(), bodies.bytes), (LARGE + 1, 0));
        let small = bodies.make_for_one(&[7; LARGE]);
        assert_eq!((small.len(), bodies.bytes), (LARGE, LARGE));
    }

    #[test]
    fn who_never_lets_go_stops_nobody() {
        let mut bodies = Bodies::new(1 << 20);
        let held: Vec<Body> = (0..10).map(|_| bodies.make(b"held")).collect();
        let mut places = Vec::new();
        for n in 0..10u32 {
            bodies.rest(Time::START + LIFETIME / 4 * n);
            places.push(at(&bodies.make(b"passing")));
        }
        assert!(places[..9].contains(&places[9]), "its memory is used again");
        assert!(bodies.bytes < 10 * SMALLEST, "nobody waits for those any more: {}", bodies.bytes);
        assert!(held.iter().all(|body| **body == *b"held"));
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_than_was_needed() {
        let mut bodies = Bodies::new(10 * SMALLEST);
        let crowd: Vec<Body> = (0..100).map(|_| bodies.make(b"many")).collect();
        assert_eq!(bodies.bytes, 10 * SMALLEST);
        drop(crowd);
        let large = bodies.make(&[7; LARGEST + 1]);
        assert_eq!((large.len(), bodies.bytes), (LARGEST + 1, 10 * SMALLEST));
        let mut now = Time::START;
        for left in [10, 3, 0] {
            now = now + LIFETIME;
            bodies.rest(now);
            assert_eq!(bodies.bytes, left * SMALLEST);
            if left == 10 {
                (0..3).for_each(|_| drop(bodies.make(b"few")));
                bodies.rest(now + LIFETIME / 2);
                assert_eq!(bodies.bytes, 10 * SMALLEST, "not so soon");
            }
        }
    }

    proptest! {
        #[test]
        fn there_is_room_and_at_most_a_quarter_more(len in 0..=LARGEST) {
            let size = size_of_len(len).expect("it is no larger than the largest");
            prop_assert!(room_of(size) >= len);
            prop_assert!(size == 0 || room_of(size - 1) < len);
            prop_assert!(room_of(size) <= SMALLEST.max(len + len / 4));
        }
    }

    #[test]
    fn what_is_too_large_has_no_size() {
        assert_eq!(room_of(SIZES), LARGEST);
        assert_eq!(size_of_len(LARGEST + 1), None);
    }
}
