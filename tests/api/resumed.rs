//! Resuming over real sockets: in both games, over a restart, and with what a person does meanwhile.

use crate::client::Player;
use crate::server::start;
#[cfg(any(feature = "connect4", feature = "eternity"))]
use crate::server::{run, settings};
use evertick::server::Settings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// Long enough for any test.
const GRACE: Duration = Duration::from_secs(3600);

pub(crate) fn hold(settings: &mut Settings) {
    settings.engine.session.resume_grace = GRACE;
}

/// Comes in as a guest; also what `auth_response` holds.
fn join<In, Out>(addr: SocketAddr, path: &str, name: &str) -> (Player<In, Out>, Value)
where
    In: Serialize + DeserializeOwned,
    Out: Serialize + DeserializeOwned,
{
    let mut player = Player::open(addr, path, &["evertick.v1.json"], &[]).unwrap();
    let session = player.authenticate(name);
    (player, session)
}

/// Breaks the connection without a word; the last number that was read.
pub(crate) fn cut<In, Out>(player: Player<In, Out>) -> u64
where
    In: Serialize + DeserializeOwned,
    Out: Serialize + DeserializeOwned,
{
    let seq = player.seq();
    player.ws.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    seq
}

/// Who came in, and what `auth_response` holds; or who did not.
pub(crate) type Entered<In, Out> = Result<(Player<In, Out>, Value), Box<Player<In, Out>>>;

/// Comes back over a new connection; also what `auth_response` holds. `Err`: who is refused, before it reads more.
pub(crate) fn resume<In, Out>(addr: SocketAddr, path: &str, token: &Value, seq: u64) -> Entered<In, Out>
where
    In: Serialize + DeserializeOwned,
    Out: Serialize + DeserializeOwned,
{
    let mut player = Player::open(addr, path, &["evertick.v1.json"], &[]).unwrap();
    player.send("auth_request", json!({"version": 1, "resume": {"token": token, "seq": seq}}));
    let answer = player.wait(|packet| packet["type"] == "auth_response" || packet["type"] == "error");
    if answer["type"] == "error" {
        return Err(Box::new(player));
    }
    let session = answer["data"].clone();
    player.go_on(if session["resumed"] == true { seq } else { 0 }, session["full_state"] == true);
    Ok((player, session))
}

#[test]
fn what_was_missed_comes_over_the_new_socket() {
    let server = start(hold);
    let (mut ann, session) = join::<crate::server::Said, crate::server::Heard>(server.addr, "/ws", "Ann");
    let mut bob = Player::join(server.addr, "Bob");
    ann.wait(|packet| packet["type"] == "arrived" && packet["data"]["name"] == "Bob");
    let seq = cut(ann);
    bob.send("say", json!({"text": "while away"}));
    bob.packet("said");
    let (mut ann, again) = resume::<crate::server::Said, crate::server::Heard>(
        server.addr,
        "/ws",
        &session["resume_token"],
        seq,
    )
    .unwrap_or_else(|_| panic!("it is let in"));
    assert_eq!((&again["resumed"], &again["player_id"]), (&json!(true), &session["player_id"]));
    assert!(again["replayed"].as_u64() >= Some(1), "{again}");
    assert_eq!(ann.packet("said")["data"]["text"], "while away");
    ann.round_trip();
    let status = crate::client::get(server.addr, "/api/status").json();
    assert_eq!((&status["players"], &status["lingering"]), (&json!(2), &json!(0)));
    let metrics = crate::client::get(server.addr, "/metrics");
    for line in ["evertick_resumes_total 1", "evertick_resumes_full_state_total 0", "evertick_lingering 0.0"]
    {
        assert!(metrics.text().lines().any(|have| have == line), "{line} in {}", metrics.text());
    }
}

/// As many as their address may have, who hold all its places while they are lost.
#[test]
fn a_crowd_behind_one_address_is_not_in_its_own_way() {
    type Guest = Player<crate::server::Said, crate::server::Heard>;
    let server = start(|settings| {
        hold(settings);
        settings.engine.registry.max_per_address = 5;
    });
    let crowd: Vec<(Guest, Value)> =
        (0..5).map(|n| join(server.addr, "/ws", &format!("Player {n}"))).collect();
    let lost: Vec<(u64, Value)> = crowd.into_iter().map(|(player, session)| (cut(player), session)).collect();
    let back: Vec<Guest> = lost
        .iter()
        .map(|(seq, session)| resume(server.addr, "/ws", &session["resume_token"], *seq))
        .map(|entered| entered.unwrap_or_else(|_| panic!("it is let in")).0)
        .collect();
    let refused = Guest::try_connect(server.addr, "/ws", &[], &[]).err().unwrap();
    assert_eq!(refused.refusal(), (429, "too_many_connections".to_owned()));
    back.into_iter().for_each(|mut player| {
        player.round_trip();
    });
}

#[cfg(feature = "connect4")]
mod connect4 {
    use super::*;
    use evertick::games::connect4::{self, Connect4, In, Out};
    use evertick::server::Server;

    const PATH: &str = "/ws/connect4";

    fn start(grace: Duration) -> crate::server::Running {
        let mut settings = settings();
        settings.engine.session.resume_grace = grace;
        run(Server::new(settings).game(PATH, Connect4::new(connect4::Settings::default())))
    }

    #[test]
    fn a_seat_is_held_and_taken_again() {
        let server = start(GRACE);
        let (mut ann, _) = join::<In, Out>(server.addr, PATH, "Ann");
        let (mut bob, session) = join::<In, Out>(server.addr, PATH, "Bob");
        let id = ann.request("match_create", json!({}))["data"]["match_id"].clone();
        bob.request("match_join", json!({"match_id": id}));
        ann.wait(|packet| packet["data"]["turn"].is_u64());
        let seq = cut(bob);
        let away = ann.wait(|packet| packet["data"]["players"][1]["present"] == false);
        assert_eq!(away["data"]["winner"], Value::Null);
        ann.request("match_drop", json!({"column": 3}));
        let (mut bob, again) =
            resume::<In, Out>(server.addr, PATH, &session["resume_token"], seq).unwrap_or_else(|_| panic!());
        assert_eq!(again["player_id"], session["player_id"]);
        bob.wait(|packet| packet["type"] == "match_state" && packet["data"]["moves"] == 1);
        let dropped = bob.request("match_drop", json!({"column": 3}));
        assert_eq!(dropped["data"]["moves"], 2, "{dropped}");
        ann.wait(|packet| packet["data"]["players"][1]["present"] == true);
    }

    #[test]
    fn who_does_not_come_back_in_time_forfeits() {
        let server = start(Duration::from_millis(200));
        let (mut ann, _) = join::<In, Out>(server.addr, PATH, "Ann");
        let (mut bob, session) = join::<In, Out>(server.addr, PATH, "Bob");
        let id = ann.request("match_create", json!({}))["data"]["match_id"].clone();
        bob.request("match_join", json!({"match_id": id}));
        let seq = cut(bob);
        let over = ann.wait(|packet| packet["data"]["winner"].is_u64());
        assert_eq!(over["data"]["reason"], "lost");
        let refused = resume::<In, Out>(server.addr, PATH, &session["resume_token"], seq);
        let refused = refused.err().unwrap();
        assert_eq!(refused.ending().reason(), (Some(4003), "session_expired"));
    }

    #[test]
    fn a_full_state_is_the_match_as_it_stands() {
        let server = start(GRACE);
        let (mut ann, session) = join::<In, Out>(server.addr, PATH, "Ann");
        let id = ann.request("match_create", json!({}))["data"]["match_id"].clone();
        cut(ann);
        let (mut ann, again) =
            resume::<In, Out>(server.addr, PATH, &session["resume_token"], 999).unwrap_or_else(|_| panic!());
        assert_eq!((&again["resumed"], &again["full_state"]), (&json!(true), &json!(true)));
        assert_eq!(ann.packet("match_state")["data"]["match_id"], id);
    }
}

#[cfg(feature = "eternity")]
mod eternity {
    use super::*;
    use evertick::games::eternity::{self, Eternity, In, Out};
    use evertick::server::Server;

    #[test]
    fn a_full_state_is_a_game_state_unasked() {
        let mut settings = settings();
        hold(&mut settings);
        let server = run(Server::new(settings).game("/ws", Eternity::new(eternity::Settings::default())));
        let (mut ann, session) = join::<In, Out>(server.addr, "/ws", "Ann");
        let here = ann.packet("game_state");
        cut(ann);
        let (mut ann, again) =
            resume::<In, Out>(server.addr, "/ws", &session["resume_token"], 999).unwrap_or_else(|_| panic!());
        assert_eq!(again["full_state"], true);
        let state = ann.packet("game_state");
        assert_eq!(state["data"]["you"]["id"], here["data"]["you"]["id"]);
        assert_eq!(state["data"]["location"], here["data"]["location"]);
    }
}

#[cfg(feature = "storage")]
mod over_a_restart {
    use super::*;
    use crate::accounts::{PASSWORD, login, logout, register, start_in};
    use crate::server::{Heard, Said};

    fn enter(addr: SocketAddr, token: &str) -> (Player<Said, Heard>, Value) {
        let mut player = Player::open(addr, "/ws", &["evertick.v1.json"], &[]).unwrap();
        player.send("auth_request", json!({"version": 1, "token": token}));
        let session = player.packet("auth_response")["data"].clone();
        (player, session)
    }

    #[test]
    fn an_account_comes_back_and_a_guest_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let server = start_in(folder.path(), hold);
        register(server.addr, "ann");
        let token = login(server.addr, "ann");
        let (ann, session) = enter(server.addr, &token);
        let (bob, guest) = join::<Said, Heard>(server.addr, "/ws", "Bob");
        let mut cid = Player::<Said, Heard>::open(server.addr, "/ws", &["evertick.v1.json"], &[]).unwrap();
        register(server.addr, "cid");
        cid.send("auth_request", json!({"version": 1, "username": "cid", "password": PASSWORD}));
        let lingering = cid.packet("auth_response")["data"].clone();
        cut(cid);
        server.stop();
        assert_eq!(ann.ending().reason(), (Some(1001), "shutdown"));
        drop(bob);
        // Once, and the token is spent with it; so is that of who lingered when the server stopped.
        let server = start_in(folder.path(), |settings| {
            hold(settings);
            settings.engine.open = false;
        });
        let (mut ann, again) = resume::<Said, Heard>(server.addr, "/ws", &session["resume_token"], 7)
            .unwrap_or_else(|_| panic!("it is let in"));
        assert_eq!((&again["resumed"], &again["full_state"]), (&json!(false), &json!(true)));
        assert_eq!((&again["player_id"], &again["received"]), (&session["player_id"], &json!(0)));
        ann.round_trip();
        let (_cid, again) = resume::<Said, Heard>(server.addr, "/ws", &lingering["resume_token"], 0)
            .unwrap_or_else(|_| panic!("it is let in"));
        assert_eq!(again["resumed"], false);
        for spent in [&session["resume_token"], &guest["resume_token"]] {
            let refused = resume::<Said, Heard>(server.addr, "/ws", spent, 7).err().unwrap();
            assert_eq!(refused.ending().reason(), (Some(4003), "session_expired"));
        }
    }

    #[test]
    fn who_has_logged_out_or_in_again_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let server = start_in(folder.path(), hold);
        register(server.addr, "ann");
        register(server.addr, "bob");
        let tokens = ["ann", "bob"].map(|name| login(server.addr, name));
        let sessions = [0, 1].map(|n: usize| enter(server.addr, &tokens[n]));
        server.stop();
        let server = start_in(folder.path(), hold);
        assert_eq!(logout(server.addr, &tokens[0]).status, 204);
        let _bob = enter(server.addr, &tokens[1]);
        for (_, session) in &sessions {
            let refused =
                resume::<Said, Heard>(server.addr, "/ws", &session["resume_token"], 0).err().unwrap();
            assert_eq!(refused.ending().reason(), (Some(4003), "session_expired"));
        }
    }

    /// The ban was over before the player's time to come back was, and its token stood for it again.
    #[test]
    fn who_was_banned_does_not_come_back_when_the_ban_is_lifted() {
        let folder = tempfile::tempdir().unwrap();
        let administered = |settings: &mut Settings| {
            hold(settings);
            settings.engine.admin_token = evertick::engine::AdminToken::new("admin");
        };
        let mut server = start_in(folder.path(), administered);
        register(server.addr, "ann");
        let login = login(server.addr, "ann");
        for target in ["ANN", "127.0.0.0/8"] {
            let (_ann, session) = enter(server.addr, &login);
            server.stop();
            server = start_in(folder.path(), administered);
            let admin =
                |method, path: &str, body| crate::client::call(server.addr, method, path, "admin", &body);
            let ban = admin("POST", "/api/admin/bans", json!({ "target": target })).json();
            let path = format!("/api/admin/bans/{}", ban["id"]);
            assert_eq!(admin("DELETE", &path, Value::Null).status, 204);
            let refused =
                resume::<Said, Heard>(server.addr, "/ws", &session["resume_token"], 0).err().unwrap();
            assert_eq!(refused.ending().reason(), (Some(4003), "session_expired"), "{target}");
        }
    }

    #[test]
    fn a_lingering_player_ends_with_its_login_and_with_another() {
        let folder = tempfile::tempdir().unwrap();
        let server = start_in(folder.path(), hold);
        register(server.addr, "ann");
        let mut witness = Player::join(server.addr, "Bob");
        for log_out in [true, false] {
            let token = login(server.addr, "ann");
            let (ann, session) = enter(server.addr, &token);
            let seq = cut(ann);
            if log_out {
                assert_eq!(logout(server.addr, &token).status, 204);
            } else {
                let _again = enter(server.addr, &token);
            }
            witness.packet("gone");
            let refused =
                resume::<Said, Heard>(server.addr, "/ws", &session["resume_token"], seq).err().unwrap();
            assert_eq!(refused.ending().reason(), (Some(4003), "session_expired"), "{log_out}");
        }
    }
}
