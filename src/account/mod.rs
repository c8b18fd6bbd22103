//! What is spoken with storage: accounts, login sessions, bans, and what games keep. Plain data and two pure tables;
//! no thread, no SQL, no clock.
//!
//! # Who does what
//!
//! - **The engine** takes a [`Ticket`] from [`Tickets`] for every errand, leaving there what it wants to remember. None is
//!   free: the client is told `busy`. It hands `(Ticket, Errand)` to whoever drives it and goes on.
//! - **The driver** (`server.rs` or the simulation) carries errands to storage and [`Answer`]s back: `storage::Storage` with
//!   its two threads for real, any [`Store`] and [`Hasher`] in a simulation, by [`commit`].
//! - **Storage** works through [`Request`]s in the order in which they came, many in one transaction, and answers each
//!   only after that transaction is on disk.
//! - **The engine** redeems the ticket when its answer comes, and only then changes its own state and tells anybody. A
//!   ticket whose owner is gone still comes back: until then its place is taken, so that results always have room.
//!
//! # Two classes of writes
//!
//! A [`Request::Write`] is **committed**: it takes a ticket and is announced when it is on disk. What may lag is **saved**: it goes into
//! [`Dirty`], where the newest value of a record takes the place of older ones, and leaves as one [`Request::Save`] under
//! [`Ticket::SAVE`] every `limits::SAVE_INTERVAL`. [`Dirty`] also keeps the two from overtaking each other.
//!
//! # Errors
//!
//! A [`Failure`] says whose fault it is: [`Refused`] is the asker's, [`StoreError`] and [`HashError`] are our own operating
//! environment's. [`Failure::code`] is the one place that says what a client is told. **Nothing of a failed request is
//! on disk**, but where storage lost its disk in the middle of a commit it may turn out, after a crash, to be there:
//! what was confirmed is always there, what was refused by [`StoreError`] was never announced.
//!
//! Passwords, hashes and tokens have types that never print themselves. To read next: `request` for what can be asked,
//! `dirty` for what may lag.

mod credentials;
mod dirty;
mod failure;
mod hashing;
mod record;
mod request;
#[cfg(test)]
mod tests;
mod ticket;

pub use credentials::{
    BadPassword, BadUsername, NotAToken, Password, PasswordHash, Token, TokenDigest, Username,
};
pub use dirty::Dirty;
pub use failure::{Failure, HashError, Refused, StoreError};
pub use hashing::{Hashed, Hasher, Work};
pub use record::{Change, Json, LogEntry, NewEvent, Record, RecordId, SavedRecord};
pub use request::{
    Account, Answer, BanRecord, BanTarget, Errand, LoginSession, Renewal, Reply, Request, Saves, Store,
    commit,
};
pub use ticket::{Ticket, Tickets};
