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

    /// Passes over events that are overdue by more than `slack`; says how many.
    pub(super) fn skip(&mut self, now: Time, slack: Duration) -> u64 {
        let Some(deadline) = self.deadline().filter(|&deadline| now.since(deadline) > slack) else {
            return 0;
        };
        let late = now.since(deadline).as_micros() as u64;
        let skipped = late.saturating_mul(self.events) / self.period.as_micros() as u64;
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
    fn whoever_is_late_does_not_burst() {
        let mut rhythm = Rhythm::new(Time::START, 1000, SECOND);
        assert_eq!(rhythm.skip(Time::from_millis(90), SECOND / 10), 0);
        assert_eq!(rhythm.skip(Time::from_millis(500), SECOND / 10), 500);
        assert_eq!(rhythm.take(Time::from_millis(500)), Some(500));
        assert_eq!(rhythm.take(Time::from_millis(500)), None);
    }
}
