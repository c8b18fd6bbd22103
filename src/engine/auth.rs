//! Who somebody is, and whether they may come in.
//!
//! Checks come in the contract's order: the version, what was offered, whether guests may come or the account is banned,
//! whether newcomers may, whether there is room. A refusal is told as `error`, then `disconnect`, then the close frame.
//!
//! A guest and a token are answered at once. A name and a password are found out by storage and hashing: until then nothing
//! more is read of that peer, and what had come already is held back. An account plays as whomever its game's roster says;
//! where that is nobody yet it comes into the **lobby**, under a player's id that stands for nobody in the world. Whoever is in
//! the lobby takes no place of `max_players`: it takes one on entering the world, and finds it full or not then. What it
//! has once it is in is in `seats`.

use super::Engine;
use super::accounts::{Applicant, Login};
use super::events::Event;
use super::game::{Refusal, is_in_names};
use super::peer::HeldBack;
use super::restart::Back;
use super::seats::{Owner, Seat};
use super::tokens::SeatTokens;
use crate::account::Username;
use crate::address::AddressKey;
use crate::ids::{AccountId, ConnId, PlayerId};
use crate::limits;
use crate::packet::{AuthRequest, AuthResponse, Code, Credentials, ServerControl};
use crate::session::Phase;
use crate::time::Time;

/// The version of the packets that this server speaks.
pub const PROTOCOL_VERSION: u32 = 1;

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
                self.seat_account(conn, id, Owner { account, name, digest: Some(digest) }, None, now)
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

    pub(super) fn admit_to_world(&self) -> Result<(), Refusal> {
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
            if let Err(refusal) = self.seat_account(conn, id, owner, None, now) {
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

    /// Gives an account its place in the game whose path the connection came by. `back`: it was here before a
    /// restart, and is no newcomer.
    pub(super) fn seat_account(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        owner: Owner,
        back: Option<Back>,
        now: Time,
    ) -> Result<(), Refusal> {
        let Some(game) = self.core.peers.get(conn).and_then(|peer| peer.game) else { return Ok(()) };
        let roster = self.hosts[usize::from(game.0)].roster(owner.account, owner.name.as_str());
        let was = back.as_ref().and_then(Back::player);
        let enters = self.whom(game, &roster, was);
        let older = enters.as_ref().and_then(|(player, _)| self.seated.get(&(game, *player)).copied());
        match older {
            Some(older) => self.replace(older, now),
            None if back.is_some() => {}
            None => self.admit_newcomer(enters.is_some())?,
        }
        let player_id = enters.as_ref().map(|(player, _)| *player);
        self.tokens.spend_survivors(game, owner.account, was);
        self.tokens.spend_survivors(game, owner.account, player_id);
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
            characters: roster.characters,
            resume_grace_ms: self.resume_grace_ms(),
            resume_token,
            full_state: true,
            ..AuthResponse::default()
        };
        self.core.tell(conn, id, &ServerControl::AuthResponse(Box::new(response)));
        let account = owner.account;
        let comes_back = back.is_some();
        let tokens = back.map_or_else(|| SeatTokens::new(token), |back| back.renew(token));
        let owner = Some(Box::new(owner));
        self.enter(conn, game, Seat { player, name: name.as_str().into(), owner, waits: false, tokens }, now);
        self.carry_allowance(account, conn);
        if let Some(peer) = self.core.peers.get_mut(conn).filter(|_| comes_back) {
            peer.session.outbox.greet();
        }
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

    /// Tells a refusal: an `error`, and where its code has a close, the end of the connection.
    pub(super) fn refuse(&mut self, conn: ConnId, id: Option<u32>, refusal: Refusal, now: Time) {
        let Refusal { code, message, retry_after_ms } = refusal;
        self.core.counters.refused(code);
        let error = ServerControl::Error { code, message: message.clone(), retry_after_ms };
        self.core.tell(conn, id, &error);
        self.close(conn, code, &message, retry_after_ms, now);
    }
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
