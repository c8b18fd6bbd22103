//! Connections as whoever drives the engine sees them: they are accepted, bytes come and go, they end.
//!
//! Every call about a connection is answered by a [`Next`]; an id that is no more answers [`Next::Abort`] and does no
//! harm.

use super::Engine;
use super::core::{Peer, SLOW};
use super::events::Event;
use super::game::{Departure, Refusal};
use super::inboxes::Held;
use super::routes;
use crate::address::AddressKey;
use crate::http::Exchange;
use crate::ids::ConnId;
use crate::limits;
use crate::outgoing::{Next, Outgoing};
use crate::packet::Code;
use crate::registry::Refused;
use crate::session::outbox::Stamp;
use crate::session::{Phase, Step};
use crate::time::Time;
use std::net::IpAddr;

impl Engine {
    /// A connection was accepted. `None`: close it without a word, for even refusals are too many.
    pub fn accept(&mut self, ip: IpAddr, now: Time) -> Option<ConnId> {
        self.core.now = now;
        let ip = ip.to_canonical();
        let trusted = self.core.settings.trusted_proxies.iter().any(|network| network.contains(ip));
        let room = self.core.connections() - self.refusing < self.core.settings.registry.max_connections;
        let admitted = match trusted {
            _ if self.draining => Err(routes::refusal(Code::Shutdown)),
            true if room => Ok(None),
            true => Err(routes::refusal(Code::Busy)),
            false => match self.admit_peer(ip, room, now) {
                Ok(address) => Ok(Some(address)),
                Err(Refused::TooManyHere) if self.give_way(ip.into(), now) => match room {
                    true => Ok(Some(ip.into())),
                    false => Err(routes::refusal_of(Refused::Full)),
                },
                Err(why) => Err(routes::refusal_of(why)),
            },
        };
        self.core.counters.connections_accepted += 1;
        match admitted {
            Ok(address) => Some(self.core.peers.insert(address, Peer::new(ip, now))),
            Err(refusal) => self.accept_refused(ip, refusal, now),
        }
    }

    /// Whether a connection from `ip` may be had. One that may be an administrator's is asked who it is before it is told of a ban.
    fn admit_peer(&mut self, ip: IpAddr, room: bool, now: Time) -> Result<AddressKey, Refused> {
        match self.may_lift_bans(ip) {
            true => self.core.peers.admit_although_banned(ip, room, now),
            false => self.core.peers.admit(ip, room, now),
        }
    }

    /// Of an address with as many connections as it may have, ends the one that was kept alive and has asked for nothing for
    /// the longest: a browser holds several of those, and opens more for its WebSockets. False where there is none.
    fn give_way(&mut self, address: AddressKey, now: Time) -> bool {
        let peers = &self.core.peers;
        let of_address = peers.iter().filter(|(conn, _)| peers.counted(*conn) == Some(address));
        let idle = of_address.filter_map(|(conn, peer)| Some((peer.session.kept_alive_since()?, conn)));
        let Some((_, conn)) = idle.min() else { return false };
        self.core.peers.count(conn, None);
        self.end_http(conn, None, now);
        true
    }

    /// Lets a refused connection read why, without counting it for its address.
    fn accept_refused(&mut self, ip: IpAddr, refusal: Refusal, now: Time) -> Option<ConnId> {
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
        self.take_in(conn, input, out, now);
        self.flush(conn, out, now)
    }

    /// Acts on bytes in whatever way the peer speaks: HTTP, then perhaps WebSocket.
    fn take_in(&mut self, conn: ConnId, mut input: &mut [u8], out: &mut impl Outgoing, now: Time) {
        if self.core.peers.get(conn).is_some_and(|peer| peer.session.phase() == Phase::Http) {
            let used = self.receive_http(conn, input, out, now);
            input = &mut input[used..];
        }
        self.receive_frames(conn, input, now);
        self.core.account(conn);
        self.keep_budget(now);
        self.close_doomed(now);
    }

    /// The peer ended its direction of the stream. What it has not yet been sent, it may still read.
    pub fn end_of_stream(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.core.now = now;
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        if peer.session.phase().is_websocket() {
            self.lose(conn, Departure::Lost, false);
        }
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.step(Step::Finish, now);
        }
        self.flush(conn, out, now)
    }

    /// The connection is no more: the last call for its id.
    pub fn disconnect(&mut self, conn: ConnId, now: Time) {
        self.core.now = now;
        self.lose(conn, Departure::Lost, false);
        let Some(peer) = self.core.remove(conn) else { return };
        if peer.held != Held::default() {
            self.leave_behind(conn, peer.game, peer.held);
        }
        self.refusing -= usize::from(peer.refused);
        if peer.game.is_some() {
            self.core.observe(|| Event::ClientDisconnected { conn, code: peer.closed });
        }
        self.tell_stopped();
    }

    /// The next connection that has something to send, or about which the answer changed.
    pub fn attention(&mut self) -> Option<ConnId> {
        let conn = self.core.attention.pop_front()?;
        // Here and nowhere else: whoever is written to out of turn keeps its place, or it would stand in line twice.
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.queued = false;
        }
        Some(conn)
    }

    /// Writes what waits for a peer, as much as it takes.
    pub fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        loop {
            let next = self.write(conn, out, now);
            // Pipelined requests go on where the answers before them have all been taken.
            let mut backlog = match (next, self.core.peers.get_mut(conn)) {
                (Next::Read, Some(peer)) => peer.session.take_backlog(),
                _ => return next,
            };
            if backlog.is_empty() {
                return next;
            }
            self.take_in(conn, &mut backlog, out, now);
        }
    }

    pub(super) fn write(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        let core = &mut self.core;
        let Some(peer) = core.peers.get_mut(conn) else { return Next::Abort };
        if peer.session.outbox.is_at_rest() {
            // Most of what comes in is answered by the tick.
            return self.next(conn, true);
        }
        let time = core.wall_at(now);
        let Some(peer) = core.peers.get_mut(conn) else { return Next::Abort };
        let stamp = Stamp {
            tick: core.tick,
            time,
            now,
            encoding: peer.session.encoding,
            deflate: peer.session.deflate(),
        };
        let limit = core.settings.session.outbox_limit;
        let waited = peer.session.outbox.waiting();
        let flushed = peer.session.outbox.flush(stamp, limit, out, &mut core.scratch);
        let is_over = flushed.left > limit && peer.session.phase().is_websocket();
        self.core.counters.bytes_out += flushed.bytes as u64;
        self.core.counters.batches += u64::from(flushed.batches);
        self.core.account(conn);
        self.core.counters.flushed(waited);
        if flushed.bytes > 0 {
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
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        match peer.session.phase() {
            _ if peer.abandoned => Next::Abort,
            Phase::Playing if peer.ending => Next::Pause,
            Phase::Closing if drained => Next::Finish,
            // No driver knows it.
            Phase::Lingering => Next::Abort,
            // A peer that does not take its answers may not ask for more of them.
            Phase::Closing | Phase::Http if !drained => Next::Pause,
            Phase::Http if peer.session.is_unanswered() => Next::Pause,
            Phase::Auth if peer.held_back.is_some() => Next::Pause,
            Phase::Playing if peer.inbox_is_full() => {
                if !peer.paused {
                    peer.paused = true;
                    self.paused.push(conn);
                }
                Next::Pause
            }
            _ => Next::Read,
        }
    }
}
