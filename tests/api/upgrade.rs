//! The way into a WebSocket: what is agreed on and what is refused before it.

use crate::client::{Plain, Player, ask, get, upgrade};
use crate::server::start;
use evertick::http::cors::Origins;
use serde_json::json;
use std::collections::HashSet;

#[test]
fn the_first_packet_says_what_the_server_is() {
    let server = start(|_| {});
    let mut player = Player::connect(server.addr);
    let connected = player.packet("connected")["data"].clone();
    assert_eq!(connected["instance"], "yard-1");
    assert_eq!(connected["server"], format!("evertick/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(connected["protocol"], json!({"min": 1, "max": 1}));
    assert_eq!(connected["tick_rate"], 100);
    assert_eq!(
        (&connected["heartbeat_interval_ms"], &connected["timeout_ms"]),
        (&json!(5000), &json!(30000))
    );
}

#[test]
fn every_session_has_an_instance_of_its_own() {
    let server = start(|_| {});
    let players: Vec<Player> = (0..5).map(|_| Player::connect(server.addr)).collect();
    let instances: HashSet<String> = players
        .into_iter()
        .map(|mut player| player.packet("connected")["data"]["instance"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(instances.len(), 5);
    assert!(instances.iter().all(|instance| instance.starts_with("yard-")), "{instances:?}");
}

#[test]
fn subprotocols() {
    let server = start(|_| {});
    let (json, postcard) = ("evertick.v1.json", "evertick.v1.postcard");
    for (offered, chosen) in [
        (&[][..], None),
        (&[json][..], Some(json)),
        (&[postcard][..], Some(postcard)),
        (&["chat", postcard][..], Some(postcard)),
        (&[json, postcard][..], Some(json)),
    ] {
        let mut player = Player::try_connect(server.addr, "/ws", offered, &[]).unwrap();
        assert_eq!(player.subprotocol.as_deref(), chosen, "{offered:?}");
        player.packet("connected");
        player.authenticate("Ann");
        player.round_trip();
    }
}

#[test]
fn subprotocols_that_nobody_here_speaks_are_400_and_name_ours() {
    let server = start(|_| {});
    let answer = ask(
        server.addr,
        "GET",
        "/ws",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, soap\r\n",
    );
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("evertick.v1.json") && answer.text().contains("evertick.v1.postcard"));
}

#[test]
fn what_is_no_handshake() {
    let server = start(|_| {});
    let plain_get = get(server.addr, "/ws");
    assert_eq!((plain_get.status, plain_get.header("upgrade")), (426, "websocket"));
    let old = upgrade("/ws", "").replace("Version: 13", "Version: 8");
    let answer = Plain::open(server.addr).send(old).answer();
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, "13"));
    for (what, with) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        ("dGhlIHNhbXBsZSBub25jZQ==", "%%%"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
    ] {
        let answer = Plain::open(server.addr).send(upgrade("/ws", "").replace(what, with)).answer();
        assert_eq!(answer.status, 400, "{what} -> {with}");
    }
}

#[test]
fn a_refused_handshake_may_be_tried_again_on_the_same_connection() {
    let server = start(|_| {});
    let mut plain = Plain::open(server.addr);
    let refused = plain.send(upgrade("/ws", "Sec-WebSocket-Protocol: soap\r\n")).answer();
    assert_eq!(refused.status, 400);
    assert_ne!(refused.header("connection"), "close");
    assert_eq!(plain.send(upgrade("/ws", "")).head().status, 101);
}

#[test]
fn frames_may_come_in_the_same_bytes_as_the_handshake() {
    let server = start(|_| {});
    let mut bytes = upgrade("/ws", "").into_bytes();
    let auth = br#"{"type":"auth_request","data":{"version":1,"guest":"Eager"}}"#;
    evertick::websocket::encode_masked(&mut bytes, evertick::websocket::OpCode::Text, auth, [9, 8, 7, 6]);
    let mut plain = Plain::open(server.addr);
    assert_eq!(plain.send(bytes).head().status, 101);
    plain.send([0x88, 0x80, 0, 0, 0, 0]);
    let frames = String::from_utf8_lossy(&plain.rest()).into_owned();
    assert!(frames.contains("auth_response") && frames.contains("Eager"), "{frames}");
}

#[test]
fn origins_that_are_not_allowed_are_403() {
    let server = start(|s| {
        s.engine.allowed_origins = Origins::read(&["https://play.example".to_owned()]).unwrap();
    });
    let connect = |fields: &[(&str, &str)]| Player::try_connect(server.addr, "/ws", &[], fields);
    let refused = connect(&[("Origin", "https://evil.example")]).err().unwrap();
    assert_eq!(refused.refusal(), (403, "forbidden".to_owned()));
    connect(&[("Origin", "https://play.example")]).unwrap_or_else(|e| panic!("{e:?}")).packet("connected");
    connect(&[]).unwrap_or_else(|e| panic!("{e:?}")).packet("connected");
}

#[test]
fn a_banned_address_is_403() {
    let server = evertick::server::Server::new(crate::server::settings())
        .game("/ws", crate::server::Yard::<false>)
        .ban("127.0.0.0/8".parse().unwrap(), Some(3600), "test");
    let bound = server.bind().unwrap();
    let (addr, stopper) = (bound.local_addr(), bound.stopper());
    let thread = std::thread::spawn(move || bound.run());
    let refused = Player::try_connect(addr, "/ws", &[], &[]).err().unwrap();
    assert_eq!(refused.refusal(), (403, "banned".to_owned()));
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 3000);
    stopper.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn connecting_too_fast_is_429_until_it_is_slow_enough() {
    let server = start(|s| s.engine.registry.connect_rate = 2);
    let refused = loop {
        match Player::try_connect(server.addr, "/ws", &[], &[]) {
            Ok(mut player) => player.packet("connected"),
            Err(answer) => break answer,
        };
    };
    assert_eq!(refused.refusal(), (429, "connecting_too_fast".to_owned()));
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert!(refused.json()["error"]["retry_after_ms"].as_u64().unwrap() <= 1000);
    assert_eq!(refused.header("connection"), "close");
    // Refusals cost nothing of the rate: it comes back.
    while Player::try_connect(server.addr, "/ws", &[], &[]).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn too_many_from_one_address_is_429_until_one_of_them_goes() {
    let server = start(|s| s.engine.registry.max_per_address = 2);
    let first = Player::connect(server.addr);
    let _second = Player::connect(server.addr);
    let refused = Player::try_connect(server.addr, "/ws", &[], &[]).err().unwrap();
    assert_eq!(refused.refusal(), (429, "too_many_connections".to_owned()));
    drop(first);
    while Player::try_connect(server.addr, "/ws", &[], &[]).is_err() {}
}

#[test]
fn more_connections_than_the_server_takes_is_503() {
    let server = start(|s| s.engine.registry.max_connections = 1);
    let mut player = Player::join(server.addr, "Ann");
    for _ in 0..20 {
        let refused = get(server.addr, "/healthz");
        assert_eq!(refused.refusal(), (503, "busy".to_owned()));
        assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    player.round_trip();
    drop(player);
    while get(server.addr, "/healthz").status != 200 {}
}

#[test]
fn several_games_stand_at_several_paths() {
    let server = start(|_| {});
    let mut here = Player::join(server.addr, "Ann");
    let mut there = Player::try_connect(server.addr, "/ws/other", &[], &[]).unwrap();
    assert_eq!(there.authenticate("Ann")["username"], "Ann", "names are each game's own");
    there.send("say", json!({"text": "over there"}));
    there.packet("said");
    here.send("say", json!({"text": "over here"}));
    assert_eq!(here.packet("said")["data"]["text"], "over here");
    assert_eq!(Player::try_connect(server.addr, "/ws/third", &[], &[]).err().unwrap().status, 404);
}
