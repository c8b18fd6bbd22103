//! One run: clients come, play and go over faulty links, and after every tick everything is held against what it should
//! be.
//!
//! A run is its seed: chance decides in one order, time moves in steps that chance draws, and nothing that is iterated
//! is a hash map. What is checked stands in `checks` and in the scenario; what is left when everybody has gone is
//! checked last: nothing.

use super::caller::Calling;
use super::checks::Checks;
use super::client::Client;
use super::cuts::{Cuts, Remains};
use super::disk::Disk;
use super::link::Pipe;
use super::reader::PATH;
use super::report::{Failure, Report};
use super::scenario::{Carriage, Conduct, Fate, Plan, Scenario, choose};
use super::shell::Shell;
use super::turn::Link;
use crate::engine::{Engine, Event};
use crate::ids::GameId;
use crate::packet::Code;
use crate::random::Random;
use crate::time::{Tick, Time, WallMs};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long replies may take to come in when everybody has fallen quiet.
const SETTLING: Duration = Duration::from_secs(3);
/// The same where some come back with much to say, which they do in turns.
const SETTLING_AFTER_CUTS: Duration = Duration::from_secs(6);
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
    pub(super) plan: Plan,
    pub(super) scenario: S,
    pub(super) shell: Shell,
    pub(super) game: GameId,
    pub(super) chance: Random,
    pub(super) links: Vec<Link<S>>,
    /// The server's ends of lines that were cut.
    pub(super) remains: Vec<Remains>,
    pub(super) checks: Checks<S::Game>,
    /// `None` where nothing is kept.
    pub(super) disk: Option<Disk>,
    /// Clients that came so far.
    pub(super) came: usize,
    pub(super) comes_at: Time,
    /// The newest tick.
    pub(super) tick: Tick,
    pub(super) closes: Closes,
    pub(super) report: Report,
}

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
        // Its mood is its own: what it does leaves everybody else's chance as it is.
        let disk = scenario.storage().map(|(store, hasher)| {
            Disk::new(store, hasher, plan.faults.disk, Random::new(plan.seed.rotate_left(32)))
        });
        Sim {
            plan,
            scenario,
            shell,
            game,
            chance,
            links: Vec::new(),
            remains: Vec::new(),
            checks,
            disk,
            came: 0,
            comes_at: Time::START,
            tick: Tick(0),
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
        if let Some(disk) = &mut self.disk {
            disk.load(self.shell.engine_mut(), Time::START, EPOCH)?;
            // Games hear of what they have kept before anybody comes in.
            self.shell.engine_mut().tick(Tick(0), Time::START, EPOCH);
        }
        let end = Time::START + self.plan.duration;
        while self.shell.now() < end {
            self.step()?;
        }
        self.came = self.plan.clients;
        self.fall_quiet();
        let cuts = self.plan.faults.cuts.lines > 0.0;
        let settling = if cuts { SETTLING_AFTER_CUTS } else { SETTLING };
        while self.shell.now() < end + settling {
            self.step()?;
        }
        self.await_replies()?;
        self.check_replies()?;
        self.check_quiet()?;
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
        self.settle()?;
        self.check_drained()?;
        self.report.failed_commits = self.disk.as_ref().map_or(0, Disk::failed);
        self.replay()
    }

    /// Lets some time pass, and whatever happens in it happen.
    pub(super) fn step(&mut self) -> Result<(), String> {
        let step = Duration::from_micros(200 + self.chance.below(12_000));
        let mut to = self.shell.now() + step;
        if to >= self.shell.deadline() {
            to = self.tick_at();
        }
        self.shell.advance(to);
        self.arrivals();
        self.links()?;
        self.carry();
        match self.shell.tick() {
            Some(advanced) => self.serve(advanced.tick),
            None => Ok(()),
        }
    }

    /// Carries errands to the disk and back, as the loop does once a turn.
    pub(super) fn carry(&mut self) {
        let now = self.shell.now();
        if let Some(disk) = &mut self.disk {
            disk.carry(self.shell.engine_mut(), now);
            self.shell.attend(usize::MAX);
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
    pub(super) fn serve(&mut self, tick: Tick) -> Result<(), String> {
        while self.chance.chance(self.plan.faults.cut_flush) {
            self.shell.attend(1 + self.chance.below(4) as usize);
            self.links()?;
        }
        self.shell.attend(usize::MAX);
        self.report.ticks += 1;
        self.tick = tick;
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
        let honest = conduct == Conduct::Honest && carriage == Carriage::Prompt;
        let lines = self.plan.faults.cuts.lines;
        let cuts =
            if lines > 0.0 && honest && chance.chance(lines) { Some(Cuts::new(now, chance)) } else { None };
        let calling = match conduct {
            Conduct::Caller => self.scenario.caller(self.came).map(Calling::new),
            _ => None,
        };
        let conduct = if calling.is_none() && conduct == Conduct::Caller { Conduct::Honest } else { conduct };
        let script = self.scenario.script(conduct, chance);
        let who = self.scenario.who(self.came);
        let mut client = Client::new(conduct, (script, who), calling, chance.bits(), now);
        if self.plan.engine.session.compression {
            client.vary_offers(self.plan.seed ^ (self.came as u64) << 32);
        }
        if cuts.is_some() {
            client.expect_cuts(!self.plan.engine.session.duplicate_window.is_zero());
        }
        let link = Link {
            name: self.came,
            client,
            conn,
            carriage,
            fate,
            fate_at: now + Duration::from_millis(chance.below(8000)),
            up: Pipe::new(carriage),
            down: Pipe::new(carriage),
            cuts,
            alive: true,
            is_settled: false,
            silent: false,
            silent_since: now,
            has_read_all: false,
        };
        self.report.connections += 1;
        let encoding = link.client.encoding();
        self.trace(|| {
            format!("client {} connects as {conn}: {conduct:?} {encoding:?} {carriage:?} {fate:?}", link.name)
        });
        self.links.push(link);
    }

    /// A client that was cut is gone: what it has said is compared with what the game took at the end.
    pub(super) fn note_said(&mut self, link: &Link<S>) {
        if let (Some(_), Some(player)) = (&link.cuts, link.client.reader.player()) {
            self.checks.said(player, link.client.said(), link.is_settled);
        }
    }

    pub(super) fn trace(&self, line: impl FnOnce() -> String) {
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
pub(super) fn engine<S: Scenario>(plan: &Plan, scenario: &mut S) -> (Engine, GameId) {
    let mut engine = Engine::new(plan.engine.clone(), plan.seed, SECRETS);
    let game = engine.add_game(PATH, scenario.game()).expect("the scenario's grids can be laid out");
    (engine, game)
}
