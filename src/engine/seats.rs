//! Seats: who a connection plays as, from the moment it is let in until its player leaves or is somebody else.
//!
//! Whoever is seated as an account's player is known by that player: of one player there is one live connection, and the older
//! is told `replaced`. A seat in the world holds the login session that it came in with; in the lobby packets renew it.

use super::Engine;
use super::game::Departure;
use super::host::Sender;
use super::tokens::SeatTokens;
use crate::account::{TokenDigest, Username};
use crate::ids::{AccountId, ConnId, GameId, PlayerId};
use crate::packet::{Code, Encoding};
use crate::session::Step;
use crate::time::Time;
use smol_str::SmolStr;

/// A player's place: who a connection plays as.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) player: PlayerId,
    /// The name the player goes by.
    pub(super) name: SmolStr,
    /// Whose player it is; `None` for a guest.
    pub(super) owner: Option<Box<Owner>>,
    /// Whether its game has not been told of it yet.
    pub(super) waits: bool,
    /// What it is resumed by.
    pub(super) tokens: SeatTokens,
}

impl Seat {
    /// Who sends what comes on this connection.
    pub(super) fn sender(&self, conn: ConnId, encoding: Encoding) -> Sender {
        Sender { player: self.player, conn: Some(conn), encoding, waits: self.waits }
    }

    /// The account whose player it is.
    pub(super) fn account(&self) -> Option<AccountId> {
        self.owner.as_ref().map(|owner| owner.account)
    }
}

/// The account behind a seat.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) account: AccountId,
    pub(super) name: Username,
    /// The login session that it came in with; `None` where it came with its password.
    pub(super) digest: Option<TokenDigest>,
}

impl Engine {
    /// Closes a connection whose player comes in over another.
    pub(super) fn replace(&mut self, older: ConnId, now: Time) {
        self.close(older, Code::Replaced, "the same player came in over another connection", None, now);
    }

    /// Has those play as somebody else whom their games have said it of in this tick.
    pub(super) fn change_players(&mut self, now: Time) {
        for (game, from, player, name) in std::mem::take(&mut self.core.changes_of_player) {
            let conn = self.core.realm(game).member(from).and_then(|member| member.conn);
            if let Some(conn) = conn.filter(|_| is_character(player) && from != player) {
                self.change_player(conn, game, from, (player, name), now);
            }
        }
    }

    fn change_player(
        &mut self,
        conn: ConnId,
        game: GameId,
        from: PlayerId,
        to: (PlayerId, String),
        now: Time,
    ) {
        let plays = |seat: &Seat| seat.player == from && seat.owner.is_some();
        if !self.core.peers.get(conn).and_then(|peer| peer.seat.as_ref()).is_some_and(plays) {
            return;
        }
        let (player, name) = to;
        let older = self.seated.get(&(game, player)).copied();
        let admitted = match older {
            Some(older) => {
                self.replace(older, now);
                Ok(())
            }
            None if from.is_in_lobby() => self.admit_to_world(),
            None => Ok(()),
        };
        if let Err(refusal) = admitted {
            return self.refuse(conn, None, refusal, now);
        }
        self.core.counters.players += u64::from(from.is_in_lobby());
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let encoding = peer.session.encoding;
        let Some(before) = peer.seat.take() else { return };
        self.vacate(game, conn, &before, now);
        let left = before.sender(conn, encoding);
        let Seat { name: old_name, owner, tokens, .. } = before;
        if let Some(owner) = &owner {
            self.tokens.spend_survivors(game, owner.account, Some(player));
        }
        let realm = self.core.realm_mut(game);
        realm.release_name(&old_name);
        realm.take_name(&name);
        self.hosts[usize::from(game.0)].leave(left, Departure::Became(player));
        let waits = !self.arrivals.admit(conn);
        let account = owner.as_ref().map(|owner| owner.account);
        self.take_seat(conn, game, Seat { player, name: name.into(), owner, waits, tokens });
        if let Some(account) = account.filter(|_| older.is_some()) {
            self.carry_allowance(account, conn);
        }
    }

    /// The connection plays from here on; its game hears of it in the next tick, or when those before it have come in.
    pub(super) fn enter(&mut self, conn: ConnId, game: GameId, seat: Seat, now: Time) {
        let max_message = self.core.settings.session.max_message;
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.session.step(Step::Authenticated, now);
        peer.session.websocket.set_max_message(max_message);
        peer.session.outbox.begin_sequence();
        if !self.core.settings.session.resume_grace.is_zero() {
            peer.session.outbox.keep_batches();
        }
        self.core.counters.players += u64::from(!seat.player.is_in_lobby());
        let waits = !self.arrivals.admit(conn);
        self.take_seat(conn, game, Seat { waits, ..seat });
    }

    fn take_seat(&mut self, conn: ConnId, game: GameId, seat: Seat) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let from = seat.sender(conn, peer.session.encoding);
        let account = seat.account();
        let name = (!seat.waits).then(|| seat.name.to_string());
        self.tokens.hold(&seat.tokens, conn);
        if is_character(seat.player) {
            self.seated.insert((game, seat.player), conn);
            if let Some(digest) = seat.owner.as_ref().and_then(|owner| owner.digest) {
                self.accounts.logins.hold(digest);
            }
        }
        peer.seat = Some(seat);
        if let Some(name) = name {
            self.hosts[usize::from(game.0)].join(from, name, account);
        }
    }

    /// What a seat held is let go: the place of its player, and its login session, which slides from here.
    pub(super) fn vacate(&mut self, game: GameId, conn: ConnId, seat: &Seat, now: Time) {
        if !is_character(seat.player) {
            return;
        }
        let at = (game, seat.player);
        debug_assert_eq!(self.seated.get(&at), Some(&conn), "one live connection of one player");
        self.seated.remove(&at);
        if let Some(digest) = seat.owner.as_ref().and_then(|owner| owner.digest) {
            let heard = self.core.peers.get(conn).map_or(now, |peer| peer.session.heard_at());
            self.renew(digest, heard, now);
            self.accounts.logins.release(digest);
        }
    }

    /// A packet of somebody in the lobby renews the login session; in the world, being there does.
    pub(super) fn renew_by_packet(&mut self, conn: ConnId, now: Time) {
        if let Some(digest) = self.core.peers.get(conn).and_then(|peer| peer.lobby_login()) {
            self.renew(digest, now, now);
        }
    }

    /// Closes somebody in the lobby whose login session has expired.
    pub(super) fn end_if_expired(&mut self, conn: ConnId, now: Time) {
        let login = self.core.peers.get(conn).and_then(|peer| peer.lobby_login());
        let wall = self.core.wall_at(now);
        if login.is_some_and(|digest| !self.accounts.logins.is_live(digest, wall)) {
            self.close(conn, Code::SessionExpired, "this session is over; log in again", None, now);
        }
    }
}

/// Whether an id is that of an account's player in the world: neither a guest's nor one of the lobby.
pub(super) fn is_character(player: PlayerId) -> bool {
    (1..PlayerId::FIRST_GUEST).contains(&player.0)
}
