//! What the work costs without a clock: instructions and heap allocations a unit.
//!
//! `cargo bench --bench guard` prints the allocations of each workload's steady state, the second half of its run.
//! Instructions are counted from outside, by valgrind, as the difference between a run of one length and one of two, so
//! that neither the start nor the first use of a buffer counts: `benches/guard.py` does that, and compares both with the
//! figures in `benches/guard.txt`. Everything follows from fixed seeds.
//!
//! `guard WORKLOAD LENGTHS` runs one workload, `guard list` says which there are.

#[allow(dead_code, reason = "benchmarks share it, and each uses a part")]
#[path = "crowd/mod.rs"]
mod crowd;
#[allow(dead_code, reason = "its service is driven without its loop")]
#[path = "../examples/echo.rs"]
mod echo;
#[path = "crowd/generated.rs"]
mod generated;
#[path = "guard/sockets.rs"]
mod sockets;
#[path = "crowd/square.rs"]
mod square;
#[path = "crowd/walkers.rs"]
mod walkers;

use crowd::{Crowd, Entry, Sink, message};
use evertick::games::eternity::{Eternity, Settings, Spawn, World};
use evertick::net::Service;
use evertick::packet::{self, BatchHead, Body, ClientControl, ClientTime, Encoding, Heads, Kind};
use evertick::sim::opening;
use evertick::time::Time;
use evertick::websocket::{Connection, Event, OpCode, Role, encode, encode_masked};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use walkers::{Moves, Walkers};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Bytes of the buffer that a round of the codec fills.
const ROUND: usize = 64 << 10;
const MAX_MESSAGE: usize = 1 << 20;
/// How many lengths a run has at most: everything is prepared for so many, so that the preparation always costs the same.
const LENGTHS: usize = 2;
/// Ticks until a crowd is as it stays: what is sent is kept until its recipients have said, once a second, that they have it.
const SETTLING: usize = 44;

/// One round of a workload, which has its own number.
type Rounds = Box<dyn FnMut(usize)>;

/// Something that the server does over and over.
struct Workload {
    name: &'static str,
    /// What is counted.
    unit: &'static str,
    /// How many of them a round has.
    units: usize,
    /// How many rounds a length has.
    rounds: usize,
    /// Makes everything ready for so many rounds.
    prepare: fn(usize) -> Rounds,
}

macro_rules! workloads {
    ($($name:literal: $units:literal $unit:literal x $rounds:literal, $prepare:expr;)*) => {
        &[$(Workload { name: $name, unit: $unit, units: $units, rounds: $rounds, prepare: $prepare }),*]
    };
}

/// All of them, in the order in which they are told.
const WORKLOADS: &[Workload] = workloads! {
    "decode-32": 1724 "frame" x 20, |_| decode(32);
    "decode-1k": 63 "frame" x 50, |_| decode(1024);
    "decode-64k": 1 "frame" x 50, |_| decode(65_536);
    "text-ascii-64k": 1 "frame" x 50, |_| text("The quick brown fox jumps over the lazy dog. ");
    "text-mixed-64k": 1 "frame" x 50, |_| text("Grüße, κόσμε, здравствуй, 世界, 🌍! ");
    "encode-32": 1927 "frame" x 20, |_| encoding(32);
    "encode-1k": 63 "frame" x 50, |_| encoding(1024);
    "encode-64k": 1 "frame" x 50, |_| encoding(65_536);
    "batch-json": 1 "batch of 10" x 1000, |_| batch(Encoding::Json);
    "batch-postcard": 1 "batch of 10" x 1000, |_| batch(Encoding::Postcard);
    "echo": 16 "message" x 200, |_| echoed();
    "echo-sockets": 100 "message" x 20, |_| sockets::echoed();
    "pong-json": 100 "ping" x 20, |rounds| pong(Encoding::Json, rounds);
    "pong-postcard": 100 "ping" x 20, |rounds| pong(Encoding::Postcard, rounds);
    "broadcast": 1000 "recipient" x 20, broadcast;
    "player-tick-json": 1000 "player-tick" x 20, |rounds| players(Encoding::Json, rounds);
    "player-tick-postcard": 1000 "player-tick" x 20, |rounds| players(Encoding::Postcard, rounds);
    "crowd-json": 200 "player-tick" x 20, |rounds| crowd(Encoding::Json, rounds);
    "crowd-json-deflate": 200 "player-tick" x 20, |rounds| compressed(Spawn::Start, Encoding::Json, rounds);
    "crowd-postcard-deflate": 200 "player-tick" x 20, |rounds| compressed(Spawn::Start, Encoding::Postcard, rounds);
    "spread-json-deflate": 200 "player-tick" x 20, |rounds| compressed(Spawn::Spread, Encoding::Json, rounds);
    "steady-tick": 1 "tick" x 20, steady_tick;
    "join-json": 10 "join" x 10, |rounds| join(Encoding::Json, rounds);
    "join-postcard": 10 "join" x 10, |rounds| join(Encoding::Postcard, rounds);
    "world-1x": 1 "tick" x 20, |rounds| growth(1, rounds);
    "world-10x": 1 "tick" x 20, |rounds| growth(10, rounds);
};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => print_allocations(),
        ["list"] => list(),
        [name, lengths] => {
            let workload = WORKLOADS.iter().find(|workload| workload.name == name);
            let (Some(workload), Ok(lengths @ 1..=LENGTHS)) = (workload, lengths.parse()) else {
                eprintln!("guard: no workload {name} of {lengths} lengths");
                return ExitCode::FAILURE;
            };
            println!("{}", workload.run(lengths));
        }
        _ => {
            eprintln!("guard: usage: guard [list | WORKLOAD LENGTHS]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A line for each: its name, how many units one length has, and what they are.
fn list() {
    for workload in WORKLOADS {
        println!("{} {} {}", workload.name, workload.units * workload.rounds, workload.unit);
    }
}

fn print_allocations() {
    for workload in WORKLOADS {
        let units = workload.units * workload.rounds;
        let each = workload.run(LENGTHS) as f64 / units as f64;
        println!("{:<22}{each:>12.3} allocations a {}", workload.name, workload.unit);
    }
}

impl Workload {
    /// Runs it over so many lengths. Returns how often memory was asked for in the last of them.
    fn run(&self, lengths: usize) -> usize {
        let mut round = (self.prepare)(LENGTHS * self.rounds);
        let last = (lengths - 1) * self.rounds;
        (0..last).for_each(&mut round);
        let region = Region::new(ALLOCATOR);
        (last..lengths * self.rounds).for_each(&mut round);
        let change = region.change();
        change.allocations + change.reallocations
    }
}

/// Masked binary frames that lie whole in memory. Being unmasked twice they are what they were.
fn decode(len: usize) -> Rounds {
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Binary, &vec![7; len], KEY);
    let frames = (ROUND / frame.len()).max(1);
    let mut bytes = frame.repeat(frames);
    let mut connection = Connection::new(Role::Server, MAX_MESSAGE);
    Box::new(move |_| {
        let mut input = black_box(&mut bytes[..]);
        let mut count = 0;
        while let Some(Event::Binary(payload)) = connection.next(&mut input) {
            black_box((payload.as_ptr(), payload.len()));
            count += 1;
        }
        assert_eq!(count, frames);
    })
}

/// One frame of text under a mask of zeros, so that it is text again in the next round.
fn text(sentence: &str) -> Rounds {
    let text = sentence.repeat(ROUND / sentence.len());
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Text, text.as_bytes(), [0; 4]);
    let mut connection = Connection::new(Role::Server, MAX_MESSAGE);
    Box::new(move |_| {
        let mut input = black_box(&mut frame[..]);
        assert!(matches!(connection.next(&mut input), Some(Event::Text(_))));
    })
}

/// Unmasked binary frames into a buffer that is reused.
fn encoding(len: usize) -> Rounds {
    let payload = vec![7; len];
    let frames = (ROUND / (len + evertick::websocket::Header::size(len, false))).max(1);
    let mut out = Vec::new();
    Box::new(move |_| {
        out.clear();
        for _ in 0..frames {
            encode(&mut out, OpCode::Binary, black_box(&payload));
        }
        black_box(&mut out);
    })
}

/// Ten packets that were encoded before, put together to one recipient's batch.
fn batch(encoding: Encoding) -> Rounds {
    let bodies: Vec<Body> = (1..=10).map(|n| Body::from(vec![b'x'; 40 * n].as_slice())).collect();
    let bytes = bodies.iter().map(|body| body.len()).sum();
    let (mut heads, mut out) = (Heads::default(), Vec::new());
    Box::new(move |round| {
        out.clear();
        let head = black_box(BatchHead { seq: 41 + round as u64, tick: 8841, time: 1_700_000_000_000 });
        let len = heads.message_len(&head, encoding, bodies.len(), bodies.len(), bytes);
        heads.begin(&head, encoding, bodies.len(), &mut out);
        for (i, body) in bodies.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(packet::separator(encoding));
            }
            out.extend_from_slice(body);
        }
        out.extend_from_slice(packet::end(encoding));
        assert_eq!(out.len(), len);
    })
}

/// `examples/echo.rs` between the read and the write of its loop: 16 messages of 32 bytes each time.
fn echoed() -> Rounds {
    let mut echo = echo::Echo::new(echo::Mode::Echo);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let conn = echo.accept(peer, Time::START).expect("there is room");
    let mut sink = Sink::default();
    echo.receive(conn, &mut opening(Encoding::Postcard), &mut sink, Time::START);
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Binary, &[7; 32], KEY);
    let mut bytes = frame.repeat(16);
    Box::new(move |_| {
        let before = sink.bytes;
        echo.receive(conn, black_box(&mut bytes), &mut sink, Time::START);
        assert_eq!(sink.bytes - before, 16 * (2 + 32));
    })
}

/// A packet that is answered at once, by the engine: 100 players send one each tick.
fn pong(encoding: Encoding, rounds: usize) -> Rounds {
    const PLAYERS: usize = 100;
    let mut crowd = Crowd::new(square::Square, PLAYERS, PLAYERS, &[encoding], |_, _| {});
    let frame = |n: usize| {
        let ping = ClientControl::Ping { time: Some(ClientTime::Whole(1_700_000_000_000 + n as u64)) };
        message(encoding, Kind::Control, &ping)
    };
    let mut frames: Vec<_> = (0..(SETTLING + rounds) * PLAYERS).map(frame).collect();
    settled(move |round| {
        let writes = crowd.sink.writes;
        for (at, frame) in frames[round * PLAYERS..][..PLAYERS].iter_mut().enumerate() {
            crowd.receive(at, frame);
        }
        crowd.flush();
        assert_eq!(crowd.sink.writes - writes, PLAYERS);
        crowd.begin_tick();
    })
}

/// One message of 128 characters to 1,000 players, every other one speaking postcard.
fn broadcast(rounds: usize) -> Rounds {
    const RECIPIENTS: usize = 1000;
    let mut crowd = Crowd::new(square::Square, RECIPIENTS, RECIPIENTS, &Encoding::ALL, |_, _| {});
    let shout = square::In::Shout { text: "x".repeat(128) };
    let mut frames = vec![message(crowd.players[0].1, Kind::Game, &shout); SETTLING + rounds];
    settled(move |round| {
        let writes = crowd.sink.writes;
        crowd.receive(0, &mut frames[round]);
        crowd.begin_tick();
        crowd.flush();
        assert_eq!(crowd.sink.writes - writes, RECIPIENTS);
    })
}

/// 1,000 players spread over the embedded world.
fn players(encoding: Encoding, rounds: usize) -> Rounds {
    let walkers = Walkers::new(World::built_in(), Spawn::Spread, 1000, &[encoding], rounds);
    ticks(walkers, rounds)
}

/// 200 players who began in one region, all seen by all.
fn crowd(encoding: Encoding, rounds: usize) -> Rounds {
    let walkers = Walkers::new(World::built_in(), Spawn::Start, 200, &[encoding], rounds);
    ticks(walkers, rounds)
}

/// 200 players whom the server tells everything compressed.
fn compressed(spawn: Spawn, encoding: Encoding, rounds: usize) -> Rounds {
    ticks(Walkers::told(World::built_in(), spawn, 200, &[encoding], rounds, true), rounds)
}

/// The same 1,000 as `player-tick` has, in both encodings, counted by the tick.
fn steady_tick(rounds: usize) -> Rounds {
    let walkers = Walkers::new(World::built_in(), Spawn::Spread, 1000, &Encoding::ALL, rounds);
    ticks(walkers, rounds)
}

/// Guests come, ten a tick, to a world of 300 in which nobody moves: from the handshake to the state of the game.
fn join(encoding: Encoding, rounds: usize) -> Rounds {
    const HERE: usize = 300;
    const A_TICK: usize = 10;
    let mut settings = Settings::default();
    settings.spawn = Spawn::Spread;
    let most = HERE + rounds * A_TICK;
    let mut crowd = Crowd::new(Eternity::new(settings), HERE, most, &[encoding], |_, _| {});
    let mut entries: Vec<Entry> = (HERE..most).map(|at| Entry::new(at, encoding)).collect();
    let mut sink = Sink::default();
    Box::new(move |round| {
        for entry in &mut entries[round * A_TICK..][..A_TICK] {
            crowd.join(entry, &mut sink);
        }
        crowd.begin_tick();
        crowd.flush();
    })
}

/// A generated world of 10 locations and 500 players, or of so many times that.
fn growth(times: usize, rounds: usize) -> Rounds {
    let world = generated::world(10 * times);
    let walkers = Walkers::new(world, Spawn::Spread, 500 * times, &Encoding::ALL, rounds);
    ticks(walkers, rounds)
}

/// Rounds of which the first have passed already.
fn settled(mut round: impl FnMut(usize) + 'static) -> Rounds {
    (0..SETTLING).for_each(&mut round);
    Box::new(move |later| round(SETTLING + later))
}

/// Whole ticks: what came is heard, the tick runs, everybody is written to.
fn ticks(mut walkers: Walkers, rounds: usize) -> Rounds {
    let mut moves: Vec<Moves> = (0..SETTLING + rounds).map(|_| walkers.next_moves()).collect();
    settled(move |round| {
        walkers.receive(&mut moves[round]);
        walkers.crowd.begin_tick();
        walkers.crowd.flush();
    })
}
