//! Lines that are cut again and again, at any byte and in both directions, and clients that come back over others.
//!
//! What is cut is the line, not the client: it goes on with what it has, says more meanwhile, and resumes. The server may
//! hear of it at once, late or never: what was on its way still arrives at the old socket, which the server may take for open
//! until the client comes in over a new one, and a moment longer.

use super::link::{Arrival, Pipe};
use super::run::Sim;
use super::scenario::Scenario;
use crate::ids::ConnId;
use crate::random::Random;
use crate::time::Time;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How long a cut client stays away at the most: far less than the shortest grace.
const LONGEST_ABSENCE_MS: u64 = 1200;
/// Within so many bytes of a new line half of the cuts come: they meet the handshake, `auth_response`, and the replay.
const EARLY_BYTES: u64 = 900;

/// One client's line, which is cut again and again.
#[derive(Debug)]
pub(super) struct Cuts {
    next: Cut,
    /// What went over the present line, to the client and from it.
    pub(super) read: usize,
    pub(super) written: usize,
    /// When the client has another line; `None` while it has one.
    returns_at: Option<Time>,
}

/// When a line is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    At(Time),
    /// When the client has read so many bytes of it.
    Read(usize),
    /// When it has written so many.
    Written(usize),
    Never,
}

/// What is left of a line that was cut: the server's end.
pub(super) struct Remains {
    conn: ConnId,
    up: Pipe,
}

impl Cuts {
    pub(super) fn new(now: Time, chance: &mut Random) -> Cuts {
        Cuts { next: Cut::draw(now, chance), read: 0, written: 0, returns_at: None }
    }

    /// Whether the client has no line at present.
    pub(super) fn is_away(&self) -> bool {
        self.returns_at.is_some()
    }

    /// How many bytes more the client may read before the cut.
    pub(super) fn readable(&self) -> usize {
        match self.next {
            Cut::Read(bytes) => bytes - self.read,
            Cut::At(_) | Cut::Written(_) | Cut::Never => usize::MAX,
        }
    }

    /// How many bytes more it may write.
    pub(super) fn writable(&self) -> usize {
        match self.next {
            Cut::Written(bytes) => bytes - self.written,
            Cut::At(_) | Cut::Read(_) | Cut::Never => usize::MAX,
        }
    }

    fn is_due(&self, now: Time) -> bool {
        match self.next {
            Cut::At(at) => now >= at,
            Cut::Read(bytes) => self.read >= bytes,
            Cut::Written(bytes) => self.written >= bytes,
            Cut::Never => false,
        }
    }

    /// There are no more cuts, and whoever is away comes back now.
    pub(super) fn end(&mut self, now: Time) {
        self.next = Cut::Never;
        if let Some(at) = &mut self.returns_at {
            *at = now;
        }
    }
}

impl Cut {
    fn draw(now: Time, chance: &mut Random) -> Cut {
        match chance.below(10) {
            0..3 => Cut::Read(chance.below(EARLY_BYTES) as usize),
            3..5 => Cut::Written(chance.below(EARLY_BYTES) as usize),
            _ => Cut::At(now + Duration::from_millis(chance.below(2500))),
        }
    }
}

impl<S: Scenario> Sim<S> {
    /// Cuts a client's line where its time has come, or gives it another.
    pub(super) fn cut_or_mend(&mut self, at: usize) {
        let now = self.shell.now();
        let link = &mut self.links[at];
        let Some(cuts) = &mut link.cuts else { return };
        if !link.alive || link.has_read_all || link.client.has_left() {
            return;
        }
        match cuts.returns_at {
            None if cuts.is_due(now) => self.cut(at),
            Some(returns_at) if now >= returns_at => self.mend(at),
            None | Some(_) => {}
        }
    }

    fn cut(&mut self, at: usize) {
        let now = self.shell.now();
        let chance = &mut self.chance;
        let link = &mut self.links[at];
        let mut up = std::mem::replace(&mut link.up, Pipe::new(link.carriage));
        link.down = Pipe::new(link.carriage);
        match chance.below(3) {
            0 => up.reset(now, chance),
            1 => up.end(link.carriage, now, chance),
            // Nobody tells the server.
            _ => {}
        }
        self.remains.push(Remains { conn: link.conn, up });
        self.report.cuts += 1;
        if link.client.can_come_back() {
            link.client.lose();
            let returns_at = now + Duration::from_millis(chance.below(2) * chance.below(LONGEST_ABSENCE_MS));
            link.cuts = link.cuts.take().map(|cuts| Cuts { returns_at: Some(returns_at), ..cuts });
        } else {
            // It was not in yet: there is nobody to come back to.
            link.alive = false;
        }
        let (name, conn) = (link.name, link.conn);
        self.trace(|| format!("client {name}: the line is cut, {conn}"));
    }

    fn mend(&mut self, at: usize) {
        let now = self.shell.now();
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 1, self.chance.below(100) as u8));
        let capacity = 1 + self.chance.below(60_000) as usize;
        let Some(conn) = self.shell.accept(ip, capacity) else { return };
        let quiet = self.links[at].cuts.as_ref().is_some_and(|cuts| matches!(cuts.next, Cut::Never));
        let link = &mut self.links[at];
        link.conn = conn;
        link.client.come_back();
        let mut cuts = Cuts::new(now, &mut self.chance);
        if quiet {
            cuts.end(now);
        }
        link.cuts = Some(cuts);
        self.report.connections += 1;
        let name = link.name;
        self.trace(|| format!("client {name}: comes back as {conn}"));
    }

    /// What was on its way when lines were cut arrives; what the server still writes to them goes nowhere.
    pub(super) fn remains(&mut self) {
        let now = self.shell.now();
        for at in (0..self.remains.len()).rev() {
            let Remains { conn, up } = &mut self.remains[at];
            let conn = *conn;
            match up.arrive(now) {
                Arrival::Reset => self.shell.reset(conn),
                arrival => {
                    while up.waiting() > 0 && self.shell.reads(conn) {
                        self.shell.receive(conn, &mut up.take(usize::MAX));
                    }
                    if arrival == Arrival::End && up.waiting() == 0 && self.shell.reads(conn) {
                        self.shell.end_of_stream(conn);
                    }
                }
            }
            self.shell.take(conn, usize::MAX);
            self.shell.attend(usize::MAX);
            if self.shell.is_closed(conn) {
                self.shell.forget(conn);
                self.remains.swap_remove(at);
            }
        }
    }

    /// Everybody goes: the ends of lines that nobody told the server of are reset.
    pub(super) fn sweep_remains(&mut self) {
        let now = self.shell.now();
        for Remains { up, .. } in &mut self.remains {
            up.end_by_reset(now, &mut self.chance);
        }
    }
}
