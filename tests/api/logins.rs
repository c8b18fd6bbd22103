//! Accounts on WebSockets: with a token, with a password, in the lobby, and one live connection of each player.

use crate::accounts::{PASSWORD, login, logout, register, start_keeping};
use crate::client::{Player, get};
use crate::server::start;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// Waits until something is so.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to be so");
}

fn connect(addr: SocketAddr, path: &str) -> Player {
    Player::try_connect(addr, path, &[], &[]).unwrap()
}

/// Comes in with that token; what `auth_response` says.
fn join(addr: SocketAddr, path: &str, token: &str) -> (Player, Value) {
    let mut player = connect(addr, path);
    let response = player.request("auth_request", json!({"version": 1, "token": token}));
    assert_eq!(response["type"], "auth_response", "{response}");
    (player, response["data"].clone())
}

#[test]
fn a_token_and_a_password_let_one_in() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let token = login(server.addr, "Ann");
    let with_password = json!({"version": 1, "username": "ann", "password": PASSWORD});
    for protocol in ["evertick.v1.json", "evertick.v1.postcard"] {
        for data in [json!({"version": 1, "token": token}), with_password.clone()] {
            let mut player = Player::try_connect(server.addr, "/ws", &[protocol], &[]).unwrap();
            let response = player.request("auth_request", data)["data"].clone();
            assert_eq!((&response["player_id"], &response["account_id"]), (&json!(1), &json!(1)));
            assert_eq!((&response["username"], &response["guest"]), (&json!("Ann"), &json!(false)));
            assert_eq!(player.packet("arrived")["data"], json!({"player": 1, "name": "Ann"}));
            player.round_trip();
        }
    }
}

#[test]
fn what_comes_behind_a_password_waits_for_it() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let mut player = Player::connect(server.addr);
    let auth = player.ask("auth_request", json!({"version": 1, "username": "Ann", "password": PASSWORD}));
    let asked: Vec<u32> = (0..20).map(|number| player.ask("ask", json!({"number": number}))).collect();
    let ping = player.ask("ping", json!({}));
    assert_eq!(player.wait(|packet| packet["re"] == auth)["type"], "auth_response");
    for (number, id) in asked.into_iter().enumerate() {
        let answer = player.wait(|packet| packet["re"] == id || packet["re"] == ping);
        let answer = if answer["re"] == ping { player.wait(|packet| packet["re"] == id) } else { answer };
        assert_eq!(answer["data"]["number"], number);
    }
    // A login that fails ends the connection, and what came behind it is not heard.
    let mut player = Player::connect(server.addr);
    player.send("auth_request", json!({"version": 1, "username": "Ann", "password": "not the password"}));
    player.send("auth_request", json!({"version": 1, "guest": "Ann"}));
    assert_eq!(player.ending().reason(), (Some(4002), "bad_credentials"));
}

#[test]
fn a_token_that_is_none_tells_nothing() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let ended = login(server.addr, "Ann");
    assert_eq!(logout(server.addr, &ended).status, 204);
    for token in ["", "abc", &"A".repeat(43), &"!".repeat(43), &ended] {
        let mut player = Player::connect(server.addr);
        player.send("auth_request", json!({"version": 1, "token": token}));
        assert_eq!(player.ending().reason(), (Some(4003), "session_expired"), "{token}");
    }
}

#[test]
fn the_older_connection_is_replaced() {
    let (server, _folder) = start_keeping(|s| s.engine.max_players = 2);
    register(server.addr, "Ann");
    register(server.addr, "Bob");
    let token = login(server.addr, "Ann");
    let mut watcher = Player::join(server.addr, "Watcher");
    let (first, _) = join(server.addr, "/ws", &token);
    // The world is full, but this is no newcomer.
    let (mut second, response) = join(server.addr, "/ws", &token);
    assert_eq!(response["player_id"], 1);
    assert_eq!(first.ending().reason(), (Some(4004), "replaced"));
    watcher.packet("arrived");
    assert_eq!(watcher.wait(|p| p["data"]["player"] == 1)["type"], "arrived");
    assert_eq!(watcher.wait(|p| p["data"]["player"] == 1)["type"], "gone");
    assert_eq!(watcher.wait(|p| p["data"]["player"] == 1)["type"], "arrived");
    second.round_trip();
    let mut other = Player::connect(server.addr);
    let error = other.request("auth_request", json!({"version": 1, "username": "Bob", "password": PASSWORD}));
    assert_eq!(error["data"]["code"], "world_full");
}

#[test]
fn a_world_that_takes_no_newcomers_takes_no_accounts() {
    let (server, _folder) = start_keeping(|s| s.engine.open = false);
    register(server.addr, "Ann");
    let token = login(server.addr, "Ann");
    for data in [
        json!({"version": 1, "token": token}),
        json!({"version": 1, "username": "Ann", "password": PASSWORD}),
    ] {
        let mut player = Player::connect(server.addr);
        player.send("auth_request", data);
        assert_eq!(player.ending().reason(), (Some(4019), "world_closed"));
    }
}

#[test]
fn a_logout_ends_what_came_in_with_the_token() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    register(server.addr, "Bob");
    let (ann, bob) = (login(server.addr, "Ann"), login(server.addr, "Bob"));
    let (first, _) = join(server.addr, "/ws", &ann);
    let (second, _) = join(server.addr, "/ws/other", &ann);
    let (mut other, _) = join(server.addr, "/ws", &bob);
    assert_eq!(logout(server.addr, &ann).status, 204);
    for player in [first, second] {
        assert_eq!(player.ending().reason(), (Some(4018), "logged_out"));
    }
    other.round_trip();
}

#[test]
fn the_lobby_is_left_by_becoming_somebody() {
    let (server, _folder) = start_keeping(|_| {});
    register(server.addr, "Ann");
    let token = login(server.addr, "Ann");
    let mut watcher = connect(server.addr, "/ws/other");
    watcher.authenticate("Watcher");
    let (mut player, response) = join(server.addr, "/ws/other", &token);
    assert_eq!((&response["player_id"], &response["account_id"]), (&Value::Null, &json!(1)));
    assert_eq!(response["characters"].as_array().unwrap().len(), 2);
    assert_eq!(response["characters"][0]["name"], "Gnome 10");
    assert_eq!(watcher.wait(|p| p["data"]["name"] == "Ann")["type"], "arrived");
    player.round_trip();
    assert_eq!(player.request("become", json!({"character": 10}))["type"], "ok");
    let arrived = watcher.wait(|p| p["data"]["player"] == 10);
    assert_eq!(arrived["data"]["name"], "Gnome 10");
    player.round_trip();
    player.send("say", json!({"text": "hello"}));
    assert_eq!(watcher.packet("said")["data"]["from"], 10);
    // The other character, on the same connection.
    player.request("become", json!({"character": 11}));
    assert_eq!(watcher.wait(|p| p["data"]["player"] == 10)["type"], "gone");
    assert_eq!(watcher.wait(|p| p["data"]["player"] == 11)["type"], "arrived");
    // The same character from another connection: the older is told.
    let (mut second, _) = join(server.addr, "/ws/other", &token);
    second.request("become", json!({"character": 11}));
    assert_eq!(player.ending().reason(), (Some(4004), "replaced"));
    watcher.wait(|p| p["type"] == "arrived" && p["data"]["player"] == 11);
    second.round_trip();
    // A guest becomes nobody, and nobody becomes a guest.
    watcher.request("become", json!({"character": 10}));
    second.request("become", json!({"character": 1_000_000_000}));
    watcher.send("say", json!({"text": "still me"}));
    assert!(watcher.packet("said")["data"]["from"].as_u64().unwrap() >= 1_000_000_000);
    second.send("say", json!({"text": "and me"}));
    assert_eq!(watcher.packet("said")["data"]["from"], 11);
}

#[test]
fn a_name_that_somebody_away_has_gets_a_number() {
    let server = start(|_| {});
    let name = |path: &str| connect(server.addr, path).authenticate("Gnome A")["username"].clone();
    assert_eq!(name("/ws"), "Gnome A");
    assert_eq!(name("/ws/other"), "Gnome A#2");
}

fn players(addr: SocketAddr) -> u64 {
    get(addr, "/api/status").json()["players"].as_u64().unwrap()
}

#[test]
fn the_lobby_takes_no_place_in_the_world() {
    let (server, _folder) = start_keeping(|settings| settings.engine.max_players = 1);
    for name in ["Ann", "Bob"] {
        register(server.addr, name);
    }
    let (ann_s, bob_s) = (login(server.addr, "Ann"), login(server.addr, "Bob"));
    let (mut ann, response) = join(server.addr, "/ws/other", &ann_s);
    assert_eq!((&response["player_id"], players(server.addr)), (&Value::Null, 0));
    let guest = Player::join(server.addr, "Gus");
    assert_eq!(players(server.addr), 1);
    let (mut bob, response) = join(server.addr, "/ws/other", &bob_s);
    assert_eq!(response["player_id"], Value::Null, "the lobby of a full world is open");
    bob.round_trip();
    ann.send("become", json!({"character": 10}));
    assert_eq!(ann.ending().reason(), (Some(4013), "world_full"), "and leads nowhere");
    drop(guest);
    eventually(|| players(server.addr) == 0);
    let (mut ann, _) = join(server.addr, "/ws/other", &ann_s);
    ann.send("become", json!({"character": 10}));
    eventually(|| players(server.addr) == 1);
    ann.send("become", json!({"character": 11}));
    ann.wait(|packet| packet["type"] == "arrived" && packet["data"]["player"] == 11);
    assert_eq!(players(server.addr), 1, "somebody else, in the same place");
    drop(ann);
    eventually(|| players(server.addr) == 0);
}

/// Logs in with one token again and again, and asks for a few things each time; how many of them were answered.
fn answered(addr: SocketAddr, path: &str, token: &str, leave: impl Fn(Player)) -> usize {
    const TIMES: usize = 12;
    const EACH: usize = 5;
    let mut answered = 0;
    for _ in 0..TIMES {
        let (mut player, _) = join(addr, path, token);
        let asked: Vec<u32> = (0..EACH).map(|_| player.ask("ping", json!({"time": 1}))).collect();
        for id in asked {
            let reply = player.wait(|packet| packet["re"] == id);
            let is_limited = reply["data"]["code"] == "rate_limited";
            assert!(is_limited || reply["type"] == "pong", "{reply}");
            if reply["type"] == "pong" {
                answered += 1;
            } else {
                // The row of refusals goes on too, and ends the connection sooner or later.
                break;
            }
        }
        leave(player);
    }
    answered
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how much may be said depends on how long it takes")]
fn logging_in_again_is_no_new_allowance() {
    const BURST: u32 = 20;
    let (server, _folder) = start_keeping(|settings| {
        settings.engine.session.message_rate = 1;
        settings.engine.session.message_burst = BURST;
        settings.engine.session.resume_grace = Duration::from_secs(60);
    });
    let lingering = || get(server.addr, "/api/status").json()["lingering"].as_u64().unwrap();
    for (name, path, leaves) in
        [("ann", "/ws", false), ("bob", "/ws", true), ("cid", "/ws/other", true), ("dan", "/ws/other", false)]
    {
        register(server.addr, name);
        let token = login(server.addr, name);
        let others = std::cell::RefCell::new(Vec::new());
        let began = std::time::Instant::now();
        let got = answered(server.addr, path, &token, |mut player| match (leaves, path) {
            // Its end is heard of before it comes again.
            (true, _) => {
                let _ = player.ws.close(None);
                player.ending();
            }
            // The next one replaces it.
            (false, "/ws") => others.borrow_mut().push(player),
            // In the lobby nobody is replaced. Who was closed for it is not lost.
            (false, _) => {
                let before = lingering();
                let _ = player.ws.get_ref().shutdown(std::net::Shutdown::Write);
                let is_lost = player.ending().code.is_none();
                eventually(|| lingering() == before + u64::from(is_lost));
            }
        });
        let most = BURST as usize + began.elapsed().as_secs() as usize + 1;
        assert!((10..=most).contains(&got), "{name}: {got} answers where {most} are allowed");
    }
}
