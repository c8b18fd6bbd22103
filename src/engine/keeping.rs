//! What a game keeps: how it asks for that, and what it is told.
//!
//! There are records, each with a key within one of the game's collections, and the game's log of events. A record is
//! **saved**, which may lag and tells nothing, or **committed**, which is told as [`Input::Committed`](super::Input) when it is on disk:
//! only then a game applies it and tells anybody. Values are JSON, each with a version that is the game's own, so that a
//! later release can read what an earlier one wrote.
//!
//! Nothing here waits. What cannot be sent is told as an input too, one tick later. Next to read: `errands.rs`.

use super::Engine;
use super::core::Core;
use super::errands::{Pending, Unsent};
use super::game::Refusal;
use crate::account::{
    Change, Errand, Failure, Json, NewEvent, Record, RecordId, Refused, Request, SavedRecord,
};
use crate::ids::GameId;
use crate::packet::Code;
use crate::time::WallMs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which commit: what [`Context::commit`](super::Context::commit) gave, and [`Input::Committed`](super::Input::Committed) brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(pub u64);

/// Which reading of the log: what [`Context::read_log`](super::Context::read_log) gave, and [`Input::Log`](super::Input::Log)
/// brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadingId(pub u64);

/// A record as it was kept, see [`Input::Loaded`](super::Input::Loaded).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What kind of thing it is: one of [`Game::COLLECTIONS`](super::Game::COLLECTIONS).
    pub collection: String,
    /// The game's key within the collection.
    pub key: String,
    /// The unique name it goes by.
    pub name: Option<String>,
    /// The version of the value's shape: the game's own number.
    pub version: u32,
    /// The value.
    pub value: Json,
}

impl Kept {
    /// The value.
    ///
    /// # Errors
    /// It is not what `T` expects; a sentence that says how.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        self.value.read().map_err(|error| error.to_string())
    }
}

/// What is to be on disk, all of it or nothing.
#[derive(Debug, Default)]
#[must_use = "a commit does nothing until the context is given it"]
pub struct Commit {
    changes: Vec<(String, String, Option<Put>)>,
    events: Vec<(String, Json)>,
    /// Why a value could not be written as JSON.
    broken: Option<String>,
}

#[derive(Debug)]
struct Put {
    name: Option<String>,
    version: u32,
    value: Json,
}

impl Commit {
    /// Nothing yet.
    pub fn new() -> Commit {
        Commit::default()
    }

    /// Makes a record, or replaces all of it. It goes by no name.
    pub fn put<T: Serialize + ?Sized>(
        self,
        collection: &str,
        key: impl fmt::Display,
        version: u32,
        value: &T,
    ) -> Commit {
        self.put_as(collection, key, None, version, value)
    }

    /// The same for a record with a name that no other of its collection may have, compared without regard to ASCII case:
    /// where another has it, the whole commit is refused with [`NotKept::NameTaken`].
    pub fn put_named<T: Serialize + ?Sized>(
        self,
        collection: &str,
        key: impl fmt::Display,
        name: &str,
        version: u32,
        value: &T,
    ) -> Commit {
        self.put_as(collection, key, Some(name.to_owned()), version, value)
    }

    /// Takes a record away, with its name. Fine where there is none.
    pub fn delete(mut self, collection: &str, key: impl fmt::Display) -> Commit {
        self.changes.push((collection.to_owned(), key.to_string(), None));
        self
    }

    /// Appends an event to the game's log, at the time of this tick.
    pub fn event<T: Serialize + ?Sized>(mut self, kind: &str, value: &T) -> Commit {
        if let Some(value) = self.written(value) {
            self.events.push((kind.to_owned(), value));
        }
        self
    }

    fn put_as<T: Serialize + ?Sized>(
        mut self,
        collection: &str,
        key: impl fmt::Display,
        name: Option<String>,
        version: u32,
        value: &T,
    ) -> Commit {
        if let Some(value) = self.written(value) {
            self.changes.push((collection.to_owned(), key.to_string(), Some(Put { name, version, value })));
        }
        self
    }

    fn written<T: Serialize + ?Sized>(&mut self, value: &T) -> Option<Json> {
        Json::of(value).map_err(|error| self.broken = Some(error.to_string())).ok()
    }

    /// The same as storage is asked for it.
    pub(crate) fn into_parts(
        self,
        game: &'static str,
        time: WallMs,
    ) -> Result<(Vec<Change>, Vec<NewEvent>), String> {
        if let Some(why) = self.broken {
            return Err(why);
        }
        let change = |(collection, key, put): (String, String, Option<Put>)| {
            let id = RecordId { game, collection, key };
            match put {
                Some(Put { name, version, value }) => Change::Put { id, name, version, value },
                None => Change::Delete { id },
            }
        };
        let event = |(kind, value)| NewEvent { game, kind, time, value };
        Ok((self.changes.into_iter().map(change).collect(), self.events.into_iter().map(event).collect()))
    }
}

/// Why something is not on disk, or was not read. Nothing of it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotKept {
    /// Another record of the collection has that name: the asker's fault.
    NameTaken {
        /// Which change of the commit would have taken it, from 0.
        change: u32,
    },
    /// As much is under way as may be, or the disk is full or locked for the moment.
    Busy {
        /// When it may work, milliseconds from now.
        retry_after_ms: u32,
    },
    /// This server keeps nothing.
    Unavailable,
    /// Storage failed, or a value cannot be written as JSON; the log says how.
    Failed,
}

/// After how long it is worth asking again what storage had no room for, milliseconds.
const BUSY_MS: u32 = 1000;

impl NotKept {
    /// What whoever had asked for it is told.
    pub fn refusal(self) -> Refusal {
        match self {
            NotKept::NameTaken { .. } => Refusal::new(Code::Conflict, "that name is taken"),
            NotKept::Busy { retry_after_ms } => {
                Refusal::new(Code::Busy, "this cannot be saved at the moment; try again")
                    .retry_after(retry_after_ms)
            }
            NotKept::Unavailable => Refusal::new(Code::NotReady, "this server keeps nothing"),
            NotKept::Failed => Refusal::new(Code::Internal, "it could not be saved"),
        }
    }
}

impl From<&Failure> for NotKept {
    fn from(failure: &Failure) -> NotKept {
        match failure {
            Failure::Refused(Refused::RecordNameTaken { change }) => {
                NotKept::NameTaken { change: u32::try_from(*change).unwrap_or(u32::MAX) }
            }
            failure if failure.code() == Code::Busy => NotKept::Busy { retry_after_ms: BUSY_MS },
            _ => NotKept::Failed,
        }
    }
}

impl From<Unsent> for NotKept {
    fn from(unsent: Unsent) -> NotKept {
        match unsent {
            Unsent::Busy => NotKept::Busy { retry_after_ms: BUSY_MS },
            Unsent::NoStorage => NotKept::Unavailable,
        }
    }
}

/// What a game asked for that could not even be sent: told in the next tick.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unkept {
    Commit(CommitId, NotKept),
    Reading(ReadingId, NotKept),
}

/// What games ask of storage within a tick.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// How many commits and readings so far.
    count: u64,
    /// What could not be sent.
    unkept: Vec<(GameId, Unkept)>,
}

impl Core {
    /// Has a record saved in one of the next rounds; without storage nothing happens.
    pub(super) fn save<T: Serialize + ?Sized>(&mut self, id: RecordId, version: u32, value: &T) {
        match Json::of(value) {
            Ok(value) => self.errands.save(SavedRecord { id, version, value }),
            Err(error) => self.fail(format!("{}/{} cannot be saved as JSON: {error}", id.collection, id.key)),
        }
    }

    /// Sends a commit.
    pub(super) fn commit(&mut self, game: GameId, name: &'static str, commit: Commit) -> CommitId {
        let id = CommitId(self.count_asked());
        let sent = match commit.into_parts(name, self.wall) {
            Ok((changes, events)) => self.errands.commit(game, id.0, changes, events).map_err(NotKept::from),
            Err(why) => {
                self.fail(format!("a commit of {name} cannot be written as JSON: {why}"));
                Err(NotKept::Failed)
            }
        };
        self.note_unkept(game, sent.map_err(|why| Unkept::Commit(id, why)));
        id
    }

    /// Reads a game's log.
    pub(super) fn read_log(
        &mut self,
        game: GameId,
        name: &'static str,
        before: Option<u64>,
        limit: u32,
    ) -> ReadingId {
        let id = ReadingId(self.count_asked());
        let request = Request::Events { game: name, before, limit };
        let sent = self.errands.send(Pending::GameLog { game, reading: id.0 }, Errand::Store(request));
        self.note_unkept(game, sent.map_err(|why| Unkept::Reading(id, why.into())));
        id
    }

    /// What of a game's could not be sent in this tick.
    pub(super) fn take_unkept(&mut self, game: GameId) -> Vec<Unkept> {
        let (mine, others) =
            std::mem::take(&mut self.asked.unkept).into_iter().partition(|(of, _)| *of == game);
        self.asked.unkept = others;
        let mine: Vec<(GameId, Unkept)> = mine;
        mine.into_iter().map(|(_, unkept)| unkept).collect()
    }

    fn count_asked(&mut self) -> u64 {
        self.asked.count += 1;
        self.asked.count
    }

    /// In a replay the log has what the game was told.
    fn note_unkept(&mut self, game: GameId, sent: Result<(), Unkept>) {
        if let Err(unkept) = sent
            && !self.errands.is_replay()
        {
            self.asked.unkept.push((game, unkept));
        }
    }
}

/// A record that its game cannot read: it was written by a later release, or by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Which game's.
    pub game: &'static str,
    /// In which collection.
    pub collection: String,
    /// Under which key.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadRecord { game, collection, key, why } = self;
        write!(f, "the record {collection}/{key} of the game {game} cannot be read: {why}")
    }
}

impl std::error::Error for BadRecord {}

impl Engine {
    /// The collections of all games: what of them is kept is to be loaded before anybody comes, with
    /// [`Engine::load_game`].
    pub fn collections(&self) -> Vec<(GameId, &'static str, &'static str)> {
        let mut collections = Vec::new();
        for (game, host) in self.games().zip(&self.hosts) {
            let name = self.core.names[usize::from(game.0)];
            collections.extend(host.collections().iter().map(|&collection| (game, name, collection)));
        }
        collections
    }

    /// All games, in the order in which they were added.
    pub fn games(&self) -> impl Iterator<Item = GameId> + use<> {
        (0..self.hosts.len()).map(|index| GameId(index as u16))
    }

    /// Hands a game what it has kept, all of it at once: the first that it hears. Where there is storage every game is called
    /// for, be it with nothing. It hears so in the first tick: **one has to run before anybody may come**.
    ///
    /// # Errors
    /// The game cannot read one of the records; it is told of none.
    pub fn load_game(
        &mut self,
        game: GameId,
        kept: Vec<(&'static str, Vec<Record>)>,
    ) -> Result<(), BadRecord> {
        let of = |(collection, records): (&'static str, Vec<Record>)| {
            records.into_iter().map(move |Record { key, name, version, value }| Kept {
                collection: collection.to_owned(),
                key,
                name,
                version,
                value,
            })
        };
        let kept = kept.into_iter().flat_map(of).collect();
        match self.hosts.get_mut(usize::from(game.0)) {
            Some(host) => host.load(kept),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::StoreError;
    use std::collections::BTreeMap;

    #[test]
    fn a_commit_is_all_its_parts_in_their_order() {
        let commit = Commit::new()
            .put_named("thing", 1, "One", 2, &[1])
            .put("thing", "a", 1, "x")
            .delete("thing", 3)
            .event("made", &7);
        let (changes, events) = commit.into_parts("game", WallMs(5)).expect("JSON");
        let keys: Vec<&str> = changes.iter().map(|change| change.id().key.as_str()).collect();
        assert_eq!(keys, ["1", "a", "3"]);
        assert!(matches!(&changes[0], Change::Put { name: Some(name), version: 2, .. } if name == "One"));
        assert!(matches!(&changes[2], Change::Delete { id } if id.game == "game"));
        let made =
            NewEvent { game: "game", kind: "made".into(), time: WallMs(5), value: Json::of(&7).unwrap() };
        assert_eq!(events, [made]);
    }

    #[test]
    fn what_is_no_json_breaks_the_whole_commit() {
        let no_text = BTreeMap::from([([1], 1)]);
        let commit = Commit::new().put("thing", 1, 1, &no_text).put("thing", 2, 1, &2);
        assert!(commit.into_parts("game", WallMs(0)).is_err());
    }

    #[test]
    fn whoever_asked_is_told_whose_fault_it_is() {
        let told = |failure: Failure| NotKept::from(&failure).refusal();
        assert_eq!(told(Refused::RecordNameTaken { change: 1 }.into()).code, Code::Conflict);
        let busy = told(StoreError::DiskFull.into());
        assert_eq!((busy.code, busy.retry_after_ms), (Code::Busy, Some(BUSY_MS)));
        assert_eq!(told(StoreError::ReadOnly.into()).code, Code::Internal);
        assert_eq!(NotKept::from(Unsent::NoStorage).refusal().code, Code::NotReady);
        assert_eq!(NotKept::from(Unsent::Busy).refusal().code, Code::Busy);
    }
}
