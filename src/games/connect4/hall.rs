//! All matches: by number and by id, which of them wait for somebody, which can be watched, and what is due when.
//!
//! Everything here follows from the matches: whoever changed one calls [`Hall::settle`], which brings the indices up to
//! date, and a match at which nobody sits any more is taken out of all of them. An empty hall holds nothing.

use super::LISTED;
use super::matches::{Match, Serial};
use super::packets::{Listed, MatchId};
use crate::engine::Refusal;
use crate::ids::PlayerId;
use crate::packet::Code;
use crate::time::Tick;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What is due at some tick.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Alarm {
    /// The one on turn has had its time.
    Move(Serial),
    /// A lost player has had its time to come back.
    Return(PlayerId),
}

/// All matches.
#[derive(Debug, Default)]
pub(super) struct Hall {
    matches: BTreeMap<Serial, Entry>,
    by_id: BTreeMap<MatchId, Serial>,
    /// Those that anybody may join.
    open: BTreeSet<Serial>,
    /// Those that are being played and are not private, as the list has them: whether the server's own player plays, then
    /// the newest first.
    shown: BTreeSet<(bool, Reverse<Serial>)>,
    alarms: BTreeSet<(Tick, Alarm)>,
    /// How many there have been.
    count: u64,
}

#[derive(Debug)]
struct Entry {
    the_match: Match,
    /// Its deadline as it stands in `alarms`.
    alarm: Option<Tick>,
}

impl Hall {
    /// Opens a match at which nobody sits yet; `secret` gives bytes for its id.
    pub(super) fn open(&mut self, private: bool, mut secret: impl FnMut() -> [u8; 16]) -> Serial {
        let mut id = MatchId::from_secret(secret());
        while self.by_id.contains_key(&id) {
            id = MatchId::from_secret(secret());
        }
        self.count += 1;
        let serial = Serial(self.count);
        self.by_id.insert(id, serial);
        self.matches.insert(serial, Entry { the_match: Match::new(id, private), alarm: None });
        serial
    }

    /// The match that goes by an id.
    ///
    /// # Errors
    /// `not_found`.
    pub(super) fn find(&self, id: &str) -> Result<Serial, Refusal> {
        let serial = MatchId::parse(id).and_then(|id| self.by_id.get(&id).copied());
        serial.ok_or_else(|| Refusal::new(Code::NotFound, "there is no match of this id"))
    }

    /// The open match that has waited longest, without `except`.
    pub(super) fn first_open(&self, except: Option<Serial>) -> Option<Serial> {
        self.open.iter().copied().find(|serial| Some(*serial) != except)
    }

    pub(super) fn get(&self, serial: Serial) -> Option<&Match> {
        self.matches.get(&serial).map(|entry| &entry.the_match)
    }

    pub(super) fn get_mut(&mut self, serial: Serial) -> Option<&mut Match> {
        self.matches.get_mut(&serial).map(|entry| &mut entry.the_match)
    }

    /// Brings the indices up to date with a match that has changed.
    pub(super) fn settle(&mut self, serial: Serial) {
        let Some(entry) = self.matches.get_mut(&serial) else { return };
        let the_match = &entry.the_match;
        put(&mut self.open, serial, the_match.is_open());
        put(&mut self.shown, (the_match.has_bot(), Reverse(serial)), the_match.is_shown());
        let deadline = the_match.deadline();
        if let Some(before) = std::mem::replace(&mut entry.alarm, deadline) {
            self.alarms.remove(&(before, Alarm::Move(serial)));
        }
        self.alarms.extend(deadline.map(|tick| (tick, Alarm::Move(serial))));
    }

    /// Takes a match out; its memory goes with it.
    pub(super) fn close(&mut self, serial: Serial) -> Option<Match> {
        let Entry { the_match, alarm } = self.matches.remove(&serial)?;
        self.by_id.remove(&the_match.id);
        self.open.remove(&serial);
        self.shown.remove(&(the_match.has_bot(), Reverse(serial)));
        if let Some(tick) = alarm {
            self.alarms.remove(&(tick, Alarm::Move(serial)));
        }
        Some(the_match)
    }

    /// Has a lost player's time to come back end at a tick.
    pub(super) fn expect_back(&mut self, player: PlayerId, until: Tick) {
        self.alarms.insert((until, Alarm::Return(player)));
    }

    /// A lost player is back, or will not come.
    pub(super) fn stop_expecting(&mut self, player: PlayerId, until: Tick) {
        self.alarms.remove(&(until, Alarm::Return(player)));
    }

    /// The next thing that is due by now, which is then not due any more.
    pub(super) fn next_alarm(&mut self, now: Tick) -> Option<Alarm> {
        let &(tick, alarm) = self.alarms.first().filter(|(tick, _)| *tick <= now)?;
        self.alarms.remove(&(tick, alarm));
        if let Alarm::Move(serial) = alarm {
            self.matches.get_mut(&serial)?.alarm = None;
        }
        Some(alarm)
    }

    /// What one can join, the longest waiting first, and what one can watch: those that two play before those with the
    /// server's own player, of which there may be any number, the newest first.
    pub(super) fn list(&self) -> Vec<Listed> {
        let shown = self.shown.iter().map(|(_, Reverse(serial))| serial);
        let serials = self.open.iter().chain(shown).take(LISTED);
        serials.filter_map(|serial| self.get(*serial)).map(Match::listed).collect()
    }

    /// How much of everything there is: matches, ids, those in either list, alarms.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 5] {
        [self.matches.len(), self.by_id.len(), self.open.len(), self.shown.len(), self.alarms.len()]
    }

    /// Holds the indices against the matches.
    #[cfg(test)]
    pub(super) fn audit(&self) {
        for (serial, Entry { the_match, alarm }) in &self.matches {
            assert_eq!(self.by_id.get(&the_match.id), Some(serial));
            assert_eq!(self.open.contains(serial), the_match.is_open());
            let shown = (the_match.has_bot(), Reverse(*serial));
            assert_eq!(self.shown.contains(&shown), the_match.is_shown());
            assert_eq!(*alarm, the_match.deadline());
            let stands = |tick: &Tick| self.alarms.contains(&(*tick, Alarm::Move(*serial)));
            assert!(alarm.as_ref().is_none_or(stands));
            assert!(!the_match.is_left(), "nobody sits at {serial:?}");
        }
        let deadlines = self.alarms.iter().filter(|(_, alarm)| matches!(alarm, Alarm::Move(_)));
        let running = self.matches.values().filter(|entry| entry.alarm.is_some());
        assert_eq!(deadlines.count(), running.count());
        assert_eq!(self.by_id.len(), self.matches.len());
    }
}

/// Puts a member into a set or takes it out.
fn put<T: Ord>(set: &mut BTreeSet<T>, member: T, is_in: bool) {
    if is_in {
        set.insert(member);
    } else {
        set.remove(&member);
    }
}
