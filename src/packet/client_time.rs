//! A client's own time, which comes back as it came.
//!
//! A browser's clock gives fractions of a millisecond, so in JSON it may be any number; in postcard it is a whole one. One that
//! has more than 15 digits and is not whole, or needs an exponent, may come back off by a unit in its last place.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;

/// Whatever a client put into `ping.time`. The server does not read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClientTime {
    /// A whole number from 0.
    Whole(u64),
    /// Any other number. Postcard carries its whole part, from 0.
    Other(f64),
}

impl Serialize for ClientTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            ClientTime::Whole(time) => serializer.serialize_u64(time),
            ClientTime::Other(time) if serializer.is_human_readable() => serializer.serialize_f64(time),
            ClientTime::Other(time) => serializer.serialize_u64(time as u64),
        }
    }
}

impl<'de> Deserialize<'de> for ClientTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClientTime, D::Error> {
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(Number),
            false => u64::deserialize(deserializer).map(ClientTime::Whole),
        }
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = ClientTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E: de::Error>(self, time: u64) -> Result<ClientTime, E> {
        Ok(ClientTime::Whole(time))
    }

    fn visit_i64<E: de::Error>(self, time: i64) -> Result<ClientTime, E> {
        Ok(ClientTime::Other(time as f64))
    }

    fn visit_f64<E: de::Error>(self, time: f64) -> Result<ClientTime, E> {
        Ok(ClientTime::Other(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_as_it_came() {
        for text in ["0", "1700000000000", "18446744073709551615", "5012.300000011921", "-3.5", "0.1"] {
            let time: ClientTime = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&time).expect("a number"), text);
        }
        for text in ["\"5\"", "true", "[]", "{}"] {
            assert!(serde_json::from_str::<ClientTime>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn postcard_has_whole_numbers() {
        let bytes = |time: ClientTime| postcard::to_allocvec(&time).expect("a number");
        assert_eq!(bytes(ClientTime::Whole(300)), [0xac, 2]);
        assert_eq!(bytes(ClientTime::Other(-3.5)), [0]);
        assert_eq!(postcard::from_bytes(&[0xac, 2]), Ok(ClientTime::Whole(300)));
    }
}
