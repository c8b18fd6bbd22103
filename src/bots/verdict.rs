//! What a report amounts to: whether the run failed, whose figures they are, and what would help. Each is a line for
//! people, or none.

use super::report::Report;
use super::tally::{ByReason, total};
use crate::packet::Code;

/// A share of one core above which the bots are taken to be the bottleneck: used, or used and waited for.
const BUSY: f64 = 0.9;
/// A share of the time above which, waited for a core, somebody else had it: with a core of their own bots wait for some
/// hundredths. The two above do not tell of this alone, for the bots rest however late they are.
const WAITED: f64 = 0.25;
/// A share of the steps above which, being too late, the same is said.
const LATE: f64 = 0.01;
/// Seconds without a batch for any bot after which the server is said to hang: in each second one bot sends a `ping` at
/// least.
const SILENT: f64 = 2.0;
/// Connections that a server needs beside those of the bots, at least: for its status, and for those that go.
const OTHERS: u32 = 64;

impl Report {
    /// Why the run failed: not everybody came in, or stayed, or got its batches in order, or the server hung at the end.
    /// `None`: all is well.
    pub fn failure(&self) -> Option<String> {
        let missing = u64::from(self.count.saturating_sub(self.joined));
        let reasons = [
            (missing, "not in the world", &self.refused),
            (total(&self.lost), "lost", &self.lost),
            (self.out_of_order, "with batches out of order", &ByReason::new()),
        ];
        let told = reasons.iter().filter(|(bots, ..)| *bots > 0).map(|(bots, what, reasons)| {
            let reasons = listed(reasons);
            let why = if reasons.is_empty() { String::new() } else { format!(" ({reasons})") };
            format!("{bots} of {} bots {what}{why}", self.count)
        });
        let silent = self.silent_seconds.filter(|&seconds| seconds >= SILENT);
        let silent = silent.map(|seconds| format!("no bot heard anything in the last {seconds:.1} s"));
        let unanswered = (!self.answered).then(|| "the server did not answer at the end".to_owned());
        let told = told.chain(silent).chain(unanswered);
        Some(told.collect::<Vec<_>>().join("; ")).filter(|told| !told.is_empty())
    }

    /// What is to be said where the figures are the bots' limit and not the server's.
    pub fn bottleneck(&self) -> Option<String> {
        let late = self.skipped as f64 / self.steps.max(1) as f64;
        let (measured, opening) =
            (core(self.cpu, self.cpu_waited), core(self.opening_cpu, self.opening_cpu_waited));
        if measured != Core::Enough || late > LATE {
            let remedy = measured.remedy();
            return Some(format!(
                "the bots were the bottleneck: {} of {} steps too late ({:.1} %){}; latencies and rates are theirs{remedy}",
                self.skipped,
                self.steps,
                late * 100.0,
                shares(self.cpu, self.cpu_waited)
            ));
        }
        if opening == Core::Enough {
            return None;
        }
        let remedy = opening.remedy();
        let shares = shares(self.opening_cpu, self.opening_cpu_waited);
        Some(format!("the bots were the bottleneck while they came in{shares}; that time is theirs{remedy}"))
    }

    /// What to start the server with where its limits were what kept bots out.
    pub fn remedy(&self) -> Option<String> {
        // Whoever raises one limit of an address meets the other next.
        let address = "--connect-rate 0 --max-connections-per-ip 0".to_owned();
        let connections = format!("--max-connections {}", self.count.saturating_add(OTHERS));
        let players = format!("--max-players {}", self.count);
        let is_told = |codes: &[Code]| codes.iter().any(|code| self.refused.contains_key(code.name()));
        let flags = [
            (is_told(&[Code::ConnectingTooFast, Code::TooManyConnections]), address),
            (is_told(&[Code::Busy]), connections),
            (is_told(&[Code::WorldFull]), players),
        ];
        let flags: Vec<String> = flags.into_iter().filter(|(met, _)| *met).map(|(_, flag)| flag).collect();
        let flags = Some(flags.join(" ")).filter(|flags| !flags.is_empty())?;
        Some(format!("the server keeps to its limits: start it with {flags}, or run fewer bots"))
    }
}

/// Whether a core was enough for the bots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Core {
    Enough,
    /// They used it all.
    Busy,
    /// They would have used it all, but others did too.
    Starved,
}

impl Core {
    /// What helps bots that are late.
    fn remedy(self) -> &'static str {
        if self == Core::Busy { "" } else { "; give them a core of their own" }
    }
}

fn core(used: Option<f64>, waited: Option<f64>) -> Core {
    match (used.unwrap_or(0.0), waited.unwrap_or(0.0)) {
        (used, _) if used > BUSY => Core::Busy,
        (used, waited) if used + waited > BUSY || waited > WAITED => Core::Starved,
        _ => Core::Enough,
    }
}

/// `, 44 % of a core used and 55 % waited for`, as far as it is known.
fn shares(used: Option<f64>, waited: Option<f64>) -> String {
    let used = used.map_or_else(String::new, |used| format!(", {:.0} % of a core used", used * 100.0));
    let waited = waited.map_or_else(String::new, |waited| format!(" and {:.0} % waited for", waited * 100.0));
    used + &waited
}

/// `code: 3, other: 1`.
fn listed(reasons: &ByReason) -> String {
    reasons.iter().map(|(why, bots)| format!("{why}: {bots}")).collect::<Vec<_>>().join(", ")
}

/// `4`, or `4 (code: 3, other: 1)`.
pub(super) fn counted(reasons: &ByReason) -> String {
    match total(reasons) {
        0 => "0".to_owned(),
        number => format!("{number} ({})", listed(reasons)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn a_good_run_is_one() {
        assert_eq!((report().failure(), report().bottleneck(), report().remedy()), (None, None, None));
        let untold = Report { cpu: None, cpu_waited: None, silent_seconds: None, ..report() };
        assert_eq!((untold.failure(), untold.bottleneck()), (None, None));
    }

    #[test]
    fn a_bad_run_says_why() {
        let by = |why: &str, n| ByReason::from([(why.to_owned(), n)]);
        let refused = Report { joined: 97, refused: by("world_full", 3), ..report() };
        assert_eq!(refused.failure().unwrap(), "3 of 100 bots not in the world (world_full: 3)");
        let lost = Report { lost: by("out of order", 1), out_of_order: 1, ..report() };
        assert_eq!(
            lost.failure().unwrap(),
            "1 of 100 bots lost (out of order: 1); 1 of 100 bots with batches out of order"
        );
    }

    #[test]
    fn a_server_that_hangs_is_a_failure() {
        let failure = |silent, answered| Report { silent_seconds: silent, answered, ..report() }.failure();
        assert_eq!(failure(Some(1.9), true), None);
        assert_eq!(failure(Some(4.04), true).unwrap(), "no bot heard anything in the last 4.0 s");
        assert_eq!(failure(Some(0.1), false).unwrap(), "the server did not answer at the end");
        assert!(failure(Some(2.0), false).unwrap().ends_with(" 2.0 s; the server did not answer at the end"));
    }

    #[test]
    fn bots_that_are_the_limit_say_so() {
        let busy = Report { cpu: Some(0.97), skipped: 12, ..report() }.bottleneck().unwrap();
        let told = "12 of 60000 steps too late (0.0 %), 97 % of a core used and 1 % waited for;";
        assert!(busy.contains(told) && busy.ends_with(" are theirs"), "{busy}");
        // With one core for both, or none of their own.
        let late = Report { cpu: Some(0.19), skipped: 601, ..report() }.bottleneck().unwrap();
        assert!(late.contains("601 of 60000 steps too late (1.0 %), 19 % of a core used and"), "{late}");
        assert!(late.ends_with("give them a core of their own"), "{late}");
        let untold =
            Report { cpu: None, cpu_waited: None, skipped: 40_000, ..report() }.bottleneck().unwrap();
        assert!(untold.contains(" steps too late (66.7 %); latencies"), "{untold}");
        assert_eq!(Report { cpu: None, steps: 0, skipped: 0, ..report() }.bottleneck(), None);
    }

    #[test]
    fn bots_that_wait_for_a_core_are_the_limit_though_no_step_is_late() {
        let shared = |waited| Report { cpu: Some(0.44), cpu_waited: waited, skipped: 0, ..report() };
        let told = shared(Some(0.55)).bottleneck().unwrap();
        assert!(
            told.contains("0 of 60000 steps too late (0.0 %), 44 % of a core used and 55 % waited for;"),
            "{told}"
        );
        assert!(told.ends_with("give them a core of their own"), "{told}");
        // As it is with 4,500 bots beside their server on one core: a tenth of the time they rest.
        assert!(shared(Some(0.447)).bottleneck().is_some());
        assert_eq!((shared(Some(0.24)).bottleneck(), shared(None).bottleneck()), (None, None));
        let both = |used, waited| Report { cpu: Some(used), cpu_waited: Some(waited), ..report() };
        assert!(both(0.75, 0.2).bottleneck().is_some() && both(0.65, 0.2).bottleneck().is_none());
    }

    #[test]
    fn a_run_that_is_interrupted_on_the_way_in_says_whose_fault_it_was() {
        let opening = |opening_cpu, opening_cpu_waited| {
            let opening = Report { opening_cpu, opening_cpu_waited, ..report() };
            Report { interrupted: true, seconds: 0.0, cpu: None, cpu_waited: None, skipped: 0, ..opening }
        };
        let begins = "the bots were the bottleneck while they came in, ";
        let busy = opening(Some(0.95), Some(0.02)).bottleneck().unwrap();
        assert_eq!(busy, format!("{begins}95 % of a core used and 2 % waited for; that time is theirs"));
        let starved = opening(Some(0.4), Some(0.6)).bottleneck().unwrap();
        assert!(
            starved.starts_with(begins) && starved.ends_with("give them a core of their own"),
            "{starved}"
        );
        assert_eq!(opening(Some(0.5), Some(0.1)).bottleneck(), None);
    }

    #[test]
    fn limits_of_the_server_s_are_named_with_the_flags_that_raise_them() {
        let remedy = |codes: &[&str]| {
            let refused = codes.iter().map(|code| ((*code).to_owned(), 1)).collect();
            Report { refused, ..report() }.remedy()
        };
        for code in ["connecting_too_fast", "too_many_connections"] {
            let told = remedy(&[code, "HTTP 404"]).unwrap();
            assert!(told.contains("start it with --connect-rate 0 --max-connections-per-ip 0, or"), "{told}");
        }
        let told = remedy(&["world_full", "busy"]).unwrap();
        assert!(told.contains("start it with --max-connections 164 --max-players 100, or"), "{told}");
        assert_eq!((remedy(&[]), remedy(&["timeout", "HTTP 404"])), (None, None));
    }
}
