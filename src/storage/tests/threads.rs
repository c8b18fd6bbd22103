//! The threads and their queues. Nothing here waits for a time, only for what is to happen.

use super::*;
use crate::account::{Answer, Errand, HashError, Hashed, Hasher, Password, StoreError, Ticket, Work};
use crate::limits;
use crate::storage::{Argon2id, BadCost, Cost, Storage};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
#[cfg(target_os = "linux")]
use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy};

/// Far longer than anything here takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store that waits to be let go before each group, and says how large the group was.
struct Gated {
    inner: Database,
    go: Receiver<()>,
    groups: Arc<Mutex<Vec<usize>>>,
    broken: bool,
}

impl Store for Gated {
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError> {
        // Without a test that lets it go, it goes by itself.
        let _ = self.go.recv();
        self.groups.lock().expect("nobody panicked").push(group.len());
        self.broken = !self.broken && group.contains(&Request::LiftBan(666));
        if self.broken { Err(StoreError::Io("it is broken".to_owned())) } else { self.inner.commit(group) }
    }
}

/// A hasher that waits likewise.
struct GatedHasher(Receiver<()>);

impl Hasher for GatedHasher {
    fn work(&mut self, work: &Work) -> Result<Hashed, HashError> {
        let _ = self.0.recv();
        Ok(Hashed::Verified(matches!(work, Work::Verify { against: Some(_), .. })))
    }
}

struct Rig {
    storage: Storage,
    woken: Receiver<()>,
    go: Sender<()>,
    hash: Sender<()>,
    groups: Arc<Mutex<Vec<usize>>>,
}

impl Rig {
    fn new() -> Rig {
        let (go, gate) = channel();
        let (hash, hash_gate) = channel();
        let (wake, woken) = channel();
        let groups = Arc::new(Mutex::new(Vec::new()));
        let store = Gated { inner: memory(), go: gate, groups: groups.clone(), broken: false };
        let wake = Mutex::new(wake);
        let wake = move || {
            let _ = wake.lock().expect("nobody panicked").send(());
        };
        let storage = Storage::start(store, GatedHasher(hash_gate), wake).expect("threads");
        Rig { storage, woken, go, hash, groups }
    }

    fn store(&mut self, slot: u32, request: Request) {
        self.storage.submit(ticket(slot), Errand::Store(request));
    }

    fn verify(&mut self, slot: u32) {
        let password = Password::new("correct horse").expect("long enough");
        let work = Work::Verify { password, against: Some(PasswordHash::new(String::new())) };
        self.storage.submit(ticket(slot), Errand::Hash(work));
    }

    /// The next answer, when it comes.
    fn answer(&mut self) -> (Ticket, Answer) {
        loop {
            if let Some(answer) = self.storage.completed() {
                return answer;
            }
            self.woken.recv_timeout(PATIENCE).expect("whoever waits for an answer is woken");
        }
    }
}

fn ticket(slot: u32) -> Ticket {
    Ticket { slot, generation: 7 }
}

#[test]
fn nothing_is_answered_before_it_is_committed_and_all_that_is_queued_is_one_group() {
    let mut rig = Rig::new();
    rig.store(0, register("Ada"));
    // The thread has the first by itself, or together with some of the others: it is not let go.
    for slot in 1..50 {
        rig.store(slot, save(&slot.to_string(), slot));
    }
    assert_eq!(rig.storage.completed(), None);
    assert_eq!(rig.storage.queue(), 50);
    for _ in 0..50 {
        rig.go.send(()).expect("the thread is there");
    }
    assert_eq!(rig.answer(), (ticket(0), Answer::Store(Ok(Reply::Registered(AccountId(1))))));
    for slot in 1..50 {
        assert_eq!(rig.answer(), (ticket(slot), Answer::Store(Ok(Reply::Saved))), "in their order");
    }
    let groups = rig.groups.lock().expect("nobody panicked").clone();
    assert_eq!(groups.iter().sum::<usize>(), 50);
    assert!(groups.len() <= 2, "what waited went together: {groups:?}");
    assert_eq!(rig.storage.queue(), 0);
    assert!(rig.storage.commit_p99() > Duration::ZERO);
}

#[test]
fn one_too_many_is_busy_and_nothing_waits() {
    let mut rig = Rig::new();
    let room = limits::STORAGE_TICKETS + 1;
    for slot in 0..room {
        rig.store(slot, Request::Bans);
    }
    rig.store(9999, Request::Bans);
    assert_eq!(rig.answer(), (ticket(9999), Answer::Store(Err(StoreError::Busy.into()))));
    assert_eq!(rig.storage.completed(), None);
    drop(rig.go);
    let answers = rig.storage.finish();
    assert_eq!(answers.len(), room as usize);
    assert!(answers.iter().all(|(_, answer)| matches!(answer, Answer::Store(Ok(Reply::Bans(_))))));
}

#[test]
fn passwords_have_a_queue_of_their_own_and_do_not_stand_in_the_disk_s_way() {
    let mut rig = Rig::new();
    for slot in 0..limits::HASH_QUEUE as u32 {
        rig.verify(slot);
    }
    rig.verify(5000);
    assert_eq!(rig.answer(), (ticket(5000), Answer::Hash(Err(HashError::Busy))));
    rig.store(6000, Request::Bans);
    rig.go.send(()).expect("the thread is there");
    assert_eq!(rig.answer(), (ticket(6000), Answer::Store(Ok(Reply::Bans(vec![])))));
    rig.hash.send(()).expect("the thread is there");
    assert_eq!(rig.answer(), (ticket(0), Answer::Hash(Ok(Hashed::Verified(true)))));
    // There is room for one again.
    rig.verify(7000);
    for _ in 0..limits::HASH_QUEUE {
        rig.hash.send(()).expect("the thread is there");
    }
    for slot in (1..limits::HASH_QUEUE as u32).chain([7000]) {
        assert_eq!(rig.answer(), (ticket(slot), Answer::Hash(Ok(Hashed::Verified(true)))));
    }
}

#[test]
fn a_disk_that_fails_is_an_answer_and_the_thread_goes_on() {
    let mut rig = Rig::new();
    rig.store(0, Request::LiftBan(666));
    rig.go.send(()).expect("the thread is there");
    let (_, answer) = rig.answer();
    assert_eq!(answer, Answer::Store(Err(StoreError::Io("it is broken".to_owned()).into())));
    rig.store(1, register("Ada"));
    rig.go.send(()).expect("the thread is there");
    assert_eq!(rig.answer(), (ticket(1), Answer::Store(Ok(Reply::Registered(AccountId(1))))));
}

/// A store in which the thread dies, as a mistake of ours would have it.
struct Dying;

impl Store for Dying {
    fn commit(&mut self, _: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError> {
        std::panic::resume_unwind(Box::new("the test's own"))
    }
}

#[test]
fn where_a_thread_has_died_everybody_is_told() {
    let (wake, woken) = channel();
    let wake = Mutex::new(wake);
    let wake = move || {
        let _ = wake.lock().expect("nobody panicked").send(());
    };
    let mut storage = Storage::start(Dying, cheap(), wake).expect("threads");
    let gone = || Answer::Store(Err(StoreError::Gone.into()));
    storage.submit(ticket(0), Errand::Store(Request::Bans));
    woken.recv_timeout(PATIENCE).expect("its last word");
    assert_eq!(storage.completed(), Some((ticket(0), gone())));
    storage.submit(ticket(1), Errand::Store(Request::Bans));
    assert_eq!(storage.completed(), Some((ticket(1), gone())), "and so it goes on");
    assert_eq!(storage.queue(), 0);
}

#[test]
fn finishing_does_everything_that_was_handed_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Database::open(folder.path()).expect("it opens");
    let hasher = Argon2id::new(Cost { memory_kib: 8, passes: 1 }).expect("a cost");
    let mut storage = Storage::start(store, hasher, || {}).expect("threads");
    for slot in 0..200 {
        storage.submit(ticket(slot), Errand::Store(save(&slot.to_string(), slot)));
    }
    let work = Work::Hash { password: Password::new("correct horse").expect("long enough"), salt: [3; 16] };
    storage.submit(ticket(300), Errand::Hash(work));
    let answers = storage.finish();
    assert_eq!(answers.len(), 201);
    let done = |(_, answer): &&(Ticket, Answer)| {
        matches!(answer, Answer::Store(Ok(Reply::Saved)) | Answer::Hash(Ok(Hashed::Hash(_))))
    };
    assert_eq!(answers.iter().filter(done).count(), 201);
    let mut again = Database::open(folder.path()).expect("it was let go");
    assert_eq!(records(&mut again, "piece", "").len(), 200);
}

/// A hasher that says how it ranks among threads.
#[cfg(target_os = "linux")]
struct Ranked(Sender<ThreadSchedulePolicy>);

#[cfg(target_os = "linux")]
impl Hasher for Ranked {
    fn work(&mut self, _: &Work) -> Result<Hashed, HashError> {
        let rank = thread_priority::thread_schedule_policy().expect("one's own can be asked");
        self.0.send(rank).expect("the test listens");
        Ok(Hashed::Verified(true))
    }
}

#[cfg(target_os = "linux")]
#[test]
fn hashing_comes_last_and_lowers_nobody_else() {
    let own = || thread_priority::thread_schedule_policy().expect("one's own can be asked");
    let (before, (rank, ranked)) = (own(), channel());
    let mut storage = Storage::start(memory(), Ranked(rank), || {}).expect("threads");
    let work = Work::Verify { password: Password::new("correct horse").expect("long enough"), against: None };
    storage.submit(ticket(0), Errand::Hash(work));
    let last = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    assert_eq!(ranked.recv_timeout(PATIENCE).expect("it is done"), last);
    assert_eq!(own(), before);
}

fn cheap() -> Argon2id {
    Argon2id::new(Cost { memory_kib: 8, passes: 1 }).expect("a cost")
}

fn verify(hasher: &mut Argon2id, password: &str, against: Option<&str>) -> Result<Hashed, HashError> {
    let password = Password::new(password).expect("long enough");
    let against = against.map(|phc| PasswordHash::new(phc.to_owned()));
    hasher.work(&Work::Verify { password, against })
}

#[test]
fn a_password_is_right_or_wrong_and_nobody_s_is_right() {
    let mut hasher = cheap();
    let password = Password::new("correct horse").expect("long enough");
    let mut hash = |salt| match hasher.work(&Work::Hash { password: password.clone(), salt }) {
        Ok(Hashed::Hash(hash)) => hash.expose().to_owned(),
        other => panic!("{other:?}"),
    };
    let (one, other) = (hash([1; 16]), hash([2; 16]));
    assert!(one.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{one}");
    assert_ne!(one, other, "each has its salt");
    assert_eq!(verify(&mut hasher, "correct horse", Some(&one)), Ok(Hashed::Verified(true)));
    assert_eq!(verify(&mut hasher, "Correct horse", Some(&one)), Ok(Hashed::Verified(false)));
    assert_eq!(verify(&mut hasher, "correct horse", None), Ok(Hashed::Verified(false)));
    assert_eq!(verify(&mut hasher, "no account has this hash", None), Ok(Hashed::Verified(false)));
}

#[test]
fn a_hash_of_the_reference_implementation_is_read_whatever_it_cost() {
    let reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    assert_eq!(verify(&mut cheap(), "password", Some(reference)), Ok(Hashed::Verified(true)));
    assert_eq!(verify(&mut cheap(), "passwords", Some(reference)), Ok(Hashed::Verified(false)));
}

#[test]
fn what_is_no_hash_is_unreadable() {
    for stored in [
        "",
        "x",
        "$argon2id$",
        "$scrypt$ln=1,r=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR",
        "$argon2id$v=19$m=256,t=2,p=1",
    ] {
        let verified = verify(&mut cheap(), "correct horse", Some(stored));
        assert_eq!(verified, Err(HashError::Unreadable), "{stored:?}");
    }
}

#[test]
fn a_cost_that_argon2_does_not_have_is_refused() {
    for cost in [Cost { memory_kib: 0, passes: 1 }, Cost { memory_kib: 8, passes: 0 }] {
        let error: BadCost = Argon2id::new(cost).expect_err("there is no such cost");
        assert!(error.to_string().starts_with("passwords cannot be hashed at that cost: "), "{error}");
    }
    assert_eq!(Cost::default(), Cost { memory_kib: 19_456, passes: 2 });
}
