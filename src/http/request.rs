//! One request, read whole: the head parsed by `httparse`, checked, and owned.

use super::error::Error;
use super::target;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The methods that are known here: one of them that a route does not have is 405, any other 501. No route has TRACE or QUERY; CONNECT
/// is for proxies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "their names are what RFC 9110 section 9, RFC 5789 and the QUERY method's specification call them"
)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Trace,
    Query,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 9] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
        Method::Options,
        Method::Trace,
        Method::Query,
    ];
    /// Bytes of the longest name.
    pub(super) const LONGEST: usize = 7;

    /// As it stands in a request line.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Query => "QUERY",
        }
    }

    /// The method of that name; names are case-sensitive (RFC 9110 section 9.1).
    pub fn from_name(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The names with commas between them, as `Allow` and `Access-Control-Allow-Methods` list them.
    pub fn join(methods: &[Method]) -> String {
        methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ")
    }
}

/// A request with its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The path of the target, percent-decoded and not normalised; begins with `/`, or is `*` (OPTIONS only).
    pub path: String,
    /// The query as it came, without the `?`; see [`Request::query_pairs`].
    pub query: String,
    /// The authority that is asked: of an absolute target, else the Host field's, as it came; may be empty.
    pub host: String,
    /// HTTP/1.1; otherwise it is HTTP/1.0.
    pub version_1_1: bool,
    /// Whether another request may follow on the connection (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether a body was announced, be it an empty one. A route that needs a body may answer 411 where none
    /// was.
    pub announces_body: bool,
    /// The body with its chunks joined, at most [`HTTP_BODY`](limits::HTTP_BODY) bytes.
    pub body: Vec<u8>,
    fields: Fields,
}

/// Header fields in one piece of memory.
///
/// Invariant: the ends rise from field to field and stay within `names` and `values`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Fields {
    names: String,
    values: Vec<u8>,
    /// Where the name and the value of each field end; they begin where those of the field before end.
    ends: Vec<(u16, u16)>,
}

impl Request {
    /// Reads a head that [`head::Scan`](super::head::Scan) found complete. The body is still empty.
    pub(super) fn read(head: &[u8]) -> Result<Request, Error> {
        let mut headers = [httparse::EMPTY_HEADER; limits::HTTP_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let complete = parsed.parse(head).map_err(|error| explain(error, head))?;
        let (Some(method), Some(path), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(Error::Malformed("the head is not complete"));
        };
        if complete != httparse::Status::Complete(head.len()) {
            return Err(Error::Malformed("the head is not complete"));
        }
        // RFC 9110 section 9.1: an origin server SHOULD answer 501 to a method that is unrecognized or not
        // implemented.
        let method = Method::from_name(method).ok_or(Error::UnknownMethod)?;
        let target = target::read(method, path)?;
        let mut request = Request {
            method,
            path: target.path,
            query: target.query,
            host: String::new(),
            version_1_1: version == 1,
            keep_alive: false,
            announces_body: false,
            body: Vec::new(),
            fields: Fields::new(parsed.headers),
        };
        let host = request.read_host()?;
        // RFC 9112 section 3.2.2: an origin server that receives an absolute-form "MUST ignore the received
        // Host header field (if any) and instead use the host information of the request-target".
        request.host = target.authority.unwrap_or(host);
        request.keep_alive = request.reads_keep_alive();
        Ok(request)
    }

    /// RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
    /// request message that lacks a Host header field and to any request message that contains more than one
    /// Host header field line or a Host header field with an invalid field value."
    fn read_host(&self) -> Result<String, Error> {
        let mut hosts = self.headers_named("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version_1_1 => Err(Error::Malformed("the Host field is missing")),
            (None, _) => Ok(String::new()),
            (Some(host), None) if target::is_authority(host) => {
                Ok(String::from_utf8_lossy(host).into_owned())
            }
            (Some(_), None) => Err(Error::Malformed("the Host field is no host")),
            (Some(_), Some(_)) => Err(Error::Malformed("more than one Host field")),
        }
    }

    /// RFC 9112 section 9.3, its list of cases in order.
    fn reads_keep_alive(&self) -> bool {
        if self.has_token("connection", "close") {
            return false;
        }
        self.version_1_1 || self.has_token("connection", "keep-alive")
    }

    /// RFC 9110 section 10.1.1. `Ok(true)` where the client waits for a 100 before it sends the body.
    pub(super) fn expects_continue(&self) -> Result<bool, Error> {
        // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
        // expectation."
        if !self.version_1_1 {
            return Ok(false);
        }
        // "A server that receives an Expect field value containing a member other than 100-continue MAY
        // respond with a 417 (Expectation Failed) status code".
        if self.list("expect").any(|member| !member.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Error::ExpectationFailed);
        }
        Ok(self.list("expect").next().is_some())
    }

    /// The value of the first field of that name (compared without regard to case), without blanks around it.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers_named(name).next()
    }

    /// All header fields in the order in which they came.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    /// The values of all fields of that name, in order.
    pub fn headers_named(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.headers().filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The members of a comma-separated list over all fields of that name (RFC 9110 section 5.6.1): trimmed,
    /// empty ones left out. Quoted strings are not understood.
    pub fn list(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.headers_named(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty())
    }

    /// Whether such a list has that token, compared without regard to case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The token of `Authorization: Bearer TOKEN` (RFC 6750 section 2.1). None where there is no such field,
    /// or two.
    pub fn bearer(&self) -> Option<&str> {
        let mut fields = self.headers_named("authorization");
        let (Some(credentials), None) = (fields.next(), fields.next()) else { return None };
        let (scheme, token) = std::str::from_utf8(credentials).ok()?.split_once(' ')?;
        let token = token.trim_start_matches(' ');
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }

    /// The names and values of the query; see [`query_pairs`](super::query_pairs).
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        target::query_pairs(&self.query)
    }

    /// The value of the query's first pair of that name.
    pub fn query_value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs().find(|(have, _)| have == name).map(|(_, value)| value)
    }

    pub(super) fn memory(&self) -> usize {
        let fields = &self.fields;
        self.path.capacity()
            + self.query.capacity()
            + self.host.capacity()
            + self.body.capacity()
            + fields.names.capacity()
            + fields.values.capacity()
            + fields.ends.capacity() * size_of::<(u16, u16)>()
    }
}

impl Fields {
    fn new(headers: &[httparse::Header<'_>]) -> Fields {
        let mut fields = Fields { ends: Vec::with_capacity(headers.len()), ..Fields::default() };
        for header in headers {
            fields.names.push_str(header.name);
            fields.values.extend_from_slice(header.value);
            let end =
                |length: usize| u16::try_from(length).expect("a head is shorter than 64 KiB: see limits");
            fields.ends.push((end(fields.names.len()), end(fields.values.len())));
        }
        fields
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
        (0..self.ends.len()).map(|index| {
            let (name_end, value_end) = self.ends[index];
            let (name_start, value_start) = if index == 0 { (0, 0) } else { self.ends[index - 1] };
            (
                &self.names[usize::from(name_start)..usize::from(name_end)],
                &self.values[usize::from(value_start)..usize::from(value_end)],
            )
        })
    }
}

fn explain(error: httparse::Error, head: &[u8]) -> Error {
    use httparse::Error as E;
    match error {
        E::TooManyHeaders => Error::HeadTooLarge,
        E::Version if names_a_version(head) => Error::UnsupportedVersion,
        E::Version => Error::Malformed("the request line names no version"),
        // RFC 9112 section 5.1: "A server MUST reject, with a response status code of 400 (Bad Request), any
        // received request message that contains whitespace between a header field name and colon." Section
        // 5.2 has obs-fold rejected the same way; both are bytes that no field name has.
        E::HeaderName => Error::Malformed("a field name is not a token directly before its colon"),
        E::HeaderValue => Error::Malformed("a field value holds a control character"),
        E::NewLine | E::Status | E::Token => Error::Malformed("the request line is not well formed"),
    }
}

/// Whether the request line is `method SP target SP HTTP/d.d` (RFC 9112 section 3): some version, if not one
/// spoken here.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (version, more) = (words.nth(2).unwrap_or_default(), words.next());
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
        && more.is_none()
}
