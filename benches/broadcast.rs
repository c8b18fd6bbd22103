//! One message to everybody: from the frame that brought it to the last batch in a sink.
//!
//! Half of the recipients speak JSON, half postcard; the message is encoded twice, whatever their number.

#[path = "crowd/mod.rs"]
mod crowd;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crowd::{Crowd, message};
use evertick::engine::{Context, Game, Input, Refusal, To};
use evertick::packet::Kind;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum In {
    Shout { text: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Out {
    Shouted { from: u32, text: String },
}

/// Whoever shouts is heard by all.
struct Square;

impl Game for Square {
    type In = In;
    type Out = Out;
    const NAME: &'static str = "square";

    fn is_stream(_: &In) -> bool {
        true
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<In>) -> Result<(), Refusal> {
        if let Input::Packet { player, packet: In::Shout { text } } = input {
            ctx.send(To::Everyone, &Out::Shouted { from: player.0, text });
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}
}

fn broadcast(c: &mut Criterion) {
    let mut group = c.benchmark_group("broadcast/128 characters");
    group.sample_size(20);
    for recipients in [1000, 5000] {
        let mut crowd = Crowd::new(Square, recipients, |_, _| {});
        crowd.flush();
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
