//! One run: clients come, play and go over faulty links, and after every tick everything is held against what it should
//! be.
//!
//! A run is its seed: chance decides in one order, time moves in steps that chance draws, and nothing that is iterated
//! is a hash map. What is checked stands in `checks` and in the scenario; what is left when everybody has gone is
//! checked last: nothing.

use super::checks::Checks;
use super::client::Client;
use super::link::{Arrival, Pipe};
use super::reader::PATH;
use super::scenario::{Carriage, Conduct, Fate, Plan, Scenario, choose};
use super::shell::{Line, Shell};
use crate::engine::{Engine, Event};
use crate::ids::{ConnId, GameId};
use crate::packet::Code;
use crate::random::Random;
use crate::time::{Tick, Time, WallMs};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long replies may take to come in when everybody has fallen quiet.
const SETTLING: Duration = Duration::from_secs(3);
/// How long the last connection may take to go when everybody is made to leave.
const LEAVING: Duration = Duration::from_secs(8);
/// How long a server that drains waits for those who owe it the rest of a request.
const GRACE: Duration = Duration::from_secs(5);
/// The key of a run's secrets: nobody has to be kept from guessing them.
const SECRETS: [u8; 32] = [7; 32];
/// The wall time at which runs start.
const EPOCH: WallMs = WallMs(1_700_000_000_000);

/// How often the server ended a session, by its reason.
type Closes = Arc<Mutex<BTreeMap<Code, u64>>>;

/// A run of a scenario.
pub struct Sim<S: Scenario> {
    plan: Plan,
    scenario: S,
    shell: Shell,
    game: GameId,
    chance: Random,
    links: Vec<Link<S>>,
    checks: Checks<S::Game>,
    /// Clients that came so far.
    came: usize,
    comes_at: Time,
    closes: Closes,
    report: Report,
}

/// One client and its way to the server.
struct Link<S: Scenario> {
    name: usize,
    client: Client<S::Game, S::Script>,
    conn: ConnId,
    carriage: Carriage,
    fate: Fate,
    fate_at: Time,
    up: Pipe,
    down: Pipe,
    /// Whether the client is still there.
    alive: bool,
    /// Whether it neither reads nor writes any more.
    silent: bool,
    /// Whether it has read the end of the server's stream.
    has_read_all: bool,
}

/// What happened in a run that went well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Ticks.
    pub ticks: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Clients that were let in.
    pub players: u64,
    /// Packets that clients read.
    pub packets: u64,
    /// The most bytes that the budget held.
    pub most_memory: usize,
    /// How often the server ended a session, by its reason.
    pub closes: BTreeMap<Code, u64>,
    /// Packets to players, and inputs of games, that the replay gave again.
    pub replayed: usize,
    /// A hash over all that clients read, in order: the same seed gives the same.
    pub digest: u64,
}

/// What went wrong in a run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The run.
    pub seed: u64,
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, at {} ms: {}", self.seed, self.at.as_millis(), self.what)
    }
}

impl std::error::Error for Failure {}

impl<S: Scenario> Sim<S> {
    /// A run that has not begun.
    ///
    /// # Panics
    /// Where the scenario's grids cannot be laid out: a mistake in the scenario.
    pub fn new(plan: Plan, mut scenario: S) -> Sim<S> {
        let (mut engine, game) = engine(&plan, &mut scenario);
        engine.record();
        let checks = Checks::new(&mut engine);
        let closes = count_closes(&mut engine);
        let shell = Shell::new(engine, plan.engine.tick_rate, EPOCH);
        let chance = Random::new(plan.seed);
        Sim {
            plan,
            scenario,
            shell,
            game,
            chance,
            links: Vec::new(),
            checks,
            came: 0,
            comes_at: Time::START,
            closes,
            report: Report::default(),
        }
    }

    /// Runs until everybody has gone, and once more from the log.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub fn run(mut self) -> Result<Report, Failure> {
        let outcome = self.play_all();
        let (seed, at) = (self.plan.seed, self.shell.now());
        outcome.map_err(|what| Failure { seed, at, what })?;
        self.report.closes = std::mem::take(&mut *self.closes.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(self.report)
    }

    fn play_all(&mut self) -> Result<(), String> {
        let end = Time::START + self.plan.duration;
        while self.shell.now() < end {
            self.step()?;
        }
        self.came = self.plan.clients;
        self.links.iter_mut().for_each(|link| link.client.fall_quiet());
        while self.shell.now() < end + SETTLING {
            self.step()?;
        }
        self.check_replies()?;
        let drains = self.dismiss();
        let since = self.shell.now();
        while self.shell.engine().connections() > 0 {
            let now = self.shell.now();
            if drains && now > since + GRACE {
                self.shell.engine_mut().cut_off(now);
            } else if now > since + LEAVING {
                return Err(format!("{} connections do not go away", self.shell.engine().connections()));
            }
            self.step()?;
        }
        while let Some(link) = self.links.pop() {
            self.say_farewell(&link);
        }
        self.check_drained()?;
        self.replay()
    }

    /// Lets some time pass, and whatever happens in it happen.
    fn step(&mut self) -> Result<(), String> {
        let step = Duration::from_micros(200 + self.chance.below(12_000));
        let mut to = self.shell.now() + step;
        if to >= self.shell.deadline() {
            to = self.tick_at();
        }
        self.shell.advance(to);
        self.arrivals();
        self.links()?;
        match self.shell.tick() {
            Some(advanced) => self.serve(advanced.tick),
            None => Ok(()),
        }
    }

    /// When the tick that is due next is run.
    fn tick_at(&mut self) -> Time {
        let deadline = self.shell.deadline();
        if !self.chance.chance(self.plan.faults.late_tick) {
            return deadline;
        }
        let interval = self.plan.engine.tick_rate.interval().as_micros() as u64;
        deadline + Duration::from_micros(self.chance.below(4 * interval))
    }

    /// The tick has run: everybody is served, perhaps with what came in in between, and everything is looked at.
    fn serve(&mut self, tick: Tick) -> Result<(), String> {
        while self.chance.chance(self.plan.faults.cut_flush) {
            self.shell.attend(1 + self.chance.below(4) as usize);
            self.links()?;
        }
        self.shell.attend(usize::MAX);
        self.report.ticks += 1;
        self.report.most_memory = self.report.most_memory.max(self.shell.engine().memory());
        self.checks.tick_over(self.shell.engine(), (self.game, tick), &mut self.scenario)
    }

    /// Clients come, at random over the time there is.
    fn arrivals(&mut self) {
        let now = self.shell.now();
        while self.came < self.plan.clients && self.comes_at <= now {
            let every = self.plan.duration.as_micros() as u64 / (self.plan.clients as u64 + 1);
            self.comes_at = self.comes_at + Duration::from_micros(self.chance.below(2 * every));
            self.came += 1;
            self.arrive();
        }
        self.shell.attend(usize::MAX);
    }

    fn arrive(&mut self) {
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, self.chance.below(100) as u8));
        let chance = &mut self.chance;
        let faults = &self.plan.faults;
        let conduct = choose(&faults.conduct, chance).unwrap_or(Conduct::Honest);
        let carriage = choose(&faults.carriage, chance).unwrap_or(Carriage::Prompt);
        let fate = choose(&faults.fate, chance).unwrap_or(Fate::Stays);
        let capacity = match carriage {
            Carriage::Prompt => 2048 + chance.below(60_000) as usize,
            Carriage::Slow | Carriage::Stalling => 1 + chance.below(4096) as usize,
        };
        let now = self.shell.now();
        let Some(conn) = self.shell.accept(ip, capacity) else { return };
        let script = self.scenario.script(conduct, chance);
        let link = Link {
            name: self.came,
            client: Client::new(conduct, script, chance.bits(), now),
            conn,
            carriage,
            fate,
            fate_at: now + Duration::from_millis(chance.below(8000)),
            up: Pipe::new(carriage),
            down: Pipe::new(carriage),
            alive: true,
            silent: false,
            has_read_all: false,
        };
        self.report.connections += 1;
        let encoding = link.client.encoding();
        self.trace(|| {
            format!("client {} connects as {conn}: {conduct:?} {encoding:?} {carriage:?} {fate:?}", link.name)
        });
        self.links.push(link);
    }

    /// Everybody has a turn, beginning somewhere.
    fn links(&mut self) -> Result<(), String> {
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
    fn say_farewell(&mut self, link: &Link<S>) {
        self.shell.forget(link.conn);
        let reader = &link.client.reader;
        self.report.players += u64::from(reader.player().is_some());
        let end = (reader.player(), reader.seq(), reader.refused(), reader.goodbye(), reader.close_code());
        self.trace(|| format!("client {} is gone: player, seq, status, goodbye, close: {end:?}", link.name));
    }

    fn turn(&mut self, at: usize) -> Result<(), String> {
        self.client_reads(at)?;
        self.client_acts(at);
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
        let input = link.down.take(most);
        let done = link.down.waiting() == 0;
        if !input.is_empty() {
            self.report.digest = hash(self.report.digest, &input);
            let packets = link.client.receive(&input)?;
            self.report.packets += packets.len() as u64;
            if let Some(player) = link.client.reader.player() {
                self.checks.heard(player, &packets)?;
            }
        }
        match arrival {
            Arrival::Open => {}
            Arrival::End if done => link.has_read_all = true,
            Arrival::End => {}
            Arrival::Reset => (link.has_read_all, link.alive) = (true, false),
        }
        self.check_close(at)
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
        match code {
            // The server stops; the game has its reasons.
            Code::Shutdown | Code::Cheating | Code::Kicked => Ok(()),
            Code::WorldFull | Code::SlowConsumer if scarce => Ok(()),
            _ => Err(format!("it did nothing wrong and was sent away: {code}")),
        }
    }

    fn client_acts(&mut self, at: usize) {
        let now = self.shell.now();
        let link = &mut self.links[at];
        if link.alive && !link.silent && now >= link.fate_at {
            self.strike(at);
        }
        let Link { client, up, carriage, alive, silent, has_read_all, .. } = &mut self.links[at];
        if !*alive || *silent {
            return;
        }
        client.act(now);
        let bytes = client.write(up.room());
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
            Fate::FallsSilent => link.silent = true,
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

    // ------------------------------------------------------------------------------------------------------- the end

    /// Everybody who is well and had the time has got an answer to everything.
    fn check_replies(&self) -> Result<(), String> {
        for link in &self.links {
            let well = link.alive && !link.silent && link.carriage == Carriage::Prompt && !link.has_read_all;
            if well
                && link.client.conduct == Conduct::Honest
                && link.client.is_in()
                && link.fate == Fate::Stays
            {
                let unanswered: Vec<u32> = link.client.reader.unanswered().collect();
                if !unanswered.is_empty() && !link.client.has_left() {
                    return Err(format!("client {}: {unanswered:?} were not answered", link.name));
                }
            }
        }
        Ok(())
    }

    /// Makes everybody leave: the server says so, or all go by themselves. Whether it is the server.
    fn dismiss(&mut self) -> bool {
        let now = self.shell.now();
        if self.chance.chance(0.5) {
            self.trace(|| "the server drains".to_owned());
            self.shell.engine_mut().drain(now);
            self.shell.attend(usize::MAX);
            return true;
        }
        self.trace(|| "everybody leaves".to_owned());
        for link in &mut self.links {
            if link.silent {
                link.up.reset(now, &mut self.chance);
                link.alive = false;
            }
            link.fate_at = now;
            link.fate = match link.client.conduct {
                Conduct::Honest if link.carriage == Carriage::Prompt && link.client.is_in() => Fate::Quits,
                _ => Fate::Resets,
            };
        }
        false
    }

    /// Nothing and nobody is left.
    fn check_drained(&mut self) -> Result<(), String> {
        // Departures reach the games in the next tick.
        self.shell.advance(self.shell.deadline());
        if let Some(advanced) = self.shell.tick() {
            self.serve(advanced.tick)?;
        }
        let engine = self.shell.engine();
        let members = engine.members(self.game).count();
        let left = [engine.connections(), engine.players(), members, engine.memory()];
        if left != [0; 4] {
            return Err(format!("connections, players, members and bytes that are left: {left:?}"));
        }
        Ok(())
    }

    /// The log, fed to a fresh engine, gives the same packets to the same players.
    fn replay(&mut self) -> Result<(), String> {
        let log = self.shell.engine_mut().take_record();
        let (mut fresh, _) = engine(&self.plan, &mut self.scenario);
        self.report.replayed = self.checks.replay(&mut fresh, &log)?;
        Ok(())
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = self.plan.trace {
            trace(&format!("{:>6} ms  {}", self.shell.now().as_millis(), line()));
        }
    }
}

/// Has sessions that the server ends counted by the reason.
fn count_closes(engine: &mut Engine) -> Closes {
    let closes = Closes::default();
    let to = closes.clone();
    engine.observe(Box::new(move |event| {
        if let Event::ClientDisconnected { code: Some(code), .. } = event {
            *to.lock().unwrap_or_else(PoisonError::into_inner).entry(*code).or_default() += 1;
        }
    }));
    closes
}

/// A fresh engine with the scenario's game.
fn engine<S: Scenario>(plan: &Plan, scenario: &mut S) -> (Engine, GameId) {
    let mut engine = Engine::new(plan.engine.clone(), plan.seed, SECRETS);
    let game = engine.add_game(PATH, scenario.game()).expect("the scenario's grids can be laid out");
    (engine, game)
}

/// FNV-1a.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
