//! The bytes of the contract. A change in a snapshot here is a change that every client notices: postcard's numbers and
//! orders are frozen, JSON may only gain members.

use super::*;
use std::fmt::Write;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A packet in both encodings, with and without a number.
fn rows<P: Serialize>(packets: &[P], encode: impl Fn(Encoding, Option<u32>, &P) -> Vec<u8>) -> String {
    packets.iter().zip([None, Some(7), Some(300)].into_iter().cycle()).fold(
        String::new(),
        |mut text, (p, n)| {
            let json = String::from_utf8(encode(Encoding::Json, n, p)).expect("JSON is text");
            let _ = writeln!(text, "{json}\n{}\n", hex(&encode(Encoding::Postcard, n, p)));
            text
        },
    )
}

#[test]
fn client_control_packets() {
    insta::assert_snapshot!(rows(&client_controls(), |e, id, p| client_message(e, Kind::Control, id, p)));
}

#[test]
fn server_control_packets() {
    insta::assert_snapshot!(rows(&server_controls(), |e, re, p| server_packet(e, Kind::Control, re, p)));
}

#[test]
fn game_packets() {
    insta::assert_snapshot!(rows(&samples(), |e, re, p| server_packet(e, Kind::Game, re, p)));
}

#[test]
fn no_control_packet_is_missing_here() {
    fn names<P: Serialize>(packets: &[P]) -> Vec<&'static str> {
        let mut names: Vec<_> = packets.iter().filter_map(variant_of).map(|v| v.name).collect();
        names.dedup();
        names
    }
    assert_eq!(names(&client_controls()), variants::<ClientControl>());
    assert_eq!(names(&server_controls()), variants::<ServerControl>());
    assert_eq!(names(&samples()), variants::<Sample>());
}

#[test]
fn the_numbers_of_control_packets_never_change() {
    assert_eq!(variants::<ClientControl>(), ["auth_request", "ping", "disconnect"]);
    assert_eq!(
        variants::<ServerControl>(),
        ["connected", "auth_response", "pong", "disconnect", "ok", "error", "invalid_message"]
    );
}

#[test]
fn a_batch() {
    let head = BatchHead { seq: 41, tick: 8841, time: 1_700_000_000_000 };
    let bodies = |encoding| {
        let pong = ServerControl::Pong {
            time: Some(ClientTime::Whole(5)),
            server_time: 1_700_000_000_007,
            tick: 8841,
        };
        let state = Sample::Chat { channel: Channel::Local, message: String::from("hi") };
        [
            server_packet(encoding, Kind::Control, Some(7), &pong),
            server_packet(encoding, Kind::Game, None, &state),
        ]
    };
    let json = batch(Encoding::Json, head, &bodies(Encoding::Json));
    assert_eq!(
        String::from_utf8(json).expect("JSON is text"),
        "{\"seq\":41,\"tick\":8841,\"time\":1700000000000,\"packets\":[\
         {\"type\":\"pong\",\"re\":7,\"data\":{\"time\":5,\"server_time\":1700000000007,\"tick\":8841}},\
         {\"type\":\"chat\",\"data\":{\"channel\":\"local\",\"message\":\"hi\"}}]}"
    );
    let postcard = batch(Encoding::Postcard, head, &bodies(Encoding::Postcard));
    let time = "80d095ffbc31"; // 1,700,000,000,000
    let then = "87d095ffbc31";
    assert_eq!(
        hex(&postcard),
        // seq, tick, time, how many; re 7, control, pong: time 5, server_time, tick; no re, game, chat, local, "hi".
        [
            "29", "8945", time, "02", "01", "07", "00", "02", "01", "05", then, "8945", "00", "01", "03",
            "01", "02", "6869"
        ]
        .concat()
    );
    assert_eq!(hex(&batch(Encoding::Postcard, BatchHead::default(), &[])), "00000000");
    assert_eq!(
        batch(Encoding::Json, BatchHead::default(), &[]),
        b"{\"seq\":0,\"tick\":0,\"time\":0,\"packets\":[]}"
    );
}

#[test]
fn codes() {
    let number = |n: Option<u16>| n.map_or(String::from("-"), |n| n.to_string());
    let mut table = String::from("number code                  close http\n");
    for (i, code) in Code::ALL.iter().enumerate() {
        assert_eq!(*code as usize, i, "ALL is in order");
        assert_eq!(variant_of(code), Some(Variant { index: *code as u32, name: code.name() }), "one name");
        let (close, http) = (number(code.close_code()), number(code.http_status()));
        let _ = writeln!(table, "{i:>6} {code:<21} {close:>5} {http:>4}", code = code.name());
    }
    assert_eq!(variants::<Code>().len(), Code::ALL.len());
    insta::assert_snapshot!(table);
}
