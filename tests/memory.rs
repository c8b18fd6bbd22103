//! Memory as the allocator sees it: what ten thousand matches of Connect 4 leave behind, which is nothing, and what a crowd
//! takes that is lost or does not acknowledge. An allocator of this program's own counts every byte of the process, so its tests
//! run one by one.
#![cfg(feature = "connect4")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use evertick::engine::{Context, Engine, Game, Input, Refusal, Settings, To};
use evertick::games::connect4::{self, Connect4};
use evertick::ids::ConnId;
use evertick::limits::{REPLAY_BYTES, SPARE_PART};
use evertick::outgoing::Outgoing;
use evertick::random::Random;
use evertick::time::{Tick, Time, WallMs};
use evertick::websocket::{Connection, Event, OpCode, Role, encode_masked};
use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Held by the test that runs.
static ALONE: Mutex<()> = Mutex::new(());

/// Matches at once.
const TABLES: usize = 100;
/// What may be left besides: an odd buffer that has grown in between.
const SLACK: usize = 16 << 10;

/// Bytes on the heap.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// A peer that takes all that it is sent and reads none of it.
struct Sink;

impl Outgoing for Sink {
    fn write(&mut self, bytes: &[u8]) -> usize {
        bytes.len()
    }
}

/// The engine with the game, its clock turned by hand.
struct Table {
    engine: Engine,
    now: Time,
    tick: u64,
    chance: Random,
}

impl Table {
    fn new() -> Table {
        let mut settings = Settings::default();
        settings.registry.max_per_address = 0;
        settings.registry.connect_rate = 0;
        let mut engine = Engine::new(settings, 3, [4; 32]);
        engine.add_game("/ws/connect4", Connect4::new(connect4::Settings::default())).unwrap();
        Table { engine, now: Time::START, tick: 0, chance: Random::new(5) }
    }

    fn enter(&mut self) -> ConnId {
        let conn = self.engine.accept(Ipv4Addr::LOCALHOST.into(), self.now).unwrap();
        let mut head =
            b"GET /ws/connect4 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                .to_vec();
        self.engine.receive(conn, &mut head, &mut Sink, self.now);
        self.say(conn, r#"{"type":"auth_request","data":{"version":1,"guest":"Ada"}}"#);
        conn
    }

    fn say(&mut self, conn: ConnId, text: &str) {
        let mut frame = Vec::new();
        encode_masked(&mut frame, OpCode::Text, text.as_bytes(), [1, 2, 3, 4]);
        self.engine.receive(conn, &mut frame, &mut Sink, self.now);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick += 1;
            self.now = self.now + Duration::from_millis(50);
            self.engine.tick(Tick(self.tick), self.now, WallMs(self.tick * 50));
            while let Some(conn) = self.engine.attention() {
                self.engine.flush(conn, &mut Sink, self.now);
            }
        }
    }

    /// Matches between two and with the bot, played for a while; then all go, in one way or another. The most bytes that
    /// were held meanwhile.
    fn round(&mut self) -> usize {
        let pairs: Vec<[ConnId; 2]> = (0..TABLES).map(|_| [self.enter(), self.enter()]).collect();
        for (at, [one, other]) in pairs.iter().enumerate() {
            if at % 4 == 0 {
                self.say(*one, r#"{"type":"match_bot","data":{"level":1}}"#);
                self.say(*other, r#"{"type":"match_create","data":{"private":true}}"#);
            } else {
                self.say(*one, r#"{"type":"match_join"}"#);
                self.say(*other, r#"{"type":"match_join"}"#);
            }
        }
        let conns = pairs.concat();
        let mut most = 0;
        for _ in 0..4 {
            self.pass(Duration::from_millis(50));
            for conn in &conns {
                let column = self.chance.below(7);
                self.say(*conn, &format!(r#"{{"type":"match_drop","data":{{"column":{column}}}}}"#));
            }
            most = most.max(held());
        }
        for conn in conns {
            match self.chance.below(3) {
                0 => self.say(conn, r#"{"type":"match_leave"}"#),
                1 => self.say(conn, r#"{"type":"disconnect","data":{"reason":"supper"}}"#),
                _ => {}
            }
            self.engine.disconnect(conn, self.now);
        }
        self.pass(Duration::from_millis(100));
        most
    }

    /// Longer than any seat is held.
    fn wait_for_nobody(&mut self) {
        self.pass(Duration::from_secs(70));
    }
}

#[test]
fn ten_thousand_matches_leave_no_memory_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut table = Table::new();
    // What is kept for good (the room of tables, mostly) has its size once as many linger as ever will.
    (0..40).for_each(|_| _ = table.round());
    table.wait_for_nobody();
    let before = held();
    let mut most = 0;
    for _ in 0..10_000 / TABLES {
        most = most.max(table.round());
    }
    table.wait_for_nobody();
    let after = held();
    assert!(most > before + TABLES * 1000, "matches take memory: {most} bytes at the most, {before} before");
    assert!(after <= before + SLACK, "{before} bytes before, {after} after");
}

/// A game in which one says something to all.
struct Hall;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cry {
    Shout { text: String },
}

impl Game for Hall {
    type In = Cry;
    type Out = Cry;
    const NAME: &'static str = "hall";

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<Cry>) -> Result<(), Refusal> {
        if let Input::Packet { packet, .. } = input {
            ctx.send(To::Everyone, &packet);
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}
}

/// Who is there to hear it.
const CROWD: usize = 1000;
/// `memory_limit`.
const LIMIT: usize = 8 << 20;
/// What may be held beyond what is accounted for: what packets were in that all have read, of what many share each body once,
/// and a little for every connection.
const BEYOND: usize = LIMIT / SPARE_PART + REPLAY_BYTES + CROWD * 64;
/// For how long the lost are expected back.
const GRACE: Duration = Duration::from_secs(4);

/// A peer that keeps what it is sent.
#[derive(Default)]
struct Line(Vec<u8>);

impl Outgoing for Line {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.0.extend_from_slice(bytes);
        bytes.len()
    }
}

/// The engine with that game, and its crowd.
struct Crowd {
    engine: Engine,
    now: Time,
    tick: u64,
    /// Who is connected, and whether it answers pings.
    answers: HashMap<ConnId, bool>,
    /// Where what one is sent is read.
    line: Line,
}

impl Crowd {
    fn new() -> Crowd {
        let mut settings = Settings { max_players: 2 * CROWD, memory_limit: LIMIT, ..Settings::default() };
        (settings.registry.max_per_address, settings.registry.connect_rate) = (0, 0);
        (settings.session.message_rate, settings.session.resume_grace) = (0, GRACE);
        (settings.session.timeout, settings.session.max_message) = (Duration::from_secs(3600), 16 << 10);
        let mut engine = Engine::new(settings, 3, [4; 32]);
        engine.add_game("/ws", Hall).unwrap();
        let answers = HashMap::with_capacity(2 * CROWD);
        Crowd { engine, now: Time::START, tick: 0, answers, line: Line(Vec::with_capacity(1 << 20)) }
    }

    fn enter(&mut self, answers: bool) -> ConnId {
        let conn = self.engine.accept(Ipv4Addr::LOCALHOST.into(), self.now).unwrap();
        let mut head = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
        self.engine.receive(conn, &mut head, &mut Sink, self.now);
        self.answers.insert(conn, answers);
        self.say(conn, OpCode::Text, br#"{"type":"auth_request","data":{"version":1,"guest":"Ada"}}"#);
        conn
    }

    fn say(&mut self, conn: ConnId, opcode: OpCode, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_masked(&mut frame, opcode, payload, [1, 2, 3, 4]);
        self.line.0.clear();
        self.engine.receive(conn, &mut frame, &mut self.line, self.now);
        self.read(conn);
    }

    /// Answers the pings among what one was sent.
    fn read(&mut self, conn: ConnId) {
        if !self.answers[&conn] || !self.line.0.contains(&0x89) {
            return;
        }
        let mut sent = self.line.0.clone();
        let start = sent.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
        let (mut input, mut client) = (&mut sent[start..], Connection::new(Role::Client, usize::MAX));
        while let Some(event) = client.next(&mut input) {
            if let Event::Ping(payload) = event {
                let payload = payload.to_vec();
                self.say(conn, OpCode::Pong, &payload);
            }
        }
    }

    /// One tick; of what is held beyond `before`, what is not accounted for is within its bound.
    fn tick(&mut self, before: usize) {
        self.tick += 1;
        self.now = self.now + Duration::from_millis(50);
        self.engine.tick(Tick(self.tick), self.now, WallMs(self.tick * 50));
        while let Some(conn) = self.engine.attention() {
            self.line.0.clear();
            self.engine.flush(conn, &mut self.line, self.now);
            if self.answers.contains_key(&conn) {
                self.read(conn);
            }
        }
        let (accounted, real) = (self.engine.memory(), held().saturating_sub(before));
        assert!(accounted <= LIMIT, "{accounted} bytes are accounted for");
        assert!(real <= accounted + BEYOND, "{real} bytes are held, {accounted} of them accounted for");
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick(usize::MAX);
        }
    }

    /// A crowd comes of which all but `silent` acknowledge what they are sent; it is lost, or stays. Somebody shouts so many
    /// bytes in each of so many ticks. The most bytes that were held for it, and the most that were accounted for.
    fn round(&mut self, (silent, is_lost): (usize, bool), bytes: usize, ticks: usize) -> (usize, usize) {
        let talker = self.enter(true);
        let crowd: Vec<ConnId> = (0..CROWD).map(|number| self.enter(number >= silent)).collect();
        self.wait(Duration::from_secs(5));
        assert_eq!(self.engine.players(), CROWD + 1);
        let before = held().saturating_sub(self.engine.memory());
        if is_lost {
            for conn in &crowd {
                self.engine.disconnect(*conn, self.now);
                self.answers.remove(conn);
            }
        }
        let shout = format!(r#"{{"type":"shout","id":1,"data":{{"text":"{}"}}}}"#, "x".repeat(bytes));
        let (mut most, mut accounted) = (0, 0);
        for _ in 0..ticks {
            self.say(talker, OpCode::Text, shout.as_bytes());
            self.tick(before);
            most = most.max(held().saturating_sub(before));
            accounted = accounted.max(self.engine.memory());
        }
        for conn in crowd.into_iter().chain([talker]) {
            self.engine.disconnect(conn, self.now);
        }
        self.answers.clear();
        self.wait(GRACE + Duration::from_secs(10));
        assert_eq!((self.engine.players(), self.engine.memory()), (0, 0));
        (most, accounted)
    }
}

#[test]
fn who_is_lost_or_does_not_acknowledge_takes_no_more_than_the_budget() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut crowd = Crowd::new();
    // Tables have their size once.
    (0..2).for_each(|_| _ = crowd.round((0, true), 100, 5));
    let before = held();
    for (whom, bytes) in [((0, true), 400), ((0, true), 8000), ((10, false), 8000), ((CROWD, false), 400)] {
        let (most, accounted) = crowd.round(whom, bytes, 120);
        println!("{whom:?}, {bytes} bytes: {most} held at the most, {accounted} accounted for");
        let after = held();
        assert!(after <= before + SLACK, "{whom:?}: {before} bytes before, {after} after");
    }
}
