//! The engine: a pure state machine. Bytes and time come in as arguments; bytes come out when asked for. It owns no
//! socket, reads no clock, spawns no thread.
//!
//! Whoever drives it (the server with real sockets, the simulation with made-up ones) does this:
//!
//! 1. [`Engine::accept`] for every new connection, [`Engine::receive`] for bytes that came, [`Engine::end_of_stream`]
//!    and [`Engine::disconnect`] when it ends;
//! 2. [`Engine::tick`] at the tick's deadline, [`Engine::complete`] when storage or hashing has answered;
//! 3. **after each of these, [`Engine::attention`] until it is `None`, and [`Engine::flush`] for each connection it
//!    names**; `flush` also when a socket takes bytes again;
//! 4. [`Engine::errand`] until it is `None`, each to be carried out and answered;
//! 5. what the answer ([`Next`](crate::outgoing::Next)) says about reading, finishing or aborting that connection.
//!
//! Games live in `host`, what they can do in `context`, what all parts share in `core`. Next to read: [`game`], which is
//! all that a game needs to know.
//!
//! No input makes it panic; errors are told to the peer whose fault they are and to nobody else.

mod accounts;
mod admission;
mod allowances;
mod arrivals;
mod asker;
mod audit;
mod auth;
mod calls;
mod connections;
mod context;
mod core;
mod delivery;
mod endings;
mod errands;
mod events;
pub mod game;
mod gathering;
mod host;
mod inboxes;
mod keeping;
mod messages;
mod metrics;
mod peer;
mod realm;
mod record;
mod regions;
mod rest;
mod restart;
mod resuming;
mod routes;
mod seats;
mod sessions;
mod settings;
mod status;
mod sweep;
mod tokens;

use self::accounts::Accounts;
use self::core::Core;
use crate::http::Page;
use crate::http::cors::Origins;
use crate::ids::{ConnId, GameId, PlayerId};
use crate::packet::Code;
use crate::registry::{self, Bans};
use crate::time::{Tick, Time, WallMs};

use std::collections::HashMap;

pub use self::core::Tap;
pub use asker::Asker;
pub use auth::PROTOCOL_VERSION;
pub use calls::{Access, Call, Route};
pub use context::Context;
pub use events::{Event, Observer};
pub use game::{Departure, Game, Grid, Input, Refusal, Roster, To, is_in_names};
pub use keeping::{BadRecord, Commit, CommitId, Kept, NotKept, ReadingId};
pub use metrics::TickReport;
pub use record::Record;
pub use settings::{AdminToken, BadGame, Settings};

/// The server without its operating system.
pub struct Engine {
    core: Core,
    accounts: Accounts,
    hosts: Vec<Box<dyn host::Hosted>>,
    /// Where each game is entered.
    paths: Vec<(String, GameId)>,
    /// Where each game answers over HTTP.
    routes: Vec<(GameId, Route)>,
    pages: Vec<Page>,
    next_guest: u32,
    next_in_lobby: u32,
    /// On which connection each account's player is.
    seated: HashMap<(GameId, PlayerId), ConnId>,
    arrivals: arrivals::Arrivals,
    /// What accounts may still send that have ended a connection.
    allowances: allowances::Allowances,
    /// What lost players are resumed by.
    tokens: tokens::Tokens,
    /// Peers whose sockets are not read until the next tick.
    paused: Vec<ConnId>,
    /// Peers that end when the next tick has answered their last packets.
    ending: Vec<(ConnId, endings::Ending)>,
    origins: Origins,
    /// Refused connections that still read why.
    refusing: usize,
    draining: bool,
    /// Whether it was told that everybody is gone after draining.
    stopped: bool,
    /// Where the next slice of the sweep begins.
    sweep_from: u32,
    recorder: Option<Vec<Record>>,
    /// Since when connections may come.
    started: Option<Time>,
    /// Resident memory, as whoever drives the engine last said.
    resident_bytes: u64,
    /// What storage's commits took, as whoever drives the engine last said.
    commit_p99_us: u32,
}

impl Engine {
    /// An engine without games. `random` is the seed of the rules' chance, `secrets` the key of everything that grants
    /// access: 32 bytes from the operating system.
    pub fn new(settings: Settings, random: u64, secrets: [u8; 32]) -> Engine {
        let room = settings.room();
        Engine {
            origins: settings.allowed_origins.clone(),
            accounts: Accounts::new(&settings, secrets),
            core: Core::new(settings, random, secrets),
            hosts: Vec::new(),
            paths: Vec::new(),
            routes: Vec::new(),
            pages: Vec::new(),
            next_guest: PlayerId::FIRST_GUEST,
            next_in_lobby: PlayerId::FIRST_IN_LOBBY,
            seated: HashMap::new(),
            arrivals: arrivals::Arrivals::default(),
            allowances: allowances::Allowances::default(),
            tokens: tokens::Tokens::new(secrets, room),
            paused: Vec::new(),
            ending: Vec::new(),
            refusing: 0,
            draining: false,
            stopped: false,
            sweep_from: 0,
            recorder: None,
            started: None,
            resident_bytes: 0,
            commit_p99_us: 0,
        }
    }

    /// Adds a game that is entered by WebSocket at `path`, such as `/ws`.
    pub fn add_game<G: Game>(&mut self, path: &str, game: G) -> Result<GameId, BadGame> {
        if !path.starts_with('/') || self.answers(path) {
            return Err(BadGame::Path(path.to_owned()));
        }
        if let Some(route) = G::ROUTES.iter().find(|route| !self.can_route(route)) {
            return Err(BadGame::Path(route.path.to_owned()));
        }
        let id = GameId(self.hosts.len() as u16);
        let realm = realm::Realm::new(&game.grids(), self.core.settings.room());
        self.core.realms.push(realm.map_err(BadGame::Grids)?);
        self.core.names.push(G::NAME);
        self.core.counters.add_game(crate::packet::variants::<G::In>());
        self.hosts.push(Box::new(host::Host::new(id, game)));
        self.paths.push((path.to_owned(), id));
        self.routes.extend(G::ROUTES.iter().map(|route| (id, *route)));
        Ok(id)
    }

    /// Adds a static page. False where something else answers at its path; then nothing changes.
    pub fn add_page(&mut self, page: Page) -> bool {
        let free = !self.answers(page.path());
        if free {
            self.pages.push(page);
        }
        free
    }

    /// Whether something is at a path: a game, a page, or a route of the engine's own.
    fn answers(&self, path: &str) -> bool {
        self.paths.iter().any(|(taken, _)| taken == path)
            || self.pages.iter().any(|page| page.path() == path)
            || routes::own_methods(path).is_some()
    }

    /// Has `observer` told of everything that happens.
    pub fn observe(&mut self, observer: Observer) {
        self.core.observer = Some(observer);
    }

    /// Has `tap` told of every packet to every recipient.
    pub fn tap(&mut self, tap: Tap) {
        self.core.tap = Some(tap);
    }

    /// Has `hook` called whenever a connection comes or goes, with its address.
    pub fn set_session_hook(
        &mut self,
        mut hook: impl FnMut(ConnId, std::net::IpAddr, bool) + Send + 'static,
    ) {
        self.core.peers.set_hook(Box::new(move |change| match change {
            // Who lingers has no connection.
            registry::Change::Added(_, peer) | registry::Change::Removed(_, peer) if peer.lingers() => {}
            registry::Change::Added(conn, peer) => hook(conn, peer.ip, true),
            registry::Change::Removed(conn, peer) => hook(conn, peer.ip, false),
        }));
    }

    /// Starts to keep the log of ticks and inputs.
    pub fn record(&mut self) {
        self.recorder = Some(Vec::new());
    }

    /// The log since it was last taken; empty where none is kept.
    pub fn take_record(&mut self) -> Vec<Record> {
        self.recorder.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Runs a recorded log. False where a line of it is not of this engine's games; it stops there.
    pub fn replay(&mut self, log: &[Record], now: Time) -> bool {
        self.carry_nothing();
        let mut lines = log.iter().peekable();
        while let Some(line) = lines.next() {
            let Record::Tick { tick, wall } = line else { return false };
            while let Some(Record::Input { game, input }) = lines.peek() {
                let read = self.hosts.get_mut(usize::from(*game)).is_some_and(|host| host.replay(input));
                if !read {
                    return false;
                }
                lines.next();
            }
            self.tick(*tick, now, *wall);
        }
        true
    }

    /// Addresses and networks that may not come in. Whoever is on already stays until [`Engine::ban`].
    pub fn bans(&self) -> &Bans {
        self.core.peers.bans()
    }

    /// Bans an address or a network, and closes whoever is on from there or would come back there. `None` where no more bans
    /// are held.
    pub fn ban(&mut self, ban: registry::Ban, now: Time) -> Option<u32> {
        let (network, left_ms) = (ban.network, ban.left_ms(now));
        let id = self.core.peers.bans_mut().add(ban, now)?;
        self.tokens.void_survivors(|survivor| survivor.ip.is_some_and(|ip| network.contains(ip)));
        let hit: Vec<ConnId> =
            self.core.peers.iter().filter(|(_, p)| network.contains(p.ip)).map(|(c, _)| c).collect();
        for conn in hit {
            self.close(conn, Code::Banned, "you are banned from this server", left_ms, now);
        }
        Some(id)
    }

    /// Lifts a ban; false where there is none of that id.
    pub fn lift_ban(&mut self, id: u32) -> bool {
        self.core.peers.bans_mut().lift(id)
    }

    /// Runs one tick: inputs in the order of their arrival, then the games, then whatever is due.
    pub fn tick(&mut self, tick: Tick, now: Time, wall: WallMs) {
        self.core.begin_tick(tick, now, wall);
        let left = self.core.attention.len();
        if self.started.is_none() {
            self.start(now, wall);
        }
        if let Some(log) = &mut self.recorder {
            log.push(Record::Tick { tick, wall });
        }
        self.bring_in();
        for host in &mut self.hosts {
            host.tick(&mut self.core, self.recorder.as_mut());
        }
        self.core.release_all();
        self.change_players(now);
        for (conn, response) in std::mem::take(&mut self.core.answers) {
            self.answer_later(conn, response, now);
        }
        self.end_answered(now);
        self.close_doomed(now);
        self.sweep(now);
        self.keep_budget(now);
        self.tend_accounts(now);
        self.core.save_what_lags(self.draining);
        for conn in std::mem::take(&mut self.paused) {
            if let Some(peer) = self.core.peers.get_mut(conn) {
                peer.paused = false;
                self.core.call_attention(conn);
            }
        }
        self.rotate_attention(left);
    }

    /// Whoever the last flush did not come to is written to first. Behind those `left` everybody's turn to be the first
    /// comes round: where a flush is cut short, it is not always the same who waits.
    fn rotate_attention(&mut self, left: usize) {
        let newly = &mut self.core.attention.make_contiguous()[left..];
        if !newly.is_empty() {
            // A step that shares no factor with usual sizes visits all starting points.
            let start = (self.core.tick.0.wrapping_mul(7919) % newly.len() as u64) as usize;
            newly.rotate_left(start);
        }
    }

    /// Tells the engine what a tick cost, for `/api/status`, `/metrics` and whoever watches.
    pub fn record_tick(&mut self, report: TickReport) {
        self.core.counters.record_tick(report, self.core.settings.tick_rate);
        let players = self.core.counters.players as usize;
        self.core.observe(|| Event::HealthUpdated { tick: report.tick, work_us: report.work_us, players });
    }

    /// Connections may come from here on. Where they may come before the first tick, which starts the engine too, this
    /// tells what time it is.
    pub fn start(&mut self, now: Time, wall: WallMs) {
        self.core.set_wall(now, wall);
        self.started = Some(now);
        self.core.observe(|| Event::Started);
    }

    /// Tells the engine how much memory the process has resident, bytes.
    pub fn set_resident_bytes(&mut self, bytes: u64) {
        self.resident_bytes = bytes;
    }

    /// Tells the engine how long 99 of 100 commits of the last minute took at the most, microseconds.
    pub fn set_commit_p99(&mut self, us: u32) {
        self.commit_p99_us = us;
    }
}
