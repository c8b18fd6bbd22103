//! A client's own time, which comes back as it came.
//!
//! A browser's clock gives fractions of a millisecond, so in JSON it may be any number; in postcard it is a whole one. Whatever an f64
//! can be comes back equal: every way of reading JSON takes the nearest f64 (serde_json's `float_roundtrip`).

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
    use crate::packet::{ClientControl, Encoding, Kind, ServerControl, encode, encode_client, open};
    use proptest::prelude::*;

    /// What a client that wrote `{"type":"ping","data":{"time":..}}` reads in the answer.
    fn echo(ping: &[u8]) -> f64 {
        let read = open(Encoding::Json, ping).and_then(|ping| ping.control()).expect("a ping");
        let ClientControl::Ping { time } = read else { panic!("{read:?}") };
        let (pong, mut message) = (ServerControl::Pong { time, server_time: 0, tick: 0 }, Vec::new());
        encode(Encoding::Json, Kind::Control, None, &pong, &mut message).expect("it can be written");
        let pong: serde_json::Value = serde_json::from_slice(&message).expect("JSON");
        pong["data"]["time"].as_f64().expect("a number")
    }

    proptest! {
        /// The last bit was off where a time had more than 15 digits.
        #[test]
        fn any_finite_float_sent_as_the_time_of_a_ping_comes_back_as_the_same(
            time in prop_oneof![any::<f64>(), 0.0..1e7, -1e16..1e16].prop_filter("finite", |time| time.is_finite()),
        ) {
            let mut ping = Vec::new();
            let packet = ClientControl::Ping { time: Some(ClientTime::Other(time)) };
            encode_client(Encoding::Json, Kind::Control, None, &packet, &mut ping).expect("it can be written");
            prop_assert_eq!(echo(&ping).to_bits(), time.to_bits());
            // With all its digits or an exponent, and in a message that is read thoroughly.
            for time_as in [format!("{time}"), format!("{time:e}"), format!("{time:.17e}")] {
                for first in ["", "\"a\":0,"] {
                    let ping = format!(r#"{{{first}"type":"ping","data":{{"time":{time_as}}}}}"#);
                    prop_assert_eq!(echo(ping.as_bytes()), time, "{}", ping);
                }
            }
        }
    }

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
