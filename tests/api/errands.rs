//! What waits for storage, with a clock that the test turns and a storage that answers when the test says.

use crate::accounts::PASSWORD;
use crate::client::request;
use crate::driven::Driven;
use evertick::account::{
    self, Answer, Errand, Failure, HashError, Hashed, Hasher, PasswordHash, StoreError, Ticket, Work,
};
use evertick::ids::ConnId;
use evertick::limits;
use evertick::outgoing::Next;
use evertick::storage::Database;
use serde_json::json;
use std::collections::VecDeque;
use std::time::Duration;

const HERE: &str = "203.0.113.7";

/// Keeps passwords as they are: quick, and good for nothing else.
pub(crate) struct Plain;

impl Hasher for Plain {
    fn work(&mut self, work: &Work) -> Result<Hashed, HashError> {
        let kept = |password: &account::Password| String::from_utf8(password.expose().to_vec()).unwrap();
        Ok(match work {
            Work::Hash { password, .. } => Hashed::Hash(PasswordHash::new(kept(password))),
            Work::Verify { password, against } => {
                Hashed::Verified(against.as_ref().is_some_and(|right| right.expose() == kept(password)))
            }
        })
    }
}

/// A driven engine and the storage behind it.
struct Kept {
    driven: Driven,
    database: Database,
    waiting: VecDeque<(Ticket, Errand)>,
}

impl Kept {
    fn new(change: impl FnOnce(&mut evertick::engine::Settings)) -> Kept {
        let mut driven = Driven::new(change);
        driven.engine.use_storage();
        Kept { driven, database: Database::in_memory().unwrap(), waiting: VecDeque::new() }
    }

    /// Takes the errands that the engine has; how many wait.
    fn collect(&mut self) -> usize {
        while let Some(errand) = self.driven.engine.errand() {
            self.waiting.push_back(errand);
        }
        self.waiting.len()
    }

    /// Answers everything until there is nothing to answer.
    fn answer(&mut self) {
        while self.collect() > 0 {
            let (ticket, errand) = self.waiting.pop_front().unwrap();
            let answer = match errand {
                Errand::Hash(work) => Answer::Hash(Plain.work(&work)),
                Errand::Store(request) => {
                    Answer::Store(account::commit(&mut self.database, &[request]).remove(0))
                }
            };
            self.give(ticket, answer);
        }
    }

    fn give(&mut self, ticket: Ticket, answer: Answer) {
        self.driven.engine.complete(ticket, answer, self.driven.now);
        self.driven.attend();
        self.driven.engine.audit().unwrap();
    }

    fn post(&mut self, ip: &str, target: &str, name: &str, password: &str) -> ConnId {
        let conn = self.driven.accept(ip).unwrap();
        let body = json!({"username": name, "password": password});
        self.driven.send(conn, request("POST", target, "", &body, "").as_bytes());
        conn
    }

    fn register(&mut self, name: &str) {
        let conn = self.post(HERE, "/api/auth/register", name, PASSWORD);
        self.answer();
        assert_eq!(self.driven.status(conn), 201);
    }

    fn login(&mut self, name: &str) -> String {
        let conn = self.post(HERE, "/api/auth/login", name, PASSWORD);
        self.answer();
        assert_eq!(self.driven.status(conn), 200);
        let body: serde_json::Value = serde_json::from_slice(&self.driven.taken(conn)).unwrap();
        body["token"].as_str().unwrap().to_owned()
    }

    /// The status of a logout with that token, which is not carried out where storage is not asked to.
    fn is_live(&mut self, token: &str) -> bool {
        self.answer();
        let conn = self.driven.accept(HERE).unwrap();
        let asked = request("POST", "/api/auth/logout", token, &serde_json::Value::Null, "");
        self.driven.send(conn, asked.as_bytes());
        self.collect();
        let failed = Answer::Store(Err(Failure::Store(StoreError::DiskFull)));
        match self.waiting.pop_back() {
            Some((ticket, _)) => {
                self.give(ticket, failed);
                assert_eq!(self.driven.status(conn), 503);
                true
            }
            None => {
                assert_eq!(self.driven.status(conn), 401);
                false
            }
        }
    }

    /// A WebSocket that has said who it is.
    fn enter(&mut self, path: &str, data: serde_json::Value) -> ConnId {
        let conn = self.driven.accept(HERE).unwrap();
        self.driven.send(conn, crate::client::upgrade(path, "").as_bytes());
        assert_eq!(self.driven.status(conn), 101);
        self.driven.say(conn, &json!({"type": "auth_request", "data": data}).to_string());
        conn
    }
}

#[test]
fn a_request_waits_and_nothing_is_read_meanwhile() {
    let mut kept = Kept::new(|_| {});
    let conn = kept.post(HERE, "/api/auth/register", "Ann", PASSWORD);
    assert_eq!((kept.driven.next(conn), kept.driven.taken(conn).len()), (Next::Pause, 0));
    kept.driven.pass(Duration::from_secs(5));
    assert_eq!(kept.driven.taken(conn).len(), 0);
    kept.answer();
    assert_eq!((kept.driven.status(conn), kept.driven.next(conn)), (201, Next::Read));
}

#[test]
fn an_answer_that_takes_too_long_is_503_and_does_not_come_later() {
    let mut kept = Kept::new(|_| {});
    let conn = kept.post(HERE, "/api/auth/register", "Ann", PASSWORD);
    kept.driven.pass(limits::HTTP_ANSWER_TIME + Duration::from_secs(1));
    assert_eq!(kept.driven.refusal(conn), (503, "busy".to_owned()));
    assert_eq!(kept.driven.next(conn), Next::Finish);
    kept.answer();
    assert!(kept.driven.taken(conn).is_empty());
}

#[test]
fn an_address_has_four_places_in_the_hashing_queue() {
    let mut kept = Kept::new(|_| {});
    kept.register("Ann");
    let under_way: Vec<ConnId> =
        (0..4).map(|_| kept.post(HERE, "/api/auth/login", "Ann", PASSWORD)).collect();
    for target in ["/api/auth/login", "/api/auth/register"] {
        let fifth = kept.post(HERE, target, "Bob", PASSWORD);
        assert_eq!(kept.driven.refusal(fifth), (429, "rate_limited".to_owned()));
    }
    let elsewhere = kept.post("203.0.113.8", "/api/auth/login", "Ann", PASSWORD);
    kept.answer();
    for conn in under_way.into_iter().chain([elsewhere]) {
        assert_eq!(kept.driven.status(conn), 200);
    }
    // Not even those that fail keep their places.
    for _ in 0..5 {
        let wrong = kept.post(HERE, "/api/auth/login", "Ann", "not the password");
        kept.answer();
        assert_eq!(kept.driven.status(wrong), 401);
    }
    let right = kept.post(HERE, "/api/auth/login", "Ann", PASSWORD);
    assert_eq!(kept.collect(), 0, "refused before anything is looked up or hashed");
    assert_eq!(kept.driven.refusal(right), (429, "rate_limited".to_owned()));
    kept.driven.pass(limits::LOGIN_WINDOW);
    kept.login("Ann");
}

#[test]
fn when_all_tickets_are_out_one_is_told_busy() {
    let mut kept = Kept::new(|_| {});
    let first: Vec<ConnId> = (0..limits::STORAGE_TICKETS)
        .map(|n| {
            let from = format!("198.51.{}.{}", n / 200, n % 200);
            kept.post(&from, "/api/auth/login", &format!("Ann-{n}"), PASSWORD)
        })
        .collect();
    let late = kept.post(HERE, "/api/auth/login", "Ann", PASSWORD);
    assert_eq!(kept.driven.refusal(late), (503, "busy".to_owned()));
    assert_eq!(kept.collect() as u32, limits::STORAGE_TICKETS);
    kept.answer();
    for conn in first {
        assert_eq!(kept.driven.status(conn), 401);
    }
    kept.register("Ann");
}

#[test]
fn what_storage_will_not_do_has_not_happened() {
    let mut kept = Kept::new(|_| {});
    kept.register("Ann");
    for (failure, status) in
        [(StoreError::DiskFull, 503), (StoreError::ReadOnly, 500), (StoreError::Gone, 500)]
    {
        let conn = kept.post(HERE, "/api/auth/register", "Bob", PASSWORD);
        kept.collect();
        let (ticket, _) = kept.waiting.pop_front().unwrap();
        kept.give(ticket, Answer::Store(Err(Failure::Store(failure.clone()))));
        assert_eq!(kept.driven.status(conn), status, "{failure}");
        let player = kept.enter("/ws", json!({"version": 1, "username": "Ann", "password": PASSWORD}));
        kept.collect();
        let (ticket, _) = kept.waiting.pop_front().unwrap();
        kept.give(ticket, Answer::Store(Err(Failure::Store(failure))));
        let frames = kept.driven.frames(player);
        assert!(frames.close.is_none(), "it may try again: {frames:?}");
        assert_eq!(frames.packets.last().unwrap()["type"], "error");
        kept.driven.say(player, r#"{"type":"auth_request","data":{"version":1,"guest":"Ann"}}"#);
        assert_eq!(kept.driven.frames(player).packets[0]["type"], "auth_response");
    }
    // Hashing that has no room, and an answer to what nobody had asked.
    for (answer, status) in [
        (Answer::Hash(Err(HashError::Busy)), 503),
        (Answer::Hash(Err(HashError::Unreadable)), 500),
        (Answer::Hash(Ok(Hashed::Verified(true))), 500),
    ] {
        let conn = kept.post(HERE, "/api/auth/login", "Ann", PASSWORD);
        kept.collect();
        let (ticket, _) = kept.waiting.pop_front().unwrap();
        kept.give(ticket, answer);
        assert_eq!(kept.driven.status(conn), status);
    }
    kept.login("Ann");
    kept.register("Bob");
}

#[test]
fn a_session_slides_with_use_and_ends_without() {
    let mut kept = Kept::new(|s| s.session_timeout = Duration::from_secs(100));
    kept.register("Ann");
    let token = kept.login("Ann");
    for _ in 0..3 {
        kept.driven.pass(Duration::from_secs(99));
        assert!(kept.is_live(&token));
    }
    kept.driven.pass(Duration::from_secs(100));
    assert!(!kept.is_live(&token));
}

#[test]
fn a_player_in_the_world_holds_its_session_and_one_in_the_lobby_uses_it() {
    let mut kept = Kept::new(|s| {
        s.session_timeout = Duration::from_secs(60);
        s.session.timeout = Duration::from_secs(100_000);
    });
    kept.register("Ann");
    let (held, used) = (kept.login("Ann"), kept.login("Ann"));
    let player = kept.enter("/ws", json!({"version": 1, "token": held}));
    let in_lobby = kept.enter("/ws/other", json!({"version": 1, "token": used}));
    for minute in 0..5 {
        kept.driven.pass(Duration::from_secs(50));
        kept.driven.say(in_lobby, &format!(r#"{{"type":"ask","data":{{"number":{minute}}}}}"#));
    }
    kept.driven.pass(Duration::from_secs(59));
    assert!(kept.driven.frames(in_lobby).close.is_none());
    kept.driven.pass(Duration::from_secs(2));
    assert_eq!(kept.driven.frames(in_lobby).reason(), (4003, "session_expired"));
    assert!(!kept.is_live(&used));
    kept.driven.engine.disconnect(player, kept.driven.now);
    kept.driven.pass(Duration::from_secs(59));
    assert!(kept.is_live(&held), "it slides from the moment the player left");
    kept.driven.pass(Duration::from_secs(60));
    assert!(!kept.is_live(&held));
}

#[test]
fn the_seventeenth_session_ends_the_first() {
    let mut kept = Kept::new(|_| {});
    kept.register("Ann");
    let tokens: Vec<String> = (0..=limits::SESSIONS_PER_ACCOUNT)
        .map(|_| {
            kept.driven.pass(Duration::from_secs(1));
            kept.login("Ann")
        })
        .collect();
    assert!(!kept.is_live(&tokens[0]));
    assert!(tokens[1..].iter().all(|token| kept.is_live(token)));
}

#[test]
fn the_seventeenth_session_ends_none_that_a_player_holds() {
    // It took the oldest, and with it whoever was in the world, or lingered.
    let mut kept = Kept::new(|s| {
        s.session.timeout = Duration::from_secs(100_000);
        s.session.resume_grace = Duration::from_secs(1000);
    });
    kept.register("Ann");
    let login = |kept: &mut Kept| {
        kept.driven.pass(Duration::from_secs(1));
        kept.login("Ann")
    };
    let (lingers, plays, unused) = (login(&mut kept), login(&mut kept), login(&mut kept));
    let lost = kept.enter("/ws/other", json!({"version": 1, "token": lingers}));
    kept.driven.say(lost, r#"{"type":"become","data":{"character":10}}"#);
    kept.driven.pass(Duration::from_secs(1));
    kept.driven.engine.disconnect(lost, kept.driven.now);
    let player = kept.enter("/ws", json!({"version": 1, "token": plays}));
    let later: Vec<String> = (3..limits::SESSIONS_PER_ACCOUNT).map(|_| login(&mut kept)).collect();
    assert!(kept.is_live(&unused), "there is a place for each so far");
    for token in &later {
        kept.driven.pass(Duration::from_millis(10));
        assert!(kept.is_live(token), "used after all of those");
    }
    login(&mut kept);
    assert!(!kept.is_live(&unused));
    assert!(kept.is_live(&lingers) && kept.is_live(&plays));
    assert_eq!(kept.driven.frames(player).close, None);
    assert_eq!(kept.driven.engine.players(), 2);
}

/// Clients heard of too much to do, and the operator of nothing.
#[test]
fn a_full_disk_is_told_as_one() {
    let mut kept = Kept::new(|_| {});
    let shown = |kept: &mut Kept, target: &str| {
        let conn = kept.driven.accept(HERE).unwrap();
        kept.driven.send(conn, request("GET", target, "", &serde_json::Value::Null, "").as_bytes());
        String::from_utf8(kept.driven.taken(conn)).unwrap()
    };
    let fail = |kept: &mut Kept, failure: Failure| {
        let conn = kept.post(HERE, "/api/auth/register", "Ann", PASSWORD);
        kept.collect();
        let (ticket, _) = kept.waiting.pop_front().unwrap();
        kept.give(ticket, Answer::Store(Err(failure)));
        String::from_utf8(kept.driven.taken(conn)).unwrap()
    };
    assert!(shown(&mut kept, "/api/status").contains(r#""trouble":null"#));
    let told = fail(&mut kept, StoreError::Busy.into());
    assert!(told.contains("503") && told.contains("too much to do"), "{told}");
    for failure in [StoreError::Locked, StoreError::DiskFull] {
        let told = fail(&mut kept, failure.into());
        assert!(told.contains("503") && told.contains(r#""code":"busy""#), "{told}");
        assert!(told.contains("cannot save anything at the moment") && !told.contains("too much"), "{told}");
        assert!(told.contains("retry_after_ms"), "{told}");
    }
    let told = fail(&mut kept, account::Refused::TooManyBans.into());
    assert!(told.contains("too many bans are held"), "{told}");
    assert!(shown(&mut kept, "/api/status").contains(r#""trouble":"disk_full""#));
    let metrics = shown(&mut kept, "/metrics");
    for reason in ["busy", "locked", "disk_full"] {
        let line = format!("evertick_storage_failures_total{{reason=\"{reason}\"}} 1");
        assert!(metrics.lines().any(|have| have == line), "{line} in {metrics}");
    }
    kept.register("Ann");
    assert!(shown(&mut kept, "/api/status").contains(r#""trouble":null"#), "something is written again");
}

#[test]
fn a_session_that_is_about_to_end_lets_nobody_in_and_stays_where_storage_fails() {
    let mut kept = Kept::new(|_| {});
    kept.register("Ann");
    let tokens: Vec<String> = (0..limits::SESSIONS_PER_ACCOUNT)
        .map(|_| {
            kept.driven.pass(Duration::from_secs(1));
            kept.login("Ann")
        })
        .collect();
    let begin = |kept: &mut Kept| {
        let conn = kept.post(HERE, "/api/auth/login", "Ann", PASSWORD);
        for _ in 0..2 {
            kept.collect();
            let (ticket, errand) = kept.waiting.pop_front().unwrap();
            let answer = match errand {
                Errand::Hash(work) => Answer::Hash(Plain.work(&work)),
                Errand::Store(request) => {
                    Answer::Store(account::commit(&mut kept.database, &[request]).remove(0))
                }
            };
            kept.give(ticket, answer);
        }
        conn
    };
    let conn = begin(&mut kept);
    let late = kept.enter("/ws", json!({"version": 1, "token": tokens[0]}));
    assert_eq!(kept.driven.frames(late).reason(), (4003, "session_expired"));
    kept.collect();
    let (ticket, _) = kept.waiting.pop_front().unwrap();
    kept.give(ticket, Answer::Store(Err(Failure::Store(StoreError::DiskFull))));
    assert_eq!(kept.driven.status(conn), 503);
    assert!(kept.is_live(&tokens[0]), "nothing has happened");
    kept.driven.pass(Duration::from_secs(1));
    kept.login("Ann");
    assert!(
        kept.is_live(&tokens[0]) && !kept.is_live(&tokens[1]),
        "used since, and so not the oldest any more"
    );
}

#[test]
fn renewals_reach_storage_and_sweeps_spare_them() {
    let mut kept = Kept::new(|s| {
        s.session_timeout = Duration::from_secs(20);
        s.session_cleanup = Duration::from_secs(10);
    });
    kept.register("Ann");
    let (token, unused) = (kept.login("Ann"), kept.login("Ann"));
    for _ in 0..20 {
        kept.driven.pass(Duration::from_secs(5));
        kept.answer();
        assert!(kept.is_live(&token));
    }
    let request = account::Request::Sessions { now: kept.driven.wall() };
    let reply = account::commit(&mut kept.database, &[request]).remove(0);
    let Ok(account::Reply::Sessions(sessions)) = reply else { panic!("{reply:?}") };
    let live = account::Token::parse(&token).unwrap().digest();
    assert_eq!(sessions.iter().map(|(session, _)| session.digest).collect::<Vec<_>>(), [live]);
    assert!(!kept.is_live(&unused));
}

#[test]
fn an_auth_timeout_does_not_run_while_a_password_is_looked_at() {
    let mut kept = Kept::new(|_| {});
    kept.register("Ann");
    let player = kept.enter("/ws", json!({"version": 1, "username": "Ann", "password": PASSWORD}));
    assert_eq!(kept.driven.next(player), Next::Pause);
    kept.driven.pass(Duration::from_secs(15));
    kept.answer();
    let frames = kept.driven.frames(player);
    assert!(frames.packets.iter().any(|packet| packet["type"] == "auth_response"), "{frames:?}");
    // One that was closed meanwhile does not come in.
    let player = kept.enter("/ws", json!({"version": 1, "username": "Ann", "password": PASSWORD}));
    let now = kept.driven.now;
    kept.driven.engine.close(player, evertick::packet::Code::Kicked, "out", None, now);
    kept.answer();
    kept.driven.engine.audit().unwrap();
    assert_eq!(kept.driven.engine.players(), 1);
}

#[test]
fn who_comes_out_of_the_lobby_is_a_newcomer_like_any_other() {
    // They passed the line of arrivals, so that a crowd of them came in all at once.
    let mut kept = Kept::new(|_| {});
    let names: Vec<String> = (0..=limits::JOINS_PER_TICK).map(|n| format!("Player-{n}")).collect();
    names.iter().for_each(|name| kept.register(name));
    let watcher = kept.enter("/ws/other", json!({"version": 1, "guest": "Watcher"}));
    let players: Vec<ConnId> = (names.iter())
        .map(|name| {
            let credentials = json!({"version": 1, "username": name, "password": PASSWORD});
            let conn = kept.enter("/ws/other", credentials);
            kept.answer();
            conn
        })
        .collect();
    kept.driven.pass(Duration::from_millis(100));
    for (conn, character) in players.iter().zip(1..) {
        kept.driven.say(*conn, &json!({"type": "become", "data": {"character": character}}).to_string());
    }
    kept.driven.pass(Duration::from_millis(10));
    let last = players[limits::JOINS_PER_TICK];
    kept.driven.say(last, r#"{"type":"ask","id":1,"data":{"number":7}}"#);
    let arrived = |kept: &mut Kept| {
        kept.driven.engine.audit().unwrap();
        let heard = kept.driven.frames(watcher).packets;
        heard.iter().filter(|packet| packet["type"] == "arrived").count()
    };
    arrived(&mut kept);
    kept.driven.pass(Duration::from_millis(10));
    assert_eq!(arrived(&mut kept), limits::JOINS_PER_TICK);
    kept.driven.taken(last);
    kept.driven.pass(Duration::from_millis(10));
    assert_eq!(arrived(&mut kept), 1);
    let heard = kept.driven.frames(last).packets;
    let types: Vec<&str> = heard.iter().map(|packet| packet["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["arrived", "answered"]);
}

/// Whoever waits for storage is not read meanwhile, so that nothing can come from it: neither does it miss a deadline nor is it silent.
#[test]
fn who_waits_for_storage_is_not_late_for_it() {
    let mut kept = Kept::new(|_| {});
    kept.register("Ann");
    let who = json!({"version": 1, "username": "Ann", "password": PASSWORD});
    let conn = kept.enter("/ws", who.clone());
    kept.collect();
    kept.driven.pass(Duration::from_secs(40));
    let (ticket, _) = kept.waiting.pop_front().unwrap();
    kept.give(ticket, Answer::Store(Err(Failure::Store(StoreError::DiskFull))));
    kept.driven.pass(Duration::from_secs(9));
    let told = kept.driven.frames(conn);
    let named = |told: &crate::driven::Frames, name: &str| told.packets.iter().any(|one| one["type"] == name);
    assert_eq!((named(&told, "error"), told.close), (true, None), "it may try again, and has the time");
    kept.driven.say(conn, &json!({"type": "auth_request", "data": who}).to_string());
    kept.collect();
    kept.driven.pass(Duration::from_secs(40));
    kept.answer();
    kept.driven.pass(Duration::from_secs(9));
    let told = kept.driven.frames(conn);
    assert_eq!((named(&told, "auth_response"), told.close), (true, None));
    kept.driven.pass(Duration::from_secs(30));
    assert_eq!(kept.driven.frames(conn).reason().1, "idle_timeout", "from there on silence counts");
}
