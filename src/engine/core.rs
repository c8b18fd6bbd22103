//! What all parts of the engine share: the peers, the realms, and how a packet gets from one to the other.
//!
//! A packet is encoded at most once for each encoding in use, whatever the audience; recipients queue handles on the
//! same bytes. Nothing is written here: whoever has something to send stands in `attention`, each once.

use super::Settings;
use super::auth::Seat;
use super::errands::Errands;
use super::events::{Event, Observer};
use super::game::{Game, To};
use super::gathering::Gathering;
use super::inboxes::Held;
use super::keeping::Asked;
use super::metrics::Counters;
use super::realm::Realm;
use crate::account::{TokenDigest, Username};
use crate::http::Response;
use crate::ids::{ConnId, GameId, PlayerId, RegionId};
use crate::limits;
use crate::packet::encoding::EncodeError;
use crate::packet::{self, Bodies, Body, Code, Encoding, Kind, Priority, ServerControl};
use crate::random::{Random, Secrets};
use crate::registry::Registry;
use crate::session::compression::Scratch;
use crate::session::outbox::{Outbox, Pushed};
use crate::session::{Phase, Rates, Session, Step};
use crate::time::{Tick, Time, WallMs};
use crate::websocket::CloseCode;
use crate::websocket::deflate::Inflater;
use serde::Serialize;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Input that waits for the answer to an `auth_request`: at most what one read brought.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    pub(super) input: Vec<u8>,
}

/// One connection as the engine sees it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) session: Session,
    /// The TCP peer's address.
    pub(super) ip: IpAddr,
    /// When its connection was accepted.
    pub(super) accepted: Time,
    /// Which game's path it upgraded on.
    pub(super) game: Option<GameId>,
    /// Who it plays as.
    pub(super) seat: Option<Seat>,
    /// Whether it stands in `attention`.
    pub(super) queued: bool,
    /// Whether its socket is not read until the next tick.
    pub(super) paused: bool,
    /// Whether it is to be cut without more words.
    pub(super) abandoned: bool,
    /// Whether it ends with the next tick, and nothing of it is heard any more.
    pub(super) ending: bool,
    /// Whether it was refused when it was accepted, and only reads why.
    pub(super) refused: bool,
    /// Whether it was let in over a limit, to resume a lost player and for nothing else.
    pub(super) over_limit: bool,
    /// Whether nothing of its game reaches it until that tells everything afresh.
    pub(super) awaits_state: bool,
    /// Why the server ended it.
    pub(super) closed: Option<Code>,
    /// What came behind an `auth_request` whose answer is still being found out. Nothing more is read until then.
    pub(super) held_back: Option<Box<HeldBack>>,
    /// What of it waits for the tick.
    pub(super) held: Held,
    /// What of its memory is counted in the budget.
    pub(super) accounted: usize,
}

const _: () = assert!(size_of::<Peer>() <= 544, "there are as many of these as connections");

impl Peer {
    pub(super) fn new(ip: IpAddr, now: Time) -> Peer {
        Peer {
            session: Session::new(now),
            ip,
            accepted: now,
            game: None,
            seat: None,
            queued: false,
            paused: false,
            abandoned: false,
            ending: false,
            refused: false,
            over_limit: false,
            awaits_state: false,
            closed: None,
            held_back: None,
            held: Held::default(),
            accounted: 0,
        }
    }

    /// Parts the player from its connection, which is lost.
    pub(super) fn part(&mut self, says_goodbye: bool, now: Time) -> Peer {
        Peer {
            session: self.session.part(says_goodbye, now),
            game: self.game,
            seat: self.seat.take(),
            awaits_state: std::mem::take(&mut self.awaits_state),
            held: std::mem::take(&mut self.held),
            ..Peer::new(self.ip, now)
        }
    }

    /// A player that lingered goes on over this connection.
    pub(super) fn adopt(&mut self, player: Peer) {
        self.session.adopt(player.session);
        self.seat = player.seat;
        self.over_limit = false;
        self.awaits_state = player.awaits_state;
        debug_assert_eq!(self.held, Held::default(), "who has just said who it is has sent nothing else");
        self.held = player.held;
    }

    /// Whether it is a player without a connection.
    pub(super) fn lingers(&self) -> bool {
        self.session.phase() == Phase::Lingering
    }

    /// Bytes of memory that the peer can make grow.
    pub(super) fn memory(&self) -> usize {
        let held_back = self.held_back.as_ref().map_or(0, |held| held.input.capacity());
        self.session.memory() + held_back + self.held.bytes
    }

    /// The login session that it came in with, by its token.
    pub(super) fn login(&self) -> Option<TokenDigest> {
        self.seat.as_ref()?.owner.as_ref()?.digest
    }

    /// The same, while the account has nobody in the world: nobody holds the session then.
    pub(super) fn lobby_login(&self) -> Option<TokenDigest> {
        self.login().filter(|_| self.seat.as_ref().is_some_and(|seat| seat.player.is_in_lobby()))
    }

    /// The name of the account that it came in under.
    pub(super) fn account_name(&self) -> Option<&Username> {
        self.seat.as_ref()?.owner.as_ref().map(|owner| &owner.name)
    }
}

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
    encode: Vec<u8>,
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

    /// Sends a game's packet.
    pub(super) fn send<G: Game>(&mut self, game: GameId, to: To<'_>, re: Option<u32>, packet: &G::Out) {
        let (priority, supersedes) = match re {
            None => (G::priority(packet), G::supersedes(packet)),
            // A packet that carried an `id` gets exactly one reply, also where the same packet unasked may be spared.
            Some(_) => (G::priority(packet).max(Priority::High), None),
        };
        let how = How { layer: Kind::Game, re, priority, supersedes };
        match (to, priority, supersedes) {
            (To::Around(region), Priority::Low, Some(_)) => self.gather(game, region, packet),
            _ => self.deliver(game, to, how, packet),
        }
    }

    fn gather<P: Serialize>(&mut self, game: GameId, region: RegionId, packet: &P) {
        if let Err(error) = self.gathering.add(&self.realms[usize::from(game.0)], region, packet) {
            self.fail_to_encode(&error);
        }
    }

    /// Sends a packet of the engine's to players of a game.
    pub(super) fn send_packet<P: Serialize>(
        &mut self,
        game: GameId,
        to: To<'_>,
        layer: Kind,
        re: Option<u32>,
        packet: &P,
    ) {
        self.deliver(game, to, How { layer, re, priority: Priority::Critical, supersedes: None }, packet);
    }

    fn deliver<P: Serialize>(&mut self, game: GameId, to: To<'_>, how: How, packet: &P) {
        let limit = self.settings.session.outbox_limit;
        let Core { realms, peers, attention, doomed, counters, encode, bodies, tap, tick, now, .. } = self;
        let mut shared: [Option<Body>; 2] = [None, None];
        let mut variant = None;
        let mut failed = None;
        let mut heard = 0;
        let mut recipients = Recipients { peers, attention, doomed, counters };
        let realm = &realms[usize::from(game.0)];
        realm.each(to, |member| {
            let body = &mut shared[member.encoding as usize];
            if body.is_none() {
                encode.clear();
                match packet::encode(member.encoding, how.layer, how.re, packet, encode) {
                    Ok(v) => variant = Some(v),
                    // The game's own fault: a type that its encoding cannot carry.
                    Err(error) => failed = Some(error),
                }
                *body = Some(match to {
                    To::Player(_) => bodies.make_for_one(encode),
                    _ => bodies.make(encode),
                });
            }
            let Some(body) = body.as_ref().filter(|body| !body.is_empty()) else { return };
            if let Some(tap) = tap {
                tap(*tick, member.player, body);
            }
            let push = |outbox: &mut Outbox| outbox.push(body, how.priority, how.supersedes, limit, *now);
            heard += u64::from(recipients.queue(member.conn, 1, push));
        });
        if let Some(variant) = variant {
            recipients.counters.sent(game, how.layer, variant, heard);
        }
        if let Some(error) = failed {
            self.fail_to_encode(&error);
        }
    }

    fn fail_to_encode(&mut self, error: &EncodeError) {
        self.fail(format!("a packet cannot be encoded and is not sent: {error}"));
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

    /// Queues one control packet for one peer, whatever its phase.
    pub(super) fn tell(&mut self, conn: ConnId, re: Option<u32>, packet: &ServerControl) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        self.encode.clear();
        let encoded = packet::encode(peer.session.encoding, Kind::Control, re, packet, &mut self.encode);
        let Ok(variant) = encoded else {
            debug_assert!(false, "control packets hold nothing that cannot be encoded");
            return;
        };
        let body = self.bodies.make(&self.encode);
        let limit = self.settings.session.outbox_limit;
        let pushed = peer.session.outbox.push(&body, Priority::Critical, None, limit, self.now);
        if pushed == Pushed::Over && peer.session.outbox.is_stuck() {
            self.doomed.push((conn, Code::SlowConsumer, SLOW.to_owned()));
        }
        self.counters.sent_control(variant);
        self.call_attention(conn);
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

    /// Gives up what is kept for resumes only, the most of it first, until the budget is kept: whoever comes back is told
    /// everything afresh.
    pub(super) fn trim_replays(&mut self) {
        let held = self.peers.iter().map(|(conn, peer)| (peer.session.outbox.trimmable(), conn));
        let mut held: Vec<(usize, ConnId)> = held.filter(|(bytes, _)| *bytes > 0).collect();
        held.sort_unstable_by_key(|(bytes, conn)| (std::cmp::Reverse(*bytes), conn.slot));
        for (_, conn) in held {
            if self.memory() <= self.settings.memory_limit {
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

/// Those who are sent something, borrowed from the [`Core`] while a realm is gone through.
pub(super) struct Recipients<'a> {
    pub(super) peers: &'a mut Registry<Peer>,
    pub(super) attention: &'a mut VecDeque<ConnId>,
    pub(super) doomed: &'a mut Vec<(ConnId, Code, String)>,
    pub(super) counters: &'a mut Counters,
}

impl Recipients<'_> {
    /// Has `push` queue so many packets for a player; false where nobody listens.
    #[inline]
    pub(super) fn queue(
        &mut self,
        conn: Option<ConnId>,
        packets: u64,
        push: impl FnOnce(&mut Outbox) -> Pushed,
    ) -> bool {
        let Some((conn, peer)) = conn.and_then(|conn| Some((conn, self.peers.get_mut(conn)?))) else {
            return false;
        };
        let lingers = peer.lingers();
        if peer.awaits_state || !(lingers || peer.session.phase() == Phase::Playing) {
            return false;
        }
        match push(&mut peer.session.outbox) {
            Pushed::Queued => {}
            Pushed::Dropped => self.counters.packets_dropped += packets,
            // Who took all so far is offered this too before it is judged, see `Engine::flush`.
            Pushed::Over if !peer.session.outbox.is_stuck() => {}
            Pushed::Over => self.doomed.push((conn, Code::SlowConsumer, SLOW.to_owned())),
        }
        if !peer.queued && !lingers {
            peer.queued = true;
            self.attention.push_back(conn);
        }
        true
    }
}

/// Why a peer whose outbox is too full is closed.
pub(super) const SLOW: &str = "your connection takes less than the game sends";

/// How a packet is encoded and queued.
#[derive(Clone, Copy, Debug)]
struct How {
    layer: Kind,
    re: Option<u32>,
    priority: Priority,
    supersedes: Option<u32>,
}
