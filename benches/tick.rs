//! A tick of Shards of Eternity: 500 players spread over the world, all of them walking.
//!
//! `receive` is the 500 messages that came since the last tick, decoded and queued; `tick` is the tick's own work with
//! all of them; `flush` is everybody's batch, sealed and written into a sink. A tick at 20 Hz has 50 ms for the three.

#[path = "crowd/mod.rs"]
mod crowd;
#[path = "crowd/walkers.rs"]
mod walkers;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use walkers::{Walkers, timed};

const PLAYERS: usize = 500;

fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick/500 players walk");
    group.throughput(Throughput::Elements(PLAYERS as u64));
    for (part, name) in ["receive", "tick", "flush"].into_iter().enumerate() {
        let mut walkers = Walkers::new(PLAYERS);
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
