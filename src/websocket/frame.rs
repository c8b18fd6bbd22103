//! One frame's header (RFC 6455 section 5.2): read from the wire with every rule that a header alone can break, and
//! written to it.
//!
//! ```text
//! byte 0   FIN RSV1 RSV2 RSV3 opcode(4)
//! byte 1   MASK length(7)               0-125, or 126: two bytes follow, or 127: eight bytes follow
//! then     masking key, four bytes, where MASK is set
//! ```
//!
//! Rules are checked in the order of the bytes, each as soon as its byte is there: a wrong header is refused without
//! waiting for the rest of it. What a frame means within its message is `connection`'s.

use super::error::Error;
use super::mask::unmask;
use crate::limits::CONTROL_PAYLOAD;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// Says that a message is compressed, on its first frame (RFC 7692 section 6).
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// The 7-bit length that says: the next two bytes are the length.
const LENGTH_16: u8 = 126;
/// The 7-bit length that says: the next eight bytes are the length.
const LENGTH_64: u8 = 127;

/// What a frame is (section 11.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum OpCode {
    /// The next fragment of a message.
    Continuation = 0,
    /// UTF-8 text, or the first fragment of it.
    Text = 1,
    /// Bytes, or the first fragment of them.
    Binary = 2,
    /// The last frame of a connection.
    Close = 8,
    /// Asks for a Pong.
    Ping = 9,
    /// Answers a Ping, or says unasked that its sender lives.
    Pong = 10,
}

impl OpCode {
    /// The opcode of four bits; `None` for those that are reserved.
    #[inline]
    pub const fn new(bits: u8) -> Option<OpCode> {
        Some(match bits {
            0 => OpCode::Continuation,
            1 => OpCode::Text,
            2 => OpCode::Binary,
            8 => OpCode::Close,
            9 => OpCode::Ping,
            10 => OpCode::Pong,
            _ => return None,
        })
    }

    /// "Control frames are identified by opcodes where the most significant bit of the opcode is 1" (section 5.5).
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// What its reader requires of the next header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    /// Whether the peer has to mask: a client has to, a server must not.
    pub masked: bool,
    /// Whether a fragmented message is open, so that a data frame has to continue it.
    pub in_message: bool,
    /// Payload bytes that a data frame may have.
    pub room: usize,
    /// Payload bytes that the first frame of a compressed message may have, where those were agreed on.
    pub compressed_room: Option<usize>,
}

/// The header of a received frame, complete and lawful.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incoming {
    /// What the frame is.
    pub opcode: OpCode,
    /// Whether it ends its message.
    pub fin: bool,
    /// Whether it begins a compressed message.
    pub compressed: bool,
    /// The masking key; `None` where the payload is plain.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload behind the header.
    pub payload_len: usize,
    /// Bytes of the header itself, 2 to [`Header::MAX`].
    pub size: usize,
}

impl Incoming {
    /// Reads a header from the front of `bytes`; `None` while it is incomplete. [`Header::MAX`] bytes always suffice.
    ///
    /// # Errors
    /// The first rule, in the order of the bytes, that the header breaks; also where it is incomplete.
    #[inline]
    pub fn read(bytes: &[u8], expected: Expected) -> Result<Option<Incoming>, Error> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let compressed = expected.compressed_room.filter(|_| begins_compressed(first));
        let opcode = check_first(first, expected.in_message, compressed.is_some())?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        check_second(second, opcode, expected.masked)?;
        let Some((length, key_at)) = read_length(bytes, second & LENGTH)? else {
            return Ok(None);
        };
        // A control frame has its own bound, which its second byte kept.
        if !opcode.is_control() && length > compressed.unwrap_or(expected.room) as u64 {
            return Err(Error::TooBig);
        }
        let (mask, size) = if expected.masked {
            let Some(key) = bytes[key_at..].first_chunk() else {
                return Ok(None);
            };
            (Some(*key), key_at + 4)
        } else {
            (None, key_at)
        };
        let payload_len = length as usize; // at most the room or 125
        let (fin, compressed) = (first & FIN != 0, compressed.is_some());
        Ok(Some(Incoming { opcode, fin, compressed, mask, payload_len, size }))
    }

    /// The same for an unfragmented data frame outside of a message, which nearly every frame is, in a few comparisons.
    /// `None` for any other header, whole or not, lawful or not: [`Incoming::read`] tells those apart.
    #[inline(always)]
    pub(super) fn read_unfragmented(bytes: &[u8], masked: bool, room: usize) -> Option<Incoming> {
        const TEXT: u8 = FIN | OpCode::Text as u8;
        const BINARY: u8 = FIN | OpCode::Binary as u8;
        let [first @ (TEXT | BINARY), second, rest @ ..] = bytes else {
            return None;
        };
        let (payload_len, length_size) = match second & LENGTH {
            LENGTH_16 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            LENGTH_64 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
            short => (usize::from(short), 2),
        };
        // A length has its shortest form where it is what would be written.
        if (second & MASKED != 0) != masked
            || Header::size(payload_len, false) != length_size
            || payload_len > room
        {
            return None;
        }
        let opcode = if *first == BINARY { OpCode::Binary } else { OpCode::Text };
        let mask = if masked { Some(*bytes.get(length_size..)?.first_chunk()?) } else { None };
        let size = length_size + if masked { 4 } else { 0 };
        let header = Incoming { opcode, fin: true, compressed: false, mask, payload_len, size };
        debug_assert_eq!(
            Incoming::read(bytes, Expected { masked, in_message: false, room, compressed_room: None }),
            Ok(Some(header))
        );
        Some(header)
    }
}

/// Whether RSV1 alone is set, on a frame that begins a message. "An endpoint MUST NOT set the "Per-Message Compressed" bit
/// of control frames and non-first fragments of a data message" (RFC 7692 section 6).
#[inline]
fn begins_compressed(first: u8) -> bool {
    const TEXT: u8 = OpCode::Text as u8;
    const BINARY: u8 = OpCode::Binary as u8;
    first & RESERVED == RSV1 && matches!(first & OPCODE, TEXT | BINARY)
}

/// FIN, the reserved bits and the opcode, and whether such a frame may come now. `compressed`: RSV1 is set rightly.
#[inline]
fn check_first(first: u8, in_message: bool, compressed: bool) -> Result<OpCode, Error> {
    // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (section 5.2).
    if first & RESERVED != 0 && !compressed {
        return Err(Error::ReservedBits);
    }
    // "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_" (section 5.2).
    let bits = first & OPCODE;
    let opcode = OpCode::new(bits).ok_or(Error::ReservedOpCode(bits))?;
    if opcode.is_control() {
        // "All control frames ... MUST NOT be fragmented" (section 5.5).
        return if first & FIN == 0 { Err(Error::FragmentedControl) } else { Ok(opcode) };
    }
    // "The fragments of one message MUST NOT be interleaved between the fragments of another message" (section 5.4).
    match (opcode == OpCode::Continuation, in_message) {
        (true, false) => Err(Error::NothingToContinue),
        (false, true) => Err(Error::MessageInMessage),
        (true, true) | (false, false) => Ok(opcode),
    }
}

/// The mask bit, and the length of a control frame.
#[inline]
fn check_second(second: u8, opcode: OpCode, must_mask: bool) -> Result<(), Error> {
    // "The server MUST close the connection upon receiving a frame that is not masked. ... A client MUST close a
    // connection if it detects a masked frame" (section 5.1).
    match (second & MASKED != 0, must_mask) {
        (false, true) => return Err(Error::Unmasked),
        (true, false) => return Err(Error::Masked),
        (true, true) | (false, false) => {}
    }
    // "All control frames MUST have a payload length of 125 bytes or less" (section 5.5).
    if opcode.is_control() && usize::from(second & LENGTH) > CONTROL_PAYLOAD {
        return Err(Error::ControlTooLong);
    }
    Ok(())
}

/// The payload length, and where what is behind it begins; `None` while they are incomplete.
fn read_length(bytes: &[u8], short: u8) -> Result<Option<(u64, usize)>, Error> {
    // "in all cases, the minimal number of bytes MUST be used to encode the length" (section 5.2).
    match short {
        LENGTH_16 => {
            let Some(&length) = bytes[2..].first_chunk() else {
                return Ok(None);
            };
            let length = u16::from_be_bytes(length);
            if length < u16::from(LENGTH_16) {
                return Err(Error::NonMinimalLength);
            }
            Ok(Some((u64::from(length), 4)))
        }
        LENGTH_64 => {
            let Some(&length) = bytes[2..].first_chunk() else {
                return Ok(None);
            };
            let length = u64::from_be_bytes(length);
            // "the most significant bit MUST be 0" (section 5.2).
            if length >> 63 != 0 {
                return Err(Error::LengthOverflow);
            }
            if length <= u64::from(u16::MAX) {
                return Err(Error::NonMinimalLength);
            }
            Ok(Some((length, 10)))
        }
        _ => Ok(Some((u64::from(short), 2))),
    }
}

/// A frame's header as it goes on the wire.
///
/// Invariant: the length is in its shortest form, and no reserved bit is set but RSV1 where it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; Header::MAX],
    len: u8,
}

impl Header {
    /// Bytes of the longest header: two, eight of length, four of masking key.
    pub const MAX: usize = 14;

    /// The header of a frame with `payload_len` bytes of payload, which follow it masked with `mask` where there is one.
    #[inline]
    pub fn new(opcode: OpCode, fin: bool, payload_len: usize, mask: Option<[u8; 4]>) -> Header {
        let mut bytes = [0; Header::MAX];
        bytes[0] = opcode as u8 | if fin { FIN } else { 0 };
        let bit = if mask.is_some() { MASKED } else { 0 };
        let mut len = match payload_len {
            0..=125 => {
                bytes[1] = bit | payload_len as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = bit | LENGTH_16;
                bytes[2..4].copy_from_slice(&(payload_len as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = bit | LENGTH_64;
                bytes[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
                10
            }
        };
        if let Some(mask) = mask {
            bytes[len..len + 4].copy_from_slice(&mask);
            len += 4;
        }
        debug_assert_eq!(len, Header::size(payload_len, mask.is_some()));
        Header { bytes, len: len as u8 }
    }

    /// The same, of a frame that begins a compressed message (RFC 7692 section 6).
    #[must_use]
    pub fn compressed(mut self) -> Header {
        self.bytes[0] |= RSV1;
        self
    }

    /// Bytes of the header of a frame with `payload_len` bytes of payload.
    pub const fn size(payload_len: usize, masked: bool) -> usize {
        let length = match payload_len {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        length + if masked { 4 } else { 0 }
    }

    /// The bytes to write.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// How many bytes that is, 2 to [`Header::MAX`].
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }
}

/// Appends a whole frame, FIN set and unmasked, as a server sends it. A control frame's payload has at most 125 bytes.
#[inline]
pub fn encode(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_PAYLOAD);
    out.reserve(Header::MAX + payload.len());
    let first = FIN | opcode as u8;
    match payload.len() {
        len @ 0..=125 => out.extend_from_slice(&[first, len as u8]),
        len @ 126..=0xffff => {
            let [a, b] = (len as u16).to_be_bytes();
            out.extend_from_slice(&[first, LENGTH_16, a, b]);
        }
        len => {
            let [a, b, c, d, e, f, g, h] = (len as u64).to_be_bytes();
            out.extend_from_slice(&[first, LENGTH_64, a, b, c, d, e, f, g, h]);
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a whole frame, FIN set and masked with `mask`, as a client sends it. The key has to be unpredictable
/// (section 10.3) and a fresh one for each frame. A control frame's payload has at most 125 bytes.
#[inline]
pub fn encode_masked(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8], mask: [u8; 4]) {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_PAYLOAD);
    out.reserve(Header::MAX + payload.len());
    out.extend_from_slice(Header::new(opcode, true, payload.len(), Some(mask)).as_slice());
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Expected =
        Expected { masked: true, in_message: false, room: usize::MAX, compressed_room: None };

    #[test]
    fn every_length_form_comes_back() {
        for len in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 1 << 24] {
            for mask in [None, Some([9, 8, 7, 6])] {
                let header = Header::new(OpCode::Binary, true, len, mask);
                assert_eq!(header.len(), Header::size(len, mask.is_some()));
                let expected = Expected { masked: mask.is_some(), ..ANY };
                let read = Incoming {
                    opcode: OpCode::Binary,
                    fin: true,
                    compressed: false,
                    mask,
                    payload_len: len,
                    size: header.len(),
                };
                assert_eq!(Incoming::read(header.as_slice(), expected), Ok(Some(read)));
                for cut in 0..header.len() {
                    assert_eq!(Incoming::read(&header.as_slice()[..cut], expected), Ok(None), "{len}, {cut}");
                }
            }
        }
    }

    #[test]
    fn whole_frames_are_header_and_payload() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![5; len];
            let (mut plain, mut masked) = (vec![1], vec![1]);
            encode(&mut plain, OpCode::Text, &payload);
            encode_masked(&mut masked, OpCode::Text, &payload, [1, 2, 3, 4]);
            let (header, rest) = plain[1..].split_at(Header::size(len, false));
            assert_eq!(header, Header::new(OpCode::Text, true, len, None).as_slice());
            assert_eq!(rest, payload);
            let (header, rest) = masked[1..].split_at_mut(Header::size(len, true));
            assert_eq!(header, Header::new(OpCode::Text, true, len, Some([1, 2, 3, 4])).as_slice());
            unmask(rest, [1, 2, 3, 4], 0);
            assert_eq!(rest, payload);
        }
    }

    #[test]
    fn a_wrong_byte_is_refused_before_the_next_one_comes() {
        let errors: [(&[u8], Error); 13] = [
            (b"\xc2", Error::ReservedBits),
            (b"\xa2", Error::ReservedBits),
            (b"\x92", Error::ReservedBits),
            (b"\x83", Error::ReservedOpCode(3)),
            (b"\x8f", Error::ReservedOpCode(15)),
            (b"\x09", Error::FragmentedControl),
            (b"\x80", Error::NothingToContinue),
            (b"\x82\x01", Error::Unmasked),
            (b"\x89\xfe", Error::ControlTooLong),
            (b"\x82\xfe\x00\x7d", Error::NonMinimalLength),
            (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", Error::NonMinimalLength),
            (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", Error::LengthOverflow),
            (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", Error::TooBig),
        ];
        let expected = Expected { room: 64 << 20, ..ANY };
        for (bytes, error) in errors {
            assert_eq!(Incoming::read(bytes, expected), Err(error), "{bytes:x?}");
            assert_eq!(
                Incoming::read(&bytes[..bytes.len() - 1], expected),
                Ok(None),
                "{bytes:x?} without its end"
            );
        }
        let open = Expected { in_message: true, ..ANY };
        assert_eq!(Incoming::read(b"\x01", open), Err(Error::MessageInMessage));
        assert_eq!(Incoming::read(b"\x00", open), Ok(None));
        let plain = Expected { masked: false, ..ANY };
        assert_eq!(Incoming::read(b"\x82\x80", plain), Err(Error::Masked));
    }

    #[test]
    fn a_compressed_message_says_so_on_its_first_frame_and_nowhere_else() {
        let agreed = Expected { room: 5, compressed_room: Some(9), ..ANY };
        for first in [b"\xc1", b"\xc2", b"\x41", b"\x42"] {
            let bytes = [first[0], 0x89, 1, 2, 3, 4];
            let header = Incoming::read(&bytes, agreed).expect("it is lawful").expect("it is whole");
            assert!(header.compressed && header.payload_len == 9, "it has a room of its own");
            assert_eq!(Incoming::read(first, ANY), Err(Error::ReservedBits), "not agreed on");
            assert_eq!(Incoming::read(&[first[0], 0x8a], agreed), Err(Error::TooBig));
            let inside = Expected { in_message: true, ..agreed };
            assert_eq!(Incoming::read(first, inside), Err(Error::MessageInMessage));
        }
        let inside = Expected { in_message: true, ..agreed };
        for first in [0xc0, 0x40, 0xc8, 0xc9, 0xca, 0xe1, 0xd1, 0xf2, 0xa1, 0xc3] {
            assert_eq!(Incoming::read(&[first], agreed), Err(Error::ReservedBits), "{first:x}");
            assert_eq!(Incoming::read(&[first], inside), Err(Error::ReservedBits), "{first:x}");
        }
        assert_eq!(Incoming::read(&[0x81, 0x86], agreed), Err(Error::TooBig), "the others keep theirs");
        let header = Header::new(OpCode::Text, true, 5, None).compressed();
        assert_eq!(header.as_slice(), [0xc1, 5]);
    }
}
