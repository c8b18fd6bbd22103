//! How long answers take: who asks, how often, and what is counted of it.
//!
//! A bot asks once in [`EVERY`], and not while it waits for an answer. What was due meanwhile counts too, with the time from
//! when it was due until that answer was read: a server that hangs for ten seconds has let ten pings wait and not one.
//! (Leaving them out is known as coordinated omission, and this is how HdrHistogram and wrk2 make up for it.) Of the pings
//! that are not answered when the run ends, those that are older than [`EVERY`] have taken as long as they waited, and what
//! was due behind them too.

use super::report::Latency;
use crate::time::Time;
use std::time::Duration;

/// Bots that measure the latency, at most.
const PINGERS: u32 = 200;
/// Each of them sends a ping once in such a time.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// Latencies that are kept; over it the newest take the oldest ones' places.
const SAMPLES: usize = 1 << 20;

/// How long answers took.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// What was due before is not counted.
    from: Time,
    /// Until they were read...
    seen: Times,
    /// ...and until the last look that did not find them.
    least: Times,
}

/// Times in microseconds, the newest ones.
#[derive(Debug, Default)]
struct Times {
    newest: Vec<u32>,
    measured: u64,
}

/// How many bots measure, and how many stand between two of them.
pub(super) fn pingers(count: u32) -> (u32, u32) {
    let apart = count.div_ceil(PINGERS).max(1);
    (count.div_ceil(apart), apart)
}

impl Pings {
    /// Counts what is due from now on, and nothing else.
    pub(super) fn begin(from: Time) -> Pings {
        Pings { from, ..Pings::default() }
    }

    /// An answer was read that was not there yet at `looked`.
    pub(super) fn answered(&mut self, sent: Time, read: Time, looked: Time) {
        let due = std::iter::successors(Some(sent), |due| Some(*due + EVERY));
        for due in due.take_while(|due| *due <= read).filter(|due| *due >= self.from) {
            self.seen.add(read.since(due));
            self.least.add(looked.since(due));
        }
    }

    /// The measuring ends, and there is no answer yet.
    pub(super) fn unanswered(&mut self, sent: Time, now: Time, looked: Time) {
        if now.since(sent) >= EVERY {
            self.answered(sent, now, looked);
        }
    }

    /// How long answers took until the bots read them; `None` where there were none.
    pub(super) fn latency(&self) -> Option<Latency> {
        self.seen.percentiles()
    }

    /// How long they took at least.
    pub(super) fn least(&self) -> Option<Latency> {
        self.least.percentiles()
    }
}

impl Times {
    fn add(&mut self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        match self.newest.len() {
            n if n < SAMPLES => self.newest.push(micros),
            _ => self.newest[self.measured as usize % SAMPLES] = micros,
        }
        self.measured += 1;
    }

    fn percentiles(&self) -> Option<Latency> {
        let mut sorted = self.newest.clone();
        sorted.sort_unstable();
        let at = |share: f64| sorted.get(((sorted.len() as f64 * share).ceil() as usize).max(1) - 1).copied();
        Some(Latency { samples: self.measured, p50: at(0.5)?, p99: at(0.99)?, p999: at(0.999)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(samples: u64, p50: u32, p99: u32, p999: u32) -> Option<Latency> {
        Some(Latency { samples, p50, p99, p999 })
    }

    #[test]
    fn percentiles() {
        let us = Time::from_micros;
        let mut pings = Pings::default();
        assert_eq!((pings.latency(), pings.least()), (None, None));
        pings.answered(us(10), us(15), us(12));
        assert_eq!((pings.latency(), pings.least()), (latency(1, 5, 5, 5), latency(1, 2, 2, 2)));
        let mut pings = Pings::begin(us(20));
        (1..=1000).rev().for_each(|n| pings.answered(us(20), us(20 + n), us(20 + n / 2)));
        assert_eq!(pings.latency(), latency(1000, 500, 990, 999));
        assert_eq!(pings.least(), latency(1000, 250, 495, 499));
    }

    #[test]
    fn what_was_due_while_an_answer_was_awaited_counts_with_its_own_wait() {
        let ms = Time::from_millis;
        let mut pings = Pings::begin(ms(1000));
        pings.answered(ms(1500), ms(4700), ms(3600));
        // Due at 1500, 2500, 3500 and 4500; the last of them was not before the look.
        assert_eq!(pings.seen.newest, [3_200_000, 2_200_000, 1_200_000, 200_000]);
        assert_eq!(pings.least.newest, [2_100_000, 1_100_000, 100_000, 0]);
        // Of a ping from before the measuring only what was due in it.
        let mut pings = Pings::begin(ms(1000));
        pings.answered(ms(700), ms(2800), ms(2800));
        assert_eq!(pings.seen.newest, [1_100_000, 100_000]);
    }

    #[test]
    fn who_waits_at_the_end_counts_once_the_next_ping_is_due() {
        let ms = Time::from_millis;
        let mut pings = Pings::default();
        pings.unanswered(ms(1000), ms(1999), ms(1990));
        assert_eq!(pings.latency(), None);
        pings.unanswered(ms(1000), ms(2500), ms(2490));
        assert_eq!(pings.seen.newest, [1_500_000, 500_000]);
    }

    #[test]
    fn those_who_measure_are_spread_over_all() {
        assert_eq!(pingers(1), (1, 1));
        assert_eq!(pingers(200), (200, 1));
        assert_eq!(pingers(201), (101, 2));
        assert_eq!(pingers(5000), (200, 25));
        for count in 1..3000 {
            let (pingers, apart) = pingers(count);
            assert!(pingers <= PINGERS && (pingers - 1) * apart < count);
        }
    }
}
