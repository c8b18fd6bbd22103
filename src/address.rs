//! Internet addresses as the server counts them: a [`Network`] says which addresses are meant, an
//! [`AddressKey`] says whose connections are added up.
//!
//! **An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) is the IPv4 address it
//! carries**, everywhere: a socket that listens on both families reports IPv4 peers in that form, and a ban
//! or a cap must not depend on how the socket was opened. Nothing here resolves names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses that share the first `prefix` bits with one: `192.0.2.0/24`, `2001:db8::/32`, or one
/// address.
///
/// Invariant: the address is canonical (never IPv4-mapped), its bits behind the prefix are zero, and the
/// prefix is at most the family's width.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of the first `prefix` bits of `address`; what lies behind them is cleared. `None` where
    /// the prefix is longer than the address (32 or 128 bits), and where it is the prefix of an IPv4-mapped
    /// address and cuts through the mapping itself (shorter than 96).
    pub fn new(address: IpAddr, prefix: u8) -> Option<Network> {
        match address {
            IpAddr::V4(v4) => Network::v4(v4, prefix),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => Network::v4(v4, prefix.checked_sub(96)?),
                None if prefix <= 128 => {
                    let bits = v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                    Some(Network { address: Ipv6Addr::from_bits(bits).into(), prefix })
                }
                None => None,
            },
        }
    }

    fn v4(address: Ipv4Addr, prefix: u8) -> Option<Network> {
        if prefix > 32 {
            return None;
        }
        let bits = address.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Some(Network { address: Ipv4Addr::from_bits(bits).into(), prefix })
    }

    /// Whether `address` lies in this network. The families never meet: `::/0` holds no IPv4 address, mapped
    /// or not.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(v4)) => Network::v4(v4, self.prefix) == Some(*self),
            (IpAddr::V6(_), IpAddr::V6(v6)) => Network::new(v6.into(), self.prefix) == Some(*self),
            _ => false,
        }
    }

    /// The first address of the network.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits the addresses of the network share: 0 to 32 (IPv4) or 128 (IPv6).
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl From<IpAddr> for Network {
    /// The network of this one address.
    fn from(address: IpAddr) -> Network {
        let address = address.to_canonical();
        Network { address, prefix: width(address) }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    /// Reads `ADDRESS` or `ADDRESS/PREFIX`. Bits behind the prefix are allowed and cleared.
    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork::Address)?;
        let Some(prefix) = prefix else { return Ok(address.into()) };
        // `parse` alone would let a sign through.
        if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotANetwork::Prefix);
        }
        let prefix = prefix.parse().map_err(|_| NotANetwork::Prefix)?;
        Network::new(address, prefix).ok_or(NotANetwork::Prefix)
    }
}

impl fmt::Display for Network {
    /// The address alone where the network is one address, otherwise `ADDRESS/PREFIX`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Why a text is no [`Network`]: a fault of whoever wrote the configuration or the ban.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotANetwork {
    /// What stands before the slash is no IPv4 or IPv6 address.
    Address,
    /// What stands behind the slash is no number of bits that the address has.
    Prefix,
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotANetwork::Address => "not an IPv4 or IPv6 address",
            NotANetwork::Prefix => "not a prefix length of that address",
        })
    }
}

impl std::error::Error for NotANetwork {}

/// Whose connections are counted together: one IPv4 address, or one IPv6 /64, which is the least that a
/// network hands to one customer (RFC 6177) and so costs nothing to move about in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressKey {
    /// An IPv4 address, as itself or mapped into IPv6.
    V4(Ipv4Addr),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> AddressKey {
        match address.to_canonical() {
            IpAddr::V4(v4) => AddressKey::V4(v4),
            // The shift leaves 64 bits: nothing is cut off.
            IpAddr::V6(v6) => AddressKey::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

impl From<AddressKey> for Network {
    /// Everybody who is counted under this key.
    fn from(key: AddressKey) -> Network {
        match key {
            AddressKey::V4(v4) => Network { address: v4.into(), prefix: 32 },
            AddressKey::V6(upper) => {
                Network { address: Ipv6Addr::from_bits(u128::from(upper) << 64).into(), prefix: 64 }
            }
        }
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Network::from(*self).fmt(f)
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn networks_read_as_written_and_show_what_they_hold() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("255.255.255.255/32", "255.255.255.255"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:db8:ffff::1/33", "2001:db8:8000::/33"),
            ("::/0", "::/0"),
            ("::1/128", "::1"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(network(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_says_which_half_is_wrong() {
        for (text, error) in [
            ("", NotANetwork::Address),
            ("/8", NotANetwork::Address),
            ("localhost", NotANetwork::Address),
            ("10.0.0/8", NotANetwork::Address),
            ("10.0.0.01", NotANetwork::Address),
            (" 10.0.0.1", NotANetwork::Address),
            ("[::1]", NotANetwork::Address),
            ("10.0.0.0/", NotANetwork::Prefix),
            ("10.0.0.0/33", NotANetwork::Prefix),
            ("10.0.0.0/+8", NotANetwork::Prefix),
            ("10.0.0.0/8/8", NotANetwork::Prefix),
            ("10.0.0.0/999", NotANetwork::Prefix),
            ("::/129", NotANetwork::Prefix),
            ("::ffff:10.0.0.0/8", NotANetwork::Prefix),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "::ffff:11.0.0.1"),
            ("0.0.0.0/0", "::ffff:1.2.3.4", "2001:db8::1"),
            ("::/0", "2001:db8::1", "::ffff:1.2.3.4"),
            ("2001:db8::/47", "2001:db8:1:ffff::", "2001:db8:2::"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            assert!(network(net).contains(ip(inside)), "{inside} in {net}");
            assert!(!network(net).contains(ip(outside)), "{outside} not in {net}");
        }
    }

    #[test]
    fn ipv4_counts_by_address_and_ipv6_by_64_bits() {
        let key = |text| AddressKey::from(ip(text));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("2001:db8::1").to_string(), "2001:db8::/64");
        assert_eq!(key("::ffff:192.0.2.1").to_string(), "192.0.2.1");
        assert!(Network::from(key("2001:db8::1")).contains(ip("2001:db8::2")));
    }
}
