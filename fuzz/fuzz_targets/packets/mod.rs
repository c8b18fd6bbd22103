//! What both packet targets check, over a game whose packets have every shape of variant and field.

use evertick::packet::{
    ClientControl, Code, Encoding, Envelope, Kind, Unreadable, encode_client, open, open_usual, read_batch,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

/// A game's packets; the seeds are written for them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
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

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channel {
    Global,
    Local,
    Party(u16),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vector {
    x: f32,
    y: f32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Trade {
    trade_id: u64,
    items: Vec<(u32, u16)>,
    gold: i64,
    ready: bool,
}

/// Reads `message` as a client's and as a server's. Whatever could be read is written again and read again, and must
/// come to the same bytes; whatever could not is one of three codes, in few words. JSON is read in every way there is.
pub fn check(encoding: Encoding, message: &[u8]) {
    if encoding == Encoding::Json {
        all_ways_agree(message);
    }
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

/// What was read of a message: the number, and the packet or what to tell the peer.
#[derive(Debug, PartialEq)]
enum Read {
    Control(Option<u32>, ClientControl),
    Game(Option<u32>, Sample),
    /// Where in it the fault is does not count, nor whether the number was known by then: ways differ in both.
    Fault(Code, Option<String>),
}

/// Holds the ways that are quick and never say no against the one that is thorough.
fn all_ways_agree(message: &[u8]) {
    let read = read_all(open(Encoding::Json, message));
    if !matches!(read, Read::Fault(..)) {
        let is_json = serde_json::from_slice::<IgnoredAny>(message).is_ok();
        assert!(is_json, "no JSON was read as {read:?}");
    }
    if let Some(usual @ Read::Game(..)) = open_usual(Encoding::Json, message).map(|usual| read_all(Ok(usual)))
    {
        assert_eq!(usual, read);
    }
    if let Some(roundabout) = roundabout(message) {
        assert_eq!(read, read_all(open(Encoding::Json, &roundabout)));
    }
}

fn read_all(opened: Result<Envelope<'_>, Unreadable>) -> Read {
    let read = opened.and_then(|envelope| match envelope.kind {
        Kind::Control => Ok(Read::Control(envelope.id, envelope.control()?)),
        Kind::Game => Ok(Read::Game(envelope.id, envelope.game()?)),
    });
    read.unwrap_or_else(|fault| Read::Fault(fault.code, fault.field))
}

/// The same with a member in front that no packet has and that only the thorough way skips; `None` where it would be
/// the only one.
fn roundabout(message: &[u8]) -> Option<Vec<u8>> {
    let inside = message.iter().position(|byte| *byte == b'{')? + 1;
    let first = message[inside..].iter().find(|byte| !byte.is_ascii_whitespace())?;
    (*first == b'"').then(|| [&message[..inside], b"\"\":0,", &message[inside..]].concat())
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
    assert_eq!(first, second);
}

fn told_in_few_words(fault: &Unreadable) {
    assert!([Code::Malformed, Code::UnknownType, Code::Invalid].contains(&fault.code));
    assert!(fault.message.len() <= evertick::limits::UNREADABLE_TEXT);
    assert!(fault.field.as_ref().is_none_or(|field| field.len() <= evertick::limits::UNREADABLE_TEXT));
}
