//! What all parts of the engine share: the peers, the realms, the clock of the tick, the budget, and how a peer is ended.
//!
//! Nothing is written here: whoever has something to send stands in `attention`, each once. What a peer is stands in `peer`, how
//! a packet gets to its recipients in `delivery`.

use super::Settings;
use super::errands::Errands;
use super::events::{Event, Observer};
use super::gathering::Gathering;
use super::keeping::Asked;
use super::metrics::Counters;
use super::peer::Peer;
use super::realm::Realm;
use crate::http::Response;
use crate::ids::{ConnId, GameId, PlayerId};
use crate::limits;
use crate::packet::{Bodies, Code, Encoding, ServerControl};
use crate::random::{Random, Secrets};
use crate::registry::Registry;
use crate::session::compression::Scratch;
use crate::session::{Rates, Step};
use crate::time::{Tick, Time, WallMs};
use crate::websocket::CloseCode;
use crate::websocket::deflate::Inflater;
use std::collections::VecDeque;

/// The state that games and routes act on.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) rates: Rates,
    pub(super) peers: Registry<Peer>,
    /// How many of the peers are players without a connection.
    pub(super) lingering: usize,
    pub(super) realms: Vec<Realm>,
    pub(super) names: Vec<&'static str>,
    pub(super) attention: VecDeque<ConnId>,
    /// Players that are to be closed when the tick is over.
    pub(super) doomed: Vec<(ConnId, Code, String)>,
    pub(super) now: Time,
    pub(super) tick: Tick,
    /// The wall time of the tick.
    pub(super) wall: WallMs,
    /// When that was.
    wall_since: Time,
    pub(super) random: Random,
    pub(super) secrets: Secrets,
    /// What is under way to storage and back.
    pub(super) errands: Errands,
    /// Why it could not be written or read last, until something is written again.
    pub(super) disk_trouble: Option<&'static str>,
    /// What games have asked of it.
    pub(super) asked: Asked,
    /// Who is to play as whom when the tick is over: the game, from, to, under which name.
    pub(super) changes_of_player: Vec<(GameId, PlayerId, PlayerId, String)>,
    /// Answers of games to requests, given when the tick is over.
    pub(super) answers: Vec<(ConnId, Response)>,
    pub(super) counters: Counters,
    pub(super) observer: Option<Observer>,
    /// Bytes of the budget in use: what each peer held when it was last served, and what it has sent since. What was
    /// handed to somebody since is not in it: those bodies are shared, and most peers take them at once.
    pub(super) memory: usize,
    /// Peers of whom something waits for the coming tick.
    pub(super) senders: Vec<ConnId>,
    /// Bytes of what waits for the tick of peers that are no more.
    pub(super) parting_bytes: usize,
    /// Where one flush is put together; shared by all peers.
    pub(super) scratch: Scratch,
    /// Inflates what peers send; shared by all peers.
    pub(super) inflater: Inflater,
    /// Where one packet is encoded; shared by all packets.
    pub(super) encode: Vec<u8>,
    /// Where packets are while they wait for those who hear them.
    pub(super) bodies: Bodies,
    /// What the game whose tick runs has sent to be joined.
    pub(super) gathering: Gathering,
    /// When a failure was last logged.
    failed_at: Option<Time>,
    /// Who hears what is sent, for tests that compare runs.
    pub(super) tap: Option<Tap>,
}

/// Told every packet to every recipient, before it is queued.
pub type Tap = Box<dyn FnMut(Tick, PlayerId, &[u8]) + Send>;

impl Core {
    pub(super) fn new(settings: Settings, random: u64, secrets: [u8; 32]) -> Core {
        Core {
            rates: Rates::new(&settings.session),
            scratch: Scratch::new(settings.session.compress_over),
            bodies: Bodies::new(settings.memory_limit / limits::SPARE_PART),
            peers: Registry::new(settings.registry.clone()),
            lingering: 0,
            settings,
            realms: Vec::new(),
            names: Vec::new(),
            attention: VecDeque::new(),
            doomed: Vec::new(),
            now: Time::START,
            tick: Tick(0),
            wall: WallMs(0),
            wall_since: Time::START,
            random: Random::new(random),
            secrets: Secrets::new(secrets),
            errands: Errands::new(),
            disk_trouble: None,
            asked: Asked::default(),
            changes_of_player: Vec::new(),
            answers: Vec::new(),
            counters: Counters::default(),
            observer: None,
            memory: 0,
            inflater: Inflater::default(),
            senders: Vec::new(),
            parting_bytes: 0,
            encode: Vec::with_capacity(limits::BATCH_BYTES),
            gathering: Gathering::default(),
            failed_at: None,
            tap: None,
        }
    }

    pub(super) fn realm(&self, game: GameId) -> &Realm {
        &self.realms[usize::from(game.0)]
    }

    pub(super) fn realm_mut(&mut self, game: GameId) -> &mut Realm {
        &mut self.realms[usize::from(game.0)]
    }

    /// A tick begins.
    pub(super) fn begin_tick(&mut self, tick: Tick, now: Time, wall: WallMs) {
        (self.tick, self.now) = (tick, now);
        self.scratch.begin_tick();
        self.bodies.rest(now);
        self.set_wall(now, wall);
    }

    /// The wall time is `wall` at `now`.
    pub(super) fn set_wall(&mut self, now: Time, wall: WallMs) {
        (self.wall, self.wall_since) = (wall, now);
    }

    /// The wall time at `now`, from the last tick's.
    pub(super) fn wall_at(&self, now: Time) -> WallMs {
        WallMs(self.wall.0 + now.since(self.wall_since).as_millis() as u64)
    }

    /// The wall time that it was at `then`, not after `now`.
    pub(super) fn wall_of(&self, then: Time, now: Time) -> WallMs {
        WallMs(self.wall_at(now).0.saturating_sub(now.since(then).as_millis() as u64))
    }

    pub(super) fn observe(&mut self, event: impl FnOnce() -> Event) {
        if let Some(observer) = &mut self.observer {
            observer(&event());
        }
    }

    /// A player is in the game from here on.
    pub(super) fn join(&mut self, game: GameId, player: PlayerId, conn: Option<ConnId>, encoding: Encoding) {
        self.realm_mut(game).join(player, conn, encoding);
    }

    /// A player who is told everything afresh hears its game again, perhaps in another encoding.
    pub(super) fn hear_again(&mut self, game: GameId, player: PlayerId, encoding: Encoding) {
        self.realm_mut(game).set_encoding(player, encoding);
        let conn = self.realm(game).member(player).and_then(|member| member.conn);
        let peer = conn.and_then(|conn| self.peers.get_mut(conn));
        // Who has come back once more meanwhile, in another encoding, is told with the input of that.
        if let Some(peer) = peer.filter(|peer| peer.session.encoding == encoding) {
            peer.awaits_state = false;
        }
    }

    /// Says that something went wrong that is no peer's protocol error: in the log at most once a second, to the
    /// observer always.
    pub(super) fn fail(&mut self, message: String) {
        if self.failed_at.is_none_or(|at| self.now.since(at).as_secs() >= 1) {
            self.failed_at = Some(self.now);
            log::error!("{message}");
        }
        self.observe(|| Event::Error { message });
    }

    /// Has a peer flushed.
    pub(super) fn call_attention(&mut self, conn: ConnId) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        if !peer.queued && !peer.lingers() {
            peer.queued = true;
            self.attention.push_back(conn);
        }
    }

    /// Marks a player for closing when the tick is over.
    pub(super) fn kick(&mut self, game: GameId, player: PlayerId, code: Code, message: &str) {
        if let Some(conn) = self.realm(game).member(player).and_then(|member| member.conn) {
            let code = if code.close_code().is_some() { code } else { Code::Kicked };
            self.doomed.push((conn, code, message.to_owned()));
        }
    }

    /// Whoever is to be closed now that nobody is being iterated over.
    pub(super) fn take_doomed(&mut self) -> Vec<(ConnId, Code, String)> {
        std::mem::take(&mut self.doomed)
    }

    /// Ends a WebSocket in words: `disconnect` with the reason, then the Close frame. Where the code has no close of its
    /// own the connection stays. What the peer was playing is not touched here.
    pub(super) fn say_goodbye(
        &mut self,
        conn: ConnId,
        code: Code,
        message: &str,
        retry_after_ms: Option<u32>,
    ) {
        let Some(peer) = self.peers.get_mut(conn).filter(|peer| peer.session.phase().is_websocket()) else {
            return;
        };
        let Some(close) = code.close_code().and_then(CloseCode::new) else { return };
        if code == Code::SlowConsumer {
            peer.session.outbox.drop_unsealed();
        }
        let packet = ServerControl::Disconnect { code, message: message.to_owned(), retry_after_ms };
        self.tell(conn, None, &packet);
        self.counters.closed(code);
        self.close_frame(conn, close, code.name());
    }

    /// Queues the Close frame and stops listening to the peer.
    pub(super) fn close_frame(&mut self, conn: ConnId, code: CloseCode, reason: &str) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        let session = &mut peer.session;
        session.websocket.close(Some(code), reason, None, session.outbox.close());
        session.step(Step::Finish, self.now);
        self.call_attention(conn);
    }

    /// Bytes of the budget in use.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Brings the budget up to date with what a peer holds now.
    pub(super) fn account(&mut self, conn: ConnId) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        let holds = peer.memory();
        self.memory = (self.memory + holds).saturating_sub(peer.accounted);
        peer.accounted = holds;
    }

    /// Takes a peer out of the registry and out of the budget.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Peer> {
        let peer = self.peers.remove(conn)?;
        self.memory = self.memory.saturating_sub(peer.accounted);
        Some(peer)
    }

    /// Takes a player without a connection out.
    pub(super) fn remove_lingering(&mut self, conn: ConnId) -> Option<Peer> {
        self.peers.get(conn).filter(|peer| peer.lingers())?;
        self.lingering -= 1;
        self.remove(conn)
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        self.peers.len() - self.lingering
    }

    /// Gives up what is kept for resumes only, the most of it first, until the budget is kept and a part of it free: whoever
    /// comes back is told everything afresh.
    pub(super) fn trim_replays(&mut self) {
        let limit = self.settings.memory_limit;
        let enough = limit - limit / limits::TRIM_PART;
        let held = self.peers.iter().map(|(conn, peer)| (peer.session.outbox.trimmable(), conn));
        let mut held: Vec<(usize, ConnId)> = held.filter(|(bytes, _)| *bytes > 0).collect();
        held.sort_unstable_by_key(|(bytes, conn)| (std::cmp::Reverse(*bytes), conn.slot));
        for (_, conn) in held {
            if self.memory() <= enough {
                return;
            }
            if let Some(peer) = self.peers.get_mut(conn) {
                peer.session.outbox.trim();
            }
            self.account(conn);
        }
    }

    /// Who holds the most of the budget: those who have not said who they are first.
    pub(super) fn largest(&self) -> Option<ConnId> {
        let has_seat = |peer: &Peer| peer.seat.is_some();
        let rank = |peer: &Peer| (!has_seat(peer), peer.accounted);
        let alive = self.peers.iter().filter(|(_, peer)| peer.accounted > 0 && !peer.abandoned);
        alive.max_by_key(|(_, peer)| rank(peer)).map(|(conn, _)| conn)
    }
}
