//! When memory is given back: after a burst, in a calm moment.
//!
//! [`Calm`] is told once a second what is resident, and says whether that has grown and then stood still. It knows neither who
//! allocates nor how memory is given back.
//!
//! Everything stands still meanwhile, for longer the more there is. So while anybody plays it is done only where a tick has left
//! what it may take; what is too much for that waits until nobody plays.
//!
//! Invariant: between two givings-back lie at least [`APART`] looks.

use std::time::Duration;

/// Bytes that must have come since memory was given back, or since the least there was: fewer are not worth the call.
const GROWTH: u64 = 1 << 20;
/// Bytes that it may grow by from look to look and still be called calm.
const DRIFT: u64 = GROWTH / 16;
/// Looks in a row that make calm: what those in a burst were told is acknowledged and forgotten by then, and the memory that
/// it took turns in, two seconds for the one and the other.
const STILL: u32 = 5;
/// Looks between two givings-back: where load comes and goes, what was given back must soon be taken again.
const APART: u32 = 10;

/// What giving back a MiB takes, where it takes long: 5.6 ms were measured for 5.7 MB of single pages that newcomers had left, one call
/// of the system for each. Where most of the heap is free it is a tenth of that.
const TAKES_A_MIB: Duration = Duration::from_millis(1);

/// What was resident lately, in bytes; a look is once a second.
#[derive(Debug, Default)]
pub(super) struct Calm {
    least: Option<u64>,
    last: u64,
    /// Looks since memory was given back, and since it last grew.
    looks: u32,
    still: u32,
}

impl Calm {
    /// So many bytes are resident now.
    pub(super) fn look(&mut self, resident: u64) {
        let has_grown = resident > self.last.saturating_add(DRIFT);
        self.still = if has_grown { 0 } else { self.still.saturating_add(1) };
        self.looks = self.looks.saturating_add(1);
        self.last = resident;
        self.least = Some(self.least.map_or(resident, |least| least.min(resident)));
    }

    /// Whether there was a burst, it is over, and its memory is still there.
    pub(super) fn is_after_burst(&self) -> bool {
        self.grown() >= GROWTH && self.still >= STILL && self.looks >= APART
    }

    /// Whether there is time for it, where a tick has left so much of the interval between two.
    pub(super) fn has_time(&self, left: Duration, interval: Duration, anybody_plays: bool) -> bool {
        // Of what has come nobody knows how much is free: it is taken for all of it. What was in use when memory was last given
        // back and is free by now is not seen here; that can make it longer.
        let mib = u32::try_from(self.grown().div_ceil(1 << 20)).unwrap_or(u32::MAX);
        !anybody_plays || (left >= interval / 2 && TAKES_A_MIB.saturating_mul(mib) <= left)
    }

    /// Bytes that have come since.
    fn grown(&self) -> u64 {
        self.last.saturating_sub(self.least.unwrap_or(self.last))
    }

    /// Memory was given back; so many bytes are resident now.
    pub(super) fn gave_back(&mut self, resident: u64) {
        *self = Calm { least: Some(resident), last: resident, looks: 0, still: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The look, of at most a hundred, after which memory is to be given back.
    fn given_back_at(calm: &mut Calm, resident: impl Fn(u32) -> u64) -> Option<u32> {
        (0..100).find(|&n| {
            calm.look(resident(n));
            calm.is_after_burst()
        })
    }

    #[test]
    fn a_burst_is_waited_for_until_it_is_over() {
        let burst = |n: u32| u64::from(n.min(20)) * GROWTH;
        assert_eq!(given_back_at(&mut Calm::default(), burst), Some(20 + STILL));
    }

    #[test]
    fn nothing_is_given_back_where_nothing_grew() {
        let waves = |n: u32| 50 * GROWTH + u64::from(n % 7) * GROWTH / 8;
        assert_eq!(given_back_at(&mut Calm::default(), waves), None);
    }

    #[test]
    fn what_went_by_itself_is_not_given_back() {
        // A password that is hashed takes 19 MiB, for some seconds.
        let hash = |n: u32| if (20..23).contains(&n) { 27 * GROWTH } else { 8 * GROWTH };
        assert_eq!(given_back_at(&mut Calm::default(), hash), None);
        let start = |n: u32| if n < 3 { 27 * GROWTH } else { 8 * GROWTH + u64::from(n >= 30) * 2 * GROWTH };
        assert_eq!(given_back_at(&mut Calm::default(), start), Some(30 + STILL), "the start is no measure");
    }

    #[test]
    fn what_is_taken_again_is_not_given_back_again_at_once() {
        let mut calm = Calm::default();
        calm.gave_back(8 * GROWTH);
        assert_eq!(given_back_at(&mut calm, |_| 10 * GROWTH), Some(APART - 1));
    }

    #[test]
    fn what_takes_longer_than_a_tick_has_left_waits_until_nobody_plays() {
        let after = |mib: u64| {
            let mut calm = Calm::default();
            calm.look(10 << 20);
            calm.look((10 + mib) << 20);
            calm
        };
        let ms = Duration::from_millis;
        let (slow, fast) = (ms(50), ms(16));
        assert!(after(17).has_time(ms(40), slow, true), "what 10,000 guests come with");
        assert!(after(40).has_time(ms(40), slow, true));
        assert!(!after(41).has_time(ms(40), slow, true));
        assert!(!after(17).has_time(ms(15), fast, true));
        assert!(after(8).has_time(ms(8), fast, true));
        assert!(!after(1).has_time(ms(7), fast, true), "a tick that took most of its time is no calm moment");
        assert!(after(1 << 20).has_time(Duration::ZERO, fast, false), "nobody is there to notice");
        assert!(!after(1 << 43).has_time(slow, slow, true));
    }
}
