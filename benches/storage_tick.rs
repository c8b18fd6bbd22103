//! The tick does not wait for the disk: 200 players walk, and fifty people a second log in on a disk that takes 10 ms to
//! sync. What cannot be hashed in time is answered `busy`.
//!
//! `cargo bench --bench storage_tick` takes a minute and wants the machine for itself. Idle and under logins take turns, so
//! that what else goes on hits both. A tick is what the loop does in it: the messages that came, answers from storage, the
//! tick's work, and everybody's batch.

#[path = "crowd/mod.rs"]
mod crowd;
#[path = "crowd/walkers.rs"]
mod walkers;

use evertick::account::{
    Errand, Hashed, Hasher, Password, Refused, Reply, Request, Store, StoreError, Username, Work,
};
use evertick::games::eternity::{Spawn, World};
use evertick::ids::ConnId;
use evertick::packet::Encoding;
use evertick::storage::{Argon2id, Cost, Database, Storage};
use evertick::time::WallMs;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use walkers::{Moves, Walkers};

const PLAYERS: usize = 200;
const LOGINS_A_SECOND: u32 = 50;
const SYNC: Duration = Duration::from_millis(10);
/// As many ticks a second as give enough of them for a percentile in a short time.
const RATE: u32 = 60;
const ROUNDS: usize = 2;
const ROUND: Duration = Duration::from_secs(12);
/// Ticks after which the players' walk begins again.
const TOUR: usize = 240;
const ACCOUNTS: u32 = 200;
const PASSWORD: &str = "correct horse";

/// A database whose disk is slow.
struct Slow(Database);

impl Store for Slow {
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError> {
        if group.iter().any(Request::writes) {
            std::thread::sleep(SYNC);
        }
        self.0.commit(group)
    }
}

/// A database with accounts that may log in.
fn database(hasher: &mut impl Hasher) -> Database {
    let mut database = Database::in_memory().expect("there is memory");
    let password = Password::new(PASSWORD).expect("long enough");
    let hashed = hasher.work(&Work::Hash { password, salt: [7; 16] }).expect("there is memory");
    let Hashed::Hash(hash) = hashed else { unreachable!("a hash was asked for") };
    let register = |n: u32| Request::Register {
        name: Username::new(&format!("account{n}")).expect("a proper name"),
        password: hash.clone(),
        now: WallMs(0),
    };
    let group: Vec<Request> = (0..ACCOUNTS).map(register).collect();
    let replies = database.commit(&group).expect("there is memory");
    assert!(replies.iter().all(Result::is_ok));
    database
}

/// How those who logged in fared.
#[derive(Default)]
struct Logins {
    begun: u32,
    /// Who has begun, and what came of it so far.
    waiting: BTreeMap<ConnId, Vec<u8>>,
    let_in: u32,
    busy: u32,
    other: u32,
}

struct Bench {
    walkers: Walkers,
    storage: Storage,
    logins: Logins,
}

impl Bench {
    fn new() -> Bench {
        let mut hasher = Argon2id::new(Cost::default()).expect("a cost");
        let database = database(&mut hasher);
        let storage = Storage::start(Slow(database), hasher, || {}).expect("threads");
        let mut walkers = Walkers::new(World::built_in(), Spawn::Spread, PLAYERS, &Encoding::ALL, TOUR);
        walkers.crowd.engine.use_storage();
        Bench { walkers, storage, logins: Logins::default() }
    }

    /// One tick and all that belongs to it.
    fn tick(&mut self, moves: &mut Moves, logins: u32) {
        self.walkers.receive(moves);
        (0..logins).for_each(|_| self.log_in());
        self.carry();
        self.walkers.crowd.begin_tick();
        self.flush();
        self.carry();
    }

    /// Everybody who has something to hear is written to: players into nothing, the others into their answers.
    fn flush(&mut self) {
        let Bench { walkers, logins, .. } = self;
        let crowd = &mut walkers.crowd;
        while let Some(conn) = crowd.engine.attention() {
            match logins.waiting.get_mut(&conn) {
                Some(answer) => crowd.engine.flush(conn, answer, crowd.now),
                None => crowd.engine.flush(conn, &mut crowd.sink, crowd.now),
            };
        }
    }

    fn carry(&mut self) {
        let crowd = &mut self.walkers.crowd;
        while let Some((ticket, answer)) = self.storage.completed() {
            crowd.engine.complete(ticket, answer, crowd.now);
        }
        while let Some((ticket, errand)) = crowd.engine.errand() {
            debug_assert!(matches!(errand, Errand::Store(_) | Errand::Hash(_)));
            self.storage.submit(ticket, errand);
        }
    }

    /// Somebody else, from another address, begins to log in.
    fn log_in(&mut self) {
        self.logins.begun += 1;
        let n = self.logins.begun;
        let [_, a, b, c] = n.to_be_bytes();
        let crowd = &mut self.walkers.crowd;
        let ip = IpAddr::V4(Ipv4Addr::new(10, a, b, c));
        let Some(conn) = crowd.engine.accept(ip, crowd.now) else { return self.logins.other += 1 };
        let body = format!(r#"{{"username":"account{}","password":"{PASSWORD}"}}"#, n % ACCOUNTS);
        let head = "POST /api/auth/login HTTP/1.1\r\nHost: a\r\n";
        let mut request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
        let mut answer = Vec::new();
        crowd.engine.receive(conn, &mut request, &mut answer, crowd.now);
        self.logins.waiting.insert(conn, answer);
    }

    /// Reads the answers that have come; not a part of the tick.
    fn hear(&mut self) {
        let Bench { walkers, logins, .. } = self;
        let crowd = &mut walkers.crowd;
        logins.waiting.retain(|conn, answer| {
            match answer.get(9..12) {
                None => return true,
                Some(b"200") => logins.let_in += 1,
                Some(b"503") => logins.busy += 1,
                Some(_) => logins.other += 1,
            }
            crowd.engine.disconnect(*conn, crowd.now);
            false
        });
    }

    /// Ticks for a while; how long each took.
    fn run(&mut self, logins_a_second: u32, took: &mut Vec<Duration>) {
        let interval = Duration::from_secs(1) / RATE;
        let mut owed = 0;
        let mut next = now();
        for _ in 0..ROUND.as_secs() * u64::from(RATE) {
            next += interval;
            std::thread::sleep(next.saturating_duration_since(now()));
            owed += logins_a_second;
            let logins = owed / RATE;
            owed %= RATE;
            let mut moves = self.walkers.next_moves();
            took.push(timed(|| self.tick(&mut moves, logins)));
            self.hear();
        }
    }
}

/// How long something takes.
fn timed(work: impl FnOnce()) -> Duration {
    let began = now();
    work();
    began.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    let mut bench = Bench::new();
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bench.run(0, &mut idle);
        bench.run(LOGINS_A_SECOND, &mut busy);
    }
    println!("| {PLAYERS} players walk, and | ticks | p50 | p99 | max |");
    println!("| --- | --- | --- | --- | --- |");
    let [idle, busy] = [("nobody logs in", idle), ("50 a second log in", busy)].map(|(what, mut took)| {
        took.sort_unstable();
        let at = |share: usize| took[took.len() * share / 100];
        println!(
            "| {what} | {} | {:.2?} | {:.2?} | {:.2?} |",
            took.len(),
            at(50),
            at(99),
            took[took.len() - 1]
        );
        at(99)
    });
    println!("p99 under logins is {:.2} of p99 without", busy.as_secs_f64() / idle.as_secs_f64());
    let Logins { begun, let_in, busy, other, waiting } = &bench.logins;
    println!(
        "{begun} logins: {let_in} let in, {busy} told busy, {other} else, {} not answered yet",
        waiting.len()
    );
    assert!(*let_in > 0, "nobody was let in: this has measured nothing");
    assert_eq!(*other, 0, "everybody is let in, or told that there is too much to do");
}
