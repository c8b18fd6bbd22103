//! What is counted while the bots run.

use super::pings::Pings;
use crate::packet::Code;
use crate::time::Time;
use std::collections::BTreeMap;

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
    /// When any bot last heard a batch.
    pub(super) heard: Time,
    /// The newest tick that any batch told.
    pub(super) tick: u64,
    pub(super) traffic: Traffic,
    pub(super) pings: Pings,
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
    /// Steps that were due, taken or not.
    pub(super) steps: u64,
    /// Those of them that were too late to be taken.
    pub(super) skipped: u64,
    /// For each tick of the server, how many bots were in the world.
    pub(super) player_ticks: u64,
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
            steps: self.steps - earlier.steps,
            skipped: self.skipped - earlier.skipped,
            player_ticks: self.player_ticks - earlier.player_ticks,
        }
    }

    /// Packets that came, reckoned from those batches whose packets were counted; `None` where none was.
    pub(super) fn packets_in(&self) -> Option<f64> {
        let sampled = Some(self.sampled as f64).filter(|&sampled| sampled > 0.0)?;
        Some(self.batches as f64 * self.sampled_packets as f64 / sampled)
    }

    /// Batches for one bot in one tick; `None` where no tick has passed with a bot in the world.
    pub(super) fn batches_per_tick(&self) -> Option<f64> {
        let ticks = Some(self.player_ticks as f64).filter(|&ticks| ticks > 0.0)?;
        Some(self.batches as f64 / ticks)
    }
}

impl Tally {
    /// A batch of this tick came. Ticks are counted for whoever is in the world when one hears of them, so that bots
    /// that are gone do not count from then on, nor anybody once the server is.
    pub(super) fn hear(&mut self, tick: u64) {
        let passed = tick.saturating_sub(self.tick);
        let player_ticks = passed.saturating_mul(u64::from(self.playing));
        self.traffic.player_ticks = self.traffic.player_ticks.saturating_add(player_ticks);
        self.tick = self.tick.max(tick);
        self.traffic.batches += 1;
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
    fn packets_are_reckoned_from_the_sample() {
        let earlier = Traffic { batches: 100, sampled: 2, sampled_packets: 50, ..Traffic::default() };
        let now = Traffic { batches: 160, sampled: 4, sampled_packets: 56, ..Traffic::default() };
        assert_eq!(now.since(&earlier).packets_in(), Some(180.0));
        assert_eq!(Traffic::default().packets_in(), None);
    }

    #[test]
    fn batches_a_tick_are_those_of_the_bots_that_were_there() {
        let mut tally = Tally { playing: 2, tick: 100, ..Tally::default() };
        assert_eq!(tally.traffic.batches_per_tick(), None);
        // Ten ticks with two bots and a batch each, five with one, then the server is gone.
        (101..=110).for_each(|tick| (0..2).for_each(|_| tally.hear(tick)));
        tally.playing = 1;
        (111..=115).for_each(|tick| tally.hear(tick));
        tally.playing = 0;
        assert_eq!((tally.traffic.player_ticks, tally.traffic.batches), (25, 25));
        assert_eq!(tally.traffic.batches_per_tick(), Some(1.0));
        // An older tick is none, and a tick beyond reason ends nothing.
        tally.playing = 9;
        [3, u64::MAX].into_iter().for_each(|tick| tally.hear(tick));
        assert_eq!(tally.traffic.player_ticks, u64::MAX);
    }

    #[test]
    fn codes_have_their_names() {
        assert_eq!(name_of(4013), "world_full");
        assert_eq!(name_of(1000), "close 1000");
    }
}
