//! What games keep: records under a key, and a log of events. The same tables for every game, so that one's own game
//! saves without SQL and a person can read the file with `sqlite3`.

use crate::time::WallMs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which record: a game's own key within one of its collections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The game's `NAME`.
    pub game: &'static str,
    /// What kind of thing it is: `character`, `party`, `shard`.
    pub collection: String,
    /// The game's key within the collection. Where things belong to somebody, the owner comes first (`17/3`), so that
    /// all of an owner's are found by their prefix (`17/`).
    pub key: String,
}

impl RecordId {
    /// The record of that key.
    pub fn new(game: &'static str, collection: impl Into<String>, key: impl Into<String>) -> RecordId {
        RecordId { game, collection: collection.into(), key: key.into() }
    }
}

/// A value as JSON text: always valid, since it is made by [`Json::of`] or comes from disk or a log of inputs, where it
/// went as such.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(String);

impl Json {
    /// The value as JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON: a map with keys that are no text, or its own `Serialize` refuses.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json, serde_json::Error> {
        serde_json::to_string(value).map(Json)
    }

    /// Takes text that came from disk.
    ///
    /// # Errors
    /// It is not JSON: somebody has edited the file.
    pub fn parse(text: String) -> Result<Json, serde_json::Error> {
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(Json(text))
    }

    /// The value again.
    ///
    /// # Errors
    /// It is not what `T` expects: written by another version of the game.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its key within the collection.
    pub key: String,
    /// A name that no other record of its collection has, without regard to ASCII case.
    pub name: Option<String>,
    /// The version of the value's shape: the game's own number.
    pub version: u32,
    /// The value.
    pub value: Json,
}

/// What a committed write does to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes it, or replaces all of it.
    Put {
        /// Which.
        id: RecordId,
        /// Its unique name from now on; `None` has it go by none.
        name: Option<String>,
        /// The version of the value's shape.
        version: u32,
        /// The value.
        value: Json,
    },
    /// Takes it away, with its name. Fine where there is none.
    Delete {
        /// Which.
        id: RecordId,
    },
}

impl Change {
    /// Which record it is about.
    pub fn id(&self) -> &RecordId {
        match self {
            Change::Put { id, .. } | Change::Delete { id } => id,
        }
    }
}

/// The newest value of a record that may lag: makes it, or replaces its value and leaves its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRecord {
    /// Which.
    pub id: RecordId,
    /// The version of the value's shape.
    pub version: u32,
    /// The value.
    pub value: Json,
}

/// Something that happened, to be appended to its game's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The game's `NAME`.
    pub game: &'static str,
    /// What kind of event: the game's own word.
    pub kind: String,
    /// When.
    pub time: WallMs,
    /// The rest of it.
    pub value: Json,
}

/// Something that happened, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its number, from 1: later ones have higher ones, over all games, and none is used again.
    pub id: u64,
    /// What kind of event.
    pub kind: String,
    /// When.
    pub time: WallMs,
    /// The rest of it.
    pub value: Json,
}
