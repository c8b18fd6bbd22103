//! What may lag: a set of records whose newest value is not yet on disk, and of login sessions that were renewed.
//!
//! The newest value of a key wins, so that this is bounded by what there is, not by how often it changes. Everything
//! goes out in rounds, at most one every [`limits::SAVE_INTERVAL`], in pieces of [`limits::SAVE_ITEMS`], one piece under way at a time.
//!
//! **A save never undoes a commit.** While a commit that touches a record is under way, the game's memory still has the
//! record as it was before; a save of it, written behind the commit, would take back what is about to be confirmed. So
//! whoever sends a commit holds its records here first: saves of them wait, and are dropped when the commit is on disk. The
//! game applies the commit to its memory then, and saves the record again if there is more to it.

use super::credentials::TokenDigest;
use super::record::{Change, Json, RecordId, SavedRecord};
use super::request::{Renewal, Saves};
use crate::limits;
use crate::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The set.
///
/// Invariant: no key is both in `waiting` and in `round`; `held` has no zeros.
#[derive(Debug, Default)]
pub struct Dirty {
    /// For the next round.
    waiting: Pile,
    /// What is left of this round.
    round: Pile,
    /// How many commits under way touch a record.
    held: BTreeMap<RecordId, u32>,
    under_way: Option<Arc<Saves>>,
    round_began: Option<Time>,
    asked: bool,
}

/// Newest values by key.
#[derive(Debug, Default)]
struct Pile {
    records: BTreeMap<RecordId, (u32, Json)>,
    renewals: BTreeMap<TokenDigest, Renewal>,
}

impl Pile {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.renewals.is_empty()
    }
}

impl Dirty {
    /// Nothing to save.
    pub fn new() -> Dirty {
        Dirty::default()
    }

    /// Has a record saved; takes the place of what waits under the same key.
    pub fn save(&mut self, record: SavedRecord) {
        let value = (record.version, record.value);
        match self.round.records.get_mut(&record.id) {
            Some(place) => *place = value,
            None => drop(self.waiting.records.insert(record.id, value)),
        }
    }

    /// Has a login session renewed; takes the place of an older renewal that waits.
    pub fn renew(&mut self, renewal: Renewal) {
        match self.round.renewals.get_mut(&renewal.digest) {
            Some(place) => *place = renewal,
            None => drop(self.waiting.renewals.insert(renewal.digest, renewal)),
        }
    }

    /// Has the next round begin as soon as nothing is under way; asks for nothing where everything is on disk.
    pub fn ask(&mut self) {
        self.asked = !self.is_clean();
    }

    /// Holds back the records of a commit that is being sent; [`Dirty::release`] comes with its answer.
    pub fn hold(&mut self, changes: &[Change]) {
        for change in changes {
            *self.held.entry(change.id().clone()).or_default() += 1;
        }
    }

    /// The commit that was held for is answered. Where it is on disk, saves of its records are dropped: they are
    /// older than what it wrote.
    pub fn release(&mut self, changes: &[Change], committed: bool) {
        for id in changes.iter().map(Change::id) {
            match self.held.get_mut(id) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) => drop(self.held.remove(id)),
                None => debug_assert!(false, "a commit is held for before it is released"),
            }
            if committed {
                self.waiting.records.remove(id);
                self.round.records.remove(id);
            }
        }
    }

    /// The next piece to send, under [`Ticket::SAVE`](super::Ticket::SAVE); [`Dirty::reported`] comes with its answer. `None` while one
    /// is under way, and until a round is due.
    pub fn next(&mut self, now: Time) -> Option<Arc<Saves>> {
        if self.under_way.is_some() {
            return None;
        }
        if self.round.is_empty() && !self.waiting.is_empty() && self.is_due(now) {
            self.round = std::mem::take(&mut self.waiting);
            self.round_began = Some(now);
            self.asked = false;
        }
        let saves = self.piece();
        if saves.records.is_empty() && saves.renewals.is_empty() {
            return None;
        }
        let saves = Arc::new(saves);
        self.under_way = Some(saves.clone());
        Some(saves)
    }

    /// What became of the piece under way. What is not on disk waits for the next round, except what has a newer value by
    /// now.
    pub fn reported(&mut self, saved: bool) {
        let Some(saves) = self.under_way.take() else { return };
        if saved {
            return;
        }
        let round = std::mem::take(&mut self.round);
        self.waiting.records.extend(round.records);
        self.waiting.renewals.extend(round.renewals);
        for record in &saves.records {
            let value = || (record.version, record.value.clone());
            self.waiting.records.entry(record.id.clone()).or_insert_with(value);
        }
        for renewal in &saves.renewals {
            self.waiting.renewals.entry(renewal.digest).or_insert(*renewal);
        }
    }

    /// Whether everything is on disk.
    pub fn is_clean(&self) -> bool {
        self.waiting.is_empty() && self.round.is_empty() && self.under_way.is_none()
    }

    /// How many records and renewals are not on disk, without those under way.
    pub fn len(&self) -> usize {
        [&self.waiting, &self.round].map(|pile| pile.records.len() + pile.renewals.len()).iter().sum()
    }

    /// Whether nothing waits; something may be under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_due(&self, now: Time) -> bool {
        self.asked || self.round_began.is_none_or(|began| now.since(began) >= limits::SAVE_INTERVAL)
    }

    /// Takes from the round what fits one piece. What is held goes back to wait for the next round.
    fn piece(&mut self) -> Saves {
        let mut saves = Saves::default();
        while saves.records.len() < limits::SAVE_ITEMS {
            let Some((id, value)) = self.round.records.pop_first() else { break };
            if self.held.contains_key(&id) {
                self.waiting.records.insert(id, value);
            } else {
                saves.records.push(SavedRecord { id, version: value.0, value: value.1 });
            }
        }
        while saves.records.len() + saves.renewals.len() < limits::SAVE_ITEMS {
            let Some((_, renewal)) = self.round.renewals.pop_first() else { break };
            saves.renewals.push(renewal);
        }
        saves
    }
}
