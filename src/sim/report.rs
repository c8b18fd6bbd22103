//! What a run gives: what happened in it, or what went wrong.

use super::deflation::Deflated;
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
    /// Bytes that clients wrote into lines that were dead already.
    pub unheard: u64,
    /// How often a client that came back was told everything afresh.
    pub afresh: u64,
    /// How often that was for want of what it had missed, and not for another encoding.
    pub forgotten: u64,
    /// Clients that came back too late, and were told that their player is gone.
    pub expired: u64,
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
    /// Packets to players that the replay gave again.
    pub replayed: usize,
    /// Packets to players that a twin gave again whose lines all held.
    pub twinned: usize,
    /// How often compressed messages came to something.
    pub deflated: Deflated,
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
