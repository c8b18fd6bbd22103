//! The engine: a pure state machine. Bytes and time come in as arguments; bytes come out when asked for. It owns no
//! socket, reads no clock, spawns no thread.
//!
//! Whoever drives it (the server with real sockets, the simulation with made-up ones) does this:
//!
//! 1. [`Engine::accept`] for every new connection, [`Engine::receive`] for bytes that came, [`Engine::end_of_stream`]
//!    and [`Engine::disconnect`] when it ends;
//! 2. [`Engine::tick`] at the tick's deadline;
//! 3. **after each of these, [`Engine::attention`] until it is `None`, and [`Engine::flush`] for each connection it
//!    names**; `flush` also when a socket takes bytes again;
//! 4. what the answer ([`Next`]) says about reading, finishing or aborting that connection.
//!
//! Games live in [`host`], what they can do in [`context`], what all parts share in [`core`]. Next to read:
//! [`game`], which is all that a game needs to know.
//!
//! No input makes it panic; errors are told to the peer whose fault they are and to nobody else.

mod audit;
mod auth;
mod context;
mod core;
mod events;
pub mod game;
mod host;
mod messages;
mod metrics;
mod realm;
mod record;
mod regions;
mod routes;
mod status;
mod sweep;

use self::core::{Core, Peer, SLOW};
use crate::address::Network;
use crate::http::cors::Origins;
use crate::http::{Exchange, Page};
use crate::ids::{ConnId, GameId, PlayerId};
use crate::limits;
use crate::outgoing::{Next, Outgoing};
use crate::packet::Code;
use crate::registry::{self, Bans};
use crate::session::outbox::Stamp;
use crate::session::{self, Phase, Step};
use crate::time::{Tick, TickRate, Time, WallMs};

pub use self::core::Tap;
pub use auth::PROTOCOL_VERSION;
pub use context::Context;
pub use events::{Event, Observer};
pub use game::{Departure, Game, Grid, Input, Refusal, To};
pub use metrics::TickReport;
pub use record::Record;

/// What a host may set about the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Ticks a second.
    pub tick_rate: TickRate,
    /// Players at once, over all games.
    pub max_players: usize,
    /// Whether newcomers may come in.
    pub open: bool,
    /// Whether guests may come in.
    pub guests: bool,
    /// Whose word about their clients' addresses is taken.
    pub trusted_proxies: Vec<Network>,
    /// Which pages may open WebSockets and call the API.
    pub allowed_origins: Origins,
    /// Bytes that all peers together may make the server hold.
    pub memory_limit: usize,
    /// Connections: how many and how fast.
    pub registry: registry::Settings,
    /// Sessions: deadlines, rates and sizes.
    pub session: session::Settings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            tick_rate: TickRate::default(),
            max_players: 1000,
            open: true,
            guests: true,
            trusted_proxies: Vec::new(),
            allowed_origins: Origins::any(),
            memory_limit: 256 << 20,
            registry: registry::Settings::default(),
            session: session::Settings::default(),
        }
    }
}

/// Why a game could not be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadGame {
    /// The path is taken, or does not begin with `/`.
    Path(String),
    /// Its grids cannot be laid out.
    Grids(String),
}

impl std::fmt::Display for BadGame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadGame::Path(path) => write!(f, "the path {path:?} is taken or does not begin with a slash"),
            BadGame::Grids(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for BadGame {}

/// The server without its operating system.
pub struct Engine {
    core: Core,
    hosts: Vec<Box<dyn host::Hosted>>,
    /// Where each game is entered.
    paths: Vec<(String, GameId)>,
    pages: Vec<Page>,
    next_guest: u32,
    /// Peers whose sockets are not read until the next tick.
    paused: Vec<ConnId>,
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
}

impl Engine {
    /// An engine without games. `random` is the seed of the rules' chance, `secrets` the key of everything that grants
    /// access: 32 bytes from the operating system.
    pub fn new(settings: Settings, random: u64, secrets: [u8; 32]) -> Engine {
        Engine {
            origins: settings.allowed_origins.clone(),
            core: Core::new(settings, random, secrets),
            hosts: Vec::new(),
            paths: Vec::new(),
            pages: Vec::new(),
            next_guest: PlayerId::FIRST_GUEST,
            paused: Vec::new(),
            refusing: 0,
            draining: false,
            stopped: false,
            sweep_from: 0,
            recorder: None,
            started: None,
            resident_bytes: 0,
        }
    }

    /// Adds a game that is entered by WebSocket at `path`, such as `/ws`.
    pub fn add_game<G: Game>(&mut self, path: &str, game: G) -> Result<GameId, BadGame> {
        if !path.starts_with('/') || self.paths.iter().any(|(taken, _)| taken == path) {
            return Err(BadGame::Path(path.to_owned()));
        }
        let id = GameId(self.hosts.len() as u16);
        self.core.realms.push(realm::Realm::new(&game.grids()).map_err(BadGame::Grids)?);
        self.core.names.push(G::NAME);
        self.core.counters.add_game(crate::packet::variants::<G::In>());
        self.hosts.push(Box::new(host::Host::new(id, game)));
        self.paths.push((path.to_owned(), id));
        Ok(id)
    }

    /// Adds a static page.
    pub fn add_page(&mut self, page: Page) {
        self.pages.push(page);
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

    /// Bans an address or a network and closes whoever is on from there. `None` where no more bans are held.
    pub fn ban(&mut self, ban: registry::Ban, now: Time) -> Option<u32> {
        let hit: Vec<ConnId> =
            self.core.peers.iter().filter(|(_, p)| ban.network.contains(p.ip)).map(|(c, _)| c).collect();
        let id = self.core.peers.bans_mut().add(ban, now)?;
        for conn in hit {
            self.close(conn, Code::Banned, "you are banned from this server", None, now);
        }
        Some(id)
    }

    /// Lifts a ban; false where there is none of that id.
    pub fn lift_ban(&mut self, id: u32) -> bool {
        self.core.peers.bans_mut().lift(id)
    }

    // ------------------------------------------------------------------------------------------------ connections

    /// A connection was accepted. `None`: close it without a word, for even refusals are too many.
    pub fn accept(&mut self, ip: std::net::IpAddr, now: Time) -> Option<ConnId> {
        self.core.now = now;
        let ip = ip.to_canonical();
        let trusted = self.core.settings.trusted_proxies.iter().any(|network| network.contains(ip));
        let room = self.core.peers.len() - self.refusing < self.core.settings.registry.max_connections;
        let admitted = match trusted {
            _ if self.draining => Err(routes::refusal(Code::Shutdown)),
            true if room => Ok(None),
            true => Err(routes::refusal(Code::Busy)),
            false => match self.core.peers.admit(ip, room, now) {
                Ok(address) => Ok(Some(address)),
                Err(why) => Err(routes::refusal_of(why)),
            },
        };
        self.core.counters.connections_accepted += 1;
        match admitted {
            Ok(address) => Some(self.core.peers.insert(address, Peer::new(ip, now))),
            Err(refusal) => self.accept_refused(ip, refusal, now),
        }
    }

    /// Lets a refused connection read why, without counting it for its address.
    fn accept_refused(&mut self, ip: std::net::IpAddr, refusal: Refusal, now: Time) -> Option<ConnId> {
        self.core.counters.refused(refusal.code);
        if self.refusing >= limits::REFUSALS_LINGERING {
            return None;
        }
        self.refusing += 1;
        let mut peer = Peer::new(ip, now);
        peer.refused = true;
        let exchange = Exchange::last(self.core.wall_at(now));
        routes::response_of(&refusal).write(exchange, peer.session.outbox.control());
        peer.session.step(Step::Finish, now);
        let conn = self.core.peers.insert(None, peer);
        self.core.call_attention(conn);
        Some(conn)
    }

    /// Bytes came from a peer; all of them are used. What can be answered at once goes out at once.
    pub fn receive(&mut self, conn: ConnId, input: &mut [u8], out: &mut impl Outgoing, now: Time) -> Next {
        self.core.now = now;
        self.core.counters.bytes_in += input.len() as u64;
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        peer.session.heard(now);
        let mut input = input;
        if peer.session.phase() == Phase::Http {
            let used = self.receive_http(conn, input, out, now);
            input = &mut input[used..];
        }
        self.receive_frames(conn, input, now);
        self.core.account(conn);
        self.keep_budget(now);
        self.close_doomed(now);
        self.flush(conn, out, now)
    }

    /// The peer ended its direction of the stream. What it has not yet been sent, it may still read.
    pub fn end_of_stream(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.core.now = now;
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        let was_playing = peer.session.phase().is_websocket();
        peer.session.step(Step::Finish, now);
        if was_playing {
            self.leave_game(conn, Departure::Lost);
        }
        self.flush(conn, out, now)
    }

    /// The connection is no more: the last call for its id.
    pub fn disconnect(&mut self, conn: ConnId, now: Time) {
        self.core.now = now;
        self.leave_game(conn, Departure::Lost);
        let Some(peer) = self.core.remove(conn) else { return };
        self.refusing -= usize::from(peer.refused);
        if peer.game.is_some() {
            self.core.observe(|| Event::ClientDisconnected { conn, code: peer.closed });
        }
        self.tell_stopped();
    }

    /// The next connection that has something to send, or about which the answer changed.
    pub fn attention(&mut self) -> Option<ConnId> {
        self.core.attention.pop_front()
    }

    /// Writes what waits for a peer, as much as it takes.
    pub fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        let time = self.core.wall_at(now);
        let core = &mut self.core;
        let Some(peer) = core.peers.get_mut(conn) else { return Next::Abort };
        peer.queued = false;
        let stamp = Stamp { tick: core.tick, time, encoding: peer.session.encoding };
        let limit = core.settings.session.outbox_limit;
        let flushed = peer.session.outbox.flush(stamp, limit, out, &mut core.scratch);
        let is_over = flushed.left > limit && peer.session.phase().is_websocket();
        self.core.counters.bytes_out += flushed.bytes as u64;
        self.core.counters.batches += u64::from(flushed.batches);
        self.core.account(conn);
        if flushed.bytes > 0 {
            self.core.counters.flushed(flushed.bytes);
            self.core.observe(|| Event::MessageSent { conn, bytes: flushed.bytes });
        }
        if flushed.caught_up {
            self.tell_caught_up(conn);
        }
        if is_over {
            self.close(conn, Code::SlowConsumer, SLOW, None, now);
        }
        // What a peer did not take is held from here on, by it or by whoever holds more.
        self.keep_budget(now);
        self.next(conn, flushed.drained)
    }

    fn next(&mut self, conn: ConnId, drained: bool) -> Next {
        let tick = self.core.tick;
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        match peer.session.phase() {
            _ if peer.abandoned => Next::Abort,
            Phase::Closing if drained => Next::Finish,
            // A peer that does not take its answers may not ask for more of them.
            Phase::Closing | Phase::Http if !drained => Next::Pause,
            Phase::Playing if peer.inbox_is_full(tick) => {
                if !peer.paused {
                    peer.paused = true;
                    self.paused.push(conn);
                }
                Next::Pause
            }
            _ => Next::Read,
        }
    }

    // ------------------------------------------------------------------------------------------------------- ticks

    /// Runs one tick: inputs in the order of their arrival, then the games, then whatever is due.
    pub fn tick(&mut self, tick: Tick, now: Time, wall: WallMs) {
        self.core.begin_tick(tick, now, wall);
        if self.started.is_none() {
            self.start(now, wall);
        }
        if let Some(log) = &mut self.recorder {
            log.push(Record::Tick { tick, wall });
        }
        for host in &mut self.hosts {
            host.tick(&mut self.core, self.recorder.as_mut());
        }
        self.core.inbox_bytes = 0;
        self.close_doomed(now);
        self.sweep(now);
        self.keep_budget(now);
        for conn in std::mem::take(&mut self.paused) {
            if let Some(peer) = self.core.peers.get_mut(conn) {
                peer.paused = false;
                self.core.call_attention(conn);
            }
        }
        self.rotate_attention();
    }

    /// Everybody's turn to be written to first comes round: where a flush is cut short, it is not always the same who
    /// waits.
    fn rotate_attention(&mut self) {
        let len = self.core.attention.len();
        if len > 0 {
            // A step that shares no factor with usual sizes visits all starting points.
            let start = (self.core.tick.0.wrapping_mul(7919) % len as u64) as usize;
            self.core.attention.rotate_left(start);
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

    // ------------------------------------------------------------------------------------------------------ endings

    /// Begins to stop: everybody is told, nobody is let in any more. A request that has begun to come is still answered.
    pub fn drain(&mut self, now: Time) {
        self.core.now = now;
        self.draining = true;
        let all: Vec<(ConnId, Phase)> = self.core.peers.iter().map(|(c, p)| (c, p.session.phase())).collect();
        for (conn, phase) in all {
            match phase {
                Phase::Auth | Phase::Playing => {
                    self.close(conn, Code::Shutdown, "the server is stopping", None, now);
                }
                Phase::Http => self.finish_idle(conn, now),
                Phase::Closing => {}
            }
        }
        self.tell_stopped();
    }

    /// Ends a connection that is between two requests.
    fn finish_idle(&mut self, conn: ConnId, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if peer.session.http().is_none_or(|http| http.is_idle()) {
            peer.session.step(Step::Finish, now);
            self.core.call_attention(conn);
        }
    }

    /// Whoever is still connected is no more: for a stop that has waited long enough.
    pub fn cut_off(&mut self, now: Time) {
        let left: Vec<ConnId> = self.core.peers.iter().map(|(conn, _)| conn).collect();
        for conn in left {
            self.disconnect(conn, now);
        }
    }

    /// Has the observer hear, once, that a draining engine has said goodbye to everybody.
    fn tell_stopped(&mut self) {
        if self.draining && self.core.peers.is_empty() && !std::mem::replace(&mut self.stopped, true) {
            self.core.observe(|| Event::Stopped);
        }
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        self.core.peers.is_empty()
    }

    /// Closes a peer with one of the contract's codes: `disconnect`, Close, and its game hears of it.
    pub fn close(&mut self, conn: ConnId, code: Code, message: &str, retry_after_ms: Option<u32>, now: Time) {
        self.core.now = now;
        if code.close_code().is_none() {
            return;
        }
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.closed = Some(code);
            if peer.session.phase() == Phase::Http {
                peer.session.step(Step::Finish, now);
                self.core.call_attention(conn);
            }
        }
        self.leave_game(conn, Departure::Closed(code));
        self.core.say_goodbye(conn, code, message, retry_after_ms);
    }

    /// Has the game hear that a player is gone, and gives its name back. Nothing for somebody who never played.
    fn leave_game(&mut self, conn: ConnId, departure: Departure) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let (Some(game), Some(seat)) = (peer.game, peer.seat.take()) else { return };
        let from = host::Sender { player: seat.player, conn: Some(conn), encoding: peer.session.encoding };
        self.core.realm_mut(game).release_name(&seat.name);
        self.core.counters.players -= 1;
        self.hosts[usize::from(game.0)].leave(from, departure);
    }

    fn tell_caught_up(&mut self, conn: ConnId) {
        let Some(peer) = self.core.peers.get(conn) else { return };
        let (Some(game), Some(seat)) = (peer.game, &peer.seat) else { return };
        let from = host::Sender { player: seat.player, conn: Some(conn), encoding: peer.session.encoding };
        self.hosts[usize::from(game.0)].caught_up(from);
    }

    /// Closes those that came over a limit while packets were handed out.
    fn close_doomed(&mut self, now: Time) {
        for (conn, code, message) in self.core.take_doomed() {
            self.close(conn, code, &message, None, now);
        }
    }

    /// Closes whoever holds the most until the budget is kept again.
    fn keep_budget(&mut self, now: Time) {
        while self.core.memory() > self.core.settings.memory_limit {
            let Some(conn) = self.core.largest() else { return };
            self.core.fail(format!("memory_limit is reached: closing {conn}, which holds the most"));
            self.close(
                conn,
                Code::SlowConsumer,
                "the server is out of memory for slow connections",
                None,
                now,
            );
            self.abandon(conn);
        }
    }

    /// Cuts a peer without more words, and lets go of what it holds.
    fn abandon(&mut self, conn: ConnId) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.abandoned = true;
        peer.session.let_go();
        self.core.account(conn);
        self.core.call_attention(conn);
    }
}
