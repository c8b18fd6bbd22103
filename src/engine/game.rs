//! What one writes to put a game on the engine: two enums and [`Game`].
//!
//! Everything a game learns arrives as an [`Input`], and only in the tick; everything it says leaves through the
//! [`Context`]. A game owns no socket, reads no clock and draws chance only from the context, so the
//! log of its inputs replays its whole run.

use super::context::Context;
use crate::ids::{PlayerId, RegionId};
use crate::packet::{Code, Priority};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// The rules of one game.
///
/// The engine calls [`Game::handle`] for every input of a tick in order of arrival, then [`Game::tick`] once. Neither
/// may block. `In` and `Out` are plainly derived enums: `#[derive(Serialize, Deserialize)]` with
/// `#[serde(rename_all = "snake_case")]` and no attribute that changes the shape (tag, untagged, flatten,
/// skip_serializing_if), because the compact encoding could not carry it.
pub trait Game: Send + Sized + 'static {
    /// The packets that clients send.
    type In: Serialize + DeserializeOwned + Send + fmt::Debug;
    /// The packets that the server sends.
    type Out: Serialize;

    /// The game's name: lower-case letters and digits. Instance ids and metrics carry it.
    const NAME: &'static str;

    /// The map's grids of regions, asked once at the start. A game without places has none.
    fn grids(&self) -> Vec<Grid> {
        Vec::new()
    }

    /// What happens to a packet when its recipient cannot keep up.
    fn priority(_packet: &Self::Out) -> Priority {
        Priority::Normal
    }

    /// A key under which a newer [`Priority::Low`] packet takes the place of an older one that still waits for the
    /// same recipient; `None` never replaces.
    fn supersedes(_packet: &Self::Out) -> Option<u32> {
        None
    }

    /// Whether a packet belongs to a stream whose repetitions mean something: it is never taken for a duplicate.
    fn is_stream(_packet: &Self::In) -> bool {
        false
    }

    /// One thing that happened. An `Err` is told to the packet's sender as `error`. A packet that carried an `id`
    /// and is answered by nothing else is answered by `ok`.
    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<Self::In>) -> Result<(), Refusal>;

    /// The tick itself, after all its inputs.
    fn tick(&mut self, ctx: &mut Context<'_, Self>);
}

/// Everything a game can learn. The log of `(tick, Input)` replays a run.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input<P> {
    /// A player is there now: the first thing heard of it.
    Joined {
        /// Who.
        player: PlayerId,
        /// The name the player goes by, unique among those present.
        name: String,
        /// Whether nobody will remember this player.
        guest: bool,
    },
    /// A player is gone: the last thing heard of it. The engine has taken it out of its region already.
    Left {
        /// Who.
        player: PlayerId,
        /// Why.
        departure: Departure,
    },
    /// A player sent a packet.
    Packet {
        /// Who.
        player: PlayerId,
        /// What.
        packet: P,
    },
    /// A peer that could not keep up, for which packets of [`Priority::Low`] were dropped or replaced, takes
    /// everything again: the game sends afresh what those packets would have told.
    CaughtUp {
        /// Who.
        player: PlayerId,
    },
}

/// Why a player left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Departure {
    /// The client said so, with `disconnect` or a Close frame.
    Quit,
    /// The connection ended without a word.
    Lost,
    /// The server ended it, for this reason.
    Closed(Code),
}

/// A rectangle of square regions that see their neighbours: one place of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Regions from left to right, at least 1.
    pub columns: u32,
    /// Regions from top to bottom, at least 1.
    pub rows: u32,
}

/// Who is to get a packet.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// One player; nobody where that player is gone.
    Player(PlayerId),
    /// These players, each once for each time it stands in the list.
    Players(&'a [PlayerId]),
    /// All whose place is this region.
    Region(RegionId),
    /// All who see this region: its own players and those of the up to 8 regions that touch it. What newer packets may
    /// replace ([`Priority::Low`] with a key from [`Game::supersedes`]) goes to whoever they are when the tick is over,
    /// behind all else, and what one player gets of all regions waits, is replaced and is left out as one.
    Around(RegionId),
    /// Everybody in the game.
    Everyone,
}

/// A packet that the rules refuse: told to its sender as `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the contract's codes.
    pub code: Code,
    /// One sentence for a person.
    pub message: String,
    /// When it may work, milliseconds from now, where waiting helps.
    pub retry_after_ms: Option<u32>,
}

impl Refusal {
    /// A refusal that waiting does not change.
    pub fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), retry_after_ms: None }
    }

    /// The same, worth another try in `ms` milliseconds.
    pub fn retry_after(mut self, ms: u32) -> Refusal {
        self.retry_after_ms = Some(ms);
        self
    }
}
