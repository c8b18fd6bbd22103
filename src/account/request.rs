//! What storage can be asked, what it answers, and how a group of requests is committed.

use super::credentials::{PasswordHash, TokenDigest, Username};
use super::failure::{Failure, HashError, Refused, StoreError};
use super::hashing::{Hashed, Work};
use super::record::{Change, LogEntry, NewEvent, Record, SavedRecord};
use crate::address::Network;
use crate::ids::AccountId;
use crate::time::WallMs;
use std::fmt;
use std::sync::Arc;

/// What the engine sends out under a ticket.
#[derive(Clone, Debug)]
pub enum Errand {
    /// To storage.
    Store(Request),
    /// To the hashing thread.
    Hash(Work),
}

/// What comes back, with the ticket.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// From storage.
    Store(Result<Reply, Failure>),
    /// From the hashing thread.
    Hash(Result<Hashed, HashError>),
}

/// One thing asked of storage. Requests take effect in the order in which they were handed in, each wholly or not at
/// all.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Makes an account. [`Reply::Registered`], or [`Refused::NameTaken`].
    Register {
        /// Its name.
        name: Username,
        /// What is kept of its password.
        password: PasswordHash,
        /// When.
        now: WallMs,
    },
    /// Looks an account up by its name, whatever its case. [`Reply::Account`].
    FindAccount {
        /// The name.
        name: Username,
    },
    /// Opens a login session and ends others; those that are not there are passed over. [`Reply::Opened`], or
    /// [`Refused::NoAccount`].
    OpenSession {
        /// The new one.
        session: LoginSession,
        /// Those of its account that have no place beside it: at most `limits::SESSIONS_PER_ACCOUNT` are open, and which of them
        /// players in the world hold is known to whoever asks.
        ending: Vec<TokenDigest>,
    },
    /// Ends login sessions; those that are not there are passed over. [`Reply::Ended`].
    EndSessions(Vec<TokenDigest>),
    /// All login sessions that have not expired, in the order of their digests: for the start.
    /// [`Reply::Sessions`].
    Sessions {
        /// What has expired by then is left out.
        now: WallMs,
    },
    /// Deletes what has expired: bans, and login sessions once they have been expired for `limits::SWEEP_LAG`, since a renewal may
    /// still be on the way. [`Reply::Swept`].
    Sweep {
        /// The present moment.
        now: WallMs,
    },
    /// Adds a ban. [`Reply::BanAdded`], or [`Refused::TooManyBans`].
    AddBan {
        /// Who.
        target: BanTarget,
        /// Why, for the host's own list.
        reason: String,
        /// When it was set.
        created: WallMs,
        /// When it ends; `None` never.
        expires: Option<WallMs>,
    },
    /// Lifts a ban. [`Reply::BanLifted`].
    LiftBan(u32),
    /// All bans, oldest first; some may have expired. [`Reply::Bans`].
    Bans,
    /// Records of one collection, in the order of their keys. [`Reply::Records`].
    Records {
        /// The game's `NAME`.
        game: &'static str,
        /// Which collection.
        collection: String,
        /// What their keys begin with; empty: all of them.
        prefix: String,
    },
    /// Changes records and appends to logs, all of it or nothing. [`Reply::Written`], or [`Refused::RecordNameTaken`].
    Write {
        /// What happens to records, one after the other.
        changes: Vec<Change>,
        /// What is appended to the logs of games.
        events: Vec<NewEvent>,
    },
    /// What has been logged of a game, newest first. [`Reply::Events`].
    Events {
        /// The game's `NAME`.
        game: &'static str,
        /// Only what comes before this number.
        before: Option<u64>,
        /// At most so many.
        limit: u32,
    },
    /// What may lag. [`Reply::Saved`].
    Save(Arc<Saves>),
}

impl Request {
    /// Whether it changes anything on disk.
    pub fn writes(&self) -> bool {
        use Request::*;
        !matches!(self, FindAccount { .. } | Sessions { .. } | Bans | Records { .. } | Events { .. })
    }
}

/// The answer to a [`Request`]; each of those says which.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The account is there, under this id.
    Registered(AccountId),
    /// The account, where there is one.
    Account(Option<Account>),
    /// The session is open, and those that were to end for it have ended.
    Opened,
    /// So many sessions ended.
    Ended(u32),
    /// Live login sessions, each with its account's name.
    Sessions(Vec<(LoginSession, Username)>),
    /// What expired is gone.
    Swept {
        /// Login sessions.
        sessions: u32,
        /// Bans.
        bans: u32,
    },
    /// The ban holds, under this id: from 1, never used again.
    BanAdded(u32),
    /// Whether there was a ban of that id.
    BanLifted(bool),
    /// All bans.
    Bans(Vec<BanRecord>),
    /// Records.
    Records(Vec<Record>),
    /// It is done.
    Written {
        /// The numbers of the appended events, in their order.
        events: Vec<u64>,
    },
    /// Entries of a log.
    Events(Vec<LogEntry>),
    /// It is on disk.
    Saved,
}

impl Reply {
    /// Whether something new is on the disk: it has room, then, and can be written.
    pub fn tells_of_a_write(&self) -> bool {
        match self {
            Reply::Registered(_)
            | Reply::Opened
            | Reply::BanAdded(_)
            | Reply::Written { .. }
            | Reply::Saved => true,
            Reply::Ended(rows) => *rows > 0,
            Reply::Swept { sessions, bans } => sessions + bans > 0,
            Reply::BanLifted(was_there) => *was_there,
            Reply::Account(_)
            | Reply::Sessions(_)
            | Reply::Bans(_)
            | Reply::Records(_)
            | Reply::Events(_) => false,
        }
    }
}

/// A registered account.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its id, from 1, never used again.
    pub id: AccountId,
    /// Its name as it was registered.
    pub name: Username,
    /// What is kept of its password.
    pub password: PasswordHash,
    /// When it was registered.
    pub created: WallMs,
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginSession {
    /// The token's SHA-256.
    pub digest: TokenDigest,
    /// Whose.
    pub account: AccountId,
    /// When it was opened.
    pub created: WallMs,
    /// When it expires, as far as storage knows: renewals come later ([`Saves::renewals`]).
    pub expires: WallMs,
    /// When it was last used, as far as storage knows.
    pub seen: WallMs,
}

/// A login session was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Its token's SHA-256.
    pub digest: TokenDigest,
    /// When it expires now.
    pub expires: WallMs,
    /// When it was last used.
    pub seen: WallMs,
}

/// A ban as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct BanRecord {
    /// Its id, from 1, never used again.
    pub id: u32,
    /// Who.
    pub target: BanTarget,
    /// Why, for the host's own list.
    pub reason: String,
    /// When it was set.
    pub created: WallMs,
    /// When it ends; `None` never.
    pub expires: Option<WallMs>,
}

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BanTarget {
    /// An address (as a network of one) or a network.
    Network(Network),
    /// The account of that name, whatever its case and whether there is one or not.
    Account(Username),
}

impl BanTarget {
    /// Reads an address, a network or an account's name: no text is two of them, for names have no dot, colon or
    /// slash.
    pub fn parse(text: &str) -> Option<BanTarget> {
        let network = text.parse().ok().map(BanTarget::Network);
        network.or_else(|| Username::new(text).ok().map(BanTarget::Account))
    }
}

impl fmt::Display for BanTarget {
    /// As [`BanTarget::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BanTarget::Network(network) => network.fmt(f),
            BanTarget::Account(name) => name.fmt(f),
        }
    }
}

/// What may lag, as [`Dirty`](super::Dirty) puts it together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saves {
    /// Records, each once.
    pub records: Vec<SavedRecord>,
    /// Login sessions that were used, each once; those that have ended stay ended.
    pub renewals: Vec<Renewal>,
}

/// Keeps things: a SQLite database for real, in a simulation the same in memory, with faults.
pub trait Store {
    /// Carries out a group of requests in their order and has them on disk, all in one transaction; answers each in its
    /// place. A request that is refused leaves nothing behind and the others as they are.
    ///
    /// # Errors
    /// The disk would not: nothing of the group counts as done, and nothing of it may be announced. Whoever calls
    /// this goes through [`commit`].
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError>;
}

/// Commits a group, one answer for each request in its place. Where the disk will not have the group as a whole, each request
/// is tried by itself, so that one that does not fit, or that reads what is damaged, takes no others with it. A locked
/// file is locked for all of them, and waiting for each in turn would take too long.
pub fn commit(store: &mut impl Store, group: &[Request]) -> Vec<Result<Reply, Failure>> {
    match store.commit(group) {
        Ok(replies) => {
            debug_assert_eq!(replies.len(), group.len(), "each request has its answer");
            replies.into_iter().map(|reply| reply.map_err(Failure::Refused)).collect()
        }
        Err(error) if group.len() <= 1 || error == StoreError::Locked => {
            group.iter().map(|_| Err(Failure::Store(error.clone()))).collect()
        }
        Err(_) => group.iter().flat_map(|request| commit(store, std::slice::from_ref(request))).collect(),
    }
}
