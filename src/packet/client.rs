//! The other end: writes packets as a client does and reads the batches that a server sends.
//!
//! The client library, the bots, the simulation and the tests stand on it. A batch's head is read at once and costs
//! nothing that grows with the batch; its packets are decoded one by one, by whoever wants them.

use super::batch::{BatchHead, KEYS, end};
use super::control::ServerControl;
use super::encoding::{EncodeError, Encoding, Kind, encode_numbered};
use super::envelope::{Unreadable, kind_of};
use super::variant::{Variant, variants};
use super::{json, postcard};
use ::postcard::take_from_bytes;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::marker::PhantomData;

/// Appends one message of a client to `out`: a control packet or one of the game's. With an `id` the server answers
/// it exactly once.
///
/// After an error `out` is as it was; see [`EncodeError`].
pub fn encode_client<P: Serialize>(
    encoding: Encoding,
    kind: Kind,
    id: Option<u32>,
    packet: &P,
    out: &mut Vec<u8>,
) -> Result<Variant, EncodeError> {
    encode_numbered(encoding, kind, "id", id, packet, out)
}

/// One message of a server, its packets not yet decoded.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// The batch's numbers.
    pub head: BatchHead,
    encoding: Encoding,
    /// Packets not yet read, where the encoding says how many.
    count: Option<u64>,
    /// What stands between [`BatchHead::begin`] and [`end`].
    packets: &'a [u8],
}

/// Reads a batch as far as its packets. Fails with `malformed` where it is none.
pub fn read_batch(encoding: Encoding, message: &[u8]) -> Result<Batch<'_>, Unreadable> {
    match encoding {
        Encoding::Json => read_json_as_written(message).map_or_else(|| read_json(message), Ok),
        Encoding::Postcard => {
            let ((seq, tick, time, count), packets) =
                take_from_bytes::<(u64, u64, u64, u64)>(message).map_err(Unreadable::malformed)?;
            Ok(Batch { head: BatchHead { seq, tick, time }, encoding, count: Some(count), packets })
        }
    }
}

/// Reads what [`BatchHead::begin`] wrote, without looking at the packets. `None`: it may be a batch all the same.
fn read_json_as_written(message: &[u8]) -> Option<Batch<'_>> {
    let (seq, rest) = number(message.strip_prefix(KEYS.0.as_bytes())?)?;
    let (tick, rest) = number(rest.strip_prefix(KEYS.1.as_bytes())?)?;
    let (time, rest) = number(rest.strip_prefix(KEYS.2.as_bytes())?)?;
    let packets = rest.strip_prefix(KEYS.3.as_bytes())?.strip_suffix(end(Encoding::Json))?;
    Some(Batch { head: BatchHead { seq, tick, time }, encoding: Encoding::Json, count: None, packets })
}

/// The decimal number that `text` begins with, and the rest.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// Reads a batch whose members stand in any order.
fn read_json(message: &[u8]) -> Result<Batch<'_>, Unreadable> {
    #[derive(Deserialize)]
    struct Members<'a> {
        seq: u64,
        tick: u64,
        time: u64,
        #[serde(borrow)]
        packets: &'a RawValue,
    }
    let Members { seq, tick, time, packets } =
        serde_json::from_slice(message).map_err(Unreadable::malformed)?;
    let inside = packets.get().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let packets = inside.ok_or_else(|| Unreadable::malformed("`packets` is no array"))?.as_bytes();
    Ok(Batch { head: BatchHead { seq, tick, time }, encoding: Encoding::Json, count: None, packets })
}

impl<'a> Batch<'a> {
    /// The packets in order, decoded as they are asked for; the game's are `Out`.
    ///
    /// The first error is the last item where nobody knows where the next packet begins: in postcard always, in JSON
    /// where the text is no JSON. A JSON packet that is merely unknown or invalid is one `Err` among the others.
    pub fn packets<Out: DeserializeOwned>(&self) -> Packets<'a, Out> {
        Packets {
            encoding: self.encoding,
            count: self.count,
            rest: Some(self.packets),
            first: true,
            out: PhantomData,
        }
    }
}

/// One packet of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet<Out> {
    /// The `id` of the packet that this one answers.
    pub re: Option<u32>,
    /// The packet.
    pub packet: ServerPacket<Out>,
}

/// A server's packet: its own, or its game's.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerPacket<Out> {
    /// One of the server's.
    Control(ServerControl),
    /// One of the game's.
    Game(Out),
}

/// The packets of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Packets<'a, Out> {
    encoding: Encoding,
    count: Option<u64>,
    /// What was not read yet; `None` once nothing more can be.
    rest: Option<&'a [u8]>,
    first: bool,
    out: PhantomData<fn() -> Out>,
}

impl<Out: DeserializeOwned> Iterator for Packets<'_, Out> {
    type Item = Result<Packet<Out>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        match self.encoding {
            Encoding::Json => self.next_json(rest),
            Encoding::Postcard => self.next_postcard(rest),
        }
    }
}

impl<'a, Out: DeserializeOwned> Packets<'a, Out> {
    fn next_json(&mut self, rest: &'a [u8]) -> Option<Result<Packet<Out>, Unreadable>> {
        let rest = rest.trim_ascii_start();
        let rest = match (std::mem::replace(&mut self.first, false), rest) {
            (_, []) => return None,
            (true, rest) | (false, [b',', rest @ ..]) => rest,
            (false, _) => return Some(Err(Unreadable::malformed("packets without a comma between them"))),
        };
        Some(json::open_first(rest).and_then(|(re, contents, used)| {
            self.rest = rest.get(used..);
            let packet = match kind_of(&contents.name, variants::<ServerControl>()) {
                Kind::Control => json::decode(&contents).map(ServerPacket::Control),
                Kind::Game => json::decode(&contents).map(ServerPacket::Game),
            };
            Ok(Packet { re, packet: packet.map_err(|e| Unreadable { id: re, ..e })? })
        }))
    }

    fn next_postcard(&mut self, rest: &'a [u8]) -> Option<Result<Packet<Out>, Unreadable>> {
        let count = self.count.unwrap_or(0);
        if count == 0 {
            return match rest {
                [] => None,
                _ => Some(Err(Unreadable::malformed(format_args!("{} bytes too many", rest.len())))),
            };
        }
        self.count = Some(count - 1);
        Some(postcard::open(rest).and_then(|(re, kind, packet)| {
            let (packet, rest) = match kind {
                Kind::Control => postcard::decode(packet).map(|(p, rest)| (ServerPacket::Control(p), rest)),
                Kind::Game => postcard::decode(packet).map(|(p, rest)| (ServerPacket::Game(p), rest)),
            }
            .map_err(|e| Unreadable { id: re, ..e })?;
            self.rest = Some(rest);
            Ok(Packet { re, packet })
        }))
    }
}
