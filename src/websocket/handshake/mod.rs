//! The opening handshake (RFC 6455 section 4), without input or output.
//!
//! The server's side, [`Offer`], works on the header fields of a request that somebody else has read; the client's side,
//! [`Request`], writes the request and reads the answer. Both negotiate permessage-deflate where they are asked to, by the
//! rules of `deflate/negotiation`, and no other extension. Neither decides whether an
//! origin is welcome: that is the server's owner, who answers 403 where it is not.
//!
//! A request or an answer that is not lawful is a typed error; for a request it has its HTTP status. The server's
//! side is in `server`, the client's in `client`, the grammar of extensions in `extensions`; what both need is here.

mod client;
mod extensions;
mod server;

pub use client::{Accepted, InvalidRequest, Request, ResponseError};
pub use extensions::{Extension, Malformed, read as read_extensions};
pub use server::{HandshakeError, Offer, is_upgrade};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Bytes of a client's nonce (section 4.1, item 7).
pub const KEY_BYTES: usize = 16;
/// Characters of the nonce in base64.
const KEY_CHARACTERS: usize = 24;
/// Characters of a SHA-1 in base64.
const ACCEPT_CHARACTERS: usize = 28;
/// What every server appends to the key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept`: "concatenating /key/ ... with the string
/// "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking the SHA-1 hash of this concatenated value to obtain a 20-byte value
/// and base64-encoding ... this 20-byte hash" (section 4.2.2, item 5.4).
fn accept_of(key: &[u8]) -> [u8; ACCEPT_CHARACTERS] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_CHARACTERS];
    STANDARD.encode_slice(digest, &mut accept).expect("20 bytes are 28 characters of base64");
    accept
}

/// The elements of a header field that is a comma-separated list, empty ones left out (RFC 9110 section 5.6.1.2).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Whether a list has `token` as an element; tokens of HTTP are compared without regard to case.
fn lists(value: &[u8], token: &str) -> bool {
    elements(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether `bytes` are a token of HTTP (RFC 9110 section 5.6.2), which a subprotocol's name has to be.
fn is_token(bytes: &[u8]) -> bool {
    let allowed = |&byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !bytes.is_empty() && bytes.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_of_section_1_3() {
        assert_eq!(&accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn lists_ignore_case_blanks_and_empty_elements() {
        assert!(lists(b"keep-alive, Upgrade", "upgrade"));
        assert!(lists(b",,\tUPGRADE ,", "upgrade"));
        assert!(!lists(b"upgraded", "upgrade"));
        assert!(!lists(b"", "upgrade"));
        assert!(!lists(b"keep-alive Upgrade", "upgrade"), "a blank does not separate");
    }

    #[test]
    fn tokens() {
        assert!(is_token(b"evertick.v1.json"));
        for bad in ["", "a b", "a/b", "a\"", "é", "a\0"] {
            assert!(!is_token(bad.as_bytes()), "{bad:?}");
        }
    }
}
