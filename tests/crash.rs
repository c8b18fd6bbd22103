//! What a client was told is done survives the program's death: the real binary is killed under load at random moments,
//! started again on the same folder, and asked for everything that it had confirmed.
//!
//! ```sh
//! CRASH_ROUNDS=500 cargo test --test crash     # kills it that often
//! SEED=17 cargo test --test crash              # makes the same choices again; when it dies is the machine's part
//! ```
//!
//! [`ledger`] knows what was confirmed, [`worker`] asks for things and writes that down, [`server`] is the process and
//! [`client`] one request, [`socket`] one packet. [`walker`] is somebody in the world, whose place comes back.
#![cfg(all(unix, feature = "eternity", feature = "storage"))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "crash/client.rs"]
mod client;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/places.rs"]
mod places;
#[path = "crash/server.rs"]
mod server;
#[path = "crash/socket.rs"]
mod socket;
#[path = "crash/walker.rs"]
mod walker;
#[path = "crash/worker.rs"]
mod worker;

use evertick::random::Random;
use server::{Folder, Served};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use worker::Worker;

/// How often it dies where nobody says otherwise.
const ROUNDS: u64 = 20;
/// How many clients ask at once: one address may have as many passwords hashed.
const WORKERS: u64 = 4;

#[test]
fn what_was_confirmed_is_there_after_any_death() {
    let rounds = number("CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("SEED={seed} CRASH_ROUNDS={rounds} cargo test --test crash");
    let mut chance = Random::new(seed);
    let folder = Folder::new();
    let mut workers: Vec<Worker> = (0..WORKERS).map(|n| Worker::new(n, Random::new(chance.bits()))).collect();
    for _ in 0..rounds {
        let served = Served::start(&folder);
        at_once(&mut workers, |worker| worker.check_recent(served.address));
        let lives = match chance.below(4) {
            0 => Duration::from_micros(chance.below(5_000)),
            _ => Duration::from_millis(20 + chance.below(150)),
        };
        let gently = chance.chance(0.15);
        load(&mut workers, served, lives, gently);
    }
    let served = Served::start(&folder);
    at_once(&mut workers, |worker| worker.check_all(served.address));
    let sum = |of: fn(&Worker) -> usize| workers.iter().map(of).sum::<usize>();
    let (confirmed, unanswered) = (sum(|worker| worker.confirmed), sum(|worker| worker.unanswered));
    println!("{confirmed} operations were confirmed and found; of {unanswered} nobody heard");
    let by_packet = sum(|worker| worker.by_packet);
    println!("{by_packet} of them were asked for by packets");
    assert!(confirmed as u64 > 10 * rounds, "so little happened that it proves little");
    assert!(by_packet as u64 > rounds, "so few packets that they prove little");
    assert_eq!(served.stop(), Some(0));
}

/// Lets everybody ask for things until the server is dead.
fn load(workers: &mut [Worker], served: Served, lives: Duration, gently: bool) {
    let address = served.address;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in workers {
            let over = &over;
            scope.spawn(move || worker.work(address, || over.load(Ordering::SeqCst)));
        }
        scope.spawn(|| walker::crowd(address, || over.load(Ordering::SeqCst)));
        std::thread::sleep(lives);
        match gently {
            true => assert_eq!(served.stop(), Some(0)),
            false => served.kill(),
        }
        over.store(true, Ordering::SeqCst);
    });
}

/// Everybody does the same at the same time.
fn at_once(workers: &mut [Worker], what: impl Fn(&mut Worker) + Sync) {
    std::thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| what(worker));
        }
    });
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
