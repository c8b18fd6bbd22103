//! Postcard: the number, whose enum it is, then the packet as the crate `postcard` writes it.

use super::encoding::{EncodeError, Kind};
use super::envelope::Unreadable;
use super::strict::{Strict, Trace};
use super::variant::{Variant, variant_of, variants};
use ::postcard::ser_flavors::Flavor;
use ::postcard::{Error, take_from_bytes};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads an envelope: its `id`, whose packet it is, and the bytes from the packet's number on.
pub(super) fn open(message: &[u8]) -> Result<(Option<u32>, Kind, &[u8]), Unreadable> {
    let (number, rest) = take_from_bytes::<Option<u32>>(message).map_err(Unreadable::malformed)?;
    let fail = |fault: Unreadable| Unreadable { id: number, ..fault };
    let (body, packet) = take_from_bytes::<u32>(rest).map_err(|e| fail(Unreadable::malformed(e)))?;
    match body {
        0 => Ok((number, Kind::Control, packet)),
        1 => Ok((number, Kind::Game, packet)),
        _ => Err(fail(Unreadable::malformed("`body` is neither 0 (control) nor 1 (game)"))),
    }
}

/// Reads the number of a packet's variant.
pub(super) fn index(packet: &[u8]) -> Result<(u32, &[u8]), Unreadable> {
    take_from_bytes(packet).map_err(Unreadable::malformed)
}

/// Decodes a packet that must end where `packet` does.
pub(super) fn decode_all<P: DeserializeOwned>(packet: &[u8]) -> Result<P, Unreadable> {
    match decode(packet)? {
        (packet, []) => Ok(packet),
        (_, rest) => Err(Unreadable::malformed(format_args!("{} bytes too many", rest.len()))),
    }
}

/// Decodes the packet that `bytes` begin with, and says what comes after it.
pub(super) fn decode<P: DeserializeOwned>(bytes: &[u8]) -> Result<(P, &[u8]), Unreadable> {
    let (index, _) = index(bytes)?;
    if index as usize >= variants::<P>().len() {
        return Err(Unreadable::unknown_type(format_args!("no packet of number {index}")));
    }
    let trace = Trace::new();
    let mut reader = ::postcard::Deserializer::from_bytes(bytes);
    let packet = P::deserialize(Strict::binary(&mut reader, &trace)).map_err(|e| unreadable(e, &trace))?;
    Ok((packet, reader.finalize().map_err(Unreadable::malformed)?))
}

/// Whether the bytes are no postcard, or are and say something that a field cannot hold.
fn unreadable(fault: Error, trace: &Trace<'_>) -> Unreadable {
    match fault {
        Error::DeserializeUnexpectedEnd | Error::DeserializeBadVarint => Unreadable::malformed(fault),
        _ => Unreadable::invalid(
            trace.refusal().unwrap_or("a value that the field cannot hold"),
            trace.field(""),
        ),
    }
}

/// Appends the number, the kind and the packet.
pub(super) fn encode<P: Serialize>(
    kind: Kind,
    number: Option<u32>,
    packet: &P,
    out: &mut Vec<u8>,
) -> Result<Variant, EncodeError> {
    let variant = variant_of(packet).ok_or_else(|| EncodeError(String::from("it is no enum")))?;
    let body = match kind {
        Kind::Control => 0u32,
        Kind::Game => 1,
    };
    ::postcard::serialize_with_flavor(&(number, body, packet), Append(out))
        .map_err(|e| EncodeError(e.to_string()))?;
    Ok(variant)
}

/// Writes to the end of a buffer that is used again.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> ::postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> ::postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> ::postcard::Result<()> {
        Ok(())
    }
}
