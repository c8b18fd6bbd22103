//! Resuming a lost player, sentence by sentence of the contract, against the engine with a clock that the test turns.

use crate::client::upgrade;
use crate::driven::{Driven, Frames};
use evertick::ids::ConnId;
use evertick::outgoing::Next;
use evertick::websocket::{OpCode, encode_masked};
use serde_json::{Value, json};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(10);
const GRACE: Duration = Duration::from_secs(30);

/// A client that keeps count as the contract says.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) conn: ConnId,
    player: u64,
    pub(crate) token: String,
    /// The last numbered batch that it has seen.
    pub(crate) seq: u64,
    /// Texts that it has heard said, in their order.
    pub(crate) heard: Vec<String>,
    /// Pings that it has not answered.
    asked: Vec<Vec<u8>>,
}

impl Client {
    pub(crate) fn join(driven: &mut Driven, ip: &str, name: &str) -> Client {
        let conn = driven.joined(ip, name);
        let mut client =
            Client { conn, player: 0, token: String::new(), seq: 0, heard: Vec::new(), asked: Vec::new() };
        client.enter(driven);
        client
    }

    /// Reads up to `auth_response`, which is returned, and what follows it already.
    pub(crate) fn enter(&mut self, driven: &mut Driven) -> Value {
        let frames = driven.frames(self.conn);
        let answer = frames.packets.iter().find(|packet| packet["type"] == "auth_response");
        let answer = answer.unwrap_or_else(|| panic!("it is not let in: {frames:?}"))["data"].clone();
        self.token = answer["resume_token"].as_str().unwrap_or_default().to_owned();
        self.player = answer["player_id"].as_u64().unwrap_or(0);
        self.take(&frames, answer["full_state"] == true && answer["resumed"] == true);
        answer
    }

    pub(crate) fn read(&mut self, driven: &mut Driven) -> Frames {
        let frames = driven.frames(self.conn);
        self.take(&frames, false);
        frames
    }

    fn take(&mut self, frames: &Frames, mut any_number: bool) {
        for (seq, packets) in frames.batches.iter().filter(|(seq, _)| *seq > 0) {
            assert!(any_number || *seq == self.seq + 1, "{seq} after {}", self.seq);
            (self.seq, any_number) = (*seq, false);
            let said = packets.iter().filter(|packet| packet["type"] == "said");
            self.heard.extend(said.map(|packet| packet["data"]["text"].as_str().unwrap().to_owned()));
        }
        self.asked.extend_from_slice(&frames.asked);
    }

    fn pong(&mut self, driven: &mut Driven) {
        for payload in std::mem::take(&mut self.asked) {
            let mut frame = Vec::new();
            encode_masked(&mut frame, OpCode::Pong, &payload, [1, 2, 3, 4]);
            driven.send(self.conn, &frame);
        }
    }

    pub(crate) fn say(&self, driven: &mut Driven, text: &str) {
        driven.say(self.conn, &format!(r#"{{"type":"say","data":{{"text":"{text}"}}}}"#));
    }

    /// The connection breaks.
    pub(crate) fn cut(&self, driven: &mut Driven) {
        driven.engine.disconnect(self.conn, driven.now);
        driven.pass(2 * TICK);
    }

    /// Asks to resume over a new connection, with what it has.
    pub(crate) fn knock(&mut self, driven: &mut Driven, ip: &str, token: &str, seq: u64) {
        self.knock_at(driven, ip, ("/ws", ""), token, seq);
    }

    fn knock_at(&mut self, driven: &mut Driven, ip: &str, path: (&str, &str), token: &str, seq: u64) {
        self.conn = driven.accept(ip).unwrap();
        driven.send(self.conn, upgrade(path.0, path.1).as_bytes());
        assert_eq!(driven.status(self.conn), 101);
        driven.say(self.conn, &resume(token, seq));
        self.asked.clear();
    }

    pub(crate) fn resume(&mut self, driven: &mut Driven) -> Value {
        let (token, seq) = (self.token.clone(), self.seq);
        self.knock(driven, "192.0.2.77", &token, seq);
        self.enter(driven)
    }
}

pub(crate) fn resume(token: &str, seq: u64) -> String {
    json!({"type": "auth_request", "data": {"version": 1, "resume": {"token": token, "seq": seq}}})
        .to_string()
}

/// Two who have heard everything so far.
fn two(change: impl FnOnce(&mut evertick::engine::Settings)) -> (Driven, Client, Client) {
    let mut driven = Driven::new(|settings| {
        settings.session.resume_grace = GRACE;
        change(settings);
    });
    let mut ann = Client::join(&mut driven, "192.0.2.1", "Ann");
    let mut bob = Client::join(&mut driven, "192.0.2.2", "Bob");
    driven.pass(2 * TICK);
    for client in [&mut ann, &mut bob] {
        client.read(&mut driven);
    }
    (driven, ann, bob)
}

/// The types of the packets that somebody has been sent.
fn types(frames: &Frames) -> Vec<&str> {
    frames.packets.iter().map(|packet| packet["type"].as_str().unwrap()).collect()
}

/// Whether somebody hears that a player is gone.
fn hears_of_going(driven: &mut Driven, client: &mut Client, player: u64) -> bool {
    let frames = client.read(driven);
    frames.packets.iter().any(|p| p["type"] == "gone" && p["data"]["player"] == player)
}

#[test]
fn a_lost_player_stays_and_what_it_missed_follows_in_order() {
    let (mut driven, mut ann, mut bob) = two(|_| {});
    bob.say(&mut driven, "seen");
    driven.pass(2 * TICK);
    ann.read(&mut driven);
    bob.say(&mut driven, "on its way");
    driven.pass(2 * TICK);
    driven.taken(ann.conn);
    ann.cut(&mut driven);
    bob.say(&mut driven, "while away");
    driven.pass(2 * TICK);
    assert!(!hears_of_going(&mut driven, &mut bob, ann.player), "it is in the world");
    assert_eq!((driven.engine.lingering(), driven.engine.connections(), driven.engine.players()), (1, 1, 2));
    let before = (ann.token.clone(), ann.seq, ann.player);
    let answer = ann.resume(&mut driven);
    assert_eq!((&answer["resumed"], &answer["full_state"]), (&json!(true), &json!(false)));
    assert_eq!(answer["replayed"], ann.seq - before.1, "so many batches were missed");
    assert_eq!((ann.player, &answer["username"]), (before.2, &json!("Ann")));
    assert_ne!(ann.token, before.0, "a new token each time");
    assert_eq!(ann.heard, ["seen", "on its way", "while away"]);
    bob.say(&mut driven, "live");
    driven.pass(2 * TICK);
    ann.read(&mut driven);
    assert_eq!(ann.heard.last().unwrap(), "live");
    assert_eq!((driven.engine.lingering(), driven.engine.connections()), (0, 2));
    driven.engine.audit().unwrap();
}

#[test]
fn the_grace_is_over_after_its_time_and_all_is_given_back() {
    let (mut driven, mut ann, mut bob) = two(|_| {});
    ann.cut(&mut driven);
    for third in [GRACE / 3, GRACE / 3, GRACE / 3 - Duration::from_millis(100)] {
        driven.pass(third);
        bob.say(&mut driven, "still here");
    }
    assert!(!hears_of_going(&mut driven, &mut bob, ann.player));
    driven.pass(Duration::from_millis(500));
    assert!(hears_of_going(&mut driven, &mut bob, ann.player));
    assert_eq!((driven.engine.lingering(), driven.engine.players()), (0, 1));
    driven.engine.audit().unwrap();
    let (token, seq) = (ann.token.clone(), ann.seq);
    ann.knock(&mut driven, "192.0.2.1", &token, seq);
    assert_eq!(driven.frames(ann.conn).reason(), (4003, "session_expired"), "late");
}

#[test]
fn who_says_goodbye_or_is_closed_for_a_reason_is_gone_at_once() {
    type End = fn(&mut Driven, &Client);
    let ends: [(&str, End); 5] = [
        ("disconnect", |driven, ann| driven.say(ann.conn, r#"{"type":"disconnect","data":{}}"#)),
        ("close frame", |driven, ann| {
            let mut frame = Vec::new();
            encode_masked(&mut frame, OpCode::Close, &1000u16.to_be_bytes(), [1, 2, 3, 4]);
            driven.send(ann.conn, &frame);
        }),
        ("kicked", |driven, ann| driven.say(ann.conn, r#"{"type":"out"}"#)),
        ("malformed", |driven, ann| (0..5).for_each(|n| driven.say(ann.conn, &format!("{{{n}")))),
        ("the wrong kind", |driven, ann| {
            let mut frame = Vec::new();
            encode_masked(&mut frame, OpCode::Binary, &[0], [1, 2, 3, 4]);
            driven.send(ann.conn, &frame);
        }),
    ];
    for (name, end) in ends {
        let (mut driven, mut ann, mut bob) = two(|_| {});
        end(&mut driven, &ann);
        driven.pass(3 * TICK);
        assert!(hears_of_going(&mut driven, &mut bob, ann.player), "{name}");
        let (token, seq) = (ann.token.clone(), ann.seq);
        ann.knock(&mut driven, "192.0.2.1", &token, seq);
        assert_eq!(driven.frames(ann.conn).reason(), (4003, "session_expired"), "{name}");
        driven.engine.audit().unwrap();
    }
}

#[test]
fn who_is_silent_or_slow_is_told_so_and_may_come_back() {
    for saw_goodbye in [true, false] {
        let (mut driven, mut ann, mut bob) = two(|s| s.session.timeout = Duration::from_secs(6));
        for _ in 0..7 {
            driven.pass(Duration::from_secs(1));
            bob.say(&mut driven, "still here");
            bob.read(&mut driven);
        }
        let seen = ann.clone();
        let frames = ann.read(&mut driven);
        assert_eq!(frames.reason(), (4009, "idle_timeout"));
        let (_, last) = frames.batches.last().unwrap();
        assert_eq!(last.len(), 1, "the goodbye is a batch of its own: {last:?}");
        assert!(!hears_of_going(&mut driven, &mut bob, ann.player));
        if !saw_goodbye {
            ann = seen;
        }
        bob.say(&mut driven, "later");
        driven.pass(2 * TICK);
        let heard = ann.heard.len();
        ann.resume(&mut driven);
        assert_eq!(ann.heard.last().unwrap(), "later", "{saw_goodbye}");
        assert!(ann.heard.len() > heard && ann.heard.iter().filter(|text| *text == "later").count() == 1);
        driven.engine.audit().unwrap();
    }
    let (mut driven, mut ann, mut bob) = two(|_| {});
    driven.set_room(ann.conn, 100);
    ann.say(&mut driven, "before");
    driven.say(ann.conn, r#"{"type":"burst","data":{"packets":1200,"bytes":1000}}"#);
    driven.pass(3 * TICK);
    assert!(!hears_of_going(&mut driven, &mut bob, ann.player), "slow_consumer");
    assert_eq!(driven.engine.lingering(), 1);
    let answer = ann.resume(&mut driven);
    assert_eq!((&answer["resumed"], &answer["full_state"]), (&json!(true), &json!(true)), "too much waited");
    assert_eq!(answer["received"], 2);
}

#[test]
fn received_says_how_many_messages_were_taken() {
    let (mut driven, mut ann, mut bob) = two(|_| {});
    let message = r#"{"type":"say","data":{"text":"twice"}}"#;
    driven.say(ann.conn, message);
    driven.say(ann.conn, message);
    driven.say(ann.conn, "no packet");
    driven.say(ann.conn, r#"{"type":"ping","id":3,"data":{"time":1}}"#);
    let mut ping = Vec::new();
    encode_masked(&mut ping, OpCode::Ping, b"", [1, 2, 3, 4]);
    driven.send(ann.conn, &ping);
    // One that has come in whole and waits for the tick, and one that has not.
    driven.say(ann.conn, r#"{"type":"ask","id":9,"data":{"number":5}}"#);
    driven.send(ann.conn, &[0x81, 0xFE, 0x01]);
    driven.taken(ann.conn);
    ann.cut(&mut driven);
    let answer = ann.resume(&mut driven);
    assert_eq!(answer["received"], 5);
    assert_eq!(ann.heard, ["twice"], "what was taken is done, once");
    ann.say(&mut driven, "sixth");
    ann.cut(&mut driven);
    assert_eq!(ann.resume(&mut driven)["received"], 6, "over all connections");
    bob.read(&mut driven);
    assert_eq!(bob.heard, ["twice", "sixth"]);
}

#[test]
fn replies_that_were_lost_come_again() {
    let (mut driven, mut ann, _) = two(|_| {});
    driven.say(ann.conn, r#"{"type":"ask","id":9,"data":{"number":5}}"#);
    driven.say(ann.conn, r#"{"type":"refuse","id":10,"data":{"code":"forbidden"}}"#);
    driven.pass(2 * TICK);
    driven.taken(ann.conn);
    ann.cut(&mut driven);
    let (token, seq) = (ann.token.clone(), ann.seq);
    ann.knock(&mut driven, "192.0.2.1", &token, seq);
    let frames = driven.frames(ann.conn);
    let replies: Vec<_> = frames.packets.iter().filter_map(|packet| packet["re"].as_u64()).collect();
    assert_eq!(replies, [9, 10]);
}

#[test]
fn the_old_token_resumes_until_the_new_one_has_arrived() {
    // By the pong of the ping behind it, or by any packet.
    for by_pong in [true, false] {
        let (mut driven, mut ann, _) = two(|_| {});
        let (first, seq) = (ann.token.clone(), ann.seq);
        ann.cut(&mut driven);
        let mut lost = ann.clone();
        lost.resume(&mut driven);
        let never_arrived = lost.token.clone();
        lost.cut(&mut driven);
        // The answer was lost with the connection: the old one is all that the client has.
        ann.knock(&mut driven, "192.0.2.1", &first, seq);
        assert_eq!(ann.enter(&mut driven)["resumed"], true);
        if by_pong {
            assert_eq!(ann.asked.len(), 1, "a ping goes behind the answer");
            ann.pong(&mut driven);
        } else {
            driven.say(ann.conn, r#"{"type":"ping"}"#);
        }
        ann.read(&mut driven);
        let newest = ann.token.clone();
        ann.cut(&mut driven);
        for spent in [&first, &never_arrived] {
            let mut other = ann.clone();
            other.knock(&mut driven, "192.0.2.1", spent, ann.seq);
            assert_eq!(driven.frames(other.conn).reason(), (4003, "session_expired"), "{by_pong}");
        }
        let (token, seq) = (newest, ann.seq);
        ann.knock(&mut driven, "192.0.2.1", &token, seq);
        assert_eq!(ann.enter(&mut driven)["resumed"], true);
        driven.engine.audit().unwrap();
    }
}

#[test]
fn an_old_socket_that_seems_open_is_closed_and_nothing_is_told_twice() {
    let (mut driven, mut ann, mut bob) = two(|_| {});
    let mut old = ann.clone();
    bob.say(&mut driven, "one");
    driven.pass(2 * TICK);
    // The client has given its old socket up, and has not read that.
    assert_eq!(ann.resume(&mut driven)["resumed"], true);
    assert_eq!(ann.heard, ["one"]);
    bob.say(&mut driven, "two");
    driven.pass(2 * TICK);
    let frames = old.read(&mut driven);
    assert_eq!(frames.reason(), (4004, "replaced"));
    assert_eq!(old.heard, ["one"], "what came after it was taken over is told once");
    ann.read(&mut driven);
    assert_eq!(ann.heard, ["one", "two"]);
    driven.say(old.conn, r#"{"type":"say","data":{"text":"from the old one"}}"#);
    driven.pass(2 * TICK);
    bob.read(&mut driven);
    assert!(!hears_of_going(&mut driven, &mut bob, ann.player));
    assert!(!bob.heard.contains(&"from the old one".to_owned()));
}

#[test]
fn an_old_socket_that_is_stuck_within_a_frame_is_cut() {
    let (mut driven, mut ann, bob) = two(|_| {});
    driven.set_room(ann.conn, 10);
    bob.say(&mut driven, "one");
    driven.pass(2 * TICK);
    let old = ann.conn;
    assert_eq!(ann.resume(&mut driven)["resumed"], true);
    assert_eq!((ann.heard.as_slice(), driven.next(old)), (&["one".to_owned()][..], Next::Abort));
}

#[test]
fn cut_again_while_it_is_replayed() {
    let (mut driven, mut ann, bob) = two(|_| {});
    ann.cut(&mut driven);
    for n in 0..20 {
        bob.say(&mut driven, &format!("line {n}"));
        driven.pass(TICK);
    }
    driven.pass(TICK);
    for room in [0, 1, 400, 700, 900] {
        let (token, seq) = (ann.token.clone(), ann.seq);
        ann.conn = driven.accept("192.0.2.1").unwrap();
        driven.send(ann.conn, upgrade("/ws", "").as_bytes());
        assert_eq!(driven.status(ann.conn), 101);
        let greeting = driven.frames(ann.conn);
        assert_eq!(types(&greeting), ["connected"]);
        driven.set_room(ann.conn, room);
        driven.say(ann.conn, &resume(&token, seq));
        // What came in whole, it has.
        let frames = driven.frames(ann.conn);
        if let Some(answer) = frames.packets.iter().find(|packet| packet["type"] == "auth_response") {
            ann.token = answer["data"]["resume_token"].as_str().unwrap().to_owned();
        }
        ann.take(&frames, false);
        ann.cut(&mut driven);
        driven.engine.audit().unwrap();
    }
    ann.resume(&mut driven);
    assert_eq!(ann.heard, (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[test]
fn where_it_cannot_be_replayed_everything_is_told_afresh() {
    let told_afresh = |answer: &Value| {
        assert_eq!((&answer["resumed"], &answer["full_state"]), (&json!(true), &json!(true)), "{answer}");
        assert_eq!((&answer["replayed"], &answer["received"]), (&json!(0), &json!(0)));
    };
    // A number from the future.
    let (mut driven, mut ann, bob) = two(|_| {});
    ann.cut(&mut driven);
    let token = ann.token.clone();
    ann.knock(&mut driven, "192.0.2.1", &token, 1000);
    told_afresh(&ann.enter(&mut driven));
    bob.say(&mut driven, "before its game tells it everything");
    driven.pass(2 * TICK);
    bob.say(&mut driven, "after");
    driven.pass(2 * TICK);
    let before = ann.seq;
    let frames = driven.frames(ann.conn);
    ann.take(&frames, true);
    assert_eq!(ann.heard.last().unwrap(), "after");
    assert!(ann.seq > before && frames.batches[0].0 > before, "the numbers go on");

    // More than is kept: it was sent that, and never said that it has it.
    let (mut driven, mut ann, bob) = two(|_| {});
    for n in 0..300 {
        bob.say(&mut driven, &format!("{n}"));
        driven.pass(2 * TICK);
    }
    driven.taken(ann.conn);
    ann.cut(&mut driven);
    told_afresh(&ann.resume(&mut driven));

    // Another encoding than before.
    let (mut driven, ann, _) = two(|_| {});
    ann.cut(&mut driven);
    let (token, seq) = (ann.token.clone(), ann.seq);
    let conn = driven.accept("192.0.2.1").unwrap();
    let postcard = upgrade("/ws", "Sec-WebSocket-Protocol: evertick.v1.postcard\r\n");
    driven.send(conn, postcard.as_bytes());
    let request = evertick::packet::AuthRequest {
        version: 1,
        resume: Some(evertick::packet::Resume { token, seq }),
        ..Default::default()
    };
    let request = evertick::packet::ClientControl::AuthRequest(request);
    let (mut message, mut frame) = (Vec::new(), Vec::new());
    let encoding = evertick::packet::Encoding::Postcard;
    evertick::packet::encode_client(encoding, evertick::packet::Kind::Control, None, &request, &mut message)
        .unwrap();
    encode_masked(&mut frame, OpCode::Binary, &message, [1, 2, 3, 4]);
    driven.send(conn, &frame);
    driven.pass(3 * TICK);
    assert_eq!((driven.engine.lingering(), driven.next(conn)), (0, Next::Read));
    driven.engine.audit().unwrap();
}

#[test]
fn nothing_is_told_about_a_token_that_resumes_nothing() {
    let (mut driven, mut ann, _) = two(|_| {});
    ann.cut(&mut driven);
    let (token, seq) = (ann.token.clone(), ann.seq);
    let mut foreign = token.clone();
    foreign.replace_range(..4, "AAAA");
    let mut told = Vec::new();
    for (path, token) in [("/ws", "x"), ("/ws", ""), ("/ws", foreign.as_str()), ("/ws/other", token.as_str())]
    {
        let mut thief = ann.clone();
        thief.knock_at(&mut driven, "192.0.2.99", (path, ""), token, seq);
        let frames = driven.frames(thief.conn);
        assert_eq!(frames.reason(), (4003, "session_expired"));
        told.push(frames.packets[1..].to_vec());
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
    assert_eq!(ann.resume(&mut driven)["resumed"], true, "and nothing happened to it");
}

#[test]
fn a_seq_that_is_no_number_spends_nothing() {
    let (mut driven, mut ann, _) = two(|_| {});
    ann.cut(&mut driven);
    let conn = driven.upgraded("192.0.2.77");
    for seq in ["-1", "1.5", "\"7\"", "null", "18446744073709551616"] {
        let resume = format!(r#""resume":{{"token":"{}","seq":{seq}}}"#, ann.token);
        driven.say(conn, &format!(r#"{{"type":"auth_request","id":1,"data":{{"version":1,{resume}}}}}"#));
        let told = driven.frames(conn).packets;
        let last = told.last().unwrap();
        assert_eq!((&last["type"], &last["re"]), (&json!("invalid_message"), &json!(1)), "{seq}: {last}");
        assert_eq!(last["data"]["field"], "resume.seq", "{seq}: {last}");
    }
    driven.say(conn, &resume(&ann.token, ann.seq));
    ann.conn = conn;
    assert_eq!(ann.enter(&mut driven)["resumed"], true);
}

#[test]
fn lingering_players_count_for_their_address_and_are_no_connections() {
    let (mut driven, mut ann, _) = two(|s| {
        s.registry.max_per_address = 2;
        s.registry.max_connections = 3;
    });
    let other = Client::join(&mut driven, "192.0.2.1", "Other");
    ann.cut(&mut driven);
    other.cut(&mut driven);
    // As many as are lost are let in to ask, and that is all they may.
    for name in ["Eve", "Mallory"] {
        let newcomer = driven.joined("192.0.2.1", name);
        assert_eq!(driven.frames(newcomer).reason(), (4010, "too_many_connections"));
    }
    driven.pass(2 * TICK);
    // They take no room of connections: this is the second of three.
    let from_elsewhere = driven.accept("192.0.2.50").unwrap();
    assert_eq!(driven.status(from_elsewhere), 0);
    driven.engine.disconnect(from_elsewhere, driven.now);
    assert_eq!(ann.resume(&mut driven)["resumed"], true, "from another address");
    let freed = driven.accept("192.0.2.1").unwrap();
    assert_eq!(driven.status(freed), 0, "it counts for that one now");
    driven.engine.audit().unwrap();
}

#[test]
fn a_resume_passes_a_full_and_a_closed_world() {
    let (mut driven, mut ann, _) = two(|s| s.max_players = 2);
    ann.cut(&mut driven);
    let newcomer = driven.joined("192.0.2.9", "Cid");
    assert_eq!(driven.frames(newcomer).reason(), (4013, "world_full"), "its place is held");
    assert_eq!(ann.resume(&mut driven)["resumed"], true);
}

#[test]
fn limits_and_strikes_go_on() {
    let (mut driven, mut ann, _) = two(|s| {
        s.session.message_rate = 1;
        s.session.message_burst = 3;
    });
    let codes = |frames: &Frames| {
        let errors = frames.packets.iter().filter(|packet| packet["type"] == "error");
        errors.map(|packet| packet["data"]["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for n in 0..7 {
        driven.say(ann.conn, &format!(r#"{{"type":"step","data":{{"x":{n}}}}}"#));
    }
    assert_eq!(codes(&ann.read(&mut driven)).len(), 5, "auth_request was one of the three");
    ann.cut(&mut driven);
    assert_eq!(ann.resume(&mut driven)["received"], 7, "what was refused was taken too");
    for n in 0..6 {
        driven.say(ann.conn, &format!(r#"{{"type":"step","data":{{"x":{n}}}}}"#));
    }
    driven.pass(3 * TICK);
    assert_eq!(driven.frames(ann.conn).reason(), (4008, "rate_limited"), "the tenth in a row");
}

#[test]
fn with_no_grace_nobody_lingers() {
    let (mut driven, ann, mut bob) = two(|s| s.session.resume_grace = Duration::ZERO);
    assert_eq!(ann.token, "", "there is no token");
    ann.cut(&mut driven);
    assert!(hears_of_going(&mut driven, &mut bob, ann.player));
    assert_eq!(driven.engine.lingering(), 0);
}

#[test]
fn acknowledging_costs_no_strikes_and_gives_memory_back() {
    let (mut driven, mut ann, mut bob) = two(|_| {});
    for n in 0..50 {
        bob.say(&mut driven, &format!("{n}"));
        driven.pass(Duration::from_millis(500));
        for client in [&mut ann, &mut bob] {
            client.read(&mut driven);
            client.pong(&mut driven);
        }
    }
    driven.pass(Duration::from_secs(3));
    for client in [&mut ann, &mut bob] {
        client.read(&mut driven);
        client.pong(&mut driven);
    }
    driven.pass(Duration::from_secs(1));
    assert_eq!(driven.engine.memory(), 0, "who has acknowledged everything holds nothing");
    assert_eq!(ann.heard.len(), 50);
}

#[test]
fn a_thousand_who_linger_keep_within_the_budget_and_give_it_back() {
    let mut driven = Driven::new(|s| {
        s.max_players = 2000;
        s.memory_limit = 4 << 20;
        s.session.resume_grace = GRACE;
        s.session.timeout = Duration::from_secs(3600);
    });
    let lost: Vec<Client> =
        (0..1000).map(|n| Client::join(&mut driven, "192.0.2.1", &format!("Lost {n}"))).collect();
    let bob = Client::join(&mut driven, "192.0.2.2", "Bob");
    driven.pass(Duration::from_secs(1));
    for client in &lost {
        driven.taken(client.conn);
        driven.engine.disconnect(client.conn, driven.now);
    }
    driven.taken(bob.conn);
    driven.pass(TICK);
    assert_eq!(driven.engine.lingering(), 1000);
    let line = "x".repeat(400);
    for n in 0..100 {
        bob.say(&mut driven, &format!("{n} {line}"));
        driven.pass(Duration::from_millis(100));
        driven.taken(bob.conn);
        driven.engine.audit().unwrap();
    }
    assert_eq!(driven.engine.lingering(), 1000, "what they missed is let go of, they are not");
    driven.pass(GRACE);
    driven.taken(bob.conn);
    assert_eq!((driven.engine.lingering(), driven.engine.players()), (0, 1));
    driven.pass(Duration::from_secs(3));
    assert!(driven.engine.memory() < 2 << 20, "{}", driven.engine.memory());
    driven.engine.audit().unwrap();
}
