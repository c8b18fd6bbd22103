//! Messages: what a connection hands out, and the memory in which a message is put together that did not come whole.
//!
//! An [`Assembly`] takes payload as it arrives, in pieces that stay in the first-level cache: each is unmasked where
//! it lies, checked if it is text, and appended. So a wrong byte is found at the read that brought it, and no second
//! pass over memory follows. Capacity grows with what has arrived, never with what was announced.
//!
//! A control frame may come in parts in the middle of a message. Its payload stands behind the message's bytes until
//! it is complete and has been lent, then it is cut off again.

use super::close::CloseCode;
use super::error::Error;
use super::frame::OpCode;
use super::mask::{turned, unmask, unmask_is_ascii};
use super::utf8::{InvalidUtf8, Utf8};
use crate::limits::{CONTROL_PAYLOAD, MESSAGE_FRAGMENTS};

/// Payload bytes that are unmasked, checked and copied before the next ones are touched. A multiple of four, so that the
/// masking key stands the same at each piece's start. Not more: from 2,112 bytes on glibc copies by `rep movsb` where
/// the processor says that this is fast, and on AMD's Zen 4 that takes four times as long when source and
/// destination lie alike within their pages.
const PIECE: usize = 2 << 10;
const _: () = assert!(PIECE.is_multiple_of(4));

/// What the peer sent. Payloads are lent until the next call.
#[derive(PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// A whole text message, proven UTF-8. Lent mutably, so that it can be worked on in place.
    Text(&'a mut [u8]),
    /// A whole binary message.
    Binary(&'a mut [u8]),
    /// "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response" with this payload, at most 125
    /// bytes, unless a Close frame was received already (section 5.5.2).
    Ping(&'a [u8]),
    /// The answer to a ping, or an unsolicited sign of life (section 5.5.3).
    Pong(&'a [u8]),
    /// The peer ends the connection, with its code and reason where it gave them. The last event; answer it by
    /// [`Connection::answer_close`](super::Connection::answer_close).
    Close(Option<(CloseCode, &'a str)>),
    /// The peer broke the protocol. The last event; answer it by
    /// [`Connection::answer_close`](super::Connection::answer_close).
    Error(Error),
}

/// The type of a message, and how its bytes are to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
    /// Compressed UTF-8, which is checked once it is inflated.
    DeflatedText,
    /// Compressed bytes.
    DeflatedBinary,
}

impl Kind {
    /// The type of the message that a frame of this opcode begins.
    #[inline(always)]
    pub(super) fn begun_by(opcode: OpCode, compressed: bool) -> Option<Kind> {
        match (opcode, compressed) {
            (OpCode::Text, false) => Some(Kind::Text),
            (OpCode::Binary, false) => Some(Kind::Binary),
            (OpCode::Text, true) => Some(Kind::DeflatedText),
            (OpCode::Binary, true) => Some(Kind::DeflatedBinary),
            (OpCode::Continuation | OpCode::Close | OpCode::Ping | OpCode::Pong, _) => None,
        }
    }

    /// Whether it is compressed.
    #[inline(always)]
    pub(super) fn is_deflated(self) -> bool {
        matches!(self, Kind::DeflatedText | Kind::DeflatedBinary)
    }

    /// The event of a complete message of this kind, inflated.
    #[inline(always)]
    pub(super) fn event(self, payload: &mut [u8]) -> Event<'_> {
        match self {
            Kind::Text | Kind::DeflatedText => Event::Text(payload),
            Kind::Binary | Kind::DeflatedBinary => Event::Binary(payload),
        }
    }
}

/// Unmasks and checks a text message that lies whole in `payload`.
pub(super) fn open_text(payload: &mut [u8], mask: Option<[u8; 4]>) -> Result<(), InvalidUtf8> {
    let mut utf8 = Utf8::default();
    for piece in payload.chunks_mut(PIECE) {
        open_piece(piece, mask, &mut utf8)?;
    }
    utf8.finish()
}

/// Unmasks and checks the next piece of a text.
#[inline]
fn open_piece(piece: &mut [u8], mask: Option<[u8; 4]>, utf8: &mut Utf8) -> Result<(), InvalidUtf8> {
    let is_ascii = mask.is_some_and(|mask| unmask_is_ascii(piece, mask));
    // ASCII behind a whole character leaves nothing to check.
    if is_ascii && utf8.finish().is_ok() { Ok(()) } else { utf8.feed(piece) }
}

/// A message, or a control frame, of which not everything has arrived.
///
/// Invariant: `bytes` is the open message's payload so far followed by `control` bytes of an unfinished or lent control
/// frame; with neither, it has no capacity.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    bytes: Vec<u8>,
    open: Option<Kind>,
    utf8: Utf8,
    control: u8,
    empty_fragments: u16,
}

const _: () = assert!(CONTROL_PAYLOAD <= u8::MAX as usize);
const _: () = assert!(MESSAGE_FRAGMENTS < u16::MAX as u32);

impl Assembly {
    /// The type of the message under way, if there is one.
    #[inline]
    pub(super) fn open(&self) -> Option<Kind> {
        self.open
    }

    /// Payload bytes of the message under way that are here.
    #[inline]
    pub(super) fn message_len(&self) -> usize {
        self.bytes.len() - usize::from(self.control)
    }

    /// Bytes of memory held.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// A message begins.
    pub(super) fn begin(&mut self, kind: Kind) {
        debug_assert!(self.open.is_none() && self.bytes.is_empty());
        self.open = Some(kind);
    }

    /// Counts a fragment without payload that does not end its message.
    ///
    /// # Errors
    /// There were too many of them. Fragments with payload need no count: the message's limit bounds them.
    pub(super) fn count_empty_fragment(&mut self) -> Result<(), Error> {
        self.empty_fragments += 1;
        if u32::from(self.empty_fragments) > MESSAGE_FRAGMENTS {
            return Err(Error::TooManyFragments);
        }
        Ok(())
    }

    /// Takes the next bytes of a data frame, of which `missing` more are to come, with which the message ends where
    /// `last` is set. The key is turned to stand for those.
    ///
    /// # Errors
    /// The message is text, and no longer UTF-8.
    pub(super) fn append(
        &mut self,
        payload: &mut [u8],
        mask: &mut Option<[u8; 4]>,
        missing: usize,
        last: bool,
    ) -> Result<(), InvalidUtf8> {
        debug_assert!(self.open.is_some() && self.control == 0);
        self.make_room(payload.len(), if last { missing } else { usize::MAX });
        for piece in payload.chunks_mut(PIECE) {
            if self.open == Some(Kind::Text) {
                open_piece(piece, *mask, &mut self.utf8)?;
                *mask = mask.map(|mask| turned(mask, piece.len()));
            } else {
                unmask_part(piece, mask);
            }
            self.bytes.extend_from_slice(piece);
        }
        Ok(())
    }

    /// Makes room for `arrived` bytes, and ahead for as many as there are then, but not for more than `to_come`. So
    /// bytes are copied once on average, a last frame in two reads fills its memory, and what was only announced
    /// costs nothing.
    fn make_room(&mut self, arrived: usize, to_come: usize) {
        let len = self.bytes.len() + arrived;
        if len > self.bytes.capacity() {
            self.bytes.reserve_exact(arrived + len.min(to_come));
        }
    }

    /// Takes the next bytes of a control frame, of which `missing` more are to come.
    pub(super) fn append_control(&mut self, payload: &mut [u8], mask: &mut Option<[u8; 4]>, missing: usize) {
        debug_assert!(usize::from(self.control) + payload.len() + missing <= CONTROL_PAYLOAD);
        // Twice the message where it grows, which is not copied again for every control frame in the midst of it, and
        // the longest control frame: no further does memory run ahead of what has arrived.
        if payload.len() + missing > self.bytes.capacity() - self.bytes.len() {
            let ahead = self.message_len() + CONTROL_PAYLOAD - usize::from(self.control);
            self.bytes.reserve_exact(ahead);
        }
        unmask_part(payload, mask);
        self.bytes.extend_from_slice(payload);
        self.control += payload.len() as u8;
    }

    /// The message is complete.
    ///
    /// # Errors
    /// It is text, and ends within a character.
    pub(super) fn finish(&mut self) -> Result<Kind, InvalidUtf8> {
        self.utf8.finish()?;
        // A message that is not open has been refused at its header.
        Ok(self.open.take().unwrap_or(Kind::Binary))
    }

    /// The bytes of the complete message.
    pub(super) fn message(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The bytes of the complete control frame.
    pub(super) fn control(&self) -> &[u8] {
        &self.bytes[self.message_len()..]
    }

    /// Gives back what was lent: the control frame's bytes, and all memory where no message is open.
    pub(super) fn release(&mut self) {
        self.bytes.truncate(self.message_len());
        self.control = 0;
        if self.open.is_none() {
            *self = Assembly::default();
        }
    }
}

/// Unmasks a part of a payload and turns the key to stand for the part behind it.
#[inline]
fn unmask_part(part: &mut [u8], mask: &mut Option<[u8; 4]>) {
    if let Some(mask) = mask {
        unmask(part, *mask, 0);
        *mask = turned(*mask, part.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends a fragment and says how much memory is held then.
    fn append(assembly: &mut Assembly, len: usize, missing: usize, last: bool) -> usize {
        assembly.append(&mut vec![b'x'; len], &mut None, missing, last).expect("it is UTF-8");
        assembly.capacity()
    }

    #[test]
    fn memory_follows_what_arrived_and_not_what_was_announced() {
        let mut assembly = Assembly::default();
        assembly.begin(Kind::Binary);
        assert_eq!(append(&mut assembly, 10, 64 << 20, true), 20);
        assert_eq!(append(&mut assembly, 10, 64 << 20, true), 20);
        assert_eq!(append(&mut assembly, 1, 64 << 20, true), 42);
    }

    #[test]
    fn a_last_frame_in_two_reads_fills_its_memory() {
        let mut assembly = Assembly::default();
        assembly.begin(Kind::Binary);
        assert_eq!(append(&mut assembly, 30_000, 25_000, true), 55_000);
        assert_eq!(append(&mut assembly, 25_000, 0, true), 55_000);
    }

    #[test]
    fn small_fragments_and_control_frames_do_not_copy_the_message_each_time() {
        let mut assembly = Assembly::default();
        assembly.begin(Kind::Text);
        let (mut moves, mut held) = (0, 0);
        for _ in 0..10_000 {
            append(&mut assembly, 64, 0, false);
            assembly.append_control(&mut [b'p'; 60], &mut None, 65);
            assembly.append_control(&mut [b'p'; 65], &mut None, 0);
            assert_eq!(assembly.control(), [b'p'; 125]);
            assembly.release();
            moves += usize::from(assembly.capacity() != held);
            held = assembly.capacity();
        }
        assert!(moves < 20, "{moves}");
        assert_eq!(assembly.message_len(), 640_000);
        assert!(held <= 2 * 640_000 + CONTROL_PAYLOAD, "{held}");
    }

    #[test]
    fn what_was_lent_is_given_back() {
        let mut assembly = Assembly::default();
        assembly.begin(Kind::Text);
        append(&mut assembly, 5, 0, true);
        assert_eq!(assembly.finish(), Ok(Kind::Text));
        assert_eq!(assembly.message(), b"xxxxx");
        assembly.release();
        assert_eq!((assembly.capacity(), assembly.open()), (0, None));
    }
}
