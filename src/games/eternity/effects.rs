//! What the rules may do to the world outside themselves: these calls and no others, so that a test can stand in for the
//! engine.

use super::packets::Out;
use crate::engine::{Asker, Commit, CommitId, ReadingId, Refusal, To};
use crate::ids::{PlayerId, RegionId};
use crate::packet::Code;
use crate::random::Random;
use crate::time::{Tick, TickRate, WallMs};
use serde::Serialize;

/// The part of the engine's [`Context`](crate::engine::Context) that the rules use; each call means what it means
/// there.
pub(super) trait Effects {
    /// Sends a packet to all of an audience.
    fn send(&mut self, to: To<'_>, packet: &Out);
    /// Answers the packet that is being handled.
    fn reply(&mut self, packet: &Out);
    /// Makes a player a member of a region, and of no other.
    fn enter(&mut self, player: PlayerId, region: RegionId);
    /// Ends a player's connection after this tick.
    fn kick(&mut self, player: PlayerId, code: Code, message: &str);
    /// Chance.
    fn random(&mut self) -> &mut Random;
    /// When it is.
    fn clock(&self) -> Clock;
    /// When it is outside.
    fn wall(&self) -> WallMs;
    /// Has a player's connection play as another player from the next tick on.
    fn become_player(&mut self, from: PlayerId, player: PlayerId, name: &str);
    /// Takes the answer to what is being handled upon the rules.
    fn asker(&mut self) -> Asker;
    /// Answers a packet.
    fn reply_to(&mut self, asker: Asker, packet: &Out);
    /// Answers a request over HTTP.
    fn answer<T: Serialize>(&mut self, asker: Asker, status: u16, value: &T);
    /// Answers that it is done.
    fn done(&mut self, asker: Asker);
    /// Answers that it is refused.
    fn refuse(&mut self, asker: Asker, refusal: Refusal);
    /// Saves what may lag.
    fn save<T: Serialize>(&mut self, collection: &str, key: u32, version: u32, value: &T);
    /// Commits; what came of it is told in a later tick.
    fn commit(&mut self, commit: Commit) -> CommitId;
    /// Reads the log; what is in it is told in a later tick.
    fn read_log(&mut self, before: Option<u64>, limit: u32) -> ReadingId;
}

/// The tick that is running, and how long ticks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Clock {
    pub(super) tick: Tick,
    pub(super) rate: TickRate,
}

impl Clock {
    /// Seconds from an earlier tick until now.
    pub(super) fn seconds_since(self, earlier: Tick) -> f32 {
        self.tick.0.saturating_sub(earlier.0) as f32 / self.rate.hz() as f32
    }

    /// How many ticks `seconds` last, rounded up.
    pub(super) fn ticks(self, seconds: f32) -> u64 {
        (f64::from(seconds) * f64::from(self.rate.hz())).ceil() as u64
    }

    /// How many milliseconds from now until a tick, rounded up; 0 where it has been.
    pub(super) fn ms_until(self, tick: Tick) -> u32 {
        let ticks = tick.0.saturating_sub(self.tick.0);
        u32::try_from(ticks.saturating_mul(1000).div_ceil(u64::from(self.rate.hz()))).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_turns_ticks_into_time_and_back() {
        let clock = Clock { tick: Tick(100), rate: TickRate::new(20).unwrap() };
        assert_eq!(clock.seconds_since(Tick(90)), 0.5);
        assert_eq!(clock.seconds_since(Tick(101)), 0.0);
        assert_eq!(clock.ticks(5.0), 100);
        assert_eq!(clock.ticks(0.26), 6);
        assert_eq!(clock.ms_until(Tick(103)), 150);
        assert_eq!(clock.ms_until(Tick(3)), 0);
        let odd = Clock { tick: Tick(0), rate: TickRate::new(3).unwrap() };
        assert_eq!(odd.ms_until(Tick(1)), 334);
    }
}
