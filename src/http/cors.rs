//! Which pages of other origins may speak to this server (the Fetch Standard's CORS protocol, RFC 6454 for
//! origins).
//!
//! The server's word binds browsers only: it says whose scripts may read an answer. Credentials of the
//! browser (cookies) are never allowed, for none are used; tokens travel in `Authorization`, which a script
//! has to know.

use super::request::{Method, Request};
use super::response::Response;
use std::borrow::Cow;
use std::fmt;

/// The origins that are let in: `allowed_origins`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origins(Option<Vec<String>>);

/// The fields that let a page read an answer: what [`Origins`] says to one request, for an answer that comes later.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leave {
    allow_origin: Option<Cow<'static, str>>,
    vary: bool,
}

impl Leave {
    /// Adds them to an answer, with what exposes `Retry-After`.
    pub fn give(self, response: Response) -> Response {
        let response = if self.vary { response.header("Vary", "Origin") } else { response };
        match self.allow_origin {
            Some(origin) => response
                .header("Access-Control-Allow-Origin", origin)
                .header("Access-Control-Expose-Headers", "Retry-After"),
            None => response,
        }
    }
}

/// What to make of one request's origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No `Origin` field: not a cross-origin request of a browser. It passes.
    Absent,
    /// It may go on.
    Allowed,
    /// It may not: 403.
    Refused,
}

impl Origins {
    /// Reads the setting: `*` for all, otherwise `scheme://host[:port]`, or `null` for pages that have no
    /// origin (files, sandboxed frames). An empty list lets only requests without an Origin through.
    ///
    /// # Errors
    /// The first entry that is no origin; a path, even a single slash, is part of none.
    pub fn read<S: AsRef<str>>(list: &[S]) -> Result<Origins, NotAnOrigin> {
        let mut listed = Vec::with_capacity(list.len());
        for entry in list.iter().map(AsRef::as_ref) {
            if entry == "*" {
                return Ok(Origins(None));
            }
            if !is_origin(entry) {
                return Err(NotAnOrigin(entry.to_owned()));
            }
            listed.push(entry.to_ascii_lowercase());
        }
        Ok(Origins(Some(listed)))
    }

    /// Every origin: `["*"]`.
    pub fn any() -> Origins {
        Origins(None)
    }

    /// Whether pages of `origin`, the value of an Origin field, are let in.
    pub fn allow(&self, origin: &[u8]) -> bool {
        let Some(listed) = &self.0 else { return true };
        listed.iter().any(|have| have.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// Judges a request, be it for the API or for a WebSocket. Two Origin fields are no origin.
    pub fn judge(&self, request: &Request) -> Verdict {
        let mut origins = request.headers_named("origin");
        match (origins.next(), origins.next()) {
            (None, _) => Verdict::Absent,
            (Some(origin), None) if self.allow(origin) => Verdict::Allowed,
            _ => Verdict::Refused,
        }
    }

    /// Adds to an answer what lets the asking page read it, and `Retry-After` with it. An answer to an origin
    /// that is refused gets no such leave. Where the answer depends on the origin, `Vary` says so to caches,
    /// whoever asked.
    pub fn share(&self, request: &Request, response: Response) -> Response {
        self.leave(request).give(response)
    }

    /// What [`Origins::share`] adds, for an answer that is not there yet.
    pub fn leave(&self, request: &Request) -> Leave {
        let allowed = self.judge(request) == Verdict::Allowed;
        let named =
            || request.header("origin").map(|value| String::from_utf8_lossy(value).into_owned().into());
        let allow_origin = match &self.0 {
            _ if !allowed => None,
            None => Some("*".into()),
            Some(_) => named(),
        };
        Leave { allow_origin, vary: self.0.is_some() }
    }

    /// Answers a preflight ([`is_preflight`]) for a resource that has `methods`: 204, or 403 for an origin
    /// that is refused.
    pub fn preflight(&self, request: &Request, methods: &[Method]) -> Response {
        let verdict = self.judge(request);
        if verdict != Verdict::Allowed {
            return self.share(request, Response::error(403, "forbidden", "this origin is not allowed"));
        }
        self.share(request, Response::new(204))
            .header("Access-Control-Allow-Methods", Method::join(methods))
            .header("Access-Control-Allow-Headers", "authorization, content-type")
            .header("Access-Control-Max-Age", "600")
    }
}

/// Whether a request asks what a cross-origin request would be allowed to do (Fetch Standard, "CORS-preflight
/// request").
pub fn is_preflight(request: &Request) -> bool {
    request.method == Method::Options
        && request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
}

/// RFC 6454 section 6.2: a scheme, `://`, a host, and a port where it is not the scheme's own.
fn is_origin(entry: &str) -> bool {
    let Some((scheme, authority)) = entry.split_once("://") else { return entry == "null" };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !authority.is_empty()
        && super::target::is_authority(authority.as_bytes())
}

/// An entry of `allowed_origins` that no browser would ever send: a fault of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotAnOrigin(pub String);

impl fmt::Display for NotAnOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an origin: \"*\", \"null\" or \"scheme://host[:port]\" without a path", self.0)
    }
}

impl std::error::Error for NotAnOrigin {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, Event};

    fn ask(method: &str, fields: &str) -> Request {
        let text = format!("{method} /api/status HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        match Connection::new().next(&mut text.as_bytes()) {
            Some(Event::Request(request)) => request,
            other => panic!("a request, not {other:?}"),
        }
    }

    /// The CORS fields of an answer, in a line.
    fn shown(response: &Response) -> String {
        let names = ["Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials", "Expose-Headers"];
        let field = |name: &str| {
            Some(format!("{name}: {}", response.header_value(&format!("Access-Control-{name}"))?))
        };
        let vary = response.header_value("vary").map(|value| format!("Vary: {value}"));
        let fields: Vec<_> = names.into_iter().filter_map(field).chain(vary).collect();
        format!("{} {}", response.status(), fields.join("; "))
    }

    #[test]
    fn preflights_and_answers_by_origin() {
        const HOME: &str = "Origin: https://Play.example\r\nAccess-Control-Request-Method: PUT\r\n";
        const AWAY: &str = "Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n";
        let listed = Origins::read(&["http://localhost:3000", "https://play.example"]).unwrap();
        let methods = [Method::Get, Method::Post];
        let lists = "Allow-Methods: GET, POST; Allow-Headers: authorization, content-type; \
                     Expose-Headers: Retry-After";
        for (origins, fields, preflight, answer) in [
            (
                Origins::any(),
                HOME,
                format!("204 Allow-Origin: *; {lists}"),
                "200 Allow-Origin: *; Expose-Headers: Retry-After",
            ),
            (Origins::any(), "", "403 ".into(), "200 "),
            (
                listed.clone(),
                HOME,
                format!("204 Allow-Origin: https://Play.example; {lists}; Vary: Origin"),
                "200 Allow-Origin: https://Play.example; Expose-Headers: Retry-After; Vary: Origin",
            ),
            (listed.clone(), AWAY, "403 Vary: Origin".into(), "200 Vary: Origin"),
            (listed, "", "403 Vary: Origin".into(), "200 Vary: Origin"),
        ] {
            assert_eq!(shown(&origins.preflight(&ask("OPTIONS", fields), &methods)), preflight, "{fields:?}");
            assert_eq!(shown(&origins.share(&ask("GET", fields), Response::new(200))), answer, "{fields:?}");
        }
    }

    #[test]
    fn an_origin_is_judged_by_the_list() {
        for (list, fields, verdict) in [
            (&["*"][..], "", Verdict::Absent),
            (&["*"], "Origin: null\r\n", Verdict::Allowed),
            (&["*"], "Origin: https://a\r\nOrigin: https://b\r\n", Verdict::Refused),
            (&[], "", Verdict::Absent),
            (&[], "Origin: https://a\r\n", Verdict::Refused),
            (&["null"], "Origin: null\r\n", Verdict::Allowed),
            (&["https://a"], "Origin: https://a\r\n", Verdict::Allowed),
            (&["https://a"], "Origin: http://a\r\n", Verdict::Refused),
            (&["https://a"], "Origin: https://a:444\r\n", Verdict::Refused),
            (&["https://a"], "Origin: https://a.evil\r\n", Verdict::Refused),
        ] {
            assert_eq!(
                Origins::read(list).unwrap().judge(&ask("GET", fields)),
                verdict,
                "{list:?} {fields:?}"
            );
        }
    }

    #[test]
    fn a_preflight_is_options_with_both_fields() {
        let both = "Origin: https://a\r\nAccess-Control-Request-Method: GET\r\n";
        assert!(is_preflight(&ask("OPTIONS", both)));
        assert!(!is_preflight(&ask("GET", both)));
        assert!(!is_preflight(&ask("OPTIONS", "Origin: https://a\r\n")));
        assert!(!is_preflight(&ask("OPTIONS", "Access-Control-Request-Method: GET\r\n")));
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for entry in [
            "",
            "play.example",
            "https://",
            "https://a/",
            "https://a/b",
            "https://u@a",
            "1x://a",
            "https://a b",
        ] {
            assert_eq!(Origins::read(&["https://ok", entry]), Err(NotAnOrigin(entry.into())));
        }
    }
}
