//! Compressed messages: what is offered and answered, any bytes inflated, a connection cut anywhere, and there and back.
//!
//! Input: a byte of what to do, a byte for the window and the limit, then anything: a header field's value, a compressed
//! payload, a stream of frames, or a message.

#![no_main]

use evertick::websocket::deflate::{Agreed, Deflater, Inflater, LEAST_WINDOW_BITS, MOST_WINDOW_BITS};
use evertick::websocket::handshake::{Offer, Request, read_extensions};
use evertick::websocket::{Connection, Error, Event, Role};
use libfuzzer_sys::fuzz_target;

/// Any field's value is read or refused; what is accepted is an answer to it that our own client understands.
fn negotiate(value: &[u8], window_bits: u8) {
    let fields = [
        ("Host", &b"a"[..]),
        ("Upgrade", b"websocket"),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Extensions", value),
    ];
    let read = Offer::read("GET", true, fields.into_iter());
    assert_eq!(read.is_ok(), read_extensions(value).is_ok());
    let Ok(offer) = read else {
        return;
    };
    let mut answer = Vec::new();
    let deflate = offer.deflate(window_bits);
    offer.accept_deflate(None, deflate.as_ref(), &mut answer);
    let lines = answer.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines, 5 + usize::from(deflate.is_some()), "nothing slips into the head");
    let request = Request::new("a", "/", *b"the sample nonce", &[], None).expect("it is lawful").offering_deflate();
    let Some(deflate) = deflate else {
        return;
    };
    let agreed = deflate.agreed().window_bits;
    assert!((LEAST_WINDOW_BITS..=MOST_WINDOW_BITS).contains(&agreed));
    let accepted = request.read_response(&answer).expect("the answer is lawful").expect("it is whole");
    assert!(accepted.deflate.is_some_and(|client| client.window_bits <= MOST_WINDOW_BITS));
}

/// Any answer is taken or refused.
fn answer(value: &[u8]) {
    let request = Request::new("a", "/", *b"the sample nonce", &[], None).expect("it is lawful").offering_deflate();
    let head = b"HTTP/1.1 101 a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: ";
    let response = [&head[..], value, b"\r\n\r\n"].concat();
    if let Ok(Some(accepted)) = request.read_response(&response)
        && let Some(agreed) = accepted.deflate
    {
        assert!((LEAST_WINDOW_BITS..=MOST_WINDOW_BITS).contains(&agreed.window_bits));
    }
}

/// Any payload is inflated or refused, and never to more than the limit.
fn inflate(payload: &[u8], limit: usize) {
    let mut inflater = Inflater::default();
    let first = inflater.inflate(payload, limit).map(|message| message.to_vec());
    if let Ok(message) = &first {
        assert!(message.len() <= limit);
    }
    assert!(inflater.buffered() <= (limit + 1).max(1024), "memory is bounded by the limit");
    let again = inflater.inflate(payload, limit).map(|message| message.to_vec());
    assert_eq!(again, first, "nothing is left of the message before");
}

fn hear(stream: &[u8], limit: usize, part: usize) -> (Vec<(u8, Vec<u8>)>, Option<Error>) {
    let mut connection = Connection::new(Role::Client, limit);
    connection.agree_on(Agreed { window_bits: MOST_WINDOW_BITS });
    let (mut inflater, mut heard, mut failed) = (Inflater::default(), Vec::new(), None);
    for part in stream.chunks(part) {
        let mut part = part.to_vec();
        let mut input = &mut part[..];
        while let Some(event) = connection.next_inflated(&mut input, &mut inflater) {
            match event {
                Event::Text(text) => {
                    assert!(std::str::from_utf8(text).is_ok(), "text is proven UTF-8");
                    heard.push((1, text.to_vec()));
                }
                Event::Binary(bytes) => heard.push((2, bytes.to_vec())),
                Event::Ping(bytes) => heard.push((9, bytes.to_vec())),
                Event::Pong(bytes) => heard.push((10, bytes.to_vec())),
                Event::Close(_) => heard.push((8, Vec::new())),
                Event::Error(error) => failed = Some(error),
            }
            assert!(heard.last().is_none_or(|(_, payload)| payload.len() <= limit.max(125)));
        }
        assert!(connection.buffered() <= 2 * (limit + limit / 8 + 64) + 125, "memory is bounded");
    }
    (heard, failed)
}

/// A stream of frames, some of them compressed, is the same however it is cut.
fn cut(stream: &[u8], limit: usize, part: usize) {
    let whole = hear(stream, limit, stream.len().max(1));
    assert_eq!(hear(stream, limit, part), whole, "cut");
    assert_eq!(hear(stream, limit, 1), whole, "byte by byte");
}

/// What is compressed comes back.
fn round_trip(message: &[u8], window_bits: u8) {
    let (mut deflater, mut inflater, mut small) = (Deflater::default(), Inflater::default(), Vec::new());
    if deflater.message(message, Agreed { window_bits }, &mut small) {
        assert!(small.len() < message.len());
        assert_eq!(inflater.inflate(&small, message.len()).as_deref(), Ok(message));
        assert_eq!(inflater.inflate(&small, message.len() - 1), Err(Error::TooBig));
    } else {
        assert!(small.is_empty());
    }
}

fuzz_target!(|data: &[u8]| {
    let [what, how, rest @ ..] = data else {
        return;
    };
    let window_bits = LEAST_WINDOW_BITS + how % 8;
    let limit = usize::from(*how) * 32;
    match what % 5 {
        0 => negotiate(rest, window_bits),
        1 => answer(rest),
        2 => inflate(rest, limit),
        3 => cut(rest, limit, usize::from(*how % 13) + 2),
        _ => round_trip(rest, window_bits),
    }
});
