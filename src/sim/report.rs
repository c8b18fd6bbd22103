//! What a run gives: what happened in it, or what went wrong.

use crate::packet::Code;
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;

/// What happened in a run that went well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Ticks.
    pub ticks: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Clients that were let in.
    pub players: u64,
    /// Lines that were cut under a client that came back, or would have.
    pub cuts: u64,
    /// Packets that cut clients sent to their game and it took: all of them, in order, once.
    pub taken: u64,
    /// Packets that clients read.
    pub packets: u64,
    /// Packets of low priority that clients were spared, as far as they heard later ones.
    pub spared: u64,
    /// What callers were answered, each held against the disk.
    pub answered: u64,
    /// How often the disk would not.
    pub failed_commits: u64,
    /// The most bytes that the budget held.
    pub most_memory: usize,
    /// How often the server ended a session, by its reason.
    pub closes: BTreeMap<Code, u64>,
    /// Packets to players, and inputs of games, that the replay gave again.
    pub replayed: usize,
    /// A hash over all that clients read, in order: the same seed gives the same.
    pub digest: u64,
}

/// What went wrong in a run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The run.
    pub seed: u64,
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, at {} ms: {}", self.seed, self.at.as_millis(), self.what)
    }
}

impl std::error::Error for Failure {}
