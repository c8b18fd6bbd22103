//! `memory_limit` is one budget over what all peers make the server hold: whoever holds the most goes, those who have not
//! said who they are first.

use crate::driven::Driven;
use evertick::ids::ConnId;
use evertick::limits::{INBOX_GAME, INBOX_PLAYER, JOINS_PER_TICK, PARTING_BYTES};
use evertick::outgoing::Next;
use serde_json::Value;
use std::time::Duration;

/// A peer that takes nothing, for which so many kilobytes are made to wait.
fn slow(driven: &mut Driven, ip: &str, name: &str, kilobytes: u32) -> ConnId {
    let conn = driven.joined(ip, name);
    driven.pass(Duration::from_millis(50));
    driven.taken(conn);
    driven.set_room(conn, 0);
    driven.say(conn, &format!(r#"{{"type":"burst","data":{{"packets":{kilobytes},"bytes":1000}}}}"#));
    driven.pass(Duration::from_millis(50));
    conn
}

fn is_open(driven: &Driven, conn: ConnId) -> bool {
    matches!(driven.next(conn), Next::Read | Next::Pause)
}

/// Bytes that the engine says its peers hold.
fn held(driven: &mut Driven) -> u64 {
    let conn = driven.accept("192.0.2.200").unwrap();
    driven.send(conn, b"GET /api/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(driven.status(conn), 200);
    let status: Value = serde_json::from_slice(&driven.taken(conn)).unwrap();
    status["memory"]["buffers_bytes"].as_u64().unwrap()
}

#[test]
fn the_largest_goes_when_the_budget_is_spent() {
    let mut driven = Driven::new(|s| s.memory_limit = 1 << 20);
    let bystander = driven.joined("192.0.2.1", "Bystander");
    let large = slow(&mut driven, "192.0.2.2", "Large", 500);
    let small = slow(&mut driven, "192.0.2.3", "Small", 300);
    assert!(is_open(&driven, large) && is_open(&driven, small));
    let last = slow(&mut driven, "192.0.2.4", "Last", 400);
    assert!(!is_open(&driven, large), "it holds the most");
    assert!(is_open(&driven, small) && is_open(&driven, last) && is_open(&driven, bystander));
    assert!(held(&mut driven) <= 1 << 20);
}

#[test]
fn those_who_have_not_said_who_they_are_go_first() {
    let mut driven = Driven::new(|s| s.memory_limit = 1 << 20);
    let stranger = driven.accept("192.0.2.9").unwrap();
    driven.send(stranger, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    driven.send(stranger, &[b'x'; 50_000]);
    assert!(held(&mut driven) >= 50_000);
    let large = slow(&mut driven, "192.0.2.2", "Large", 900);
    let small = slow(&mut driven, "192.0.2.3", "Small", 80);
    assert!(!is_open(&driven, stranger), "a player is worth more than who has not come in");
    assert!(is_open(&driven, large) && is_open(&driven, small));
}

#[test]
fn nothing_is_held_once_everybody_is_gone() {
    let mut driven = Driven::new(|_| {});
    let conns = [1, 2, 3].map(|n| slow(&mut driven, &format!("192.0.2.{n}"), "Slow", 200));
    assert!(held(&mut driven) >= 600_000);
    for conn in conns {
        driven.engine.disconnect(conn, driven.now);
    }
    driven.pass(Duration::from_millis(50));
    assert_eq!(held(&mut driven), 0);
}

/// Has a peer say so many words of so many bytes.
fn talk(driven: &mut Driven, conn: ConnId, times: usize, bytes: usize) {
    let text = format!(r#"{{"type":"say","data":{{"text":"{}"}}}}"#, "x".repeat(bytes));
    (0..times).for_each(|_| driven.say(conn, &text));
}

#[test]
fn what_newcomers_in_the_line_have_sent_is_theirs() {
    // It was in the budget and in nobody's account: once it was spent, those who held anything else were closed for it.
    let mut driven = Driven::new(|s| {
        s.memory_limit = 1 << 20;
        s.session.duplicate_window = Duration::ZERO;
    });
    let innocent = slow(&mut driven, "192.0.2.2", "Slow", 300);
    let writer = driven.joined("192.0.2.3", "Writer");
    driven.pass(Duration::from_millis(50));
    let crowd: Vec<ConnId> =
        (0..JOINS_PER_TICK + 2).map(|n| driven.joined("192.0.2.1", &format!("Guest {n}"))).collect();
    let [large, small] = crowd[JOINS_PER_TICK..] else { unreachable!() };
    talk(&mut driven, large, 30, 15_000);
    talk(&mut driven, small, 30, 15_000);
    assert!(held_by(&driven) > 1_000_000);
    let mut unfinished = Vec::new();
    evertick::websocket::encode_masked(
        &mut unfinished,
        evertick::websocket::OpCode::Text,
        &[b' '; 16_000],
        [1, 2, 3, 4],
    );
    driven.send(writer, &unfinished[..15_000]);
    assert!(is_open(&driven, innocent) && is_open(&driven, writer), "they hold less");
    assert!(!is_open(&driven, large), "it holds the most");
    assert!(is_open(&driven, small));
    driven.engine.audit().unwrap();
}

fn held_by(driven: &Driven) -> usize {
    driven.engine.memory()
}

#[test]
fn who_holds_little_is_heard_though_the_budget_is_spent() {
    // Whoever had spent it was left in peace, and nobody else could say anything any more.
    let mut driven = Driven::new(|s| s.memory_limit = 1 << 20);
    let quiet = driven.joined("192.0.2.1", "Quiet");
    let large = slow(&mut driven, "192.0.2.2", "Large", 900);
    let filler = driven.joined("192.0.2.3", "Filler");
    driven.pass(Duration::from_millis(50));
    driven.set_room(filler, 0);
    let room = (1 << 20) - driven.engine.memory();
    driven.say(filler, &format!(r#"{{"type":"burst","data":{{"packets":1,"bytes":{}}}}}"#, room - 2000));
    driven.pass(Duration::from_millis(50));
    assert!(is_open(&driven, large) && is_open(&driven, filler));
    driven.taken(quiet);
    talk(&mut driven, quiet, 1, 3000);
    assert!(!is_open(&driven, large), "it makes room");
    driven.pass(Duration::from_millis(50));
    assert!(driven.frames(quiet).packets.iter().any(|packet| packet["type"] == "said"));
}

#[test]
fn a_game_s_inbox_has_room_for_everybody() {
    let flooders = INBOX_GAME / INBOX_PLAYER + 1;
    let mut driven = Driven::new(|s| s.session.message_burst = 1000);
    let innocent = driven.joined("192.0.2.1", "Innocent");
    let crowd: Vec<ConnId> =
        (0..flooders).map(|n| driven.joined("192.0.2.2", &format!("Guest {n}"))).collect();
    driven.pass(Duration::from_millis(100));
    for &conn in &crowd {
        (0..INBOX_PLAYER).for_each(|_| driven.say(conn, r#"{"type":"step","data":{"x":1}}"#));
    }
    driven.taken(innocent);
    driven.say(innocent, r#"{"type":"ask","id":1,"data":{"number":7}}"#);
    assert!(driven.frames(innocent).packets.is_empty(), "it is not refused");
    driven.engine.audit().unwrap();
    driven.pass(Duration::from_millis(10));
    assert_eq!(driven.frames(innocent).packets.last().unwrap()["type"], "answered");
}

#[test]
fn of_the_last_words_of_those_who_are_gone_only_so_much_is_kept() {
    let mut driven = Driven::new(|_| {});
    let listener = driven.joined("192.0.2.1", "Listener");
    let crowd: Vec<ConnId> = (0..40).map(|n| driven.joined("192.0.2.2", &format!("Guest {n}"))).collect();
    driven.pass(Duration::from_millis(50));
    driven.taken(listener);
    for conn in crowd {
        talk(&mut driven, conn, 1, 15_000);
        driven.engine.disconnect(conn, driven.now);
        driven.engine.audit().unwrap();
    }
    assert!(driven.engine.memory() < 15_000, "what is left is nobody's");
    driven.pass(Duration::from_millis(10));
    let heard = driven.frames(listener).packets;
    let said = heard.iter().filter(|packet| packet["type"] == "said").count();
    assert!((PARTING_BYTES / 15_100..=PARTING_BYTES / 15_000).contains(&said), "{said}");
}
