//! What is on disk: a SQLite file in the data folder, and two threads, one that commits and one that hashes passwords.
//!
//! [`Database`] is the file; it carries out [`account::Request`](crate::account::Request)s and knows nothing of threads. [`Storage`] drives it, or
//! any other [`account::Store`](crate::account::Store), from a thread of its own behind bounded queues. **The tick's side never waits**: [`Storage::submit`]
//! and [`Storage::completed`] return at once, and there is always room for a result. **Nothing is answered before it is on disk**:
//! whatever is queued when the thread comes round is one transaction, written ahead and synced, and its answers follow
//! the commit.
//!
//! The file belongs to one server at a time ([`OpenError::InUse`]); other processes may read it, [`backup()`] and [`check()`]
//! among them. A file that a newer version has written is refused by name, and so is one that is damaged or not ours.
//!
//! # Errors
//!
//! [`OpenError`] is the host's to mend, before anything has started. What goes wrong later is an answer
//! ([`account::Failure`](crate::account::Failure)), and the thread goes on: a disk that is full now may have room in a minute.
//!
//! To read next: `schema` for what is in the file, `worker` for the threads.

mod accounts;
mod backup;
mod bans;
mod check;
mod column;
mod database;
mod error;
mod hashing;
mod records;
mod schema;
#[cfg(test)]
mod tests;
mod worker;

pub use backup::{BackupError, backup};
pub use check::{Checked, check};
pub use database::{Database, FILE, LOCK};
pub use error::OpenError;
pub use hashing::{Argon2id, BadCost, Cost};
pub use worker::Storage;
