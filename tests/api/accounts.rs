//! Registering, logging in and out over HTTP, and what is left of it when the server starts again.

use crate::client::{Answer, Plain, Player, ask, call, get, request};
use crate::server::{Running, start};
use evertick::server::Settings;
use evertick::storage::Cost;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, Once};
use tempfile::TempDir;

/// What makes hashing a password cheap: tests have many.
pub(crate) const CHEAP: Cost = Cost { memory_kib: 8, passes: 1 };

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server that keeps what it has to in that folder.
pub(crate) fn start_in(folder: &Path, change: impl FnOnce(&mut Settings)) -> Running {
    start(|settings| {
        settings.data_dir = Some(folder.to_owned());
        settings.hashing = CHEAP;
        change(settings);
    })
}

/// A server with a folder of its own, and that.
pub(crate) fn start_keeping(change: impl FnOnce(&mut Settings)) -> (Running, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (start_in(folder.path(), change), folder)
}

pub(crate) fn post(addr: SocketAddr, target: &str, body: &Value) -> Answer {
    call(addr, "POST", target, "", body)
}

pub(crate) fn register(addr: SocketAddr, name: &str) -> u64 {
    let answer = post(addr, "/api/auth/register", &json!({"username": name, "password": PASSWORD}));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["account_id"].as_u64().unwrap()
}

pub(crate) fn try_login(addr: SocketAddr, name: &str, password: &str) -> Answer {
    post(addr, "/api/auth/login", &json!({"username": name, "password": password}))
}

/// The token of a new login session.
pub(crate) fn login(addr: SocketAddr, name: &str) -> String {
    let answer = try_login(addr, name, PASSWORD);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["token"].as_str().unwrap().to_owned()
}

pub(crate) fn logout(addr: SocketAddr, token: &str) -> Answer {
    call(addr, "POST", "/api/auth/logout", token, &Value::Null)
}

#[test]
fn an_account_is_registered_once() {
    let (server, _folder) = start_keeping(|_| {});
    let answer =
        post(server.addr, "/api/auth/register", &json!({"username": "Ann_O-3", "password": PASSWORD}));
    assert_eq!((answer.status, answer.header("content-type")), (201, "application/json"));
    assert_eq!(answer.json(), json!({"account_id": 1, "username": "Ann_O-3"}));
    assert_eq!(register(server.addr, "Bob"), 2);
    for name in ["Ann_O-3", "ann_o-3", "ANN_O-3"] {
        let again = post(server.addr, "/api/auth/register", &json!({"username": name, "password": PASSWORD}));
        assert_eq!(again.refusal(), (409, "conflict".to_owned()), "{name}");
    }
}

#[test]
fn names_and_passwords_that_cannot_be() {
    let (server, _folder) = start_keeping(|_| {});
    let long = "x".repeat(21);
    let names = ["", "ab", &long, "a b", "ann#2", "änn", "<b>x</b>"];
    let with_name = |name: &str| json!({"username": name, "password": PASSWORD});
    let with_password = |password: &str| json!({"username": "ann", "password": password});
    let passwords = ["", "1234567", &"x".repeat(129)].map(with_password);
    let shapes = [
        json!({}),
        json!([]),
        json!(7),
        json!({"username": "ann"}),
        json!({"username": 3, "password": PASSWORD}),
    ];
    for body in names.map(with_name).into_iter().chain(passwords).chain(shapes) {
        let answer = post(server.addr, "/api/auth/register", &body);
        assert_eq!(answer.refusal(), (400, "invalid".to_owned()), "{body}");
    }
    for target in ["/api/auth/register", "/api/auth/login"] {
        for body in ["", "{", "username=ann", "{\"username\":\"ann\",\"password\":\"\u{1}\"}"] {
            let text = format!(
                "POST {target} HTTP/1.1\r\nHost: yard\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = Plain::open(server.addr).send(text).answer();
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{body}");
        }
    }
    // The least and the most that may be, and characters are counted, not bytes.
    for (name, password) in [("abc", "12345678".to_owned()), (&"x".repeat(20), "ä".repeat(128))] {
        let body = json!({"username": name, "password": password});
        assert_eq!(post(server.addr, "/api/auth/register", &body).status, 201);
        assert_eq!(post(server.addr, "/api/auth/login", &body).status, 200);
    }
}

#[test]
fn methods_preflights_and_sizes() {
    let (server, _folder) = start_keeping(|_| {});
    for path in ["/api/auth/register", "/api/auth/login", "/api/auth/logout"] {
        let answer = get(server.addr, path);
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{path}");
        let fields = "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n";
        let preflight = ask(server.addr, "OPTIONS", path, fields);
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-methods"), "POST");
        assert_eq!(preflight.header("access-control-allow-headers"), "authorization, content-type");
        assert_eq!(preflight.header("access-control-allow-credentials"), "");
    }
    let body = json!({"username": "ann", "password": "x".repeat(70_000)});
    assert_eq!(post(server.addr, "/api/auth/login", &body).status, 413);
    // An answer that comes later may be read by the page that asked, too.
    let body = json!({"username": "ann", "password": PASSWORD});
    let asked = request("POST", "/api/auth/login", "", &body, "Origin: https://a.example\r\n");
    let answer = Plain::open(server.addr).send(asked).answer();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-expose-headers"), "Retry-After");
}

#[test]
fn a_login_is_a_token_until_the_logout() {
    let (server, _folder) = start_keeping(|s| s.engine.session_timeout = std::time::Duration::from_secs(90));
    register(server.addr, "Ann");
    let answer = try_login(server.addr, "aNN", PASSWORD);
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!((&body["expires_in_s"], &body["account_id"]), (&json!(90), &json!(1)));
    let token = body["token"].as_str().unwrap();
    assert_eq!(token.len(), 43, "32 bytes in base64url");
    let other = login(server.addr, "Ann");
    assert_ne!(token, other);
    assert_eq!(logout(server.addr, token).status, 204);
    assert_eq!(logout(server.addr, token).refusal(), (401, "session_expired".to_owned()));
    assert_eq!(logout(server.addr, &other).status, 204, "the other login is another session");
    let none = logout(server.addr, "");
    assert_eq!(none.refusal(), (401, "unauthenticated".to_owned()));
    assert_eq!(none.header("www-authenticate"), "Bearer");
    assert_eq!(logout(server.addr, "nonsense").refusal(), (401, "session_expired".to_owned()));
}

#[test]
fn wrong_passwords_and_unknown_names_are_told_the_same() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let wrong = try_login(server.addr, "Ann", "not the password");
    assert_eq!(wrong.refusal(), (401, "bad_credentials".to_owned()));
    for (name, password) in [("Bob", PASSWORD), ("Ann", "short"), ("no name at all", PASSWORD), ("", "")] {
        assert_eq!(try_login(server.addr, name, password).body, wrong.body, "{name} {password}");
    }
}

#[test]
fn the_sixth_failure_in_a_minute_waits() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    register(server.addr, "Bob");
    for _ in 0..3 {
        assert_eq!(try_login(server.addr, "Ann", "not the password").status, 401);
    }
    // They count together with those on WebSockets, and whatever the case of the name.
    for _ in 0..2 {
        let mut player = Player::connect(server.addr);
        let data = json!({"version": 1, "username": "ANN", "password": "not the password"});
        assert_eq!(player.request("auth_request", data)["data"]["code"], "bad_credentials");
        assert_eq!(player.ending().reason(), (Some(4002), "bad_credentials"));
    }
    let answer = try_login(server.addr, "ann", PASSWORD);
    assert_eq!(answer.refusal(), (429, "rate_limited".to_owned()), "the right one too");
    let wait = answer.json()["error"]["retry_after_ms"].as_u64().unwrap();
    assert!((1..=60_000).contains(&wait), "{wait}");
    assert_eq!(answer.header("retry-after"), wait.div_ceil(1000).to_string());
    let mut player = Player::connect(server.addr);
    let error =
        player.request("auth_request", json!({"version": 1, "username": "ann", "password": PASSWORD}));
    assert_eq!(error["data"]["code"], "rate_limited");
    assert!(error["data"]["retry_after_ms"].as_u64().is_some());
    assert_eq!(player.ending().reason(), (Some(4008), "rate_limited"));
    login(server.addr, "Bob");
}

#[test]
fn names_that_nobody_has_are_throttled_alike_and_an_address_by_itself() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let statuses: Vec<u16> = (0..6).map(|_| try_login(server.addr, "nobody", PASSWORD).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    for n in 0..15 {
        assert_eq!(try_login(server.addr, &format!("x{n}"), "short").status, 401, "{n}");
    }
    assert_eq!(try_login(server.addr, "Ann", PASSWORD).status, 429, "20 have failed from here");
}

#[test]
fn a_restart_keeps_accounts_and_sessions_and_no_more() {
    let (server, folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let (kept, ended) = (login(server.addr, "Ann"), login(server.addr, "Ann"));
    assert_eq!(logout(server.addr, &ended).status, 204);
    server.stop();
    let server = start_in(folder.path(), |_| {});
    assert_eq!(logout(server.addr, &ended).status, 401);
    let mut player = Player::connect(server.addr);
    let response = player.request("auth_request", json!({"version": 1, "token": kept}));
    assert_eq!((&response["data"]["account_id"], &response["data"]["username"]), (&json!(1), &json!("Ann")));
    login(server.addr, "Ann");
    assert_eq!(register(server.addr, "Bob"), 2);
    // The file holds neither tokens nor passwords.
    server.stop();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [kept.as_str(), PASSWORD] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        }
    }
}

#[test]
fn pipelined_requests_wait_for_a_login_before_them() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let body = json!({"username": "Ann", "password": PASSWORD});
    let mut plain = Plain::open(server.addr);
    let login = request("POST", "/api/auth/login", "", &body, "");
    let health = "GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n";
    plain.send([login.as_str(), health, &login, &login, health].concat());
    for kind in ["login", "health", "login", "login", "health"] {
        let answer = plain.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text() == "ok\n", kind == "health", "{kind}");
    }
    // Byte by byte, and with the end of the stream behind it.
    for byte in [login.as_str(), health].concat().as_bytes() {
        plain.send([*byte]);
    }
    plain.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(plain.answer().json()["account_id"], 1);
    assert_eq!(plain.answer().text(), "ok\n");
    assert!(plain.ends());
}

#[test]
fn who_leaves_during_a_login_leaves_nothing_behind() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let body = json!({"username": "Ann", "password": PASSWORD});
    for _ in 0..20 {
        let mut plain = Plain::open(server.addr);
        plain.send(request("POST", "/api/auth/login", "", &body, ""));
        let mut player = Player::connect(server.addr);
        player.send("auth_request", json!({"version": 1, "username": "Ann", "password": PASSWORD}));
    }
    // Every place in the hashing queue comes back, and none of it counts as a failure.
    crate::logins::eventually(|| try_login(server.addr, "Ann", PASSWORD).status == 200);
    crate::logins::eventually(|| get(server.addr, "/api/status").json()["storage"]["queue"] == 0);
    assert!(get(server.addr, "/api/status").json()["storage"]["commit_p99_us"].is_u64());
}

#[test]
fn a_server_that_keeps_nothing_has_no_accounts() {
    let server = start(|_| {});
    let body = json!({"username": "Ann", "password": PASSWORD});
    for target in ["/api/auth/register", "/api/auth/login"] {
        assert_eq!(post(server.addr, target, &body).refusal(), (503, "not_ready".to_owned()));
    }
    assert_eq!(logout(server.addr, "nonsense").status, 401);
    let mut player = Player::connect(server.addr);
    let error =
        player.request("auth_request", json!({"version": 1, "username": "Ann", "password": PASSWORD}));
    assert_eq!(error["data"]["code"], "not_ready");
    assert_eq!(player.ending().reason(), (Some(4014), "not_ready"));
    Player::join(server.addr, "Ann").round_trip();
}

#[test]
fn one_folder_is_one_server_s() {
    let (server, folder) = start_keeping(|_| {});
    let mut settings = crate::server::settings();
    settings.data_dir = Some(folder.path().to_owned());
    let second =
        |settings: Settings| evertick::server::Server::new(settings).bind().err().unwrap().to_string();
    let message = second(settings.clone());
    assert!(message.contains(&folder.path().display().to_string()), "{message}");
    // The same server twice: what is said is that its port is taken.
    settings.listen = server.addr;
    let message = second(settings);
    assert!(message.contains(&server.addr.to_string()), "{message}");
}

// ------------------------------------------------------------------------------------------------------ the log's words

/// Everything that was logged in this process.
static LOGGED: Mutex<String> = Mutex::new(String::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        use std::fmt::Write;
        // The tests' own client says what it sends; that is none of the server's words.
        if record.target().starts_with("tungstenite") {
            return;
        }
        let mut logged = LOGGED.lock().unwrap();
        writeln!(logged, "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

#[test]
fn no_secret_is_ever_logged() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Listener).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
    let (server, _folder) = start_keeping(|s| {
        s.engine.admin_token = evertick::engine::AdminToken::new("administrator-of-the-log");
        s.engine.session_cleanup = std::time::Duration::from_millis(1);
    });
    let (right, wrong) = ("the-right-one-for-the-log", "a-wrong-one-for-the-log");
    let body = |password: &str| json!({"username": "Logged", "password": password});
    assert_eq!(post(server.addr, "/api/auth/register", &body(right)).status, 201);
    assert_eq!(post(server.addr, "/api/auth/login", &body(wrong)).status, 401);
    let token =
        post(server.addr, "/api/auth/login", &body(right)).json()["token"].as_str().unwrap().to_owned();
    let ban = json!({"target": "Nobody"});
    let banned = call(server.addr, "POST", "/api/admin/bans", "administrator-of-the-log", &ban);
    assert_eq!(banned.status, 201);
    for data in [
        json!({"version": 1, "username": "Logged", "password": wrong}),
        json!({"version": 1, "username": "Logged", "password": right}),
        json!({"version": 1, "token": token}),
        json!({"version": 1, "token": token, "password": right}),
        json!({"version": 1, "username": {"password": right}, "password": 3}),
    ] {
        Player::connect(server.addr).request("auth_request", data);
    }
    assert_eq!(logout(server.addr, &token).status, 204);
    server.stop();
    let logged = LOGGED.lock().unwrap().clone();
    assert!(logged.contains("swept"), "it does listen");
    for secret in [right, wrong, &token, "administrator-of-the-log"] {
        assert!(!logged.contains(secret), "{secret} is in the log");
    }
}
