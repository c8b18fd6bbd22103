//! Where the bots go, and which address each comes from.

use super::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

/// Bots from one address of the loopback network: the system has some 28,000 ports for each.
const BOTS_PER_SOURCE: u32 = 4000;

/// A server, resolved once.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) url: String,
    /// As it stands in the request's `Host`.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) address: SocketAddr,
}

impl Target {
    /// Reads `ws://HOST[:PORT][/PATH]` and looks the host up.
    ///
    /// # Errors
    /// It is no such URL, or the host has no address.
    pub(super) fn resolve(url: &str) -> Result<Target, Error> {
        let (host, path) = split(url)?;
        let has_port =
            host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let addresses = match has_port {
            true => host.to_socket_addrs(),
            false => (host.trim_matches(['[', ']']), 80).to_socket_addrs(),
        };
        let unknown = |why: &dyn std::fmt::Display| Error::Url(format!("--url {url}: {why}"));
        let mut addresses = addresses.map_err(|error| unknown(&error))?;
        let address = addresses.next().ok_or_else(|| unknown(&"the host has no address"))?;
        Ok(Target { url: url.to_owned(), host: host.to_owned(), path: path.to_owned(), address })
    }

    /// The address that the bot of this number comes from; `None` leaves it to the system. The whole of 127.0.0.0/8 is
    /// the loopback interface's on Linux only.
    pub(super) fn source(&self, bot: u32) -> Option<IpAddr> {
        let spread = cfg!(target_os = "linux") && self.address.is_ipv4() && self.address.ip().is_loopback();
        let last = u8::try_from(1 + bot / BOTS_PER_SOURCE).unwrap_or(u8::MAX);
        spread.then(|| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    }
}

/// Host with port, and path.
fn split(url: &str) -> Result<(&str, &str), Error> {
    let wrong = |why: &str| Error::Url(format!("--url {url}: {why}"));
    let Some(rest) = url.strip_prefix("ws://") else {
        return Err(wrong("bots go to ws://HOST:PORT/PATH only"));
    };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/ws"),
    };
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    match (host.is_empty(), visible(host) && visible(path)) {
        (true, _) => Err(wrong("the host is missing")),
        (_, false) => Err(wrong("it holds characters that no URL has")),
        _ => Ok((host, path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let read = |url| Target::resolve(url).map(|t| (t.host, t.path, t.address.to_string()));
        let is = |url, host: &str, path: &str, address: &str| {
            assert_eq!(read(url).unwrap(), (host.to_owned(), path.to_owned(), address.to_owned()), "{url}");
        };
        is("ws://127.0.0.1:8080/ws", "127.0.0.1:8080", "/ws", "127.0.0.1:8080");
        is("ws://127.0.0.1", "127.0.0.1", "/ws", "127.0.0.1:80");
        is("ws://[::1]:9000/a?b=c", "[::1]:9000", "/a?b=c", "[::1]:9000");
        is("ws://[::1]/", "[::1]", "/", "[::1]:80");
        for bad in ["", "http://127.0.0.1/", "wss://127.0.0.1/ws", "ws://", "ws:///ws", "ws://127.0.0.1/a b"]
        {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--url {bad}: ")) && !error.contains('\n'), "{error}");
        }
        assert!(read("ws://127.0.0.1:99999/ws").is_err());
    }

    #[test]
    fn sources_are_spread() {
        let target = Target::resolve("ws://127.0.0.1:1/ws").unwrap();
        if cfg!(target_os = "linux") {
            let source = |bot| target.source(bot).unwrap().to_string();
            assert_eq!([source(0), source(3999), source(4000)], ["127.0.0.1", "127.0.0.1", "127.0.0.2"]);
        }
        assert_eq!(Target::resolve("ws://[::1]:1/ws").unwrap().source(0), None);
    }
}
