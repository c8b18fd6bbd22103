//! A recorded run with accounts, calls over HTTP and commits replays byte for byte, though nothing is kept the second time: what
//! storage had said, and what was asked over HTTP, stands in the log.

use crate::accounts::PASSWORD;
use crate::client::{request, upgrade};
use crate::errands::Plain;
use crate::server::settings;
use evertick::account::{self, Answer, Errand, Hasher, Reply, Request};
use evertick::engine::Engine;
use evertick::games::eternity::{self, Eternity};
use evertick::ids::{ConnId, PlayerId};
use evertick::sim::Shell;
use evertick::storage::Database;
use evertick::time::{Tick, Time, WallMs};
use evertick::websocket::{Connection, Event, OpCode, Role, encode_masked};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const WALL: WallMs = WallMs(1_700_000_000_000);

/// What was told to whom, as bytes.
type Told = Arc<Mutex<Vec<(Tick, PlayerId, Vec<u8>)>>>;

/// Always with the same seed.
fn engine() -> (Engine, Told) {
    let mut engine = Engine::new(settings().engine, 5, [9; 32]);
    engine.add_game("/ws", Eternity::new(eternity::Settings::default())).unwrap();
    let told = Told::default();
    let to = told.clone();
    engine.tap(Box::new(move |tick, player, body| {
        to.lock().unwrap().push((tick, player, body.to_vec()));
    }));
    (engine, told)
}

/// An engine on sockets in memory, and its database.
struct Life {
    shell: Shell,
    database: Database,
    told: Told,
}

impl Life {
    /// Begins, recorded, with what the database has.
    fn begin(mut database: Database) -> Life {
        let (mut engine, told) = engine();
        engine.record();
        let replies = Engine::account_requests(WALL).map(|request| reply(&mut database, request));
        assert!(engine.load_accounts(replies.into(), Time::START, WALL));
        for game in engine.games() {
            let kept = engine.collections().into_iter().filter(|(of, ..)| *of == game);
            let kept: Vec<_> = kept
                .map(|(_, game, collection)| {
                    let request =
                        Request::Records { game, collection: collection.to_owned(), prefix: String::new() };
                    match reply(&mut database, request) {
                        Reply::Records(records) => (collection, records),
                        other => panic!("{other:?}"),
                    }
                })
                .collect();
            engine.load_game(game, kept).unwrap();
        }
        engine.use_storage();
        let mut life = Life { shell: Shell::new(engine, settings().engine.tick_rate, WALL), database, told };
        life.pass(3);
        life
    }

    /// So many ticks, with everything that storage answers between them.
    fn pass(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.carry(usize::MAX);
            self.tick();
        }
        self.carry(usize::MAX);
    }

    fn tick(&mut self) {
        self.shell.advance(self.shell.deadline());
        self.shell.tick();
        self.shell.attend(usize::MAX);
    }

    /// Has storage answer so many errands at most.
    fn carry(&mut self, most: usize) {
        for _ in 0..most {
            let Some((ticket, errand)) = self.shell.engine_mut().errand() else { return };
            let answer = match errand {
                Errand::Hash(work) => Answer::Hash(Plain.work(&work)),
                Errand::Store(request) => {
                    Answer::Store(account::commit(&mut self.database, &[request]).remove(0))
                }
            };
            let now = self.shell.now();
            self.shell.engine_mut().complete(ticket, answer, now);
            self.shell.attend(usize::MAX);
        }
    }

    fn ask(&mut self, method: &str, target: &str, token: &str, body: Value) -> (u16, Value) {
        let conn = self.shell.accept(HERE, usize::MAX).unwrap();
        let mut bytes = request(method, target, token, &body, "Connection: close\r\n").into_bytes();
        self.shell.receive(conn, &mut bytes);
        self.pass(4);
        let answer = String::from_utf8(self.shell.take(conn, usize::MAX)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// A WebSocket that has said who it is.
    fn enter(&mut self, who: Value) -> ConnId {
        let conn = self.shell.accept(HERE, usize::MAX).unwrap();
        self.shell.receive(conn, &mut upgrade("/ws", "").into_bytes());
        self.shell.take(conn, usize::MAX);
        self.say(conn, "auth_request", who);
        conn
    }

    /// Sends a packet; the packets that were heard then, by their names.
    fn say(&mut self, conn: ConnId, kind: &str, data: Value) -> Vec<String> {
        self.send(conn, kind, data);
        self.pass(4);
        self.heard(conn)
    }

    fn send(&mut self, conn: ConnId, kind: &str, data: Value) {
        let packet = json!({ "type": kind, "id": 1, "data": data }).to_string();
        let mut frame = Vec::new();
        encode_masked(&mut frame, OpCode::Text, packet.as_bytes(), [1, 2, 3, 4]);
        self.shell.receive(conn, &mut frame);
    }

    /// What has come since it was last asked.
    fn heard(&mut self, conn: ConnId) -> Vec<String> {
        let mut heard = self.shell.take(conn, usize::MAX);
        let (mut input, mut reader) = (heard.as_mut_slice(), Connection::new(Role::Client, 1 << 24));
        let mut names = Vec::new();
        while let Some(event) = reader.next(&mut input) {
            if let Event::Text(text) = event {
                let batch: Value = serde_json::from_slice(text).unwrap();
                let packets = batch["packets"].as_array().unwrap().iter();
                names.extend(packets.map(|packet| packet["type"].as_str().unwrap().to_owned()));
            }
        }
        names
    }

    fn hears(&mut self, conn: ConnId, kind: &str, data: Value, expected: &str) {
        let heard = self.say(conn, kind, data);
        assert!(heard.iter().any(|name| name == expected), "{kind} is answered by {heard:?}");
    }
}

fn reply(database: &mut Database, request: Request) -> Reply {
    account::commit(database, &[request]).remove(0).unwrap()
}

fn wish(name: &str) -> Value {
    json!({ "name": name, "faction": "umbral", "class": "mage" })
}

/// Somebody registers and makes a character; the token.
fn found(life: &mut Life) -> String {
    let who = json!({ "username": "Ann", "password": PASSWORD });
    assert_eq!(life.ask("POST", "/api/auth/register", "", who.clone()).0, 201);
    let (_, login) = life.ask("POST", "/api/auth/login", "", who);
    let token = login["token"].as_str().unwrap().to_owned();
    assert_eq!(life.ask("POST", "/api/characters", &token, wish("First")).0, 201);
    token
}

#[test]
fn accounts_calls_and_commits_replay_byte_for_byte() {
    let mut before = Life::begin(Database::in_memory().unwrap());
    let token = found(&mut before);
    let Life { database, .. } = before;
    // What follows is recorded from its start: it begins with what was kept.
    let mut life = Life::begin(database);
    let (status, listed) = life.ask("GET", "/api/characters", &token, Value::Null);
    assert_eq!((status, &listed["characters"][0]["name"]), (200, &json!("First")));
    let waiting = life.enter(json!({ "version": 1, "token": token }));
    let watcher = life.enter(json!({ "version": 1, "guest": "Gus" }));
    assert_eq!(life.ask("POST", "/api/characters", &token, wish("Second")).0, 201);
    assert_eq!(life.ask("POST", "/api/characters", &token, wish("second")).0, 409);
    // Over HTTP it is brought into the world on the socket that waits in the lobby.
    assert_eq!(life.ask("POST", "/api/characters/select", &token, json!({ "character_id": 1 })).0, 200);
    life.hears(waiting, "get_game_state", json!({}), "game_state");
    life.hears(waiting, "character_create", wish("Third"), "character_update");
    life.hears(waiting, "character_create", wish("first"), "error");
    life.hears(waiting, "character_delete", json!({ "character_id": 2 }), "ok");
    life.hears(waiting, "character_select", json!({ "character_id": 3 }), "character_update");
    assert_eq!(life.ask("GET", "/api/world/events", "", Value::Null).0, 200);
    life.hears(watcher, "get_nearby_players", json!({}), "nearby_players");
    let twin = life.enter(json!({ "version": 1, "username": "ann", "password": PASSWORD }));
    life.hears(twin, "chat", json!({ "channel": "global", "message": "hello" }), "ok");
    life.hears(twin, "disconnect", json!({ "reason": "enough" }), "ok");
    assert_eq!(life.ask("DELETE", "/api/characters/3", &token, Value::Null).0, 204);
    // Long enough for what lags to be saved.
    life.pass(600);
    let log = life.shell.engine_mut().take_record();
    let first = life.told.lock().unwrap().clone();
    assert!(first.len() > 10, "{} packets prove little", first.len());
    let (mut fresh, told) = engine();
    assert!(fresh.replay(&log, Time::START), "the log cannot be read");
    assert!(fresh.errand().is_none(), "in a replay nothing goes out");
    let again = told.lock().unwrap();
    for (a, b) in first.iter().zip(again.iter()) {
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        assert_eq!((a.0, a.1, text(&a.2)), (b.0, b.1, text(&b.2)));
    }
    assert_eq!(first.len(), again.len());
}

#[test]
fn what_was_asked_in_the_lobby_is_answered_in_the_world() {
    let mut life = Life::begin(Database::in_memory().unwrap());
    let token = found(&mut life);
    let conn = life.enter(json!({ "version": 1, "token": token }));
    life.heard(conn);
    life.send(conn, "character_select", json!({ "character_id": 1 }));
    life.send(conn, "character_create", wish("Second"));
    life.tick();
    // The disk has kept the choice; the new character takes longer, and whoever asked for it is in the world by then.
    life.carry(1);
    (0..4).for_each(|_| life.tick());
    let chosen = life.heard(conn);
    assert!(
        chosen.contains(&"character_update".to_owned()) && chosen.contains(&"game_state".to_owned()),
        "{chosen:?}"
    );
    life.pass(4);
    assert_eq!(life.heard(conn), ["character_update"], "and has its answer");
}
