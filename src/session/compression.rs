//! Batches made smaller on their way out, for the peers that have agreed to it.
//!
//! A body that many are sent is compressed **once for all of them**: its fragment is kept until the next tick, and stands
//! in each recipient's batch between the batch's own numbers, which differ and stay as they are
//! ([`pieces`](crate::websocket::deflate::pieces)). What only one is sent is compressed with the batch, where it is large.
//!
//! What is compressed is decided when a batch is written and not before: queues and replay hold bodies as they were
//! encoded, so that a player that comes back may have agreed to something else than before.
//!
//! Invariant: every fragment is of the body that is held beside it, so that its address cannot be another's.

use crate::limits::{BATCH_BYTES, FRAGMENT_LEAST, FRAGMENTS_KEPT};
use crate::packet::{BatchHead, Body, Encoding, Heads};
use crate::websocket::deflate::pieces::Pieces;
use crate::websocket::deflate::{Agreed, Deflater};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::{Deref, DerefMut};

/// Where one flush is put together, and what it takes to compress it; shared by all peers.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    heads: Heads,
    compressor: Compressor,
}

impl Scratch {
    /// For batches of which those of more than `over` bytes are compressed, where that was agreed on.
    pub fn new(over: usize) -> Scratch {
        Scratch {
            bytes: Vec::with_capacity(2 * BATCH_BYTES),
            heads: Heads::default(),
            compressor: Compressor { over, ..Compressor::default() },
        }
    }

    /// A tick begins: nobody is likely to be sent what the last one said.
    pub fn begin_tick(&mut self) {
        self.compressor.forget();
    }

    /// Bytes of a batch, as [`BatchHead::message_len`] has them.
    pub(super) fn batch_len(
        &mut self,
        head: &BatchHead,
        encoding: Encoding,
        (packets, bodies, bytes): (usize, usize, usize),
    ) -> usize {
        self.heads.message_len(head, encoding, packets, bodies, bytes)
    }

    /// Appends what stands before the first body of a batch.
    pub(super) fn begin_batch(&mut self, head: &BatchHead, encoding: Encoding, packets: usize) {
        self.heads.begin(head, encoding, packets, &mut self.bytes);
    }

    /// Puts together a message, of `len` bytes as it is, out of what only this peer is sent and bodies. Returns what the
    /// message became where it is shorter so; `write` is given where the pieces go.
    pub(super) fn compress(
        &mut self,
        len: usize,
        agreed: Option<Agreed>,
        write: impl FnOnce(&mut Batch<'_>),
    ) -> Option<Compressed<'_>> {
        let agreed = agreed.filter(|_| len > self.compressor.over)?;
        let Compressor { deflater, shared, held, fragment, message, around, .. } = &mut self.compressor;
        message.clear();
        let mut batch = Batch {
            pieces: Pieces::new(message),
            longest: 1 << agreed.window_bits,
            deflater,
            shared,
            held,
            fragment,
            around,
        };
        write(&mut batch);
        batch.pieces.finish();
        (message.len() < len).then_some(Compressed { message, out: &mut self.bytes })
    }
}

impl Deref for Scratch {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

/// A message that became shorter, and where it goes.
pub(super) struct Compressed<'s> {
    pub(super) message: &'s [u8],
    pub(super) out: &'s mut Vec<u8>,
}

/// The compressor of a loop.
#[derive(Debug, Default)]
struct Compressor {
    over: usize,
    deflater: Deflater,
    /// By the address of the body.
    shared: HashMap<usize, Shared>,
    /// Bytes that `shared` holds.
    held: usize,
    /// Where one fragment is made.
    fragment: Vec<u8>,
    /// Where one message is put together.
    message: Vec<u8>,
    /// Where what stands around bodies is put together.
    around: Vec<u8>,
}

/// A body that many are sent, and what it is compressed.
#[derive(Debug)]
struct Shared {
    _body: Body,
    /// Empty where it would not be shorter.
    fragment: Box<[u8]>,
}

impl Compressor {
    fn forget(&mut self) {
        if self.held > 0 {
            self.shared.clear();
            self.held = 0;
        }
    }
}

/// One batch while it is put together.
pub(super) struct Batch<'s> {
    pieces: Pieces<'s>,
    /// Bytes of the longest body that the peer's window holds.
    longest: usize,
    deflater: &'s mut Deflater,
    shared: &'s mut HashMap<usize, Shared>,
    held: &'s mut usize,
    fragment: &'s mut Vec<u8>,
    around: &'s mut Vec<u8>,
}

impl Batch<'_> {
    /// Appends what stands around bodies.
    pub(super) fn store(&mut self, bytes: &[u8]) {
        self.pieces.store(bytes);
    }

    /// Appends what `write` appends to what it is given.
    pub(super) fn store_written(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.around.clear();
        write(self.around);
        self.pieces.store(self.around);
    }

    /// Appends a body.
    pub(super) fn body(&mut self, body: &Body) {
        if body.len() < FRAGMENT_LEAST || body.len() > self.longest {
            return self.pieces.store(body);
        }
        // Whoever else waits for it holds it too, or it has been written to others already.
        let is_shared = body.holders() > 1 && *self.held < FRAGMENTS_KEPT;
        let fragment = if is_shared {
            match self.shared.entry(body.as_ptr().addr()) {
                Entry::Occupied(found) => &found.into_mut().fragment,
                Entry::Vacant(place) => {
                    make(self.deflater, body, self.fragment);
                    *self.held += body.len() + self.fragment.len();
                    let fragment = Box::from(self.fragment.as_slice());
                    &place.insert(Shared { _body: body.clone(), fragment }).fragment
                }
            }
        } else {
            make(self.deflater, body, self.fragment);
            &self.fragment[..]
        };
        if fragment.is_empty() { self.pieces.store(body) } else { self.pieces.fragment(fragment) }
    }
}

/// Makes a fragment of a body; an empty one where it would not be shorter.
fn make(deflater: &mut Deflater, body: &[u8], fragment: &mut Vec<u8>) {
    fragment.clear();
    if !deflater.fragment(body, fragment) || fragment.len() >= body.len() {
        fragment.clear();
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::super::outbox::{Outbox, Stamp};
    use super::*;
    use crate::packet::{Encoding, Priority};
    use crate::time::{Tick, Time, WallMs};
    use crate::websocket::deflate::Inflater;
    use crate::websocket::{Connection, Event, Role};

    const AGREED: Option<Agreed> = Some(Agreed { window_bits: 15 });

    fn body(len: usize) -> Body {
        let text: Vec<u8> =
            (0..).flat_map(|n: u32| format!("{{\"n\":{n}}},").into_bytes()).take(len).collect();
        Body::from(&text[..])
    }

    fn message(scratch: &mut Scratch, agreed: Option<Agreed>, seq: u8, bodies: &[&Body]) -> Option<Vec<u8>> {
        let len = 1 + bodies.iter().map(|body| body.len()).sum::<usize>();
        let compressed = scratch.compress(len, agreed, |batch| {
            batch.store(&[seq]);
            bodies.iter().for_each(|body| batch.body(body));
        })?;
        Some(compressed.message.to_vec())
    }

    fn inflated(message: &[u8]) -> Vec<u8> {
        Inflater::default().inflate(message, 1 << 20).expect("it is whole").to_vec()
    }

    #[test]
    fn a_body_is_compressed_once_for_all_who_are_sent_it() {
        let mut scratch = Scratch::new(0);
        let (shared, own) = (body(3000), body(500));
        let others = [shared.clone(), shared.clone()];
        for seq in 0..3 {
            let message = message(&mut scratch, AGREED, seq, &[&shared, &own]).expect("it is shorter");
            assert_eq!(inflated(&message), [&[seq][..], &shared, &own].concat());
            assert_eq!(scratch.compressor.shared.len(), 1, "what only one is sent is not kept");
        }
        assert_eq!(others[0].holders(), 3);
        scratch.begin_tick();
        assert_eq!((others[1].holders(), scratch.compressor.held), (2, 0));
    }

    #[test]
    fn what_was_not_agreed_on_or_is_small_or_does_not_get_shorter_stays_as_it_is() {
        let mut scratch = Scratch::new(300);
        assert_eq!(message(&mut scratch, None, 1, &[&body(3000)]), None);
        assert_eq!(message(&mut scratch, AGREED, 1, &[&body(299)]), None, "just as many");
        assert!(message(&mut scratch, AGREED, 1, &[&body(300)]).is_some());
        let bare: Vec<u8> = (0..=255u8).map(|n| n.wrapping_mul(151)).collect();
        let bare = Body::from(&bare[..]);
        assert_eq!(message(&mut Scratch::new(0), AGREED, 1, &[&bare]), None);
    }

    #[test]
    fn a_body_that_a_peer_s_window_does_not_hold_stays_as_it_is() {
        let mut scratch = Scratch::new(0);
        let (long, short) = (body(600), body(500));
        let narrow = Some(Agreed { window_bits: 9 });
        assert_eq!(message(&mut scratch, narrow, 1, &[&long]), None);
        let both = message(&mut scratch, narrow, 1, &[&long, &short]).expect("one of them is shorter");
        assert!(both.len() > 600 && inflated(&both) == [&[1][..], &long, &short].concat());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut scratch = Scratch::new(0);
        for _ in 0..300 {
            let large = body(30_000);
            let _others = [large.clone(), large.clone()];
            assert!(message(&mut scratch, AGREED, 1, &[&large]).is_some());
        }
        assert!(scratch.compressor.held <= FRAGMENTS_KEPT + 60_000);
    }

    /// The messages in what a peer was written that has agreed to compression.
    fn messages(mut written: Vec<u8>) -> Vec<Vec<u8>> {
        let (mut client, mut inflater) = (Connection::new(Role::Client, 1 << 20), Inflater::default());
        client.agree_on(Agreed { window_bits: 15 });
        let (mut input, mut messages) = (written.as_mut_slice(), Vec::new());
        while let Some(event) = client.next_inflated(&mut input, &mut inflater) {
            match event {
                Event::Text(message) => messages.push(message.to_vec()),
                Event::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
        messages
    }

    #[test]
    fn what_was_written_before_is_sent_again_as_it_is() {
        let write = |outbox: &mut Outbox, deflate| {
            let (encoding, now) = (Encoding::Json, Time::START);
            let stamp = Stamp { tick: Tick(7), time: WallMs(1), now, encoding, deflate };
            let mut out = Vec::new();
            assert!(outbox.flush(stamp, 1 << 20, &mut out, &mut Scratch::new(256)).drained);
            out
        };
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        outbox.keep_batches();
        for len in [3000, 40] {
            outbox.push(&body(len), Priority::Normal, None, 1 << 20, Time::START);
        }
        let compressed = write(&mut outbox, AGREED);
        assert!(compressed[0] == 0xc1 && compressed.len() < 1500, "{}", compressed.len());
        let mut player = outbox.part(false);
        player.push(&body(2000), Priority::Normal, None, 1 << 20, Time::START);
        // It costs each time to compress it, and whoever comes back again and again pays nothing for it.
        for (deflate, late) in [(AGREED, true), (None, false), (AGREED, false)] {
            assert_eq!(player.resume(0, Tick(8), WallMs(2)), Some(2));
            let mut next = Outbox::default();
            next.adopt(player);
            let again = write(&mut next, deflate);
            assert!(again.len() > 3000, "the first of them was written before");
            assert_eq!(again.len() < 4500, late, "{}: the second has waited, and is new once", again.len());
            let again = messages(again);
            assert_eq!((&again[..1], again.len()), (&messages(compressed.clone())[..], 2));
            player = next.part(false);
        }
    }
}
