//! What it costs to be sure: commits a second and how long each takes, by how many wait together; and passwords a second.
//!
//! `cargo bench --bench storage`, with a folder to write in where the default is not the disk that is meant:
//! `EVERTICK_BENCH_DIR=DIR cargo bench --bench storage`
//!
//! Not criterion's: what counts is the distribution over real, synced commits, and the whole way from `submit` to `completed`.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use evertick::account::{
    Answer, Change, Errand, Hasher, Json, Password, RecordId, Request, SavedRecord, Saves, Store, Ticket,
    Work,
};
use evertick::storage::{Argon2id, Cost, Database, Storage};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// A character as the built-in world keeps one, more or less.
const CHARACTER: usize = 500;

fn main() {
    let base = std::env::var_os("EVERTICK_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    println!("| on | waiting together | commits/s | requests/s | p50 | p99 | largest |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for waiting in [1, 4, 16, 64, 256] {
        let folder = tempfile::tempdir_in(&base).expect("a folder to write in");
        let store =
            Counted { inner: Database::open(folder.path()).expect("it opens"), groups: Arc::default() };
        commits("disk", waiting, store);
    }
    let store = Counted { inner: Database::in_memory().expect("there is memory"), groups: Arc::default() };
    commits("memory", 256, store);
    saves(&base);
    hashes();
}

/// How many groups there were, and how large the largest was.
type Groups = Arc<std::sync::Mutex<(u64, usize)>>;

struct Counted {
    inner: Database,
    groups: Groups,
}

impl Store for Counted {
    fn commit(
        &mut self,
        group: &[Request],
    ) -> Result<
        Vec<Result<evertick::account::Reply, evertick::account::Refused>>,
        evertick::account::StoreError,
    > {
        let mut groups = self.groups.lock().expect("nobody panicked");
        *groups = (groups.0 + 1, groups.1.max(group.len()));
        drop(groups);
        self.inner.commit(group)
    }
}

fn value() -> Json {
    Json::of(&"x".repeat(CHARACTER)).expect("text is JSON")
}

fn write(key: u32) -> Request {
    let id = RecordId::new("bench", "character", (key % 10_000).to_string());
    let put = Change::Put { id, name: None, version: 1, value: value() };
    Request::Write { changes: vec![put], events: Vec::new() }
}

/// For two seconds so many writes are under way at any time: whoever is answered asks again.
fn commits(on: &str, waiting: u32, store: Counted) {
    let (wake, woken) = channel();
    let groups = store.groups.clone();
    let hasher = Argon2id::new(Cost { memory_kib: 8, passes: 1 }).expect("a cost");
    let wake = std::sync::Mutex::new(wake);
    let wake = move || drop(wake.lock().map(|wake| wake.send(())));
    let mut storage = Storage::start(store, hasher, wake).expect("threads");
    let mut sent = vec![Instant::now(); waiting as usize];
    let mut took = Vec::new();
    let began = Instant::now();
    for slot in 0..waiting {
        storage.submit(Ticket { slot, generation: 0 }, Errand::Store(write(slot)));
    }
    while began.elapsed() < Duration::from_secs(2) {
        woken.recv().expect("the threads are there");
        while let Some((ticket, answer)) = storage.completed() {
            assert!(matches!(answer, Answer::Store(Ok(_))), "{answer:?}");
            let slot = ticket.slot as usize;
            took.push(sent[slot].elapsed());
            sent[slot] = Instant::now();
            let next = Ticket { slot: ticket.slot, generation: ticket.generation + 1 };
            storage.submit(next, Errand::Store(write(took.len() as u32)));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    drop(storage.finish());
    let (count, largest) = *groups.lock().expect("nobody panicked");
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    println!(
        "| {on} | {waiting} | {:.0} | {:.0} | {:.2?} | {:.2?} | {largest} |",
        count as f64 / seconds,
        took.len() as f64 / seconds,
        at(50),
        at(99),
    );
}

/// A whole piece of what may lag, as one commit.
fn saves(base: &std::path::Path) {
    let folder = tempfile::tempdir_in(base).expect("a folder to write in");
    let mut db = Database::open(folder.path()).expect("it opens");
    let record = |key: usize| SavedRecord {
        id: RecordId::new("bench", "character", key.to_string()),
        version: 1,
        value: value(),
    };
    let records = (0..evertick::limits::SAVE_ITEMS).map(record).collect();
    let saves = Arc::new(Saves { records, renewals: Vec::new() });
    let began = Instant::now();
    const ROUNDS: u32 = 50;
    for _ in 0..ROUNDS {
        db.commit(&[Request::Save(saves.clone())]).expect("the disk takes it");
    }
    println!("\na save of {} records: {:.2?}", saves.records.len(), began.elapsed() / ROUNDS);
}

fn hashes() {
    let mut hasher = Argon2id::new(Cost::default()).expect("a cost");
    let password = Password::new("correct horse battery staple").expect("long enough");
    let began = Instant::now();
    const ROUNDS: u32 = 50;
    for round in 0..ROUNDS {
        let salt = u128::from(round).to_le_bytes();
        hasher.work(&Work::Hash { password: password.clone(), salt }).expect("there is memory");
    }
    let each = began.elapsed() / ROUNDS;
    println!("a password at 19 MiB and 2 passes: {each:.2?}, {:.0} a second", 1.0 / each.as_secs_f64());
}
