//! Who somebody is, and whether they may come in.
//!
//! Checks come in the contract's order: the version, what was offered, whether guests may come or the account is banned,
//! whether newcomers may, whether there is room. A refusal is told as `error`, then `disconnect`, then the close frame.
//!
//! A guest and a token are answered at once. A name and a password are found out by storage and hashing: until then nothing
//! more is read of that peer, and what had come already is held back. An account plays as whomever its game's roster says;
//! where that is nobody yet it comes into the **lobby**, under a player's id that stands for nobody in the world. Whoever is in
//! the lobby takes no place of `max_players`: it takes one on entering the world, and finds it full or not then. Of one
//! player there is one live connection: the older is told `replaced`.

use super::Engine;
use super::accounts::{Applicant, Login};
use super::core::HeldBack;
use super::events::Event;
use super::game::{Departure, Refusal, Roster, is_in_names};
use super::host::Sender;
use super::tokens::SeatTokens;
use crate::account::{TokenDigest, Username};
use crate::address::AddressKey;
use crate::ids::{AccountId, ConnId, GameId, PlayerId};
use crate::limits;
use crate::packet::{AuthRequest, AuthResponse, Code, Credentials, Encoding, ServerControl};
use crate::session::{Phase, Step};
use crate::time::Time;
use smol_str::SmolStr;

/// The version of the packets that this server speaks.
pub const PROTOCOL_VERSION: u32 = 1;

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
    /// Answers `auth_request`, or begins to.
    pub(super) fn authenticate(&mut self, conn: ConnId, id: Option<u32>, request: AuthRequest, now: Time) {
        if let Err(refusal) = self.try_authenticate(conn, id, &request, now) {
            self.refuse(conn, id, refusal, now);
        }
    }

    fn try_authenticate(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        request: &AuthRequest,
        now: Time,
    ) -> Result<(), Refusal> {
        if request.version != PROTOCOL_VERSION {
            let message = format!("this server speaks version {PROTOCOL_VERSION}");
            return Err(Refusal::new(Code::BadVersion, message));
        }
        if request.resume.is_none() {
            self.admit_as_anybody(conn)?;
        }
        match request.credentials() {
            Ok(Credentials::Guest(name)) => {
                let name = self.admit_guest(name)?;
                self.seat_guest(conn, id, &name, now)
            }
            Ok(Credentials::Token(token)) => {
                let Login { account, name, digest } = self.login_of(token, now)?;
                self.renew(digest, now, now);
                self.seat_account(conn, id, Owner { account, name, digest: Some(digest) }, false, now)
            }
            Ok(Credentials::Password { username, password }) => {
                self.begin_login(conn, id, username, password, now)
            }
            Ok(Credentials::Resume(resume)) => self.resume(conn, id, resume, now),
            Err(field) => {
                let message =
                    format!("give exactly one of token, username with password, guest, resume ({field})");
                Err(Refusal::new(Code::Invalid, message))
            }
        }
    }

    // --------------------------------------------------------------------------------------------------------- guests

    fn admit_guest(&self, name: &str) -> Result<String, Refusal> {
        if !self.core.settings.guests {
            return Err(Refusal::new(Code::GuestsDisabled, "this server takes no guests"));
        }
        let name = guest_name(name)?;
        self.admit_newcomer(true).map(|()| name)
    }

    /// `enters`: it takes a place in the world at once.
    fn admit_newcomer(&self, enters: bool) -> Result<(), Refusal> {
        match self.core.settings.open {
            false => Err(Refusal::new(Code::WorldClosed, "the world takes no newcomers at the moment")),
            true if enters => self.admit_to_world(),
            true => Ok(()),
        }
    }

    fn admit_to_world(&self) -> Result<(), Refusal> {
        match self.core.counters.players as usize >= self.core.settings.max_players {
            true => Err(world_full("the world is full; try again later")),
            false => Ok(()),
        }
    }

    fn seat_guest(&mut self, conn: ConnId, id: Option<u32>, name: &str, now: Time) -> Result<(), Refusal> {
        let Some(game) = self.core.peers.get(conn).and_then(|peer| peer.game) else { return Ok(()) };
        // Ids are never used again in a run; after 2 billion guests no more are let in.
        let player = PlayerId(self.next_guest);
        if !player.is_guest() {
            return Err(world_full("no more guests in this run"));
        }
        self.next_guest += 1;
        let host = &self.hosts[usize::from(game.0)];
        let name = self.core.realm_mut(game).reserve_name(name, |name| host.has_name(name));
        let (resume_token, token) = self.issue_token();
        let response = AuthResponse {
            player_id: Some(player),
            username: name.clone(),
            guest: true,
            resume_grace_ms: self.resume_grace_ms(),
            resume_token,
            full_state: true,
            ..AuthResponse::default()
        };
        self.core.tell(conn, id, &ServerControl::AuthResponse(Box::new(response)));
        let tokens = SeatTokens::new(token);
        let seat = Seat { player, name: name.as_str().into(), owner: None, waits: false, tokens };
        self.enter(conn, game, seat, now);
        self.core.observe(|| Event::Discovered { player, name, guest: true });
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------- accounts

    /// Has a name and a password looked at; what came behind them is held back until that is done.
    fn begin_login(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        username: &str,
        password: &str,
        now: Time,
    ) -> Result<(), Refusal> {
        let Some(peer) = self.core.peers.get(conn) else { return Ok(()) };
        let address = AddressKey::from(peer.ip);
        self.log_in(Applicant::Socket(conn, id), address, username, password, now)?;
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.held_back = Some(Box::default());
        }
        Ok(())
    }

    /// Whether the answer to an `auth_request` is being found out.
    pub(super) fn is_held_back(&self, conn: ConnId) -> bool {
        self.core.peers.get(conn).is_some_and(|peer| peer.held_back.is_some())
    }

    /// Keeps what came behind an `auth_request` that is not answered yet. False where there is none such.
    pub(super) fn hold_back(&mut self, conn: ConnId, rest: &[u8]) -> bool {
        let held = self.core.peers.get_mut(conn).and_then(|peer| peer.held_back.as_mut());
        held.map(|held| held.input.extend_from_slice(rest)).is_some()
    }

    /// The password was the right one. Whoever has left meanwhile, or was closed, does not come in.
    pub(super) fn seat_verified(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        account: AccountId,
        name: Username,
        now: Time,
    ) {
        if let Some(held) = self.take_held_back(conn, now) {
            let owner = Owner { account, name, digest: None };
            if let Err(refusal) = self.seat_account(conn, id, owner, false, now) {
                self.refuse(conn, id, refusal, now);
            }
            self.go_on_reading(conn, held, now);
        }
    }

    /// A login on a WebSocket came to nothing.
    pub(super) fn refuse_login(&mut self, conn: ConnId, id: Option<u32>, refusal: Refusal, now: Time) {
        if let Some(held) = self.take_held_back(conn, now) {
            self.refuse(conn, id, refusal, now);
            self.go_on_reading(conn, held, now);
        }
    }

    /// The peer is read again. What it was late with or silent about meanwhile was our doing: its deadlines run from here.
    fn take_held_back(&mut self, conn: ConnId, now: Time) -> Option<HeldBack> {
        let peer = self.core.peers.get_mut(conn)?;
        let held = peer.held_back.take()?;
        peer.session.heard(now);
        peer.session.request_moved_on(now);
        (peer.session.phase() == Phase::Auth).then_some(*held)
    }

    fn go_on_reading(&mut self, conn: ConnId, mut held: HeldBack, now: Time) {
        self.receive_frames(conn, &mut held.input, now);
        self.core.account(conn);
        self.keep_budget(now);
        self.close_doomed(now);
        self.core.call_attention(conn);
    }

    /// Gives an account its place in the game whose path the connection came by. `comes_back`: it was here before a
    /// restart, and is no newcomer.
    pub(super) fn seat_account(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        owner: Owner,
        comes_back: bool,
        now: Time,
    ) -> Result<(), Refusal> {
        let Some(game) = self.core.peers.get(conn).and_then(|peer| peer.game) else { return Ok(()) };
        let Roster { characters, enters } =
            self.hosts[usize::from(game.0)].roster(owner.account, owner.name.as_str());
        let enters = enters.filter(|(player, _)| is_character(*player));
        let older = enters.as_ref().and_then(|(player, _)| self.seated.get(&(game, *player)).copied());
        match older {
            Some(older) => self.replace(older, now),
            None if comes_back => {}
            None => self.admit_newcomer(enters.is_some())?,
        }
        self.tokens.spend_survivors(game, owner.account);
        let player_id = enters.as_ref().map(|(player, _)| *player);
        let (player, name) = match enters {
            Some(enters) => enters,
            None => (self.next_in_lobby()?, owner.name.to_string()),
        };
        self.core.realm_mut(game).take_name(&name);
        let (resume_token, token) = self.issue_token();
        let response = AuthResponse {
            player_id,
            account_id: Some(owner.account),
            username: owner.name.to_string(),
            characters,
            resume_grace_ms: self.resume_grace_ms(),
            resume_token,
            full_state: true,
            ..AuthResponse::default()
        };
        self.core.tell(conn, id, &ServerControl::AuthResponse(Box::new(response)));
        let account = owner.account;
        let (tokens, owner) = (SeatTokens::new(token), Some(Box::new(owner)));
        self.enter(conn, game, Seat { player, name: name.as_str().into(), owner, waits: false, tokens }, now);
        if self.accounts.is_new(account) {
            self.core.observe(|| Event::Discovered { player, name, guest: false });
        }
        Ok(())
    }

    fn next_in_lobby(&mut self) -> Result<PlayerId, Refusal> {
        let player = PlayerId(self.next_in_lobby);
        let next = self.next_in_lobby.checked_add(1);
        self.next_in_lobby = next.ok_or_else(|| world_full("no more logins in this run"))?;
        Ok(player)
    }

    /// Closes a connection whose player comes in over another.
    fn replace(&mut self, older: ConnId, now: Time) {
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
        let realm = self.core.realm_mut(game);
        realm.release_name(&old_name);
        realm.take_name(&name);
        self.hosts[usize::from(game.0)].leave(left, Departure::Became(player));
        let waits = !self.arrivals.admit(conn);
        self.take_seat(conn, game, Seat { player, name: name.into(), owner, waits, tokens });
    }

    // ---------------------------------------------------------------------------------------------------------- seats

    /// The connection plays from here on; its game hears of it in the next tick, or when those before it have come in.
    fn enter(&mut self, conn: ConnId, game: GameId, seat: Seat, now: Time) {
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

    /// Tells a refusal: an `error`, and where its code has a close, the end of the connection.
    pub(super) fn refuse(&mut self, conn: ConnId, id: Option<u32>, refusal: Refusal, now: Time) {
        let Refusal { code, message, retry_after_ms } = refusal;
        self.core.counters.refused(code);
        let error = ServerControl::Error { code, message: message.clone(), retry_after_ms };
        self.core.tell(conn, id, &error);
        self.close(conn, code, &message, retry_after_ms, now);
    }
}

/// Whether an id is that of an account's player in the world: neither a guest's nor one of the lobby.
fn is_character(player: PlayerId) -> bool {
    (1..PlayerId::FIRST_GUEST).contains(&player.0)
}

fn world_full(message: &str) -> Refusal {
    Refusal::new(Code::WorldFull, message).retry_after(FULL_MS)
}

/// After how long somebody may try again who found the world full, milliseconds.
const FULL_MS: u32 = 10_000;

/// A guest's name as it will be shown: trimmed, 1 to [`limits::GUEST_NAME`] letters, digits, spaces, apostrophes and
/// hyphens (the alphabet of characters' names, WORLD.md "Characters").
fn guest_name(wanted: &str) -> Result<String, Refusal> {
    let name = wanted.trim_matches(' ');
    let length = name.chars().count();
    if !(1..=limits::GUEST_NAME).contains(&length) || !name.chars().all(is_in_names) {
        let message = format!(
            "a guest's name has 1 to {} letters, digits, spaces, apostrophes or hyphens",
            limits::GUEST_NAME
        );
        return Err(Refusal::new(Code::Invalid, message));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_guests() {
        assert_eq!(guest_name(" Ann O'Neill-3 ").as_deref(), Ok("Ann O'Neill-3"));
        assert_eq!(guest_name("Zoë").as_deref(), Ok("Zoë"));
        assert!(guest_name(&"x".repeat(20)).is_ok());
        for bad in ["", "   ", "a#2", "<b>", "tab\there", "new\nline", "\u{3164}", &"x".repeat(21)] {
            assert_eq!(guest_name(bad).map_err(|r| r.code), Err(Code::Invalid), "{bad:?}");
        }
    }
}
