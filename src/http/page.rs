//! Pages that are part of the program: served whole, and asked for again only to hear that nothing changed.

use super::request::{Method, Request};
use super::response::Response;
use sha1::{Digest, Sha1};

/// One static resource.
#[derive(Clone, Debug)]
pub struct Page {
    path: &'static str,
    content_type: &'static str,
    body: &'static [u8],
    policy: &'static str,
    etag: String,
}

impl Page {
    /// The methods it has.
    pub const METHODS: [Method; 2] = [Method::Get, Method::Head];

    /// What a page may do unless [`Page::policy`] says otherwise: run and show what this server sends, talk
    /// to WebSockets, and be framed by nobody. No inline script or style.
    pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
        connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// The resource at `path` (decoded, with its leading slash).
    pub fn new(path: &'static str, content_type: &'static str, body: &'static [u8]) -> Page {
        Page { path, content_type, body, policy: Page::POLICY, etag: etag(body) }
    }

    /// The same with another `Content-Security-Policy`.
    pub fn policy(self, policy: &'static str) -> Page {
        Page { policy, ..self }
    }

    /// Where it is.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Answers a request for it: 200, 304 where the client has it, 405 for a method it has not.
    pub fn respond(&self, request: &Request) -> Response {
        if !Page::METHODS.contains(&request.method) {
            return Response::method_not_allowed(&Page::METHODS);
        }
        let response = if self.is_known_to(request) {
            Response::new(304)
        } else {
            Response::new(200).bytes(self.content_type, self.body)
        };
        // RFC 9110 section 15.4.5: a 304 carries Cache-Control and ETag as the 200 would have. `no-cache`
        // means: keep it, ask before using it; a new release is seen at once and costs an unchanged page one
        // empty answer.
        response
            .header("ETag", self.etag.clone())
            .header("Cache-Control", "no-cache")
            .header("Content-Security-Policy", self.policy)
            .header("Referrer-Policy", "no-referrer")
    }

    /// RFC 9110 section 13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags
    /// for If-None-Match".
    fn is_known_to(&self, request: &Request) -> bool {
        request
            .list("if-none-match")
            .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes())
    }
}

/// A strong validator (RFC 9110 section 8.8.1): it changes with any byte of the body. Not a secret and no
/// signature.
fn etag(body: &[u8]) -> String {
    let digest = Sha1::digest(body);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}
