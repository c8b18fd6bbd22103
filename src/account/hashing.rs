//! What is asked of the hashing thread. Hashing is slow on purpose, so it has a queue and a thread of its own.

use super::credentials::{Password, PasswordHash};
use super::failure::HashError;

/// One password to work on.
#[derive(Clone, Debug)]
pub enum Work {
    /// Make what is kept of it. [`Hashed::Hash`].
    Hash {
        /// The password.
        password: Password,
        /// From [`Secrets`](crate::random::Secrets), for this hash only.
        salt: [u8; 16],
    },
    /// See whether it is the one. [`Hashed::Verified`].
    Verify {
        /// The password.
        password: Password,
        /// What is kept of the right one. `None`, where there is no such account, takes as long and is never right.
        against: Option<PasswordHash>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Hashed {
    /// What to keep.
    Hash(PasswordHash),
    /// Whether it is the right password.
    Verified(bool),
}

/// Works on passwords: Argon2id for real; in a simulation anything that answers the same way.
pub trait Hasher {
    /// Does one piece of work.
    ///
    /// # Errors
    /// What is stored is no hash, or there is no memory for hashing.
    fn work(&mut self, work: &Work) -> Result<Hashed, HashError>;

    /// There has been nothing to do for a while: what was kept for the next piece of work may go.
    fn rest(&mut self) {}
}
