//! The client's side: the request, and what the server answers (RFC 6455 section 4.1).

use super::{KEY_BYTES, KEY_CHARACTERS, accept_of, is_token, lists, read_extensions};
use crate::limits::{HTTP_HEAD, HTTP_HEADERS};
use crate::websocket::deflate::{self, Agreed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// A client's opening handshake. It is kept until the answer has been read, which is checked against it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    host: &'a str,
    path: &'a str,
    key: [u8; KEY_CHARACTERS],
    subprotocols: &'a [&'a str],
    origin: Option<&'a str>,
    deflate: bool,
}

impl<'a> Request<'a> {
    /// A handshake with `host` (with its port where that is not the scheme's own) for `path` (with its query), in the
    /// client's order of preference among `subprotocols`. `nonce` is random and fresh for each connection.
    ///
    /// # Errors
    /// Something that would not stay within its place in an HTTP request, such as a line break.
    pub fn new(
        host: &'a str,
        path: &'a str,
        nonce: [u8; KEY_BYTES],
        subprotocols: &'a [&'a str],
        origin: Option<&'a str>,
    ) -> Result<Request<'a>, InvalidRequest> {
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible(host) {
            return Err(InvalidRequest::Host);
        }
        if !visible(path) || !path.starts_with('/') {
            return Err(InvalidRequest::Path);
        }
        // "MUST all be unique strings" (section 4.1, item 10).
        let unique = |i: usize| !subprotocols[..i].contains(&subprotocols[i]);
        if !(0..subprotocols.len()).all(|i| is_token(subprotocols[i].as_bytes()) && unique(i)) {
            return Err(InvalidRequest::Subprotocols);
        }
        if !origin.is_none_or(visible) {
            return Err(InvalidRequest::Origin);
        }
        let mut key = [0; KEY_CHARACTERS];
        STANDARD.encode_slice(nonce, &mut key).expect("16 bytes are 24 characters of base64");
        Ok(Request { host, path, key, subprotocols, origin, deflate: false })
    }

    /// The same, and offers compressed messages, where this build has them.
    #[must_use]
    pub fn offering_deflate(mut self) -> Request<'a> {
        self.deflate = deflate::AVAILABLE;
        self
    }

    /// Appends the request.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut line = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        line(&[b"GET ", self.path.as_bytes(), b" HTTP/1.1\r\nHost: ", self.host.as_bytes()]);
        line(&[b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"]);
        line(&[b"\r\nSec-WebSocket-Key: ", &self.key]);
        if let Some(origin) = self.origin {
            line(&[b"\r\nOrigin: ", origin.as_bytes()]);
        }
        for (i, name) in self.subprotocols.iter().enumerate() {
            let before: &[u8] = if i == 0 { b"\r\nSec-WebSocket-Protocol: " } else { b", " };
            line(&[before, name.as_bytes()]);
        }
        if self.deflate {
            line(&[b"\r\nSec-WebSocket-Extensions: ", deflate::offer().as_bytes()]);
        }
        line(&[b"\r\n\r\n"]);
    }

    /// Reads the answer from all bytes received so far; `None` while its head is incomplete. Bytes behind
    /// [`Accepted::head_len`] are the server's first frames.
    ///
    /// # Errors
    /// The server refuses, or breaks a rule of section 4.1. Either way the connection is of no more use.
    pub fn read_response(&self, received: &[u8]) -> Result<Option<Accepted<'a>>, ResponseError> {
        let mut fields = [httparse::EMPTY_HEADER; HTTP_HEADERS];
        let mut response = httparse::Response::new(&mut fields);
        let head_len = match response.parse(received) {
            Ok(httparse::Status::Complete(len)) if len <= HTTP_HEAD => len,
            Ok(httparse::Status::Partial) if received.len() < HTTP_HEAD => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(ResponseError::TooLarge),
            Err(_) => return Err(ResponseError::NotHttp),
        };
        // "If the status code received from the server is not 101, the client handles the response per HTTP" (item 1).
        match response.code {
            Some(101) => {}
            Some(status) => return Err(ResponseError::Refused { status, head_len }),
            None => return Err(ResponseError::NotHttp),
        }
        let deflate = self.check(response.headers)?;
        let subprotocol = self.subprotocol(response.headers)?;
        Ok(Some(Accepted { head_len, subprotocol, deflate }))
    }

    /// Items 2 to 5 of what a client has to check; returns what was agreed on about compression.
    fn check(&self, fields: &[httparse::Header<'_>]) -> Result<Option<Agreed>, ResponseError> {
        let values = |name| values(fields, name);
        if !values("upgrade").any(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(ResponseError::Upgrade);
        }
        if !values("connection").any(|value| lists(value, "upgrade")) {
            return Err(ResponseError::Connection);
        }
        let mut accepts = values("sec-websocket-accept").map(<[u8]>::trim_ascii);
        if accepts.next() != Some(&accept_of(&self.key)[..]) || accepts.next().is_some() {
            return Err(ResponseError::Accept);
        }
        let mut extensions = Vec::new();
        for value in values("sec-websocket-extensions") {
            extensions.extend(read_extensions(value).map_err(|_| ResponseError::Extension)?);
        }
        // "indicates the use of an extension that was not present in the client's handshake".
        match deflate::agree(&extensions) {
            Ok(agreed) if agreed.is_none() || self.deflate => Ok(agreed),
            _ => Err(ResponseError::Extension),
        }
    }

    /// Item 6; returns the subprotocol.
    fn subprotocol(&self, fields: &[httparse::Header<'_>]) -> Result<Option<&'a str>, ResponseError> {
        // "indicates the use of a subprotocol that was not present in the client's handshake".
        let mut chosen = values(fields, "sec-websocket-protocol");
        let Some(name) = chosen.next() else {
            return Ok(None);
        };
        let offered = self.subprotocols.iter().find(|offered| offered.as_bytes() == name.trim_ascii());
        match (offered, chosen.next()) {
            (Some(name), None) => Ok(Some(name)),
            _ => Err(ResponseError::Subprotocol),
        }
    }
}

/// The values of the fields of that name.
fn values<'f>(fields: &[httparse::Header<'f>], name: &'static str) -> impl Iterator<Item = &'f [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// A server accepted the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted<'a> {
    /// Bytes of the answer's head; what is behind them are frames.
    pub head_len: usize,
    /// The subprotocol that the server chose among those offered; `None` where it chose none.
    pub subprotocol: Option<&'a str>,
    /// What holds for compressed messages, where they were offered and the server agreed.
    pub deflate: Option<Agreed>,
}

/// A handshake that cannot be written as HTTP; our own side's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The host is empty or not visible ASCII.
    Host,
    /// The path does not begin with `/` or is not visible ASCII.
    Path,
    /// A subprotocol is not a token, or comes twice.
    Subprotocols,
    /// The origin is empty or not visible ASCII.
    Origin,
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InvalidRequest::Host => "the host is empty or not visible ASCII",
            InvalidRequest::Path => "the path does not begin with / or is not visible ASCII",
            InvalidRequest::Subprotocols => "a subprotocol is not a token or comes twice",
            InvalidRequest::Origin => "the origin is empty or not visible ASCII",
        })
    }
}

impl std::error::Error for InvalidRequest {}

/// Why a server's answer opens no WebSocket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ResponseError {
    /// The answer is not HTTP/1.
    NotHttp,
    /// Its head is larger than [`HTTP_HEAD`] or has more than [`HTTP_HEADERS`] fields.
    TooLarge,
    /// The server answers by HTTP instead: its status, and where the body begins that may say why.
    Refused {
        /// The HTTP status, anything but 101.
        status: u16,
        /// Bytes of the answer's head.
        head_len: usize,
    },
    /// `Upgrade: websocket` is missing.
    Upgrade,
    /// `Connection: Upgrade` is missing.
    Connection,
    /// `Sec-WebSocket-Accept` does not prove that the server read the key.
    Accept,
    /// The server uses an extension, or one in a way, that was not offered.
    Extension,
    /// The server chose a subprotocol that was not offered, or several.
    Subprotocol,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResponseError::NotHttp => "the answer is not HTTP",
            ResponseError::TooLarge => "the head of the answer is too large",
            ResponseError::Refused { status, .. } => {
                return write!(f, "the server answers with HTTP status {status}");
            }
            ResponseError::Upgrade => "the answer does not say Upgrade: websocket",
            ResponseError::Connection => "the answer does not say Connection: Upgrade",
            ResponseError::Accept => "Sec-WebSocket-Accept does not fit the key",
            ResponseError::Extension => "the server uses an extension that was not offered",
            ResponseError::Subprotocol => "the server chose a subprotocol that was not offered",
        })
    }
}

impl std::error::Error for ResponseError {}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [&str; 2] = ["evertick.v1.postcard", "evertick.v1.json"];

    fn request() -> Request<'static> {
        Request::new(
            "example.com:8080",
            "/ws?x=1",
            *b"the sample nonce",
            &OFFERED,
            Some("http://example.com"),
        )
        .expect("it is lawful")
    }

    /// The answer to [`request`] with `fields` behind those that every answer has.
    fn answer(fields: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{fields}\r\n"
        )
    }

    fn read(response: &str) -> Result<Option<Accepted<'static>>, ResponseError> {
        request().read_response(response.as_bytes())
    }

    #[test]
    fn the_request() {
        let mut out = Vec::new();
        request().write(&mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "GET /ws?x=1 HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Origin: http://example.com\r\n\
             Sec-WebSocket-Protocol: evertick.v1.postcard, evertick.v1.json\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_is_read_when_it_is_whole_and_frames_behind_it_stay() {
        let head = answer("Sec-WebSocket-Protocol: evertick.v1.json\r\n");
        for cut in 0..head.len() {
            assert_eq!(read(&head[..cut]), Ok(None), "cut at {cut}");
        }
        let want = Accepted { head_len: head.len(), subprotocol: Some("evertick.v1.json"), deflate: None };
        assert_eq!(read(&head), Ok(Some(want)));
        assert_eq!(read(&(head + "\x01\x02frames")), Ok(Some(want)));
        assert_eq!(read(&answer("")).map(|found| found.map(|a| a.subprotocol)), Ok(Some(None)));
    }

    #[test]
    fn each_rule_has_its_error() {
        let refused = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n";
        assert_eq!(read(refused), Err(ResponseError::Refused { status: 503, head_len: refused.len() }));
        assert_eq!(read("SSH-2.0-OpenSSH_9.6\r\n"), Err(ResponseError::NotHttp));
        assert_eq!(read(&answer(&"a: b\r\n".repeat(100))), Err(ResponseError::TooLarge));
        assert_eq!(read(&answer(&format!("a: {}\r\n", "b".repeat(HTTP_HEAD)))), Err(ResponseError::TooLarge));
        assert_eq!(
            read(&("HTTP/1.1 101 ".to_owned() + &"b".repeat(HTTP_HEAD))),
            Err(ResponseError::TooLarge)
        );
        for (right, wrong, error) in [
            ("WebSocket", "h2c", ResponseError::Upgrade),
            ("connection: upgrade", "connection: close", ResponseError::Connection),
            ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=", ResponseError::Accept),
            ("sec-websocket-accept", "x-accept", ResponseError::Accept),
        ] {
            assert_eq!(read(&answer("").replace(right, wrong)), Err(error), "{wrong}");
        }
        let twice = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        assert_eq!(read(&answer(twice)), Err(ResponseError::Accept));
        let deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        assert_eq!(read(&answer(deflate)), Err(ResponseError::Extension));
        let foreign = "Sec-WebSocket-Protocol: chat\r\n";
        assert_eq!(read(&answer(foreign)), Err(ResponseError::Subprotocol));
        let several = "Sec-WebSocket-Protocol: evertick.v1.json\r\n".repeat(2);
        assert_eq!(read(&answer(&several)), Err(ResponseError::Subprotocol));
    }

    #[test]
    fn nothing_slips_out_of_its_place() {
        let new =
            |host, path, subprotocols, origin| Request::new(host, path, [0; 16], subprotocols, origin).err();
        assert_eq!(new("a", "/", &[], None), None);
        assert_eq!(new("", "/", &[], None), Some(InvalidRequest::Host));
        assert_eq!(new("a\r\nX: y", "/", &[], None), Some(InvalidRequest::Host));
        assert_eq!(new("a", "ws", &[], None), Some(InvalidRequest::Path));
        assert_eq!(new("a", "/ HTTP/1.1", &[], None), Some(InvalidRequest::Path));
        assert_eq!(new("a", "/", &["x y"], None), Some(InvalidRequest::Subprotocols));
        assert_eq!(new("a", "/", &["x", "x"], None), Some(InvalidRequest::Subprotocols));
        assert_eq!(new("a", "/", &[], Some("a\nb")), Some(InvalidRequest::Origin));
    }

    #[test]
    fn both_sides_understand_each_other() {
        let mut written = Vec::new();
        request().write(&mut written);
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut fields);
        assert!(parsed.parse(&written).is_ok_and(|status| status.is_complete()));
        let headers = parsed.headers.iter().map(|field| (field.name, field.value));
        let offer = crate::websocket::handshake::Offer::read("GET", true, headers).expect("it is lawful");
        assert_eq!(offer.subprotocols(), OFFERED);
        let mut out = Vec::new();
        offer.accept(Some(OFFERED[0]), &mut out);
        let accepted = request().read_response(&out).expect("it is lawful").expect("it is whole");
        assert_eq!(accepted, Accepted { head_len: out.len(), subprotocol: Some(OFFERED[0]), deflate: None });
    }

    #[test]
    fn compression_is_agreed_on_where_it_was_offered() {
        let offering = request().offering_deflate();
        let agreed = |extensions: &str| {
            let head = answer(&format!("Sec-WebSocket-Extensions: {extensions}\r\n"));
            offering.read_response(head.as_bytes()).map(|found| found.and_then(|accepted| accepted.deflate))
        };
        let lawful = "permessage-deflate; server_no_context_takeover; client_max_window_bits=10";
        if deflate::AVAILABLE {
            assert_eq!(agreed(lawful), Ok(Some(Agreed { window_bits: 10 })));
        }
        assert_eq!(agreed(""), Ok(None), "declined");
        assert_eq!(agreed("permessage-deflate"), Err(ResponseError::Extension), "it takes context over");
        assert_eq!(agreed("permessage-deflate;"), Err(ResponseError::Extension));
        assert_eq!(agreed("x-other"), Err(ResponseError::Extension));
        let unasked = answer(&format!("Sec-WebSocket-Extensions: {lawful}\r\n"));
        assert_eq!(read(&unasked), Err(ResponseError::Extension));
        let mut written = Vec::new();
        offering.write(&mut written);
        assert_eq!(
            String::from_utf8_lossy(&written).contains("\r\nSec-WebSocket-Extensions: permessage-deflate;"),
            deflate::AVAILABLE
        );
    }
}
