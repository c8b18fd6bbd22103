//! The WebSocket codec against RFC 6455, section by section. Frames are built here byte by byte, not by the codec.

use evertick::websocket::{CloseCode, Connection, Error, Event, Role, State};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const LIMIT: usize = 1 << 20;

/// An event that owns what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Error(Error),
}

impl Heard {
    fn of(event: Event<'_>) -> Heard {
        match event {
            Event::Text(text) => Heard::Text(String::from_utf8(text.to_vec()).expect("proven UTF-8")),
            Event::Binary(bytes) => Heard::Binary(bytes.to_vec()),
            Event::Ping(payload) => Heard::Ping(payload.to_vec()),
            Event::Pong(payload) => Heard::Pong(payload.to_vec()),
            Event::Close(body) => Heard::Close(body.map(|(code, reason)| (code.get(), reason.to_owned()))),
            Event::Error(error) => Heard::Error(error),
        }
    }
}

/// Everything that `connection` says to `bytes`.
fn feed(connection: &mut Connection, bytes: &[u8]) -> Vec<Heard> {
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    let mut heard = Vec::new();
    while let Some(event) = connection.next(&mut input) {
        heard.push(Heard::of(event));
    }
    assert!(input.is_empty(), "all of the input is used");
    heard
}

/// What a fresh server says to `bytes`.
fn server(bytes: &[u8]) -> Vec<Heard> {
    feed(&mut Connection::new(Role::Server, LIMIT), bytes)
}

/// What a fresh client says to `bytes`.
fn client(bytes: &[u8]) -> Vec<Heard> {
    feed(&mut Connection::new(Role::Client, LIMIT), bytes)
}

fn text(text: &str) -> Heard {
    Heard::Text(text.to_owned())
}

fn failed(error: Error) -> Vec<Heard> {
    vec![Heard::Error(error)]
}

/// A frame as a server sends it; `first` is FIN, the reserved bits and the opcode.
fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0, payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// The same as a client sends it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0x80, payload.len());
    frame.extend_from_slice(&KEY);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ KEY[i % 4]));
    frame
}

fn header(first: u8, mask_bit: u8, len: usize) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..=125 => header.push(mask_bit | len as u8),
        126..=0xffff => {
            header.push(mask_bit | 126);
            header.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            header.push(mask_bit | 127);
            header.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    header
}

/// Several of a client's frames behind each other.
fn stream(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| masked(*first, payload)).collect()
}

mod section_5_1_overview {
    use super::*;

    #[test]
    fn a_server_refuses_a_frame_that_is_not_masked() {
        assert_eq!(server(&plain(0x81, b"Hello")), failed(Error::Unmasked));
        assert_eq!(server(&plain(0x89, b"")), failed(Error::Unmasked));
    }

    #[test]
    fn a_client_refuses_a_frame_that_is_masked() {
        assert_eq!(client(&masked(0x81, b"Hello")), failed(Error::Masked));
        assert_eq!(client(&masked(0x88, b"")), failed(Error::Masked));
    }

    #[test]
    fn a_mask_of_zeros_is_a_mask() {
        assert_eq!(server(b"\x81\x85\0\0\0\0Hello"), [text("Hello")]);
    }
}

mod section_5_2_base_framing {
    use super::*;

    #[test]
    fn reserved_bits_fail_the_connection() {
        for first in [0xc1, 0xa1, 0x91, 0xf1, 0xc9, 0x51] {
            assert_eq!(server(&masked(first, b"x")), failed(Error::ReservedBits), "{first:x}");
        }
    }

    #[test]
    fn reserved_opcodes_fail_the_connection() {
        for opcode in (3..=7).chain(11..=15) {
            assert_eq!(server(&masked(0x80 | opcode, b"")), failed(Error::ReservedOpCode(opcode)));
            assert_eq!(server(&masked(opcode, b"")), failed(Error::ReservedOpCode(opcode)));
        }
    }

    #[test]
    fn every_length_form_is_read() {
        for len in [0, 1, 124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536, 65_537, 1_000_000] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert_eq!(server(&masked(0x82, &payload)), [Heard::Binary(payload.clone())], "{len}");
            assert_eq!(client(&plain(0x82, &payload)), [Heard::Binary(payload.clone())], "{len}");
        }
    }

    #[test]
    fn a_length_that_fits_a_shorter_form_fails_the_connection() {
        for header in [
            &b"\x82\xfe\x00\x7d"[..],
            b"\x82\xfe\x00\x00",
            b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff",
            b"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01",
        ] {
            assert_eq!(server(header), failed(Error::NonMinimalLength), "{header:x?}");
        }
    }

    #[test]
    fn a_length_of_64_bits_fails_the_connection() {
        let header = b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(server(header), failed(Error::LengthOverflow));
    }
}

mod section_5_4_fragmentation {
    use super::*;

    #[test]
    fn fragments_are_one_message() {
        let bytes = stream(&[(0x01, b"Hel"), (0x00, b""), (0x00, b"l"), (0x80, b"o")]);
        assert_eq!(server(&bytes), [text("Hello")]);
        let bytes = stream(&[(0x02, b"\xff"), (0x80, b"\xfe")]);
        assert_eq!(server(&bytes), [Heard::Binary(vec![0xff, 0xfe])]);
        assert_eq!(client(&[plain(0x01, b"a"), plain(0x80, b"b")].concat()), [text("ab")]);
    }

    #[test]
    fn a_message_may_end_with_an_empty_fragment_and_have_nothing_else() {
        assert_eq!(server(&stream(&[(0x01, b""), (0x80, b"")])), [text("")]);
        assert_eq!(server(&stream(&[(0x01, b"a"), (0x80, b"")])), [text("a")]);
    }

    #[test]
    fn control_frames_may_stand_in_the_middle() {
        let bytes = stream(&[
            (0x01, b"Hel"),
            (0x89, b"are you there"),
            (0x00, b"l"),
            (0x8a, b""),
            (0x80, b"o"),
            (0x81, b"next"),
        ]);
        let want = [Heard::Ping(b"are you there".to_vec()), Heard::Pong(vec![]), text("Hello"), text("next")];
        assert_eq!(server(&bytes), want);
    }

    #[test]
    fn a_close_may_stand_in_the_middle_and_ends_everything() {
        let bytes = stream(&[(0x01, b"Hel"), (0x88, b"\x03\xe8"), (0x80, b"lo"), (0x81, b"more")]);
        assert_eq!(server(&bytes), [Heard::Close(Some((1000, String::new())))]);
    }

    #[test]
    fn a_continuation_needs_a_message() {
        assert_eq!(server(&masked(0x80, b"x")), failed(Error::NothingToContinue));
        assert_eq!(server(&masked(0x00, b"x")), failed(Error::NothingToContinue));
        let bytes = stream(&[(0x01, b"a"), (0x80, b"b"), (0x80, b"c")]);
        assert_eq!(server(&bytes), [text("ab"), Heard::Error(Error::NothingToContinue)]);
    }

    #[test]
    fn messages_do_not_interleave() {
        for first in [0x01, 0x02, 0x81, 0x82] {
            let bytes = stream(&[(0x01, b"a"), (first, b"b")]);
            assert_eq!(server(&bytes), failed(Error::MessageInMessage), "{first:x}");
        }
    }

    #[test]
    fn empty_fragments_are_counted_and_others_are_not() {
        let limit = evertick::limits::MESSAGE_FRAGMENTS as usize;
        let mut connection = Connection::new(Role::Server, LIMIT);
        assert_eq!(feed(&mut connection, &masked(0x02, b"x")), []);
        assert_eq!(feed(&mut connection, &masked(0x00, b"x").repeat(2 * limit)), []);
        assert_eq!(feed(&mut connection, &masked(0x00, b"").repeat(limit)), []);
        assert_eq!(feed(&mut connection, &masked(0x00, b"")), failed(Error::TooManyFragments));

        let mut connection = Connection::new(Role::Server, LIMIT);
        for _ in 0..3 {
            let mut bytes = masked(0x02, b"");
            bytes.extend(masked(0x00, b"").repeat(limit - 1));
            bytes.extend(masked(0x80, b""));
            assert_eq!(
                feed(&mut connection, &bytes),
                [Heard::Binary(vec![])],
                "each message has its own count"
            );
        }
    }
}

mod section_5_5_control_frames {
    use super::*;

    #[test]
    fn may_have_125_bytes_and_no_more() {
        for (opcode, heard) in [(0x89, Heard::Ping(vec![7; 125])), (0x8a, Heard::Pong(vec![7; 125]))] {
            assert_eq!(server(&masked(opcode, &[7; 125])), [heard]);
            assert_eq!(server(&masked(opcode, &[7; 126])), failed(Error::ControlTooLong));
            assert_eq!(server(&masked(opcode, &[7; 65_536])), failed(Error::ControlTooLong));
        }
        assert_eq!(server(&masked(0x88, &[7; 126])), failed(Error::ControlTooLong));
    }

    #[test]
    fn must_not_be_fragmented() {
        for first in [0x08, 0x09, 0x0a] {
            assert_eq!(server(&masked(first, b"")), failed(Error::FragmentedControl), "{first:x}");
        }
    }

    #[test]
    fn are_not_bound_by_the_message_limit() {
        let mut connection = Connection::new(Role::Server, 10);
        assert_eq!(feed(&mut connection, &masked(0x89, &[1; 125])), [Heard::Ping(vec![1; 125])]);
    }

    #[test]
    fn a_pong_carries_the_payload_of_its_ping() {
        let mut out = Vec::new();
        Connection::new(Role::Server, LIMIT).pong(b"abc", None, &mut out);
        assert_eq!(out, plain(0x8a, b"abc"));
        out.clear();
        Connection::new(Role::Client, LIMIT).pong(b"abc", Some(KEY), &mut out);
        assert_eq!(out, masked(0x8a, b"abc"));
    }

    #[test]
    fn what_we_write_is_never_too_long() {
        let mut out = Vec::new();
        Connection::new(Role::Server, LIMIT).ping(&[1; 200], None, &mut out);
        assert_eq!(out, plain(0x89, &[1; 125]));
    }
}

mod section_5_7_examples {
    use super::*;

    #[test]
    fn an_unmasked_text_message() {
        assert_eq!(client(b"\x81\x05Hello"), [text("Hello")]);
    }

    #[test]
    fn a_masked_text_message() {
        assert_eq!(server(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), [text("Hello")]);
    }

    #[test]
    fn a_fragmented_unmasked_text_message() {
        assert_eq!(client(b"\x01\x03Hel\x80\x02lo"), [text("Hello")]);
    }

    #[test]
    fn a_ping_and_its_masked_response() {
        assert_eq!(client(b"\x89\x05Hello"), [Heard::Ping(b"Hello".to_vec())]);
        assert_eq!(server(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), [Heard::Pong(b"Hello".to_vec())]);
    }
}

mod section_7_closing {
    use super::*;

    /// A server's connection that has heard `bytes`, and what it answers then.
    fn answered(bytes: &[u8]) -> (State, Vec<u8>, State) {
        let mut connection = Connection::new(Role::Server, LIMIT);
        feed(&mut connection, bytes);
        let before = connection.state();
        let mut out = Vec::new();
        connection.answer_close(None, &mut out);
        (before, out, connection.state())
    }

    #[test]
    fn the_code_is_echoed() {
        for code in [1000u16, 1001, 1003, 1011, 1014, 3000, 4999] {
            let body = [&code.to_be_bytes()[..], b"bye"].concat();
            assert_eq!(server(&masked(0x88, &body)), [Heard::Close(Some((code, "bye".to_owned())))]);
            let (before, out, after) = answered(&masked(0x88, &body));
            assert_eq!((before, after), (State::CloseReceived, State::Closed));
            assert_eq!(out, plain(0x88, &code.to_be_bytes()));
        }
    }

    #[test]
    fn an_empty_body_is_answered_by_one() {
        assert_eq!(server(&masked(0x88, b"")), [Heard::Close(None)]);
        assert_eq!(answered(&masked(0x88, b"")), (State::CloseReceived, plain(0x88, b""), State::Closed));
    }

    #[test]
    fn an_error_is_answered_by_its_code() {
        let too_big = header(0x82, 0x80, LIMIT + 1);
        for (bytes, code) in [
            (plain(0x81, b"x"), 1002u16),
            (masked(0x81, b"\xff"), 1007),
            (too_big, 1009),
            (masked(0x88, b"\x03\xed"), 1002),
            (masked(0x88, b"\x03\xe8\xff"), 1007),
        ] {
            let (before, out, after) = answered(&bytes);
            assert_eq!((before, after), (State::CloseReceived, State::Closed));
            assert_eq!(out, plain(0x88, &code.to_be_bytes()));
        }
    }

    #[test]
    fn half_a_code_is_refused() {
        assert_eq!(server(&masked(0x88, b"\x03")), failed(Error::CloseTooShort));
    }

    #[test]
    fn codes_that_may_not_be_sent_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert_eq!(server(&masked(0x88, &u16::to_be_bytes(code))), failed(Error::BadCloseCode(code)));
        }
    }

    #[test]
    fn a_reason_is_utf_8_of_at_most_123_bytes() {
        let body = |reason: &[u8]| [b"\x03\xe8", reason].concat();
        let long = "é".repeat(61) + "!";
        assert_eq!(server(&masked(0x88, &body(long.as_bytes()))), [Heard::Close(Some((1000, long)))]);
        assert_eq!(server(&masked(0x88, &body(&[b'x'; 124]))), failed(Error::ControlTooLong));
        for wrong in [&b"\xce"[..], b"ok \xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"] {
            assert_eq!(server(&masked(0x88, &body(wrong))), failed(Error::InvalidUtf8), "{wrong:x?}");
        }
    }

    #[test]
    fn nothing_is_heard_after_the_end_and_no_memory_is_kept() {
        let endings = [masked(0x88, b""), masked(0x83, b""), masked(0x88, b"\x03"), masked(0x81, b"\xff")];
        for end in endings {
            let mut connection = Connection::new(Role::Server, LIMIT);
            assert_eq!(feed(&mut connection, &masked(0x01, b"begun")), []);
            // In two parts, so that what is lent with the event lies in the connection's memory.
            let (front, back) = end.split_at(end.len() - 1);
            let heard = [feed(&mut connection, front), feed(&mut connection, back)].concat();
            assert!(matches!(heard[..], [Heard::Close(_) | Heard::Error(_)]));
            assert_eq!(connection.state(), State::CloseReceived);
            assert_eq!(feed(&mut connection, &masked(0x81, b"Hello")), []);
            assert_eq!(feed(&mut connection, &masked(0x88, b"")), []);
            assert_eq!(connection.buffered(), 0);
        }
    }

    #[test]
    fn whoever_closes_first_awaits_the_other() {
        let mut connection = Connection::new(Role::Server, LIMIT);
        let mut out = Vec::new();
        connection.close(Some(CloseCode::AWAY), "restart", None, &mut out);
        assert_eq!(out, plain(0x88, b"\x03\xe9restart"));
        assert_eq!(connection.state(), State::CloseSent);
        // What was under way when the peer saw our Close still arrives.
        assert_eq!(feed(&mut connection, &masked(0x81, b"late")), [text("late")]);
        let heard = feed(&mut connection, &masked(0x88, b"\x03\xe9"));
        assert_eq!(heard, [Heard::Close(Some((1001, String::new())))]);
        assert_eq!(connection.state(), State::Closed);
    }

    #[test]
    fn an_error_while_waiting_closes() {
        let mut connection = Connection::new(Role::Server, LIMIT);
        connection.close(None, "", None, &mut Vec::new());
        assert_eq!(feed(&mut connection, &masked(0x83, b"")), failed(Error::ReservedOpCode(3)));
        assert_eq!(connection.state(), State::Closed);
    }

    #[test]
    fn nothing_is_written_after_a_close() {
        let mut connection = Connection::new(Role::Server, LIMIT);
        let mut out = Vec::new();
        connection.close(None, "not sent without a code", None, &mut out);
        assert_eq!(out, plain(0x88, b""));
        assert!(!connection.state().may_send());
        connection.close(Some(CloseCode::NORMAL), "again", None, &mut out);
        connection.answer_close(None, &mut out);
        connection.ping(b"", None, &mut out);
        connection.pong(b"", None, &mut out);
        assert_eq!(out, plain(0x88, b""));
    }

    #[test]
    fn a_client_masks_its_close() {
        let mut connection = Connection::new(Role::Client, LIMIT);
        assert_eq!(
            feed(&mut connection, &plain(0x88, b"\x03\xe8")),
            [Heard::Close(Some((1000, String::new())))]
        );
        let mut out = Vec::new();
        connection.answer_close(Some(KEY), &mut out);
        assert_eq!(out, masked(0x88, b"\x03\xe8"));
    }
}

mod section_8_1_utf_8 {
    use super::*;

    /// Prefixes of texts that are refused at their last byte, and not before it.
    const WRONG: [&[u8]; 14] = [
        b"\x80",
        b"\xbf",
        b"\xc0",
        b"\xc1",
        b"\xf5",
        b"\xff",
        b"\xc2A",
        b"\xe0\x9f",
        b"\xed\xa0",
        b"\xe1\x80A",
        b"\xf0\x8f",
        b"\xf4\x90",
        b"\xf0\x90\x80A",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90",
    ];

    #[test]
    fn text_fails_at_its_first_wrong_byte_within_a_frame() {
        for wrong in WRONG {
            // The frame announces more than comes: the server cannot wait for its end.
            let payload = [wrong, &[b'x'; 50]].concat();
            let frame = masked(0x81, &payload);
            let last = 6 + wrong.len();
            let mut connection = Connection::new(Role::Server, LIMIT);
            assert_eq!(feed(&mut connection, &frame[..last - 1]), [], "{wrong:x?}");
            assert_eq!(
                feed(&mut connection, &frame[last - 1..last]),
                failed(Error::InvalidUtf8),
                "{wrong:x?}"
            );
        }
    }

    #[test]
    fn text_fails_at_its_first_wrong_byte_across_fragments() {
        for wrong in WRONG {
            let (last, before) = wrong.split_last().expect("not empty");
            let mut connection = Connection::new(Role::Server, LIMIT);
            assert_eq!(feed(&mut connection, &masked(0x01, before)), [], "{wrong:x?}");
            assert_eq!(
                feed(&mut connection, &masked(0x00, &[*last])),
                failed(Error::InvalidUtf8),
                "{wrong:x?}"
            );
        }
    }

    #[test]
    fn a_message_ends_between_characters() {
        for cut in [&b"\xce"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"ok \xf0"] {
            assert_eq!(server(&masked(0x81, cut)), failed(Error::InvalidUtf8), "{cut:x?}");
            assert_eq!(server(&stream(&[(0x01, cut), (0x80, b"")])), failed(Error::InvalidUtf8), "{cut:x?}");
        }
    }

    #[test]
    fn fragments_may_cut_characters() {
        let word = "κόσμε 😀";
        for cut in 0..=word.len() {
            let (front, back) = word.as_bytes().split_at(cut);
            assert_eq!(
                server(&stream(&[(0x01, front), (0x89, b"\xff"), (0x80, back)])).last(),
                Some(&text(word))
            );
        }
    }

    #[test]
    fn one_message_does_not_spoil_the_next() {
        assert_eq!(
            server(&stream(&[(0x01, "é".as_bytes()), (0x80, b""), (0x81, b"e")])),
            [text("é"), text("e")]
        );
    }

    #[test]
    fn binary_may_be_anything() {
        assert_eq!(server(&masked(0x82, b"\xff\xc0")), [Heard::Binary(vec![0xff, 0xc0])]);
    }

    #[test]
    fn large_text_is_checked_throughout() {
        let mut long = "aé€😀".repeat(30_000).into_bytes();
        let good = String::from_utf8(long.clone()).expect("it is");
        assert_eq!(server(&masked(0x81, &long)), [Heard::Text(good)]);
        let at = long.len() - 5_000;
        long[at] = 0xff;
        assert_eq!(server(&masked(0x81, &long)), failed(Error::InvalidUtf8));
    }
}

mod section_10_4_limits {
    use super::*;

    #[test]
    fn a_message_may_have_its_limit_and_no_more() {
        for (len, refused) in [(1000, false), (1001, true)] {
            let payload = vec![1; len];
            let (front, back) = payload.split_at(600);
            for bytes in [masked(0x82, &payload), stream(&[(0x02, front), (0x80, back)])] {
                let heard = feed(&mut Connection::new(Role::Server, 1000), &bytes);
                let want = if refused { Heard::Error(Error::TooBig) } else { Heard::Binary(payload.clone()) };
                assert_eq!(heard, [want], "{len}");
            }
        }
    }

    #[test]
    fn what_is_announced_is_refused_before_it_comes_and_costs_nothing() {
        let mut connection = Connection::new(Role::Server, LIMIT);
        let announced = b"\x82\xff\x00\x00\x00\x00\x04\x00\x00\x00";
        assert_eq!(feed(&mut connection, announced), failed(Error::TooBig));
        assert_eq!(connection.buffered(), 0);
    }

    #[test]
    fn memory_follows_what_came() {
        let mut connection = Connection::new(Role::Server, 64 << 20);
        let frame = masked(0x82, &vec![3; 1 << 20]);
        let (begun, _) = frame.split_at(1000);
        assert_eq!(feed(&mut connection, begun), []);
        assert!(connection.buffered() <= 2000, "{}", connection.buffered());
    }

    #[test]
    fn a_limit_may_be_changed_between_frames() {
        let mut connection = Connection::new(Role::Server, 10);
        assert_eq!(feed(&mut connection, &masked(0x02, &[1; 10])), []);
        connection.set_max_message(20);
        assert_eq!(feed(&mut connection, &masked(0x00, &[2; 10])), []);
        connection.set_max_message(5);
        assert_eq!(feed(&mut connection, &masked(0x80, &[3; 1])), failed(Error::TooBig));
    }

    #[test]
    fn sixteen_mebibytes_in_reads_of_64_kib() {
        let payload: Vec<u8> = (0..16usize << 20).map(|i| b'a' + (i % 23) as u8).collect();
        let frame = masked(0x81, &payload);
        let mut connection = Connection::new(Role::Server, 16 << 20);
        let mut heard = Vec::new();
        for read in frame.chunks(64 << 10) {
            heard.extend(feed(&mut connection, read));
            assert!(connection.buffered() <= 16 << 20);
        }
        assert!(matches!(&heard[..], [Heard::Text(text)] if text.as_bytes() == payload));
        assert_eq!(connection.buffered(), 0);
    }
}

/// No section says it, but all rest on it: TCP has no message boundaries.
mod any_input_cut_anywhere {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    const SMALL_LIMIT: usize = 1500;

    /// A frame, lawful by itself more often than not.
    fn frame(to_server: bool) -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![
            8 => prop::sample::select(vec![0x81u8, 0x82, 0x01, 0x02, 0x00, 0x80]),
            4 => prop::sample::select(vec![0x89u8, 0x8a]),
            1 => prop_oneof![Just(0x88u8), any::<u8>()],
        ];
        let payload = prop_oneof![
            4 => "\\PC{0,40}".prop_map(String::into_bytes),
            1 => "[aé€😀]{100,200}".prop_map(String::into_bytes),
            2 => prop::collection::vec(any::<u8>(), 0..20),
            1 => prop::collection::vec(any::<u8>(), 120..130),
            1 => Just(b"\x03\xe8bye".to_vec()),
        ];
        (first, payload, any::<[u8; 4]>()).prop_map(move |(first, payload, key)| {
            let mut frame = header(first, if to_server { 0x80 } else { 0 }, payload.len());
            if to_server {
                frame.extend_from_slice(&key);
                frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
            } else {
                frame.extend_from_slice(&payload);
            }
            frame
        })
    }

    /// Frames, with now and then a byte changed, and cut off anywhere.
    fn bytes(to_server: bool) -> impl Strategy<Value = Vec<u8>> {
        let noise = prop::option::weighted(0.2, (any::<Index>(), any::<u8>()));
        let end = prop::option::weighted(0.3, any::<Index>());
        (prop::collection::vec(frame(to_server), 0..12), noise, end).prop_map(|(frames, noise, end)| {
            let mut bytes = frames.concat();
            if let (Some((at, byte)), false) = (noise, bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(end) = end {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            bytes
        })
    }

    /// Feeds `bytes` cut at `cuts`; checks what must hold after every part.
    fn feed_cut(role: Role, bytes: &[u8], cuts: &[Index]) -> (Vec<Heard>, State) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut connection = Connection::new(role, SMALL_LIMIT);
        let (mut heard, mut from) = (Vec::new(), 0);
        for cut in cuts {
            heard.extend(feed(&mut connection, &bytes[from..cut]));
            assert!(connection.buffered() <= 2 * SMALL_LIMIT + 125);
            assert!(connection.buffered() <= 2 * cut + 125, "memory runs ahead of what was received");
            from = cut;
        }
        (heard, connection.state())
    }

    fn same_however_cut(role: Role, bytes: &[u8], cuts: &[Index]) {
        let whole = feed_cut(role, bytes, &[]);
        assert_eq!(feed_cut(role, bytes, cuts), whole, "cut");
        let mut connection = Connection::new(role, SMALL_LIMIT);
        let single: Vec<Heard> = bytes.iter().flat_map(|byte| feed(&mut connection, &[*byte])).collect();
        assert_eq!((single, connection.state()), whole, "byte by byte");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn gives_a_server_the_same_events(
            bytes in bytes(true),
            cuts in prop::collection::vec(any::<Index>(), 0..8),
        ) {
            same_however_cut(Role::Server, &bytes, &cuts);
        }

        #[test]
        fn gives_a_client_the_same_events(
            bytes in bytes(false),
            cuts in prop::collection::vec(any::<Index>(), 0..8),
        ) {
            same_however_cut(Role::Client, &bytes, &cuts);
        }

        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            same_however_cut(Role::Server, &bytes, &[]);
            same_however_cut(Role::Client, &bytes, &[]);
        }
    }
}
