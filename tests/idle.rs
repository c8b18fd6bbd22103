//! What a guest leaves on the heap who has joined Shards of Eternity and stands still: hardly anything, for all that is kept
//! of it has its place in tables. An allocator of this program's own counts every byte of the process, so no other test may
//! be in it.
#![cfg(feature = "eternity")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use evertick::engine::{Engine, Settings};
use evertick::games::eternity::{self, Eternity, Spawn};
use evertick::ids::ConnId;
use evertick::outgoing::Outgoing;
use evertick::time::{Tick, Time, WallMs};
use evertick::websocket::{Connection, Event, OpCode, Role, encode_masked};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Guests at once.
const GUESTS: usize = 2000;
/// Bytes of the heap that each may have grown: a share of what many use together.
const EACH: usize = 64;

/// Bytes on the heap.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What a peer was sent since it last looked.
#[derive(Default)]
struct Line(Vec<u8>);

impl Outgoing for Line {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.0.extend_from_slice(bytes);
        bytes.len()
    }
}

/// The engine with the game, its clock turned by hand, and clients that answer pings.
struct World {
    engine: Engine,
    now: Time,
    tick: u64,
    /// What is read of each, made anew for each look: every write is whole frames.
    lines: HashMap<ConnId, Line>,
    /// How many have been told the state of the game.
    told: usize,
}

impl World {
    fn new() -> World {
        let mut settings = Settings { max_players: GUESTS, ..Settings::default() };
        settings.registry.max_per_address = 0;
        settings.registry.connect_rate = 0;
        let mut engine = Engine::new(settings, 3, [4; 32]);
        let mut settings = eternity::Settings::default();
        settings.spawn = Spawn::Spread;
        engine.add_game("/ws", Eternity::new(settings)).unwrap();
        World { engine, now: Time::START, tick: 0, lines: HashMap::with_capacity(GUESTS), told: 0 }
    }

    fn enter(&mut self, number: usize) {
        let conn = self.engine.accept(Ipv4Addr::LOCALHOST.into(), self.now).unwrap();
        let mut head = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
        self.engine.receive(conn, &mut head, &mut Line::default(), self.now);
        let hello = format!(r#"{{"type":"auth_request","data":{{"version":1,"guest":"g{number}"}}}}"#);
        self.say(conn, OpCode::Text, hello.as_bytes());
        self.lines.insert(conn, Line::default());
    }

    fn say(&mut self, conn: ConnId, opcode: OpCode, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_masked(&mut frame, opcode, payload, [1, 2, 3, 4]);
        self.engine.receive(conn, &mut frame, &mut Line::default(), self.now);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick += 1;
            self.now = self.now + Duration::from_millis(50);
            self.engine.tick(Tick(self.tick), self.now, WallMs(self.tick * 50));
            while let Some(conn) = self.engine.attention() {
                self.engine.flush(conn, self.lines.get_mut(&conn).unwrap(), self.now);
                self.read(conn);
            }
        }
    }

    fn read(&mut self, conn: ConnId) {
        let mut sent = std::mem::take(&mut self.lines.get_mut(&conn).unwrap().0);
        let (mut input, mut client) = (sent.as_mut_slice(), Connection::new(Role::Client, usize::MAX));
        while let Some(event) = client.next(&mut input) {
            match event {
                Event::Ping(payload) => self.say(conn, OpCode::Pong, payload),
                Event::Text(batch) => {
                    self.told += usize::from(batch.windows(12).any(|part| part == br#""game_state""#));
                }
                event => panic!("{event:?}"),
            }
        }
    }
}

#[test]
fn who_has_joined_and_stands_still_leaves_nothing_on_the_heap() {
    let mut world = World::new();
    world.pass(Duration::from_secs(1));
    let before = held();
    let mut most = before;
    for number in 0..GUESTS {
        world.enter(number);
        if number % 20 == 0 {
            world.pass(Duration::from_millis(50));
            most = most.max(held());
        }
    }
    world.pass(Duration::from_secs(10));
    assert_eq!((world.told, world.engine.players()), (GUESTS, GUESTS), "all of them are in");
    let each = held().saturating_sub(before) / GUESTS;
    assert!(each <= EACH, "{each} bytes each are left on the heap");
    assert!(most > before + 10 * EACH * 20, "coming in takes memory: {most} at the most, {before} before");
}
