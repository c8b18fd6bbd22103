//! Refusals before the upgrade come in the contract's order, held with an engine for which all of them are true at
//! once.

use crate::client::upgrade;
use crate::driven::Driven;
use evertick::outgoing::Next;
use evertick::registry::Ban;
use std::time::Duration;

const HERE: &str = "203.0.113.7";

/// Banned, connecting too fast, too many from the address, and too many at all.
fn everything_is_wrong() -> (Driven, u32) {
    let mut driven = Driven::new(|s| {
        s.registry.connect_rate = 1;
        s.registry.max_per_address = 1;
        s.registry.max_connections = 1;
    });
    driven.upgraded(HERE);
    let ban = Ban { network: HERE.parse().unwrap(), until: None, reason: "test".to_owned() };
    // Whoever is on from there is closed; the address's place is taken again before the ban.
    let id = driven.engine.ban(ban, driven.now).unwrap();
    driven.attend();
    (driven, id)
}

fn refusal(driven: &mut Driven) -> (u16, String) {
    let conn = driven.accept(HERE).unwrap();
    driven.refusal(conn)
}

#[test]
fn the_order_of_refusals_at_accept() {
    let (mut driven, ban) = everything_is_wrong();
    assert_eq!(refusal(&mut driven), (403, "banned".to_owned()));
    assert!(driven.engine.lift_ban(ban));
    // The ban closed the one connection; another takes its place as soon as the rate allows.
    assert_eq!(refusal(&mut driven), (429, "connecting_too_fast".to_owned()));
    driven.pass(Duration::from_secs(1));
    let one = driven.upgraded(HERE);
    assert_eq!(refusal(&mut driven), (429, "connecting_too_fast".to_owned()));
    driven.pass(Duration::from_secs(1));
    assert_eq!(refusal(&mut driven), (429, "too_many_connections".to_owned()));
    let elsewhere = driven.accept("203.0.113.8").unwrap();
    assert_eq!(driven.refusal(elsewhere), (503, "busy".to_owned()));
    driven.engine.drain(driven.now);
    driven.attend();
    assert_eq!(driven.frames(one).reason(), (1001, "shutdown"));
    assert_eq!(refusal(&mut driven), (503, "shutdown".to_owned()));
}

#[test]
fn a_ban_closes_whoever_is_on_and_ends_in_time() {
    let mut driven = Driven::new(|_| {});
    let playing = driven.joined(HERE, "Ann");
    let elsewhere = driven.joined("203.0.113.99", "Bob");
    let until = driven.now + Duration::from_secs(60);
    let ban = Ban { network: "203.0.113.0/26".parse().unwrap(), until: Some(until), reason: String::new() };
    driven.engine.ban(ban, driven.now).unwrap();
    driven.attend();
    assert_eq!(driven.frames(playing).reason(), (4012, "banned"));
    assert_eq!(driven.frames(elsewhere).close, None);
    let conn = driven.accept("::ffff:203.0.113.7").unwrap();
    let answer = String::from_utf8(driven.taken(conn)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("Retry-After: 60\r\n"), "{answer}");
    driven.pass(Duration::from_secs(61));
    driven.upgraded(HERE);
}

/// Somebody who was accepted before the ban and asks for something after it.
#[test]
fn a_ban_holds_for_the_next_request() {
    let mut driven = Driven::new(|s| s.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]);
    let proxy = driven.accept("10.0.0.1").unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {HERE}\r\n\r\n");
    driven.send(proxy, request.as_bytes());
    assert_eq!(driven.status(proxy), 200);
    driven.taken(proxy);
    let ban = Ban { network: HERE.parse().unwrap(), until: None, reason: String::new() };
    driven.engine.ban(ban, driven.now).unwrap();
    driven.send(proxy, request.as_bytes());
    assert_eq!(driven.refusal(proxy), (403, "banned".to_owned()));
    driven.send(proxy, upgrade("/ws", &format!("X-Forwarded-For: {HERE}\r\n")).as_bytes());
    assert_eq!(driven.refusal(proxy), (403, "banned".to_owned()));
    // Others behind the same proxy come in.
    driven.send(proxy, upgrade("/ws", "X-Forwarded-For: 203.0.113.8\r\n").as_bytes());
    assert_eq!(driven.status(proxy), 101);
}

#[test]
fn refusals_that_nobody_reads_are_bounded() {
    let mut driven = Driven::new(|s| s.registry.max_connections = 1);
    driven.upgraded(HERE);
    let mut refused = Vec::new();
    // A peer that takes nothing keeps its refusal waiting.
    let dropped = (0..2 * evertick::limits::REFUSALS_LINGERING).filter(|_| {
        let conn = driven.engine.accept(HERE.parse().unwrap(), driven.now);
        refused.extend(conn);
        conn.is_none()
    });
    assert_eq!(dropped.count(), evertick::limits::REFUSALS_LINGERING);
    for conn in refused {
        driven.engine.disconnect(conn, driven.now);
    }
    assert_eq!(refusal(&mut driven), (503, "busy".to_owned()));
}

#[test]
fn a_kept_alive_connection_gives_way_to_a_new_one_of_its_address() {
    let mut driven = Driven::new(|s| s.registry.max_per_address = 4);
    let player = driven.joined(HERE, "Ann");
    let silent = driven.accept(HERE).unwrap();
    let [first, second] = [(); 2].map(|()| {
        driven.pass(Duration::from_millis(50));
        let conn = driven.accept(HERE).unwrap();
        driven.send(conn, b"GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n");
        assert_eq!(driven.status(conn), 200);
        conn
    });
    // The first has asked last.
    driven.pass(Duration::from_millis(50));
    driven.send(first, b"GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n");
    assert_eq!(driven.status(first), 200);
    let elsewhere = driven.accept("203.0.113.99").unwrap();
    driven.send(elsewhere, b"GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n");
    let next = |driven: &Driven| [player, silent, first, second, elsewhere].map(|conn| driven.next(conn));
    driven.upgraded(HERE);
    assert_eq!(next(&driven), [Next::Read, Next::Read, Next::Read, Next::Finish, Next::Read]);
    driven.upgraded(HERE);
    assert_eq!(next(&driven), [Next::Read, Next::Read, Next::Finish, Next::Finish, Next::Read]);
    assert_eq!(refusal(&mut driven), (429, "too_many_connections".to_owned()), "nobody is idle any more");
    driven.engine.audit().unwrap();
}
