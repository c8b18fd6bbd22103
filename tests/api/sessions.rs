//! What an administrator sees of connections and login sessions: when each was last heard, and how it fares.

use crate::accounts::{login, register, start_in, start_keeping};
use crate::client::{Answer, Player, call, request};
use crate::driven::Driven;
use crate::logins::eventually;
use evertick::engine::AdminToken;
use evertick::ids::ConnId;
use evertick::server::Settings;
use evertick::websocket::{OpCode, encode_masked};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const ADMIN: &str = "an administrator's token";
const PATH: &str = "/api/admin/sessions";
const HERE: &str = "192.0.2.1";

fn administered(settings: &mut Settings) {
    settings.engine.admin_token = AdminToken::new(ADMIN);
}

fn ask(addr: SocketAddr, query: &str) -> Answer {
    call(addr, "GET", &format!("{PATH}{query}"), ADMIN, &Value::Null)
}

fn of(answer: &Value, list: &str, name: &str) -> Value {
    let mut listed = answer[list].as_array().unwrap().iter();
    listed.rfind(|one| one["username"] == name).cloned().unwrap_or_default()
}

#[test]
fn it_is_an_administrator_s_and_nobody_else_s() {
    let (server, _folder) = start_keeping(|_| {});
    assert_eq!(ask(server.addr, "").refusal(), (404, "not_found".to_owned()));
    let (server, _folder) = start_keeping(administered);
    register(server.addr, "Ann");
    let token = login(server.addr, "Ann");
    for token in ["", &token] {
        let answer = call(server.addr, "GET", PATH, token, &Value::Null);
        assert_eq!(answer.refusal(), (401, "unauthenticated".to_owned()));
    }
    for limit in ["0", "1001", "-1", "+1", "x", ""] {
        let answer = ask(server.addr, &format!("?limit={limit}"));
        assert_eq!(answer.refusal(), (400, "invalid".to_owned()), "{limit}");
    }
    assert_eq!(call(server.addr, "POST", PATH, ADMIN, &Value::Null).status, 405);
}

#[test]
fn who_is_on_is_listed_and_who_was_is_remembered() {
    let (server, folder) = start_keeping(administered);
    register(server.addr, "Ann");
    let token = login(server.addr, "Ann");
    let login_of = |answer: &Value| of(answer, "logins", "Ann");
    let before = ask(server.addr, "").json();
    assert_eq!(before["total"], json!({ "connections": 0, "logins": 1 }));
    let opened = login_of(&before);
    assert_eq!((&opened["health"], &opened["last_seen"]), (&json!("away"), &opened["created"]));
    let _guest = Player::join(server.addr, "Gus");
    let mut ann = Player::connect(server.addr);
    ann.request("auth_request", json!({ "version": 1, "token": token }));
    ann.round_trip();
    let answer = ask(server.addr, "?limit=1").json();
    assert_eq!(answer["total"], json!({ "connections": 2, "logins": 1 }));
    let connections = answer["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 1, "no more than asked for");
    assert_eq!(connections[0]["username"], "Ann", "whoever was heard last comes first");
    let answer = ask(server.addr, "").json();
    let ann_s = of(&answer, "connections", "Ann");
    assert_eq!((&ann_s["game"], &ann_s["address"]), (&json!("yard"), &json!("127.0.0.1")));
    assert_eq!((&ann_s["player_id"], &ann_s["account_id"]), (&json!(1), &json!(1)));
    assert_eq!((&ann_s["health"], &ann_s["round_trip_ms"]), (&json!("ok"), &Value::Null));
    let gus_s = of(&answer, "connections", "Gus");
    assert_eq!((&gus_s["account_id"], &gus_s["unsent_bytes"]), (&Value::Null, &json!(0)));
    let used = login_of(&answer);
    assert_eq!((&used["health"], &used["last_seen"]), (&json!("ok"), &ann_s["last_seen"]));
    assert!(used["last_seen"].as_u64() >= opened["last_seen"].as_u64());
    drop(ann);
    eventually(|| login_of(&ask(server.addr, "").json())["health"] == "away");
    let left = login_of(&ask(server.addr, "").json());
    server.stop();
    let server = start_in(folder.path(), administered);
    let again = login_of(&ask(server.addr, "").json());
    assert_eq!((&again["health"], &again["created"]), (&json!("away"), &left["created"]));
    // What storage knows of it is a 64th of its life old at the most.
    let known = |login: &Value| login["last_seen"].as_u64().unwrap();
    assert!((known(&opened)..=known(&left)).contains(&known(&again)), "{opened} {again} {left}");
}

/// A use that moves a session's end by more than a 64th of its life is on disk by the next start.
#[test]
fn when_a_session_was_last_used_survives_a_restart() {
    let short = |settings: &mut Settings| {
        administered(settings);
        settings.engine.session_timeout = Duration::from_millis(6400);
    };
    let (server, folder) = start_keeping(short);
    register(server.addr, "Ann");
    let token = login(server.addr, "Ann");
    let opened = of(&ask(server.addr, "").json(), "logins", "Ann");
    let last_seen = |login: &Value| login["last_seen"].as_u64().unwrap();
    let mut used = opened.clone();
    eventually(|| {
        Player::connect(server.addr).request("auth_request", json!({ "version": 1, "token": token }));
        used = of(&ask(server.addr, "").json(), "logins", "Ann");
        last_seen(&used) > last_seen(&opened) + 200
    });
    server.stop();
    let server = start_in(folder.path(), short);
    let again = of(&ask(server.addr, "").json(), "logins", "Ann");
    assert!(last_seen(&again) > last_seen(&opened) + 50, "{opened} {used} {again}");
}

/// What the engine answers to an administrator at this moment.
fn seen(driven: &mut Driven) -> Value {
    let conn = driven.accept("198.51.100.1").unwrap();
    driven.send(conn, request("GET", PATH, ADMIN, &Value::Null, "Connection: close\r\n").as_bytes());
    assert_eq!(driven.status(conn), 200);
    serde_json::from_slice(&driven.taken(conn)).unwrap()
}

fn pong(driven: &mut Driven, conn: ConnId) {
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Pong, b"", [1, 2, 3, 4]);
    driven.send(conn, &frame);
}

#[test]
fn a_heartbeat_is_timed_and_silence_is_seen() {
    let mut driven = Driven::new(|settings| {
        settings.admin_token = AdminToken::new(ADMIN);
        // Everybody is looked at in each tick.
        settings.tick_rate = evertick::time::TickRate::new(4).unwrap();
    });
    let conn = driven.joined(HERE, "Gus");
    driven.frames(conn);
    while driven.frames(conn).pings == 0 {
        driven.pass(Duration::from_millis(250));
    }
    driven.pass(Duration::from_millis(42));
    pong(&mut driven, conn);
    let heard = driven.wall();
    let gus = of(&seen(&mut driven), "connections", "Gus");
    assert_eq!((&gus["round_trip_ms"], &gus["health"]), (&json!(42), &json!("ok")));
    assert_eq!(gus["last_seen"], json!(heard));
    driven.pass(Duration::from_millis(9990));
    assert_eq!(of(&seen(&mut driven), "connections", "Gus")["health"], "ok");
    driven.pass(Duration::from_millis(10));
    let gus = of(&seen(&mut driven), "connections", "Gus");
    assert_eq!((&gus["health"], &gus["last_seen"]), (&json!("quiet"), &json!(heard)));
    pong(&mut driven, conn);
    assert_eq!(of(&seen(&mut driven), "connections", "Gus")["health"], "ok");
}
