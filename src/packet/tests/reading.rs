//! What is accepted, what is refused, and how a refusal is told.

use super::*;
use std::borrow::Cow;

/// What a message says; every one in this file is also held against the way that usual ones are read.
fn json(message: &str) -> Result<Sample, Unreadable> {
    let said = |envelope: Envelope<'_>| envelope.game().map(|packet| (envelope.id, packet));
    let exact = open(Encoding::Json, message.as_bytes()).and_then(said);
    if let Some(Ok(usual)) = open_usual(Encoding::Json, message.as_bytes()).map(said) {
        assert_eq!(Ok(&usual), exact.as_ref(), "{message}");
    }
    exact.map(|(_, packet)| packet)
}

const UPDATE: Sample =
    Sample::PositionUpdate { position: Vector { x: 1.0, y: 2.0 }, velocity: Vector { x: 3.0, y: 4.0 } };

#[test]
fn the_order_of_json_members_does_not_matter() {
    let data = r#""data":{"velocity":{"y":4,"x":3},"position":{"x":1,"y":2.0}}"#;
    for message in [
        format!(r#"{{"type":"position_update",{data}}}"#),
        format!(r#"{{{data},"type":"position_update"}}"#),
        format!(" {{ {data} ,\n\t\"type\" : \"position_update\" , \"id\":null }}\r\n "),
        format!(r#"{{"more":[{{}},"\ud800"],{data},"type":"position_update","":1}}"#),
        format!(r#"{{{data},"type":"position\u005fupdate"}}"#),
        format!(r#"{{{data},"\u0074ype":"position_update"}}"#),
    ] {
        assert_eq!(json(&message), Ok(UPDATE), "{message}");
    }
}

#[test]
fn the_usual_way_reads_what_is_usual_and_nothing_that_only_seems_to_be() {
    let vectors = r#"{"position":{"x":1,"y":2.0},"velocity":{"x":3,"y":4}}"#;
    for (id, between) in [(None, ""), (Some(7), r#""id":7,"#), (Some(7), " \"id\" : 7 , ")] {
        let message = format!(" {{\"type\" : \"position_update\",{between}\"data\":{vectors} }}\n");
        let envelope = open_usual(Encoding::Json, message.as_bytes()).expect("it is usual");
        assert_eq!((envelope.id, envelope.game()), (id, Ok(UPDATE)), "{message}");
        assert_eq!(json(&message), Ok(UPDATE));
    }
    let digits = "0".repeat(40);
    for (message, accepted) in [
        (format!(r#"{{"type":"position_update","data":{vectors},"id":7}}"#), true),
        (format!(r#"{{"type":"chat","data":{vectors},"type":"position_update","more":{{}}}}"#), true),
        (format!(r#"{{"type":"position_update","data":{{}},"data":{vectors}}}"#), true),
        (format!(r#"{{"type":"position_update","data":{vectors}}}}}"#), false),
        (format!(r#"{{"type":"position_update","data":{vectors}"#), false),
        (format!(r#"{{"type":"position_update","data":{vectors},}}"#), false),
        (r#"{"type":"position_update","data":{"position":[1,2],"velocity":[3,4]}}"#.to_owned(), false),
        (r#"{"type":"position_update","data":[{"x":1,"y":2},{"x":3,"y":4}]}"#.to_owned(), false),
        (vectors.replace("1", "1e39"), true),
        (vectors.replace("1", "1E39"), true),
        (vectors.replace("1", &format!("1{digits}")), true),
        (vectors.replace("1", &format!("1.{digits}")), true),
    ] {
        let whole = message.starts_with(r#"{"type""#);
        let message =
            if whole { message } else { format!(r#"{{"type":"position_update","data":{message}}}"#) };
        let usual = open_usual(Encoding::Json, message.as_bytes()).map(|envelope| envelope.game::<Sample>());
        assert!(!matches!(usual, Some(Ok(_))), "{message}");
        assert_eq!(json(&message).is_ok(), accepted, "{message}");
    }
    let control = br#"{"type":"ping","data":{"time":1}}"#;
    assert!(open_usual(Encoding::Json, control).is_none(), "control packets are answered at once");
    assert!(open_usual(Encoding::Postcard, vectors.as_bytes()).is_none());
}

#[test]
fn of_json_members_of_one_name_the_last_counts() {
    let envelope = r#"{"type":"chat","id":1,"data":{},"type":"position_update","id":2,
        "data":{"position":{"x":1,"y":2},"velocity":{"x":3,"y":4}}}"#;
    let envelope = open(Encoding::Json, envelope.as_bytes()).expect("it is JSON");
    assert_eq!((envelope.id, envelope.game()), (Some(2), Ok(UPDATE)));
    let data = r#"{"type":"position_update","data":
        {"position":{"x":9,"y":2,"x":1},"velocity":null,"velocity":{"x":3,"y":4}}}"#;
    assert_eq!(json(data), Ok(UPDATE));
    let data = r#"{"type":"position_update","data":
        {"position":{"x":1,"y":2},"velocity":{"x":3,"y":4},"velocity":null}}"#;
    assert_eq!(json(data).expect_err("the last is null").code, Code::Invalid);
}

/// Both were taken for JSON by the quick ways alone.
#[test]
fn a_form_feed_behind_a_message_or_no_json_in_a_first_data_is_malformed() {
    let data = r#""data":{"position":{"x":1,"y":2},"velocity":{"x":3,"y":4}}"#;
    assert_eq!(json(&format!(r#"{{"type":"position_update",{data}}}"#)), Ok(UPDATE));
    for message in [
        format!("{{\"type\":\"position_update\",{data}}}\x0c"),
        format!("{{\"type\":\"position_update\",\"id\":7,{data}}} \x0c\n"),
        format!(r#"{{"type":"position_update","data":{{!}},{data}}}"#),
        format!(r#"{{"data":{{"a":[1,}}}},{data},"type":"position_update"}}"#),
    ] {
        assert_eq!(json(&message).map_err(|fault| fault.code), Err(Code::Malformed), "{message}");
        assert!(
            open_usual(Encoding::Json, message.as_bytes())
                .is_none_or(|usual| usual.game::<Sample>().is_err())
        );
    }
}

#[test]
fn unknown_json_fields_are_skipped() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let message = format!(
        r#"{{"type":"position_update","v":{deep},"data":{{"position":{{"x":1,"z":{deep},"y":2}},
        "velocity":{{"x":3,"y":4}},"w":null}}}}"#
    );
    assert_eq!(json(&message), Ok(UPDATE));
}

#[test]
fn data_may_be_absent_or_null_where_nothing_in_it_is_required() {
    for data in ["", r#","data":null"#, r#","data":{}"#, r#","data":{"more":1}"#] {
        let game = format!(r#"{{"type":"get_game_state"{data}}}"#);
        assert_eq!(json(&game), Ok(Sample::GetGameState));
        let control = |name: &str| {
            let message = format!(r#"{{"type":"{name}"{data}}}"#);
            open(Encoding::Json, message.as_bytes()).expect("it is JSON").control()
        };
        assert_eq!(control("ping"), Ok(ClientControl::Ping { time: None }));
        assert_eq!(control("disconnect"), Ok(ClientControl::Disconnect { reason: String::new() }));
        assert_eq!(
            control("auth_request").expect_err("a version is required").field.as_deref(),
            Some("version")
        );
    }
}

#[test]
fn opening_json_without_escapes_allocates_nothing() {
    let (_, contents) = json::open(br#"{"type":"chat","data":{}}"#).expect("it is JSON");
    assert!(matches!(contents.name, Cow::Borrowed("chat")));
}

#[test]
fn malformed_json() {
    let cases: [(&[u8], Option<u32>); 22] = [
        (b"", None),
        (b"hello", None),
        (b"[]", None),
        (b"\"chat\"", None),
        (b"{}", None),
        (b"null", None),
        (br#"{"id":7,"data":{}}"#, Some(7)),
        (br#"{"id":7,"type":5}"#, Some(7)),
        (br#"{"id":7,"type":null}"#, Some(7)),
        (br#"{"id":"7","type":"chat"}"#, None),
        (br#"{"id":-1,"type":"chat"}"#, None),
        (br#"{"id":1.5,"type":"chat"}"#, None),
        (br#"{"id":4294967296,"type":"chat"}"#, None),
        (br#"{"type":"get_game_state","id":7}}"#, Some(7)),
        (br#"{"id":7,"type":"chat","data":{"message":nan}}"#, Some(7)),
        (br#"{"id":7,"type":"chat","data":{"x":1,}}"#, Some(7)),
        (br#"{"id":7,"type":"get_game_state","data":{,}}"#, Some(7)),
        (br#"{"id":7,"type":"get_game_state","data":{"x":[}}"#, Some(7)),
        (br#"{"id":7,"type":"get_game_state","data":{"x":[1}}}"#, Some(7)),
        (br#"{"id":07,"type":"get_game_state"}"#, None),
        (br#"{"type":"get_game_state",}"#, None),
        (b"{\"id\":7,\"type\":\"ch\xff\xfe\"}", Some(7)),
    ];
    for (message, id) in cases {
        let fault =
            open(Encoding::Json, message).and_then(|e| e.game::<Sample>()).expect_err("it is malformed");
        let text = String::from_utf8_lossy(message);
        assert_eq!((fault.code, fault.id, fault.field), (Code::Malformed, id, None), "{text}");
    }
}

#[test]
fn invalid_json_names_the_field() {
    let cases = [
        ("position_update", r#"{"velocity":{"x":3,"y":4}}"#, "position"),
        ("position_update", r#"{"position":{"x":3}}"#, "position.y"),
        ("position_update", r#"{"position":{"x":"3","y":4}}"#, "position.x"),
        ("position_update", r#"{"position":{"x":null,"y":4}}"#, "position.x"),
        ("position_update", r#"{"position":[3,4]}"#, "position"),
        ("position_update", "{}", "position"),
        ("position_update", "[]", "data"),
        ("position_update", "7", "data"),
        ("get_game_state", "[1]", "data"),
        ("trade_update", "[]", "data"),
        ("trade_update", "7", "data"),
        ("trade_update", r#"{"trade_id":-1}"#, "trade_id"),
        (
            "trade_update",
            r#"{"trade_id":1,"items":[{"item_id":1,"quantity":1},{"item_id":1}]}"#,
            "items[1].quantity",
        ),
        ("trade_update", r#"{"trade_id":1,"items":[{"item_id":1,"quantity":70000}]}"#, "items[0].quantity"),
        ("trade_update", r#"{"trade_id":1,"items":{}}"#, "items"),
        ("positions", r#"{"moves":[[1,2,3],[1,2]]}"#, "moves[1]"),
        ("positions", r#"{"moves":[[1,2,3],[1,true,3]]}"#, "moves[1][1]"),
        ("chat", r#"{"channel":"shout","message":""}"#, "channel"),
        ("chat", r#"{"channel":{"party":"x"},"message":""}"#, "channel"),
        ("chat", r#"{"channel":"local","message":5}"#, "message"),
        ("move", r#"{"to_location_id":1,"from_location_id":"x"}"#, "from_location_id"),
    ];
    for (name, data, field) in cases {
        let fault = json(&format!(r#"{{"type":"{name}","id":7,"data":{data}}}"#)).expect_err("it is invalid");
        assert_eq!((fault.code, fault.id), (Code::Invalid, Some(7)), "{name} {data}");
        assert_eq!(fault.field.as_deref(), Some(field), "{name} {data}: {fault}");
        assert!(!fault.message.contains(" at line "), "{fault}");
    }
    // serde_json itself finds a number that no f64 holds.
    let fault =
        json(r#"{"type":"position_update","data":{"position":{"x":1e999,"y":4}}}"#).expect_err("infinite");
    assert_eq!((fault.code, fault.field.as_deref()), (Code::Invalid, Some("position.x")));
}

#[test]
fn a_number_beyond_f32_is_infinite_in_json_as_in_postcard() {
    // JSON refused it as unreadable, so that one and the same walk was a violation in one encoding only.
    let message =
        r#"{"type":"position_update","data":{"position":{"x":1e40,"y":-1e300},"velocity":{"x":1,"y":0}}}"#;
    let infinite = Vector { x: f32::INFINITY, y: f32::NEG_INFINITY };
    let packet = Sample::PositionUpdate { position: infinite, velocity: Vector { x: 1.0, y: 0.0 } };
    assert_eq!(json(message), Ok(packet.clone()));
    let mut written = Vec::new();
    encode_client(Encoding::Postcard, Kind::Game, None, &packet, &mut written).expect("floats are floats");
    assert_eq!(open(Encoding::Postcard, &written).and_then(|opened| opened.game()), Ok(packet));
}

#[test]
fn the_largest_floats_pass() {
    let message = r#"{"type":"position_update","data":{"position":{"x":3.4028235e38,"y":-3.4028235e38},
        "velocity":{"x":1e-300,"y":123456789012345678901234567890}}}"#;
    let Ok(Sample::PositionUpdate { position, velocity }) = json(message) else { panic!("it is finite") };
    assert_eq!(position, Vector { x: f32::MAX, y: f32::MIN });
    assert_eq!(velocity, Vector { x: 0.0, y: 123_456_789_012_345_678_901_234_567_890.0 });
}

#[test]
fn unknown_types() {
    let fault = json(r#"{"type":"fly","id":7}"#).expect_err("nobody flies");
    assert_eq!(
        (fault.code, fault.id, fault.message.as_str()),
        (Code::UnknownType, Some(7), "no packet `fly`")
    );
    // Rust's name of the variant is not its type.
    assert_eq!(json(r#"{"type":"GetGameState"}"#).expect_err("snake case").code, Code::UnknownType);
    let long = json(&format!(r#"{{"type":"{}"}}"#, "ö".repeat(5000))).expect_err("nobody has such a name");
    assert!(long.message.len() <= crate::limits::UNREADABLE_TEXT && long.message.ends_with('ö'));
    let fault =
        open(Encoding::Postcard, &[0, 1, 7]).and_then(|e| e.game::<Sample>()).expect_err("there are 7");
    assert_eq!((fault.code, fault.id), (Code::UnknownType, None));
    let fault = open(Encoding::Postcard, &[1, 9, 0, 3]).and_then(|e| e.control()).expect_err("there are 3");
    assert_eq!((fault.code, fault.id), (Code::UnknownType, Some(9)));
}

#[test]
fn malformed_postcard() {
    let cases: [(&[u8], Option<u32>); 8] = [
        (&[], None),
        (&[2], None),
        (&[1], None),
        (&[1, 0xff, 0xff, 0xff, 0xff, 0x7f], None),
        (&[0], None),
        (&[1, 7, 2, 0], Some(7)),
        (&[1, 7, 1], Some(7)),
        (&[1, 7, 1, 0, 0], Some(7)),
    ];
    for (message, id) in cases {
        let fault =
            open(Encoding::Postcard, message).and_then(|e| e.game::<Sample>()).expect_err("malformed");
        assert_eq!((fault.code, fault.id), (Code::Malformed, id), "{message:?}");
    }
}

#[test]
fn invalid_postcard_names_the_field() {
    let cases: [(&[u8], &str); 5] = [
        // chat, on a channel that there is not.
        (&[0, 1, 3, 9, 0], "channel"),
        // chat, locally, one byte that is no UTF-8.
        (&[0, 1, 3, 1, 1, 0xff], "message"),
        // trade_update, ready neither 0 nor 1.
        (&[0, 1, 4, 0, 0, 0, 2], "ready"),
        // trade_update, an item's quantity that u16 cannot hold: its varint is too long.
        (&[0, 1, 4, 0, 1, 0, 0xff, 0xff, 0x7f, 0, 0], ""),
        // move, a position neither there nor not.
        (&[0, 1, 1, 0, 0, 2], "position"),
    ];
    for (message, field) in cases {
        let fault = open(Encoding::Postcard, message).and_then(|e| e.game::<Sample>()).expect_err("invalid");
        let code = if field.is_empty() { Code::Malformed } else { Code::Invalid };
        assert_eq!((fault.code, fault.field.as_deref().unwrap_or("")), (code, field), "{message:?}");
    }
}

#[test]
fn postcard_announcing_much_costs_nothing() {
    // positions, 2^35 - 1 of them, in 8 bytes.
    let message = [0, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let fault =
        open(Encoding::Postcard, &message).and_then(|e| e.game::<Sample>()).expect_err("they are not there");
    assert_eq!(fault.code, Code::Malformed);
}

#[test]
fn depth_is_bounded_in_both_encodings() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Deep {
        Down { inner: Option<Box<Deep>> },
    }
    fn deep(levels: usize) -> Deep {
        (0..levels).fold(Deep::Down { inner: None }, |inner, _| Deep::Down { inner: Some(Box::new(inner)) })
    }
    for encoding in Encoding::ALL {
        let read = |levels| {
            let message = client_message(encoding, Kind::Game, None, &deep(levels));
            open(encoding, &message).and_then(|e| e.game::<Deep>().map(drop))
        };
        assert_eq!(read(10), Ok(()));
        let fault = read(1000).expect_err("it is too deep");
        assert_eq!(fault.code, Code::Invalid, "{encoding:?}: {fault}");
        assert!(fault.message.contains("nested too deep"), "{encoding:?}: {fault}");
        assert!(fault.field.is_some_and(|field| field.starts_with("inner.inner")), "{encoding:?}");
    }
}

#[test]
fn a_packet_is_read_as_what_it_is() {
    for encoding in Encoding::ALL {
        let ping = client_message(
            encoding,
            Kind::Control,
            Some(3),
            &ClientControl::Ping { time: Some(ClientTime::Whole(1)) },
        );
        let envelope = open(encoding, &ping).expect("it was encoded");
        assert_eq!((envelope.id, envelope.kind), (Some(3), Kind::Control));
        assert_eq!(envelope.variant::<Sample>(), Some(Variant { index: 1, name: "ping" }));
        let fault = envelope.game::<Sample>().expect_err("it is a control packet");
        assert_eq!((fault.code, fault.id), (Code::UnknownType, Some(3)));
        let chat = client_message(encoding, Kind::Game, None, &samples()[3]);
        let envelope = open(encoding, &chat).expect("it was encoded");
        assert_eq!(envelope.variant::<Sample>(), Some(Variant { index: 3, name: "chat" }));
        assert_eq!(envelope.control().expect_err("it is a game's packet").code, Code::UnknownType);
    }
    assert_eq!(open(Encoding::Json, br#"{"type":"fly"}"#).expect("it is JSON").variant::<Sample>(), None);
    assert_eq!(open(Encoding::Postcard, &[0, 1, 99]).expect("it is an envelope").variant::<Sample>(), None);
}

#[test]
fn what_is_no_enum_is_no_packet() {
    assert!(variants::<Vector>().is_empty());
    assert_eq!(variant_of(&Vector { x: 0.0, y: 0.0 }), None);
    for encoding in Encoding::ALL {
        let mut out = vec![1, 2, 3];
        let fault = encode(encoding, Kind::Game, None, &Vector { x: 0.0, y: 0.0 }, &mut out);
        assert_eq!(fault.expect_err("no enum").to_string(), "a packet cannot be encoded: it is no enum");
        assert_eq!(out, [1, 2, 3]);
        let message = client_message(encoding, Kind::Game, None, &Sample::GetGameState);
        assert!(open(encoding, &message).and_then(|e| e.game::<Vector>().map(drop)).is_err());
    }
}

#[test]
fn what_cannot_be_encoded_leaves_no_trace() {
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Odd {
        Map { by_place: std::collections::BTreeMap<(u8, u8), u8> },
    }
    let mut out = vec![1, 2, 3];
    let odd = Odd::Map { by_place: [((1, 2), 3)].into() };
    assert!(encode(Encoding::Json, Kind::Game, None, &odd, &mut out).is_err(), "JSON has names for keys");
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn batches_in_another_order_of_members_are_read() {
    let text = r#" {"packets" : [ {"data":{},"type":"ok","re":1} , {"type":"get_game_state"},{"type":"fly","re":2},
        {"type":"ok","data":null} ], "time":3, "more":[], "tick":2, "seq":1 }"#;
    let batch = read_batch(Encoding::Json, text.as_bytes()).expect("it is a batch");
    assert_eq!(batch.head, BatchHead { seq: 1, tick: 2, time: 3 });
    let read: Vec<_> = batch.packets::<Sample>().collect();
    let control = |re| Ok(Packet { re, packet: ServerPacket::Control(ServerControl::Ok) });
    assert_eq!(read[0], control(Some(1)));
    assert_eq!(read[1], Ok(Packet { re: None, packet: ServerPacket::Game(Sample::GetGameState) }));
    assert_eq!(read[2].as_ref().map_err(|e| (e.code, e.id)), Err((Code::UnknownType, Some(2))));
    assert_eq!(read[3], control(None), "one unknown packet does not take the others with it");
    assert_eq!(read.len(), 4);
}

#[test]
fn what_is_no_batch() {
    let head = r#"{"seq":1,"tick":2,"time":3,"packets":"#;
    for wrong in
        ["[]", "{}", "", r#"{"seq":-1,"tick":2,"time":3,"packets":[]}"#, r#"{"seq":1,"tick":2,"packets":[]}"#]
    {
        assert!(read_batch(Encoding::Json, wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert!(read_batch(Encoding::Json, format!("{head}{{}}}}").as_bytes()).is_err());
    for wrong in
        ["[,]}", r#"[{"type":"ok"},]}"#, r#"[{"type":"ok"}{"type":"ok"}]}"#, "[5]}", r#"[{"type":"ok"}]]}"#]
    {
        let message = format!("{head}{wrong}");
        let read = read_batch(Encoding::Json, message.as_bytes())
            .and_then(|batch| batch.packets::<Sample>().collect::<Result<Vec<_>, _>>());
        assert_eq!(read.expect_err("it is wrong").code, Code::Malformed, "{wrong}");
    }
    let too_long = read_batch(Encoding::Postcard, &[0, 0, 0, 0, 9]).expect("the head is right");
    assert!(too_long.packets::<Sample>().next().is_some_and(|packet| packet.is_err()));
    let endless =
        read_batch(Encoding::Postcard, &[0, 0, 0, 0xff, 0xff, 0xff, 0x7f]).expect("the head is right");
    assert_eq!(endless.packets::<Sample>().count(), 1, "one error and no more");
}

#[test]
fn exactly_one_way_to_say_who_one_is() {
    let some = || Some(String::from("x"));
    let resume = || Some(Resume { token: String::from("x"), seq: 1 });
    let who = |bits: u8| AuthRequest {
        version: 1,
        token: some().filter(|_| bits & 1 != 0),
        username: some().filter(|_| bits & 2 != 0),
        password: some().filter(|_| bits & 4 != 0),
        guest: some().filter(|_| bits & 8 != 0),
        resume: resume().filter(|_| bits & 16 != 0),
    };
    for bits in 0..32 {
        let request = who(bits);
        let credentials = request.credentials();
        match bits {
            1 => assert_eq!(credentials, Ok(Credentials::Token("x"))),
            6 => assert_eq!(credentials, Ok(Credentials::Password { username: "x", password: "x" })),
            8 => assert_eq!(credentials, Ok(Credentials::Guest("x"))),
            16 => assert!(matches!(credentials, Ok(Credentials::Resume(Resume { seq: 1, .. })))),
            2 => assert_eq!(credentials, Err("password")),
            4 => assert_eq!(credentials, Err("username")),
            0 => assert_eq!(credentials, Err("token")),
            _ => assert!(credentials.is_err(), "{bits:05b}"),
        }
    }
}

#[test]
fn secrets_are_never_printed() {
    for packet in client_controls() {
        let shown = format!("{packet:?}");
        assert!(!["t0k", "pa\\\"ss", "word\"", "r3s"].iter().any(|secret| shown.contains(secret)), "{shown}");
        if let ClientControl::AuthRequest(request) = &packet {
            let shown = format!("{:?}", request.credentials());
            assert!(!["t0k", "word\"", "r3s"].iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }
    assert!(server_controls().iter().all(|packet| !format!("{packet:?}").contains("r3s")));
}

#[test]
fn an_unreadable_packet_becomes_invalid_message() {
    let fault = json(r#"{"type":"position_update","data":{"position":{"x":1}}}"#).expect_err("y is missing");
    assert_eq!(fault.to_string(), "invalid: position.y: missing field `y`");
    let ServerControl::InvalidMessage { code, message, field } = fault.into() else {
        panic!("another packet")
    };
    assert_eq!(
        (code, message.as_str(), field.as_deref()),
        (Code::Invalid, "missing field `y`", Some("position.y"))
    );
}

#[test]
fn subprotocols() {
    for encoding in Encoding::ALL {
        assert_eq!(Encoding::from_subprotocol(encoding.subprotocol()), Some(encoding));
    }
    assert_eq!(Encoding::from_subprotocol("evertick.v1.JSON"), None);
    assert!(Encoding::Json.is_text() && !Encoding::Postcard.is_text());
}

#[test]
fn lengths_are_right_at_every_number_of_digits() {
    let edges = (0..20).map(|e| 10u64.pow(e)).chain((0..64).map(|e| 1u64 << e));
    for n in edges.flat_map(|n| [n - 1, n, n + 1]).chain([u64::MAX]) {
        let head = BatchHead { seq: n, tick: n, time: n };
        for encoding in Encoding::ALL {
            for packets in [0, 1, 2, 127, 128, 1024] {
                let mut out = Vec::new();
                head.begin(encoding, packets, &mut out);
                let around = packets.saturating_sub(1) * separator(encoding).len() + end(encoding).len();
                assert_eq!(
                    head.message_len(encoding, packets, packets, 0),
                    out.len() + around,
                    "{n} {packets}"
                );
                assert!(out.len() <= BatchHead::MAX_LEN);
            }
        }
    }
}
