//! Who somebody is, and whether they may come in.
//!
//! Checks come in the contract's order: the version, what was offered, whether guests may come, whether newcomers may,
//! whether there is room. A refusal is told as `error`, then `disconnect`, then the close frame. Accounts are not
//! kept yet: every password is wrong and every token is spent, and neither tells more.

use super::Engine;
use super::events::Event;
use super::game::Refusal;
use super::host::Sender;
use crate::ids::{ConnId, GameId, PlayerId};
use crate::limits;
use crate::packet::{AuthRequest, AuthResponse, Code, Credentials, Encoding, ServerControl};
use crate::session::Step;
use crate::time::Time;

/// The version of the packets that this server speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// A player's place: who a connection plays as.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) player: PlayerId,
    /// The name the player goes by.
    pub(super) name: Box<str>,
    /// Whether its game has not been told of it yet.
    pub(super) waits: bool,
}

impl Seat {
    /// Who sends what comes on this connection.
    pub(super) fn sender(&self, conn: ConnId, encoding: Encoding) -> Sender {
        Sender { player: self.player, conn: Some(conn), encoding, waits: self.waits }
    }
}

impl Engine {
    /// Answers `auth_request`.
    pub(super) fn authenticate(&mut self, conn: ConnId, id: Option<u32>, request: AuthRequest, now: Time) {
        match self.admit_player(&request) {
            Ok(name) => self.seat_guest(conn, id, &name, now),
            Err(refusal) => self.refuse(conn, id, refusal, now),
        }
    }

    /// The name under which a guest may come in.
    fn admit_player(&self, request: &AuthRequest) -> Result<String, Refusal> {
        if request.version != PROTOCOL_VERSION {
            let message = format!("this server speaks version {PROTOCOL_VERSION}");
            return Err(Refusal::new(Code::BadVersion, message));
        }
        match request.credentials() {
            Ok(Credentials::Guest(name)) => self.admit_guest(name),
            Ok(Credentials::Password { .. }) => {
                Err(Refusal::new(Code::BadCredentials, "no account has this name and password"))
            }
            Ok(Credentials::Token(_) | Credentials::Resume(_)) => {
                Err(Refusal::new(Code::SessionExpired, "this session is over; log in again"))
            }
            Err(field) => {
                let message =
                    format!("give exactly one of token, username with password, guest, resume ({field})");
                Err(Refusal::new(Code::Invalid, message))
            }
        }
    }

    fn admit_guest(&self, name: &str) -> Result<String, Refusal> {
        let settings = &self.core.settings;
        if !settings.guests {
            return Err(Refusal::new(Code::GuestsDisabled, "this server takes no guests"));
        }
        let name = guest_name(name)?;
        if !settings.open {
            return Err(Refusal::new(Code::WorldClosed, "the world takes no newcomers at the moment"));
        }
        if self.core.counters.players as usize >= settings.max_players {
            let refusal = Refusal::new(Code::WorldFull, "the world is full; try again later");
            return Err(refusal.retry_after(10_000));
        }
        Ok(name)
    }

    fn seat_guest(&mut self, conn: ConnId, id: Option<u32>, name: &str, now: Time) {
        let Some(game) = self.core.peers.get(conn).and_then(|peer| peer.game) else { return };
        let player = PlayerId(self.next_guest);
        // Ids are never used again in a run; after 3 billion guests no more are let in.
        let Some(next) = self.next_guest.checked_add(1) else {
            return self.refuse(conn, id, Refusal::new(Code::WorldFull, "no more guests in this run"), now);
        };
        self.next_guest = next;
        let name = self.core.realm_mut(game).reserve_name(name);
        let response = AuthResponse {
            player_id: Some(player),
            account_id: None,
            username: name.clone(),
            guest: true,
            characters: Vec::new(),
            resume_token: None,
            resume_grace_ms: 0,
            resumed: false,
            replayed: 0,
            full_state: true,
            received: 0,
        };
        self.core.tell(conn, id, &ServerControl::AuthResponse(Box::new(response)));
        self.enter(conn, game, player, name, now);
    }

    /// The connection plays from here on; its game hears of it in the next tick, or when those before it have come in.
    fn enter(&mut self, conn: ConnId, game: GameId, player: PlayerId, name: String, now: Time) {
        let max_message = self.core.settings.session.max_message;
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.session.step(Step::Authenticated, now);
        peer.session.websocket.set_max_message(max_message);
        peer.session.outbox.begin_sequence();
        let at_once = self.arrivals.admit(conn);
        let seat = Seat { player, name: name.as_str().into(), waits: !at_once };
        let from = seat.sender(conn, peer.session.encoding);
        peer.seat = Some(Box::new(seat));
        self.core.counters.players += 1;
        if at_once {
            self.hosts[usize::from(game.0)].join(from, name.clone(), true);
        }
        self.core.observe(|| Event::Discovered { player, name, guest: true });
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

/// A guest's name as it will be shown: trimmed, 1 to [`limits::GUEST_NAME`] letters, digits, spaces, apostrophes and
/// hyphens (the alphabet of characters' names, WORLD.md "Characters").
fn guest_name(wanted: &str) -> Result<String, Refusal> {
    let name = wanted.trim_matches(' ');
    let allowed = |c: char| is_visible(c) && c.is_alphanumeric() || matches!(c, ' ' | '\'' | '-');
    let length = name.chars().count();
    if !(1..=limits::GUEST_NAME).contains(&length) || !name.chars().all(allowed) {
        let message = format!(
            "a guest's name has 1 to {} letters, digits, spaces, apostrophes or hyphens",
            limits::GUEST_NAME
        );
        return Err(Refusal::new(Code::Invalid, message));
    }
    Ok(name.to_owned())
}

/// Letters by their category that are drawn as nothing: the Hangul fillers (Unicode, Default_Ignorable_Code_Point).
fn is_visible(c: char) -> bool {
    !matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}')
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
