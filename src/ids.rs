//! The names of things: small copyable identifiers that cannot be mistaken for one another.
//!
//! An identifier says which, never what: no module reads meaning out of its bits but the one that gave it out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One accepted connection: a slot in the table of connections and the generation of that slot.
///
/// Slots are used again; generations make a late event for an earlier owner of the slot miss instead of hitting
/// its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Index into the table of connections, dense from 0.
    pub slot: u32,
    /// How often the slot had been given out before.
    pub generation: u32,
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Who plays, as every packet names them. A player's id is its character's id; a guest's is
/// [`PlayerId::FIRST_GUEST`] and up and is never used again within one run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlayerId(pub u32);

impl PlayerId {
    /// The first id that a guest gets; characters stay below it.
    pub const FIRST_GUEST: u32 = 1_000_000_000;

    /// The first id of somebody in the lobby: logged in, and nobody in the world yet. Guests stay below it.
    pub const FIRST_IN_LOBBY: u32 = 3_000_000_000;

    /// Whether this is a guest's id.
    pub fn is_guest(self) -> bool {
        (Self::FIRST_GUEST..Self::FIRST_IN_LOBBY).contains(&self.0)
    }

    /// Whether this stands for an account that has nobody in the world yet.
    pub fn is_in_lobby(self) -> bool {
        self.0 >= Self::FIRST_IN_LOBBY
    }
}

impl fmt::Display for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A registered account, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub u32);

/// One cell of a game's map, dense from 0 over all grids that the game declares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegionId(pub u32);

/// Which of the games in this process: an index in the order in which they were added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GameId(pub u16);
