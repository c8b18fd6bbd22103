//! What one writes to put a game on the engine: two enums and [`Game`].
//!
//! Everything a game learns arrives as an [`Input`], and only in the tick; everything it says leaves through the
//! [`Context`]. A game owns no socket, reads no clock and draws chance only from the context, so the
//! log of its inputs replays its whole run.

use super::calls::{Call, Route};
use super::context::Context;
use super::keeping::{CommitId, Kept, NotKept, ReadingId};
use crate::account::LogEntry;
use crate::ids::{AccountId, PlayerId, RegionId};
use crate::packet::{Character, Code, Priority};
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

    /// Where the game answers over HTTP: see [`Input::Called`].
    const ROUTES: &'static [Route] = &[];

    /// What kinds of records the game keeps: all of them are loaded before anybody comes, see [`Input::Loaded`].
    const COLLECTIONS: &'static [&'static str] = &[];

    /// Whether this release of the game can read a record. Asked before anything else, and outside the tick.
    ///
    /// # Errors
    /// A sentence that says why not: the server does not start, and nothing is overwritten.
    fn accepts(_record: &Kept) -> Result<(), String> {
        Ok(())
    }

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

    /// What an account has in this game, and whom it plays as when it comes in. Asked outside the tick, when somebody says
    /// who it is; what comes of it is told as an input.
    ///
    /// Where this is not written, everybody plays as the account itself: its id is the player's, its name is shown.
    fn roster(&self, account: AccountId, name: &str) -> Roster {
        Roster { characters: Vec::new(), enters: Some((PlayerId(account.0), name.to_owned())) }
    }

    /// Whether somebody who may be away goes by this name (compared without regard to case): then no guest gets it as it is.
    fn has_name(&self, _name: &str) -> bool {
        false
    }

    /// One thing that happened. An `Err` is told to the packet's sender as `error`, to who asked over HTTP with its status.
    /// A packet that carried an `id` and is answered by nothing else is answered by `ok`, a request by 204. Where the answer
    /// is to come later, the game takes the [`Asker`](Context::asker).
    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<Self::In>) -> Result<(), Refusal>;

    /// The tick itself, after all its inputs.
    fn tick(&mut self, ctx: &mut Context<'_, Self>);
}

/// Everything a game can learn. The log of `(tick, Input)` replays a run.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input<P> {
    /// All that the game has kept, in the order of [`Game::COLLECTIONS`] and of the keys: the first thing heard, before
    /// anybody comes. A server that keeps nothing never says it.
    Loaded {
        /// The records; none at the very first start.
        records: Vec<Kept>,
    },
    /// A player is there now: the first thing heard of it.
    Joined {
        /// Who.
        player: PlayerId,
        /// The name the player goes by, unique among those present.
        name: String,
        /// Whether nobody will remember this player.
        guest: bool,
        /// Whose player it is; `None` for a guest. Where [`PlayerId::is_in_lobby`], the account has nobody in the world
        /// yet, and [`Context::become_player`](super::Context::become_player) is how it gets there.
        account: Option<AccountId>,
    },
    /// A player is gone: the last thing heard of it. The engine has taken it out of its region already. Where its
    /// connection was lost, that is when it has not come back in time.
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
    /// Somebody asks over HTTP, at one of [`Game::ROUTES`].
    Called {
        /// Who, where and what for.
        call: Call,
    },
    /// What the game asked to have committed is on disk, or is not: only now it may act on it and tell anybody.
    Committed {
        /// Which: what [`Context::commit`] gave.
        commit: CommitId,
        /// The numbers of the events that were logged with it, or why nothing of it was done.
        outcome: Result<Vec<u64>, NotKept>,
    },
    /// What the game asked to read of its log.
    Log {
        /// Which: what [`Context::read_log`] gave.
        reading: ReadingId,
        /// The events, newest first.
        outcome: Result<Vec<LogEntry>, NotKept>,
    },
    /// A player's connection is lost. It stays where it is for `resume_grace_ms`, and what it is sent is kept for it; then
    /// it is [`Input::Resumed`] or [`Input::Left`]. A server that holds nobody's place never says it, nor of somebody who
    /// takes a place over from another connection that still seemed open.
    Lost {
        /// Who.
        player: PlayerId,
    },
    /// A player whose connection was lost is back.
    Resumed {
        /// Who.
        player: PlayerId,
        /// Whether what it missed was more than is kept: the game tells it everything afresh. Nothing sent to it since it
        /// came back and before this reaches it.
        full_state: bool,
    },
}

/// What an account has in a game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Its characters, as lists show them.
    pub characters: Vec<Character>,
    /// Whom it plays as at once, and under which name; an id below [`PlayerId::FIRST_GUEST`], from 1. `None`: nobody yet, and
    /// it comes into the lobby.
    pub enters: Option<(PlayerId, String)>,
}

/// Why a player left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Departure {
    /// The client said so, with `disconnect` or a Close frame.
    Quit,
    /// The connection ended without a word, and the player did not come back.
    Lost,
    /// The server ended it, for this reason.
    Closed(Code),
    /// The connection stays and plays as somebody else from here on.
    Became(PlayerId),
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

/// Whether names of players and characters may have a character: letters, digits, spaces, apostrophes, hyphens.
pub fn is_in_names(c: char) -> bool {
    // Letters by their category that are drawn as nothing: the Hangul fillers (Unicode, Default_Ignorable_Code_Point).
    let is_visible = !matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}');
    c.is_alphanumeric() && is_visible || matches!(c, ' ' | '\'' | '-')
}
