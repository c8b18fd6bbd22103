//! A graceful stop, as clients see it.

use crate::client::{Plain, Player, upgrade};
use crate::server::start;
use serde_json::json;
use std::time::Duration;

#[test]
fn everybody_is_told_and_the_port_is_free_again() {
    let server = start(|_| {});
    let addr = server.addr;
    let players: Vec<Player> = ["Ann", "Bob", "Cid"].map(|name| Player::join(addr, name)).into();
    let newcomer = Player::connect(addr);
    server.stopper.stop();
    for player in players.into_iter().chain([newcomer]) {
        assert_eq!(player.ending().reason(), (Some(1001), "shutdown"));
    }
    server.stop();
    let again = start(|s| s.listen = addr);
    assert_eq!(again.addr, addr);
    Player::join(addr, "Ann").round_trip();
}

#[test]
fn the_port_is_free_while_the_last_still_read() {
    let server = start(|_| {});
    let mut silent = Player::join(server.addr, "Ann");
    // More than the kernel takes for somebody who does not read: the stop has to wait for it.
    for _ in 0..20 {
        silent.send("burst", json!({"packets": 100, "bytes": 8000}));
    }
    let addr = server.addr;
    let mut witness = Player::join(addr, "Bob");
    witness.round_trip();
    server.stopper.stop();
    assert_eq!(witness.ending().reason(), (Some(1001), "shutdown"));
    let mut again = None;
    while again.is_none() {
        let mut settings = crate::server::settings();
        settings.listen = addr;
        again = evertick::server::Server::new(settings).bind().ok();
    }
    drop(silent);
}

#[test]
fn a_request_that_has_begun_is_answered() {
    let server = start(|_| {});
    let mut idle = Plain::open(server.addr);
    idle.send("GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n");
    assert_eq!(idle.answer().status, 200);
    let mut asking = Plain::open(server.addr);
    asking.send("GET /api/status HTTP/1.1\r\nHost: ya");
    let mut upgrading = Plain::open(server.addr);
    let handshake = upgrade("/ws", "");
    let (first, rest) = handshake.split_at(40);
    upgrading.send(first);
    let mut player = Player::join(server.addr, "Ann");
    player.round_trip();
    server.stopper.stop();
    assert_eq!(player.ending().reason(), (Some(1001), "shutdown"));
    assert!(idle.ends(), "who asks nothing is closed without a word");
    let status = asking.send("rd\r\n\r\n").answer();
    assert_eq!((status.status, &status.json()["status"]), (200, &json!("draining")));
    assert_eq!(status.header("connection"), "close");
    let refused = upgrading.send(rest).answer();
    assert_eq!(refused.refusal(), (503, "shutdown".to_owned()));
    server.stop();
}

#[test]
fn the_grace_is_the_longest_that_a_stop_takes() {
    let server = start(|s| s.shutdown_grace = Duration::from_millis(300));
    let mut dripping = Plain::open(server.addr);
    dripping.send("GET / HTTP/1.1\r\nHost: ya");
    Player::join(server.addr, "Ann").round_trip();
    server.stop();
    assert!(dripping.ends());
}

#[test]
fn nothing_is_half_started() {
    let server = start(|_| {});
    let mut settings = crate::server::settings();
    settings.listen = server.addr;
    let message = evertick::server::Server::new(settings).bind().err().unwrap().to_string();
    assert!(message.contains(&server.addr.to_string()) && message.contains("port"), "{message}");
    let twice = evertick::server::Server::new(crate::server::settings())
        .game("/ws", crate::server::Yard::<false>)
        .game("/ws", crate::server::Yard::<false>);
    assert!(twice.bind().err().unwrap().to_string().contains("/ws"));
}
