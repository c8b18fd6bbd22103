//! The two directions: messages made smaller, and made what they were.

use super::pieces::TAIL;
use super::{Agreed, MOST_WINDOW_BITS};
use crate::limits::{DEFLATE_STREAMS, INFLATE_KEPT};
use crate::websocket::error::Error;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// How hard is looked for repetitions, 1 to 9: chosen from the table in `docs/performance.md`.
const LEVEL: u32 = 3;

/// Compresses messages for all connections of a loop. Owns about 300 KiB from the first message on.
#[derive(Debug, Default)]
pub struct Deflater {
    stream: Option<Box<Compress>>,
}

impl Deflater {
    /// Appends the payload of a compressed message; false, and nothing appended, where that would not be shorter. No
    /// reference goes further back than the peer's window.
    pub fn message(&mut self, payload: &[u8], agreed: Agreed, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        // What is not referred back to need not be in the window: a message for a small one is cut, and each part
        // compressed by itself.
        let longest =
            if agreed.window_bits < MOST_WINDOW_BITS { 1 << agreed.window_bits } else { usize::MAX };
        let mut parts = payload.chunks(longest);
        let is_deflated = !payload.is_empty() && parts.all(|part| self.fragment(part, out));
        let len = (out.len() - start).saturating_sub(TAIL.len());
        if is_deflated && len < payload.len() {
            out.truncate(start + len);
            return true;
        }
        out.truncate(start);
        false
    }

    /// Appends `payload` as blocks that can stand anywhere in a message: they refer to nothing in front of them and end
    /// at a byte's boundary. False where that cannot be done; what was appended then is to be taken away.
    pub fn fragment(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let fresh =
            || Box::new(Compress::new_with_window_bits(Compression::new(LEVEL), false, MOST_WINDOW_BITS));
        let stream = self.stream.get_or_insert_with(fresh);
        stream.reset();
        loop {
            let taken = stream.total_in() as usize;
            let rest = &payload[taken..];
            out.reserve(rest.len() + rest.len() / 8 + 64);
            if stream.compress_vec(rest, out, FlushCompress::Sync).is_err() {
                return false;
            }
            // "if deflate returns with avail_out == 0, this function must be called again" (zlib's manual).
            if stream.total_in() as usize == payload.len() && out.len() < out.capacity() {
                return out.ends_with(&TAIL);
            }
        }
    }
}

/// Makes compressed messages what they were, for all connections of a loop. Owns about 40 KiB from the first message
/// on, and a buffer as large as the messages are, of which [`INFLATE_KEPT`] bytes stay.
#[derive(Debug, Default)]
pub struct Inflater {
    stream: Option<Box<Decompress>>,
    /// Zeros, and from the front the message.
    message: Vec<u8>,
}

/// What becomes of the input of a stream.
enum Step {
    /// All of it is used.
    Used,
    /// A block that says of itself that it is the last has ended; so many bytes stand behind it.
    Ended(usize),
}

impl Inflater {
    /// Inflates the payload of one message, to at most `max_message` bytes, which are lent until the next.
    ///
    /// # Errors
    /// [`Error::TooBig`] at the byte that is too much; [`Error::BadDeflate`] where the payload is no compressed message
    /// or not a whole one.
    pub fn inflate(&mut self, payload: &[u8], max_message: usize) -> Result<&mut [u8], Error> {
        /// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload" (section 7.2.2), and a last block
        /// with nothing in it: only in a whole message is that what it is.
        const END: [u8; 6] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0x03, 0x00];

        if self.message.len() > INFLATE_KEPT {
            self.message = Vec::new();
        }
        self.stream.get_or_insert_with(|| Box::new(Decompress::new(false))).reset(false);
        let mut len = 0;
        let mut streams = 1;
        for input in [payload, &END] {
            let mut rest = input;
            // "a block with BFINAL set to 1" may be anywhere (section 7.2.3.4): what is behind it is a new stream.
            while let Step::Ended(left) = self.feed(rest, &mut len, max_message)? {
                if std::ptr::eq(input, &END[..]) && left == 0 {
                    return Ok(&mut self.message[..len]);
                }
                streams += 1;
                if streams > DEFLATE_STREAMS {
                    return Err(Error::BadDeflate);
                }
                rest = &rest[rest.len() - left..];
                self.stream.as_mut().ok_or(Error::BadDeflate)?.reset(false);
            }
        }
        Err(Error::BadDeflate)
    }

    /// Bytes of memory held for messages.
    pub fn buffered(&self) -> usize {
        self.message.capacity()
    }

    /// Inflates `input` behind the `len` bytes that are here.
    fn feed(&mut self, input: &[u8], len: &mut usize, max_message: usize) -> Result<Step, Error> {
        let mut used = 0;
        loop {
            if *len == self.message.len() {
                // A byte more than may be, so that a message of just that size is told from one that goes on.
                let ahead = self.message.len().max(input.len()).saturating_mul(2).max(1024);
                let room = ahead.min(max_message.saturating_add(1)).max(*len + 1);
                self.message.reserve_exact(room - *len);
                self.message.resize(room, 0);
            }
            let room = self.message.len().min(max_message.saturating_add(1));
            let stream = self.stream.as_mut().ok_or(Error::BadDeflate)?;
            let (taken, made) = (stream.total_in(), stream.total_out());
            let status = stream
                .decompress(&input[used..], &mut self.message[*len..room], FlushDecompress::None)
                .map_err(|_| Error::BadDeflate)?;
            used += (stream.total_in() - taken) as usize;
            *len += (stream.total_out() - made) as usize;
            if *len > max_message {
                return Err(Error::TooBig);
            }
            match status {
                Status::StreamEnd => return Ok(Step::Ended(input.len() - used)),
                // With room left, all that the input says has been said.
                _ if used == input.len() && *len < room => return Ok(Step::Used),
                Status::BufError if *len < room => return Err(Error::BadDeflate),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pieces::Pieces;
    use super::super::{LEAST_WINDOW_BITS, most_compressed};
    use super::*;
    use crate::websocket::{Connection, Event, Header, OpCode, Role, encode};
    use proptest::prelude::*;

    const LARGEST: Agreed = Agreed { window_bits: MOST_WINDOW_BITS };

    fn compressed(payload: &[u8], agreed: Agreed) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        Deflater::default().message(payload, agreed, &mut out).then_some(out)
    }

    fn inflated(payload: &[u8], max_message: usize) -> Result<Vec<u8>, Error> {
        Inflater::default().inflate(payload, max_message).map(|message| message.to_vec())
    }

    #[test]
    fn the_examples_of_section_7_2_3() {
        for example in [
            // 7.2.3.1: one block.
            &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            // 7.2.3.3: a block with no compression.
            b"\x00\x05\x00\xfa\xffHello\x00",
            // 7.2.3.4: a block with BFINAL set.
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            // 7.2.3.5: two blocks.
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ] {
            assert_eq!(inflated(example, 5).as_deref(), Ok(&b"Hello"[..]), "{example:x?}");
            assert_eq!(inflated(example, 4), Err(Error::TooBig));
        }
        // 7.2.3.6: an empty message.
        assert_eq!(inflated(b"\x00", 0), Ok(Vec::new()));
        // 7.2.3.2 shares the window with the message before, which was never agreed to.
        assert_eq!(inflated(b"\xf2\x00\x11\x00\x00", 5), Err(Error::BadDeflate));
    }

    #[test]
    fn what_is_no_whole_message() {
        for bad in [
            &b""[..],
            b"\xf2\x48\xcd\xc9\xc9\x07",
            b"\xf2\x48\xcd",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00",
            b"\x00\x05\x00\xfa\xffHel",
            b"\x00\x05\x00\xfa\xfeHello\x00",
            b"\x06",
            b"\xff\xff\xff\xff",
        ] {
            assert_eq!(inflated(bad, 1000), Err(Error::BadDeflate), "{bad:x?}");
        }
    }

    #[test]
    fn streams_in_one_message_are_few() {
        let empty = |times| [&b"\x03\x00".repeat(times)[..], b"\x00"].concat();
        assert_eq!(inflated(&empty(DEFLATE_STREAMS as usize - 1), 10), Ok(Vec::new()));
        assert_eq!(inflated(&empty(DEFLATE_STREAMS as usize), 10), Err(Error::BadDeflate));
    }

    #[test]
    fn a_bomb_is_refused_while_it_goes_off() {
        let bomb = compressed(&vec![0; 64 << 20], LARGEST).expect("zeros compress well");
        assert!(bomb.len() < (64 << 20) / 200);
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&bomb, 16_384), Err(Error::TooBig));
        assert!(
            inflater.buffered() <= 2 * most_compressed(16_384).max(bomb.len()),
            "{}",
            inflater.buffered()
        );
        let stream = inflater.stream.as_ref().expect("it was used");
        assert_eq!(stream.total_out(), 16_385, "not a byte more than tells that it is too big");
        assert_eq!(inflater.inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", 5).as_deref(), Ok(&b"Hello"[..]));
    }

    #[test]
    fn what_a_large_message_needed_is_given_back() {
        let large = compressed(&vec![7; 4 << 20], LARGEST).expect("sevens compress well");
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&large, 8 << 20).map(|message| message.len()), Ok(4 << 20));
        assert_eq!(inflater.inflate(b"\x00", 0).as_deref(), Ok(&b""[..]));
        assert!(inflater.buffered() <= INFLATE_KEPT);
    }

    #[test]
    fn what_does_not_become_shorter_is_left_as_it_is() {
        for payload in [&b""[..], b"a", b"qwertyuiop"] {
            assert_eq!(compressed(payload, LARGEST), None);
        }
    }

    #[test]
    fn no_reference_leaves_the_peer_s_window() {
        let payload: Vec<u8> = (0..9000u32).flat_map(|n| format!("{},", n * n % 977).into_bytes()).collect();
        let mut deflater = Deflater::default();
        for window_bits in LEAST_WINDOW_BITS..MOST_WINDOW_BITS {
            let message = compressed(&payload, Agreed { window_bits }).expect("it repeats itself");
            // It is made of parts no longer than the window, each of which inflates without what is before it.
            let mut rest = &message[..];
            for part in payload.chunks(1 << window_bits) {
                let mut fragment = Vec::new();
                assert!(deflater.fragment(part, &mut fragment));
                let alone = fragment.strip_suffix(&TAIL).expect("it ends at a byte's boundary");
                assert_eq!(inflated(alone, part.len()).as_deref(), Ok(part), "{window_bits}");
                rest = rest
                    .strip_prefix(&fragment[..])
                    .or(rest.strip_prefix(alone))
                    .expect("they stand in a row");
            }
            assert_eq!((rest, inflated(&message, payload.len())), (&b""[..], Ok(payload.clone())));
        }
    }

    proptest! {
        /// What is compressed comes back, whatever it is and for whatever window; and never a byte more than allowed.
        #[test]
        fn round_trip(
            words in prop::collection::vec("[a-f]{1,9}|[ -~]{1,30}", 1..400),
            window_bits in LEAST_WINDOW_BITS..=MOST_WINDOW_BITS,
        ) {
            let payload = words.concat().into_bytes();
            if let Some(small) = compressed(&payload, Agreed { window_bits }) {
                prop_assert!(small.len() < payload.len());
                prop_assert_eq!(inflated(&small, payload.len()), Ok(payload.clone()));
                prop_assert_eq!(inflated(&small, payload.len() - 1), Err(Error::TooBig));
            }
        }

        /// Any bytes are refused or inflated, and the limit holds.
        #[test]
        fn anything(payload in prop::collection::vec(any::<u8>(), 0..300), max_message in 0usize..2000) {
            let mut inflater = Inflater::default();
            if let Ok(message) = inflater.inflate(&payload, max_message) {
                prop_assert!(message.len() <= max_message);
            }
            prop_assert!(inflater.buffered() <= (max_message + 1).max(1024));
        }

        /// Compressed messages in fragments, with pings between, are heard the same however their bytes are cut.
        #[test]
        fn cuts_do_not_matter(
            messages in prop::collection::vec(("[a-c]{0,300}", any::<bool>(), 1usize..60), 1..6),
            lens in prop::collection::vec(1usize..40, 1..30),
        ) {
            let (mut stream, mut said) = (Vec::new(), Vec::new());
            for (text, is_compressed, fragment) in &messages {
                let payload = compressed(text.as_bytes(), LARGEST).filter(|_| *is_compressed);
                write_fragments(payload.as_deref().unwrap_or(text.as_bytes()), payload.is_some(), *fragment, &mut stream);
                said.push(text.clone());
            }
            let mut connection = Connection::new(Role::Client, 300);
            connection.agree_on(LARGEST);
            let (mut inflater, mut heard, mut rest, mut lens) = (Inflater::default(), Vec::new(), &mut stream[..], lens.iter().cycle());
            while !rest.is_empty() {
                let len = lens.next().map_or(1, |len| (*len).min(rest.len()));
                let (mut input, left) = rest.split_at_mut(len);
                while let Some(event) = connection.next_inflated(&mut input, &mut inflater) {
                    match event {
                        Event::Text(text) => heard.push(String::from_utf8_lossy(text).into_owned()),
                        Event::Ping(payload) => prop_assert_eq!(payload, b"there?"),
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                rest = left;
            }
            prop_assert_eq!(heard, said);
            prop_assert_eq!(connection.next_inflated(&mut &mut [][..], &mut inflater), None);
            prop_assert_eq!(connection.buffered(), 0, "a connection with nothing unfinished owns nothing");
        }

        /// Pieces in any order are one message.
        #[test]
        fn pieces(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20)) {
            let (mut whole, mut out, mut deflater) = (Vec::new(), b"before".to_vec(), Deflater::default());
            let mut message = Pieces::new(&mut out);
            for (is_fragment, part) in &parts {
                whole.extend_from_slice(part);
                if *is_fragment {
                    let mut fragment = Vec::new();
                    prop_assert!(deflater.fragment(part, &mut fragment));
                    message.fragment(&fragment);
                } else {
                    message.store(part);
                }
            }
            message.finish();
            prop_assert_eq!(&out[..6], b"before");
            prop_assert_eq!(inflated(&out[6..], whole.len()), Ok(whole));
        }
    }

    /// Appends a text message in fragments of so many bytes, with a ping behind each but the last.
    fn write_fragments(payload: &[u8], is_compressed: bool, fragment: usize, out: &mut Vec<u8>) {
        let parts: Vec<&[u8]> =
            if payload.is_empty() { vec![payload] } else { payload.chunks(fragment).collect() };
        for (n, part) in parts.iter().enumerate() {
            let is_last = n + 1 == parts.len();
            let opcode = if n == 0 { OpCode::Text } else { OpCode::Continuation };
            let header = Header::new(opcode, is_last, part.len(), None);
            let header = if n == 0 && is_compressed { header.compressed() } else { header };
            out.extend_from_slice(header.as_slice());
            out.extend_from_slice(part);
            if !is_last {
                encode(out, OpCode::Ping, b"there?");
            }
        }
    }

    #[test]
    fn stored_pieces_of_any_length() {
        for len in [65_534, 65_535, 65_536, 200_000] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let mut out = Vec::new();
            let mut message = Pieces::new(&mut out);
            message.store(&bytes[..1000]);
            message.store(&bytes[1000..]);
            message.finish();
            assert_eq!(inflated(&out, len), Ok(bytes));
        }
    }
}
