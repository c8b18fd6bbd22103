//! Bad input costs the others nothing: while one peer does its worst, another is answered.

use crate::client::{Plain, Player, get, upgrade};
use crate::server::{Running, start};
use evertick::limits;
use evertick::packet::{AuthRequest, ClientControl, Encoding, Kind, encode_client};
use evertick::random::Random;
use evertick::websocket::{OpCode, encode_masked};
use serde_json::json;
use std::io::Write;

/// A server and somebody who plays on it and wants to go on playing.
fn served() -> (Running, Player) {
    let server = start(|_| {});
    let bystander = Player::join(server.addr, "Bystander");
    (server, bystander)
}

/// A raw connection that has upgraded and joined.
fn joined_raw(server: &Running) -> Plain {
    let mut plain = Plain::open(server.addr);
    assert_eq!(plain.send(upgrade("/ws", "")).head().status, 101);
    let auth = br#"{"type":"auth_request","data":{"version":1,"guest":"Raw"}}"#;
    plain.send(text_frame(auth));
    plain
}

fn text_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Text, payload, [0x5a, 0xa5, 0x0f, 0xf0]);
    frame
}

#[test]
fn random_bytes_instead_of_a_request() {
    let (server, mut bystander) = served();
    let mut random = Random::new(1);
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..random.below(2000)).map(|_| random.bits() as u8).collect();
        let mut plain = Plain::open(server.addr);
        plain.send(bytes);
        plain.stream.shutdown(std::net::Shutdown::Write).unwrap();
        plain.rest();
    }
    bystander.round_trip();
}

#[test]
fn random_bytes_instead_of_frames() {
    let (server, mut bystander) = served();
    let mut random = Random::new(2);
    for _ in 0..200 {
        let mut plain = joined_raw(&server);
        let bytes: Vec<u8> = (0..random.below(2000)).map(|_| random.bits() as u8).collect();
        plain.send(bytes);
        plain.stream.shutdown(std::net::Shutdown::Write).unwrap();
        plain.rest();
    }
    bystander.round_trip();
}

#[test]
fn random_messages_in_whole_frames() {
    let (server, mut bystander) = served();
    let mut random = Random::new(3);
    for _ in 0..50 {
        let mut plain = joined_raw(&server);
        for _ in 0..10 {
            let bytes: Vec<u8> = (0..random.below(200)).map(|_| random.below(128) as u8).collect();
            plain.send(text_frame(&bytes));
        }
        let said = plain.rest();
        assert!(said.windows(9).any(|w| w == b"malformed"), "the peer is told");
    }
    bystander.round_trip();
}

#[test]
fn every_truncated_packet_is_told_or_waited_for() {
    let (server, mut bystander) = served();
    let whole = br#"{"type":"say","id":7,"data":{"text":"hello"}}"#;
    for cut in (0..whole.len()).collect::<Vec<_>>().chunks(4) {
        let mut player = Player::join(server.addr, "Cut");
        for &at in cut {
            player.say(std::str::from_utf8(&whole[..at]).unwrap());
            assert_eq!(player.packet("invalid_message")["data"]["code"], "malformed", "cut at {at}");
        }
        player.round_trip();
    }
    let mut postcard = Vec::new();
    let auth = AuthRequest { version: 1, guest: Some("Ann".to_owned()), ..AuthRequest::default() };
    let auth = ClientControl::AuthRequest(auth);
    encode_client(Encoding::Postcard, Kind::Control, Some(1), &auth, &mut postcard).unwrap();
    for cut in (0..postcard.len()).collect::<Vec<_>>().chunks(4) {
        let mut player =
            Player::try_connect(server.addr, "/ws", &[Encoding::Postcard.subprotocol()], &[]).unwrap();
        for &at in cut {
            player.ws.send(tungstenite::Message::binary(postcard[..at].to_vec())).unwrap();
            player.packet("invalid_message");
        }
        player.authenticate("Ann");
    }
    // The frame itself cut off: nothing but waiting, and the peer's end ends it.
    let frame = text_frame(whole);
    for cut in 0..frame.len() {
        let mut plain = joined_raw(&server);
        plain.send(&frame[..cut]);
        plain.stream.shutdown(std::net::Shutdown::Write).unwrap();
        plain.rest();
    }
    bystander.round_trip();
}

#[test]
fn sixty_four_mebibytes_announced_in_a_frame_of_ten_bytes() {
    let (server, mut bystander) = served();
    let before = buffers(&server);
    for opcode in [0x81, 0x82, 0x01, 0x80] {
        let mut plain = joined_raw(&server);
        let mut head = vec![opcode, 0xff];
        head.extend_from_slice(&(64u64 << 20).to_be_bytes());
        plain.send(head);
        let said = plain.rest();
        let close = if opcode == 0x80 { 1002u16 } else { 1009 };
        assert!(said.windows(2).any(|w| w == close.to_be_bytes()), "{opcode:#x} closes {close}");
    }
    assert!(buffers(&server) < before + 100_000, "nothing is kept for what is only announced");
    bystander.round_trip();
}

fn buffers(server: &Running) -> u64 {
    get(server.addr, "/api/status").json()["memory"]["buffers_bytes"].as_u64().unwrap()
}

#[test]
fn floods_of_pings_end_with_their_peer() {
    let (server, mut bystander) = served();
    let mut floods: Vec<Plain> = (0..4).map(|_| joined_raw(&server)).collect();
    let pings = [0x89u8, 0x80, 1, 2, 3, 4].repeat(20_000);
    for flood in &mut floods {
        flood.send(&pings);
        bystander.round_trip();
    }
    for flood in &mut floods {
        let said = flood.rest();
        let pongs = said.windows(2).filter(|w| *w == [0x8a, 0x00]).count();
        assert!(pongs <= (limits::CONTROL_BURST + limits::RATE_STRIKES) as usize * 4, "{pongs} pongs");
        assert!(said.windows(12).any(|w| w == b"rate_limited"), "it is told why");
    }
    bystander.round_trip();
}

#[test]
fn floods_of_messages_end_with_their_peer() {
    let (server, mut bystander) = served();
    let mut flood = joined_raw(&server);
    flood.send(text_frame(br#"{"type":"step","data":{"x":1}}"#).repeat(20_000));
    bystander.round_trip();
    assert!(flood.rest().windows(12).any(|w| w == b"rate_limited"));
    bystander.round_trip();
}

#[test]
fn empty_fragments_without_end() {
    let (server, mut bystander) = served();
    let mut plain = joined_raw(&server);
    let mut bytes = vec![0x01, 0x80, 0, 0, 0, 0];
    bytes.extend([0x00, 0x80, 0, 0, 0, 0].repeat(limits::MESSAGE_FRAGMENTS as usize + 10));
    plain.send(bytes);
    plain.rest();
    bystander.round_trip();
}

#[test]
fn connections_that_say_nothing() {
    let (server, mut bystander) = served();
    let silent: Vec<Plain> = (0..150).map(|_| Plain::open(server.addr)).collect();
    let upgraded: Vec<Player> = (0..50).map(|_| Player::connect(server.addr)).collect();
    bystander.round_trip();
    let status = get(server.addr, "/api/status").json();
    assert_eq!(status["connections"], 202);
    assert!(status["memory"]["buffers_bytes"].as_u64().unwrap() < 100_000, "{status}");
    drop((silent, upgraded));
    while get(server.addr, "/api/status").json()["connections"] != 2 {}
    bystander.round_trip();
}

#[test]
fn a_peer_that_reads_nothing_while_it_asks_for_more() {
    let (server, mut bystander) = served();
    let mut greedy = Plain::open(server.addr);
    let request = b"GET /metrics HTTP/1.1\r\nHost: yard\r\n\r\n".repeat(2000);
    greedy.stream.set_nonblocking(true).unwrap();
    let _ = greedy.stream.write(&request);
    bystander.round_trip();
    let held = buffers(&server);
    assert!(held <= 2 * limits::CONTROL_BYTES as u64 + 100_000, "{held} bytes wait");
}

#[test]
fn resets_in_the_middle_of_everything() {
    let (server, mut bystander) = served();
    for _ in 0..50 {
        let plain = joined_raw(&server);
        // Closing with zero linger and unread data resets the connection.
        socket2::SockRef::from(&plain.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(plain);
    }
    bystander.send("say", json!({"text": "still here"}));
    bystander.wait(|packet| packet["data"]["text"] == "still here");
    while get(server.addr, "/api/status").json()["players"] != 1 {}
}
