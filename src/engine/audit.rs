//! Whether the books are right: what the engine counts, held against what it counts.
//!
//! Nothing here changes anything, and the server never calls it: the simulation and the fuzzer do, after every step,
//! and an embedder's tests may. It costs a look at every peer.

use super::Engine;
use super::inboxes::Held;
use super::peer::Peer;
use crate::ids::{ConnId, GameId, PlayerId, RegionId};
use crate::limits;
use crate::session::Phase;

/// Bytes that a peer's buffers may hold over their limits, for what is written without asking: the goodbye of a peer
/// that is closed, and the last answer of one that speaks HTTP.
const SLACK: usize = 4 << 10;

impl Engine {
    /// Open connections, those too that are being refused.
    pub fn connections(&self) -> usize {
        self.core.connections()
    }

    /// Players without a connection who may come back.
    pub fn lingering(&self) -> usize {
        self.core.lingering
    }

    /// Players in the world, over all games: who have been let in and have not left, without those in the lobby.
    pub fn players(&self) -> usize {
        self.core.counters.players as usize
    }

    /// Bytes that count towards [`Settings::memory_limit`](super::Settings::memory_limit).
    pub fn memory(&self) -> usize {
        self.core.memory()
    }

    /// A game's members as its last tick left them, by the time they came in, and where each of them stands. Nobody for
    /// a game that does not exist.
    pub fn members(&self, game: GameId) -> impl Iterator<Item = (PlayerId, Option<RegionId>)> {
        self.core.realms.get(usize::from(game.0)).into_iter().flat_map(|realm| realm.members())
    }

    /// The regions whose players see what happens in `region`, itself among them; none for one that does not exist.
    pub fn around(&self, game: GameId, region: RegionId) -> impl Iterator<Item = RegionId> {
        self.core.realms.get(usize::from(game.0)).into_iter().flat_map(move |realm| realm.around(region))
    }

    /// Holds every count against what it counts, and every buffer against its bound.
    ///
    /// # Errors
    /// The first thing that is not as it should be: a mistake in the engine.
    pub fn audit(&self) -> Result<(), String> {
        let core = &self.core;
        let (mut accounted, mut refused, mut waiting, mut early) = (0, 0, 0, 0);
        let (mut lingering, mut tokens, mut in_world) = (0, 0, 0);
        let mut seats = vec![0; core.realms.len()];
        for (conn, peer) in core.peers.iter() {
            self.audit_peer(conn, peer).map_err(|wrong| format!("{conn}: {wrong}"))?;
            accounted += peer.accounted;
            refused += usize::from(peer.refused);
            lingering += usize::from(peer.lingers());
            if let (Some(game), Some(seat)) = (peer.game, &peer.seat) {
                seats[usize::from(game.0)] += 1;
                waiting += usize::from(seat.waits);
                tokens +=
                    seat.tokens.valid().filter(|token| self.tokens.holder(*token) == Some(conn)).count();
                early += if seat.waits { peer.held.packets as usize } else { 0 };
                in_world += usize::from(!seat.player.is_in_lobby());
            }
        }
        equal("bytes of all peers", core.memory(), accounted)?;
        equal("packets of newcomers in line", self.hosts.iter().map(|host| host.early()).sum(), early)?;
        at_most("bytes of those who are gone", core.parting_bytes, limits::PARTING_BYTES)?;
        equal("refused connections", self.refusing, refused)?;
        equal("lingering players", core.lingering, lingering)?;
        equal("tokens", self.tokens.held(), tokens)?;
        equal("players", self.players(), in_world)?;
        for (realm, seats) in core.realms.iter().zip(seats) {
            equal("names in use", realm.names_in_use(), seats)?;
            realm.audit()?;
        }
        core.peers.audit()?;
        let waits = |conn| core.peers.get(conn).and_then(|p| p.seat.as_ref()).is_some_and(|seat| seat.waits);
        equal("newcomers in line", self.arrivals.line().filter(|&conn| waits(conn)).count(), waiting)?;
        at_most("bytes of the budget", core.memory(), core.settings.memory_limit)
    }

    fn audit_peer(&self, conn: ConnId, peer: &Peer) -> Result<(), String> {
        let session = &peer.session;
        let settings = &self.core.settings.session;
        let phase = session.phase();
        if matches!(phase, Phase::Playing | Phase::Lingering) != peer.seat.is_some() {
            return Err(format!("{phase:?}, and its seat is {:?}", peer.seat));
        }
        if (peer.held != Held::default() && !peer.is_in_line()) != self.core.senders.contains(&conn) {
            return Err("something of it waits and nobody knows, or the other way round".to_owned());
        }
        if peer.paused != self.paused.contains(&conn) {
            return Err("it is paused, and will not be woken, or the other way round".to_owned());
        }
        // Whoever is queued has been told something that was not offered to its socket yet.
        if !peer.queued {
            equal("its bytes", peer.accounted, peer.memory())?;
        }
        // What waits for somebody who is lost is bounded with what is kept for it.
        let limit = if peer.lingers() { limits::REPLAY_BYTES } else { settings.outbox_limit };
        let most = limit + limits::CONTROL_BYTES + SLACK;
        at_most("bytes that wait", session.outbox.waiting(), most)?;
        let message = settings.max_message.max(limits::MESSAGE_BEFORE_AUTH) + limits::CONTROL_PAYLOAD;
        at_most("bytes of an unfinished message", session.websocket.buffered(), 2 * message)?;
        at_most(
            "bytes of an unfinished request",
            session.http_buffered(),
            limits::HTTP_HEAD + limits::HTTP_BODY,
        )
    }
}

fn equal(what: &str, counted: usize, real: usize) -> Result<(), String> {
    if counted == real { Ok(()) } else { Err(format!("{what}: {counted} counted, {real} in fact")) }
}

fn at_most(what: &str, have: usize, most: usize) -> Result<(), String> {
    if have <= most { Ok(()) } else { Err(format!("{what}: {have}, and at most {most} are allowed")) }
}
