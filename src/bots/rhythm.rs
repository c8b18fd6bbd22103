//! When something is due that happens so many times a second: evenly spread, never in a burst.

use crate::time::Time;
use std::time::Duration;

/// So many events in each period, at equal distances. It is no queue: what is due is a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    start: Time,
    events: u64,
    period: Duration,
    next: u64,
}

impl Rhythm {
    /// Begins at `start`. Without events nothing is ever due.
    pub(super) fn new(start: Time, events: u64, period: Duration) -> Rhythm {
        Rhythm { start, events, period, next: 0 }
    }

    /// The number of the next event, where it is due.
    pub(super) fn take(&mut self, now: Time) -> Option<u64> {
        if self.deadline()? > now {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// Passes over the events that are overdue by more than `slack`, and only over those; says how many.
    pub(super) fn skip(&mut self, now: Time, slack: Duration) -> u64 {
        let Some(oldest) = now.since(self.start).checked_sub(slack) else { return 0 };
        let first = (oldest.as_micros() as u64).saturating_mul(self.events);
        let first = first.div_ceil(self.period.as_micros() as u64);
        let skipped = first.saturating_sub(self.next);
        self.next += skipped;
        skipped
    }

    /// When the next event is due; `None`: never.
    pub(super) fn deadline(&self) -> Option<Time> {
        let micros = self.next.saturating_mul(self.period.as_micros() as u64).checked_div(self.events)?;
        Some(self.start + Duration::from_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn events_are_spread_evenly_and_none_is_lost() {
        let mut rhythm = Rhythm::new(Time::from_millis(100), 4, SECOND);
        let mut taken = Vec::new();
        for ms in (0..=2100).step_by(10) {
            while let Some(n) = rhythm.take(Time::from_millis(ms)) {
                taken.push((n, ms));
            }
        }
        assert_eq!(taken, (0..9).map(|n| (n, 100 + n * 250)).collect::<Vec<_>>());
        assert_eq!(Rhythm::new(Time::START, 0, SECOND).deadline(), None);
    }

    #[test]
    fn whoever_is_late_passes_over_what_is_too_late_and_nothing_else() {
        let slack = SECOND / 10;
        let mut rhythm = Rhythm::new(Time::START, 1000, SECOND);
        assert_eq!(rhythm.skip(Time::from_millis(100), slack), 0);
        // Of 0 to 101 ms, the one that was due at 0 is overdue by more than 100 ms.
        assert_eq!(rhythm.skip(Time::from_millis(101), slack), 1);
        assert_eq!(rhythm.skip(Time::from_millis(101), slack), 0);
        assert_eq!(rhythm.skip(Time::from_millis(500), slack), 399);
        let taken: Vec<u64> = std::iter::from_fn(|| rhythm.take(Time::from_millis(500))).collect();
        assert_eq!(taken, (400..=500).collect::<Vec<_>>());
        assert_eq!(rhythm.skip(Time::from_millis(500), slack), 0, "what was taken is not passed over");
        assert_eq!(Rhythm::new(Time::START, 0, SECOND).skip(Time::from_millis(500), slack), 0);
    }

    /// Where events do not divide the period, too: skipped are exactly those whose deadline is that long ago.
    #[test]
    fn what_is_skipped_was_overdue_by_more_than_the_slack() {
        let slack = SECOND / 5;
        for events in [3, 7, 999, 50_000] {
            for ms in [200, 201, 333, 1234] {
                let (now, mut rhythm) = (Time::from_millis(ms), Rhythm::new(Time::START, events, SECOND));
                let skipped = rhythm.skip(now, slack);
                let late = |next| now.since(Rhythm { next, ..rhythm }.deadline().unwrap());
                assert!(late(skipped) <= slack, "{events} events at {ms} ms: {skipped}");
                assert!(skipped == 0 || late(skipped - 1) > slack, "{events} events at {ms} ms: {skipped}");
            }
        }
    }
}
