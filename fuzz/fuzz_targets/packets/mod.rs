//! What both packet targets check, over a game whose packets have every shape of variant and field.

use evertick::packet::{ClientControl, Code, Encoding, Kind, Unreadable, encode_client, open, read_batch};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A game's packets; the seeds are written for them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sample {
    GetGameState,
    Move { to_location_id: u32, from_location_id: Option<u32>, position: Option<Vector> },
    PositionUpdate { position: Vector, velocity: Vector },
    Chat { channel: Channel, message: String },
    TradeUpdate(Trade),
    Positions { moves: Vec<(u32, f32, f32)> },
    Swap(u8, String),
    Nest { inner: Option<Box<Sample>> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channel {
    Global,
    Local,
    Party(u16),
}

#[derive(Debug, Serialize, Deserialize)]
struct Vector {
    x: f32,
    y: f32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Trade {
    trade_id: u64,
    items: Vec<(u32, u16)>,
    gold: i64,
    ready: bool,
}

/// Reads `message` as a client's and as a server's. Whatever could be read is written again and read again, and must
/// come to the same bytes; whatever could not is one of three codes, in few words.
pub fn check(encoding: Encoding, message: &[u8]) {
    if let Ok(batch) = read_batch(encoding, message) {
        // Each error but that of a single JSON packet ends the batch, so this ends.
        batch.packets::<Sample>().for_each(drop);
    }
    let envelope = match open(encoding, message) {
        Ok(envelope) => envelope,
        Err(fault) => return told_in_few_words(&fault),
    };
    match envelope.kind {
        Kind::Control => same_again(encoding, Kind::Control, envelope.id, envelope.control()),
        Kind::Game => {
            let packet = envelope.game::<Sample>();
            assert!(packet.is_err() || envelope.variant::<Sample>().is_some());
            same_again(encoding, Kind::Game, envelope.id, packet);
        }
    }
}

fn same_again<P: Serialize + DeserializeOwned>(
    encoding: Encoding,
    kind: Kind,
    id: Option<u32>,
    packet: Result<P, Unreadable>,
) {
    let packet = match packet {
        Ok(packet) => packet,
        Err(fault) => {
            assert_eq!(fault.id, id);
            return told_in_few_words(&fault);
        }
    };
    let write = |packet: &P| {
        let mut out = Vec::new();
        encode_client(encoding, kind, id, packet, &mut out).expect("what was read can be written");
        out
    };
    let first = write(&packet);
    // What is too large for a float is infinite once read, and JSON has no word for that.
    if encoding == Encoding::Json && String::from_utf8_lossy(&first).contains(":null") {
        return;
    }
    let envelope = open(encoding, &first).expect("what was written can be opened");
    assert_eq!((envelope.id, envelope.kind), (id, kind));
    let second = match kind {
        Kind::Control => {
            let packet: ClientControl = envelope.control().expect("what was written can be read");
            let mut out = Vec::new();
            encode_client(encoding, kind, id, &packet, &mut out).expect("what was read can be written");
            out
        }
        Kind::Game => write(&envelope.game::<P>().expect("what was written can be read")),
    };
    if encoding == Encoding::Postcard || (is_read_exactly(&first) && is_read_exactly(&second)) {
        assert_eq!(first, second);
    }
}

/// Whether all numbers in it are: one with an exponent, or with more digits than a float surely holds, is read to within a
/// unit in the last place (serde_json, "float_roundtrip").
fn is_read_exactly(json: &[u8]) -> bool {
    let has_exponent = json.windows(2).any(|two| two[0].is_ascii_digit() && two[1] == b'e');
    !has_exponent && json.split(|byte| !byte.is_ascii_digit() && *byte != b'.').all(|number| number.len() <= 16)
}

fn told_in_few_words(fault: &Unreadable) {
    assert!([Code::Malformed, Code::UnknownType, Code::Invalid].contains(&fault.code));
    assert!(fault.message.len() <= evertick::limits::UNREADABLE_TEXT);
    assert!(fault.field.as_ref().is_none_or(|field| field.len() <= evertick::limits::UNREADABLE_TEXT));
}
