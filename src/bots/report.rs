//! What a run found, as a table for people and as one JSON object for programs.

use super::status::ServerStatus;
use super::tally::ByReason;
use super::verdict::counted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a run found. Rates are over the seconds that were measured; as JSON it is the object that `--json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The server.
    pub url: String,
    /// `json` or `postcard`.
    pub encoding: String,
    /// Bots asked for.
    pub count: u32,
    /// Seconds until all were in, or had failed.
    pub opening_seconds: f64,
    /// As `cpu`, until then.
    pub opening_cpu: Option<f64>,
    /// As `cpu_waited`, until then.
    pub opening_cpu_waited: Option<f64>,
    /// Seconds measured: fewer than asked for where the run was interrupted, or nobody was left in the world.
    pub seconds: f64,
    /// Whether a signal ended the run before its time.
    pub interrupted: bool,
    /// Bots that came into the world.
    pub joined: u32,
    /// Bots that did not, by the contract's code or what else was in the way.
    pub refused: ByReason,
    /// Bots that were in the world and did not stay, by code or what else happened.
    pub lost: ByReason,
    /// Batches whose number was not the next one.
    pub out_of_order: u64,
    /// Packets received a second; null where no batch was decoded. See `batches_sampled`.
    pub packets_in_per_s: Option<f64>,
    /// The decoded batches that `packets_in_per_s` is reckoned from; null where every batch is decoded, which is so with
    /// up to [`WHOLE`](super::WHOLE) bots.
    pub batches_sampled: Option<u64>,
    /// Packets sent a second.
    pub packets_out_per_s: f64,
    /// Bytes received a second, WebSocket frames included.
    pub bytes_in_per_s: f64,
    /// Bytes sent a second, WebSocket frames included.
    pub bytes_out_per_s: f64,
    /// Batches received a second.
    pub batches_per_s: f64,
    /// Batches for one bot in one tick of the server, of the bots that were in the world in that tick; null where no tick
    /// has passed.
    pub batches_per_tick: Option<f64>,
    /// From when a `ping` was due until its `pong` was read, or that of the one before, if it could not be sent for that; null
    /// where none was answered. In a crowd of more than 200 it contains the 250 us for which the bots rest between two
    /// looks at their sockets, and what they do before they come to this one.
    pub latency_us: Option<Latency>,
    /// The same until the latest moment of which the bots know that the `pong` was not there yet, 0 where that is before the
    /// `ping`: what was measured is not below this, and not above `latency_us`. Null with up to 200 bots, who are woken by
    /// what comes.
    pub latency_at_least_us: Option<Latency>,
    /// Seconds at the end in which no bot heard a batch; null where none was left in the world.
    pub silent_seconds: Option<f64>,
    /// Whether the server answered when it was asked for its status at the end, be it by refusing.
    pub answered: bool,
    /// What the server says of itself at the end; null where it does not.
    pub server: Option<ServerStatus>,
    /// The share of one core that the bots used; null where the system does not tell, or of less than half a second.
    pub cpu: Option<f64>,
    /// The share of the time in which they could have gone on and had no core to do so; null in the same way.
    pub cpu_waited: Option<f64>,
    /// Steps that were due of the bots asked for, in the world or not.
    pub steps: u64,
    /// Those of them that the bots did not take because they were more than 200 ms too late.
    pub skipped: u64,
}

/// Microseconds that answers took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many were measured.
    pub samples: u64,
    /// Half took no longer.
    pub p50: u32,
    /// 99 of 100 took no longer.
    pub p99: u32,
    /// 999 of 1,000 took no longer.
    pub p999: u32,
}

fn ms(us: u32) -> String {
    format!("{:.2}", f64::from(us) / 1000.0)
}

fn known<T>(value: Option<T>, told: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "unknown".to_owned(), told)
}

impl fmt::Display for Report {
    /// The table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<22} {value}");
        row("server", format!("{} ({})", self.url, self.encoding))?;
        row("joined", format!("{} of {} in {:.1} s", self.joined, self.count, self.opening_seconds))?;
        row("refused", counted(&self.refused))?;
        row("lost", counted(&self.lost))?;
        let interrupted = if self.interrupted { ", interrupted" } else { "" };
        row("measured", format!("{:.1} s{interrupted}", self.seconds))?;
        self.traffic(&mut row)?;
        self.latency(&mut row)?;
        self.server(&mut row)?;
        let waited = self.cpu_waited.map(|waited| format!(", {:.0} % waited for one", waited * 100.0));
        let cpu = |cpu| format!("{:.0} % of a core{}", cpu * 100.0, waited.unwrap_or_default());
        row("bots' CPU", known(self.cpu, cpu))?;
        row("bots' steps too late", format!("{} of {}", self.skipped, self.steps))
    }
}

/// The parts of the table. Each writes its rows by `row`, which takes a name and a value.
impl Report {
    fn traffic(&self, row: &mut impl FnMut(&str, String) -> fmt::Result) -> fmt::Result {
        row("packets out", format!("{:.0}/s", self.packets_out_per_s))?;
        let from = self.batches_sampled.map(|n| format!(" (reckoned from {n} batches)")).unwrap_or_default();
        row("packets in", known(self.packets_in_per_s, |rate| format!("{rate:.0}/s{from}")))?;
        row("bytes out", format!("{:.0}/s", self.bytes_out_per_s))?;
        row("bytes in", format!("{:.0}/s", self.bytes_in_per_s))?;
        row("batches in", format!("{:.0}/s", self.batches_per_s))?;
        row("batches a tick and bot", known(self.batches_per_tick, |batches| format!("{batches:.2}")))?;
        row("batches out of order", self.out_of_order.to_string())
    }

    fn latency(&self, row: &mut impl FnMut(&str, String) -> fmt::Result) -> fmt::Result {
        let told = |l: Latency| format!("p50 {}, p99 {}, p99.9 {} ms", ms(l.p50), ms(l.p99), ms(l.p999));
        let of = if self.latency_at_least_us.is_some() { ", the bots' rest and turn included" } else { "" };
        row("latency", known(self.latency_us, |l| format!("{} of {} pings{of}", told(l), l.samples)))?;
        match self.latency_at_least_us {
            Some(latency) => row("latency at least", format!("{}, without them", told(latency))),
            None => Ok(()),
        }
    }

    fn server(&self, row: &mut impl FnMut(&str, String) -> fmt::Result) -> fmt::Result {
        let server = self.server.as_ref();
        let tick = known(server, |s| {
            let (work, writing) = (ms(s.tick.p99_us), ms(s.tick.flush_p99_us));
            format!("{work} ms, writing {writing} ms, over its last minute")
        });
        row("server's tick p99", tick)?;
        row("server's overruns", known(server, |s| s.tick.overruns.to_string()))?;
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        row("server's memory", known(server, |s| mib(s.memory.rss_bytes)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of a run in which all went well.
    pub(in crate::bots) fn report() -> Report {
        Report {
            url: "ws://127.0.0.1:8080/ws".to_owned(),
            encoding: "json".to_owned(),
            count: 100,
            opening_seconds: 0.25,
            opening_cpu: None,
            opening_cpu_waited: None,
            seconds: 60.0,
            interrupted: false,
            joined: 100,
            refused: ByReason::new(),
            lost: ByReason::new(),
            out_of_order: 0,
            packets_in_per_s: Some(9000.4),
            batches_sampled: None,
            packets_out_per_s: 1001.0,
            bytes_in_per_s: 1e6,
            bytes_out_per_s: 1e5,
            batches_per_s: 2000.0,
            batches_per_tick: Some(1.0),
            latency_us: Some(Latency { samples: 6000, p50: 150, p99: 1800, p999: 4250 }),
            latency_at_least_us: None,
            silent_seconds: Some(0.05),
            answered: true,
            server: None,
            cpu: Some(0.25),
            cpu_waited: Some(0.01),
            steps: 60_000,
            skipped: 600,
        }
    }

    #[test]
    fn a_run_is_a_table_and_an_object() {
        let table = report().to_string();
        for line in [
            "joined                 100 of 100 in 0.2 s",
            "packets in             9000/s",
            "measured               60.0 s",
            "latency                p50 0.15, p99 1.80, p99.9 4.25 ms of 6000 pings",
            "server's memory        unknown",
            "bots' CPU              25 % of a core, 1 % waited for one",
            "bots' steps too late   600 of 60000",
        ] {
            assert!(table.lines().any(|l| l == line), "{line} in\n{table}");
        }
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!((&json["joined"], &json["latency_us"]["p999"]), (&100.into(), &4250.into()));
    }

    #[test]
    fn a_crowd_says_what_it_knows_less_well() {
        let least = Latency { samples: 6000, p50: 90, p99: 1500, p999: 4000 };
        let crowd = Report { batches_sampled: Some(77), latency_at_least_us: Some(least), ..report() };
        let server = Some(ServerStatus::default());
        let table = Report { interrupted: true, batches_per_tick: None, server, ..crowd }.to_string();
        for line in [
            "measured               60.0 s, interrupted",
            "packets in             9000/s (reckoned from 77 batches)",
            "batches a tick and bot unknown",
            "latency                p50 0.15, p99 1.80, p99.9 4.25 ms of 6000 pings, the bots' rest and turn included",
            "latency at least       p50 0.09, p99 1.50, p99.9 4.00 ms, without them",
            "server's tick p99      0.00 ms, writing 0.00 ms, over its last minute",
        ] {
            assert!(table.lines().any(|l| l == line), "{line} in\n{table}");
        }
        let unknown = Report { packets_in_per_s: None, latency_us: None, cpu_waited: None, ..report() };
        assert!(unknown.to_string().contains("\nbots' CPU              25 % of a core\n"), "{unknown}");
        assert!(unknown.to_string().contains("\npackets in             unknown\n"), "{unknown}");
        assert!(serde_json::to_value(unknown).unwrap()["packets_in_per_s"].is_null());
    }
}
