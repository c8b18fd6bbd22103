//! Token buckets: how often something may happen, in eight bytes each.
//!
//! The generic cell rate algorithm (ITU-T I.371, "virtual scheduling"): instead of a count and the time of its last
//! refill a [`Bucket`] keeps only the moment at which it will be full again, so that a peer may own several of them
//! for next to nothing. It reads no clock.

use crate::time::Time;

/// How fast a bucket fills and how much it holds; shared by all buckets of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds that one token takes to come back; 0: no limit.
    interval: u64,
    /// Nanoseconds that a full bucket takes to come back.
    tolerance: u64,
}

impl Rate {
    /// No limit at all.
    pub const UNLIMITED: Rate = Rate { interval: 0, tolerance: 0 };

    /// `per_second` tokens a second and at most `burst` (at least 1) at once; 0 a second means no limit.
    pub const fn new(per_second: u32, burst: u32) -> Rate {
        if per_second == 0 {
            return Rate::UNLIMITED;
        }
        let interval = 1_000_000_000 / per_second as u64;
        let burst = if burst == 0 { 1 } else { burst };
        Rate { interval, tolerance: interval * burst as u64 }
    }
}

/// One bucket; full when made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Nanoseconds since the start at which it is full.
    full_at: u64,
}

impl Bucket {
    /// Takes `tokens` out, or says after how many milliseconds (at least 1) as many will be there. Asking for more than
    /// the bucket ever holds is granted when it is full, so that nobody waits for ever.
    pub fn take(&mut self, rate: Rate, tokens: u32, now: Time) -> Result<(), u32> {
        if rate.interval == 0 {
            return Ok(());
        }
        let now = now.as_micros().saturating_mul(1000);
        let cost = rate.interval.saturating_mul(u64::from(tokens));
        let full_at = self.full_at.max(now).saturating_add(cost);
        let room = now.saturating_add(rate.tolerance.max(cost));
        if full_at > room {
            let wait_ms = (full_at - room).div_ceil(1_000_000);
            return Err(u32::try_from(wait_ms).unwrap_or(u32::MAX).max(1));
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Of two of one kind, the one that is full later.
    #[must_use]
    pub fn emptier(self, other: Bucket) -> Bucket {
        Bucket { full_at: self.full_at.max(other.full_at) }
    }

    /// When it is full, rounded up to a microsecond.
    pub fn full_at(&self) -> Time {
        Time::from_micros(self.full_at.div_ceil(1000))
    }

    /// Whether nothing has been taken that is not back by `now`: such a bucket may be forgotten.
    pub fn is_full(&self, now: Time) -> bool {
        self.full_at <= now.as_micros().saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate::new(10, 3);
        let mut bucket = Bucket::default();
        let at = Time::from_millis;
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, 1, at(0)), Ok(()));
        }
        assert_eq!(bucket.take(rate, 1, at(0)), Err(100));
        assert_eq!(bucket.take(rate, 1, at(99)), Err(1));
        assert_eq!(bucket.take(rate, 1, at(100)), Ok(()));
        assert_eq!(bucket.take(rate, 1, at(100)), Err(100));
        assert!(!bucket.is_full(at(100)));
        assert!(bucket.is_full(at(400)));
    }

    #[test]
    fn a_refusal_costs_nothing() {
        let rate = Rate::new(1, 1);
        let mut bucket = Bucket::default();
        assert!(bucket.take(rate, 1, Time::START).is_ok());
        for ms in 1..1000 {
            assert!(bucket.take(rate, 1, Time::from_millis(ms)).is_err());
        }
        assert!(bucket.take(rate, 1, Time::from_millis(1000)).is_ok());
    }

    #[test]
    fn more_than_it_holds_passes_when_full() {
        let rate = Rate::new(100, 10);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(rate, 50, Time::START), Ok(()));
        assert_eq!(bucket.take(rate, 50, Time::START), Err(500));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut bucket = Bucket::default();
        for _ in 0..1000 {
            assert!(bucket.take(Rate::new(0, 0), 1000, Time::START).is_ok());
        }
    }
}
