//! Players whose connections are lost, and how they come back.
//!
//! Nobody decided that a lost player leaves: it stays in the world for `resume_grace`, its game hears
//! [`Input::Lost`](super::Input) and no departure, and what it is told is collected within the bounds of its outbox. It
//! **lingers**: its seat and its part of the session move to an entry of the registry that has no socket, whose id no
//! driver ever sees, and that counts for its address as its connection did. The connection itself ends as any does.
//!
//! A resume takes all of that over to the new connection: what was not seen is written again, limits and counts go on. An
//! old socket that still seems open is parted from its player first. Where what was missed is not held any more, or the
//! encoding is another, the game tells everything afresh ([`Input::Resumed`](super::Input)), and until it does nothing
//! reaches that player.
//!
//! At a stop nobody lingers, for nobody will be there: how those come back who were there then is in `restart`. Which token
//! stands for whom is in `tokens`.

use super::Engine;
use super::game::{Departure, Refusal};
use super::peer::Peer;
use crate::account::{Token, TokenDigest};
use crate::ids::{ConnId, GameId};
use crate::packet::{AuthResponse, Code, Resume, ServerControl};
use crate::session::{Phase, Step};
use crate::time::Time;

impl Engine {
    // ------------------------------------------------------------------------------------------------------- tokens

    /// A token for somebody who sits down: what the client is told, and what the seat keeps. None where nobody lingers.
    pub(super) fn issue_token(&mut self) -> (Option<String>, Option<TokenDigest>) {
        if self.core.settings.session.resume_grace.is_zero() {
            return (None, None);
        }
        let token = self.tokens.issue();
        (Some(token.expose()), Some(token.digest()))
    }

    /// For how long somebody lingers, as clients are told.
    pub(super) fn resume_grace_ms(&self) -> u32 {
        u32::try_from(self.core.settings.session.resume_grace.as_millis()).unwrap_or(u32::MAX)
    }

    /// The client has shown that it has its newest token.
    pub(super) fn confirm_token(&mut self, conn: ConnId) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.session.outbox.knows_of_restart();
        if let Some(seat) = &mut peer.seat {
            self.tokens.confirm(&mut seat.tokens);
        }
    }

    // ---------------------------------------------------------------------------------------------------- lingering

    /// A connection is lost: its player lingers, or where that may not be, leaves for `departure`. Nothing for somebody
    /// who does not play. `is_told`: the peer will be told a goodbye.
    pub(super) fn lose(&mut self, conn: ConnId, departure: Departure, is_told: bool) {
        match self.linger(conn, is_told) {
            Some(lingering) => {
                if let (Departure::Closed(code), Some(peer)) = (departure, self.core.peers.get_mut(lingering))
                {
                    peer.closed = Some(code);
                }
                self.tell_lost(lingering);
            }
            None => self.leave_game(conn, departure),
        }
    }

    /// Parts a player from its connection; where it lingers. `None`: it does not, and nothing has happened.
    fn linger(&mut self, conn: ConnId, is_told: bool) -> Option<ConnId> {
        if self.draining || self.core.settings.session.resume_grace.is_zero() {
            return None;
        }
        let now = self.core.now;
        let peer = self.core.peers.get_mut(conn)?;
        if peer.seat.is_none() || peer.ending || peer.session.phase() != Phase::Playing {
            return None;
        }
        self.keep_allowance(conn, now);
        let player = self.core.peers.get_mut(conn)?.part(is_told, now);
        let address = self.core.peers.counted(conn);
        self.core.peers.count(conn, None);
        let lingering = self.core.peers.insert(address, player);
        self.core.lingering += 1;
        self.move_seat(conn, lingering);
        self.core.account(conn);
        self.core.account(lingering);
        Some(lingering)
    }

    fn tell_lost(&mut self, lingering: ConnId) {
        let Some(peer) = self.core.peers.get(lingering) else { return };
        let (Some(game), Some(seat)) = (peer.game, &peer.seat) else { return };
        let from = seat.sender(lingering, peer.session.encoding);
        self.hosts[usize::from(game.0)].lost(from);
    }

    /// A seat has moved from one entry to another: whatever leads to it leads there from here on.
    fn move_seat(&mut self, from: ConnId, to: ConnId) {
        let Some(peer) = self.core.peers.get(to) else { return };
        let (Some(game), Some(seat)) = (peer.game, &peer.seat) else { return };
        let (player, waits, has_inputs) = (seat.player, seat.waits, peer.has_inputs());
        self.tokens.hold(&seat.tokens, to);
        if let Some(seated) = self.seated.get_mut(&(game, player)) {
            *seated = to;
        }
        if waits {
            self.arrivals.follow(to);
        }
        let is_member = self.core.realm_mut(game).reconnect(player, from, to);
        if has_inputs {
            self.core.move_held(from, to);
        }
        if has_inputs || !is_member {
            self.hosts[usize::from(game.0)].reconnect(from, to);
        }
    }

    /// The grace of a lingering player is over.
    pub(super) fn give_up(&mut self, lingering: ConnId) {
        let Some(peer) = self.core.peers.get(lingering) else { return };
        let departure = peer.closed.map_or(Departure::Lost, Departure::Closed);
        self.end_lingering(lingering, departure);
    }

    /// A lingering player leaves.
    pub(super) fn end_lingering(&mut self, lingering: ConnId, departure: Departure) {
        self.leave_game(lingering, departure);
        if let Some(peer) = self.core.remove_lingering(lingering) {
            self.leave_behind(lingering, peer.game, peer.held);
        }
        self.tell_stopped();
    }

    // ----------------------------------------------------------------------------------------------------- resuming

    /// Has a connection take over the player of a lost one.
    ///
    /// # Errors
    /// `session_expired`, whatever is wrong with the token. `too_many_connections` as [`Engine::admit_to_resume`] has it.
    pub(super) fn resume(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        resume: &Resume,
        now: Time,
    ) -> Result<(), Refusal> {
        let used = Token::parse(&resume.token).map_err(|_| expired())?.digest();
        let game = self.core.peers.get(conn).and_then(|peer| peer.game).ok_or_else(expired)?;
        let Some(holder) = self.tokens.holder(used) else {
            return self.come_back(conn, id, game, used, now);
        };
        self.admit_to_resume(conn, holder)?;
        if !self.is_newest(used, holder) && self.comes_late(conn, holder) {
            return Err(expired());
        }
        let lingering = self.free_player(holder, game, now).ok_or_else(expired)?;
        if self.is_of_before(used, lingering) {
            return self.come_back_again(conn, id, lingering, used, now);
        }
        self.take_over(conn, id, lingering, (used, resume.seq), now);
        Ok(())
    }

    /// Whether nothing newer was told: whoever has it has heard the last answer, over whichever connection it comes.
    fn is_newest(&self, token: TokenDigest, holder: ConnId) -> bool {
        let seat = self.core.peers.get(holder).and_then(|peer| peer.seat.as_ref());
        seat.is_some_and(|seat| seat.tokens.is_newest(token))
    }

    /// Whether whoever has nothing newer has not heard that the server was stopped meanwhile.
    fn is_of_before(&self, token: TokenDigest, holder: ConnId) -> bool {
        let seat = self.core.peers.get(holder).and_then(|peer| peer.seat.as_ref());
        seat.is_some_and(|seat| seat.tokens.is_of_before(token))
    }

    /// Whether a player has come back over a connection that was accepted after this one: what asks here was sent before, over
    /// a line that its client has given up.
    fn comes_late(&self, conn: ConnId, holder: ConnId) -> bool {
        let accepted = |conn| self.core.peers.get(conn).map(|peer: &Peer| (peer.accepted, peer.lingers()));
        match (accepted(conn), accepted(holder)) {
            (Some((mine, _)), Some((its, false))) => mine < its,
            _ => false,
        }
    }

    /// The player of `holder` as one that lingers: an old socket that still seems open is closed. `None` where its time
    /// is over, or it plays another game.
    fn free_player(&mut self, holder: ConnId, game: GameId, now: Time) -> Option<ConnId> {
        let grace = self.core.settings.session.resume_grace;
        let peer = self.core.peers.get(holder).filter(|peer| peer.game == Some(game))?;
        match peer.session.phase() {
            Phase::Lingering if peer.session.has_stood(now) < grace => Some(holder),
            Phase::Lingering => {
                self.give_up(holder);
                None
            }
            _ => {
                let mid_frame = peer.session.outbox.is_mid_frame();
                let lingering = self.linger(holder, !mid_frame)?;
                if mid_frame {
                    // The rest of the frame would be told twice: here, and on the new connection.
                    if let Some(peer) = self.core.peers.get_mut(holder) {
                        peer.session.step(Step::Finish, now);
                    }
                    self.abandon(holder);
                } else {
                    self.close(
                        holder,
                        Code::Replaced,
                        "the player goes on over another connection",
                        None,
                        now,
                    );
                }
                Some(lingering)
            }
        }
    }

    fn take_over(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        lingering: ConnId,
        (used, seq): (TokenDigest, u64),
        now: Time,
    ) {
        let (resume_token, newest) = self.issue_token();
        let (tick, time, grace_ms) = (self.core.tick, self.core.wall_at(now), self.resume_grace_ms());
        let encoding = self.core.peers.get(conn).map(|peer| peer.session.encoding);
        let Some(mut player) = self.core.remove_lingering(lingering) else { return };
        let (Some(mut seat), Some(game)) = (player.seat.take(), player.game) else { return };
        self.tokens.renew(&mut seat.tokens, used, newest);
        let outbox = &mut player.session.outbox;
        let same = encoding == Some(player.session.encoding);
        let replayed = if same { outbox.resume(seq, tick, time) } else { None };
        if replayed.is_none() {
            outbox.restart();
            // Its game may not have heard of it yet: then it will tell everything anyway.
            player.awaits_state = !seat.waits;
        }
        let full_state = replayed.is_none();
        let roster = seat.owner.as_ref().map(|owner| {
            self.hosts[usize::from(game.0)].roster(owner.account, owner.name.as_str()).characters
        });
        let in_lobby = seat.player.is_in_lobby();
        let response = AuthResponse {
            player_id: (!in_lobby).then_some(seat.player),
            account_id: seat.account(),
            username: seat.owner.as_ref().map_or(seat.name.to_string(), |owner| owner.name.to_string()),
            guest: seat.owner.is_none(),
            characters: roster.unwrap_or_default(),
            resume_token,
            resume_grace_ms: grace_ms,
            resumed: true,
            replayed: replayed.unwrap_or(0),
            full_state,
            received: player.session.taken(),
        };
        player.seat = Some(seat);
        self.core.tell(conn, id, &ServerControl::AuthResponse(Box::new(response)));
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.session.step(Step::Authenticated, now);
        peer.adopt(player);
        self.core.counters.resumed(replayed);
        self.move_seat(lingering, conn);
        self.core.account(conn);
        self.tell_resumed(conn, full_state);
    }

    fn tell_resumed(&mut self, conn: ConnId, full_state: bool) {
        let Some(peer) = self.core.peers.get(conn) else { return };
        let (Some(game), Some(seat)) = (peer.game, &peer.seat) else { return };
        let from = seat.sender(conn, peer.session.encoding);
        self.hosts[usize::from(game.0)].resumed(from, full_state);
    }
}

/// All that is told about a token that resumes nothing.
pub(super) fn expired() -> Refusal {
    Refusal::new(Code::SessionExpired, "this session is over; log in again")
}
