//! From two states of the counters to a report: what came in between, by the time that passed.

use super::crowd::FEW;
use super::report::Report;
use super::status::{self, ServerStatus};
use super::surroundings::Shared;
use super::tally::{Tally, Traffic};
use super::target::Target;
use super::{Settings, WHOLE};
use crate::time::Time;
use std::time::Duration;

/// Seconds below which the share of a core says nothing: the system tells processor time in hundredths of a second.
const BRIEF: f64 = 0.5;

/// The state at one moment.
pub(super) struct Mark {
    pub(super) at: Time,
    traffic: Traffic,
    cpu: Option<Duration>,
    server: Option<ServerStatus>,
}

/// What a run was, beside its counters.
pub(super) struct Run<'r> {
    pub(super) settings: &'r Settings,
    /// How long the bots took to come in.
    pub(super) opening: Duration,
    pub(super) interrupted: bool,
}

impl Mark {
    /// Asks the server for its status first, then reads the clock.
    pub(super) fn set(target: &Target, shared: &Shared) -> Mark {
        Mark {
            server: status::ask(target).unwrap_or_default(),
            at: shared.clock.now(),
            traffic: shared.tally.traffic,
            cpu: cpu_time(),
        }
    }
}

/// The report of what happened between two marks.
pub(super) fn report(run: &Run<'_>, tally: &Tally, from: &Mark, to: Mark) -> Report {
    let Settings { url, count, encoding, .. } = run.settings;
    let seconds = to.at.since(from.at).as_secs_f64();
    let traffic = to.traffic.since(&from.traffic);
    // Of no time at all there are no rates; nothing came in it either.
    let per_second = |number: f64| number / seconds.max(1e-3);
    let cpu = from.cpu.zip(to.cpu).filter(|_| seconds >= BRIEF);
    Report {
        url: url.clone(),
        encoding: encoding.subprotocol().trim_start_matches("evertick.v1.").to_owned(),
        count: *count,
        opening_seconds: run.opening.as_secs_f64(),
        seconds,
        interrupted: run.interrupted,
        joined: tally.joined,
        refused: tally.refused.clone(),
        lost: tally.lost.clone(),
        out_of_order: tally.out_of_order,
        packets_in_per_s: traffic.packets_in().map(per_second),
        batches_sampled: (*count > WHOLE).then_some(traffic.sampled),
        packets_out_per_s: per_second(traffic.packets_out as f64),
        bytes_in_per_s: per_second(traffic.bytes_in as f64),
        bytes_out_per_s: per_second(traffic.bytes_out as f64),
        batches_per_s: per_second(traffic.batches as f64),
        batches_per_tick: traffic.batches_per_tick(),
        latency_us: tally.latency(),
        latency_at_least_us: tally.least_latency().filter(|_| *count > FEW),
        server: to.server.map(|server| since(server, from.server.as_ref())),
        cpu: cpu.map(|(from, to)| to.saturating_sub(from).as_secs_f64() / seconds),
        steps: traffic.steps,
        skipped: traffic.skipped,
    }
}

/// What the server says at the end, with the late ticks of the run alone.
fn since(mut server: ServerStatus, from: Option<&ServerStatus>) -> ServerStatus {
    let before = from.map_or(0, |status| status.tick.overruns);
    server.tick.overruns = server.tick.overruns.saturating_sub(before);
    server
}

/// Processor time that the process has used, where the system tells.
fn cpu_time() -> Option<Duration> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Encoding;

    fn settings(count: u32) -> Settings {
        let url = "ws://127.0.0.1:1/ws".to_owned();
        Settings { url, count, seconds: 10, move_rate: 10, encoding: Encoding::Json, stay: false }
    }

    fn mark(ms: u64, traffic: Traffic) -> Mark {
        Mark { at: Time::from_millis(ms), traffic, cpu: Some(Duration::from_millis(ms / 2)), server: None }
    }

    #[test]
    fn a_report_is_of_what_happened_between_the_marks() {
        let from = Traffic { packets_out: 10, batches: 10, bytes_in: 5, steps: 7, ..Traffic::default() };
        let to = Traffic { packets_out: 50, batches: 30, bytes_in: 25, steps: 9, ..Traffic::default() };
        let to = Traffic { sampled: 4, sampled_packets: 8, player_ticks: 20, ..to };
        let settings = settings(300);
        let run = Run { settings: &settings, opening: Duration::from_millis(1500), interrupted: false };
        let mut tally = Tally::default();
        tally.measure(Duration::from_micros(9), Duration::from_micros(4));
        let told = report(&run, &tally, &mark(1500, from), mark(3500, to));
        assert_eq!((told.opening_seconds, told.seconds, told.cpu), (1.5, 2.0, Some(0.5)));
        assert_eq!((told.packets_out_per_s, told.batches_per_s, told.bytes_in_per_s), (20.0, 10.0, 10.0));
        assert_eq!((told.packets_in_per_s, told.batches_sampled), (Some(20.0), Some(4)));
        assert_eq!((told.batches_per_tick, told.steps), (Some(1.0), 2));
        assert_eq!(told.latency_us.zip(told.latency_at_least_us).map(|(a, b)| (a.p50, b.p50)), Some((9, 4)));
        let few = Settings { count: 200, ..settings.clone() };
        let told = report(&Run { settings: &few, ..run }, &tally, &mark(1500, from), mark(3500, to));
        assert_eq!((told.batches_sampled, told.latency_at_least_us), (None, None));
    }

    #[test]
    fn of_no_time_at_all_nothing_is_made_up() {
        let settings = settings(3);
        let run = Run { settings: &settings, opening: Duration::ZERO, interrupted: true };
        let at = || mark(100, Traffic::default());
        let told = report(&run, &Tally::default(), &at(), at());
        assert_eq!(
            (told.seconds, told.cpu, told.packets_in_per_s, told.batches_per_tick),
            (0.0, None, None, None)
        );
        assert_eq!((told.packets_out_per_s, told.latency_us), (0.0, None));
    }

    #[test]
    fn overruns_are_those_of_the_run() {
        let status = |overruns| {
            let mut status = ServerStatus::default();
            status.tick.overruns = overruns;
            status
        };
        assert_eq!(since(status(7), Some(&status(3))), status(4));
        assert_eq!(since(status(7), None), status(7));
        assert_eq!(since(status(1), Some(&status(3))), status(0), "another server by now");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn processor_time_is_told() {
        assert!(cpu_time().is_some_and(|cpu| cpu < Duration::from_secs(3600)));
    }
}
