//! Any bytes, fed to an HTTP connection whole and cut at random, give the same events; nothing panics, and
//! memory stays within the limits.
#![no_main]

use evertick::address::Network;
use evertick::http::cors::Origins;
use evertick::http::forwarded::client_address;
use evertick::http::{Connection, Event, Exchange, Phase, Request, Response};
use evertick::limits;
use evertick::time::WallMs;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};

fuzz_target!(|data: &[u8]| {
    let whole = feed(data, |left| left);
    assert_eq!(whole, feed(data, |_| 1), "byte by byte");
    let mut chance = data.iter().fold(data.len() as u64, |sum, &byte| step(sum ^ u64::from(byte)));
    let cut = feed(data, |left| {
        chance = step(chance);
        (1 + (chance >> 40) as usize % 64).min(left)
    });
    assert_eq!(whole, cut, "cut at random");
    whole.iter().for_each(answer);
});

/// One step of Knuth's MMIX generator: where to cut follows from the input, so that a finding repeats.
fn step(state: u64) -> u64 {
    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

fn feed(mut data: &[u8], mut piece_length: impl FnMut(usize) -> usize) -> Vec<Event> {
    /// What `Vec` may reserve beyond what is in it, and the fixed parts of a partial request.
    const SLACK: usize = 4096;
    let mut connection = Connection::new();
    let mut events = Vec::new();
    while !data.is_empty() {
        let (mut piece, rest) = data.split_at(piece_length(data.len()));
        data = rest;
        while let Some(event) = connection.next(&mut piece) {
            events.push(event);
        }
        assert!(piece.is_empty());
        assert!(connection.buffered() <= 2 * (limits::HTTP_HEAD + limits::HTTP_BODY) + SLACK);
        assert!(connection.phase() != Phase::Idle || connection.buffered() == 0);
    }
    events
}

fn answer(event: &Event) {
    let mut out = Vec::new();
    match event {
        Event::Request(request) => {
            inspect(request);
            let echo = Response::new(200).text(request.path.clone()).header("X-Host", request.host.clone());
            Origins::any().share(request, echo).write(Exchange::of(request, WallMs(0)), &mut out);
        }
        Event::Error(error) => {
            assert!((400..=505).contains(&error.status()));
            Response::from(*error).write(Exchange::last(WallMs(0)), &mut out);
        }
        _ => return,
    }
    let head = out.windows(4).position(|end| end == b"\r\n\r\n").expect("a head has an end");
    let is_foreign = |two: &[u8]| two[0] != b'\r' && two[1] == b'\n';
    assert!(!out[..head].windows(2).any(is_foreign), "no line of the peer's own");
}

fn inspect(request: &Request) {
    assert!(request.path.starts_with('/') || request.path == "*");
    assert!(request.body.len() <= limits::HTTP_BODY);
    assert!(request.headers().count() <= limits::HTTP_HEADERS);
    request.query_pairs().for_each(drop);
    request.bearer();
    let trusted = Network::new(Ipv4Addr::new(10, 0, 0, 0).into(), 8).expect("a network");
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    // An error is as good as an address: neither may be a panic.
    let _ = client_address(peer, &[trusted], request.headers_named("x-forwarded-for"));
}
