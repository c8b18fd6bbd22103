//! Connect 4 as its clients meet it: matches, turns and refusals over real sockets, in both encodings.

use crate::client::Player;
use crate::server::{Running, run, settings};
use evertick::games::connect4::{Connect4, In, Out, Settings};
use evertick::server::Server;
use serde_json::{Value, json};
use std::time::Duration;

type Visitor = Player<In, Out>;

const PROTOCOLS: [&str; 2] = ["evertick.v1.json", "evertick.v1.postcard"];

fn start(change: impl FnOnce(&mut Settings)) -> Running {
    let mut rules = Settings::default();
    change(&mut rules);
    run(Server::new(settings()).game("/ws/connect4", Connect4::new(rules)))
}

/// Somebody who has come in, and its id.
fn join(server: &Running, protocol: &str, name: &str) -> (Visitor, Value) {
    let mut player = Visitor::open(server.addr, "/ws/connect4", &[protocol], &[]).unwrap();
    let session = player.authenticate(name);
    assert!(session["player_id"].as_u64() >= Some(1_000_000_000), "at once: {session}");
    (player, session["player_id"].clone())
}

/// Two at a match that has just begun, the first on turn, and its id.
fn pair(server: &Running) -> (Visitor, Visitor, Value) {
    let (mut ann, _) = join(server, PROTOCOLS[0], "Ann");
    let (mut bob, _) = join(server, PROTOCOLS[1], "Bob");
    let id = state(ann.request("match_create", json!({"private": true})))["match_id"].clone();
    state(bob.request("match_join", json!({"match_id": id})));
    ann.wait(|packet| packet["data"]["turn"].is_u64());
    (ann, bob, id)
}

/// The data of a reply that is a `match_state` with every field.
fn state(reply: Value) -> Value {
    assert_eq!(reply["type"], "match_state", "{reply}");
    let data = reply["data"].clone();
    let fields = [
        "match_id",
        "players",
        "board",
        "turn",
        "winner",
        "draw",
        "line",
        "moves",
        "spectators",
        "deadline_ms",
        "reason",
    ];
    assert!(fields.iter().all(|field| data.get(field).is_some()), "{data}");
    data
}

/// The code of the error that a packet is answered by.
fn code(player: &mut Visitor, name: &str, data: Value) -> String {
    let reply = player.request(name, data);
    assert_eq!(reply["type"], "error", "{reply}");
    reply["data"]["code"].as_str().unwrap().to_owned()
}

fn drop_at(player: &mut Visitor, column: u32) -> Value {
    state(player.request("match_drop", json!({"column": column})))
}

#[test]
fn a_whole_match_in_both_encodings_with_a_spectator() {
    let server = start(|_| {});
    let (mut ann, ann_id) = join(&server, PROTOCOLS[0], "Ann");
    let (mut bob, bob_id) = join(&server, PROTOCOLS[1], "Bob");
    let (mut cid, _) = join(&server, PROTOCOLS[1], "Cid");
    let waiting = state(ann.request("match_create", json!({})));
    let id = waiting["match_id"].clone();
    assert!(id.as_str().is_some_and(|id| id.len() == 10 && id.bytes().all(|b| b.is_ascii_alphanumeric())));
    assert_eq!((&waiting["turn"], &waiting["deadline_ms"]), (&Value::Null, &Value::Null));
    let begun = state(bob.request("match_join", json!({})));
    assert_eq!((&begun["match_id"], &begun["turn"]), (&id, &ann_id));
    let left = begun["deadline_ms"].as_u64().unwrap();
    assert!((59_000..=60_000).contains(&left), "{left}");
    let watched = state(cid.request("match_spectate", json!({"match_id": id})));
    assert_eq!((&watched["spectators"], &watched["turn"]), (&json!(1), &ann_id));
    assert_eq!(ann.wait(|p| p["data"]["spectators"] == 1)["re"], Value::Null);

    for _ in 0..3 {
        drop_at(&mut ann, 0);
        drop_at(&mut bob, 6);
    }
    let over = drop_at(&mut ann, 0);
    assert_eq!(over["board"], json!([".......", ".......", "R......", "R.....Y", "R.....Y", "R.....Y"]));
    assert_eq!(over["line"], json!([[5, 0], [4, 0], [3, 0], [2, 0]]));
    assert_eq!((&over["winner"], &over["draw"], &over["moves"]), (&ann_id, &json!(false), &json!(7)));
    assert_eq!((&over["reason"], &begun["reason"]), (&json!("four"), &Value::Null));
    for moves in 1..=7 {
        let seen = cid.wait(|p| p["type"] == "match_state" && p["data"]["moves"] == moves);
        assert_eq!(seen["re"], Value::Null, "a spectator sees every state unasked");
    }
    state(bob.request("match_rematch", json!({})));
    let again = state(ann.request("match_rematch", json!({})));
    assert_eq!((&again["moves"], &again["turn"], &again["match_id"]), (&json!(0), &bob_id, &id));
    assert_eq!(ann.request("match_leave", json!({}))["type"], "ok");
    let won = bob.wait(|p| p["data"]["winner"].is_u64() && p["data"]["moves"] == 0);
    assert_eq!((&won["data"]["winner"], &won["data"]["line"]), (&bob_id, &Value::Null));
    assert_eq!(won["data"]["reason"], "left");
    assert_eq!(bob.request("match_leave", json!({}))["type"], "ok");
    let closed = cid.packet("match_closed");
    assert_eq!(closed["data"], json!({"match_id": id, "reason": "left"}));
}

#[test]
fn every_refusal_of_the_contract() {
    let server = start(|_| {});
    let (mut ann, mut bob, id) = pair(&server);
    let (mut cid, _) = join(&server, PROTOCOLS[0], "Cid");
    assert_eq!(code(&mut bob, "match_drop", json!({"column": 0})), "forbidden", "out of turn");
    assert_eq!(code(&mut ann, "match_drop", json!({"column": 7})), "invalid", "no such column");
    for _ in 0..3 {
        drop_at(&mut ann, 2);
        drop_at(&mut bob, 2);
    }
    assert_eq!(code(&mut ann, "match_drop", json!({"column": 2})), "invalid", "full");
    assert_eq!(code(&mut ann, "match_rematch", json!({})), "conflict", "not over");
    assert_eq!(code(&mut ann, "match_create", json!({})), "conflict", "who plays leaves first");
    assert_eq!(code(&mut ann, "match_join", json!({})), "conflict");
    assert_eq!(code(&mut ann, "match_bot", json!({"level": 3})), "conflict");
    assert_eq!(code(&mut ann, "match_spectate", json!({"match_id": id})), "conflict");
    assert_eq!(code(&mut cid, "match_join", json!({"match_id": id})), "conflict", "both seats are taken");
    for unknown in ["abcdefghij", "x"] {
        assert_eq!(code(&mut cid, "match_join", json!({"match_id": unknown})), "not_found");
        assert_eq!(code(&mut cid, "match_spectate", json!({"match_id": unknown})), "not_found");
    }
    for nowhere in ["match_leave", "match_rematch"] {
        assert_eq!(code(&mut cid, nowhere, json!({})), "not_found", "in no match");
    }
    assert_eq!(code(&mut cid, "match_drop", json!({"column": 0})), "not_found");
    assert_eq!(code(&mut cid, "match_bot", json!({"level": 6})), "invalid");
    assert_eq!(code(&mut cid, "match_bot", json!({"level": 0})), "invalid");
    state(cid.request("match_spectate", json!({"match_id": id})));
    assert_eq!(code(&mut cid, "match_drop", json!({"column": 0})), "forbidden", "a spectator");
    assert_eq!(code(&mut cid, "match_rematch", json!({})), "forbidden");
    ann.request("match_leave", json!({}));
    assert_eq!(code(&mut bob, "match_drop", json!({"column": 0})), "conflict", "over");
    assert_eq!(code(&mut ann, "match_join", json!({"match_id": id})), "conflict", "over");
    assert_eq!(code(&mut bob, "match_rematch", json!({})), "conflict", "the other has left");
    // What cannot be read is told as everywhere.
    let wrong = cid.request("match_drop", json!({"column": "left"}));
    assert_eq!((&wrong["type"], &wrong["data"]["code"]), (&json!("invalid_message"), &json!("invalid")));
    assert_eq!(wrong["data"]["field"], "column");
    cid.round_trip();
}

/// Whatever number stands there, and where none stands: it is no column, and whose turn it is comes first.
#[test]
fn columns_and_levels_that_are_not_there_are_refused_by_the_rules() {
    let server = start(|_| {});
    let numbers =
        [json!(-1), json!(3.0), json!(0.5), json!(7), json!(99_999_999_999_u64), json!(1e300), Value::Null];
    let columns =
        numbers.iter().map(|number| json!({"column": number})).chain([json!({}), json!({"colum": 3})]);
    let levels =
        numbers.iter().map(|number| json!({"level": number})).chain([json!({}), json!({"level": 0})]);
    for protocol in PROTOCOLS {
        let (mut ann, _) = join(&server, protocol, "Ann");
        let (mut bob, _) = join(&server, protocol, "Bob");
        let (mut cid, _) = join(&server, protocol, "Cid");
        let id = state(ann.request("match_create", json!({"private": true})))["match_id"].clone();
        state(bob.request("match_join", json!({"match_id": id})));
        state(cid.request("match_spectate", json!({"match_id": id})));
        for column in columns.clone() {
            assert_eq!(code(&mut ann, "match_drop", column.clone()), "invalid", "{protocol}: {column}");
            assert_eq!(
                code(&mut bob, "match_drop", column.clone()),
                "forbidden",
                "{protocol}: {column}, out of turn"
            );
            assert_eq!(
                code(&mut cid, "match_drop", column.clone()),
                "forbidden",
                "{protocol}: {column}, watching"
            );
        }
        for level in levels.clone() {
            assert_eq!(
                code(&mut ann, "match_bot", level.clone()),
                "conflict",
                "{protocol}: {level}, while playing"
            );
            assert_eq!(code(&mut cid, "match_bot", level.clone()), "invalid", "{protocol}: {level}");
        }
        ann.request("match_leave", json!({}));
        for column in columns.clone() {
            assert_eq!(code(&mut bob, "match_drop", column), "conflict", "{protocol}: over");
        }
    }
}

#[test]
fn a_full_board_is_a_draw() {
    let server = start(|_| {});
    let (mut ann, mut bob, _) = pair(&server);
    // Columns in pairs, three of each colour in turns; then the last one.
    let pairs = [0, 2, 4].map(|c| [c, c + 1, c, c + 1, c + 1, c, c + 1, c, c, c + 1, c, c + 1]);
    let mut last = Value::Null;
    for (at, column) in pairs.concat().into_iter().chain([6; 6]).enumerate() {
        last = drop_at(if at % 2 == 0 { &mut ann } else { &mut bob }, column);
    }
    assert_eq!((&last["draw"], &last["reason"], &last["moves"]), (&json!(true), &json!("draw"), &json!(42)));
    for field in ["winner", "line", "turn", "deadline_ms"] {
        assert_eq!(last[field], Value::Null, "{field}");
    }
    assert_eq!(ann.wait(|p| p["data"]["draw"] == true)["data"], last, "both are told the same");
}

#[test]
fn a_private_match_is_watched_by_its_id() {
    let server = start(|_| {});
    let (mut ann, _bob, id) = pair(&server);
    let (mut cid, _) = join(&server, PROTOCOLS[1], "Cid");
    assert_eq!(cid.request("match_list", json!({}))["data"]["matches"], json!([]));
    let seen = state(cid.request("match_spectate", json!({"match_id": id})));
    assert_eq!((&seen["match_id"], &seen["spectators"]), (&id, &json!(1)));
    drop_at(&mut ann, 3);
    let seen = cid.wait(|p| p["data"]["moves"] == 1);
    assert_eq!(seen["data"]["board"][5], "...R...");
}

#[test]
fn who_enters_another_match_is_told_that_its_own_is_closed() {
    let server = start(|_| {});
    let (mut ann, _) = join(&server, PROTOCOLS[0], "Ann");
    let (mut bob, _) = join(&server, PROTOCOLS[1], "Bob");
    let own = state(ann.request("match_create", json!({"private": true})))["match_id"].clone();
    state(bob.request("match_create", json!({})));
    let asked = ann.ask("match_join", json!({}));
    assert_eq!(ann.packet("match_closed")["data"], json!({"match_id": own, "reason": "elsewhere"}));
    state(ann.wait(|p| p["re"] == asked));
}

#[test]
fn a_name_is_taken_while_its_seat_is_held() {
    let server = start(|rules| rules.resume_grace = Duration::from_secs(3600));
    let (ann, mut bob, _) = pair(&server);
    drop(ann);
    let held = bob.wait(|p| p["data"]["players"][0]["present"] == false);
    assert_eq!(held["data"]["players"][0]["name"], "Ann");
    let [mut first, mut second] =
        [(); 2].map(|()| Visitor::open(server.addr, "/ws/connect4", &[], &[]).unwrap());
    assert_eq!(first.authenticate("ann")["username"], "ann#2");
    assert_eq!(second.authenticate("Ann")["username"], "Ann#3");
}

#[cfg(feature = "storage")]
mod with_accounts {
    use super::*;
    use crate::accounts::{CHEAP, login, register};

    /// A server that keeps accounts, in a folder that is to be kept as long.
    fn start() -> (Running, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings();
        settings.data_dir = Some(folder.path().to_owned());
        settings.hashing = CHEAP;
        let game = Connect4::new(Settings::default());
        (run(Server::new(settings).game("/ws/connect4", game)), folder)
    }

    fn log_in(server: &Running, token: &str) -> (Visitor, Value) {
        let mut player = Visitor::open(server.addr, "/ws/connect4", &[], &[]).unwrap();
        player.send("auth_request", json!({"version": 1, "token": token}));
        let session = player.packet("auth_response")["data"].clone();
        (player, session)
    }

    #[test]
    fn an_account_that_comes_in_over_another_connection_sits_where_it_sat() {
        let (server, _folder) = start();
        let account = register(server.addr, "Ann");
        let token = login(server.addr, "Ann");
        let (mut older, session) = log_in(&server, &token);
        assert_eq!(session["player_id"], account, "in Connect 4 a player is its account");
        let id = state(older.request("match_create", json!({})))["match_id"].clone();
        let (mut bob, bob_id) = join(&server, PROTOCOLS[1], "Bob");
        state(bob.request("match_join", json!({"match_id": id})));
        let (mut newer, session) = log_in(&server, &token);
        assert_eq!((&session["player_id"], &session["username"]), (&json!(account), &json!("Ann")));
        assert_eq!(older.ending().reason(), (Some(4004), "replaced"));
        let here = newer.packet("match_state");
        assert_eq!(
            (&here["data"]["match_id"], &here["data"]["turn"]),
            (&id, &json!(account)),
            "told unasked"
        );
        let dropped = state(newer.request("match_drop", json!({"column": 0})));
        assert_eq!((&dropped["turn"], &dropped["winner"]), (&bob_id, &Value::Null), "it goes on");
        assert_eq!(dropped["players"][0]["name"], "Ann");
        bob.wait(|p| p["data"]["moves"] == 1);
    }

    #[test]
    fn an_account_and_a_guest_of_one_name_are_told_apart() {
        let (server, _folder) = start();
        register(server.addr, "Ann");
        let (mut guest, _) = join(&server, PROTOCOLS[1], "ann");
        let (mut account, session) = log_in(&server, &login(server.addr, "Ann"));
        assert_eq!(session["username"], "Ann", "an account's name stays its own");
        let id = state(account.request("match_create", json!({})))["match_id"].clone();
        let begun = state(guest.request("match_join", json!({"match_id": id})));
        assert_eq!(begun["players"][0]["name"], "Ann#2");
        assert_eq!(begun["players"][1]["name"], "ann");
        let mut third = Visitor::open(server.addr, "/ws/connect4", &[], &[]).unwrap();
        assert_eq!(third.authenticate("Ann")["username"], "Ann#3", "no number is given twice");
    }
}

#[test]
fn a_private_match_is_in_no_list() {
    let server = start(|_| {});
    let (_ann, _bob, private) = pair(&server);
    let (mut cid, cid_id) = join(&server, PROTOCOLS[0], "Cid");
    let (mut dan, _) = join(&server, PROTOCOLS[1], "Dan");
    let open = state(cid.request("match_create", json!({"private": false})));
    let list = dan.request("match_list", json!({}));
    assert_eq!(list["type"], "match_list");
    let [listed] = &list["data"]["matches"].as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!((&listed["match_id"], &listed["open"]), (&open["match_id"], &json!(true)));
    assert_ne!(listed["match_id"], private);
    assert_eq!(listed["players"][0]["id"], cid_id);
}

#[test]
fn the_bot_plays_under_the_id_0() {
    let server = start(|_| {});
    for (protocol, level) in [(PROTOCOLS[0], 1), (PROTOCOLS[1], 5)] {
        let (mut ann, ann_id) = join(&server, protocol, "Ann");
        let begun = state(ann.request("match_bot", json!({"level": level})));
        assert_eq!((&begun["turn"], &begun["players"][1]["id"]), (&ann_id, &json!(0)));
        for moves in [2, 4] {
            let mine = drop_at(&mut ann, 3);
            assert_eq!(mine["turn"], 0);
            let answer = ann.wait(|p| p["data"]["moves"] == moves);
            assert_eq!((&answer["data"]["turn"], &answer["re"]), (&ann_id, &Value::Null));
        }
    }
}

#[test]
fn whoever_does_not_move_in_time_has_lost() {
    let server = start(|rules| rules.move_time = Duration::from_millis(200));
    let (mut ann, mut bob, _) = pair(&server);
    let lost = ann.wait(|p| p["data"]["winner"].is_u64());
    let won = bob.wait(|p| p["data"]["winner"].is_u64());
    assert_eq!(lost["data"], won["data"]);
    assert_eq!(won["data"]["winner"], won["data"]["players"][1]["id"]);
    assert_eq!((&won["data"]["deadline_ms"], &won["data"]["reason"]), (&Value::Null, &json!("time")));
}

#[test]
fn the_seat_of_a_broken_connection_is_held_and_then_lost() {
    let server = start(|rules| rules.resume_grace = Duration::from_millis(300));
    let (ann, mut bob, id) = pair(&server);
    let (mut cid, _) = join(&server, PROTOCOLS[0], "Cid");
    state(cid.request("match_spectate", json!({"match_id": id})));
    drop(ann);
    let held = bob.wait(|p| p["data"]["players"][0]["present"] == false);
    assert_eq!(held["data"]["winner"], Value::Null);
    let won = bob.wait(|p| p["data"]["winner"].is_u64());
    assert_eq!(won["data"]["winner"], won["data"]["players"][1]["id"]);
    drop(bob);
    assert_eq!(cid.packet("match_closed")["data"], json!({"match_id": id, "reason": "lost"}));
    assert_eq!(cid.request("match_list", json!({}))["data"]["matches"], json!([]));
}

#[test]
fn whoever_says_goodbye_loses_at_once() {
    let server = start(|rules| rules.resume_grace = Duration::from_secs(3600));
    let (mut ann, mut bob, _) = pair(&server);
    ann.send("disconnect", json!({"reason": "supper"}));
    bob.wait(|p| p["data"]["winner"] == p["data"]["players"][1]["id"] && p["data"]["winner"].is_u64());
}
