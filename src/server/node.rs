//! What the loop drives: the engine, with the tick, the disk and the stop beside it.
//!
//! It measures what a tick takes, carries errands once a turn, and ends the loop when everybody has been told so and everything is on
//! disk, or took too long.

use super::calm::Calm;
use super::keeping::Keeping;
use super::wall;
use crate::engine::{Engine, TickReport};
use crate::ids::ConnId;
use crate::net::{self, Clock, Control, Service};
use crate::outgoing::{Next, Outgoing};
use crate::time::{Tick, TickClock, Time};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The engine as the loop drives it.
pub(super) struct Node {
    engine: Engine,
    keeping: Keeping,
    clock: Clock,
    ticks: TickClock,
    stop: Arc<AtomicBool>,
    grace: Duration,
    /// Since when it stops.
    draining: Option<Time>,
    /// The tick whose flush is still going on.
    ran: Option<Ran>,
    /// When resident memory and the like were last looked up.
    looked_up_at: Option<Time>,
    calm: Calm,
    overrun_logged: Option<Time>,
}

/// A tick that has run.
#[derive(Clone, Copy)]
struct Ran {
    tick: Tick,
    work_us: u32,
    ended: Time,
    missed: u64,
}

const SECOND: Duration = Duration::from_secs(1);

/// How much longer than its grace a stop waits for the disk.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

impl Node {
    /// With nothing of it running yet.
    pub(super) fn new(
        engine: Engine,
        keeping: Keeping,
        (clock, ticks): (Clock, TickClock),
        stop: Arc<AtomicBool>,
        grace: Duration,
    ) -> Node {
        Node {
            engine,
            keeping,
            clock,
            ticks,
            stop,
            grace,
            draining: None,
            ran: None,
            looked_up_at: None,
            calm: Calm::default(),
            overrun_logged: None,
        }
    }

    /// Games hear of what they have kept before anybody comes in.
    pub(super) fn start(&mut self) {
        let now = self.clock.now();
        self.engine.start(now, wall());
        self.engine.tick(Tick(0), now, wall());
    }

    /// The loop is over: what is under way to the disk is waited for.
    pub(super) fn finish(&mut self) {
        self.keeping.finish(&mut self.engine, self.clock.now());
    }

    fn report(&mut self, ran: Ran, now: Time) {
        let late = now >= self.ticks.deadline();
        let overrun = late || ran.missed > 0;
        let flush_us = micros(now.since(ran.ended));
        self.engine.record_tick(TickReport { tick: ran.tick, work_us: ran.work_us, flush_us, overrun });
        if overrun && self.overrun_logged.is_none_or(|at| now.since(at) >= SECOND) {
            self.overrun_logged = Some(now);
            let Ran { tick, work_us, missed, .. } = ran;
            log::warn!(
                "tick {tick} took {work_us} us and {flush_us} us to write, {missed} before it were missed"
            );
        }
    }

    /// What is looked up once a second.
    fn look_up(&mut self, now: Time) {
        if self.looked_up_at.is_none_or(|at| now.since(at) >= SECOND) {
            self.looked_up_at = Some(now);
            let resident = net::resident_bytes().unwrap_or(0);
            self.engine.set_resident_bytes(resident);
            self.calm.look(resident);
            self.engine.set_commit_p99(self.keeping.commit_p99_us());
        }
    }

    /// Gives memory back that a burst has left, where the tick has left the time for it or nobody plays.
    fn give_back_memory(&mut self, now: Time) {
        let left = self.ticks.deadline().since(now);
        let interval = self.ticks.rate().interval();
        let has_time = self.calm.has_time(left, interval, self.engine.players() > 0);
        if self.calm.is_after_burst() && has_time {
            net::give_back_memory();
            let (resident, taken) = (net::resident_bytes().unwrap_or(0), self.clock.now().since(now));
            self.calm.gave_back(resident);
            log::debug!("gave memory back in {} us: {resident} bytes are resident", micros(taken));
        }
    }

    /// How a stop that began at `since` goes on: everybody reads why, and what is not on disk yet is written.
    fn drain(&mut self, since: Time, now: Time) -> Control {
        let waited = now.since(since);
        if waited >= self.grace && !self.engine.is_empty() {
            self.engine.cut_off(now);
        }
        if self.engine.is_settled() {
            return Control::Stop;
        }
        if waited >= self.grace + DISK_PATIENCE {
            log::error!("storage takes too long: what is not on disk by now is lost");
            return Control::Stop;
        }
        Control::Drain
    }
}

impl Service for Node {
    fn accept(&mut self, peer: SocketAddr, now: Time) -> Option<ConnId> {
        self.engine.accept(peer.ip(), now)
    }

    fn receive(&mut self, conn: ConnId, input: &mut [u8], out: &mut impl Outgoing, now: Time) -> Next {
        let next = self.engine.receive(conn, input, out, now);
        self.keeping.send(&mut self.engine);
        next
    }

    fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        let next = self.engine.flush(conn, out, now);
        self.keeping.send(&mut self.engine);
        next
    }

    fn end_of_stream(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.engine.end_of_stream(conn, out, now)
    }

    fn closed(&mut self, conn: ConnId, now: Time) {
        self.engine.disconnect(conn, now);
    }

    fn attention(&mut self) -> Option<ConnId> {
        self.engine.attention()
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.ticks.deadline())
    }

    fn due(&mut self, now: Time) {
        let Some(advanced) = self.ticks.advance(now) else { return };
        let began = self.clock.now();
        self.engine.tick(advanced.tick, now, wall());
        let ended = self.clock.now();
        let work_us = micros(ended.since(began));
        self.ran = Some(Ran { tick: advanced.tick, work_us, ended, missed: advanced.missed });
        self.look_up(now);
        self.keeping.send(&mut self.engine);
    }

    fn flushed(&mut self, now: Time) {
        if let Some(ran) = self.ran.take() {
            self.report(ran, now);
            self.give_back_memory(now);
        }
    }

    fn turn(&mut self, now: Time) -> Control {
        self.keeping.carry(&mut self.engine, now);
        match self.draining {
            None if self.stop.load(Ordering::SeqCst) => {
                log::info!("stopping");
                self.draining = Some(now);
                self.engine.drain(now);
                Control::Drain
            }
            None => Control::Run,
            Some(since) => self.drain(since, now),
        }
    }
}

fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_micros()).unwrap_or(u32::MAX)
}
