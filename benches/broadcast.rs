//! One message to everybody: from the frame that brought it to the last batch in a sink.
//!
//! Half of the recipients speak JSON, half postcard; the message is encoded twice, whatever their number.

#[allow(dead_code, reason = "benchmarks share it, and each uses a part")]
#[path = "crowd/mod.rs"]
mod crowd;
#[path = "crowd/square.rs"]
mod square;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crowd::{Crowd, message};
use evertick::packet::{Encoding, Kind};
use square::{In, Square};

fn broadcast(c: &mut Criterion) {
    let mut group = c.benchmark_group("broadcast/128 characters");
    group.sample_size(20);
    for recipients in [1000, 5000] {
        let mut crowd = Crowd::new(Square, recipients, recipients, &Encoding::ALL, |_, _| {});
        let shout = In::Shout { text: "x".repeat(128) };
        let frame = message(crowd.players[0].1, Kind::Game, &shout);
        group.throughput(Throughput::Elements(recipients as u64));
        group.bench_function(BenchmarkId::from_parameter(recipients), |b| {
            b.iter(|| {
                let writes = crowd.sink.writes;
                crowd.receive(0, &mut frame.clone());
                crowd.begin_tick();
                crowd.flush();
                assert!(crowd.sink.writes - writes >= recipients, "everybody was written to");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, broadcast);
criterion_main!(benches);
