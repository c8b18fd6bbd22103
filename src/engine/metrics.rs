//! What is counted, and how it is shown to Prometheus.
//!
//! Counters are plain numbers; the text is made only when somebody scrapes it, from a copy of them. Names follow
//! Prometheus' conventions: a prefix, base units, `_total` behind what only grows.

use crate::ids::GameId;
use crate::limits;
use crate::packet::{ClientControl, Code, Kind, Variant, variants};
use crate::time::{Tick, TickRate};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

const _: () = assert!(limits::TICK_SAMPLES == 60 * TickRate::MAX as usize, "a minute of the fastest ticks");

/// What one tick cost, as whoever drives the engine measured it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Which tick.
    pub tick: Tick,
    /// Microseconds of the tick's own work.
    pub work_us: u32,
    /// Microseconds from there until everybody had been written to.
    pub flush_us: u32,
    /// Whether the next tick was due before that.
    pub overrun: bool,
}

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) connections_accepted: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) batches: u64,
    pub(super) packets_dropped: u64,
    pub(super) duplicates: u64,
    pub(super) http_requests: u64,
    /// Players that came back, those of them that were told everything afresh, and batches written again for the others.
    pub(super) resumes: u64,
    pub(super) full_states: u64,
    pub(super) replayed: u64,
    /// Players who are in, over all games.
    pub(super) players: u64,
    pub(super) ticks: u64,
    pub(super) overruns: u64,
    pub(super) packets_in: u64,
    pub(super) packets_out: u64,
    /// Refusals and closes, by the place of their code.
    refusals: Vec<u64>,
    closes: Vec<u64>,
    /// What storage could not do, by the name of the reason.
    storage_failures: BTreeMap<&'static str, u64>,
    control: PacketCounts,
    games: Vec<PacketCounts>,
    work: Histogram,
    flush: Histogram,
    outbox: Histogram,
    minute: VecDeque<(u32, u32)>,
}

/// Packets of one enum, by the place of their variant.
#[derive(Clone, Debug, Default)]
struct PacketCounts {
    received: Vec<(&'static str, u64)>,
    sent: Vec<(&'static str, u64)>,
}

impl Counters {
    /// Another game whose clients send packets of these names.
    pub(super) fn add_game(&mut self, names: &'static [&'static str]) {
        let received = names.iter().map(|name| (*name, 0)).collect();
        self.games.push(PacketCounts { received, sent: Vec::new() });
    }

    pub(super) fn received(&mut self, game: Option<GameId>, variant: Option<Variant>) {
        self.packets_in += 1;
        let Some(variant) = variant else { return };
        let counts = match game {
            Some(game) => &mut self.games[usize::from(game.0)],
            None => &mut self.control,
        };
        count(&mut counts.received, variant, 1);
    }

    pub(super) fn sent(&mut self, game: GameId, kind: Kind, variant: Variant, recipients: u64) {
        self.packets_out += recipients;
        let counts = match kind {
            Kind::Game => &mut self.games[usize::from(game.0)],
            Kind::Control => &mut self.control,
        };
        count(&mut counts.sent, variant, recipients);
    }

    pub(super) fn sent_control(&mut self, variant: Variant) {
        self.packets_out += 1;
        count(&mut self.control.sent, variant, 1);
    }

    /// A player came back, to whom so many batches are written again; `None`: it is told everything afresh.
    pub(super) fn resumed(&mut self, replayed: Option<u32>) {
        self.resumes += 1;
        self.full_states += u64::from(replayed.is_none());
        self.replayed += u64::from(replayed.unwrap_or(0));
    }

    /// Storage could not do something, for that reason.
    pub(super) fn storage_failed(&mut self, reason: &'static str) {
        *self.storage_failures.entry(reason).or_default() += 1;
    }

    pub(super) fn refused(&mut self, code: Code) {
        count_code(&mut self.refusals, code);
    }

    pub(super) fn closed(&mut self, code: Code) {
        count_code(&mut self.closes, code);
    }

    /// Bytes that waited for a peer when it was flushed.
    #[inline]
    pub(super) fn flushed(&mut self, bytes: usize) {
        self.outbox.add(bytes as u64);
    }

    pub(super) fn record_tick(&mut self, report: TickReport, rate: TickRate) {
        self.ticks += 1;
        self.overruns += u64::from(report.overrun);
        self.work.add(u64::from(report.work_us));
        self.flush.add(u64::from(report.flush_us));
        let most = (60 * rate.hz() as usize).min(limits::TICK_SAMPLES);
        while self.minute.len() >= most {
            self.minute.pop_front();
        }
        self.minute.push_back((report.work_us, report.flush_us));
    }

    /// Mean, 99th percentile and largest of the last minute's work, and the 99th percentile of its flushes;
    /// microseconds, all 0 before the first tick.
    pub(super) fn last_minute(&self) -> Minute {
        if self.minute.is_empty() {
            return Minute::default();
        }
        let mut work: Vec<u32> = self.minute.iter().map(|sample| sample.0).collect();
        let mut flush: Vec<u32> = self.minute.iter().map(|sample| sample.1).collect();
        work.sort_unstable();
        flush.sort_unstable();
        let p99 = (work.len() * 99).div_ceil(100) - 1;
        let sum: u64 = work.iter().map(|&us| u64::from(us)).sum();
        Minute {
            mean_us: (sum / work.len() as u64) as u32,
            p99_us: work[p99],
            max_us: work[work.len() - 1],
            flush_p99_us: flush[p99],
        }
    }
}

/// The last minute of ticks, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Minute {
    pub(super) mean_us: u32,
    pub(super) p99_us: u32,
    pub(super) max_us: u32,
    pub(super) flush_p99_us: u32,
}

fn count(counts: &mut Vec<(&'static str, u64)>, variant: Variant, by: u64) {
    let at = variant.index as usize;
    while counts.len() <= at {
        counts.push(("", 0));
    }
    counts[at].0 = variant.name;
    counts[at].1 += by;
}

fn count_code(counts: &mut Vec<u64>, code: Code) {
    counts.resize(Code::ALL.len(), 0);
    counts[code as usize] += 1;
}

/// Counts of values in buckets of growing powers of two, and their sum.
#[derive(Clone, Debug, Default)]
struct Histogram {
    /// Bucket `i` counts values up to and with `16 << i`; the last one all that are larger.
    buckets: [u64; Histogram::BUCKETS],
    sum: u64,
}

impl Histogram {
    const BUCKETS: usize = 17;

    #[inline]
    fn add(&mut self, value: u64) {
        let over = value.saturating_sub(1) >> 4;
        let at = (u64::BITS - over.leading_zeros()) as usize;
        self.buckets[at.min(Self::BUCKETS - 1)] += 1;
        self.sum += value;
    }

    /// Upper bounds with their counts, divided by `unit`.
    fn scaled(&self, unit: f64) -> Vec<(f64, u64)> {
        let bound =
            |i: usize| if i + 1 == Self::BUCKETS { f64::INFINITY } else { (16u64 << i) as f64 / unit };
        self.buckets.iter().enumerate().map(|(i, &count)| (bound(i), count)).collect()
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What is measured at the moment of the scrape.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauges {
    pub(super) connections: u64,
    pub(super) lingering: u64,
    pub(super) budget_bytes: u64,
    pub(super) resident_bytes: u64,
    pub(super) uptime_ms: u64,
}

/// A copy of everything, to be written as OpenMetrics text.
#[derive(Debug)]
struct Scrape {
    counters: Counters,
    gauges: Gauges,
    games: Vec<&'static str>,
}

/// The text that `/metrics` answers.
pub(super) fn text(counters: &Counters, gauges: Gauges, games: &[&'static str]) -> String {
    let mut registry = Registry::with_prefix("evertick");
    let scrape = Scrape { counters: counters.clone(), gauges, games: games.to_vec() };
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    // Writing to a String cannot fail; what was written until an error is still the most useful answer.
    let _ = encode(&mut text, &registry);
    text
}

/// The media type of that text.
pub(super) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Writer(encoder);
        let c = &self.counters;
        let g = &self.gauges;
        to.gauge("connections", "Open connections.", None, g.connections as f64)?;
        to.gauge("players", "Players in the world, without those in the lobby.", None, c.players as f64)?;
        to.gauge("lingering", "Players whose connection is lost.", None, g.lingering as f64)?;
        to.gauge("uptime", "Time since the first tick.", Some(Unit::Seconds), g.uptime_ms as f64 / 1e3)?;
        to.gauge("resident_memory", "Resident memory.", Some(Unit::Bytes), g.resident_bytes as f64)?;
        to.gauge("buffer_memory", "Of memory_limit in use.", Some(Unit::Bytes), g.budget_bytes as f64)?;
        to.counter(
            "connections_accepted",
            "Connections taken from the listener.",
            None,
            c.connections_accepted,
        )?;
        to.counter("http_requests", "HTTP requests.", None, c.http_requests)?;
        to.counter("received", "Bytes read from sockets.", Some(Unit::Bytes), c.bytes_in)?;
        to.counter("sent", "Bytes written to sockets.", Some(Unit::Bytes), c.bytes_out)?;
        to.counter("batches_sent", "Batches of packets sealed.", None, c.batches)?;
        to.counter(
            "packets_dropped",
            "Low-priority packets that a slow peer was spared.",
            None,
            c.packets_dropped,
        )?;
        to.counter(
            "duplicates",
            "Packets dropped because the same came a moment before.",
            None,
            c.duplicates,
        )?;
        to.counter("resumes", "Players who came back after a lost connection.", None, c.resumes)?;
        to.counter(
            "resumes_full_state",
            "Of them, those who were told everything afresh.",
            None,
            c.full_states,
        )?;
        to.counter("batches_replayed", "Batches written again for those who came back.", None, c.replayed)?;
        to.counter("tick_overruns", "Ticks not written before the next was due.", None, c.overruns)?;
        self.encode_packets(&mut to)?;
        to.codes("refusals", "Refusals by code.", &c.refusals)?;
        to.codes("closes", "Connections closed by the server, by code.", &c.closes)?;
        let failures = c.storage_failures.iter().map(|(reason, count)| (*reason, *count));
        to.family("storage_failures", "What storage could not do, by reason.", "reason", failures)?;
        to.histogram("tick", "A tick's own work.", Some(Unit::Seconds), &c.work, 1e6)?;
        to.histogram("flush", "Writing after a tick.", Some(Unit::Seconds), &c.flush, 1e6)?;
        to.histogram("outbox", "Bytes written by one flush of one peer.", Some(Unit::Bytes), &c.outbox, 1.0)
    }
}

impl Scrape {
    fn encode_packets(&self, to: &mut Writer<'_>) -> fmt::Result {
        let control = variants::<ClientControl>();
        let c = &self.counters;
        let games = || self.games.iter().copied().zip(&c.games);
        let all = || std::iter::once(("control", &c.control)).chain(games());
        let received = all().flat_map(|(game, p)| p.received.iter().map(move |(name, n)| (game, *name, *n)));
        let unseen = control.iter().map(|name| ("control", *name, 0)).skip(c.control.received.len());
        to.packets("packets_received", "Packets from clients.", received.chain(unseen))?;
        let sent = all().flat_map(|(game, p)| p.sent.iter().map(move |(name, n)| (game, *name, *n)));
        to.packets("packets_sent", "Packets to clients, once for each recipient.", sent)
    }
}

/// Writes one metric after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<Unit>, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<Unit>, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn packets<'p>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl Iterator<Item = (&'p str, &'p str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (game, packet, count) in counts.filter(|(_, packet, _)| !packet.is_empty()) {
            let labels = [("game", game), ("type", packet)];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn codes(&mut self, name: &str, help: &str, counts: &[u64]) -> fmt::Result {
        let counts = Code::ALL.iter().map(|code| code.name()).zip(counts.iter().copied());
        self.family(name, help, "code", counts.filter(|(_, count)| *count > 0))
    }

    /// A counter for each value of one label.
    fn family(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in counts {
            metric.encode_family(&[(label, value)])?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        values: &Histogram,
        scale: f64,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?;
        let sum = values.sum as f64 / scale;
        metric.encode_histogram::<NoLabelSet>(sum, values.count(), &values.scaled(scale), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_is_a_minute() {
        let rate = TickRate::new(2).expect("in range");
        let mut c = Counters::default();
        assert_eq!(c.last_minute(), Minute::default());
        for work_us in 1..=1000 {
            c.record_tick(TickReport { work_us, flush_us: 2 * work_us, ..TickReport::default() }, rate);
        }
        let minute = c.last_minute();
        assert_eq!((minute.max_us, minute.mean_us), (1000, 940), "the last 120 of them");
        assert_eq!((minute.p99_us, minute.flush_p99_us), (999, 1998));
        assert_eq!(c.ticks, 1000);
    }

    #[test]
    fn values_fall_into_their_buckets() {
        let mut h = Histogram::default();
        for value in [0, 16, 17, 32, 33, u64::MAX >> 1] {
            h.add(value);
        }
        assert_eq!(h.buckets[..3], [2, 2, 1]);
        assert_eq!(h.buckets[Histogram::BUCKETS - 1], 1);
        assert_eq!(h.count(), 6);
    }

    #[test]
    fn the_text_is_openmetrics() {
        let mut c = Counters::default();
        c.add_game(&["move"]);
        c.received(Some(GameId(0)), Some(Variant { index: 0, name: "move" }));
        c.refused(Code::Busy);
        let text = text(&c, Gauges { connections: 3, ..Gauges::default() }, &["eternity"]);
        for line in [
            "evertick_connections 3.0",
            "evertick_packets_received_total{game=\"eternity\",type=\"move\"} 1",
            "evertick_packets_received_total{game=\"control\",type=\"ping\"} 0",
            "evertick_refusals_total{code=\"busy\"} 1",
            "evertick_tick_seconds_bucket{le=\"+Inf\"} 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|have| have == line), "{line:?} is missing in\n{text}");
        }
    }
}
