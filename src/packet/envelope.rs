//! Reads what a client sent: first the envelope around a packet, then, when somebody wants it, the packet.
//!
//! Opening is cheap and borrows: it finds the `id`, whose packet it is, and where its fields lie, so that limits and
//! states are checked before anything is decoded. JSON is read by `json`, postcard by `postcard`.

use super::code::Code;
use super::control::{ClientControl, ServerControl};
use super::encoding::{Encoding, Kind};
use super::variant::{Variant, variants};
use super::{json, postcard};
use crate::limits;
use serde::de::DeserializeOwned;
use std::fmt;

/// One client packet, opened and not decoded.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The number that the reply is to carry as `re`.
    pub id: Option<u32>,
    /// Whether the packet is one of [`ClientControl`] or one of the game's.
    pub kind: Kind,
    contents: Contents<'a>,
}

/// Where the packet lies.
#[derive(Clone, Debug)]
enum Contents<'a> {
    Json(json::Contents<'a>),
    /// The enum's number and its fields, to the end of the message.
    Postcard(&'a [u8]),
}

/// Opens one message of a client.
///
/// Fails with `malformed` where the envelope around the packet is wrong; what is inside `data` may turn out to be
/// malformed only when it is decoded. JSON members may stand in any order, `data` may be absent or null, unknown
/// members are skipped, and of members of one name the last counts.
pub fn open(encoding: Encoding, message: &[u8]) -> Result<Envelope<'_>, Unreadable> {
    match encoding {
        Encoding::Json => {
            let (id, contents) = json::open(message)?;
            let kind = kind_of(&contents.name, variants::<ClientControl>());
            Ok(Envelope { id, kind, contents: Contents::Json(contents) })
        }
        Encoding::Postcard => {
            let (id, kind, packet) = postcard::open(message)?;
            Ok(Envelope { id, kind, contents: Contents::Postcard(packet) })
        }
    }
}

/// Opens a message in which a game's packet stands as clients usually write it: JSON with `type` first, `data` last, and
/// nothing but an `id` between them. `None` for any other, or where that would take a closer look.
///
/// It is a promise on condition: **what the envelope says is right if [`Envelope::game`] succeeds**. Where that fails,
/// or before the packet is decoded, nothing may be told on the strength of it: [`open`] tells. In return the fields are
/// gone through once.
pub fn open_usual(encoding: Encoding, message: &[u8]) -> Option<Envelope<'_>> {
    if encoding != Encoding::Json {
        return None;
    }
    let kind = Kind::Game;
    let (id, contents) =
        json::open_usual(message, |name| kind_of(name, variants::<ClientControl>()) == kind)?;
    Some(Envelope { id, kind, contents: Contents::Json(contents) })
}

/// In JSON a packet's name says whose it is: control packets' names are taken.
pub(super) fn kind_of(name: &str, control: &[&str]) -> Kind {
    if control.contains(&name) { Kind::Control } else { Kind::Game }
}

impl Envelope<'_> {
    /// The control packet inside; asked for where [`Envelope::kind`] is [`Kind::Control`].
    pub fn control(&self) -> Result<ClientControl, Unreadable> {
        self.decode(Kind::Control)
    }

    /// The game's packet inside; asked for where [`Envelope::kind`] is [`Kind::Game`].
    ///
    /// Fails with `unknown_type` where `P` has no such variant, with `invalid` where a field is missing or wrong (JSON
    /// fields that `P` does not have are skipped), with `malformed` where the bytes end early or go on after it. A
    /// float out of JSON is always finite; out of postcard it is whatever the client sent.
    pub fn game<P: DeserializeOwned>(&self) -> Result<P, Unreadable> {
        self.decode(Kind::Game)
    }

    /// Which variant of `P` the packet claims to be, without decoding it; `None` where `P` has no such variant. Where
    /// the packet is a control packet, it is `ClientControl`'s whatever `P` is.
    pub fn variant<P: DeserializeOwned>(&self) -> Option<Variant> {
        let names = match self.kind {
            Kind::Control => variants::<ClientControl>(),
            Kind::Game => variants::<P>(),
        };
        let index = match &self.contents {
            Contents::Json(contents) => names.iter().position(|name| *name == contents.name)?,
            Contents::Postcard(packet) => postcard::index(packet).ok()?.0 as usize,
        };
        Some(Variant { index: u32::try_from(index).ok()?, name: names.get(index)? })
    }

    fn decode<P: DeserializeOwned>(&self, kind: Kind) -> Result<P, Unreadable> {
        let decoded = match &self.contents {
            _ if self.kind != kind => Err(Unreadable::unknown_type("no packet of that kind")),
            Contents::Json(contents) => json::decode(contents),
            Contents::Postcard(packet) => postcard::decode_all(packet),
        };
        decoded.map_err(|e| Unreadable { id: self.id, ..e })
    }
}

/// Bytes that are no packet: the peer's fault, told to it as `invalid_message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// [`Code::Malformed`], [`Code::UnknownType`] or [`Code::Invalid`].
    pub code: Code,
    /// What is wrong, for a person; at most [`limits::UNREADABLE_TEXT`] bytes.
    pub message: String,
    /// The field that is missing or wrong, such as `position.x` or `items[2].quantity`; at most
    /// [`limits::UNREADABLE_TEXT`] bytes.
    pub field: Option<String>,
    /// The packet's `id`, where it could be read before the fault.
    pub id: Option<u32>,
}

impl Unreadable {
    pub(super) fn malformed(message: impl fmt::Display) -> Unreadable {
        Unreadable { code: Code::Malformed, message: bounded(message.to_string()), field: None, id: None }
    }

    pub(super) fn unknown_type(message: impl fmt::Display) -> Unreadable {
        Unreadable { code: Code::UnknownType, ..Unreadable::malformed(message) }
    }

    pub(super) fn invalid(message: impl fmt::Display, field: String) -> Unreadable {
        let field = Some(bounded(field)).filter(|field| !field.is_empty());
        Unreadable { code: Code::Invalid, field, ..Unreadable::malformed(message) }
    }
}

impl From<Unreadable> for ServerControl {
    /// What the peer is told.
    fn from(unreadable: Unreadable) -> ServerControl {
        let Unreadable { code, message, field, .. } = unreadable;
        ServerControl::InvalidMessage { code, message, field }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}: {field}: {}", self.code, self.message),
            None => write!(f, "{}: {}", self.code, self.message),
        }
    }
}

impl std::error::Error for Unreadable {}

/// `text`, cut to what a peer is sent back of its own bytes.
fn bounded(mut text: String) -> String {
    let mut end = limits::UNREADABLE_TEXT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
