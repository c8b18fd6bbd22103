//! Whose request it is when proxies stand in between.
//!
//! `X-Forwarded-For` is written by everybody along the way, the client first of all; only what a trusted
//! proxy added at its right end is known to be true. So it is read from the right, and never further than the
//! first address that is not a trusted proxy's.

use super::error::Error;
use crate::address::Network;
use std::net::{IpAddr, SocketAddr};

/// The client's address: the TCP peer's, unless that is in `trusted`; then the rightmost entry of the
/// `x-forwarded-for` fields (`forwarded`: their values in the order in which they came) that is not itself
/// trusted. Where all are trusted, the leftmost of them, and without any entry the peer's. IPv4-mapped
/// addresses come out as IPv4.
///
/// # Errors
/// 400 where an entry that had to be read is not an address. What stands left of the answer is not looked at:
/// the client may have written anything there.
pub fn client_address<'v>(
    peer: IpAddr,
    trusted: &[Network],
    forwarded: impl DoubleEndedIterator<Item = &'v [u8]>,
) -> Result<IpAddr, Error> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let entries = forwarded
        .rev()
        .flat_map(|value| value.rsplit(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        // RFC 9110 section 5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list
        // elements".
        .filter(|entry| !entry.is_empty());
    for entry in entries {
        if !is_trusted(client) {
            break;
        }
        client = address(entry).ok_or(Error::Malformed("x-forwarded-for holds what is no address"))?;
    }
    Ok(client)
}

/// One entry: an address, or as some proxies write it, an address in brackets or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?;
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(v6) => IpAddr::V6(v6.parse().ok()?),
        None => entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, trusted: &[&str], fields: &[&str]) -> Result<String, u16> {
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let fields = fields.iter().map(|field| field.as_bytes());
        client_address(peer.parse().unwrap(), &trusted, fields)
            .map(|ip| ip.to_string())
            .map_err(Error::status)
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_trusted() {
        let proxies = &["10.0.0.0/8", "fd00::/8"][..];
        for (peer, trusted, fields, want) in [
            // Nobody is trusted: the field is hearsay.
            ("198.51.100.7", &[][..], &["203.0.113.9"][..], "198.51.100.7"),
            ("198.51.100.7", proxies, &["203.0.113.9"], "198.51.100.7"),
            ("198.51.100.7", proxies, &["junk"], "198.51.100.7"),
            ("10.0.0.1", proxies, &[], "10.0.0.1"),
            ("10.0.0.1", proxies, &["", " , ,"], "10.0.0.1"),
            ("10.0.0.1", proxies, &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", proxies, &["::ffff:203.0.113.9"], "203.0.113.9"),
            // What the client wrote itself stands to the left and is not believed, nor even read.
            ("10.0.0.1", proxies, &["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", proxies, &["junk,203.0.113.9 ,10.9.9.9"], "203.0.113.9"),
            ("10.0.0.1", proxies, &["1.2.3.4", "203.0.113.9", "10.2.2.2"], "203.0.113.9"),
            ("fd00::1", proxies, &["2001:db8::5, fd00::2"], "2001:db8::5"),
            ("10.0.0.1", proxies, &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", proxies, &["[2001:db8::5]"], "2001:db8::5"),
            ("10.0.0.1", proxies, &["[2001:db8::5]:443"], "2001:db8::5"),
            // All the way within the trusted networks: the far end of it.
            ("10.0.0.1", proxies, &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ] {
            assert_eq!(client(peer, trusted, fields).as_deref(), Ok(want), "{peer} {fields:?}");
        }
    }

    #[test]
    fn an_entry_that_must_be_read_and_cannot_be_is_400() {
        for field in [
            "unknown",
            "203.0.113.9, _hidden",
            "203.0.113",
            "[203.0.113.9]",
            "203.0.113.9:x",
            "\u{e9}",
            "1.2.3.4 5",
        ] {
            assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &[field]), Err(400), "{field}");
        }
    }
}
