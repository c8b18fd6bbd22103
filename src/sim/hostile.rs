//! What nobody should send: bytes that are no request, no frame or no packet.

use super::reader::opening;
use crate::packet::Encoding;
use crate::random::Random;
use crate::websocket::{Header, OpCode, encode_masked, unmask};

/// Something that is no lawful use of HTTP, or is one of its odder ones.
pub(super) fn request(chance: &mut Random) -> Vec<u8> {
    const ODD: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
        b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"POST /api/status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: \r\n folded\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n",
    ];
    match chance.below(6) {
        0 => noise(chance, 400),
        1 => mutated(opening(Encoding::Json), chance),
        2 => {
            let mut head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Pad: ".to_vec();
            head.resize(head.len() + 200 + chance.below(9000) as usize, b'x');
            head
        }
        3 => b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1 + chance.below(60) as usize),
        _ => ODD[chance.below(ODD.len() as u64) as usize].to_vec(),
    }
}

/// Something that is no frame, or no message that a client may send; `packet` is a message that it may.
pub(super) fn frames(encoding: Encoding, packet: &[u8], chance: &mut Random) -> Vec<u8> {
    let kind = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
    let other = if encoding.is_text() { OpCode::Binary } else { OpCode::Text };
    let mut out = Vec::new();
    match chance.below(14) {
        0 => out = noise(chance, 200),
        1..=3 => frame(kind, &mutated(packet.to_vec(), chance), chance, &mut out),
        4 => {
            let end = chance.below(packet.len() as u64 + 1) as usize;
            frame(kind, &packet[..end], chance, &mut out);
        }
        5 => frame(kind, &noise(chance, 300), chance, &mut out),
        // 64 MiB announced in fourteen bytes.
        6 => out.extend_from_slice(Header::new(kind, true, 64 << 20, Some([7; 4])).as_slice()),
        7 => out.extend_from_slice(&[0x81, 0x02, b'h', b'i']),
        8 => frame(other, packet, chance, &mut out),
        9 => frame(OpCode::Text, b"\xed\xa0\x80", chance, &mut out),
        10 => out.extend_from_slice(Header::new(OpCode::Continuation, true, 0, Some([1; 4])).as_slice()),
        11 => out.extend_from_slice(Header::new(OpCode::Ping, false, 0, Some([1; 4])).as_slice()),
        12 => frame(OpCode::Close, &[3, chance.below(256) as u8], chance, &mut out),
        _ => {
            let mut whole = Vec::new();
            frame(kind, packet, chance, &mut whole);
            out = mutated(whole, chance);
        }
    }
    out
}

/// One whole frame under a fresh mask.
pub(super) fn frame(opcode: OpCode, payload: &[u8], chance: &mut Random, out: &mut Vec<u8>) {
    encode_masked(out, opcode, payload, mask(chance));
}

/// A message in up to three frames, with a ping between them: lawful, and seldom seen.
pub(super) fn fragments(opcode: OpCode, payload: &[u8], chance: &mut Random, out: &mut Vec<u8>) {
    let first = chance.below(payload.len() as u64 + 1) as usize;
    let second = first + chance.below((payload.len() - first) as u64 + 1) as usize;
    let parts = [(opcode, &payload[..first]), (OpCode::Continuation, &payload[first..second])];
    for (opcode, part) in parts {
        fragment(opcode, false, part, chance, out);
        frame(OpCode::Ping, b"between", chance, out);
    }
    fragment(OpCode::Continuation, true, &payload[second..], chance, out);
}

fn fragment(opcode: OpCode, fin: bool, part: &[u8], chance: &mut Random, out: &mut Vec<u8>) {
    let mask = mask(chance);
    out.extend_from_slice(Header::new(opcode, fin, part.len(), Some(mask)).as_slice());
    let start = out.len();
    out.extend_from_slice(part);
    unmask(&mut out[start..], mask, 0);
}

fn mask(chance: &mut Random) -> [u8; 4] {
    (chance.bits() as u32).to_le_bytes()
}

/// Up to `most` random bytes, at least one.
fn noise(chance: &mut Random, most: u64) -> Vec<u8> {
    (0..=chance.below(most)).map(|_| chance.bits() as u8).collect()
}

/// The same with a few bytes changed, put in or left out.
fn mutated(mut bytes: Vec<u8>, chance: &mut Random) -> Vec<u8> {
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len() as u64) as usize;
        match chance.below(4) {
            0 if !bytes.is_empty() => drop(bytes.remove(at)),
            1 => bytes.insert(at, chance.bits() as u8),
            _ if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
            _ => {}
        }
    }
    bytes
}
