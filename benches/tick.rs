//! A tick of Shards of Eternity: 500 players spread over the world, all of them walking.
//!
//! `receive` is the 500 messages that came since the last tick, decoded and queued; `tick` is the tick's own work with
//! all of them; `flush` is everybody's batch, sealed and written into a sink. A tick at 20 Hz has 50 ms for the three.

#[path = "crowd/mod.rs"]
mod crowd;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crowd::{Crowd, message};
use evertick::games::eternity::place::Point;
use evertick::games::eternity::{Eternity, In, Out, Settings, Spawn};
use evertick::packet::{Kind, ServerPacket};
use evertick::sim::Heard;
use std::hint::black_box;
use std::time::{Duration, Instant};

const PLAYERS: usize = 500;

/// Everybody walks to and fro between two points.
struct Walkers {
    crowd: Crowd,
    frames: [Vec<Vec<u8>>; 2],
    steps: usize,
}

impl Walkers {
    fn new() -> Walkers {
        let mut settings = Settings::default();
        settings.spawn = Spawn::Spread;
        let mut places = vec![Point::ZERO; PLAYERS];
        let mut crowd = Crowd::new(Eternity::new(settings), PLAYERS, |at, heard| {
            if let Heard::Packet(packet) = heard
                && let ServerPacket::Game(Out::GameState(state)) = packet.packet
            {
                places[at] = state.you.position;
            }
        });
        crowd.flush();
        let frames = [0.0, 0.25].map(|ahead| {
            let walk = |at: usize| {
                // Towards the middle, so that nobody leaves the map.
                let x = if places[at].x > 50.0 { places[at].x - ahead } else { places[at].x + ahead };
                let position = Point::new(x, places[at].y);
                let packet = In::PositionUpdate { position, velocity: Point::new(5.0, 0.0) };
                message(crowd.players[at].1, Kind::Game, &packet)
            };
            (0..PLAYERS).map(walk).collect()
        });
        Walkers { crowd, frames, steps: 0 }
    }

    fn receive(&mut self) -> Duration {
        self.steps += 1;
        // Unmasking works in place: each is sent once.
        let mut frames = self.frames[self.steps % 2].clone();
        timed(|| {
            for (at, frame) in frames.iter_mut().enumerate() {
                self.crowd.receive(at, frame);
            }
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick/500 players walk");
    group.throughput(Throughput::Elements(PLAYERS as u64));
    for (part, name) in ["receive", "tick", "flush"].into_iter().enumerate() {
        let mut walkers = Walkers::new();
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let mut sum = Duration::ZERO;
                for _ in 0..times {
                    let receive = walkers.receive();
                    let tick = timed(|| walkers.crowd.begin_tick());
                    let flush = timed(|| walkers.crowd.flush());
                    sum += [receive, tick, flush][part];
                }
                sum
            });
        });
        let sink = &walkers.crowd.sink;
        assert!(sink.bytes > walkers.steps * PLAYERS, "everybody hears of the others");
        black_box(sink.writes);
    }
    group.finish();
}

criterion_group!(benches, tick);
criterion_main!(benches);
