//! How near to its limit the codec comes: the limit and the codec in turn, and the median of the ratios of such pairs.
//!
//! The column "the limit again" is the limit against itself, so that one sees what the machine adds.

use super::{CASES, KEY, LIMIT, ROUND, bare, texts};
use evertick::websocket::{Connection, Event, Header, OpCode, Role, encode, encode_masked, unmask};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Pairs of measurements. In every other one the codec is first.
const PAIRS: usize = 101;
/// How long one measurement is at least.
const AT_LEAST: Duration = Duration::from_micros(500);

/// Prints a table.
pub(super) fn print() {
    println!("| what | the limit | ns | the limit again | evertick, ns | ratio |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    for (case, len) in CASES {
        decode(case, len);
    }
    for (case, len) in CASES {
        encoding(case, len);
    }
    for (case, text) in texts() {
        validate(case, &text);
    }
}

fn decode(case: &str, len: usize) {
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Binary, &vec![7; len], KEY);
    let frames = (ROUND / frame.len()).max(1);
    let mut bytes = frame.repeat(frames);
    let mut same = bytes.clone();
    let mut connection = Connection::new(Role::Server, LIMIT);
    let mut limit = || {
        let mut count = 0;
        bare::decode(black_box(&mut bytes), |first, payload| {
            black_box((first, payload.as_ptr(), payload.len()));
            count += 1;
        });
        assert_eq!(count, frames);
    };
    let mut ours = || {
        let mut input = black_box(&mut same[..]);
        let mut count = 0;
        while let Some(Event::Binary(payload)) = connection.next(&mut input) {
            black_box((payload.as_ptr(), payload.len()));
            count += 1;
        }
        assert_eq!(count, frames);
    };
    row(&format!("decode {case}"), "header and XOR", frames, &mut limit, &mut ours);
}

fn encoding(case: &str, len: usize) {
    let payload = vec![7; len];
    let size = len + Header::size(len, false);
    let frames = (ROUND / size).max(1);
    let mut out = vec![0; frames * size + 16];
    let mut reused = Vec::with_capacity(frames * size + 16);
    let mut limit = || {
        let mut at = 0;
        for _ in 0..frames {
            let payload = black_box(&payload[..]);
            at += bare::header(&mut out[at..], payload.len());
            out[at..at + payload.len()].copy_from_slice(payload);
            at += payload.len();
        }
        black_box(&mut out);
    };
    let mut ours = || {
        reused.clear();
        for _ in 0..frames {
            encode(&mut reused, OpCode::Binary, black_box(&payload));
        }
        black_box(&mut reused);
    };
    row(&format!("encode {case}"), "header and copy", frames, &mut limit, &mut ours);
}

fn validate(case: &str, text: &str) {
    let mut frame = Vec::new();
    encode_masked(&mut frame, OpCode::Text, text.as_bytes(), [0; 4]);
    let masked = frame[frame.len() - text.len()..].to_vec();
    let mut copy = vec![0; text.len()];
    let mut connection = Connection::new(Role::Server, LIMIT);
    let mut ours = || {
        let mut input = black_box(&mut frame[..]);
        assert!(matches!(connection.next(&mut input), Some(Event::Text(_))));
    };
    let mut std_alone = || assert!(std::str::from_utf8(black_box(text.as_bytes())).is_ok());
    row(&format!("text {case}"), "std::str::from_utf8", 1, &mut std_alone, &mut ours);
    let mut std_of_a_copy = || {
        copy.copy_from_slice(black_box(&masked));
        unmask(&mut copy, black_box([0; 4]), 0);
        assert!(std::str::from_utf8(black_box(&copy)).is_ok());
    };
    row(&format!("text {case}"), "copy, unmask, std::str::from_utf8", 1, &mut std_of_a_copy, &mut ours);
}

/// Measures both in turn and prints what a unit takes, of which a call has so many.
fn row(what: &str, name: &str, units: usize, limit: &mut dyn FnMut(), ours: &mut dyn FnMut()) {
    let calls = calls(limit).max(calls(ours));
    let timed = |work: &mut dyn FnMut()| time(calls, work) / (calls * units) as f64;
    let (mut limits, mut again, mut times, mut ratios) = (vec![], vec![], vec![], vec![]);
    for pair in 0..PAIRS {
        let late = (pair % 2 == 1).then(|| timed(ours));
        let one = timed(limit);
        let other = late.unwrap_or_else(|| timed(ours));
        again.push(one / timed(limit));
        limits.push(one);
        times.push(other);
        ratios.push(one / other);
    }
    println!(
        "| {what} | {name} | {:.1} | {:.2} | {:.1} | {:.2} |",
        median(limits),
        median(again),
        median(times),
        median(ratios)
    );
}

/// How many calls fill a measurement.
fn calls(work: &mut dyn FnMut()) -> usize {
    let mut calls = 1;
    while time(calls, work) < AT_LEAST.as_nanos() as f64 {
        calls *= 2;
    }
    calls
}

/// Nanoseconds that so many calls take.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time(calls: usize, work: &mut dyn FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        work();
    }
    began.elapsed().as_nanos() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
