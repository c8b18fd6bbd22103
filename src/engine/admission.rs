//! Who may have a connection: the limits of addresses and of the whole server, at accept and behind a proxy.
//!
//! A refusal is an HTTP answer. Whoever is lost holds its place, so that a crowd behind one address which is lost together
//! holds all that the address may have, and would be refused as it comes back. So over a limit **as many connections are
//! let in as there are players of that address to be resumed**: who is lost, and who seems to be, because it has not
//! answered for a while. Such a connection may do nothing but resume one of them; all else is told `too_many_connections`
//! at the `auth_request`, unless there is room by then. It costs nobody a place, and the deadlines of any other hold for it.
//! One that was refused and only reads why is in nobody's way. Of these an address has as many as its `connect_rate` lets come
//! within [`limits::LINGER_TIME`], and never more than [`limits::REFUSALS_LINGERING`].

use super::Engine;
use super::game::Refusal;
use super::peer::Peer;
use super::routes;
use crate::address::AddressKey;
use crate::http::Exchange;
use crate::ids::ConnId;
use crate::limits;
use crate::packet::Code;
use crate::registry::Refused;
use crate::session::{Phase, Step};
use crate::time::Time;
use std::net::IpAddr;

/// How somebody may be here.
pub(super) struct Place {
    /// What it is counted for.
    pub(super) address: AddressKey,
    /// Whether it is over a limit, and may only resume.
    pub(super) over_limit: bool,
}

impl Engine {
    /// A connection was accepted. `None`: close it without a word, for even refusals are too many.
    pub fn accept(&mut self, ip: IpAddr, now: Time) -> Option<ConnId> {
        self.core.now = now;
        self.core.counters.connections_accepted += 1;
        let ip = ip.to_canonical();
        let peer = Peer::new(ip, now);
        match self.admit(ip, now) {
            Ok(Some(Place { address, over_limit })) => {
                Some(self.core.peers.insert(Some(address), Peer { over_limit, ..peer }))
            }
            Ok(None) => Some(self.core.peers.insert(None, peer)),
            Err(refusal) => self.accept_refused(peer, &refusal, now),
        }
    }

    /// The place of a connection from `ip`; none is counted for a trusted proxy.
    fn admit(&mut self, ip: IpAddr, now: Time) -> Result<Option<Place>, Refusal> {
        if self.draining {
            return Err(routes::refusal(Code::Shutdown));
        }
        let has_room = self.open_connections() < self.core.settings.registry.max_connections;
        if !self.core.settings.trusted_proxies.iter().any(|network| network.contains(ip)) {
            return self.admit_address(ip, has_room, now).map(Some).map_err(routes::refusal_of);
        }
        if has_room { Ok(None) } else { Err(routes::refusal(Code::Busy)) }
    }

    /// The place of a client at `ip`, whether it came by itself or through a proxy.
    pub(super) fn admit_address(&mut self, ip: IpAddr, has_room: bool, now: Time) -> Result<Place, Refused> {
        let why = match self.admit_peer(ip, has_room, now) {
            Ok(address) => return Ok(Place { address, over_limit: false }),
            Err(why) => why,
        };
        let address = AddressKey::from(ip);
        let why = match why {
            Refused::TooManyHere if self.give_way(address, now) && has_room => {
                return Ok(Place { address, over_limit: false });
            }
            Refused::TooManyHere | Refused::Full if self.expects(address, now) => {
                return Ok(Place { address, over_limit: true });
            }
            why => why,
        };
        Err(why)
    }

    /// Whether a connection from `ip` may be had. One that may be an administrator's is asked who it is before it is told of a ban.
    fn admit_peer(&mut self, ip: IpAddr, has_room: bool, now: Time) -> Result<AddressKey, Refused> {
        match self.may_lift_bans(ip) {
            true => self.core.peers.admit_although_banned(ip, has_room, now),
            false => self.core.peers.admit(ip, has_room, now),
        }
    }

    /// Of an address with as many connections as it may have, ends the one that was kept alive and has asked for nothing for
    /// the longest: a browser holds several of those, and opens more for its WebSockets. False where there is none.
    fn give_way(&mut self, address: AddressKey, now: Time) -> bool {
        let idle = self
            .core
            .peers
            .of(address)
            .filter_map(|(conn, peer)| Some((peer.session.kept_alive_since()?, conn)));
        let Some((_, conn)) = idle.min() else { return false };
        self.core.peers.count(conn, None);
        self.end_http(conn, None, now);
        true
    }

    /// Whether there are more players of an address to be resumed than connections of it that were let in for that and may
    /// still do it. It costs a look at those of the address, for a flood may ask at every accept.
    fn expects(&self, address: AddressKey, now: Time) -> bool {
        let settings = &self.core.settings.session;
        let lost =
            |peer: &Peer| peer.lingers() || (peer.seat.is_some() && peer.session.is_quiet(settings, now));
        let (mut expected, mut let_in, mut leaving) = (0, 0, 0);
        for (_, peer) in self.core.peers.of(address) {
            let is_leaving = peer.session.phase() == Phase::Closing;
            expected += usize::from(lost(peer));
            let_in += usize::from(peer.over_limit && !is_leaving);
            leaving += usize::from(peer.over_limit && is_leaving);
        }
        let_in < expected && leaving < limits::REFUSALS_LINGERING
    }

    /// Lets a refused connection read why, without counting it for its address.
    fn accept_refused(&mut self, mut peer: Peer, refusal: &Refusal, now: Time) -> Option<ConnId> {
        self.core.counters.refused(refusal.code);
        if self.refusing >= limits::REFUSALS_LINGERING {
            return None;
        }
        self.refusing += 1;
        peer.refused = true;
        let exchange = Exchange::last(self.core.wall_at(now));
        routes::response_of(refusal).write(exchange, peer.session.outbox.control());
        peer.session.step(Step::Finish, now);
        let conn = self.core.peers.insert(None, peer);
        self.core.call_attention(conn);
        Some(conn)
    }

    /// Connections that were not refused.
    fn open_connections(&self) -> usize {
        self.core.connections() - self.refusing
    }

    /// Whether somebody may come in by this connection as who it likes.
    ///
    /// # Errors
    /// `too_many_connections`: it was let in to resume, and there is no room yet.
    pub(super) fn admit_as_anybody(&mut self, conn: ConnId) -> Result<(), Refusal> {
        let has_room = self.open_connections() <= self.core.settings.registry.max_connections;
        let fits = self.core.peers.counted(conn).is_none_or(|address| self.core.peers.fits(address));
        let Some(peer) = self.core.peers.get_mut(conn) else { return Ok(()) };
        peer.over_limit &= !(has_room && fits);
        match peer.over_limit {
            true => Err(Refusal::new(Code::TooManyConnections, "there is room only for who comes back")),
            false => Ok(()),
        }
    }

    /// Whether this connection may resume the player of `holder`: one that was let in for that takes the place of a player of its
    /// own address.
    ///
    /// # Errors
    /// As of [`Engine::admit_as_anybody`].
    pub(super) fn admit_to_resume(&mut self, conn: ConnId, holder: ConnId) -> Result<(), Refusal> {
        if self.core.peers.counted(conn) == self.core.peers.counted(holder) {
            return Ok(());
        }
        self.admit_as_anybody(conn)
    }

    /// Whether nothing but a WebSocket may be asked for by this connection.
    pub(super) fn is_over_limit(&self, conn: ConnId) -> bool {
        self.core.peers.get(conn).is_some_and(|peer| peer.over_limit && peer.session.phase() == Phase::Http)
    }
}
