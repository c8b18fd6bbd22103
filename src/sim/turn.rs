//! One client's turn: it reads, acts and meets its fate; the server reads what has arrived and writes what is due.

use super::client::Client;
use super::cuts::Cuts;
use super::link::{Arrival, Pipe};
use super::run::Sim;
use super::scenario::{Carriage, Conduct, Fate, Scenario, Who};
use super::shell::Line;
use crate::ids::ConnId;
use crate::limits::LINGER_TIME;
use crate::packet::{Code, ServerPacket};
use crate::time::Time;
use std::time::Duration;

/// How late a deadline may be seen: late ticks, a slow tick rate, bytes that were still on their way.
const SWEEP: Duration = Duration::from_millis(3500);

/// One client and its way to the server.
pub(super) struct Link<S: Scenario> {
    pub(super) name: usize,
    pub(super) client: Client<S::Game, S::Script>,
    pub(super) conn: ConnId,
    pub(super) carriage: Carriage,
    pub(super) fate: Fate,
    pub(super) fate_at: Time,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// Where its line is cut again and again.
    pub(super) cuts: Option<Cuts>,
    /// Whether the client is still there.
    pub(super) alive: bool,
    /// Whether it was well when everybody had been quiet for a while.
    pub(super) is_settled: bool,
    /// Whether it neither reads nor writes any more.
    pub(super) silent: bool,
    /// Since when.
    pub(super) silent_since: Time,
    /// Whether it has read the end of the server's stream.
    pub(super) has_read_all: bool,
}

impl<S: Scenario> Link<S> {
    /// Whether it is cut, is not in, and was not told why.
    pub(super) fn is_lost_for_good(&self) -> bool {
        self.cuts.is_some() && self.client.is_away() && self.client.reader.goodbye().is_none()
    }

    /// Whether there is a line at present.
    fn has_line(&self) -> bool {
        self.cuts.as_ref().is_none_or(Cuts::has_line)
    }
}

impl<S: Scenario> Sim<S> {
    /// Everybody has a turn, beginning somewhere.
    pub(super) fn links(&mut self) -> Result<(), String> {
        self.remains();
        let count = self.links.len();
        let start = self.chance.below(count as u64) as usize;
        for i in 0..count {
            let at = (start + i) % count;
            self.turn(at).map_err(|what| format!("client {}: {what}", self.links[at].name))?;
        }
        for at in (0..self.links.len()).rev() {
            let link = &self.links[at];
            if self.shell.is_closed(link.conn) && (!link.alive || link.silent || link.has_read_all) {
                let link = self.links.remove(at);
                self.say_farewell(&link);
            }
        }
        Ok(())
    }

    /// A client is gone for good.
    pub(super) fn say_farewell(&mut self, link: &Link<S>) {
        self.shell.forget(link.conn);
        self.note_said(link);
        let reader = &link.client.reader;
        self.report.deflated += reader.deflation.counts();
        self.report.players += u64::from(reader.player().is_some());
        let end = (reader.player(), reader.seq(), reader.refused(), reader.goodbye(), reader.close_code());
        self.trace(|| format!("client {} is gone: player, seq, status, goodbye, close: {end:?}", link.name));
    }

    fn turn(&mut self, at: usize) -> Result<(), String> {
        self.check_silence(at)?;
        self.cut_or_mend(at);
        if self.links[at].has_line() {
            self.client_reads(at)?;
        }
        self.client_acts(at);
        if !self.links[at].has_line() {
            return Ok(());
        }
        self.server_reads(at);
        self.server_writes(at);
        self.shell.attend(usize::MAX);
        Ok(())
    }

    fn client_reads(&mut self, at: usize) -> Result<(), String> {
        let link = &mut self.links[at];
        if !link.alive || link.silent {
            return Ok(());
        }
        let arrival = link.down.arrive(self.shell.now());
        let most = match link.carriage {
            Carriage::Slow => self.chance.below(60) as usize,
            Carriage::Prompt | Carriage::Stalling => usize::MAX,
        };
        let input = link.down.take(most.min(link.cuts.as_ref().map_or(usize::MAX, Cuts::readable)));
        if let Some(cuts) = &mut link.cuts {
            cuts.read += input.len();
        }
        let done = link.down.waiting() == 0;
        if !input.is_empty() {
            self.report.digest = hash(self.report.digest, &input);
            if let (Some(calling), Some(disk)) = (&mut link.client.calling, &mut self.disk) {
                self.report.answered += calling.receive(&input, disk.store())?;
            }
            let packets = link.client.receive(&input)?;
            self.check_return(at)?;
            let link = &mut self.links[at];
            self.report.packets += packets.len() as u64;
            if let Some(disk) = &mut self.disk {
                let of_game = packets.iter().filter_map(|packet| match &packet.packet {
                    ServerPacket::Game(out) => Some(out),
                    ServerPacket::Control(_) => None,
                });
                of_game.into_iter().try_for_each(|out| self.scenario.heard(out, disk.store()))?;
            }
            if let Some(player) = link.client.reader.player() {
                self.report.spared += self.checks.heard(player, &packets[link.client.before_playing()..])?;
            }
        }
        let link = &mut self.links[at];
        match arrival {
            Arrival::Open => {}
            Arrival::End if done => link.has_read_all = true,
            Arrival::End => {}
            Arrival::Reset => (link.has_read_all, link.alive) = (true, false),
        }
        self.check_close(at)
    }

    /// Whoever was in and says nothing any more is closed after the timeout, and soon gone.
    fn check_silence(&self, at: usize) -> Result<(), String> {
        let link = &self.links[at];
        let was_in =
            link.silent && link.carriage == Carriage::Prompt && link.client.reader.player().is_some();
        let limit = self.plan.engine.session.timeout + LINGER_TIME + SWEEP;
        if was_in && self.shell.now() > link.silent_since + limit && !self.shell.is_closed(link.conn) {
            return Err(format!("it is still there after {} ms of silence", limit.as_millis()));
        }
        Ok(())
    }

    /// Who has done nothing wrong and reads what it is sent is not sent away.
    fn check_close(&mut self, at: usize) -> Result<(), String> {
        let link = &self.links[at];
        let well_behaved = link.client.conduct == Conduct::Honest && link.carriage == Carriage::Prompt;
        let Some(code) = link.client.reader.goodbye().filter(|_| well_behaved && !link.silent) else {
            return Ok(());
        };
        let scarce =
            self.plan.engine.memory_limit < 16 << 20 || self.plan.engine.max_players < self.plan.clients;
        let registry = &self.plan.engine.registry;
        let crowded = registry.max_per_address != 0 || registry.max_connections < self.plan.clients;
        match code {
            // The server stops; the game has its reasons.
            Code::Shutdown | Code::Cheating | Code::Kicked => Ok(()),
            Code::WorldFull | Code::SlowConsumer if scarce => Ok(()),
            // It was let in only to resume one who is lost, and is somebody else.
            Code::TooManyConnections if crowded => Ok(()),
            Code::SessionExpired if link.cuts.is_some() => self.check_expiry(at),
            // As many of its address have their passwords looked at as may.
            Code::RateLimited if matches!(link.client.who, Who::Password { .. }) => Ok(()),
            _ => Err(format!("it did nothing wrong and was sent away: {code}")),
        }
    }

    fn client_acts(&mut self, at: usize) {
        let now = self.shell.now();
        let link = &mut self.links[at];
        if link.alive && !link.silent && now >= link.fate_at {
            self.strike(at);
        }
        let Link { client, up, carriage, cuts, alive, silent, has_read_all, .. } = &mut self.links[at];
        if !*alive || *silent {
            return;
        }
        client.act(now);
        let mut room = up.room();
        if let Some(cuts) = cuts {
            room = match () {
                () if cuts.has_line() => room.min(cuts.writable()),
                () if cuts.is_dead() => usize::MAX,
                () => return,
            };
        }
        let bytes = client.write(room);
        if let Some(cuts) = cuts {
            if cuts.is_dead() {
                self.report.unheard += bytes.len() as u64;
                return;
            }
            cuts.written += bytes.len();
        }
        up.send(bytes, *carriage, now, &mut self.chance);
        if *has_read_all && client.has_written() {
            up.end(*carriage, now, &mut self.chance);
        }
    }

    /// A client's fate comes to it.
    fn strike(&mut self, at: usize) {
        let now = self.shell.now();
        let link = &mut self.links[at];
        let fate = std::mem::replace(&mut link.fate, Fate::Stays);
        match fate {
            Fate::Stays => return,
            Fate::Quits => link.client.quit(),
            Fate::Closes => {
                let code = [None, Some(1000), Some(1001), Some(4999)][self.chance.below(4) as usize];
                link.client.close(code);
            }
            Fate::HalfCloses => link.up.end(link.carriage, now, &mut self.chance),
            Fate::Resets => {
                link.up.reset(now, &mut self.chance);
                link.alive = false;
            }
            Fate::FallsSilent => (link.silent, link.silent_since) = (true, now),
        }
        let name = link.name;
        self.trace(|| format!("client {name}: {fate:?}"));
    }

    fn server_reads(&mut self, at: usize) {
        let link = &mut self.links[at];
        let arrival = link.up.arrive(self.shell.now());
        if arrival == Arrival::Reset {
            return self.shell.reset(link.conn);
        }
        while link.up.waiting() > 0 && self.shell.reads(link.conn) {
            let most = match self.chance.below(3) {
                0 => 1 + self.chance.below(64) as usize,
                _ => usize::MAX,
            };
            let mut input = link.up.take(most);
            self.shell.receive(link.conn, &mut input);
            // Whoever has had a part of what it sent may have to wait for its next turn.
            if self.chance.chance(0.2) {
                return;
            }
        }
        if link.up.waiting() == 0 && arrival == Arrival::End && self.shell.reads(link.conn) {
            self.shell.end_of_stream(link.conn);
        }
    }

    fn server_writes(&mut self, at: usize) {
        let now = self.shell.now();
        let link = &mut self.links[at];
        // What was sent before it got room may bring more.
        while link.down.room() > 0 && self.shell.unsent(link.conn) > 0 {
            let most = 1 + self.chance.below(link.down.room() as u64) as usize;
            let bytes = self.shell.take(link.conn, most);
            link.down.send(bytes, link.carriage, now, &mut self.chance);
        }
        match self.shell.line(link.conn) {
            Line::Open => {}
            Line::Finished if self.shell.unsent(link.conn) == 0 => {
                link.down.end(link.carriage, now, &mut self.chance);
            }
            Line::Finished => {}
            Line::Cut => link.down.end_by_reset(now, &mut self.chance),
        }
    }
}

/// FNV-1a.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
