//! From two states of the counters to a report: what came in between, by the time that passed.

use super::crowd::FEW;
use super::processor::{Moment, Stretch};
use super::report::Report;
use super::status::{Answer, ServerStatus};
use super::surroundings::Shared;
use super::tally::{Tally, Traffic};
use super::{Settings, WHOLE};
use crate::time::Time;

/// The state at one moment.
pub(super) struct Mark {
    moment: Moment,
    traffic: Traffic,
}

/// What a run was, beside its counters.
pub(super) struct Run<'r> {
    pub(super) settings: &'r Settings,
    /// From the beginning until all were in, or had failed.
    pub(super) opening: Stretch,
    pub(super) interrupted: bool,
    /// The server's status before the measuring, and what came of asking for it behind.
    pub(super) before: Option<ServerStatus>,
    pub(super) after: Answer,
}

impl Mark {
    pub(super) fn set(shared: &Shared) -> Mark {
        Mark { moment: Moment::now(&shared.clock), traffic: shared.tally.traffic }
    }

    pub(super) fn at(&self) -> Time {
        self.moment.at
    }
}

/// The report of what happened between two marks.
pub(super) fn report(run: Run<'_>, tally: &Tally, from: &Mark, to: &Mark) -> Report {
    let Settings { url, count, encoding, .. } = run.settings;
    let measured = from.moment.until(&to.moment);
    let traffic = to.traffic.since(&from.traffic);
    // Of no time at all there are no rates; nothing came in it either.
    let per_second = |number: f64| number / measured.seconds.max(1e-3);
    Report {
        url: url.clone(),
        encoding: encoding.subprotocol().trim_start_matches("evertick.v1.").to_owned(),
        count: *count,
        opening_seconds: run.opening.seconds,
        opening_cpu: run.opening.used,
        opening_cpu_waited: run.opening.waited,
        seconds: measured.seconds,
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
        latency_us: tally.pings.latency(),
        latency_at_least_us: tally.pings.least().filter(|_| *count > FEW),
        silent_seconds: (tally.playing > 0).then(|| to.at().since(tally.heard).as_secs_f64()),
        answered: run.after != Answer::None,
        server: run.after.told().map(|server| since(server, run.before.as_ref())),
        cpu: measured.used,
        cpu_waited: measured.waited,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Encoding;

    fn settings(count: u32) -> Settings {
        let url = "ws://127.0.0.1:1/ws".to_owned();
        Settings { url, count, seconds: 10, move_rate: 10, encoding: Encoding::Json, stay: false }
    }

    fn run(settings: &Settings) -> Run<'_> {
        let opening = Stretch { seconds: 1.5, used: Some(0.3), waited: None };
        Run { settings, opening, interrupted: false, before: None, after: Answer::Other }
    }

    fn mark(ms: u64, traffic: Traffic) -> Mark {
        Mark { moment: Moment::for_tests(ms, ms / 2, ms / 4), traffic }
    }

    #[test]
    fn a_report_is_of_what_happened_between_the_marks() {
        let from = Traffic { packets_out: 10, batches: 10, bytes_in: 5, steps: 7, ..Traffic::default() };
        let to = Traffic { packets_out: 50, batches: 30, bytes_in: 25, steps: 9, ..Traffic::default() };
        let to = Traffic { sampled: 4, sampled_packets: 8, player_ticks: 20, ..to };
        let settings = settings(300);
        let heard = Time::from_millis(3000);
        let mut tally = Tally { playing: 1, heard, ..Tally::default() };
        tally.pings.answered(Time::from_micros(1), Time::from_micros(10), Time::from_micros(5));
        let (from, to) = (mark(1500, from), mark(3500, to));
        let told = report(run(&settings), &tally, &from, &to);
        assert_eq!((told.seconds, told.cpu, told.cpu_waited), (2.0, Some(0.5), Some(0.25)));
        let opening = (told.opening_seconds, told.opening_cpu, told.opening_cpu_waited);
        assert_eq!(opening, (1.5, Some(0.3), None));
        assert_eq!((told.packets_out_per_s, told.batches_per_s, told.bytes_in_per_s), (20.0, 10.0, 10.0));
        assert_eq!((told.packets_in_per_s, told.batches_sampled), (Some(20.0), Some(4)));
        assert_eq!((told.batches_per_tick, told.steps), (Some(1.0), 2));
        assert_eq!(told.latency_us.zip(told.latency_at_least_us).map(|(a, b)| (a.p50, b.p50)), Some((9, 4)));
        assert_eq!((told.silent_seconds, told.answered, &told.server), (Some(0.5), true, &None));
        let few = Settings { count: 200, ..settings.clone() };
        let told = report(run(&few), &tally, &from, &to);
        assert_eq!((told.batches_sampled, told.latency_at_least_us), (None, None));
    }

    #[test]
    fn of_no_time_at_all_nothing_is_made_up() {
        let settings = settings(3);
        let at = mark(100, Traffic::default());
        let told = report(Run { after: Answer::None, ..run(&settings) }, &Tally::default(), &at, &at);
        assert_eq!(
            (told.seconds, told.cpu, told.packets_in_per_s, told.batches_per_tick),
            (0.0, None, None, None)
        );
        assert_eq!((told.packets_out_per_s, told.latency_us), (0.0, None));
        assert_eq!((told.silent_seconds, told.answered), (None, false));
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
}
