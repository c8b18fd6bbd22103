//! Who may come in, and what those are told who may not.

use crate::client::Player;
use crate::server::start;
use serde_json::{Value, json};

/// Sends that `auth_request` and reads to the end; the `error` must name what the `disconnect` names.
fn refused(mut player: Player, data: Value) -> (Option<u16>, String) {
    let id = player.ask("auth_request", data);
    let error = player.wait(|packet| packet["re"] == id);
    assert_eq!(error["type"], "error");
    let ending = player.ending();
    let (close, named) = ending.reason();
    assert_eq!(error["data"]["code"], named, "the error and the disconnect agree");
    assert_eq!(error["data"]["message"], ending.last()["data"]["message"]);
    (close, named.to_owned())
}

#[test]
fn a_guest_comes_in() {
    let server = start(|_| {});
    for protocol in ["evertick.v1.json", "evertick.v1.postcard"] {
        let mut player = Player::try_connect(server.addr, "/ws", &[protocol], &[]).unwrap();
        let response = player.authenticate("Ann O'Neill");
        assert!(response["player_id"].as_u64().unwrap() >= 1_000_000_000);
        assert_eq!(response["account_id"], Value::Null);
        assert_eq!(response["guest"], true);
        assert_eq!(response["characters"], json!([]));
        assert_eq!((&response["resume_token"], &response["resume_grace_ms"]), (&Value::Null, &json!(0)));
        assert_eq!(response["resumed"], false);
        assert_eq!((&response["replayed"], &response["received"]), (&json!(0), &json!(0)));
        let arrived = player.packet("arrived");
        assert_eq!(arrived["data"]["player"], response["player_id"]);
        assert_eq!(arrived["data"]["name"], response["username"]);
        player.round_trip();
    }
}

#[test]
fn a_name_that_somebody_has_gets_a_number() {
    let server = start(|_| {});
    let name = |player: &mut Player, wanted: &str| player.authenticate(wanted)["username"].clone();
    let mut players: Vec<Player> = (0..4).map(|_| Player::connect(server.addr)).collect();
    assert_eq!(name(&mut players[0], "Ann"), "Ann");
    assert_eq!(name(&mut players[1], "ann"), "ann#2");
    assert_eq!(name(&mut players[2], "ANN"), "ANN#3");
    assert_eq!(name(&mut players[3], " Bob "), "Bob");
    // Whoever leaves gives the name back.
    let first = players.remove(0);
    drop(first);
    players[0].packet("gone");
    let mut next = Player::connect(server.addr);
    assert_eq!(name(&mut next, "Ann"), "Ann");
}

#[test]
fn ids_of_guests_are_not_used_again() {
    let server = start(|_| {});
    let mut seen = Vec::new();
    for _ in 0..5 {
        let mut player = Player::connect(server.addr);
        seen.push(player.authenticate("Ann")["player_id"].as_u64().unwrap());
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

#[test]
fn a_version_that_the_server_does_not_speak() {
    let server = start(|_| {});
    for version in [0, 2, 4_000_000_000u32] {
        let player = Player::connect(server.addr);
        let data = json!({"version": version, "guest": "Ann"});
        assert_eq!(refused(player, data), (Some(4000), "bad_version".to_owned()));
    }
}

#[test]
fn tokens_and_resumes_that_stand_for_nobody_are_refused_without_telling_more() {
    let server = start(|_| {});
    for (data, close, code) in [
        (json!({"version": 1, "token": "abc"}), 4003, "session_expired"),
        (json!({"version": 1, "resume": {"token": "abc", "seq": 3}}), 4003, "session_expired"),
    ] {
        assert_eq!(refused(Player::connect(server.addr), data), (Some(close), code.to_owned()));
    }
}

#[test]
fn what_is_no_offer_can_be_made_again() {
    let server = start(|_| {});
    let mut player = Player::connect(server.addr);
    for data in [
        json!({"version": 1}),
        json!({"version": 1, "guest": "Ann", "token": "abc"}),
        json!({"version": 1, "username": "ann"}),
        json!({"version": 1, "guest": ""}),
        json!({"version": 1, "guest": "<script>"}),
        json!({"version": 1, "guest": "x".repeat(21)}),
    ] {
        let error = player.request("auth_request", data.clone());
        assert_eq!((&error["type"], &error["data"]["code"]), (&json!("error"), &json!("invalid")), "{data}");
    }
    let invalid = player.request("auth_request", json!({"guest": "Ann"}));
    assert_eq!((&invalid["type"], &invalid["data"]["field"]), (&json!("invalid_message"), &json!("version")));
    player.authenticate("Ann");
    player.round_trip();
}

#[test]
fn whoever_says_anything_else_first_is_unauthenticated() {
    let server = start(|_| {});
    for (packet, data) in [("say", json!({"text": "hi"})), ("ping", json!({})), ("no_such", json!({}))] {
        let mut player = Player::connect(server.addr);
        let id = player.ask(packet, data);
        let error = player.wait(|packet| packet["re"] == id);
        assert_eq!(error["data"]["code"], "unauthenticated", "{packet}");
        assert_eq!(player.ending().reason(), (Some(4001), "unauthenticated"), "{packet}");
    }
}

#[test]
fn whoever_says_nothing_is_closed() {
    let server = start(|s| s.engine.session.auth_timeout = std::time::Duration::from_millis(300));
    let mut player = Player::connect(server.addr);
    assert_eq!(player.packet("error")["data"]["code"], "auth_timeout");
    assert_eq!(player.ending().reason(), (Some(4007), "auth_timeout"));
}

#[test]
fn a_server_without_guests() {
    let server = start(|s| s.engine.guests = false);
    let data = json!({"version": 1, "guest": "Ann"});
    assert_eq!(refused(Player::connect(server.addr), data), (Some(4020), "guests_disabled".to_owned()));
}

#[test]
fn a_world_that_takes_no_newcomers() {
    let server = start(|s| s.engine.open = false);
    let data = json!({"version": 1, "guest": "Ann"});
    assert_eq!(refused(Player::connect(server.addr), data), (Some(4019), "world_closed".to_owned()));
}

#[test]
fn a_world_that_is_full_until_somebody_goes() {
    let server = start(|s| s.engine.max_players = 1);
    let first = Player::join(server.addr, "Ann");
    let mut second = Player::connect(server.addr);
    let error = second.request("auth_request", json!({"version": 1, "guest": "Bob"}));
    assert_eq!(error["data"]["code"], "world_full");
    assert!(error["data"]["retry_after_ms"].as_u64().is_some());
    let ending = second.ending();
    assert_eq!(ending.reason(), (Some(4013), "world_full"));
    assert!(ending.last()["data"]["retry_after_ms"].as_u64().is_some());
    drop(first);
    loop {
        let mut next = Player::connect(server.addr);
        if next.request("auth_request", json!({"version": 1, "guest": "Bob"}))["type"] == "auth_response" {
            break;
        }
    }
}

#[test]
fn one_authenticates_once() {
    let server = start(|_| {});
    let mut player = Player::join(server.addr, "Ann");
    let again = player.request("auth_request", json!({"version": 1, "guest": "Eve"}));
    assert_eq!((&again["type"], &again["data"]["code"]), (&json!("error"), &json!("conflict")));
    player.round_trip();
}
