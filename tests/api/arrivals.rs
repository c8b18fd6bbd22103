//! A crowd that comes at once: a tick hands so many newcomers to their game, and the others come in with the next ones.

use crate::driven::Driven;
use evertick::ids::ConnId;
use evertick::limits::{INBOX_PLAYER, JOINS_PER_TICK};
use serde_json::Value;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(10);

/// So many who say who they are between two ticks.
fn crowd(driven: &mut Driven, size: usize) -> Vec<ConnId> {
    (0..size).map(|n| driven.joined("192.0.2.1", &format!("Guest {n}"))).collect()
}

/// What a peer was told, control packets and the game's.
fn told(driven: &mut Driven, conn: ConnId) -> Vec<Value> {
    driven.frames(conn).packets
}

fn types(packets: &[Value]) -> Vec<&str> {
    packets.iter().map(|packet| packet["type"].as_str().unwrap()).collect()
}

/// Who of them hears the game: its first packet is the news of the own arrival.
fn inside(driven: &mut Driven, crowd: &[ConnId]) -> Vec<bool> {
    crowd.iter().map(|&conn| types(&told(driven, conn)).contains(&"arrived")).collect()
}

#[test]
fn they_come_in_over_several_ticks_in_the_order_in_which_they_came() {
    let mut driven = Driven::new(|_| {});
    let crowd = crowd(&mut driven, 2 * JOINS_PER_TICK + 5);
    for &conn in &crowd {
        let packets = told(&mut driven, conn);
        assert_eq!(types(&packets), ["connected", "auth_response"], "that answer does not wait");
    }
    for come_in in [JOINS_PER_TICK, 2 * JOINS_PER_TICK] {
        driven.pass(TICK);
        let inside = inside(&mut driven, &crowd);
        assert!(inside[..come_in].iter().all(|&inside| inside), "{come_in}");
        assert!(inside[come_in..].iter().all(|&inside| !inside), "{come_in}");
        driven.engine.audit().unwrap();
    }
    // Whoever comes now stands behind those who are left, and comes in with them.
    let late = driven.joined("192.0.2.2", "Late");
    driven.taken(late);
    driven.pass(TICK);
    assert!(inside(&mut driven, &crowd[2 * JOINS_PER_TICK..]).iter().all(|&inside| inside));
    let news = told(&mut driven, late);
    let name = |packet: &Value| packet["data"]["name"].as_str().unwrap().to_owned();
    assert_eq!(news.iter().map(name).collect::<Vec<_>>(), ["Late"]);
    let after = driven.joined("192.0.2.3", "After");
    driven.pass(TICK);
    assert!(inside(&mut driven, &[after])[0], "nobody waits any more");
}

#[test]
fn what_somebody_in_the_line_sends_is_answered_after_it_came_in() {
    let mut driven = Driven::new(|_| {});
    let crowd = crowd(&mut driven, JOINS_PER_TICK + 1);
    let (first, last) = (crowd[0], crowd[JOINS_PER_TICK]);
    for conn in [first, last] {
        driven.taken(conn);
        driven.say(conn, r#"{"type":"ask","id":1,"data":{"number":7}}"#);
        driven.say(conn, r#"{"type":"ping","id":2,"data":{"time":5}}"#);
        assert_eq!(types(&told(&mut driven, conn)), ["pong"], "it plays, as far as it knows");
    }
    driven.pass(TICK);
    assert!(types(&told(&mut driven, first)).contains(&"answered"));
    assert_eq!(told(&mut driven, last), [Value::Null; 0]);
    driven.engine.audit().unwrap();
    driven.pass(TICK);
    assert_eq!(types(&told(&mut driven, last)), ["arrived", "answered"]);
}

#[test]
fn who_says_goodbye_in_the_line_gets_its_answers_first() {
    let mut driven = Driven::new(|_| {});
    let crowd = crowd(&mut driven, JOINS_PER_TICK + 1);
    let last = crowd[JOINS_PER_TICK];
    driven.taken(last);
    driven.say(last, r#"{"type":"ask","id":1,"data":{"number":7}}"#);
    driven.say(last, r#"{"type":"disconnect","id":2,"data":{"reason":"done"}}"#);
    driven.pass(TICK);
    assert_eq!(told(&mut driven, last), [Value::Null; 0]);
    driven.pass(TICK);
    let frames = driven.frames(last);
    assert_eq!(types(&frames.packets), ["arrived", "answered", "ok"]);
    assert_eq!(frames.close.map(|code| code.get()), Some(1000));
}

#[test]
fn of_who_leaves_the_line_the_game_never_hears() {
    let mut driven = Driven::new(|_| {});
    let crowd = crowd(&mut driven, JOINS_PER_TICK + 3);
    driven.say(crowd[JOINS_PER_TICK], r#"{"type":"say","data":{"text":"lost"}}"#);
    driven.engine.disconnect(crowd[JOINS_PER_TICK], driven.now);
    driven.say(crowd[JOINS_PER_TICK + 1], r#"{"type":"disconnect","data":{"reason":"bored"}}"#);
    driven.engine.audit().unwrap();
    driven.pass(3 * TICK);
    let heard = told(&mut driven, crowd[0]);
    assert_eq!(types(&heard)[2..], vec!["arrived"; JOINS_PER_TICK + 1], "nobody left, nobody spoke");
    assert_eq!(driven.engine.players(), JOINS_PER_TICK + 1);
    for conn in crowd {
        driven.engine.disconnect(conn, driven.now);
    }
    driven.pass(TICK);
    assert_eq!(driven.engine.memory(), 0, "what the lost one had sent is not held");
}

#[test]
fn of_one_in_the_line_no_more_waits_than_of_anybody_else() {
    // Its count began anew with each tick, and what it had sent stayed.
    let mut driven = Driven::new(|s| s.session.message_burst = 1000);
    let crowd = crowd(&mut driven, 3 * JOINS_PER_TICK + 1);
    let last = crowd[3 * JOINS_PER_TICK];
    driven.taken(last);
    let mut refused = 0;
    for _ in 0..3 {
        for _ in 0..INBOX_PLAYER / 2 {
            driven.say(last, r#"{"type":"ask","id":1,"data":{"number":7}}"#);
        }
        driven.engine.audit().unwrap();
        refused += types(&told(&mut driven, last)).iter().filter(|&&kind| kind == "error").count();
        driven.pass(TICK);
    }
    assert_eq!(refused, INBOX_PLAYER / 2);
    driven.pass(TICK);
    let answers = types(&told(&mut driven, last)).iter().filter(|&&kind| kind == "answered").count();
    assert_eq!(answers, INBOX_PLAYER);
}
