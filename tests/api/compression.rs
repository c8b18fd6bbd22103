//! permessage-deflate over real sockets, with a client of its own that compresses by zlib and looks at each frame.

use crate::client::{Plain, Player, upgrade};
use crate::driven::Driven;
use crate::server::{Running, start};
use evertick::websocket::{OpCode, encode_masked, unmask};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};
use std::time::Duration;

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const KEY: [u8; 4] = [0x5a, 0xa5, 0x0f, 0xf0];
const RSV1: u8 = 0x40;
const TEXT: u8 = 0x81;

/// A server that agrees to compressed messages.
fn compressing() -> Running {
    start(|settings| {
        settings.engine.session.compression = true;
        settings.engine.session.compress_over = 200;
    })
}

/// Compresses a message by itself.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(message.len() + 1000);
    stream.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(out.split_off(out.len() - 4), [0, 0, 0xff, 0xff]);
    out
}

fn inflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false).decompress_vec(&whole, &mut out, FlushDecompress::Sync).unwrap();
    out
}

/// One frame of the server's.
#[derive(Debug)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

/// A peer that looks at frames.
pub(crate) struct Peer {
    plain: Plain,
    /// What the server says it agrees to.
    pub(crate) agreed: String,
}

impl Peer {
    pub(crate) fn open(server: &Running, offer: &str) -> Peer {
        let mut plain = Plain::open(server.addr);
        let field = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let head = plain.send(upgrade("/ws", &field)).head();
        assert_eq!(head.status, 101);
        let agreed = head.header("sec-websocket-extensions").to_owned();
        Peer { plain, agreed }
    }

    /// Comes in as a guest, with a compressed packet.
    fn join(server: &Running, name: &str) -> Peer {
        let mut peer = Peer::open(server, OFFER);
        peer.say(&json!({"type": "auth_request", "data": {"version": 1, "guest": name}}));
        peer.packet("auth_response");
        peer
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | len as u8),
            len => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(&KEY);
        let mut masked = payload.to_vec();
        unmask(&mut masked, KEY, 0);
        self.plain.send([frame, masked].concat());
    }

    /// Sends a packet, compressed.
    pub(crate) fn say(&mut self, packet: &Value) {
        self.send(TEXT | RSV1, &deflated(packet.to_string().as_bytes()));
    }

    /// The next frame; `None` where the server has ended the connection.
    fn frame(&mut self) -> Option<Frame> {
        let head = self.plain.bytes(2)?;
        assert!(head[1] < 127, "no batch here is that long");
        let len = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.plain.bytes(2)?.try_into().unwrap())),
            len => usize::from(len),
        };
        Some(Frame { first: head[0], payload: self.plain.bytes(len)? })
    }

    /// Sends a packet as it is.
    pub(crate) fn say_plainly(&mut self, packet: &Value) {
        self.send(TEXT, packet.to_string().as_bytes());
    }

    /// The next batch, and whether it came compressed.
    pub(crate) fn batch(&mut self) -> (Value, bool) {
        loop {
            let frame = self.frame().expect("another batch is to come");
            let is_compressed = frame.first & RSV1 != 0;
            let message = match frame.first & !RSV1 {
                TEXT if is_compressed => inflated(&frame.payload),
                TEXT => frame.payload,
                0x89 => continue,
                _ => panic!("{frame:?} came, and no batch"),
            };
            return (serde_json::from_slice(&message).unwrap(), is_compressed);
        }
    }

    /// The next packet of that type, and whether its batch came compressed.
    pub(crate) fn packet(&mut self, name: &str) -> (Value, bool) {
        loop {
            let (batch, is_compressed) = self.batch();
            let found = batch["packets"].as_array().unwrap().iter().find(|packet| packet["type"] == name);
            if let Some(packet) = found {
                return (packet.clone(), is_compressed);
            }
        }
    }

    /// The code that the server closes with.
    fn close_code(mut self) -> u16 {
        while let Some(frame) = self.frame() {
            if frame.first == 0x88 {
                return u16::from_be_bytes(frame.payload[..2].try_into().unwrap());
            }
        }
        panic!("ended without a Close frame");
    }
}

#[test]
fn it_is_agreed_to_where_it_is_on_and_offered() {
    let server = compressing();
    let ours = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (offer, answer) in [
        ("permessage-deflate", ours.to_owned()),
        (OFFER, format!("{ours}; client_max_window_bits=14")),
        ("permessage-deflate; server_max_window_bits=9", format!("{ours}; server_max_window_bits=9")),
        ("x-other, permessage-deflate; unknown, permessage-deflate", ours.to_owned()),
        ("permessage-deflate; server_max_window_bits=16", String::new()),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", String::new()),
        ("x-webkit-deflate-frame", String::new()),
    ] {
        assert_eq!(Peer::open(&server, offer).agreed, answer, "{offer}");
    }
    let off = start(|_| {});
    assert_eq!(Peer::open(&off, OFFER).agreed, "", "it is off unless it is asked for");
}

#[test]
fn a_field_that_is_no_list_of_extensions_is_a_bad_request() {
    let server = compressing();
    for field in ["permessage-deflate;", "permessage-deflate; server_max_window_bits=\"9", "a b"] {
        let field = format!("Sec-WebSocket-Extensions: {field}\r\n");
        let answer = Plain::open(server.addr).send(upgrade("/ws", &field)).answer();
        assert_eq!(answer.status, 400, "{field}");
    }
}

#[test]
fn messages_go_both_ways_compressed_or_not() {
    let server = compressing();
    let mut peer = Peer::join(&server, "Ada");
    let long = "the same again, ".repeat(30);
    peer.say(&json!({"type": "say", "data": {"text": long}}));
    let (said, is_compressed) = peer.packet("said");
    assert_eq!((said["data"]["text"].as_str(), is_compressed), (Some(long.as_str()), true));
    peer.say(&json!({"type": "say", "data": {"text": "short"}}));
    assert!(!peer.packet("said").1, "a small batch stays as it is");
    // What a client sends may be compressed or not, message by message.
    peer.send(TEXT, json!({"type": "ask", "id": 3, "data": {"number": 5}}).to_string().as_bytes());
    assert_eq!(peer.packet("answered").0["re"], 3);
}

#[test]
fn a_compressed_message_may_come_in_fragments_with_pings_between() {
    let server = compressing();
    let mut peer = Peer::join(&server, "Ada");
    let message = deflated(json!({"type": "ask", "id": 9, "data": {"number": 5}}).to_string().as_bytes());
    let (front, back) = message.split_at(message.len() / 2);
    peer.send(0x01 | RSV1, front);
    peer.send(0x89, b"there?");
    peer.send(0x00, &[]);
    peer.send(0x80, back);
    let pong = peer.frame().unwrap();
    assert_eq!((pong.first, &pong.payload[..]), (0x8a, &b"there?"[..]));
    assert_eq!(peer.packet("answered").0["re"], 9);
}

#[test]
fn one_broadcast_reaches_all_however_they_hear() {
    let server = compressing();
    let mut compressed = Peer::join(&server, "Ada");
    let mut narrow = Peer::open(&server, "permessage-deflate; server_max_window_bits=8");
    narrow.say(&json!({"type": "auth_request", "data": {"version": 1, "guest": "Bob"}}));
    narrow.packet("auth_response");
    let mut plain = Player::join(server.addr, "Cid");
    let mut binary = Player::join_speaking(server.addr, "evertick.v1.postcard", "Dan");
    let long = "to everybody, ".repeat(100);
    compressed.say(&json!({"type": "say", "data": {"text": long}}));
    let (said, is_compressed) = compressed.packet("said");
    assert!(is_compressed);
    let (to_narrow, is_compressed) = narrow.packet("said");
    assert!(!is_compressed, "it would refer further back than this peer's window goes");
    assert_eq!(said, to_narrow);
    for player in [&mut plain, &mut binary] {
        assert_eq!(player.packet("said")["data"]["text"], long.as_str());
    }
}

#[test]
fn each_misuse_has_its_close_code() {
    let server = compressing();
    let packet = deflated(br#"{"type":"ask","data":{"number":1}}"#);
    let zeros = deflated(&vec![b' '; 60_000]);
    for (what, frames, code) in [
        ("RSV1 on a continuation", vec![(0x01 | RSV1, &packet[..5]), (0x80 | RSV1, &packet[5..])], 1002),
        ("RSV1 on a ping", vec![(0x89 | RSV1, &b"x"[..])], 1002),
        ("RSV1 on a close", vec![(0x88 | RSV1, &b"\x03\xe8"[..])], 1002),
        ("RSV2", vec![(TEXT | 0x20, &packet[..])], 1002),
        ("RSV1 and RSV3", vec![(TEXT | RSV1 | 0x10, &packet[..])], 1002),
        ("half a message", vec![(TEXT | RSV1, &packet[..packet.len() - 3])], 1007),
        ("nothing", vec![(TEXT | RSV1, &b""[..])], 1007),
        ("no deflate", vec![(TEXT | RSV1, &b"\xff\xff\xff\xff"[..])], 1007),
        ("text that is none", vec![(TEXT | RSV1, &deflated(b"\xc3\x28")[..])], 1007),
        ("the wrong kind", vec![(0x82 | RSV1, &packet[..])], 1003),
        ("what inflates to more than may be", vec![(TEXT | RSV1, &zeros[..])], 1009),
    ] {
        let mut peer = Peer::join(&server, "Eve");
        for (first, payload) in frames {
            peer.send(first, payload);
        }
        assert_eq!(peer.close_code(), code, "{what}");
    }
    let mut unagreed = Peer::open(&server, "x-other");
    unagreed.send(TEXT | RSV1, &packet);
    assert_eq!(unagreed.close_code(), 1002, "RSV1 without an agreement");
}

#[test]
fn the_limit_before_auth_is_of_what_is_inflated() {
    let server = compressing();
    let mut stranger = Peer::open(&server, OFFER);
    let long = json!({"type": "auth_request", "data": {"version": 1, "guest": " ".repeat(5000)}}).to_string();
    let small = deflated(long.as_bytes());
    assert!(small.len() < 200);
    stranger.send(TEXT | RSV1, &small);
    assert_eq!(stranger.close_code(), 1009);
}

/// Blocks that hold nothing but their own tables, each of which is built before that is found out: a stream of these costs a
/// decompressor a hundred times what as many letters do, and becomes nothing.
fn tables(blocks: usize) -> Vec<u8> {
    let mut bits = Vec::new();
    let mut put = |value: u32, len: u32| bits.extend((0..len).map(|bit| (value >> bit) & 1 == 1));
    for _ in 0..blocks {
        // RFC 1951 section 3.2.7: not the last, dynamic; 257 codes of letters, one of distances, 18 of lengths.
        put(0, 1);
        put(2, 2);
        put(0, 5);
        put(0, 5);
        put(14, 4);
        // In the order of that section: 18 has one bit, 0 and 1 have two.
        for n in 0..18 {
            put(if n == 2 { 1 } else { u32::from(n == 3 || n == 17) * 2 }, 3);
        }
        // 97 times nothing, one bit for 'a', 158 times nothing, one bit for the end, nothing for distances.
        put(0, 1);
        put(97 - 11, 7);
        put(0b11, 2);
        put(0, 1);
        put(138 - 11, 7);
        put(0, 1);
        put(20 - 11, 7);
        put(0b11, 2);
        put(0b01, 2);
        // The end.
        put(1, 1);
    }
    // The last block is stored and empty, which is what is left out at the end of a message.
    put(0, 3);
    let byte = |eight: &[bool]| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

/// A packet, and behind it blocks of nothing.
fn laced(packet: &Value, blocks: usize) -> Vec<u8> {
    let packet = packet.to_string();
    let len = packet.len() as u16;
    let head = [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), packet.as_bytes()].concat();
    [head, tables(blocks)].concat()
}

#[test]
fn what_came_is_paid_for_before_it_is_inflated() {
    let mut driven = Driven::new(|settings| {
        settings.session.compression = true;
        settings.session.compress_over = 1 << 20;
    });
    let eve = driven.accept("192.0.2.1").unwrap();
    let field = format!("Sec-WebSocket-Extensions: {OFFER}\r\n");
    driven.send(eve, upgrade("/ws", &field).as_bytes());
    assert_eq!(driven.status(eve), 101);
    driven.say(eve, r#"{"type":"auth_request","data":{"version":1,"guest":"Eve"}}"#);
    driven.frames(eve);
    let packet = json!({"type": "ping", "id": 1, "data": {"time": 1}});
    let message = laced(&packet, 1200);
    assert!((15_000..16_384).contains(&message.len()), "{}", message.len());
    assert_eq!(inflated(&message), packet.to_string().into_bytes(), "it is what it should be");
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Text, &message, KEY);
    frame[0] |= RSV1;
    let say = |driven: &mut Driven| {
        driven.send(eve, &frame);
        let frames = driven.frames(eve);
        let told = frames.packets.iter().map(|packet| (packet["type"].clone(), packet["re"].clone()));
        (told.collect::<Vec<_>>(), frames.reason().0)
    };
    // Each costs four times its bytes of those that may come at once, whatever it becomes; then it is not even read.
    for _ in 0..2 * 16 * 16_384 / (4 * message.len()) {
        assert_eq!(say(&mut driven), (vec![(json!("pong"), json!(1))], 0));
    }
    assert_eq!(say(&mut driven), (vec![(json!("error"), Value::Null)], 0));
    driven.pass(Duration::from_secs(1));
    driven.frames(eve);
    assert_eq!(say(&mut driven), (vec![(json!("pong"), json!(1))], 0), "the rate comes back");
    let closed = (0..20).map(|_| say(&mut driven).1).find(|close| *close != 0);
    assert_eq!(closed, Some(4008));
}

#[test]
fn small_compressed_messages_pay_no_more_than_the_rate_of_messages() {
    let server = compressing();
    let mut peer = Peer::join(&server, "Ann");
    for n in 0..100 {
        peer.say(&json!({"type": "ping", "id": n, "data": {"time": n}}));
        assert_eq!(peer.packet("pong").0["re"], n);
    }
}
