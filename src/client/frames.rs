//! Packets as masked frames: what a client writes.

use super::connection::ToServer;
use super::error::SendError;
use crate::packet::{Encoding, Kind, Variant, encode_client};
use crate::random::Secrets;
use crate::websocket::{CloseCode, Header, OpCode, encode_masked, unmask};
use serde::Serialize;

/// Bytes of a masked frame's header in front of up to 125 bytes.
pub(super) const SHORT_HEADER: usize = Header::size(0, true);

/// Appends a packet, with room for a short header before it: it is encoded where it will stand in its frame, and most are
/// short. Which of its type's variants it is.
pub(super) fn encode<In: Serialize>(
    encoding: Encoding,
    id: Option<u32>,
    packet: &ToServer<'_, In>,
    out: &mut Vec<u8>,
) -> Result<Variant, SendError> {
    let start = out.len();
    out.resize(start + SHORT_HEADER, 0);
    let encoded = match packet {
        ToServer::Control(packet) => encode_client(encoding, Kind::Control, id, packet, out),
        ToServer::Game(packet) => encode_client(encoding, Kind::Game, id, packet, out),
    };
    encoded.map_err(|error| {
        out.truncate(start);
        SendError::Encode(error)
    })
}

/// Makes what [`encode`] appended at `start` a frame.
pub(super) fn frame(encoding: Encoding, start: usize, secrets: &mut Secrets, out: &mut Vec<u8>) {
    let (payload, end) = (start + SHORT_HEADER, out.len());
    let mask = secrets.mask();
    unmask(&mut out[payload..], mask, 0);
    let header = Header::new(opcode(encoding), true, end - payload, Some(mask));
    let longer = header.len() - SHORT_HEADER;
    if longer > 0 {
        out.resize(end + longer, 0);
        out.copy_within(payload..end, payload + longer);
    }
    out[start..payload + longer].copy_from_slice(header.as_slice());
}

/// The kind of frame that messages come in.
pub(super) fn opcode(encoding: Encoding) -> OpCode {
    if encoding.is_text() { OpCode::Text } else { OpCode::Binary }
}

/// RFC 6455 section 5.5.1: "the endpoint typically echos the status code it received"; with none received the body is
/// empty.
pub(super) fn write_close(code: Option<CloseCode>, mask: [u8; 4], out: &mut Vec<u8>) {
    match code {
        Some(code) => encode_masked(out, OpCode::Close, &code.get().to_be_bytes(), mask),
        None => encode_masked(out, OpCode::Close, &[], mask),
    }
}
