//! A sample of each packet of a game in both encodings, as text that is kept: what changes in it is a change of the contract.

use super::{Encoding, Kind, encode, encode_client, open};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// The JSON of each packet, and under it the Postcard in hexadecimal digits; first what clients say. All are read again, and
/// are what they were.
pub(crate) fn bytes<In, Out>(client: &[In], server: &[Out]) -> String
where
    In: Serialize + DeserializeOwned + PartialEq + Debug,
    Out: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let told = client.iter().map(|packet| {
        Encoding::ALL.map(|encoding| {
            let mut out = Vec::new();
            encode_client(encoding, Kind::Game, None, packet, &mut out).unwrap();
            assert_eq!(open(encoding, &out).and_then(|envelope| envelope.game::<In>()).as_ref(), Ok(packet));
            (encoding, out)
        })
    });
    let heard = server.iter().map(|packet| {
        assert_eq!(postcard::from_bytes(&postcard::to_allocvec(packet).unwrap()).as_ref(), Ok(packet));
        assert_eq!(&serde_json::from_str::<Out>(&serde_json::to_string(packet).unwrap()).unwrap(), packet);
        Encoding::ALL.map(|encoding| {
            let mut out = Vec::new();
            encode(encoding, Kind::Game, None, packet, &mut out).unwrap();
            (encoding, out)
        })
    });
    told.chain(heard).flatten().map(|(encoding, bytes)| line(encoding, &bytes)).collect()
}

fn line(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Json => format!("{}\n", std::str::from_utf8(bytes).unwrap()),
        Encoding::Postcard => {
            format!("  {}\n", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}
