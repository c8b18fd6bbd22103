//! Bans of addresses, networks and accounts, as an administrator sets and lifts them.

use crate::accounts::{PASSWORD, login, logout, register, start_in, start_keeping, try_login};
use crate::client::{Answer, Ending, Plain, Player, ask, call, get, request};
use crate::logins::eventually;
use evertick::engine::AdminToken;
use evertick::server::Settings;
use serde_json::{Value, json};
use std::net::SocketAddr;

const ADMIN: &str = "an administrator's token";

fn administered(settings: &mut Settings) {
    settings.engine.admin_token = AdminToken::new(ADMIN);
}

fn ban(addr: SocketAddr, body: Value) -> Answer {
    call(addr, "POST", "/api/admin/bans", ADMIN, &body)
}

fn bans(addr: SocketAddr) -> Vec<Value> {
    let answer = call(addr, "GET", "/api/admin/bans", ADMIN, &Value::Null);
    assert_eq!(answer.status, 200);
    answer.json()["bans"].as_array().unwrap().clone()
}

fn lift(addr: SocketAddr, id: u64) -> Answer {
    call(addr, "DELETE", &format!("/api/admin/bans/{id}"), ADMIN, &Value::Null)
}

#[test]
fn nothing_is_there_while_there_is_no_administrator() {
    let (server, _folder) = start_keeping(|_| {});
    for (method, path) in
        [("GET", "/api/admin/bans"), ("POST", "/api/admin/bans"), ("DELETE", "/api/admin/bans/1")]
    {
        for token in ["", ADMIN] {
            assert_eq!(
                call(server.addr, method, path, token, &Value::Null).refusal(),
                (404, "not_found".to_owned())
            );
        }
    }
}

#[test]
fn an_administrator_has_the_token() {
    let (server, _folder) = start_keeping(administered);
    for (method, path) in
        [("GET", "/api/admin/bans"), ("POST", "/api/admin/bans"), ("DELETE", "/api/admin/bans/1")]
    {
        for token in ["", "an administrator's tokem", "an administrator's token too"] {
            let answer = call(server.addr, method, path, token, &Value::Null);
            assert_eq!(answer.refusal(), (401, "unauthenticated".to_owned()), "{method} {token}");
        }
    }
    assert_eq!(get(server.addr, "/api/admin/other").status, 404);
    for (path, allow) in [("/api/admin/bans", "GET, HEAD, POST"), ("/api/admin/bans/1", "DELETE")] {
        let answer = call(server.addr, "PUT", path, ADMIN, &Value::Null);
        assert_eq!((answer.status, answer.header("allow")), (405, allow));
        let fields = "Origin: https://a.example\r\nAccess-Control-Request-Method: DELETE\r\n";
        let preflight = ask(server.addr, "OPTIONS", path, fields);
        assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, allow));
    }
}

/// For how long whoever was closed is told that the ban holds, milliseconds.
fn left(ending: &Ending) -> u64 {
    let told = ending.packets.iter().rfind(|packet| packet["type"] == "disconnect").unwrap();
    told["data"]["retry_after_ms"].as_u64().unwrap_or_else(|| panic!("it is told no time: {told}"))
}

#[test]
fn a_ban_for_good_names_no_end() {
    let (server, _folder) = start_keeping(administered);
    let player = Player::join(server.addr, "Ann");
    assert_eq!(ban(server.addr, json!({"target": "127.0.0.1"})).status, 201);
    let told = player.ending();
    assert_eq!(told.reason(), (Some(4012), "banned"));
    assert_eq!(told.packets.last().unwrap()["data"]["retry_after_ms"], Value::Null);
}

/// A ban of everybody left no way to lift it.
#[test]
fn whatever_is_banned_is_lifted_from_the_machine_itself() {
    let (server, folder) = start_keeping(administered);
    for target in ["::/0", "127.0.0.1", "0.0.0.0/0"] {
        assert_eq!(ban(server.addr, json!({"target": target})).status, 201, "{target}");
    }
    let check = |addr: SocketAddr| {
        for path in ["/healthz", "/", "/api/status"] {
            assert_eq!(get(addr, path).refusal(), (403, "banned".to_owned()), "{path}");
        }
        assert!(Player::try_connect(addr, "/ws", &[], &[]).is_err());
        for token in ["", "an administrator's tokem"] {
            let answer = call(addr, "GET", "/api/admin/bans", token, &Value::Null);
            assert_eq!(answer.refusal(), (403, "banned".to_owned()), "{token}");
        }
        assert_eq!(bans(addr).len(), 3);
    };
    check(server.addr);
    server.stop();
    let server = start_in(folder.path(), administered);
    check(server.addr);
    for id in 1..=3 {
        assert_eq!(lift(server.addr, id).status, 204);
    }
    assert_eq!(get(server.addr, "/healthz").status, 200);
}

/// It was carried out, and nobody could take it back from there.
#[test]
fn an_administrator_does_not_ban_itself() {
    let (server, _folder) = start_keeping(|settings| {
        administered(settings);
        settings.engine.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let post = |from: &str, target: &str| {
        let body = json!({"target": target});
        let fields = format!("X-Forwarded-For: {from}\r\n");
        let mut plain = Plain::open(server.addr);
        plain.send(request("POST", "/api/admin/bans", ADMIN, &body, &fields));
        plain.answer()
    };
    for (from, target) in [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9", "203.0.113.0/24"),
        ("203.0.113.9", "0.0.0.0/0"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "::/0"),
    ] {
        assert_eq!(post(from, target).refusal(), (409, "conflict".to_owned()), "{target} from {from}");
    }
    assert!(bans(server.addr).is_empty());
    for (from, target) in [("203.0.113.9", "203.0.113.10"), ("203.0.113.9", "::/0"), ("203.0.113.9", "Ann")] {
        assert_eq!(post(from, target).status, 201, "{target} from {from}");
    }
}

#[test]
fn bans_are_listed_and_lifted() {
    let (server, folder) = start_keeping(administered);
    let first = ban(server.addr, json!({"target": "192.0.2.77/24", "reason": "spam", "seconds": 3600}));
    assert_eq!(first.status, 201);
    let first = first.json();
    assert_eq!(
        (&first["id"], &first["target"], &first["reason"]),
        (&json!(1), &json!("192.0.2.0/24"), &json!("spam"))
    );
    let lasts = first["expires"].as_u64().unwrap() - first["created"].as_u64().unwrap();
    assert_eq!(lasts, 3_600_000);
    let second = ban(server.addr, json!({"target": "Ann"})).json();
    assert_eq!(
        (&second["target"], &second["reason"], &second["expires"]),
        (&json!("Ann"), &json!(""), &Value::Null)
    );
    assert_eq!(bans(server.addr), [first.clone(), second.clone()]);
    server.stop();
    let server = start_in(folder.path(), administered);
    assert_eq!(bans(server.addr), [first, second.clone()], "after a restart too");
    assert_eq!(lift(server.addr, 1).status, 204);
    assert_eq!(lift(server.addr, 1).refusal(), (404, "not_found".to_owned()));
    for id in ["0", "-1", "+2", "x", "99999999999999", "2/"] {
        let path = format!("/api/admin/bans/{id}");
        assert_eq!(call(server.addr, "DELETE", &path, ADMIN, &Value::Null).status, 404, "{id}");
    }
    assert_eq!(bans(server.addr), [second]);
    assert_eq!(ban(server.addr, json!({"target": "::1"})).json()["id"], 3, "an id is not used again");
}

/// Longer than any clock goes is told, kept and told again as the same moment.
#[test]
fn a_ban_of_very_many_seconds_is_the_same_after_a_restart() {
    let (server, folder) = start_keeping(administered);
    for (seconds, target) in [(u64::MAX, "Ann"), (1 << 40, "192.0.2.1"), (1 << 61, "192.0.2.0/24")] {
        assert_eq!(ban(server.addr, json!({"target": target, "seconds": seconds})).status, 201);
    }
    let before = bans(server.addr);
    let ends: Vec<u64> = before.iter().map(|ban| ban["expires"].as_u64().unwrap()).collect();
    let longest = (1 << 53) - 1;
    assert_eq!((ends[0], ends[2]), (longest, longest));
    assert!(ends[1] < longest, "what can be told is told");
    server.stop();
    let server = start_in(folder.path(), administered);
    assert_eq!(bans(server.addr), before);
}

#[test]
fn what_is_no_ban() {
    let (server, _folder) = start_keeping(administered);
    for body in [
        json!({}),
        json!({"target": ""}),
        json!({"target": "not a name"}),
        json!({"target": "10.0.0.0/33"}),
        json!({"target": 7}),
        json!({"target": "Ann", "seconds": 0}),
        json!({"target": "Ann", "seconds": -1}),
        json!({"target": "Ann", "reason": "x".repeat(201)}),
    ] {
        assert_eq!(ban(server.addr, body.clone()).refusal(), (400, "invalid".to_owned()), "{body}");
    }
    assert!(bans(server.addr).is_empty());
}

#[test]
fn an_account_that_is_banned_is_told_at_once_and_stays_out() {
    let (server, folder) = start_keeping(administered);
    register(server.addr, "Ann");
    register(server.addr, "Bob");
    let (ann, bob) = (login(server.addr, "Ann"), login(server.addr, "Bob"));
    let enter = |addr: SocketAddr, data: Value| {
        let mut player = Player::connect(addr);
        player.send("auth_request", data);
        player
    };
    let mut with_token = enter(server.addr, json!({"version": 1, "token": ann}));
    with_token.packet("auth_response");
    let mut other = enter(server.addr, json!({"version": 1, "token": bob}));
    other.packet("auth_response");
    let id = ban(server.addr, json!({"target": "aNN", "seconds": 3600})).json()["id"].as_u64().unwrap();
    let told = with_token.ending();
    assert_eq!(told.reason(), (Some(4012), "banned"));
    assert!((1..=3_600_000).contains(&left(&told)), "{}", left(&told));
    other.round_trip();
    let check = |addr: SocketAddr| {
        let refused = try_login(addr, "Ann", PASSWORD);
        assert_eq!(refused.refusal(), (403, "banned".to_owned()));
        assert!(!refused.header("retry-after").is_empty());
        assert_eq!(
            try_login(addr, "Ann", "not the password").status,
            401,
            "only with the right one is it told"
        );
        assert_eq!(logout(addr, &ann).refusal(), (403, "banned".to_owned()));
        for data in [
            json!({"version": 1, "token": ann}),
            json!({"version": 1, "username": "Ann", "password": PASSWORD}),
        ] {
            assert_eq!(enter(addr, data).ending().reason(), (Some(4012), "banned"));
        }
    };
    check(server.addr);
    server.stop();
    let server = start_in(folder.path(), administered);
    check(server.addr);
    assert_eq!(lift(server.addr, id).status, 204);
    enter(server.addr, json!({"version": 1, "token": ann})).packet("auth_response");
    login(server.addr, "Ann");
}

#[test]
fn an_address_that_is_banned_is_cut_off_behind_the_answer() {
    let (server, folder) = start_keeping(administered);
    let player = Player::join(server.addr, "Ann");
    let answer = ban(server.addr, json!({"target": "127.0.0.0/8", "seconds": 1}));
    assert_eq!(answer.status, 201, "the administrator comes from there and still hears that it is done");
    let told = player.ending();
    assert_eq!(told.reason(), (Some(4012), "banned"));
    assert!((1..=1000).contains(&left(&told)), "{}", left(&told));
    assert_eq!(get(server.addr, "/healthz").refusal(), (403, "banned".to_owned()));
    server.stop();
    let server = start_in(folder.path(), administered);
    eventually(|| get(server.addr, "/healthz").status == 200);
    assert!(bans(server.addr).is_empty(), "it has ended");
}
