//! Answers: a status, fields and a body that say nothing yet of the connection they go out on; an
//! [`Exchange`] adds that when they are written.

use super::error::Error;
use super::request::{Method, Request};
use crate::time::WallMs;
use serde::Serialize;
use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

/// One answer. `Content-Length`, `Connection` and `Date` are added by [`Response::write`] and never set by
/// hand.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Bytes(Cow<'static, [u8]>),
    Error(ErrorBody),
}

#[derive(Clone, Debug, Serialize)]
struct ErrorBody {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u32>,
}

/// What an answer has to know of the request and the connection it answers on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The request was HEAD: the head goes out as it would with the body, the body does not.
    pub head_only: bool,
    /// The peer speaks 1.1, where a connection is kept unless somebody says otherwise.
    pub version_1_1: bool,
    /// Whether the connection stays open behind this answer.
    pub keep_alive: bool,
    /// The time for the Date field.
    pub wall: WallMs,
}

impl Exchange {
    /// The answer to `request`.
    pub fn of(request: &Request, wall: WallMs) -> Exchange {
        Exchange {
            head_only: request.method == Method::Head,
            version_1_1: request.version_1_1,
            keep_alive: request.keep_alive,
            wall,
        }
    }

    /// The last answer on a connection, where there is no request to speak of: after an [`Error`], and for
    /// who is refused before asking.
    pub fn last(wall: WallMs) -> Exchange {
        Exchange { head_only: false, version_1_1: true, keep_alive: false, wall }
    }

    /// The same, and the connection closes.
    pub fn closing(self) -> Exchange {
        Exchange { keep_alive: false, ..self }
    }
}

impl Response {
    /// An answer without fields or body. `status` is a final one, 200 to 599.
    pub fn new(status: u16) -> Response {
        debug_assert!((200..=599).contains(&status), "interim answers are not built here");
        Response { status, headers: Vec::new(), body: Body::Bytes(Cow::Borrowed(&[])) }
    }

    /// `{"error":{"code":..,"message":..}}` with that status; a 401 asks for a Bearer token.
    pub fn error(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Response {
        let body = ErrorBody { code: code.into(), message: message.into(), retry_after_ms: None };
        let response = Response { body: Body::Error(body), ..Response::new(status) }.marked_json();
        // RFC 9110 section 15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate header
        // field". Bearer makes no browser ask for a password.
        if status == 401 { response.header("WWW-Authenticate", "Bearer") } else { response }
    }

    /// 405 with the methods that the resource has (RFC 9110 section 15.5.6: the server "MUST generate an
    /// Allow header field").
    pub fn method_not_allowed(allowed: &[Method]) -> Response {
        Response::error(405, "method_not_allowed", "the resource has no such method").allow(allowed)
    }

    /// The body is `value` as JSON, which nobody may store: answers hold tokens and change with every tick. A
    /// value that has no JSON form (a map whose keys are no strings) makes it an error 500.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Response {
        match serde_json::to_vec(value) {
            Ok(body) => {
                self.body = Body::Bytes(body.into());
                self.marked_json()
            }
            Err(_) => Response::error(500, "internal", "the answer could not be written"),
        }
    }

    fn marked_json(self) -> Response {
        self.header("Content-Type", "application/json")
            .header("Cache-Control", "no-store")
            .header("X-Content-Type-Options", "nosniff")
    }

    /// The body is plain text in UTF-8.
    pub fn text(self, body: impl Into<Cow<'static, str>>) -> Response {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.bytes("text/plain; charset=utf-8", body)
    }

    /// The body is `body`, of that media type.
    pub fn bytes(mut self, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Response {
        self.body = Body::Bytes(body.into());
        self.header("Content-Type", content_type).header("X-Content-Type-Options", "nosniff")
    }

    /// Sets a field; one of that name that is there already is replaced. Bytes of `value` that no field value
    /// may hold become spaces, so that what a peer sent can be given back without letting it write fields of
    /// its own.
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        let mut value = value.into();
        // RFC 9110 section 5.5: a recipient of CR, LF or NUL in a value replaces each of them with SP or
        // rejects the message.
        if value.contains(|c: char| c.is_control() && c != '\t') {
            value = value.replace(|c: char| c.is_control() && c != '\t', " ").into();
        }
        match self.headers.iter_mut().find(|(have, _)| have.eq_ignore_ascii_case(name)) {
            Some((_, had)) => *had = value,
            None => self.headers.push((name, value)),
        }
        self
    }

    /// The `Allow` field.
    pub fn allow(self, methods: &[Method]) -> Response {
        self.header("Allow", Method::join(methods))
    }

    /// Says when it is worth asking again: the `Retry-After` field in whole seconds, rounded up, and in an
    /// error's body `retry_after_ms` beside the message.
    pub fn retry_after_ms(mut self, ms: u32) -> Response {
        if let Body::Error(error) = &mut self.body {
            error.retry_after_ms = Some(ms);
        }
        self.header("Retry-After", ms.div_ceil(1000).to_string())
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of a field that was set.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Its body as it goes out.
    pub fn body(&self) -> Cow<'_, [u8]> {
        #[derive(Serialize)]
        struct Wrapped<'a> {
            error: &'a ErrorBody,
        }
        match &self.body {
            Body::Bytes(bytes) => Cow::Borrowed(bytes),
            Body::Error(error) => Cow::Owned(
                serde_json::to_vec(&Wrapped { error }).expect("strings and a number have a JSON form"),
            ),
        }
    }

    /// Appends the answer to `out` as it goes over the wire.
    pub fn write(&self, exchange: Exchange, out: &mut Vec<u8>) {
        let body = self.body();
        let number = |n: usize| itoa::Buffer::new().format(n).to_owned();
        let mut put = |parts: [&str; 4]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        put(["HTTP/1.1 ", &number(self.status.into()), " ", reason(self.status)]);
        put(["\r\n", "Date: ", &date(exchange.wall), "\r\n"]);
        for (name, value) in &self.headers {
            put([name, ": ", value, "\r\n"]);
        }
        // RFC 9110 section 8.6: "A server MUST NOT send a Content-Length header field in any response with a
        // status code of 1xx (Informational) or 204 (No Content)"; a 304's would be that of the 200 it stands
        // for, and is left out.
        if self.may_have_body() {
            put(["Content-Length: ", &number(body.len()), "\r\n", ""]);
        }
        // RFC 9112 section 9.3: 1.1 keeps the connection unless it is told otherwise, 1.0 closes it unless it
        // is.
        match (exchange.keep_alive, exchange.version_1_1) {
            (false, _) => put(["Connection: ", "close", "\r\n", ""]),
            (true, false) => put(["Connection: ", "keep-alive", "\r\n", ""]),
            (true, true) => {}
        }
        put(["\r\n", "", "", ""]);
        if self.may_have_body() && !exchange.head_only {
            out.extend_from_slice(&body);
        }
    }

    /// RFC 9112 section 6.3 item 1: 204 and 304 end behind their head.
    fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }
}

impl From<Error> for Response {
    fn from(error: Error) -> Response {
        Response::error(error.status(), error.code(), error.message())
    }
}

/// The Date field's value (RFC 9110 section 6.6.1), up to the end of the year 9999.
fn date(wall: WallMs) -> String {
    const LAST: u64 = 253_402_300_799_000;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(wall.0.min(LAST)))
}

/// The reason phrase; clients ignore it (RFC 9112 section 4), people read it.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // RFC 9112 section 4: the phrase may be empty.
        _ => "",
    }
}
