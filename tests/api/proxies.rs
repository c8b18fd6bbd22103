//! Clients behind a trusted proxy: counted by the address that it tells.

use crate::client::{Answer, Plain, Player, ask, upgrade};
use crate::server::{Running, start};

fn behind_proxies(max_per_address: u32) -> Running {
    start(|s| {
        s.engine.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        s.engine.registry.max_per_address = max_per_address;
    })
}

fn connect(server: &Running, forwarded: &str) -> Result<Player, Answer> {
    Player::try_connect(server.addr, "/ws", &[], &[("X-Forwarded-For", forwarded)])
}

#[test]
fn every_client_behind_the_proxy_has_its_own_places() {
    let server = behind_proxies(1);
    let mut ann = connect(&server, "203.0.113.1").unwrap_or_else(|e| panic!("{e:?}"));
    let mut bob = connect(&server, "203.0.113.2").unwrap_or_else(|e| panic!("{e:?}"));
    ann.authenticate("Ann");
    bob.authenticate("Bob");
    let refused = connect(&server, "203.0.113.1").err().unwrap();
    assert_eq!(refused.refusal(), (429, "too_many_connections".to_owned()));
    // What the client itself wrote stands to the left and is not believed.
    let refused = connect(&server, "198.51.100.9, 203.0.113.1").err().unwrap();
    assert_eq!(refused.refusal().0, 429);
    drop(ann);
    while connect(&server, "203.0.113.1").is_err() {}
}

#[test]
fn ipv6_clients_count_by_their_network() {
    let server = behind_proxies(1);
    let _one = connect(&server, "2001:db8::1").unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(connect(&server, "2001:db8::2").err().unwrap().refusal().0, 429, "the same /64");
    connect(&server, "2001:db8:0:1::1").unwrap_or_else(|e| panic!("{e:?}")).packet("connected");
}

#[test]
fn what_is_no_address_is_400() {
    let server = behind_proxies(0);
    assert_eq!(connect(&server, "unknown").err().unwrap().status, 400);
    assert_eq!(ask(server.addr, "GET", "/healthz", "X-Forwarded-For: nonsense\r\n").status, 400);
}

#[test]
fn the_proxy_s_own_connection_is_not_counted() {
    let server = behind_proxies(1);
    let mut proxies: Vec<Plain> = (0..5).map(|_| Plain::open(server.addr)).collect();
    for proxy in &mut proxies {
        proxy.send("GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n");
        assert_eq!(proxy.answer().status, 200);
    }
}

#[test]
fn the_rate_is_the_client_s_too() {
    let server = start(|s| {
        s.engine.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        s.engine.registry.connect_rate = 1;
    });
    connect(&server, "203.0.113.1").unwrap_or_else(|e| panic!("{e:?}"));
    connect(&server, "203.0.113.2").unwrap_or_else(|e| panic!("{e:?}"));
    let refused = loop {
        if let Err(answer) = connect(&server, "203.0.113.1") {
            break answer;
        }
    };
    assert_eq!(refused.refusal(), (429, "connecting_too_fast".to_owned()));
}

/// One connection of a proxy's carries requests of many clients: who could not upgrade leaves nothing behind.
#[test]
fn a_client_whose_handshake_failed_is_not_counted_on_the_proxy_s_connection() {
    let server = behind_proxies(1);
    let mut proxy = Plain::open(server.addr);
    let failed = upgrade("/ws", "Sec-WebSocket-Protocol: soap\r\nX-Forwarded-For: 203.0.113.1\r\n");
    assert_eq!(proxy.send(failed).answer().status, 400);
    let mut ann = connect(&server, "203.0.113.1").unwrap_or_else(|e| panic!("still counted: {e:?}"));
    ann.packet("connected");
    // The next client on the proxy's connection is counted as itself.
    assert_eq!(proxy.send(upgrade("/ws", "X-Forwarded-For: 203.0.113.2\r\n")).head().status, 101);
    assert_eq!(connect(&server, "203.0.113.2").err().unwrap().status, 429);
}
