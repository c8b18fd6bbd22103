//! What all bots of a run use, one after the other.

use super::looking::Looks;
use super::tally::Tally;
use super::{SAMPLED, Settings, WHOLE};
use crate::client::Batch;
use crate::games::eternity::Out;
use crate::net::Clock;
use crate::random::{Random, Secrets};
use crate::time::Time;

/// What all bots use.
pub(super) struct Shared {
    pub(super) clock: Clock,
    /// As of this turn.
    pub(super) now: Time,
    pub(super) looks: Looks,
    pub(super) secrets: Secrets,
    pub(super) random: Random,
    pub(super) stay: bool,
    /// Whether every batch is decoded.
    whole: bool,
    pub(super) tally: Tally,
    /// Where what one bot sends is put together.
    pub(super) out: Vec<u8>,
}

impl Shared {
    pub(super) fn new(clock: Clock, mut secrets: Secrets, settings: &Settings) -> Shared {
        let random = Random::new(u64::from_le_bytes(secrets.bytes()));
        let (now, stay, whole) = (clock.now(), settings.stay, settings.count <= WHOLE);
        let (tally, out) = (Tally::default(), Vec::new());
        let looks = Looks::begin(now);
        Shared { clock, now, looks, secrets, random, stay, whole, tally, out }
    }

    /// Counts a batch, and its packets where they are to be counted.
    pub(super) fn count(&mut self, batch: &Batch<'_, Out>) {
        self.tally.heard = self.now;
        self.tally.hear(batch.head().tick);
        if self.whole || self.random.below(SAMPLED) == 0 {
            let traffic = &mut self.tally.traffic;
            traffic.sampled += 1;
            traffic.sampled_packets += batch.packets().count() as u64;
        }
    }
}
