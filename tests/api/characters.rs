//! Characters and the world's state over real sockets, with a real disk: what was answered is there after a restart.

use crate::client::{Answer, Plain, Player};
use crate::server::{Running, run, settings};
use evertick::games::eternity::{self, Eternity};
use evertick::server::Server;
use serde_json::{Value, json};
use std::path::Path;

/// Shards of Eternity, which keeps what it keeps in `folder`.
fn world(folder: &Path) -> Running {
    let mut settings = settings();
    settings.data_dir = Some(folder.to_owned());
    // Hashing is not what is tested here.
    settings.hashing.memory_kib = 64;
    settings.hashing.passes = 1;
    run(Server::new(settings).game("/ws", Eternity::new(eternity::Settings::default())))
}

/// One request, with a token where there is one and a body where that is not null.
fn rest(server: &Running, token: &str, method: &str, target: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{token}Content-Length: {length}\r\n\r\n");
    Plain::open(server.addr).send(head + &body).answer()
}

/// A new account's token.
fn account(server: &Running, name: &str) -> String {
    let who = json!({ "username": name, "password": "correct horse" });
    assert_eq!(rest(server, "", "POST", "/api/auth/register", who.clone()).status, 201);
    log_in(server, name)
}

fn log_in(server: &Running, name: &str) -> String {
    let who = json!({ "username": name, "password": "correct horse" });
    let answer = rest(server, "", "POST", "/api/auth/login", who);
    answer.json()["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn create(server: &Running, token: &str, name: &str) -> Answer {
    let wish = json!({ "name": name, "faction": "verdant", "class": "warden" });
    rest(server, token, "POST", "/api/characters", wish)
}

fn select(server: &Running, token: &str, id: &Value) -> Answer {
    rest(server, token, "POST", "/api/characters/select", json!({ "character_id": id }))
}

/// Comes in with a token; what `auth_response` holds.
fn enter(server: &Running, token: &str) -> (Player, Value) {
    let mut player = Player::connect(server.addr);
    player.send("auth_request", json!({ "version": 1, "token": token }));
    let response = player.packet("auth_response")["data"].clone();
    (player, response)
}

#[test]
fn a_character_is_made_chosen_and_deleted_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let server = world(folder.path());
    let (ann, bob) = (account(&server, "ann"), account(&server, "bob"));
    let made = create(&server, &ann, "Ann O'Neill");
    let told = json!({ "id": 1, "name": "Ann O'Neill", "faction": "verdant", "class": "warden",
        "level": 1, "location_id": 1, "selected": false });
    assert_eq!((made.status, made.json()), (201, told.clone()));
    assert_eq!(create(&server, &bob, "ann o'neill").refusal(), (409, "conflict".into()));
    assert_eq!(create(&server, &bob, "x").refusal(), (400, "invalid".into()));
    let list = rest(&server, &ann, "GET", "/api/characters", Value::Null);
    assert_eq!(list.json(), json!({ "characters": [told] }));
    for name in ["Two", "Three", "Four", "Five"] {
        assert_eq!(create(&server, &ann, name).status, 201);
    }
    assert_eq!(create(&server, &ann, "Six").refusal(), (409, "conflict".into()));
    assert_eq!(select(&server, &bob, &json!(1)).refusal(), (404, "not_found".into()));
    let chosen = select(&server, &ann, &json!(1));
    assert_eq!((chosen.status, &chosen.json()["selected"]), (200, &json!(true)));
    let delete =
        |token: &str, id: u32| rest(&server, token, "DELETE", &format!("/api/characters/{id}"), Value::Null);
    assert_eq!(delete(&bob, 1).status, 404);
    let (player, _) = enter(&server, &ann);
    assert_eq!(delete(&ann, 1).refusal(), (409, "conflict".into()));
    drop(player);
    let signed = rest(&server, &ann, "DELETE", "/api/characters/+2", Value::Null);
    assert_eq!(signed.status, 404, "a sign is no digit");
    assert_eq!(delete(&ann, 2).status, 204);
    assert_eq!(delete(&ann, 2).status, 404);
    assert_eq!(create(&server, &ann, "Two").json()["id"], 6, "no id is used again");
}

#[test]
fn who_may_ask_and_how() {
    let folder = tempfile::tempdir().unwrap();
    let server = world(folder.path());
    let ask = |method: &str, target: &str, body: Value| rest(&server, "", method, target, body);
    for (method, target) in [
        ("GET", "/api/characters"),
        ("POST", "/api/characters"),
        ("POST", "/api/characters/select"),
        ("DELETE", "/api/characters/1"),
    ] {
        let refused = ask(method, target, Value::Null);
        assert_eq!(refused.refusal(), (401, "unauthenticated".into()), "{method} {target}");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    for (target, allowed) in [
        ("/api/characters", "GET, HEAD, POST"),
        ("/api/characters/select", "POST"),
        ("/api/characters/7", "DELETE"),
        ("/api/world/state", "GET, HEAD"),
    ] {
        let refused = ask("PUT", target, Value::Null);
        assert_eq!((refused.status, refused.header("allow")), (405, allowed), "{target}");
        let origin = "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n";
        let preflight = crate::client::ask(server.addr, "OPTIONS", target, origin);
        assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, allowed));
    }
    let shared = crate::client::ask(server.addr, "GET", "/api/world/state", "Origin: https://a.example\r\n");
    assert_eq!((shared.status, shared.header("access-control-allow-origin")), (200, "*"));
    assert_eq!(ask("GET", "/api/characters/1/2", Value::Null).status, 404);
    let token = account(&server, "ann");
    assert_eq!(rest(&server, &token, "POST", "/api/characters", json!("x".repeat(5000))).status, 413);
    assert_eq!(rest(&server, &token, "POST", "/api/characters", Value::Null).refusal().1, "malformed");
    assert_eq!(
        rest(&server, &token, "POST", "/api/characters", json!({})).refusal(),
        (400, "invalid".into())
    );
}

#[test]
fn a_walker_is_back_at_its_place_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = world(folder.path());
    let token = account(&server, "ann");
    let id = create(&server, &token, "Ann").json()["id"].clone();
    select(&server, &token, &id);
    let (mut player, response) = enter(&server, &token);
    assert_eq!((&response["player_id"], &response["characters"][0]["selected"]), (&id, &json!(true)));
    let state = player.packet("game_state")["data"].clone();
    let (x, y) = (&state["you"]["position"]["x"], &state["you"]["position"]["y"]);
    let there = json!({ "x": x.as_f64().unwrap() + 3.0, "y": y.as_f64().unwrap() + 1.5 });
    let walk = json!({ "position": there, "velocity": { "x": 0, "y": 0 } });
    assert_eq!(player.request("position_update", walk)["type"], "ok");
    server.stop();
    let server = world(folder.path());
    // The token is good for another hour, over a restart too.
    let (mut player, response) = enter(&server, &token);
    assert_eq!(response["player_id"], id);
    let you = player.packet("game_state")["data"]["you"].clone();
    assert_eq!(you["name"], "Ann");
    for axis in ["x", "y"] {
        let (was, is) = (there[axis].as_f64().unwrap(), you["position"][axis].as_f64().unwrap());
        assert!((was - is).abs() < 0.011, "{axis}: {was} and {is}");
    }
    let events = rest(&server, "", "GET", "/api/world/events", Value::Null).json();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1), "the world began once: {events}");
}

#[test]
fn a_character_is_made_and_enters_by_packets() {
    let folder = tempfile::tempdir().unwrap();
    let server = world(folder.path());
    let token = account(&server, "ann");
    let (mut player, response) = enter(&server, &token);
    assert_eq!((&response["player_id"], &response["username"]), (&Value::Null, &json!("ann")));
    assert_eq!(player.request("get_game_state", json!({}))["data"]["code"], "conflict");
    let wish = json!({ "name": "Ann", "faction": "solari", "class": "mage" });
    let sheet = player.request("character_create", wish.clone());
    assert_eq!((&sheet["type"], &sheet["data"]["max_mana"]), (&json!("character_update"), &json!(120)));
    assert_eq!(player.request("character_create", wish)["data"]["code"], "conflict");
    let choice = json!({ "character_id": sheet["data"]["id"] });
    assert_eq!(player.request("character_select", choice.clone())["data"]["selected"], true);
    assert_eq!(player.packet("game_state")["data"]["you"]["id"], sheet["data"]["id"]);
    assert_eq!(player.request("character_delete", choice)["data"]["code"], "conflict");
    // The same character over another connection: the older one is told so.
    let (mut newer, response) = enter(&server, &token);
    assert_eq!(response["player_id"], sheet["data"]["id"]);
    assert_eq!(player.ending().reason(), (Some(4004), "replaced"));
    newer.packet("game_state");
    // A guest gets no character's name.
    let mut guest = Player::connect(server.addr);
    assert_eq!(guest.authenticate("ANN")["username"], "ANN#2");
    assert_eq!(guest.request("character_delete", json!({ "character_id": 1 }))["data"]["code"], "forbidden");
}

#[test]
fn the_world_is_told_to_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let server = world(folder.path());
    let mut guest = Player::join(server.addr, "Zoe");
    guest.packet("game_state");
    let get = |target: &str| rest(&server, "", "GET", target, Value::Null);
    let state = get("/api/world/state").json();
    assert_eq!((&state["reality"], &state["players_online"]), (&json!("balance"), &json!(1)));
    assert_eq!(state["locations"].as_array().map(Vec::len), Some(15));
    assert_eq!(get("/api/world/shards").json()["shards"].as_array().map(Vec::len), Some(12));
    assert_eq!(get("/api/world/events?limit=1").json()["events"][0]["kind"], "age_began");
    assert_eq!(get("/api/world/events?before=1").json(), json!({ "events": [] }));
    for bad in ["limit=0", "limit=101", "limit=x", "before=-1"] {
        assert_eq!(get(&format!("/api/world/events?{bad}")).refusal(), (400, "invalid".into()), "{bad}");
    }
}

#[test]
fn a_world_that_keeps_nothing_is_played_all_the_same() {
    let server = run(Server::new(settings()).game("/ws", Eternity::new(eternity::Settings::default())));
    let mut guest = Player::join(server.addr, "Zoe");
    guest.packet("game_state");
    assert_eq!(rest(&server, "", "GET", "/api/world/events", Value::Null).json(), json!({ "events": [] }));
    assert_eq!(rest(&server, "", "GET", "/api/world/shards", Value::Null).status, 200);
}
