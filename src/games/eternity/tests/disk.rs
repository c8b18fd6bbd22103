//! A disk for the rules: what is committed is there when a test says so, or is refused.

use super::super::play::Play;
use super::{Answer, Table};
use crate::account::{Change, Json, LogEntry, NewEvent};
use crate::engine::{Call, Commit, CommitId, Departure, Input, Kept, NotKept, ReadingId, Refusal};
use crate::games::eternity::{Spawn, World};
use crate::http::Method;
use crate::ids::{AccountId, PlayerId};
use crate::time::WallMs;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// What is kept, and what is under way to it.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) records: BTreeMap<(String, String), Kept>,
    pub(super) log: Vec<LogEntry>,
    pub(super) saves: usize,
    under_way: VecDeque<(CommitId, Vec<Change>, Vec<NewEvent>)>,
    readings: VecDeque<(ReadingId, Option<u64>, u32)>,
    count: u64,
}

impl Disk {
    pub(super) fn save<T: Serialize>(&mut self, collection: &str, key: u32, version: u32, value: &T) {
        self.saves += 1;
        let value = Json::of(value).unwrap();
        let at = (collection.to_owned(), key.to_string());
        let name = self.records.get(&at).and_then(|kept| kept.name.clone());
        let (collection, key) = at.clone();
        self.records.insert(at, Kept { collection, key, name, version, value });
    }

    pub(super) fn submit(&mut self, commit: Commit, time: WallMs) -> CommitId {
        self.count += 1;
        let (changes, events) = commit.into_parts("eternity", time).unwrap();
        self.under_way.push_back((CommitId(self.count), changes, events));
        CommitId(self.count)
    }

    pub(super) fn read(&mut self, before: Option<u64>, limit: u32) -> ReadingId {
        self.count += 1;
        self.readings.push_back((ReadingId(self.count), before, limit));
        ReadingId(self.count)
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn apply(&mut self, change: Change) {
        let id = change.id().clone();
        let at = (id.collection.clone(), id.key.clone());
        match change {
            Change::Put { name, version, value, .. } => {
                self.records
                    .insert(at, Kept { collection: id.collection, key: id.key, name, version, value });
            }
            Change::Delete { .. } => drop(self.records.remove(&at)),
        }
    }

    fn append(&mut self, event: NewEvent) -> u64 {
        let id = self.log.len() as u64 + 1;
        self.log.push(LogEntry { id, kind: event.kind, time: event.time, value: event.value });
        id
    }
}

impl Table {
    /// A world that has been founded, with a disk.
    pub(super) fn with_disk() -> Table {
        let mut table = Table::built_in();
        table.load();
        table.report(Ok(()));
        assert_eq!(table.fx.disk.log.len(), 1, "the age has begun");
        table
    }

    fn load(&mut self) {
        let records: Vec<Kept> = self.fx.disk.records.values().cloned().collect();
        for record in &records {
            super::super::kept::accepts(record).unwrap();
        }
        self.play.handle(&mut self.fx, Input::Loaded { records }).unwrap();
    }

    /// The server stops without a word and starts again on the same disk.
    pub(super) fn crash(self) -> Table {
        let mut table = Table::new(World::built_in(), Spawn::Start);
        table.fx.disk = Disk { under_way: VecDeque::new(), readings: VecDeque::new(), ..self.fx.disk };
        table.fx.tick = self.fx.tick + 1;
        table.play = Play::new(World::built_in(), Spawn::Start);
        table.load();
        table
    }

    /// The oldest commit under way is done, or not; what those were told who waited for it.
    pub(super) fn report(&mut self, outcome: Result<(), NotKept>) -> Vec<Answer> {
        let disk = &mut self.fx.disk;
        let (commit, changes, events) = disk.under_way.pop_front().expect("a commit is under way");
        let outcome = outcome.map(|()| {
            changes.into_iter().for_each(|change| disk.apply(change));
            events.into_iter().map(|event| disk.append(event)).collect()
        });
        self.play.handle(&mut self.fx, Input::Committed { commit, outcome }).unwrap();
        std::mem::take(&mut self.fx.answers)
    }

    /// The same for a reading of the log.
    pub(super) fn report_log(&mut self, refused: Option<NotKept>) -> Vec<Answer> {
        let (reading, before, limit) = self.fx.disk.readings.pop_front().expect("somebody reads");
        let earlier = |entry: &&LogEntry| before.is_none_or(|before| entry.id < before);
        let entries = self.fx.disk.log.iter().rev().filter(earlier).take(limit as usize).cloned().collect();
        let outcome = refused.map_or(Ok(entries), Err);
        self.play.handle(&mut self.fx, Input::Log { reading, outcome }).unwrap();
        std::mem::take(&mut self.fx.answers)
    }

    /// Somebody asks over HTTP; what it was told at once.
    pub(super) fn call(
        &mut self,
        account: Option<u32>,
        method: Method,
        target: &str,
        body: serde_json::Value,
    ) -> Result<Vec<Answer>, Refusal> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let call = Call {
            account: account.map(AccountId),
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            body: body.to_string().into_bytes(),
        };
        self.fx.is_call = true;
        let outcome = self.play.handle(&mut self.fx, Input::Called { call });
        self.fx.is_call = false;
        outcome.map(|()| std::mem::take(&mut self.fx.answers))
    }

    /// An account is here, as the player that its roster says or in the lobby.
    pub(super) fn log_in(&mut self, account: u32, waiting: u32) -> PlayerId {
        let enters = self.play.roster(AccountId(account)).enters;
        let player = enters.map_or(PlayerId(PlayerId::FIRST_IN_LOBBY + waiting), |(player, _)| player);
        self.enter_as(player, account);
        player
    }

    pub(super) fn enter_as(&mut self, player: PlayerId, account: u32) {
        self.fx.members.insert(player, None);
        let name = format!("A{account}");
        let input = Input::Joined { player, name, guest: false, account: Some(AccountId(account)) };
        self.play.handle(&mut self.fx, input).unwrap();
    }

    /// Does what the engine does behind a tick.
    pub(super) fn change_players(&mut self, account: u32) {
        for (from, player) in std::mem::take(&mut self.fx.becoming) {
            self.fx.members.remove(&from);
            let departure = Departure::Became(player);
            self.play.handle(&mut self.fx, Input::Left { player: from, departure }).unwrap();
            self.enter_as(player, account);
        }
    }

    /// Makes a character and has it on disk: its id.
    pub(super) fn made(&mut self, account: u32, name: &str) -> u32 {
        let wish = serde_json::json!({ "name": name, "faction": "umbral", "class": "warden" });
        assert_eq!(self.call(Some(account), Method::Post, "/api/characters", wish).unwrap(), []);
        let [Answer::Json(201, told)] = &self.report(Ok(()))[..] else { panic!("{name} is not made") };
        told["id"].as_u64().unwrap() as u32
    }

    /// Has an account choose a character, and that be on disk.
    pub(super) fn chosen(&mut self, account: u32, id: u32) {
        let choice = serde_json::json!({ "character_id": id });
        self.call(Some(account), Method::Post, "/api/characters/select", choice).unwrap();
        let [Answer::Json(200, told)] = &self.report(Ok(()))[..] else { panic!("{id} is not chosen") };
        assert_eq!(told["selected"], true);
    }
}
