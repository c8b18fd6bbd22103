//! The WebSocket codec without sockets, beside a bare loop that does only what every codec must (the limit), and beside
//! tungstenite and fastwebsockets: `cargo bench --bench codec`.
//!
//! One round, which is what a time is of, is as many frames as fill 64 KiB. Decoding: masked binary frames that lie whole
//! in memory; for the others, which read from a stream, the stream is memory. Encoding: unmasked binary frames into a
//! buffer that is reused. Text: one frame of 64 KiB under a mask of zeros, so that it is text again in the next round.
//!
//! Before all that it prints how near to the limit the codec comes, measured in pairs; `cargo bench --bench codec --
//! ratios` prints nothing else.

#[path = "codec/bare.rs"]
mod bare;
#[path = "codec/ratios.rs"]
mod ratios;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group};
use evertick::websocket::{Connection, Event, OpCode, Role, encode, encode_masked, unmask};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const ROUND: usize = 64 << 10;
const LIMIT: usize = 1 << 20;
/// Sizes of payload, and what they are called.
const CASES: [(&str, usize); 3] = [("32 B", 32), ("1 KiB", 1024), ("64 KiB", 65_536)];

/// A stream that never ends: the same bytes over and over; what is written to it is copied once and forgotten.
struct Endless {
    source: Vec<u8>,
    at: usize,
    sink: Vec<u8>,
}

impl Endless {
    fn new(source: &[u8]) -> Endless {
        Endless { source: source.to_vec(), at: 0, sink: vec![0; 256 << 10] }
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.source.len() - self.at);
        buffer[..len].copy_from_slice(&self.source[self.at..self.at + len]);
        self.at = (self.at + len) % self.source.len();
        Ok(len)
    }
}

impl Write for Endless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.sink.len());
        self.sink[..len].copy_from_slice(&bytes[..len]);
        black_box(&mut self.sink);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.read(buffer.initialize_unfilled())?;
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers")
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (case, len) in CASES {
        let mut frame = Vec::new();
        encode_masked(&mut frame, OpCode::Binary, &vec![7; len], KEY);
        let frames = (ROUND / frame.len()).max(1);
        let mut bytes = frame.repeat(frames);
        let source = bytes.clone();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        decode_bare(&mut group, case, &mut bytes, frames);
        decode_evertick(&mut group, case, &mut bytes, frames);
        decode_tungstenite(&mut group, case, &source, frames);
        decode_fastwebsockets(&mut group, case, &source, frames);
    }
    group.finish();
}

fn decode_bare(group: &mut Group, case: &str, bytes: &mut [u8], frames: usize) {
    group.bench_function(BenchmarkId::new("bare", case), |bencher| {
        bencher.iter(|| {
            let mut count = 0;
            bare::decode(black_box(bytes), |first, payload| {
                black_box((first, payload.as_ptr(), payload.len()));
                count += 1;
            });
            assert_eq!(count, frames);
        });
    });
}

fn decode_evertick(group: &mut Group, case: &str, bytes: &mut [u8], frames: usize) {
    let mut connection = Connection::new(Role::Server, LIMIT);
    group.bench_function(BenchmarkId::new("evertick", case), |bencher| {
        bencher.iter(|| {
            let mut input = black_box(&mut *bytes);
            let mut count = 0;
            while let Some(Event::Binary(payload)) = connection.next(&mut input) {
                black_box((payload.as_ptr(), payload.len()));
                count += 1;
            }
            assert_eq!(count, frames);
        });
    });
}

fn decode_tungstenite(group: &mut Group, case: &str, source: &[u8], frames: usize) {
    let stream = Endless::new(source);
    let mut socket =
        tungstenite::WebSocket::from_raw_socket(stream, tungstenite::protocol::Role::Server, None);
    group.bench_function(BenchmarkId::new("tungstenite", case), |bencher| {
        bencher.iter(|| {
            for _ in 0..frames {
                black_box(socket.read().expect("a lawful stream"));
            }
        });
    });
}

fn decode_fastwebsockets(group: &mut Group, case: &str, source: &[u8], frames: usize) {
    let runtime = runtime();
    let stream = Endless::new(source);
    let mut socket = fastwebsockets::WebSocket::after_handshake(stream, fastwebsockets::Role::Server);
    group.bench_function(BenchmarkId::new("fastwebsockets", case), |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for _ in 0..frames {
                    black_box(socket.read_frame().await.expect("a lawful stream"));
                }
            });
        });
    });
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (case, len) in CASES {
        let payload = vec![7; len];
        let size = len + evertick::websocket::Header::size(len, false);
        let frames = (ROUND / size).max(1);
        group.throughput(Throughput::Bytes((frames * size) as u64));
        encode_bare(&mut group, case, &payload, frames * size, frames);
        encode_evertick(&mut group, case, &payload, frames * size, frames);
        encode_tungstenite(&mut group, case, &payload, frames * size, frames);
        encode_fastwebsockets(&mut group, case, &payload, frames);
    }
    group.finish();
}

fn encode_bare(group: &mut Group, case: &str, payload: &[u8], size: usize, frames: usize) {
    let mut out = vec![0; size + 16];
    group.bench_function(BenchmarkId::new("bare", case), |bencher| {
        bencher.iter(|| {
            let mut at = 0;
            for _ in 0..frames {
                let payload = black_box(payload);
                at += bare::header(&mut out[at..], payload.len());
                out[at..at + payload.len()].copy_from_slice(payload);
                at += payload.len();
            }
            black_box(&mut out);
        });
    });
}

fn encode_evertick(group: &mut Group, case: &str, payload: &[u8], size: usize, frames: usize) {
    let mut out = Vec::with_capacity(size + 16);
    group.bench_function(BenchmarkId::new("evertick", case), |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..frames {
                encode(&mut out, OpCode::Binary, black_box(payload));
            }
            black_box(&mut out);
        });
    });
    group.bench_function(BenchmarkId::new("evertick, masked", case), |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..frames {
                encode_masked(&mut out, OpCode::Binary, black_box(payload), KEY);
            }
            black_box(&mut out);
        });
    });
}

fn encode_tungstenite(group: &mut Group, case: &str, payload: &[u8], size: usize, frames: usize) {
    use tungstenite::protocol::frame::{Frame, coding};
    let shared = tungstenite::Bytes::copy_from_slice(payload);
    let mut out = Vec::with_capacity(size + 16);
    group.bench_function(BenchmarkId::new("tungstenite", case), |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..frames {
                let opcode = coding::OpCode::Data(coding::Data::Binary);
                let frame = Frame::message(black_box(&shared).clone(), opcode, true);
                frame.format(&mut out).expect("memory takes everything");
            }
            black_box(&mut out);
        });
    });
}

fn encode_fastwebsockets(group: &mut Group, case: &str, payload: &[u8], frames: usize) {
    use fastwebsockets::{Frame, Payload};
    let mut scratch = Vec::new();
    group.bench_function(BenchmarkId::new("fastwebsockets", case), |bencher| {
        bencher.iter(|| {
            for _ in 0..frames {
                let mut frame = Frame::binary(Payload::Borrowed(black_box(payload)));
                black_box(frame.write(&mut scratch));
            }
        });
    });
}

/// Whole sentences of two kinds, as many as fit into a round.
fn texts() -> [(&'static str, String); 2] {
    let sentences = [
        ("ASCII", "The quick brown fox jumps over the lazy dog. "),
        ("mixed scripts", "Grüße, κόσμε, здравствуй, 世界, 🌍! "),
    ];
    sentences.map(|(case, sentence)| (case, sentence.repeat(ROUND / sentence.len())))
}

fn text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    for (case, text) in texts() {
        let text = text.as_bytes();
        let mut frame = Vec::new();
        encode_masked(&mut frame, OpCode::Text, text, [0; 4]);
        let mut payload = text.to_vec();
        group.throughput(Throughput::Bytes(text.len() as u64));

        group.bench_function(BenchmarkId::new("std, not masked", case), |bencher| {
            bencher.iter(|| std::str::from_utf8(black_box(text)).is_ok());
        });
        group.bench_function(BenchmarkId::new("unmask, then std", case), |bencher| {
            bencher.iter(|| {
                unmask(black_box(&mut payload), black_box([0; 4]), 0);
                std::str::from_utf8(&payload).is_ok()
            });
        });
        let mut connection = Connection::new(Role::Server, LIMIT);
        group.bench_function(BenchmarkId::new("evertick", case), |bencher| {
            bencher.iter(|| {
                let mut input = black_box(&mut frame[..]);
                assert!(matches!(connection.next(&mut input), Some(Event::Text(_))));
            });
        });
        let mut connection = Connection::new(Role::Server, LIMIT);
        group.bench_function(BenchmarkId::new("evertick, in two reads", case), |bencher| {
            bencher.iter(|| {
                let (mut front, mut back) = black_box(&mut frame[..]).split_at_mut(30_000);
                assert!(connection.next(&mut front).is_none());
                assert!(matches!(connection.next(&mut back), Some(Event::Text(_))));
            });
        });
    }
    group.finish();
}

criterion_group!(all, decode, encoding, text);

fn main() {
    ratios::print();
    if !std::env::args().any(|arg| arg == "ratios") {
        all();
        Criterion::default().configure_from_args().final_summary();
    }
}
