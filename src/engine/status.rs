//! `/api/status`: the server's state as one JSON object (PROTOCOL, "HTTP").

use super::Engine;
use super::metrics::{Gauges, MEDIA_TYPE, text};
use crate::http::Response;
use crate::time::Time;
use serde::Serialize;

/// The server's name and version, as `connected` and `/api/status` tell them.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
struct Status {
    status: &'static str,
    version: &'static str,
    uptime_s: u64,
    connections: usize,
    players: u64,
    /// Those of the players whose connection is lost.
    lingering: usize,
    tick: TickStatus,
    memory: MemoryStatus,
    traffic: Traffic,
    storage: Storage,
}

#[derive(Serialize)]
struct TickStatus {
    rate_hz: u32,
    count: u64,
    mean_us: u32,
    p99_us: u32,
    max_us: u32,
    flush_p99_us: u32,
    overruns: u64,
}

#[derive(Serialize)]
struct MemoryStatus {
    rss_bytes: u64,
    buffers_bytes: usize,
}

#[derive(Serialize)]
struct Traffic {
    packets_in: u64,
    packets_out: u64,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Serialize)]
struct Storage {
    /// Errands under way to storage and hashing.
    queue: usize,
    commit_p99_us: u32,
    /// Why the disk last failed, until something is written again.
    trouble: Option<&'static str>,
}

impl Engine {
    /// What `GET /api/status` answers.
    pub(super) fn status(&self, now: Time) -> Response {
        let counters = &self.core.counters;
        let minute = counters.last_minute();
        Response::new(200).json(&Status {
            status: if self.draining { "draining" } else { "ok" },
            version: VERSION,
            uptime_s: self.uptime_ms(now) / 1000,
            connections: self.core.connections() - self.refusing,
            players: counters.players,
            lingering: self.core.lingering,
            tick: TickStatus {
                rate_hz: self.core.settings.tick_rate.hz(),
                count: counters.ticks,
                mean_us: minute.mean_us,
                p99_us: minute.p99_us,
                max_us: minute.max_us,
                flush_p99_us: minute.flush_p99_us,
                overruns: counters.overruns,
            },
            memory: MemoryStatus { rss_bytes: self.resident_bytes, buffers_bytes: self.core.memory() },
            traffic: Traffic {
                packets_in: counters.packets_in,
                packets_out: counters.packets_out,
                bytes_in: counters.bytes_in,
                bytes_out: counters.bytes_out,
            },
            storage: Storage {
                queue: self.core.errands.under_way(),
                commit_p99_us: self.commit_p99_us,
                trouble: self.core.disk_trouble,
            },
        })
    }

    /// What `GET /healthz` answers: whether the loop turns and takes players.
    pub(super) fn health(&self) -> Response {
        match self.draining {
            true => Response::new(503).text("draining\n"),
            false => Response::new(200).text("ok\n"),
        }
    }

    /// What `GET /metrics` answers.
    pub(super) fn metrics(&self, now: Time) -> Response {
        let gauges = Gauges {
            connections: (self.core.connections() - self.refusing) as u64,
            lingering: self.core.lingering as u64,
            budget_bytes: self.core.memory() as u64,
            resident_bytes: self.resident_bytes,
            uptime_ms: self.uptime_ms(now),
        };
        let body = text(&self.core.counters, gauges, &self.core.names);
        Response::new(200).bytes(MEDIA_TYPE, body.into_bytes())
    }

    /// Milliseconds since the start.
    fn uptime_ms(&self, now: Time) -> u64 {
        self.started.map_or(0, |at| now.since(at).as_millis() as u64)
    }
}
