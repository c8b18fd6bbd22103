//! The opening handshake: the server's side over any header fields, the client's over any answer, and one with the
//! other over any names.
//!
//! Input: a line of method and version, lines of header fields, then anything. The same bytes are read as an answer.

#![no_main]

use evertick::websocket::handshake::{Offer, Request, is_upgrade};
use libfuzzer_sys::fuzz_target;

/// Header fields of a head, one a line, as far as they have the form of one.
fn fields(head: &[u8]) -> impl Iterator<Item = (&str, &[u8])> + Clone {
    head.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
        let line = line.trim_ascii_end();
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((std::str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].trim_ascii()))
    })
}

fn server_side(data: &[u8]) {
    let method = if data.starts_with(b"GET ") { "GET" } else { "POST" };
    match Offer::read(method, true, fields(data)) {
        Ok(offer) => {
            assert!(is_upgrade(fields(data)));
            let mut out = Vec::new();
            offer.accept(offer.subprotocols().last().copied(), &mut out);
            assert!(out.ends_with(b"\r\n\r\n"));
            let lines = out.iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(lines, 5 + usize::from(!offer.subprotocols().is_empty()), "nothing slips into the head");
        }
        Err(error) => {
            assert!(matches!(error.status(), 400 | 405 | 426));
            assert!(!error.to_string().is_empty());
        }
    }
}

fn client_side(data: &[u8]) {
    let request = Request::new("localhost", "/", *b"the sample nonce", &["a", "b"], None).expect("it is lawful");
    let whole = request.read_response(data);
    let first = (0..data.len()).map(|end| request.read_response(&data[..end])).find(|found| *found != Ok(None));
    if let Some(Ok(Some(accepted))) = first {
        assert_eq!(whole, Ok(Some(accepted)), "what follows the head does not matter");
    }
}

fn both_sides(data: &[u8]) {
    let Some((nonce, rest)) = data.split_first_chunk() else {
        return;
    };
    let words: Vec<&str> = rest.split(|byte| *byte == b'\n').filter_map(|w| std::str::from_utf8(w).ok()).collect();
    let [host, path, subprotocols @ ..] = &words[..] else {
        return;
    };
    let Ok(request) = Request::new(host, path, *nonce, subprotocols, None) else {
        return;
    };
    let mut written = Vec::new();
    request.write(&mut written);
    let offer = Offer::read("GET", true, fields(&written)).expect("what a client writes, a server reads");
    assert_eq!(offer.subprotocols(), subprotocols);
    let chosen = subprotocols.first().copied();
    let mut answer = Vec::new();
    offer.accept(chosen, &mut answer);
    match request.read_response(&answer) {
        Ok(Some(accepted)) => assert_eq!((accepted.head_len, accepted.subprotocol), (answer.len(), chosen)),
        other => assert!(answer.len() > 8 << 10, "{other:?}"),
    }
}

fuzz_target!(|data: &[u8]| {
    server_side(data);
    client_side(&data[..data.len().min(2048)]);
    both_sides(data);
});
