//! What the rules may do to the world outside themselves: five calls, so that a test can stand in for the engine.

use super::packets::Out;
use crate::ids::PlayerId;
use crate::random::Random;
use crate::time::{Tick, TickRate};
use std::time::Duration;

/// The part of the engine's [`Context`](crate::engine::Context) that the rules use; each call means what it means
/// there.
pub(super) trait Effects {
    /// Sends a packet to those of these players who are there.
    fn send(&mut self, to: &[PlayerId], packet: &Out);
    /// Answers the packet that is being handled.
    fn reply(&mut self, packet: &Out);
    /// Bytes that nobody can guess.
    fn secret(&mut self) -> [u8; 16];
    /// Chance.
    fn random(&mut self) -> &mut Random;
    /// When it is.
    fn clock(&self) -> Clock;
}

/// The tick that is running, and how long ticks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Clock {
    pub(super) tick: Tick,
    pub(super) rate: TickRate,
}

impl Clock {
    /// The first tick that is no earlier than `time` from now.
    pub(super) fn after(self, time: Duration) -> Tick {
        Tick(self.tick.0.saturating_add(self.rate.ticks_in(time)))
    }

    /// How many milliseconds from now until a tick, rounded up; 0 where it has been.
    pub(super) fn ms_until(self, tick: Tick) -> u32 {
        let ticks = tick.0.saturating_sub(self.tick.0);
        u32::try_from(ticks.saturating_mul(1000).div_ceil(u64::from(self.rate.hz()))).unwrap_or(u32::MAX)
    }
}
