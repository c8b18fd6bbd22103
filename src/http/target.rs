//! Request targets (RFC 9112 section 3.2) and percent-encoding (RFC 3986 section 2.1).
//!
//! A path comes out decoded once, as text; it is never normalised. Routes compare whole segments, so
//! `/a/../b` is simply no route, and an encoded slash, which would change what the segments are, is refused.

use super::Method;
use super::error::Error;
use std::borrow::Cow;

/// What a request target says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    /// The host and port of an absolute-form target; it counts before the Host field.
    pub(super) authority: Option<String>,
    /// The path, percent-decoded; `*` for the asterisk-form.
    pub(super) path: String,
    /// What stands behind the first `?`, as it came.
    pub(super) query: String,
}

/// Reads a target in origin-form, absolute-form or, for OPTIONS, asterisk-form.
pub(super) fn read(method: Method, target: &str) -> Result<Target, Error> {
    // RFC 3986 section 2: URIs are written in a subset of ASCII; RFC 9112 section 3.2: a target has no
    // fragment.
    if !target.is_ascii() || target.contains('#') {
        return Err(Error::Malformed("the request target holds a character that must be encoded"));
    }
    if target.starts_with('/') {
        return split(None, target);
    }
    // RFC 9112 section 3.2.4: the asterisk-form "is only used for a server-wide OPTIONS request".
    if target == "*" && method == Method::Options {
        return Ok(Target { authority: None, path: "*".into(), query: String::new() });
    }
    // RFC 9112 section 3.2.2: "a server MUST accept the absolute-form in requests even though most HTTP/1.1
    // clients will only send the absolute-form to a proxy."
    let rest = after_scheme(target).ok_or(Error::Malformed("the request target has no known form"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // RFC 9110 section 4.2.1: "A recipient that processes such a URI reference MUST reject it as invalid", of
    // an empty host.
    if authority.is_empty() || !is_authority(authority.as_bytes()) {
        return Err(Error::Malformed("the request target names no host"));
    }
    split(Some(authority.to_owned()), path)
}

fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

fn split(authority: Option<String>, path_and_query: &str) -> Result<Target, Error> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    // RFC 9110 section 4.2.3: an empty path is the same as "/".
    let path = if path.is_empty() { "/".into() } else { decode_path(path)? };
    Ok(Target { authority, path, query: query.to_owned() })
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110 section 7.2), empty included. Userinfo is not: RFC 9110
/// section 4.2.4 has it treated as an error.
pub(super) fn is_authority(value: &[u8]) -> bool {
    let (host, rest) = match value.iter().position(|&b| b == b']') {
        Some(end) if value.starts_with(b"[") => {
            let literal = &value[1..end];
            if !literal.iter().all(|&b| b.is_ascii_hexdigit() || b == b':' || b == b'.') {
                return false;
            }
            (&literal[..0], &value[end + 1..])
        }
        _ => value.split_at(value.iter().position(|&b| b == b':').unwrap_or(value.len())),
    };
    let is_reg_name = |&b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b);
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    host.iter().all(is_reg_name) && (rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port))
}

/// Decodes the percent-encoding of a path.
///
/// # Errors
/// 400 for a `%` without two hexadecimal digits, for what is not UTF-8 once decoded, and for an encoded slash
/// or control character.
pub fn decode_path(path: &str) -> Result<String, Error> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let octet =
            escaped(rest).ok_or(Error::Malformed("a % in the path without two hexadecimal digits"))?;
        if octet == b'/' || octet.is_ascii_control() {
            return Err(Error::Malformed("an encoded slash or control character in the path"));
        }
        decoded.push(octet);
        rest = &rest[2..];
    }
    String::from_utf8(decoded).map_err(|_| Error::Malformed("the path is not UTF-8"))
}

/// The octet that the two hexadecimal digits at the front of `digits` stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*digits.get(index)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// The names and values of a query, in order, read as `application/x-www-form-urlencoded` (URL Standard
/// section 5.1): `+` is a space, a `%` that escapes nothing stands for itself, and what is not UTF-8 becomes
/// U+FFFD. A pair without `=` has an empty value. Never fails: a value that came out wrong is refused by
/// whoever knows what it should be.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_form(name), decode_form(value))
    })
}

fn decode_form(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, escaped(rest)) {
            (b'%', Some(octet)) => {
                decoded.push(octet);
                rest = &rest[2..];
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Result<Target, u16> {
        read(Method::Get, target).map_err(Error::status)
    }

    #[test]
    fn targets_in_every_form() {
        for (target, authority, path, query) in [
            ("/", None, "/", ""),
            ("/api/status?a=1?b", None, "/api/status", "a=1?b"),
            ("/a%20b%C3%A9", None, "/a bé", ""),
            ("/a+b", None, "/a+b", ""),
            ("//double//", None, "//double//", ""),
            ("/a/../b", None, "/a/../b", ""),
            ("http://game.example:8080/ws?x", Some("game.example:8080"), "/ws", "x"),
            ("HTTPS://game.example", Some("game.example"), "/", ""),
            ("http://[::1]:80?q", Some("[::1]:80"), "/", "q"),
        ] {
            let got = get(target).unwrap();
            assert_eq!(
                (got.authority.as_deref(), &*got.path, &*got.query),
                (authority, path, query),
                "{target}"
            );
        }
        assert_eq!(read(Method::Options, "*").unwrap().path, "*");
    }

    #[test]
    fn targets_that_are_refused() {
        for target in [
            "*",
            "api",
            "game.example:80",
            "ftp://a/",
            "http://",
            "http:///a",
            "http://u@a/",
            "http://u:p@a/",
            "http://a:b/",
            "http://[::1/",
            "http://[::1]x/",
            "http://a b/",
            "/a#b",
            "/é",
            "/%",
            "/%2",
            "/%zz",
            "/%+1",
            "/%2f",
            "/%2F",
            "/%00",
            "/%0a",
            "/%7f",
            "/%ff",
            "/%c3",
        ] {
            assert_eq!(get(target), Err(400), "{target}");
        }
    }

    #[test]
    fn query_pairs_decode_as_forms_do() {
        let pairs =
            |query| query_pairs(query).map(|(n, v)| (n.into_owned(), v.into_owned())).collect::<Vec<_>>();
        let own = |list: &[(&str, &str)]| list.iter().map(|&(n, v)| (n.into(), v.into())).collect::<Vec<_>>();
        assert_eq!(pairs(""), own(&[]));
        assert_eq!(pairs("limit=20&before=7"), own(&[("limit", "20"), ("before", "7")]));
        assert_eq!(pairs("&a&b=&=c&&a=1=2"), own(&[("a", ""), ("b", ""), ("", "c"), ("a", "1=2")]));
        assert_eq!(pairs("a%20b=c+d%2B"), own(&[("a b", "c d+")]));
        assert_eq!(pairs("a=%zz%&b=%ff"), own(&[("a", "%zz%"), ("b", "\u{fffd}")]));
    }
}
