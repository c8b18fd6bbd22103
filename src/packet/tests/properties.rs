//! What holds for every packet and every input.

use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

fn float() -> impl Strategy<Value = f32> {
    prop_oneof![any::<f32>().prop_filter("finite", |f| f.is_finite()), (-100i16..100).prop_map(f32::from)]
}

fn vector() -> impl Strategy<Value = Vector> {
    (float(), float()).prop_map(|(x, y)| Vector { x, y })
}

fn sample() -> impl Strategy<Value = Sample> {
    let channel =
        prop_oneof![Just(Channel::Global), Just(Channel::Local), any::<u16>().prop_map(Channel::Party)];
    let item = any::<(u32, u16)>().prop_map(|(item_id, quantity)| Item { item_id, quantity });
    let trade = (any::<u64>(), vec(item, 0..5), any::<i64>(), any::<bool>())
        .prop_map(|(trade_id, items, gold, ready)| Trade { trade_id, items, gold, ready });
    prop_oneof![
        Just(Sample::GetGameState),
        (any::<u32>(), any::<Option<u32>>(), option::of(vector())).prop_map(
            |(to_location_id, from_location_id, position)| Sample::Move {
                to_location_id,
                from_location_id,
                position
            }
        ),
        (vector(), vector()).prop_map(|(position, velocity)| Sample::PositionUpdate { position, velocity }),
        (channel, any::<String>()).prop_map(|(channel, message)| Sample::Chat { channel, message }),
        trade.prop_map(Sample::TradeUpdate),
        vec((any::<u32>(), float(), float()), 0..20).prop_map(|moves| Sample::Positions { moves }),
        any::<(u8, String)>().prop_map(|(n, text)| Sample::Swap(n, text)),
    ]
}

fn encoding() -> impl Strategy<Value = Encoding> {
    prop_oneof![Just(Encoding::Json), Just(Encoding::Postcard)]
}

fn head() -> impl Strategy<Value = BatchHead> {
    let number = || prop_oneof![any::<u64>(), 0u64..300];
    (number(), number(), number()).prop_map(|(seq, tick, time)| BatchHead { seq, tick, time })
}

/// Floats as an f32 has them: serde_json's f64 may be off by its last bit.
fn single(value: Value) -> Value {
    match value {
        Value::Number(n) if n.is_f64() => json!(n.as_f64().expect("it is one") as f32),
        Value::Array(elements) => elements.into_iter().map(single).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, single(value))).collect(),
        other => other,
    }
}

/// Members in front of all others, most of them none at all.
const FIRST: &[&str] = &[
    "",
    "",
    "",
    "",
    "\"data\":{},",
    "\"data\":{!},",
    "\"id\":null,",
    "\"id\":01,",
    "\"type\":\"\",",
    "\"x\":[],",
];
/// What may stand around a message, and what may not.
const AROUND: &[&str] = &["", "", "", "", " ", "\r\n", "\x0b", "\x0c", "\u{a0}", "}"];

/// Every way in, on bytes that may be anything.
fn read_everything(encoding: Encoding, bytes: &[u8]) -> Result<(), Unreadable> {
    if let Ok(batch) = read_batch(encoding, bytes) {
        for packet in batch.packets::<Sample>().take(100) {
            let _ = packet;
        }
    }
    let envelope = open(encoding, bytes)?;
    let _ = envelope.variant::<Sample>();
    match envelope.kind {
        Kind::Control => envelope.control().map(drop),
        Kind::Game => envelope.game::<Sample>().map(drop),
    }
}

proptest! {
    #[test]
    fn what_a_client_encodes_the_server_reads(
        encoding in encoding(), id: Option<u32>, packet in sample(),
    ) {
        let message = client_message(encoding, Kind::Game, id, &packet);
        let envelope = open(encoding, &message).expect("it was encoded");
        prop_assert_eq!((envelope.id, envelope.kind), (id, Kind::Game));
        prop_assert_eq!(envelope.variant::<Sample>(), variant_of(&packet));
        prop_assert_eq!(envelope.game::<Sample>(), Ok(packet));
    }

    #[test]
    fn json_is_what_any_json_reader_finds(re: Option<u32>, packet in sample()) {
        let body = server_packet(Encoding::Json, Kind::Game, re, &packet);
        let read: Value = serde_json::from_slice(&body).expect("it is JSON");
        let (name, data) = match serde_json::to_value(&packet).expect("it is JSON") {
            Value::Object(tagged) => tagged.into_iter().next().expect("one tag"),
            name => (String::from(name.as_str().expect("a name")), json!({})),
        };
        let mut expected = json!({ "type": name, "data": data });
        if let Some(re) = re {
            expected["re"] = json!(re);
        }
        prop_assert_eq!(single(read), single(expected));
    }

    #[test]
    fn postcard_says_what_json_says(re: Option<u32>, packet in sample()) {
        let json: Value = serde_json::from_slice(&server_packet(Encoding::Json, Kind::Game, re, &packet))
            .expect("it is JSON");
        let body = server_packet(Encoding::Postcard, Kind::Game, re, &packet);
        let mut rest = body.as_slice();
        let (number, name, data) = schema::packet(&schema::sample(), &mut rest).expect("it is postcard");
        prop_assert!(rest.is_empty());
        prop_assert_eq!(number, json!(re));
        prop_assert_eq!(name.as_str(), json["type"].as_str().expect("a name"));
        prop_assert_eq!(single(data), single(json["data"].clone()));
    }

    #[test]
    fn a_batch_is_read_back_and_has_the_length_that_was_said(
        encoding in encoding(), head in head(), packets in vec((any::<Option<u32>>(), sample()), 0..8),
    ) {
        let bodies: Vec<_> =
            packets.iter().map(|(re, p)| server_packet(encoding, Kind::Game, *re, p)).collect();
        let message = batch(encoding, head, &bodies);
        let bodies_len = bodies.iter().map(Vec::len).sum();
        prop_assert_eq!(message.len(), head.message_len(encoding, bodies.len(), bodies.len(), bodies_len));
        let read = read_batch(encoding, &message).expect("it is a batch");
        prop_assert_eq!(read.head, head);
        let read: Result<Vec<_>, _> = read.packets::<Sample>().collect();
        let expected: Vec<_> =
            packets.into_iter().map(|(re, p)| Packet { re, packet: ServerPacket::Game(p) }).collect();
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn every_truncation_is_unreadable(encoding in encoding(), id: Option<u32>, packet in sample()) {
        let message = client_message(encoding, Kind::Game, id, &packet);
        for cut in 0..message.len() {
            let fault = read_everything(encoding, &message[..cut]).expect_err("it was cut");
            prop_assert_eq!(fault.code, Code::Malformed, "cut at {}", cut);
        }
        let mut longer = message;
        longer.push(b'0');
        prop_assert_eq!(read_everything(encoding, &longer).expect_err("it goes on").code, Code::Malformed);
    }

    #[test]
    fn the_quick_way_and_the_thorough_way_agree(
        id: Option<u32>, packet in sample(), pretty: bool, wrong in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        first in prop::sample::select(FIRST), before in prop::sample::select(AROUND), behind in prop::sample::select(AROUND),
    ) {
        let mut message = client_message(Encoding::Json, Kind::Game, id, &packet);
        if pretty {
            let tree: Value = serde_json::from_slice(&message).expect("it is JSON");
            message = serde_json::to_vec_pretty(&tree).expect("it is JSON");
        }
        for (at, byte) in wrong {
            let at = at.index(message.len());
            message[at] = byte;
        }
        message.splice(1..1, first.bytes());
        let message = [before.as_bytes(), &message, behind.as_bytes()].concat();
        let read = |opened: Result<(Option<u32>, json::Contents<'_>), Unreadable>| {
            let read = opened.and_then(|(id, contents)| Ok((id, json::decode::<Sample>(&contents)?)));
            // An `id` behind the fault is known to the quick way only.
            read.map_err(|fault| Unreadable { id: None, ..fault })
        };
        let thorough = read(json::open_thoroughly(&message));
        if let Some(Ok(usual)) = json::open_usual(&message, |_| true).map(|opened| read(Ok(opened))) {
            prop_assert_eq!(Ok(&usual), thorough.as_ref());
        }
        prop_assert_eq!(read(json::open(&message)), thorough);
    }

    #[test]
    fn random_bytes_never_panic(encoding in encoding(), bytes in vec(any::<u8>(), 0..200)) {
        let _ = read_everything(encoding, &bytes);
    }

    #[test]
    fn packets_with_wrong_bytes_never_panic(
        encoding in encoding(), packet in sample(), wrong in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut message = client_message(encoding, Kind::Game, Some(7), &packet);
        for (at, byte) in wrong {
            let at = at.index(message.len());
            message[at] = byte;
        }
        if let Err(fault) = read_everything(encoding, &message) {
            prop_assert!([Code::Malformed, Code::UnknownType, Code::Invalid].contains(&fault.code));
            prop_assert!(fault.message.len() <= crate::limits::UNREADABLE_TEXT);
        }
    }
}

#[test]
fn every_truncated_control_packet_is_unreadable() {
    for encoding in Encoding::ALL {
        for packet in client_controls() {
            let message = client_message(encoding, Kind::Control, Some(300), &packet);
            assert_eq!(open(encoding, &message).and_then(|e| e.control()), Ok(packet));
            for cut in 0..message.len() {
                let fault = read_everything(encoding, &message[..cut]).expect_err("it was cut");
                assert_eq!(fault.code, Code::Malformed);
            }
        }
    }
}

#[test]
fn every_truncated_batch_is_unreadable() {
    for encoding in Encoding::ALL {
        let mut bodies: Vec<_> =
            server_controls().iter().map(|p| server_packet(encoding, Kind::Control, Some(9), p)).collect();
        bodies.extend(samples().iter().map(|p| server_packet(encoding, Kind::Game, None, p)));
        let message = batch(encoding, BatchHead { seq: 300, tick: 70_000, time: 1_700_000_000_000 }, &bodies);
        let read = |bytes| {
            let batch = read_batch(encoding, bytes)?;
            batch.packets::<Sample>().collect::<Result<Vec<_>, _>>()
        };
        let whole = read(&message).expect("it is whole");
        assert_eq!(whole.len(), bodies.len());
        for cut in 0..message.len() {
            assert!(read(&message[..cut]).is_err(), "{encoding:?} cut at {cut}");
        }
    }
}
