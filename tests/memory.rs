//! What ten thousand matches of Connect 4 leave behind in memory: nothing. An allocator of this program's own counts every
//! byte of the process, so no other test may be in it.
#![cfg(feature = "connect4")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use evertick::engine::{Engine, Settings};
use evertick::games::connect4::{self, Connect4};
use evertick::ids::ConnId;
use evertick::outgoing::Outgoing;
use evertick::random::Random;
use evertick::time::{Tick, Time, WallMs};
use evertick::websocket::{OpCode, encode_masked};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::net::Ipv4Addr;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

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
