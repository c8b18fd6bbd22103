//! The two threads, and the tick's side of them.
//!
//! ```text
//! submit -> [bounded queue] -> commit thread: all that is queued, one transaction -> [bounded results] -> completed
//!        -> [bounded queue] -> hash thread: one password at a time, lowest priority  -> [same results]
//! ```
//!
//! **There is a place for every result before its errand is taken**: what is under way is known, and no more is taken than
//! results have room. So neither thread ever waits for the tick, and the tick never waits for them. What is not taken is
//! answered `busy` in the same way as everything else.

use crate::account::{self, Answer, Errand, HashError, Hasher, Request, Store, StoreError, Ticket, Work};
use crate::limits;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Requests under way at once: every ticket, and the save that has its own.
const UNDER_WAY: usize = limits::STORAGE_TICKETS as usize + 1;
/// How long the hash thread keeps its memory for the next password.
const HASHING_RESTS: Duration = Duration::from_secs(2);
/// Places for results: for each answer, for the time of each commit (there are no more of them than of answers that
/// nobody has taken, for each goes before its group's), and for the death of each thread.
const RESULTS: usize = UNDER_WAY * 2 + limits::HASH_QUEUE + 2;

/// The tick's side of storage. Dropping it is [`Storage::finish`].
pub struct Storage {
    requests: Line<Request>,
    passwords: Line<Work>,
    results: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
    /// Answers to what was not taken, or not answered by a thread that has died.
    turned_away: VecDeque<(Ticket, Answer)>,
    commits: Commits,
}

/// The queue to one thread, and what the thread has not answered yet, oldest first.
struct Line<T> {
    /// `None` when the thread is to end, or has died.
    queue: Option<SyncSender<(Ticket, T)>>,
    under_way: VecDeque<Ticket>,
    room: usize,
}

/// Why something was not taken.
#[derive(Clone, Copy)]
enum Turned {
    Busy,
    Gone,
}

/// What the threads hand back.
enum Done {
    Answer(Ticket, Answer),
    /// A group that changed something is on disk, or failed; it took so long.
    Commit {
        took: Duration,
    },
    /// A thread has panicked: a mistake of ours. Nothing that it still had is confirmed.
    Died(Thread),
}

#[derive(Clone, Copy)]
enum Thread {
    Commit,
    Hash,
}

/// What wakes the one who calls [`Storage::completed`].
type Wake = Arc<dyn Fn() + Send + Sync>;

impl<T> Line<T> {
    fn new(room: usize) -> (Line<T>, Receiver<(Ticket, T)>) {
        let (queue, waiting) = sync_channel(room);
        (Line { queue: Some(queue), under_way: VecDeque::new(), room }, waiting)
    }

    fn put(&mut self, ticket: Ticket, what: T) -> Result<(), Turned> {
        let queue = self.queue.as_ref().ok_or(Turned::Gone)?;
        if self.under_way.len() >= self.room {
            return Err(Turned::Busy);
        }
        queue.try_send((ticket, what)).map_err(|error| match error {
            TrySendError::Full(_) => Turned::Busy,
            TrySendError::Disconnected(_) => Turned::Gone,
        })?;
        self.under_way.push_back(ticket);
        Ok(())
    }
}

impl Turned {
    fn request(self) -> Answer {
        Answer::Store(Err(match self {
            Turned::Busy => StoreError::Busy.into(),
            Turned::Gone => StoreError::Gone.into(),
        }))
    }

    fn password(self) -> Answer {
        Answer::Hash(Err(match self {
            Turned::Busy => HashError::Busy,
            Turned::Gone => HashError::Gone,
        }))
    }
}

impl Storage {
    /// Starts the threads. `wake` is called from them whenever there are results, and must not block.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(
        store: impl Store + Send + 'static,
        hasher: impl Hasher + Send + 'static,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Storage> {
        let (requests, waiting_requests) = Line::new(UNDER_WAY);
        let (passwords, waiting_passwords) = Line::new(limits::HASH_QUEUE);
        let (done, results) = sync_channel(RESULTS);
        let wake: Wake = Arc::new(wake);
        let back = |thread| Back { done: done.clone(), wake: wake.clone(), thread };
        let (from_commit, from_hash) = (back(Thread::Commit), back(Thread::Hash));
        let commit = Builder::new().name("storage".to_owned());
        let commit = commit.spawn(move || commit_groups(store, &waiting_requests, &from_commit))?;
        let hash = Builder::new().name("hashing".to_owned());
        let hash = hash.spawn(move || hash_passwords(hasher, &waiting_passwords, &from_hash))?;
        let threads = vec![commit, hash];
        let (turned_away, commits) = (VecDeque::new(), Commits::default());
        Ok(Storage { requests, passwords, results, threads, turned_away, commits })
    }

    /// Hands an errand in, and returns at once. Its answer comes from [`Storage::completed`], whatever becomes of it; what
    /// is one too many is answered [`StoreError::Busy`] or [`HashError::Busy`].
    pub fn submit(&mut self, ticket: Ticket, errand: Errand) {
        let taken = match errand {
            Errand::Store(request) => self.requests.put(ticket, request).map_err(Turned::request),
            Errand::Hash(work) => self.passwords.put(ticket, work).map_err(Turned::password),
        };
        if let Err(answer) = taken {
            self.turned_away.push_back((ticket, answer));
        }
    }

    /// The next answer, if there is one; returns at once. Requests are answered in the order in which they were taken,
    /// passwords likewise.
    pub fn completed(&mut self) -> Option<(Ticket, Answer)> {
        loop {
            if let Some(answer) = self.turned_away.pop_front() {
                return Some(answer);
            }
            // Ended threads have left nothing: they said so before.
            match self.results.try_recv().ok()? {
                Done::Answer(ticket, answer) => {
                    let oldest = match answer {
                        Answer::Store(_) => self.requests.under_way.pop_front(),
                        Answer::Hash(_) => self.passwords.under_way.pop_front(),
                    };
                    debug_assert_eq!(oldest, Some(ticket), "answers come in order");
                    return Some((ticket, answer));
                }
                Done::Commit { took } => self.commits.add(took),
                Done::Died(thread) => self.bury(thread),
            }
        }
    }

    /// How many errands are under way.
    pub fn queue(&self) -> usize {
        self.requests.under_way.len() + self.passwords.under_way.len()
    }

    /// How long commits took: 99 % of the last 1024 were faster. Counted are groups that changed something.
    pub fn commit_p99(&self) -> Duration {
        self.commits.p99()
    }

    /// Has everything that was handed in done, and waits for it: the one call here that blocks, for the end of the
    /// program. The answers that nobody has taken come back.
    pub fn finish(mut self) -> Vec<(Ticket, Answer)> {
        self.end_threads();
        std::iter::from_fn(|| self.completed()).collect()
    }

    /// What a dead thread had is answered, and nothing more is given to it.
    fn bury(&mut self, thread: Thread) {
        log::error!("a storage thread has died; what it had is not confirmed");
        let (tickets, answer) = match thread {
            Thread::Commit => (self.requests.bury(), Turned::Gone.request()),
            Thread::Hash => (self.passwords.bury(), Turned::Gone.password()),
        };
        self.turned_away.extend(tickets.into_iter().map(|ticket| (ticket, answer.clone())));
    }

    fn end_threads(&mut self) {
        // Without senders the queues end once they are empty, and with them the threads. Results have room for all.
        (self.requests.queue, self.passwords.queue) = (None, None);
        for thread in self.threads.drain(..) {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

impl<T> Line<T> {
    fn bury(&mut self) -> VecDeque<Ticket> {
        self.queue = None;
        std::mem::take(&mut self.under_way)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.end_threads();
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage").field("queue", &self.queue()).finish_non_exhaustive()
    }
}

/// A thread's way back.
struct Back {
    done: SyncSender<Done>,
    wake: Wake,
    thread: Thread,
}

impl Back {
    /// There is a place for it; nobody is left to hear it only when the program ends.
    fn send(&self, done: Done) {
        let _ = self.done.send(done);
    }
}

impl Drop for Back {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.send(Done::Died(self.thread));
            (self.wake)();
        }
    }
}

/// The commit thread's life: whatever is queued when it comes round is one group.
fn commit_groups(mut store: impl Store, requests: &Receiver<(Ticket, Request)>, back: &Back) {
    while let Ok(first) = requests.recv() {
        let queued = std::iter::once(first).chain(requests.try_iter()).take(UNDER_WAY);
        let (tickets, group): (Vec<Ticket>, Vec<Request>) = queued.unzip();
        let began = now();
        let answers = account::commit(&mut store, &group);
        if group.iter().any(Request::writes) {
            back.send(Done::Commit { took: now().saturating_duration_since(began) });
        }
        for (ticket, answer) in tickets.into_iter().zip(answers) {
            back.send(Done::Answer(ticket, Answer::Store(answer)));
        }
        (back.wake)();
    }
}

/// The hash thread's life.
fn hash_passwords(mut hasher: impl Hasher, passwords: &Receiver<(Ticket, Work)>, back: &Back) {
    yield_to_others();
    loop {
        let (ticket, work) = match passwords.recv_timeout(HASHING_RESTS) {
            Ok(next) => next,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                hasher.rest();
                match passwords.recv() {
                    Ok(next) => next,
                    Err(_) => return,
                }
            }
        };
        back.send(Done::Answer(ticket, Answer::Hash(hasher.work(&work))));
        (back.wake)();
    }
}

/// Lets every other thread go first. A nice value is not enough: who has it finishes its slice, up to 4 ms, before a thread that
/// wakes up is let on its core. Of `SCHED_IDLE` Linux takes the core away at once (sched(7)). Elsewhere this does nothing,
/// and where the system refuses, hashing is as fast as anything else.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
        let last = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let thread = thread_priority::thread_native_id();
        if let Err(error) = thread_priority::set_thread_priority_and_policy(thread, ThreadPriority::Min, last)
        {
            log::warn!("hashing passwords cannot be given the lowest priority: {error:?}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a commit takes is measured where it happens")]
fn now() -> Instant {
    Instant::now()
}

/// The times of the last commits, in a ring.
#[derive(Default)]
struct Commits {
    took: Vec<Duration>,
    oldest: usize,
}

impl Commits {
    const KEPT: usize = 1024;

    fn add(&mut self, took: Duration) {
        if self.took.len() < Commits::KEPT {
            self.took.push(took);
        } else {
            self.took[self.oldest] = took;
            self.oldest = (self.oldest + 1) % Commits::KEPT;
        }
    }

    fn p99(&self) -> Duration {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_of_a_hundred_does_not_count() {
        let mut commits = Commits::default();
        assert_eq!(commits.p99(), Duration::ZERO);
        for ms in (1..=100).rev() {
            commits.add(Duration::from_millis(ms));
        }
        assert_eq!(commits.p99(), Duration::from_millis(99));
        for _ in 0..Commits::KEPT {
            commits.add(Duration::from_millis(5));
        }
        assert_eq!(commits.p99(), Duration::from_millis(5), "what was long ago is forgotten");
    }
}
