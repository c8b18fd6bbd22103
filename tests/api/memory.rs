//! `memory_limit` is one budget over what all peers make the server hold: whoever holds the most goes, those who have not
//! said who they are first.

use crate::driven::Driven;
use evertick::outgoing::Next;
use serde_json::Value;
use std::time::Duration;

/// A peer that takes nothing, for which so many kilobytes are made to wait.
fn slow(driven: &mut Driven, ip: &str, name: &str, kilobytes: u32) -> evertick::ids::ConnId {
    let conn = driven.joined(ip, name);
    driven.pass(Duration::from_millis(50));
    driven.taken(conn);
    driven.set_room(conn, 0);
    driven.say(conn, &format!(r#"{{"type":"burst","data":{{"packets":{kilobytes},"bytes":1000}}}}"#));
    driven.pass(Duration::from_millis(50));
    conn
}

fn is_open(driven: &Driven, conn: evertick::ids::ConnId) -> bool {
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
