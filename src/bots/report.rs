//! What a run found, as a table for people and as one JSON object for programs.

use super::SAMPLED;
use super::status::ServerStatus;
use super::tally::{ByReason, total};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A share of one core above which the bots are taken to be the bottleneck.
const BUSY: f64 = 0.9;

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
    /// Seconds measured.
    pub seconds: f64,
    /// Bots that came into the world.
    pub joined: u32,
    /// Bots that did not, by the contract's code or what else was in the way.
    pub refused: ByReason,
    /// Bots that were in the world and did not stay, by code or what else happened.
    pub lost: ByReason,
    /// Batches whose number was not the next one.
    pub out_of_order: u64,
    /// Packets received a second, reckoned from one batch in [`SAMPLED`].
    pub packets_in_per_s: f64,
    /// Packets sent a second.
    pub packets_out_per_s: f64,
    /// Bytes received a second, WebSocket frames included.
    pub bytes_in_per_s: f64,
    /// Bytes sent a second, WebSocket frames included.
    pub bytes_out_per_s: f64,
    /// Batches received a second.
    pub batches_per_s: f64,
    /// Batches for one bot in one tick of the server.
    pub batches_per_tick: f64,
    /// From a `ping` to its `pong`; null where none was answered.
    pub latency_us: Option<Latency>,
    /// What the server says of itself; null where it says nothing.
    pub server: Option<ServerStatus>,
    /// The share of one core that the bots used; null where the system does not tell.
    pub cpu: Option<f64>,
    /// Steps that the bots were too late to take.
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

impl Report {
    /// Why the run failed: not everybody came in, or stayed, or got its batches in order. `None`: all is well.
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
        Some(told.collect::<Vec<_>>().join("; ")).filter(|told| !told.is_empty())
    }

    /// What is to be said where the figures are the bots' limit and not the server's.
    pub fn bottleneck(&self) -> Option<String> {
        let cpu = self.cpu.filter(|&cpu| cpu > BUSY)?;
        let (percent, skipped) = (cpu * 100.0, self.skipped);
        Some(format!(
            "the bots were the bottleneck: {percent:.0} % of a core, {skipped} steps too late; latencies and rates are theirs"
        ))
    }
}

/// `code 3, other 1`.
fn listed(reasons: &ByReason) -> String {
    reasons.iter().map(|(why, bots)| format!("{why} {bots}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Report {
    /// The table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<22} {value}");
        let with = |number: u64, reasons: &ByReason| match number {
            0 => "0".to_owned(),
            _ => format!("{number} ({})", listed(reasons)),
        };
        let unknown = || "unknown".to_owned();
        let ms = |us: u32| format!("{:.2}", f64::from(us) / 1000.0);
        row("server", format!("{} ({})", self.url, self.encoding))?;
        row("joined", format!("{} of {} in {:.1} s", self.joined, self.count, self.opening_seconds))?;
        row("refused", with(total(&self.refused), &self.refused))?;
        row("lost", with(total(&self.lost), &self.lost))?;
        row("measured", format!("{:.1} s", self.seconds))?;
        row("packets out", format!("{:.0}/s", self.packets_out_per_s))?;
        row("packets in", format!("{:.0}/s (from 1 batch in {SAMPLED})", self.packets_in_per_s))?;
        row("bytes out", format!("{:.0}/s", self.bytes_out_per_s))?;
        row("bytes in", format!("{:.0}/s", self.bytes_in_per_s))?;
        row("batches in", format!("{:.0}/s", self.batches_per_s))?;
        row("batches a tick and bot", format!("{:.2}", self.batches_per_tick))?;
        row("batches out of order", self.out_of_order.to_string())?;
        let latency = self.latency_us.map(|l| {
            format!("p50 {}, p99 {}, p99.9 {} ms of {} pings", ms(l.p50), ms(l.p99), ms(l.p999), l.samples)
        });
        row("latency", latency.unwrap_or_else(unknown))?;
        let server = self.server.as_ref();
        let tick =
            server.map(|s| format!("{} ms, writing {} ms", ms(s.tick.p99_us), ms(s.tick.flush_p99_us)));
        row("server's tick p99", tick.unwrap_or_else(unknown))?;
        row("server's overruns", server.map_or_else(unknown, |s| s.tick.overruns.to_string()))?;
        let resident = server.map(|s| format!("{:.1} MiB", s.memory.rss_bytes as f64 / f64::from(1 << 20)));
        row("server's memory", resident.unwrap_or_else(unknown))?;
        let cpu = self.cpu.map(|cpu| format!("{:.0} % of a core", cpu * 100.0));
        row("bots' CPU", cpu.unwrap_or_else(unknown))?;
        row("bots' steps too late", self.skipped.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            url: "ws://127.0.0.1:8080/ws".to_owned(),
            encoding: "json".to_owned(),
            count: 100,
            opening_seconds: 0.25,
            seconds: 60.0,
            joined: 100,
            refused: ByReason::new(),
            lost: ByReason::new(),
            out_of_order: 0,
            packets_in_per_s: 9000.4,
            packets_out_per_s: 1001.0,
            bytes_in_per_s: 1e6,
            bytes_out_per_s: 1e5,
            batches_per_s: 2000.0,
            batches_per_tick: 1.0,
            latency_us: Some(Latency { samples: 6000, p50: 150, p99: 1800, p999: 4250 }),
            server: None,
            cpu: Some(0.25),
            skipped: 0,
        }
    }

    #[test]
    fn a_good_run_is_one() {
        assert_eq!((report().failure(), report().bottleneck()), (None, None));
        let table = report().to_string();
        for line in [
            "joined                 100 of 100 in 0.2 s",
            "packets in             9000/s (from 1 batch in 61)",
            "latency                p50 0.15, p99 1.80, p99.9 4.25 ms of 6000 pings",
            "server's memory        unknown",
        ] {
            assert!(table.lines().any(|l| l == line), "{line} in\n{table}");
        }
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!((&json["joined"], &json["latency_us"]["p999"]), (&100.into(), &4250.into()));
    }

    #[test]
    fn a_bad_run_says_why() {
        let by = |why: &str, n| ByReason::from([(why.to_owned(), n)]);
        let refused = Report { joined: 97, refused: by("world_full", 3), ..report() };
        assert_eq!(refused.failure().unwrap(), "3 of 100 bots not in the world (world_full 3)");
        let lost = Report { lost: by("out of order", 1), out_of_order: 1, ..report() };
        assert_eq!(
            lost.failure().unwrap(),
            "1 of 100 bots lost (out of order 1); 1 of 100 bots with batches out of order"
        );
        let busy = Report { cpu: Some(0.97), skipped: 12, ..report() };
        assert!(busy.bottleneck().is_some_and(|line| line.contains("97 %") && line.contains("12 steps")));
    }
}
