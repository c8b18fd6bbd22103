//! What compressed messages save, and what they cost: players of Shards of Eternity walk, and the server tells them.
//!
//! `crowd` is players who all see each other, `spread` as many all over the world, `bots` as many as a busy server has.
//! Each walks the same way with compression off, with it on, and the stream recorded while it was off is compressed
//! once more, each recipient's message as one piece: what nobody could do for many recipients, but the least there is.
//! Times are of whole ticks, receiving, rules and writing; instructions are counted by `benches/guard.py`.

#[allow(dead_code, reason = "benchmarks share it, and each uses a part")]
#[path = "crowd/mod.rs"]
mod crowd;
#[allow(dead_code, reason = "likewise")]
#[path = "crowd/walkers.rs"]
mod walkers;

use evertick::games::eternity::{Spawn, World};
use evertick::outgoing::Outgoing;
use evertick::packet::Encoding;
use evertick::websocket::deflate::{Agreed, Deflater, MOST_WINDOW_BITS};
use evertick::websocket::{Connection, Event, Role};
use std::time::{Duration, Instant};
use walkers::Walkers;

const TICKS: usize = 100;
/// Ticks whose messages are recorded and compressed one by one.
const RECORDED: usize = 8;
/// Bytes over which a message is compressed, as the server's default.
const OVER: usize = 256;

/// What a player-tick came to.
#[derive(Clone, Copy, Default)]
struct Cost {
    bytes: f64,
    us: f64,
}

fn main() {
    println!("| who | encoding | off, B | on, B | one piece, B | off, us | on, us | one piece, us more |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let scenes =
        [("crowd", Spawn::Start, 200), ("spread", Spawn::Spread, 200), ("bots", Spawn::Spread, 1000)];
    for (name, spawn, players) in scenes {
        for (encoding, encoding_name) in [(Encoding::Json, "json"), (Encoding::Postcard, "postcard")] {
            let off = walk(&mut walkers(spawn, players, encoding, false), players);
            let on = walk(&mut walkers(spawn, players, encoding, true), players);
            let piece = recorded(walkers(spawn, players, encoding, false), players);
            println!(
                "| {players} {name} | {encoding_name} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
                off.bytes, on.bytes, piece.bytes, off.us, on.us, piece.us
            );
        }
    }
}

fn walkers(spawn: Spawn, players: usize, encoding: Encoding, compress: bool) -> Walkers {
    Walkers::told(World::built_in(), spawn, players, &[encoding], TICKS, compress)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Whole ticks; the first tour warms up.
fn walk(walkers: &mut Walkers, players: usize) -> Cost {
    let mut took = Vec::new();
    let mut before = 0;
    for tour in 0..2 {
        before = walkers.crowd.sink.bytes;
        took.clear();
        for _ in 0..TICKS {
            let mut moves = walkers.next_moves();
            took.push(timed(|| {
                walkers.receive(&mut moves);
                walkers.crowd.begin_tick();
                walkers.crowd.flush();
            }));
        }
        assert!(walkers.crowd.sink.bytes > before, "tour {tour}: everybody hears of the others");
    }
    took.sort();
    let us = took[TICKS / 2].as_secs_f64() * 1e6 / players as f64;
    Cost { bytes: (walkers.crowd.sink.bytes - before) as f64 / (TICKS * players) as f64, us }
}

/// Takes everything, and keeps it.
#[derive(Default)]
struct Tape(Vec<u8>);

impl Outgoing for Tape {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.0.extend_from_slice(bytes);
        bytes.len()
    }
}

/// The messages of some ticks, each compressed by itself: their bytes, and the time of compressing alone.
fn recorded(mut walkers: Walkers, players: usize) -> Cost {
    let (mut tape, mut messages) = (Tape::default(), Vec::new());
    for tick in 0..TICKS + RECORDED {
        let mut moves = walkers.next_moves();
        walkers.receive(&mut moves);
        walkers.crowd.begin_tick();
        while let Some(conn) = walkers.crowd.engine.attention() {
            walkers.crowd.engine.flush(conn, &mut tape, walkers.crowd.now);
        }
        if tick >= TICKS {
            messages.append(&mut said(&mut tape.0));
        }
        tape.0.clear();
    }
    let (mut deflater, mut out, mut bytes) = (Deflater::default(), Vec::new(), 0);
    let agreed = Agreed { window_bits: MOST_WINDOW_BITS };
    let took = timed(|| {
        for message in &messages {
            out.clear();
            let is_compressed = message.len() > OVER && deflater.message(message, agreed, &mut out);
            bytes += 4 + if is_compressed { out.len() } else { message.len() };
        }
    });
    let player_ticks = (RECORDED * players) as f64;
    Cost { bytes: bytes as f64 / player_ticks, us: took.as_secs_f64() * 1e6 / player_ticks }
}

/// The messages in what a server wrote.
fn said(mut bytes: &mut [u8]) -> Vec<Vec<u8>> {
    let mut client = Connection::new(Role::Client, usize::MAX);
    let mut messages = Vec::new();
    while let Some(event) = client.next(&mut bytes) {
        if let Event::Text(message) | Event::Binary(message) = event {
            messages.push(message.to_vec());
        }
    }
    messages
}
