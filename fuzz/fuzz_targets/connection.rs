//! A stream of bytes gives the same events whole, cut at random and byte by byte, in both roles, and the memory that is
//! held follows what was received.
//!
//! Input: a byte of flags (1: client), a byte for the limit, two bytes that seed the cuts, then the stream.

#![no_main]

use evertick::websocket::{Connection, Error, Event, Role, State};
use libfuzzer_sys::fuzz_target;

/// An event that owns what it says.
#[derive(PartialEq, Eq, Debug)]
enum Heard {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Error(Error),
}

impl Heard {
    fn of(event: Event<'_>) -> Heard {
        match event {
            Event::Text(text) => {
                assert!(std::str::from_utf8(text).is_ok(), "text is proven UTF-8");
                Heard::Text(text.to_vec())
            }
            Event::Binary(bytes) => Heard::Binary(bytes.to_vec()),
            Event::Ping(payload) => Heard::Ping(payload.to_vec()),
            Event::Pong(payload) => Heard::Pong(payload.to_vec()),
            Event::Close(body) => Heard::Close(body.map(|(code, reason)| (code.get(), reason.to_owned()))),
            Event::Error(error) => Heard::Error(error),
        }
    }
}

/// Feeds `stream` in parts of the lengths that `next_len` gives.
fn hear(
    role: Role,
    limit: usize,
    stream: &[u8],
    mut next_len: impl FnMut(usize) -> usize,
) -> (Vec<Heard>, State, Vec<u8>) {
    let mut connection = Connection::new(role, limit);
    let (mut heard, mut fed) = (Vec::new(), 0);
    while fed < stream.len() {
        let len = next_len(stream.len() - fed).clamp(1, stream.len() - fed);
        let mut part = stream[fed..fed + len].to_vec();
        fed += len;
        let mut input = &mut part[..];
        while let Some(event) = connection.next(&mut input) {
            heard.push(Heard::of(event));
        }
        assert!(input.is_empty(), "all of the input is used");
        assert!(connection.buffered() <= 2 * limit + 125, "memory is bounded");
        assert!(connection.buffered() <= 2 * fed + 125, "memory follows what was received");
    }
    let ended = matches!(heard.last(), Some(Heard::Close(_) | Heard::Error(_)));
    assert_eq!(connection.state() == State::CloseReceived, ended);
    assert!(!ended || connection.buffered() == 0);

    let mask = (role == Role::Client).then_some([1, 2, 3, 4]);
    let mut answer = Vec::new();
    connection.answer_close(mask, &mut answer);
    assert!(!answer.is_empty() && answer.len() <= 8);
    assert!(!connection.state().may_send());
    (heard, connection.state(), answer)
}

fuzz_target!(|data: &[u8]| {
    let [flags, limit, seed_high, seed_low, stream @ ..] = data else {
        return;
    };
    let role = if flags & 1 == 0 { Role::Server } else { Role::Client };
    let limit = usize::from(*limit) * 64;
    let mut seed = u32::from(u16::from_be_bytes([*seed_high, *seed_low])) | 1;
    let whole = hear(role, limit, stream, |left| left);
    let cut = hear(role, limit, stream, |left| {
        // xorshift32 (Marsaglia, 2003); mostly short parts, now and then a long one.
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let longest = if seed & 7 == 0 { left } else { 20 };
        (seed >> 8) as usize % (longest + 1)
    });
    assert_eq!(cut, whole, "cut at random");
    assert_eq!(hear(role, limit, stream, |_| 1), whole, "byte by byte");
});
