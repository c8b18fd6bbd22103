//! The engine with sockets that exist only in memory, driven exactly as the loop drives it.
//!
//! A [`Shell`] decides nothing: whoever holds it says when bytes arrive, how they are cut, how many a socket takes and
//! when time passes. What it does by itself is what `net` does by itself: it pauses, lingers and closes as the engine
//! answers, and calls [`Engine::disconnect`] once for every connection. The simulation, the fuzzer, benchmarks and tests
//! of the engine all stand on it.

use crate::engine::Engine;
use crate::ids::ConnId;
use crate::limits::{LINGER_BYTES, LINGER_TIME};
use crate::outgoing::{Next, Outgoing};
use crate::time::{Advanced, TickClock, Time, WallMs};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// An engine and its sockets.
pub struct Shell {
    engine: Engine,
    /// Every socket whose bytes have not all been taken, closed ones too. Generations keep slots apart.
    sockets: BTreeMap<ConnId, Socket>,
    ticks: TickClock,
    now: Time,
    /// The wall time at [`Time::START`].
    epoch: WallMs,
}

/// What the other end of a connection would find out about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// It is open both ways.
    Open,
    /// The server has said all; once the bytes that are left have been taken, the stream is at its end.
    Finished,
    /// The server has cut it.
    Cut,
}

/// One connection as the operating system would keep it.
#[derive(Debug)]
struct Socket {
    phase: Phase,
    line: Line,
    /// What the engine wrote and nobody has taken yet, at most `capacity` bytes.
    sent: Vec<u8>,
    capacity: usize,
    /// A write was cut short: the engine is to be told when there is room.
    starved: bool,
    discarded: usize,
    lingers_until: Time,
}

/// As in `net`: what is done with input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Reading,
    Paused,
    /// The peer has ended its half.
    Ended,
    /// Our half has ended; input is discarded.
    Lingering,
    /// The engine has been told that it is gone.
    Closed,
}

impl Outgoing for Socket {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.capacity.saturating_sub(self.sent.len()));
        self.sent.extend_from_slice(&bytes[..taken]);
        self.starved |= taken < bytes.len();
        taken
    }
}

impl Shell {
    /// Around an engine whose first tick is due one interval after the start. `epoch` is the wall time of the start.
    pub fn new(engine: Engine, rate: crate::time::TickRate, epoch: WallMs) -> Shell {
        let ticks = TickClock::new(rate, Time::START);
        Shell { engine, sockets: BTreeMap::new(), ticks, now: Time::START, epoch }
    }

    /// The engine, to be looked at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, for what goes past its sockets: bans, draining, records.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The wall time of the present moment.
    pub fn wall(&self) -> WallMs {
        WallMs(self.epoch.0 + self.now.as_millis())
    }

    /// When the next tick is due.
    pub fn deadline(&self) -> Time {
        self.ticks.deadline()
    }

    /// Lets time pass; closes whoever has lingered long enough. Ticks are run by [`Shell::tick`] alone.
    pub fn advance(&mut self, to: Time) {
        self.now = self.now.max(to);
        let over = |socket: &Socket| socket.phase == Phase::Lingering && socket.lingers_until <= self.now;
        let expired: Vec<ConnId> =
            self.sockets.iter().filter(|(_, socket)| over(socket)).map(|(conn, _)| *conn).collect();
        expired.into_iter().for_each(|conn| self.close(conn));
    }

    /// A peer connects from `ip` to a socket that holds `capacity` unsent bytes. `None`: it was dropped without a word.
    pub fn accept(&mut self, ip: IpAddr, capacity: usize) -> Option<ConnId> {
        let conn = self.engine.accept(ip, self.now)?;
        let socket = Socket {
            phase: Phase::Reading,
            line: Line::Open,
            sent: Vec::new(),
            capacity,
            starved: false,
            discarded: 0,
            lingers_until: Time::START,
        };
        self.sockets.insert(conn, socket);
        Some(conn)
    }

    /// Whether the loop would read this socket now.
    pub fn reads(&self, conn: ConnId) -> bool {
        self.phase(conn).is_some_and(|phase| matches!(phase, Phase::Reading | Phase::Lingering))
    }

    /// Bytes arrive at a socket that is read; at others nothing happens.
    pub fn receive(&mut self, conn: ConnId, input: &mut [u8]) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        match socket.phase {
            Phase::Reading => {
                let next = self.engine.receive(conn, input, socket, self.now);
                self.settle(conn, next);
            }
            Phase::Lingering => {
                socket.discarded += input.len();
                if socket.discarded > LINGER_BYTES {
                    self.close(conn);
                }
            }
            Phase::Paused | Phase::Ended | Phase::Closed => {}
        }
    }

    /// The peer's half of a socket that is read comes to its end.
    pub fn end_of_stream(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        match socket.phase {
            Phase::Reading => {
                socket.phase = Phase::Ended;
                let next = self.engine.end_of_stream(conn, socket, self.now);
                self.settle(conn, next);
            }
            Phase::Lingering => self.close(conn),
            Phase::Paused | Phase::Ended | Phase::Closed => {}
        }
    }

    /// The connection is reset: what was not taken is lost.
    pub fn reset(&mut self, conn: ConnId) {
        self.close(conn);
        self.sockets.remove(&conn);
    }

    /// Takes at most `most` of the bytes that the engine sent; where a write had been cut short, the engine hears that
    /// there is room.
    pub fn take(&mut self, conn: ConnId, most: usize) -> Vec<u8> {
        let Some(socket) = self.sockets.get_mut(&conn) else { return Vec::new() };
        let taken: Vec<u8> = socket.sent.drain(..most.min(socket.sent.len())).collect();
        if !taken.is_empty() {
            self.offer(conn);
        }
        taken
    }

    /// Sets how many unsent bytes a socket holds; more of them than before are offered to the engine.
    pub fn set_capacity(&mut self, conn: ConnId, bytes: usize) {
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.capacity = bytes;
            self.offer(conn);
        }
    }

    /// How many bytes wait to be taken.
    pub fn unsent(&self, conn: ConnId) -> usize {
        self.sockets.get(&conn).map_or(0, |socket| socket.sent.len())
    }

    /// What the peer finds at the end of the bytes that wait to be taken.
    pub fn line(&self, conn: ConnId) -> Line {
        self.sockets.get(&conn).map_or(Line::Cut, |socket| socket.line)
    }

    /// Whether the engine has been told that it is gone.
    pub fn is_closed(&self, conn: ConnId) -> bool {
        self.phase(conn).is_none_or(|phase| phase == Phase::Closed)
    }

    /// Flushes at most `most` of those who want attention; true when nobody does any more.
    pub fn attend(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some(conn) = self.engine.attention() else { return true };
            let phase = self.phase(conn);
            if matches!(phase, Some(Phase::Reading | Phase::Paused | Phase::Ended)) {
                self.flush(conn);
            }
        }
        false
    }

    /// Runs the tick, where one is due.
    pub fn tick(&mut self) -> Option<Advanced> {
        let advanced = self.ticks.advance(self.now)?;
        let wall = self.wall();
        self.engine.tick(advanced.tick, self.now, wall);
        Some(advanced)
    }

    /// Forgets a connection that is closed, with the bytes that nobody took.
    pub fn forget(&mut self, conn: ConnId) {
        if self.phase(conn) == Some(Phase::Closed) {
            self.sockets.remove(&conn);
        }
    }

    fn offer(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        let waits = matches!(socket.phase, Phase::Reading | Phase::Paused | Phase::Ended);
        if socket.starved && waits && socket.sent.len() < socket.capacity {
            socket.starved = false;
            self.flush(conn);
        }
    }

    fn flush(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        let next = self.engine.flush(conn, socket, self.now);
        self.settle(conn, next);
    }

    /// Does what the engine answered.
    fn settle(&mut self, conn: ConnId, next: Next) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        match (next, socket.phase) {
            (Next::Read, Phase::Paused) => socket.phase = Phase::Reading,
            (Next::Pause, Phase::Reading) => socket.phase = Phase::Paused,
            (Next::Read | Next::Pause, _) => {}
            (Next::Finish, Phase::Ended) => {
                socket.line = Line::Finished;
                self.close(conn);
            }
            (Next::Finish, _) => {
                socket.line = Line::Finished;
                socket.phase = Phase::Lingering;
                socket.lingers_until = self.now + LINGER_TIME;
            }
            (Next::Abort, _) => {
                socket.line = Line::Cut;
                self.close(conn);
            }
        }
    }

    fn close(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        if std::mem::replace(&mut socket.phase, Phase::Closed) != Phase::Closed {
            self.engine.disconnect(conn, self.now);
        }
    }

    fn phase(&self, conn: ConnId) -> Option<Phase> {
        self.sockets.get(&conn).map(|socket| socket.phase)
    }
}
