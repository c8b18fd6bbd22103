//! Processor time: how much of it the bots had, and how long they waited for it.

use crate::net::Clock;
use crate::time::Time;
use std::time::Duration;

/// Seconds below which the share of a core says nothing: the system tells processor time in hundredths of a second.
const BRIEF: f64 = 0.5;

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Time,
    /// Processor time of the process.
    used: Option<Duration>,
    /// For how long this thread could have run and had no core.
    waited: Option<Duration>,
}

/// What lies between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Stretch {
    pub(super) seconds: f64,
    /// The share of a core that was used; `None` where the system does not tell, or of too short a time.
    pub(super) used: Option<f64>,
    /// The share of the time that was waited for a core, in the same way.
    pub(super) waited: Option<f64>,
}

impl Moment {
    /// This one, for the thread that asks.
    pub(super) fn now(clock: &Clock) -> Moment {
        Moment { at: clock.now(), used: used(), waited: waited() }
    }

    /// From this one to a later one.
    pub(super) fn until(&self, end: &Moment) -> Stretch {
        let seconds = end.at.since(self.at).as_secs_f64();
        let share = |from: Option<Duration>, to: Option<Duration>| {
            let (from, to) = from.zip(to).filter(|_| seconds >= BRIEF)?;
            Some(to.saturating_sub(from).as_secs_f64() / seconds)
        };
        Stretch { seconds, used: share(self.used, end.used), waited: share(self.waited, end.waited) }
    }
}

/// Processor time that the process has used, where the system tells.
fn used() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        // proc(5): utime and stime are the 14th and 15th field, in clock ticks of 1/100 s; the second field is in
        // parentheses and may hold anything.
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// How long this thread has waited for a core, where the system tells.
fn waited() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        // The kernel's sched-stats: nanoseconds run, nanoseconds waited on a run queue, times run.
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        stat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
impl Moment {
    /// In milliseconds.
    pub(super) fn for_tests(at: u64, used: u64, waited: u64) -> Moment {
        let told = |ms| Some(Duration::from_millis(ms));
        Moment { at: Time::from_millis(at), used: told(used), waited: told(waited) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_between() {
        let told = Moment::for_tests(1000, 100, 300).until(&Moment::for_tests(3000, 1100, 700));
        assert_eq!(told, Stretch { seconds: 2.0, used: Some(0.5), waited: Some(0.2) });
        let brief = Moment::for_tests(1000, 100, 300).until(&Moment::for_tests(1400, 200, 400));
        assert_eq!((brief.used, brief.waited), (None, None));
        let untold = Moment { waited: None, ..Moment::for_tests(3000, 1100, 0) };
        let told = Moment::for_tests(1000, 100, 300).until(&untold);
        assert_eq!((told.used, told.waited), (Some(0.5), None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_both() {
        let long = Duration::from_secs(3600);
        assert!(used().is_some_and(|used| used < long));
        // A kernel without sched-stats has no such file.
        let has_file = std::path::Path::new("/proc/thread-self/schedstat").exists();
        assert_eq!(waited().map(|waited| waited < long), has_file.then_some(true));
    }
}
