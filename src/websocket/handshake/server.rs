//! The server's side: what a client offers, and the answer that accepts it (RFC 6455 section 4.2).

use super::{Extension, KEY_BYTES, KEY_CHARACTERS, accept_of, elements, is_token, lists, read_extensions};
use crate::websocket::deflate::{self, Agreed};
use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use std::fmt;

/// Reads a client's key. The four bits that 16 bytes leave over in 24 characters may be anything: it is a nonce.
const KEY_DECODER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether a request asks for a WebSocket at all: an `Upgrade` field names it. A request that does is answered by
/// [`Offer::read`]'s result, one that does not is ordinary HTTP.
pub fn is_upgrade<'h>(mut headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> bool {
    headers.any(|(name, value)| name.eq_ignore_ascii_case("upgrade") && lists(value, "websocket"))
}

/// A lawful opening handshake of a client, lending from the request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer<'h> {
    key: &'h [u8],
    subprotocols: Vec<&'h str>,
    extensions: Vec<Extension>,
    origin: Option<&'h str>,
}

impl<'h> Offer<'h> {
    /// Reads the handshake from a request's method, whether its version is HTTP/1.1, and its header fields in order.
    /// Names are compared without regard to case.
    ///
    /// # Errors
    /// The first rule of section 4.2.1 that the request breaks, with the status of its answer.
    pub fn read(
        method: &str,
        version_is_1_1: bool,
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Offer<'h>, HandshakeError> {
        // "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1" (section 4.1, item 2).
        if method != "GET" {
            return Err(HandshakeError::Method);
        }
        if !version_is_1_1 {
            return Err(HandshakeError::HttpVersion);
        }
        let mut fields = Fields::default();
        for (name, value) in headers {
            fields.take(name, value)?;
        }
        fields.check()
    }

    /// The subprotocols that the client speaks, the one it likes best first.
    pub fn subprotocols(&self) -> &[&'h str] {
        &self.subprotocols
    }

    /// Where the page comes from that opened the connection; `None` where a program did.
    pub fn origin(&self) -> Option<&'h str> {
        self.origin
    }

    /// The extensions that the client offers, the one it likes best first.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// What this side can agree to of the client's offers of permessage-deflate: the first that it can accept. A client
    /// that can be asked to is asked to use an LZ77 window of at most 2 to the power of `client_window_bits` bytes, 8 to 15.
    /// `None` where there is no such offer, or no compression in this build.
    pub fn deflate(&self, client_window_bits: u8) -> Option<Deflate> {
        let (agreed, element) = deflate::accept(&self.extensions, client_window_bits)?;
        deflate::AVAILABLE.then_some(Deflate { agreed, element })
    }

    /// Appends the head of the 101 answer. `subprotocol` is one that the client offered, or `None`: then the answer has
    /// no such field, which a client that needs one takes for a refusal.
    pub fn accept(&self, subprotocol: Option<&str>, out: &mut Vec<u8>) {
        self.accept_deflate(subprotocol, None, out);
    }

    /// The same, and accepts what [`Offer::deflate`] has found.
    pub fn accept_deflate(&self, subprotocol: Option<&str>, deflate: Option<&Deflate>, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(&accept_of(self.key));
        if let Some(name) = subprotocol {
            // "... derived from the client's handshake, specifically by selecting one of the values" (section 4.2.2).
            debug_assert!(self.subprotocols.contains(&name), "{name} was not offered");
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(name.as_bytes());
        }
        if let Some(deflate) = deflate {
            out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
            out.extend_from_slice(deflate.element.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// An offer of permessage-deflate that this side can accept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deflate {
    agreed: Agreed,
    /// What the answer says.
    element: String,
}

impl Deflate {
    /// What holds for the connection once the answer with it was sent.
    pub fn agreed(&self) -> Agreed {
        self.agreed
    }
}

/// The fields of a request that the handshake is made of, as far as they have been read.
#[derive(Default)]
struct Fields<'h> {
    upgrade: bool,
    connection: bool,
    host: bool,
    version: Option<&'h [u8]>,
    key: Option<&'h [u8]>,
    origin: Option<&'h [u8]>,
    subprotocols: Vec<&'h str>,
    extensions: Vec<Extension>,
}

impl<'h> Fields<'h> {
    fn take(&mut self, name: &str, value: &'h [u8]) -> Result<(), HandshakeError> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("upgrade") {
            self.upgrade |= lists(value, "websocket");
        } else if is("connection") {
            self.connection |= lists(value, "upgrade");
        } else if is("host") {
            self.host = true;
        } else if is("origin") {
            once(&mut self.origin, value, "Origin")?;
        } else if is("sec-websocket-version") {
            // "MUST NOT appear more than once in an HTTP request" (section 11.3.5; for the key, 11.3.1).
            once(&mut self.version, value, "Sec-WebSocket-Version")?;
        } else if is("sec-websocket-key") {
            once(&mut self.key, value, "Sec-WebSocket-Key")?;
        } else if is("sec-websocket-protocol") {
            // "MAY appear multiple times in an HTTP request (which is logically the same as a single
            // |Sec-WebSocket-Protocol| header field that contains all values)" (section 11.3.4).
            for element in elements(value) {
                self.subprotocols.push(subprotocol(element)?);
            }
        } else if is("sec-websocket-extensions") {
            // The same holds for these (section 9.1).
            self.extensions.extend(read_extensions(value).map_err(|_| HandshakeError::Extensions)?);
        }
        Ok(())
    }

    /// The rules of section 4.2.1 over all of the fields.
    fn check(self) -> Result<Offer<'h>, HandshakeError> {
        // "An |Upgrade| header field containing the value "websocket"" (item 3).
        if !self.upgrade {
            return Err(HandshakeError::NotAnUpgrade);
        }
        // "A |Connection| header field that includes the token "Upgrade"" (item 4).
        if !self.connection {
            return Err(HandshakeError::Connection);
        }
        // "A |Host| header field containing the server's authority" (item 2).
        if !self.host {
            return Err(HandshakeError::Host);
        }
        // "A |Sec-WebSocket-Version| header field, with a value of 13" (item 6).
        if self.version.map(<[u8]>::trim_ascii) != Some(b"13") {
            return Err(HandshakeError::Version);
        }
        let key = self.key.map(<[u8]>::trim_ascii).filter(|key| is_key(key)).ok_or(HandshakeError::Key)?;
        let origin = self.origin.map(origin).transpose()?;
        Ok(Offer { key, subprotocols: self.subprotocols, extensions: self.extensions, origin })
    }
}

/// Keeps the value of a field that must not come twice.
fn once<'h>(field: &mut Option<&'h [u8]>, value: &'h [u8], name: &'static str) -> Result<(), HandshakeError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(HandshakeError::Repeated(name)),
    }
}

/// "a base64-encoded ... value that, when decoded, is 16 bytes in length" (section 4.2.1, item 5).
fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; KEY_BYTES + 2]; // the decoder asks for room for 24 whole characters
    key.len() == KEY_CHARACTERS && KEY_DECODER.decode_slice(key, &mut nonce) == Ok(KEY_BYTES)
}

/// "The elements that comprise this value MUST be non-empty strings with characters in the range U+0021 to U+007E not
/// including separator characters" (section 4.1, item 10).
fn subprotocol(element: &[u8]) -> Result<&str, HandshakeError> {
    std::str::from_utf8(element).ok().filter(|_| is_token(element)).ok_or(HandshakeError::Subprotocol)
}

/// An origin is visible ASCII (RFC 6454 section 7).
fn origin(value: &[u8]) -> Result<&str, HandshakeError> {
    let visible =
        |value: &&str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    std::str::from_utf8(value.trim_ascii()).ok().filter(visible).ok_or(HandshakeError::Origin)
}

/// What is wrong with a client's handshake; the client's fault, every one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The method is not GET.
    Method,
    /// The version is below HTTP/1.1.
    HttpVersion,
    /// No `Upgrade` field names `websocket`.
    NotAnUpgrade,
    /// No `Connection` field has the token `upgrade`.
    Connection,
    /// There is no `Host` field.
    Host,
    /// `Sec-WebSocket-Version` is missing or is not 13.
    Version,
    /// `Sec-WebSocket-Key` is missing or is not 16 bytes in base64.
    Key,
    /// A subprotocol's name is not a token.
    Subprotocol,
    /// `Sec-WebSocket-Extensions` is not a list of extensions (section 9.1).
    Extensions,
    /// `Origin` is not visible ASCII.
    Origin,
    /// This field came twice and must not.
    Repeated(&'static str),
}

impl HandshakeError {
    /// The status of the HTTP answer: 400, 405 or 426.
    pub const fn status(self) -> u16 {
        match self {
            HandshakeError::Method => 405,
            HandshakeError::NotAnUpgrade | HandshakeError::Version => 426,
            HandshakeError::HttpVersion
            | HandshakeError::Connection
            | HandshakeError::Host
            | HandshakeError::Key
            | HandshakeError::Subprotocol
            | HandshakeError::Extensions
            | HandshakeError::Origin
            | HandshakeError::Repeated(_) => 400,
        }
    }

    /// The header fields that the answer needs beside the usual ones.
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self.status() {
            // RFC 9110 section 15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
            405 => &[("Allow", "GET")],
            // RFC 9110 section 15.5.22: "The server MUST send an Upgrade header field in a 426 response"; RFC 6455
            // section 4.4: with "a |Sec-WebSocket-Version| header field indicating the version(s) the server is
            // capable of understanding". Upgrade is hop-by-hop, so Connection names it (RFC 9110 section 7.8).
            426 => &[("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")],
            _ => &[],
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandshakeError::Method => "a WebSocket is opened by GET",
            HandshakeError::HttpVersion => "a WebSocket is opened by HTTP/1.1",
            HandshakeError::NotAnUpgrade => "there is only a WebSocket here: Upgrade: websocket is missing",
            HandshakeError::Connection => "Connection: Upgrade is missing",
            HandshakeError::Host => "Host is missing",
            HandshakeError::Version => "Sec-WebSocket-Version has to be 13",
            HandshakeError::Key => "Sec-WebSocket-Key has to be 16 bytes in base64",
            HandshakeError::Subprotocol => "the name of a subprotocol is not a token",
            HandshakeError::Extensions => "Sec-WebSocket-Extensions is not a list of extensions",
            HandshakeError::Origin => "Origin is not visible ASCII",
            HandshakeError::Repeated(name) => return write!(f, "{name} came twice"),
        })
    }
}

impl std::error::Error for HandshakeError {}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWFUL: [(&str, &str); 5] = [
        ("Host", "example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];

    fn fields<'h>(list: &'h [(&'h str, &'h str)]) -> impl Iterator<Item = (&'h str, &'h [u8])> {
        list.iter().map(|(name, value)| (*name, value.as_bytes()))
    }

    /// The lawful request with `changed` in place of the fields of those names, or behind them.
    fn with<'a>(changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let kept = |(name, _): &(&str, &str)| changed.iter().all(|(other, _)| other != name);
        LAWFUL.into_iter().filter(kept).chain(changed.iter().copied()).collect()
    }

    fn error(changed: &[(&str, &str)]) -> Option<HandshakeError> {
        Offer::read("GET", true, fields(&with(changed))).err()
    }

    #[test]
    fn the_answer_of_section_1_3() {
        let offer = Offer::read("GET", true, fields(&LAWFUL)).expect("it is lawful");
        let mut out = Vec::new();
        offer.accept(None, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }

    #[test]
    fn names_and_tokens_ignore_case_and_lists_may_be_long() {
        let list = [
            ("hOST", "example.com"),
            ("UPGRADE", "h2c, WebSocket"),
            ("connection", "keep-alive, UPGRADE"),
            ("sec-websocket-key", " dGhlIHNhbXBsZSBub25jZQ== "),
            ("sec-websocket-VERSION", "13"),
            ("Sec-WebSocket-Protocol", "chat, , superchat"),
            ("Sec-WebSocket-Protocol", "evertick.v1.json"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x-other"),
            ("SEC-WEBSOCKET-EXTENSIONS", "permessage-deflate"),
            ("Origin", "https://example.com"),
        ];
        let offer = Offer::read("GET", true, fields(&list)).expect("it is lawful");
        assert_eq!(offer.subprotocols(), ["chat", "superchat", "evertick.v1.json"]);
        let names: Vec<_> = offer.extensions().iter().map(|extension| extension.name.as_str()).collect();
        assert_eq!(names, ["permessage-deflate", "x-other", "permessage-deflate"]);
        assert_eq!(offer.origin(), Some("https://example.com"));
        let mut out = Vec::new();
        offer.accept(Some("superchat"), &mut out);
        assert!(out.ends_with(b"\r\nSec-WebSocket-Protocol: superchat\r\n\r\n"));
    }

    #[test]
    fn each_rule_has_its_error() {
        assert_eq!(error(&[]), None);
        for (name, missing) in [
            ("Host", HandshakeError::Host),
            ("Upgrade", HandshakeError::NotAnUpgrade),
            ("Connection", HandshakeError::Connection),
            ("Sec-WebSocket-Key", HandshakeError::Key),
            ("Sec-WebSocket-Version", HandshakeError::Version),
        ] {
            let list: Vec<_> = LAWFUL.into_iter().filter(|field| field.0 != name).collect();
            assert_eq!(Offer::read("GET", true, fields(&list)), Err(missing), "without {name}");
        }
        assert_eq!(Offer::read("POST", true, fields(&LAWFUL)), Err(HandshakeError::Method));
        assert_eq!(
            Offer::read("get", true, fields(&LAWFUL)),
            Err(HandshakeError::Method),
            "methods have case"
        );
        assert_eq!(Offer::read("GET", false, fields(&LAWFUL)), Err(HandshakeError::HttpVersion));
        assert_eq!(error(&[("Upgrade", "h2c")]), Some(HandshakeError::NotAnUpgrade));
        assert_eq!(error(&[("Connection", "close")]), Some(HandshakeError::Connection));
        for version in ["8", "0", "", "13, 8", "013", "+13"] {
            assert_eq!(
                error(&[("Sec-WebSocket-Version", version)]),
                Some(HandshakeError::Version),
                "{version}"
            );
        }
        assert_eq!(error(&[("Sec-WebSocket-Protocol", "a b")]), Some(HandshakeError::Subprotocol));
        assert_eq!(error(&[("Origin", "é")]), Some(HandshakeError::Origin));
        for field in ["permessage-deflate;", "a b", "permessage-deflate; server_max_window_bits=\"8"] {
            assert_eq!(error(&[("Sec-WebSocket-Extensions", field)]), Some(HandshakeError::Extensions));
        }
    }

    #[test]
    fn compression_is_answered_where_it_is_offered_and_wanted() {
        let answer = |field| {
            let list = with(&[("Sec-WebSocket-Extensions", field)]);
            let offer = Offer::read("GET", true, fields(&list)).expect("it is lawful");
            let deflate = offer.deflate(12);
            let mut out = Vec::new();
            offer.accept_deflate(None, deflate.as_ref(), &mut out);
            String::from_utf8(out).expect("an answer is text")
        };
        assert!(!answer("permessage-deflate; unknown").contains("xtensions"));
        assert!(!answer("").contains("xtensions"));
        let ours = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                    client_no_context_takeover; client_max_window_bits=12\r\n\r\n";
        assert_eq!(
            answer("permessage-deflate; client_max_window_bits").ends_with(ours),
            deflate::AVAILABLE,
            "a build without it declines"
        );
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        for (key, lawful) in [
            ("AAAAAAAAAAAAAAAAAAAAAA==", true),
            ("AAAAAAAAAAAAAAAAAAAAAB==", true),  // bits left over
            ("AAAAAAAAAAAAAAAAAAAAAAA=", false), // 17 bytes
            ("AAAAAAAAAAAAAAAAAAAAAAAA", false), // 18 bytes
            ("AAAAAAAAAAAAAAAAAAAA", false),     // 15 bytes
            ("AAAAAAAAAAAAAAAAAAAAAA", false),   // no padding
            ("AAAAAAAAAAAAAAAAAAAA A==", false),
            ("AAAAAAAAAAAAAAAAAAAA-A==", false),
            ("", false),
        ] {
            let want = (!lawful).then_some(HandshakeError::Key);
            assert_eq!(error(&[("Sec-WebSocket-Key", key)]), want, "{key}");
        }
    }

    #[test]
    fn what_must_not_come_twice() {
        for name in ["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin"] {
            let twice = [(name, "x"), (name, "x")];
            assert_eq!(error(&twice), Some(HandshakeError::Repeated(name)));
        }
    }

    #[test]
    fn statuses_and_their_fields() {
        assert_eq!(HandshakeError::Method.status(), 405);
        assert_eq!(HandshakeError::Method.headers(), [("Allow", "GET")]);
        for error in [HandshakeError::Version, HandshakeError::NotAnUpgrade] {
            assert_eq!(error.status(), 426);
            assert!(error.headers().contains(&("Sec-WebSocket-Version", "13")));
            assert!(error.headers().contains(&("Upgrade", "websocket")));
        }
        assert_eq!((HandshakeError::Key.status(), HandshakeError::Key.headers()), (400, &[][..]));
    }

    #[test]
    fn an_upgrade_attempt_is_told_from_ordinary_http() {
        assert!(is_upgrade(fields(&[("upgrade", "WebSocket")])));
        assert!(is_upgrade(fields(&[("Host", "a"), ("Upgrade", "h2c, websocket")])));
        assert!(!is_upgrade(fields(&[("Upgrade", "h2c"), ("Connection", "upgrade")])));
        assert!(!is_upgrade(fields(&[])));
    }
}
