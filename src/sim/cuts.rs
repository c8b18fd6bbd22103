//! Lines that are cut again and again, at any byte and in both directions, and clients that come back over others.
//!
//! What is cut is the line, not the client: it goes on with what it has, says more meanwhile, and resumes. The server may
//! hear of it at once, late or never: what was on its way still arrives at the old socket, which the server may take for open
//! until the client comes in over a new one, and a moment longer. A line may also go **dead**: nobody tells the client
//! either, and both ends write into it, the server's perhaps until its socket takes no more.
//!
//! A client is away for a moment, for almost as long as its player is kept, or for too long; it comes back with the
//! encoding that it had or with the other one, and offers something else about compressed messages (`deflation`).
//! [`Cutting`](super::Cutting) says how often. What must come of it is known from the times alone: nobody is refused
//! before its grace can be over, nobody is let in who must be gone, and everything is told afresh only to those who speak
//! another encoding or have missed more than is kept.
//!
//! What the game took and said is compared with a **twin** afterwards (`checks`): the run's log, without the losses and the
//! returns in it, fed to a fresh engine. There everybody comes, acts and goes in the same ticks, over lines that hold. It
//! is no run of its own, since a packet that is late because its line was cut meets another world than one that is not.

use super::link::{Arrival, Pipe};
use super::run::Sim;
use super::scenario::{Cutting, Scenario};
use crate::ids::ConnId;
use crate::random::Random;
use crate::time::Time;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How long a cut client usually stays away at the most: less than the shortest grace.
const USUAL_ABSENCE_MS: u64 = 1200;
/// How long before the end of the grace a long absence ends at the latest: the way back takes time, and may be cut.
const IN_TIME: Duration = Duration::from_millis(700);
/// How late the server may find out that somebody's time is over: late ticks, a slow tick rate, bytes on their way.
const LATENESS: Duration = Duration::from_millis(3500);
/// Within so many bytes of a new line half of the cuts come: they meet the handshake, `auth_response`, and the replay.
const EARLY_BYTES: u64 = 900;

/// One client's line, which is cut again and again.
#[derive(Debug)]
pub(super) struct Cuts {
    next: Cut,
    /// What went over the present line, to the client and from it.
    pub(super) read: usize,
    pub(super) written: usize,
    state: State,
    /// When the player was parted from a line at the earliest, by what the client knows: its grace is not over before.
    parted: Time,
    /// When a line was cut last: the player's grace has begun soon after that.
    last: Time,
    /// It has come back since it was let in last.
    comes_back: bool,
    /// It was told everything afresh then, and is again as long as the server does not know that it knows.
    is_afresh: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// There is a line.
    There,
    /// The line is dead, and the client finds out then.
    Dead(Time),
    /// The client knows, and has another line then.
    Away(Time),
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
    /// What the server writes goes nowhere; otherwise its socket fills up.
    swallows: bool,
}

impl Cuts {
    pub(super) fn new(now: Time, chance: &mut Random) -> Cuts {
        let next = Cut::draw(now, chance);
        let (state, comes_back, is_afresh) = (State::There, false, false);
        Cuts { next, read: 0, written: 0, state, parted: now, last: now, comes_back, is_afresh }
    }

    /// Whether there is a line that carries anything.
    pub(super) fn has_line(&self) -> bool {
        matches!(self.state, State::There)
    }

    /// Whether the client writes into a dead line.
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead(_))
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
        match &mut self.state {
            State::There => {}
            State::Dead(at) | State::Away(at) => *at = now,
        }
    }

    /// It is in; whether it was let in again just now.
    ///
    /// # Errors
    /// Its player must have been gone.
    fn let_in(&mut self, now: Time, grace: Duration, timeout: Duration) -> Result<bool, String> {
        let gone = self.last + grace + timeout + LATENESS;
        match std::mem::take(&mut self.comes_back) {
            true if now >= gone => {
                Err(format!("it was cut at {} ms, and let in too late", self.last.as_millis()))
            }
            comes_back => Ok(comes_back),
        }
    }

    /// It was told that its player is gone.
    ///
    /// # Errors
    /// Its grace was not over.
    fn expired(&self, now: Time, grace: Duration) -> Result<(), String> {
        match now >= self.parted + grace {
            true => Ok(()),
            false => Err(format!("it was cut at {} ms, and given up too early", self.parted.as_millis())),
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

/// How long somebody stays away who was cut just now.
fn absence(cutting: &Cutting, grace: Duration, timeout: Duration, chance: &mut Random) -> Duration {
    let millis = |duration: Duration| duration.as_millis() as u64;
    match () {
        () if chance.chance(cutting.too_long) => {
            grace + timeout + LATENESS + Duration::from_millis(chance.below(500))
        }
        () if chance.chance(cutting.long) => {
            Duration::from_millis(chance.below(1 + millis(grace.saturating_sub(IN_TIME))))
        }
        () => Duration::from_millis(chance.below(2) * chance.below(USUAL_ABSENCE_MS)),
    }
}

impl<S: Scenario> Sim<S> {
    /// Cuts a client's line where its time has come, has the client find out, or gives it another.
    pub(super) fn cut_or_mend(&mut self, at: usize) {
        let now = self.shell.now();
        let link = &mut self.links[at];
        let Some(cuts) = &mut link.cuts else { return };
        if !link.alive || link.has_read_all || (link.client.has_left() && cuts.has_line()) {
            return;
        }
        match cuts.state {
            State::There if cuts.is_due(now) => self.cut(at),
            State::Dead(until) if now >= until => self.notice(at),
            State::Away(until) if now >= until => self.mend(at),
            State::There | State::Dead(_) | State::Away(_) => {}
        }
    }

    fn cut(&mut self, at: usize) {
        let now = self.shell.now();
        let cutting = self.plan.faults.cuts;
        let chance = &mut self.chance;
        let link = &mut self.links[at];
        let mut up = std::mem::replace(&mut link.up, Pipe::new(link.carriage));
        link.down = Pipe::new(link.carriage);
        let is_dead = chance.chance(cutting.dead);
        match chance.below(3) {
            0 if !is_dead => up.reset(now, chance),
            1 if !is_dead => up.end(link.carriage, now, chance),
            // Nobody tells the server.
            _ => {}
        }
        let swallows = !is_dead || chance.chance(0.7);
        self.remains.push(Remains { conn: link.conn, up, swallows });
        self.report.cuts += 1;
        if let Some(cuts) = &mut link.cuts {
            if link.client.can_come_back() && !link.client.is_away() {
                cuts.parted = now;
            }
            cuts.last = now;
            let unnoticed = if is_dead { chance.below(1 + cutting.unnoticed.as_millis() as u64) } else { 0 };
            cuts.state = State::Dead(now + Duration::from_millis(unnoticed));
        }
        let (name, conn) = (link.name, link.conn);
        self.trace(|| {
            format!("client {name}: the line is cut, {conn}{}", if is_dead { ", and dead" } else { "" })
        });
        if !is_dead {
            self.notice(at);
        }
    }

    /// The client knows that its line is lost.
    fn notice(&mut self, at: usize) {
        let link = &mut self.links[at];
        let Some(cuts) = &mut link.cuts else { return };
        if !link.client.can_come_back() {
            // It was not in yet, or has left: there is nobody to come back to.
            link.alive = false;
            return;
        }
        link.client.lose();
        let session = &self.plan.engine.session;
        let away = absence(&self.plan.faults.cuts, session.resume_grace, session.timeout, &mut self.chance);
        // Counted from the cut: the player is in the world for so long from then on.
        let quiet = matches!(cuts.next, Cut::Never);
        cuts.state = State::Away(if quiet { self.shell.now() } else { cuts.last + away });
    }

    fn mend(&mut self, at: usize) {
        let now = self.shell.now();
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 1, self.chance.below(100) as u8));
        let capacity = 1 + self.chance.below(60_000) as usize;
        let Some(conn) = self.shell.accept(ip, capacity) else { return };
        let recoded = self.chance.chance(self.plan.faults.cuts.recoded);
        let link = &mut self.links[at];
        let Some(cuts) = &mut link.cuts else { return };
        link.conn = conn;
        link.client.come_back(recoded);
        let next =
            if matches!(cuts.next, Cut::Never) { Cut::Never } else { Cut::draw(now, &mut self.chance) };
        *cuts = Cuts { next, read: 0, written: 0, state: State::There, comes_back: true, ..*cuts };
        self.report.connections += 1;
        let (name, encoding) = (link.name, link.client.encoding());
        let seq = self.links[at].client.reader.seq();
        self.trace(|| format!("client {name}: comes back as {conn}, {encoding:?}, after {seq}"));
    }

    /// A client has read something: whether it may be in again, or gone, or be told everything afresh.
    pub(super) fn check_return(&mut self, at: usize) -> Result<(), String> {
        let (now, session) = (self.shell.now(), &self.plan.engine.session);
        let link = &mut self.links[at];
        let Some(cuts) = &mut link.cuts else { return Ok(()) };
        let is_in = link.client.reader.is_in() && !link.client.is_away();
        if !is_in || !cuts.let_in(now, session.resume_grace, session.timeout)? {
            return Ok(());
        }
        let is_afresh = link.client.take_afresh();
        let was_afresh = std::mem::replace(&mut cuts.is_afresh, is_afresh);
        if let (true, Some(player)) = (is_afresh, link.client.reader.player()) {
            let is_forgotten = !link.client.is_recoded() && !was_afresh;
            if is_forgotten {
                self.checks.is_much(player)?;
            }
            self.report.afresh += 1;
            self.report.forgotten += u64::from(is_forgotten);
            let (name, tick) = (link.name, link.client.reader.entered_in());
            self.checks.afresh(player, tick);
            self.trace(|| format!("client {name}: is told everything afresh, after tick {tick}"));
        }
        Ok(())
    }

    /// A client was told that its player is gone.
    pub(super) fn check_expiry(&mut self, at: usize) -> Result<(), String> {
        let (now, grace) = (self.shell.now(), self.plan.engine.session.resume_grace);
        let link = &mut self.links[at];
        let Some(cuts) = link.cuts.as_ref().filter(|cuts| cuts.comes_back) else {
            return Err("nobody but who comes back is given up".to_owned());
        };
        cuts.expired(now, grace)?;
        if let Some(player) = link.client.reader.player() {
            self.report.expired += u64::from(self.checks.expired(player));
        }
        Ok(())
    }

    /// What was on its way when lines were cut arrives; what the server still writes to them goes nowhere.
    pub(super) fn remains(&mut self) {
        let now = self.shell.now();
        for at in (0..self.remains.len()).rev() {
            let Remains { conn, up, swallows } = &mut self.remains[at];
            let (conn, swallows) = (*conn, *swallows);
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
            if swallows {
                self.shell.take(conn, usize::MAX);
            }
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
