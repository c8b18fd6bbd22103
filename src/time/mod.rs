//! Time as a value: the engine never asks what time it is, it is told.
//!
//! [`Time`] is monotonic and starts with the process, [`WallMs`] is what clients are shown. [`TickClock`] turns the
//! one into ticks by absolute deadlines: it never drifts, and a late loop skips ticks instead of bursting through
//! them. How often something may happen is counted in [`bucket`].

pub mod bucket;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A monotonic moment: microseconds since the process (or the simulation) started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Time(u64);

impl Time {
    /// The start of the process.
    pub const START: Time = Time(0);

    /// The moment `us` microseconds after the start.
    pub const fn from_micros(us: u64) -> Time {
        Time(us)
    }

    /// The moment `ms` milliseconds after the start.
    pub const fn from_millis(ms: u64) -> Time {
        Time(ms * 1000)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, d: Duration) -> Time {
        Time(self.0.saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time as clients are told it: Unix milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallMs(pub u64);

/// The number of a tick: the index of its deadline since the start. It jumps over ticks that were missed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Ticks a second, 1 to [`TickRate::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TickRate(NonZeroU32);

impl TickRate {
    /// The fastest rate that is accepted, in Hz.
    pub const MAX: u32 = 128;

    /// `None` for 0 and for more than [`TickRate::MAX`].
    pub const fn new(hz: u32) -> Option<TickRate> {
        match NonZeroU32::new(hz) {
            Some(n) if hz <= Self::MAX => Some(TickRate(n)),
            _ => None,
        }
    }

    /// Ticks a second.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// The time between two ticks.
    pub fn interval(self) -> Duration {
        Duration::from_micros(1_000_000 / u64::from(self.0.get()))
    }

    /// How many ticks cover `d`, rounded up.
    pub fn ticks_in(self, d: Duration) -> u64 {
        let us = u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        us.saturating_mul(u64::from(self.hz())).div_ceil(1_000_000)
    }
}

impl Default for TickRate {
    /// 20 Hz.
    fn default() -> TickRate {
        const TWENTY: TickRate = match TickRate::new(20) {
            Some(rate) => rate,
            None => unreachable!(),
        };
        TWENTY
    }
}

/// Says when ticks are due. Deadlines are absolute: deadline `n` is `n` intervals after the start, whatever happened
/// in between.
///
/// Invariant: [`TickClock::deadline`] is strictly after the last moment given to [`TickClock::advance`].
#[derive(Clone, Debug)]
pub struct TickClock {
    rate: TickRate,
    next: u64,
}

/// What [`TickClock::advance`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advanced {
    /// The tick to run now: the newest one whose deadline has passed.
    pub tick: Tick,
    /// How many ticks before it were missed and will not be run.
    pub missed: u64,
}

impl TickClock {
    /// A clock whose first tick is due one interval after [`Time::START`], or after `now` where that is later.
    pub fn new(rate: TickRate, now: Time) -> TickClock {
        let mut clock = TickClock { rate, next: 1 };
        clock.next = clock.index_at(now) + 1;
        clock
    }

    /// The rate this clock runs at.
    pub fn rate(&self) -> TickRate {
        self.rate
    }

    /// When the next tick is due.
    pub fn deadline(&self) -> Time {
        Time(self.next.saturating_mul(1_000_000).div_ceil(u64::from(self.rate.hz())))
    }

    /// The tick that is due at `now`, if one is; the ones it jumps over are counted.
    pub fn advance(&mut self, now: Time) -> Option<Advanced> {
        let due = self.index_at(now);
        if due < self.next {
            return None;
        }
        let missed = due - self.next;
        self.next = due + 1;
        debug_assert!(self.deadline() > now);
        Some(Advanced { tick: Tick(due), missed })
    }

    /// The index of the newest deadline that is not after `now`.
    fn index_at(&self, now: Time) -> u64 {
        now.0.saturating_mul(u64::from(self.rate.hz())) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_come_at_absolute_deadlines() {
        let mut clock = TickClock::new(TickRate::default(), Time::START);
        assert_eq!(clock.deadline(), Time::from_millis(50));
        assert_eq!(clock.advance(Time::from_micros(49_999)), None);
        // Late by 10 ms: the next deadline does not move.
        assert_eq!(clock.advance(Time::from_millis(60)), Some(Advanced { tick: Tick(1), missed: 0 }));
        assert_eq!(clock.deadline(), Time::from_millis(100));
    }

    #[test]
    fn a_late_loop_skips_and_counts() {
        let mut clock = TickClock::new(TickRate::default(), Time::START);
        let late = clock.advance(Time::from_millis(1010)).expect("a tick is due");
        assert_eq!(late, Advanced { tick: Tick(20), missed: 19 });
        assert_eq!(clock.advance(Time::from_millis(1011)), None, "no burst to catch up");
    }

    #[test]
    fn rates_that_do_not_divide_a_second_do_not_drift() {
        for hz in 1..=TickRate::MAX {
            let rate = TickRate::new(hz).expect("in range");
            let mut clock = TickClock::new(rate, Time::START);
            for want in 1..=u64::from(hz) {
                let at = clock.deadline();
                let got = clock.advance(at).expect("due at its own deadline");
                assert_eq!((got.tick.0, got.missed), (want, 0), "{hz} Hz");
            }
            assert_eq!(
                clock.deadline().as_micros().div_ceil(1_000_000),
                2,
                "{hz} Hz: second 1 holds {hz} ticks"
            );
        }
    }

    #[test]
    fn a_clock_may_start_late() {
        let clock = TickClock::new(TickRate::default(), Time::from_millis(70));
        assert_eq!(clock.deadline(), Time::from_millis(100));
    }

    #[test]
    fn rates_outside_their_range_are_refused() {
        assert!(TickRate::new(0).is_none());
        assert!(TickRate::new(TickRate::MAX + 1).is_none());
    }
}
