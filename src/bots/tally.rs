//! What is counted while the bots run.

use super::report::Latency;
use crate::packet::Code;
use std::collections::BTreeMap;
use std::time::Duration;

/// Latencies that are kept; over it the newest take the oldest ones' places.
const SAMPLES: usize = 1 << 20;

/// How many, by the contract's code or by what happened.
pub(super) type ByReason = BTreeMap<String, u64>;

/// The counters of all bots.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Bots that came into the world, ever.
    pub(super) joined: u32,
    /// Bots that are in the world.
    pub(super) playing: u32,
    /// Bots that never came in.
    pub(super) refused: ByReason,
    /// Bots that were in the world and were thrown out, or lost it.
    pub(super) lost: ByReason,
    /// Batches whose number was not the next one.
    pub(super) out_of_order: u64,
    /// The newest tick that any batch told.
    pub(super) tick: u64,
    pub(super) traffic: Traffic,
    latencies: Vec<u32>,
    measured: u64,
}

/// What went through the sockets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) packets_out: u64,
    pub(super) batches: u64,
    /// Batches whose packets were counted, and how many these were.
    pub(super) sampled: u64,
    pub(super) sampled_packets: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// Steps that came too late to be taken.
    pub(super) skipped: u64,
}

impl Traffic {
    /// What came after `earlier`.
    pub(super) fn since(&self, earlier: &Traffic) -> Traffic {
        Traffic {
            packets_out: self.packets_out - earlier.packets_out,
            batches: self.batches - earlier.batches,
            sampled: self.sampled - earlier.sampled,
            sampled_packets: self.sampled_packets - earlier.sampled_packets,
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            skipped: self.skipped - earlier.skipped,
        }
    }

    /// Packets that came, reckoned from those batches whose packets were counted.
    pub(super) fn packets_in(&self) -> f64 {
        match self.sampled {
            0 => 0.0,
            sampled => self.batches as f64 * self.sampled_packets as f64 / sampled as f64,
        }
    }
}

impl Tally {
    /// One more question was answered.
    pub(super) fn measure(&mut self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        match self.latencies.len() {
            len if len < SAMPLES => self.latencies.push(micros),
            _ => self.latencies[self.measured as usize % SAMPLES] = micros,
        }
        self.measured += 1;
    }

    /// Forgets the latencies: what is measured begins here.
    pub(super) fn begin_measuring(&mut self) {
        self.latencies.clear();
        self.measured = 0;
    }

    /// How long answers took; `None` where there were none.
    pub(super) fn latency(&self) -> Option<Latency> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = |share: f64| sorted.get(((sorted.len() as f64 * share).ceil() as usize).max(1) - 1).copied();
        Some(Latency { samples: self.measured, p50: at(0.5)?, p99: at(0.99)?, p999: at(0.999)? })
    }
}

/// Counts one.
pub(super) fn count(reasons: &mut ByReason, reason: impl Into<String>) {
    *reasons.entry(reason.into()).or_default() += 1;
}

/// All of them together.
pub(super) fn total(reasons: &ByReason) -> u64 {
    reasons.values().sum()
}

/// A Close frame's code as the contract names it; other codes are their number.
pub(super) fn name_of(close: u16) -> String {
    let known = Code::ALL.iter().find(|code| code.close_code() == Some(close));
    known.map_or_else(|| format!("close {close}"), |code| code.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let mut tally = Tally::default();
        assert_eq!(tally.latency(), None);
        tally.measure(Duration::from_micros(5));
        assert_eq!(tally.latency(), Some(Latency { samples: 1, p50: 5, p99: 5, p999: 5 }));
        tally.begin_measuring();
        (1..=1000).rev().for_each(|us| tally.measure(Duration::from_micros(us)));
        assert_eq!(tally.latency(), Some(Latency { samples: 1000, p50: 500, p99: 990, p999: 999 }));
    }

    #[test]
    fn packets_are_reckoned_from_the_sample() {
        let earlier = Traffic { batches: 100, sampled: 2, sampled_packets: 50, ..Traffic::default() };
        let now = Traffic { batches: 160, sampled: 4, sampled_packets: 56, ..Traffic::default() };
        assert_eq!(now.since(&earlier).packets_in(), 180.0);
        assert_eq!(Traffic::default().packets_in(), 0.0);
    }

    #[test]
    fn codes_have_their_names() {
        assert_eq!(name_of(4013), "world_full");
        assert_eq!(name_of(1000), "close 1000");
    }
}
