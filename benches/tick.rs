//! A tick of Shards of Eternity: 500 players spread over the world, all of them walking, each with ten moves a second.
//!
//! `receive` is the messages that came since the last tick, decoded and queued; `tick` is the tick's own work with
//! all of them; `flush` is everybody's batch, sealed and written into a sink. A tick at 20 Hz has 50 ms for the three.
//! How the cost grows with the world is in `benches/growth.rs`.

#[allow(dead_code, reason = "benchmarks share it, and each uses a part")]
#[path = "crowd/mod.rs"]
mod crowd;
#[path = "crowd/walkers.rs"]
mod walkers;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evertick::games::eternity::{Spawn, World};
use evertick::packet::Encoding;
use std::hint::black_box;
use std::time::{Duration, Instant};
use walkers::Walkers;

const PLAYERS: usize = 500;
const TOUR: usize = 400;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick");
    group.throughput(Throughput::Elements(PLAYERS as u64));
    for (encoding, name) in [(Encoding::Json, "json"), (Encoding::Postcard, "postcard")] {
        for (part, part_name) in ["receive", "tick", "flush"].into_iter().enumerate() {
            let mut walkers = Walkers::new(World::built_in(), Spawn::Spread, PLAYERS, &[encoding], TOUR);
            let mut ticks = 0;
            group.bench_function(BenchmarkId::new(part_name, name), |b| {
                b.iter_custom(|times| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..times {
                        let mut moves = walkers.next_moves();
                        let receive = timed(|| walkers.receive(&mut moves));
                        let tick = timed(|| walkers.crowd.begin_tick());
                        let flush = timed(|| walkers.crowd.flush());
                        sum += [receive, tick, flush][part];
                        ticks += 1;
                    }
                    sum
                });
            });
            let sink = &walkers.crowd.sink;
            assert!(sink.bytes > ticks * PLAYERS, "everybody hears of the others");
            black_box(sink.writes);
        }
    }
    group.finish();
}

criterion_group!(benches, tick);
criterion_main!(benches);
