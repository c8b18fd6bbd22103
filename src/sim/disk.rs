//! Storage as a run has it: a store and a hasher that whoever runs it brings, behind a disk that is slow, fails and fills
//! up.
//!
//! It does what the threads of the real one do, in made-up time: what is asked while a commit is under way is the next
//! group, answers come in order and only after their commit, passwords are worked on one after the other. **What fails has
//! not reached the store**, so that whoever was told that something is done can be held against what the store has.

use super::scenario::DiskFaults;
use crate::account::{
    self, Answer, Errand, HashError, Hashed, Hasher, Refused, Reply, Request, Store, StoreError, Ticket, Work,
};
use crate::engine::Engine;
use crate::limits;
use crate::random::Random;
use crate::time::{Time, WallMs};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The disk, and what waits for it.
pub(super) struct Disk {
    platter: Platter,
    hasher: Box<dyn Hasher>,
    /// Asked since the group under way was put together.
    waiting: Vec<(Ticket, Request)>,
    /// The group under way, and when it is on the disk or has failed.
    group: Option<(Time, Vec<(Ticket, Request)>)>,
    passwords: VecDeque<(Ticket, Work)>,
    /// When the first of the passwords is done with.
    hashed_at: Time,
    /// What is to be told, and when.
    answers: VecDeque<(Time, Ticket, Answer)>,
}

/// What is on the disk, and its mood.
struct Platter {
    store: Box<dyn Store>,
    faults: DiskFaults,
    chance: Random,
    /// Until when there is no room on it.
    full_until: Time,
    is_full: bool,
    failed: u64,
}

impl Store for Platter {
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError> {
        let fails = self.chance.chance(self.faults.fails);
        let error = match group.iter().any(Request::writes) {
            true if self.is_full => Some(StoreError::DiskFull),
            _ if fails => Some(StoreError::Io("the simulated disk has failed".to_owned())),
            _ => None,
        };
        match error {
            Some(error) => {
                self.failed += 1;
                Err(error)
            }
            None => self.store.commit(group),
        }
    }
}

impl Disk {
    /// With nothing under way.
    pub(super) fn new(
        store: Box<dyn Store>,
        hasher: Box<dyn Hasher>,
        faults: DiskFaults,
        chance: Random,
    ) -> Disk {
        let full_until = Time::START;
        Disk {
            platter: Platter { store, faults, chance, full_until, is_full: false, failed: 0 },
            hasher,
            waiting: Vec::new(),
            group: None,
            passwords: VecDeque::new(),
            hashed_at: Time::START,
            answers: VecDeque::new(),
        }
    }

    /// Hands an engine what is kept, as a server does before anybody may come.
    ///
    /// # Errors
    /// It cannot read it.
    pub(super) fn load(&mut self, engine: &mut Engine, now: Time, wall: WallMs) -> Result<(), String> {
        let store = &mut *self.platter.store;
        let replies = ask_all(store, &Engine::account_requests(wall))?;
        if !engine.load_accounts(replies, now, wall) {
            return Err("the accounts that are kept cannot be read".to_owned());
        }
        let mut kept = BTreeMap::new();
        for (game, name, collection) in engine.collections() {
            let (collection_of, prefix) = (collection.to_owned(), String::new());
            let request = Request::Records { game: name, collection: collection_of, prefix };
            if let [Reply::Records(records)] = &ask_all(store, &[request])?[..] {
                kept.entry(game).or_insert_with(Vec::new).push((collection, records.clone()));
            }
        }
        for game in engine.games() {
            let records = kept.remove(&game).unwrap_or_default();
            engine.load_game(game, records).map_err(|error| error.to_string())?;
        }
        engine.use_storage();
        Ok(())
    }

    /// Carries answers that are due to the engine and its errands out, until there are none of either.
    pub(super) fn carry(&mut self, engine: &mut Engine, now: Time) {
        loop {
            while let Some((ticket, errand)) = engine.errand() {
                self.submit(ticket, errand, now);
            }
            self.turn(now);
            if self.answers.front().is_none_or(|(at, ..)| *at > now) {
                return;
            }
            if let Some((_, ticket, answer)) = self.answers.pop_front() {
                engine.complete(ticket, answer, now);
            }
        }
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn heal(&mut self) {
        self.platter.faults = DiskFaults::none();
        self.platter.full_until = Time::START;
    }

    /// What is on it: asking goes past all that may be wrong with it.
    pub(super) fn store(&mut self) -> &mut dyn Store {
        &mut *self.platter.store
    }

    /// How many commits have failed so far.
    pub(super) fn failed(&self) -> u64 {
        self.platter.failed
    }

    fn submit(&mut self, ticket: Ticket, errand: Errand, now: Time) {
        match errand {
            Errand::Store(request) => self.waiting.push((ticket, request)),
            Errand::Hash(_) if self.passwords.len() >= limits::HASH_QUEUE => {
                self.answers.push_back((now, ticket, Answer::Hash(Err(HashError::Busy))));
            }
            Errand::Hash(work) => {
                if self.passwords.is_empty() {
                    self.hashed_at = now + self.platter.slowness(60);
                }
                self.passwords.push_back((ticket, work));
            }
        }
    }

    fn turn(&mut self, now: Time) {
        if let Some((_, group)) = self.group.take_if(|(at, _)| *at <= now) {
            self.finish(group, now);
        }
        if self.group.is_none() && !self.waiting.is_empty() {
            let ready = now + self.platter.slowness(30);
            self.group = Some((ready, std::mem::take(&mut self.waiting)));
        }
        while self.hashed_at <= now
            && let Some((ticket, work)) = self.passwords.pop_front()
        {
            let hashed = self.hash(&work);
            self.answers.push_back((now, ticket, Answer::Hash(hashed)));
            self.hashed_at = now + self.platter.slowness(60);
        }
    }

    /// A group is on the disk, or is not.
    fn finish(&mut self, group: Vec<(Ticket, Request)>, now: Time) {
        self.platter.fill_up(now);
        let (tickets, requests): (Vec<Ticket>, Vec<Request>) = group.into_iter().unzip();
        let answers = account::commit(&mut self.platter, &requests);
        let told = now + self.platter.slowness(10);
        for (ticket, answer) in tickets.into_iter().zip(answers) {
            self.answers.push_back((told, ticket, Answer::Store(answer)));
        }
    }

    fn hash(&mut self, work: &Work) -> Result<Hashed, HashError> {
        match self.platter.chance.chance(self.platter.faults.fails) {
            true => Err(HashError::Failed("no simulated memory is left".to_owned())),
            false => self.hasher.work(work),
        }
    }
}

impl Platter {
    /// How long something takes: up to `usual_ms`, and at times much longer.
    fn slowness(&mut self, usual_ms: u64) -> Duration {
        let stalls = self.chance.chance(self.faults.stalls);
        let most = if stalls { self.faults.longest.as_millis() as u64 } else { usual_ms };
        Duration::from_millis(self.chance.below(most + 1))
    }

    /// The disk may have no room from here on, for a while.
    fn fill_up(&mut self, now: Time) {
        if self.full_until <= now && self.chance.chance(self.faults.fills) {
            self.full_until = now + self.slowness(2000);
        }
        self.is_full = self.full_until > now;
    }
}

fn ask_all(store: &mut dyn Store, requests: &[Request]) -> Result<Vec<Reply>, String> {
    let replies = store.commit(requests).map_err(|error| error.to_string())?;
    replies.into_iter().map(|reply| reply.map_err(|refused| refused.to_string())).collect()
}
