//! Players of accounts who come back after a restart: as whom, how often, and over how many of them.

use crate::accounts::{login, register, start_in};
use crate::client::Player;
use crate::resumed::{cut, hold, resume};
use crate::server::{Heard, Running, Said};
use serde_json::{Value, json};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;

/// Where an account has two characters.
const GARDEN: &str = "/ws/other";

type Gnome = Player<Said, Heard>;

fn start(folder: &Path) -> Running {
    start_in(folder, hold)
}

fn enter(addr: SocketAddr, path: &str, token: &str) -> (Gnome, Value) {
    let mut player = Player::open(addr, path, &["evertick.v1.json"], &[]).unwrap();
    player.send("auth_request", json!({"version": 1, "token": token}));
    let session = player.packet("auth_response")["data"].clone();
    (player, session)
}

fn comes_back(addr: SocketAddr, path: &str, session: &Value) -> (Gnome, Value) {
    resume(addr, path, &session["resume_token"], 1).unwrap_or_else(|_| panic!("it is let in"))
}

fn is_expired(addr: SocketAddr, path: &str, session: &Value) {
    let refused = resume::<Said, Heard>(addr, path, &session["resume_token"], 1).err().unwrap();
    assert_eq!(refused.ending().reason(), (Some(4003), "session_expired"));
}

/// Asks to come back, and breaks the connection when that has been answered, without having read it.
fn asks_and_is_cut(addr: SocketAddr, session: &Value) {
    let mut player = Gnome::open(addr, "/ws", &["evertick.v1.json"], &[]).unwrap();
    player.packet("connected");
    let resumption = json!({"token": session["resume_token"], "seq": 1});
    player.send("auth_request", json!({"version": 1, "resume": resumption}));
    while !matches!(player.ws.get_ref().peek(&mut [0]), Ok(1)) {}
    player.ws.get_ref().shutdown(Shutdown::Both).unwrap();
}

#[test]
fn each_of_an_account_s_players_comes_back_as_who_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    register(server.addr, "ann");
    let token = login(server.addr, "ann");
    let before = [Some(11), Some(10), None].map(|character| {
        let (mut player, session) = enter(server.addr, GARDEN, &token);
        if let Some(character) = character {
            assert_eq!(player.request("become", json!({"character": character}))["type"], "ok");
            player.round_trip();
        }
        (player, session, json!(character))
    });
    server.stop();
    let server = start(folder.path());
    let mut back = Vec::new();
    for (_, session, who) in &before {
        let (player, again) = comes_back(server.addr, GARDEN, session);
        assert_eq!((&again["player_id"], &again["resumed"]), (who, &json!(false)));
        back.push(player);
    }
    back.iter_mut().for_each(|player| {
        player.round_trip();
    });
}

#[test]
fn whoever_comes_in_as_a_character_ends_only_that_one_s_way_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    register(server.addr, "ann");
    let token = login(server.addr, "ann");
    let [ten, eleven] = [10, 11].map(|character| {
        let (mut player, session) = enter(server.addr, GARDEN, &token);
        player.request("become", json!({"character": character}));
        player.round_trip();
        (player, session)
    });
    server.stop();
    let server = start(folder.path());
    let (mut player, _) = enter(server.addr, GARDEN, &token);
    player.request("become", json!({"character": 10}));
    player.round_trip();
    is_expired(server.addr, GARDEN, &ten.1);
    let (_eleven, again) = comes_back(server.addr, GARDEN, &eleven.1);
    assert_eq!(again["player_id"], 11);
    player.round_trip();
}

/// The answer to the first was lost, over one more stop as well: what it would have said is said again.
#[test]
fn the_token_of_before_a_restart_resumes_until_the_new_one_has_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    register(server.addr, "ann");
    let (ann, session) = enter(server.addr, "/ws", &login(server.addr, "ann"));
    server.stop();
    drop(ann);
    let server = start(folder.path());
    asks_and_is_cut(server.addr, &session);
    asks_and_is_cut(server.addr, &session);
    server.stop();
    let server = start(folder.path());
    asks_and_is_cut(server.addr, &session);
    let (mut ann, again) = comes_back(server.addr, "/ws", &session);
    assert_eq!((&again["resumed"], &again["full_state"]), (&json!(false), &json!(true)));
    assert_eq!((&again["player_id"], &again["received"]), (&session["player_id"], &json!(0)));
    ann.round_trip();
    is_expired(server.addr, "/ws", &session);
    let seq = cut(ann);
    let (_ann, resumed) = resume::<Said, Heard>(server.addr, "/ws", &again["resume_token"], seq)
        .unwrap_or_else(|_| panic!("it is let in"));
    assert_eq!((&resumed["resumed"], &resumed["full_state"]), (&json!(true), &json!(false)));
}

/// It is the ping behind the answer that tells that that has arrived: a client that says nothing answers it too.
#[test]
fn a_pong_spends_the_token_of_before_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    register(server.addr, "ann");
    let (ann, session) = enter(server.addr, "/ws", &login(server.addr, "ann"));
    server.stop();
    drop(ann);
    let server = start(folder.path());
    let (mut ann, _) = comes_back(server.addr, "/ws", &session);
    let ping = loop {
        if let tungstenite::Message::Ping(payload) = ann.read() {
            break payload;
        }
    };
    assert_eq!(ping.len(), 8, "it names a batch");
    // Its pong has been written with the reading; it is taken before what comes on another connection later.
    ann.ws.flush().unwrap();
    is_expired(server.addr, "/ws", &session);
}

#[test]
fn who_does_not_come_back_between_two_restarts_comes_back_after_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    register(server.addr, "ann");
    let (_ann, session) = enter(server.addr, "/ws", &login(server.addr, "ann"));
    server.stop();
    start(folder.path()).stop();
    let server = start(folder.path());
    let (mut ann, again) = comes_back(server.addr, "/ws", &session);
    assert_eq!((&again["resumed"], &again["player_id"]), (&json!(false), &session["player_id"]));
    ann.round_trip();
}
