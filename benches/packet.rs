//! What packets cost: reading the commonest one, writing the largest one, and putting a batch together.
//!
//! `cargo bench --bench packet`

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use evertick::packet::{
    BatchHead, Body, ClientTime, Encoding, Kind, ServerControl, encode, encode_client, end, open, separator,
};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// Some of the packets of Shards of Eternity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum In {
    PositionUpdate { position: Vector, velocity: Vector },
    Chat { channel: Channel, message: String },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channel {
    Global,
    Local,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Vector {
    x: f32,
    y: f32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Out {
    Positions { moves: Vec<(u32, f32, f32, f32, f32)> },
}

fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "json",
        Encoding::Postcard => "postcard",
    }
}

fn positions(moves: u32) -> Out {
    let one = |i: u32| {
        let f = i as f32;
        (1_000_000_000 + i, 100.0 + f * 0.37, 80.5 - f * 0.21, 5.5 + f * 0.013, -2.25)
    };
    Out::Positions { moves: (0..moves).map(one).collect() }
}

/// Opening and decoding what a walking client sends ten times a second.
fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    let packets = [
        (
            "position_update",
            In::PositionUpdate {
                position: Vector { x: 123.456, y: 78.9 },
                velocity: Vector { x: -3.25, y: 5.125 },
            },
        ),
        ("chat", In::Chat { channel: Channel::Local, message: String::from("anybody going north?") }),
    ];
    for (packet_name, packet) in packets {
        for encoding in Encoding::ALL {
            let mut message = Vec::new();
            encode_client(encoding, Kind::Game, None, &packet, &mut message).expect("an enum encodes");
            group.throughput(Throughput::Bytes(message.len() as u64));
            group.bench_function(format!("{packet_name}/{}", name(encoding)), |b| {
                b.iter(|| {
                    let envelope = open(encoding, black_box(&message)).expect("it was encoded");
                    envelope.game::<In>().expect("it was encoded")
                });
            });
            group.bench_function(format!("{packet_name}/{}/open", name(encoding)), |b| {
                b.iter(|| open(encoding, black_box(&message)).expect("it was encoded").kind);
            });
        }
    }
    group.finish();
}

/// Encoding the positions of everybody in a region, and the answer to a ping.
fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("write");
    for encoding in Encoding::ALL {
        let mut out = Vec::new();
        for moves in [8, 100] {
            let packet = positions(moves);
            group.throughput(Throughput::Elements(u64::from(moves)));
            group.bench_function(format!("positions_{moves}/{}", name(encoding)), |b| {
                b.iter(|| {
                    out.clear();
                    encode(encoding, Kind::Game, None, black_box(&packet), &mut out).expect("an enum encodes")
                });
            });
        }
        let pong = ServerControl::Pong {
            time: Some(ClientTime::Whole(1_700_000_000_000)),
            server_time: 1_700_000_000_007,
            tick: 8841,
        };
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("pong/{}", name(encoding)), |b| {
            b.iter(|| {
                out.clear();
                encode(encoding, Kind::Control, Some(7), black_box(&pong), &mut out).expect("an enum encodes")
            });
        });
    }
    group.finish();
}

/// Putting ten packets, encoded before and shared, into one recipient's batch.
fn assemble(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch");
    let head = BatchHead { seq: 41, tick: 8841, time: 1_700_000_000_000 };
    for encoding in Encoding::ALL {
        let body = |moves| {
            let mut out = Vec::new();
            encode(encoding, Kind::Game, None, &positions(moves), &mut out).expect("an enum encodes");
            Body::from(out.as_slice())
        };
        let bodies: Vec<Body> = (1..=10).map(body).collect();
        let bodies_len = bodies.iter().map(|b| b.len()).sum();
        let len = head.message_len(encoding, bodies.len(), bodies.len(), bodies_len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("of_10/{}", name(encoding)), |b| {
            b.iter_batched_ref(
                || Vec::with_capacity(len),
                |out| {
                    black_box(&head).begin(encoding, bodies.len(), out);
                    for (i, body) in bodies.iter().enumerate() {
                        if i > 0 {
                            out.extend_from_slice(separator(encoding));
                        }
                        out.extend_from_slice(body);
                    }
                    out.extend_from_slice(end(encoding));
                    assert_eq!(out.len(), len);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, read, write, assemble);
criterion_main!(benches);
