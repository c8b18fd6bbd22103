//! The two encodings, and the one call that encodes a packet in either.
//!
//! JSON is for people and browsers, postcard for programs: about a third of the bytes. Which one a connection speaks
//! is settled by its WebSocket subprotocol and never changes.

use super::variant::Variant;
use super::{json, postcard};
use serde::Serialize;
use std::fmt;

/// How packets are written on one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text messages.
    #[default]
    Json,
    /// Binary messages.
    Postcard,
}

impl Encoding {
    /// Both, the default first.
    pub const ALL: [Encoding; 2] = [Encoding::Json, Encoding::Postcard];

    /// The name under which a WebSocket handshake chooses it (RFC 6455 section 1.9).
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Encoding::Json => "evertick.v1.json",
            Encoding::Postcard => "evertick.v1.postcard",
        }
    }

    /// The encoding of that name. Subprotocols are compared byte by byte (RFC 6455 section 11.5).
    pub fn from_subprotocol(name: &str) -> Option<Encoding> {
        Encoding::ALL.into_iter().find(|e| e.subprotocol() == name)
    }

    /// Whether messages are text frames; else they are binary.
    pub const fn is_text(self) -> bool {
        matches!(self, Encoding::Json)
    }
}

/// Which of the two enums in use on a connection a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The server's own: 0 in postcard.
    Control,
    /// The game's: 1 in postcard.
    Game,
}

/// Appends one packet from the server to `out`, ready to stand in a batch; `re` is the `id` of the packet that it
/// answers.
///
/// JSON is `{"type":..,"re":..,"data":{..}}` (`re` only where there is one), postcard
/// `{re: Option<u32>, body: 0 | 1, packet}`. Says which variant it was. After an error, which is a mistake in the
/// packet's type and not in its values, `out` is as it was.
pub fn encode<P: Serialize>(
    encoding: Encoding,
    kind: Kind,
    re: Option<u32>,
    packet: &P,
    out: &mut Vec<u8>,
) -> Result<Variant, EncodeError> {
    encode_numbered(encoding, kind, "re", re, packet, out)
}

/// [`encode`] under either name of the number: servers write `re`, clients `id`.
pub(super) fn encode_numbered<P: Serialize>(
    encoding: Encoding,
    kind: Kind,
    key: &str,
    number: Option<u32>,
    packet: &P,
    out: &mut Vec<u8>,
) -> Result<Variant, EncodeError> {
    let start = out.len();
    let encoded = match encoding {
        Encoding::Json => json::encode(key, number, packet, out),
        Encoding::Postcard => postcard::encode(kind, number, packet, out),
    };
    encoded.inspect_err(|_| out.truncate(start))
}

/// A packet's type cannot be encoded: it is no enum, or holds what the encoding cannot carry. A mistake of whoever
/// wrote the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError(pub(super) String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a packet cannot be encoded: {}", self.0)
    }
}

impl std::error::Error for EncodeError {}
