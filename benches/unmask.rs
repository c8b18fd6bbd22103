//! `unmask` beside the plain loop of RFC 6455 section 5.3 and a copy of the same bytes: `cargo bench --bench unmask`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evertick::websocket::unmask;
use std::hint::black_box;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The definition, word for word.
fn by_bytes(payload: &mut [u8], mask: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[i & 3];
    }
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unmask");
    // 29 and 1021 leave a rest behind the last whole word.
    for len in [16, 29, 32, 125, 1021, 1024, 4096, 65_536] {
        let mut payload = vec![7; len];
        let source = payload.clone();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("evertick", len), |bencher| {
            bencher.iter(|| unmask(black_box(&mut payload), black_box(KEY), 0));
        });
        group.bench_function(BenchmarkId::new("by bytes", len), |bencher| {
            bencher.iter(|| by_bytes(black_box(&mut payload), black_box(KEY)));
        });
        group.bench_function(BenchmarkId::new("copy", len), |bencher| {
            bencher.iter(|| black_box(&mut payload).copy_from_slice(black_box(&source)));
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
