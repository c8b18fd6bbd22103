//! Players of accounts who come back after the server was stopped and started again.
//!
//! At a stop the tokens of accounts' players are kept with what else is saved, and those of whoever has not come back since the stop
//! before, as long as their time is not over. The next server takes each for one who **survived**, and gives it its place
//! again: as the player that it was, in a session that is new.
//!
//! Until the client has shown that it has heard so, its token says the same again: the place that it was given is taken
//! back, and given once more. What it has seen and sent it counts from before the stop, so that it could not go on with
//! what it was not told of.

use super::Engine;
use super::game::{Refusal, Roster};
use super::resuming::expired;
use super::seats::{Owner, is_character};
use super::tokens::{SeatTokens, Survivor};
use crate::account::{Change, Record, RecordId, Reply, Request, TokenDigest, Username};
use crate::ids::{AccountId, ConnId, GameId, PlayerId};
use crate::time::{Time, WallMs};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Under which game's name the engine keeps what is its own: no game has it, for it is no lower-case word.
const OWN: &str = "(engine)";
/// Where it keeps the tokens that are to outlive a stop.
const RESUMABLE: &str = "resumable";
/// The version of what stands there.
const VERSION: u32 = 1;

/// A token that outlived its server, as it is kept under its digest.
#[derive(Serialize, Deserialize)]
struct KeptToken {
    game: String,
    account: AccountId,
    /// Absent in what an earlier release kept.
    #[serde(default)]
    player: Option<PlayerId>,
    name: String,
    login: Option<String>,
    /// Absent in what an earlier release kept.
    #[serde(default)]
    ip: Option<IpAddr>,
    expires: WallMs,
}

/// What somebody brings along who was here before a restart.
#[derive(Debug)]
pub(super) struct Back {
    /// Who it was, be it in the lobby; `None`: that was not kept.
    player: Option<PlayerId>,
    /// The token that it came with.
    used: TokenDigest,
    /// What may have been told since.
    tokens: SeatTokens,
}

impl Back {
    /// The tokens of its seat, of which `newest` is told now.
    pub(super) fn renew(mut self, newest: Option<TokenDigest>) -> SeatTokens {
        self.tokens.begin_anew(self.used, newest);
        self.tokens
    }

    /// Who it was.
    pub(super) fn player(&self) -> Option<PlayerId> {
        self.player
    }
}

impl Engine {
    // -------------------------------------------------------------------------------------------------- coming back

    /// The player of an account comes back that was here before the server was stopped.
    ///
    /// # Errors
    /// `session_expired`, whatever is wrong with the token; else as of [`Engine::seat_account`].
    pub(super) fn come_back(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        game: GameId,
        used: TokenDigest,
        now: Time,
    ) -> Result<(), Refusal> {
        let wall = self.core.wall_at(now);
        let survivor = self.tokens.survivor(used, game, wall).cloned().ok_or_else(expired)?;
        let Survivor { account, player, name, login, .. } = survivor;
        if login.is_some_and(|digest| self.accounts.logins.find(digest, wall).is_none()) {
            return Err(expired());
        }
        self.admit_as_anybody(conn)?;
        if let Some(digest) = login {
            self.renew(digest, now, now);
        }
        let back = Back { player, used, tokens: SeatTokens::new(Some(used)) };
        self.seat_account(conn, id, Owner { account, name, digest: login }, Some(back), now)
    }

    /// The same once more, for it has not heard the answer: its player lingers, and is replaced.
    pub(super) fn come_back_again(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        lingering: ConnId,
        used: TokenDigest,
        now: Time,
    ) -> Result<(), Refusal> {
        let peer = self.core.peers.get_mut(lingering).ok_or_else(expired)?;
        let seat = peer.seat.as_mut().ok_or_else(expired)?;
        let owner = seat.owner.as_deref().cloned().ok_or_else(expired)?;
        let player = Some(seat.player);
        self.tokens.void(&seat.tokens);
        let back = Back { player, used, tokens: std::mem::take(&mut seat.tokens) };
        self.replace(lingering, now);
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.over_limit = false;
        }
        self.seat_account(conn, id, owner, Some(back), now)
    }

    /// Whom an account plays as that comes in: where it comes back, as who it was while its game still lists that one;
    /// else as whom its game says. `None`: it comes into the lobby. Nobody who comes back takes the place of another who
    /// is here, or who may come back too.
    pub(super) fn whom(
        &self,
        game: GameId,
        roster: &Roster,
        was: Option<PlayerId>,
    ) -> Option<(PlayerId, String)> {
        let chosen = roster.enters.clone().filter(|(player, _)| is_character(*player));
        let Some(was) = was else { return chosen };
        if chosen.as_ref().is_some_and(|(player, _)| *player == was) {
            return chosen;
        }
        let listed = roster.characters.iter().find(|character| character.id == was.0);
        let is_free =
            |player| !self.seated.contains_key(&(game, player)) && !self.tokens.awaits(game, player);
        match listed.filter(|_| is_character(was)) {
            Some(character) => Some((was, character.name.clone())),
            None => chosen.filter(|(player, _)| is_free(*player)),
        }
    }

    // ------------------------------------------------------------------------------------------------------- a stop

    /// Keeps the tokens of an account's player, which is about to end because the server stops.
    pub(super) fn keep_tokens(&mut self, conn: ConnId) {
        // Who has said goodbye already does not come back.
        let Some(peer) = self.core.peers.get(conn).filter(|peer| !peer.ending) else { return };
        let (Some(game), Some(seat)) = (peer.game, &peer.seat) else { return };
        let Some(owner) = &seat.owner else { return };
        let grace = u64::from(self.resume_grace_ms());
        let survivor = Survivor {
            game,
            account: owner.account,
            player: Some(seat.player),
            name: owner.name.clone(),
            login: owner.digest,
            ip: Some(peer.ip),
            expires: WallMs(self.core.wall_at(self.core.now).0.saturating_add(grace)),
        };
        for token in seat.tokens.valid().collect::<Vec<_>>() {
            self.keep_token(token, &survivor);
        }
    }

    /// Keeps the tokens of those who have not come back since the stop before: their time runs on.
    pub(super) fn keep_survivors(&mut self) {
        let wall = self.core.wall_at(self.core.now);
        for (token, survivor) in self.tokens.survivors(wall) {
            self.keep_token(token, &survivor);
        }
    }

    fn keep_token(&mut self, token: TokenDigest, survivor: &Survivor) {
        let kept = KeptToken {
            game: self.core.names[usize::from(survivor.game.0)].to_owned(),
            account: survivor.account,
            player: survivor.player,
            name: survivor.name.to_string(),
            login: survivor.login.map(written),
            ip: survivor.ip,
            expires: survivor.expires,
        };
        self.core.save(RecordId::new(OWN, RESUMABLE, written(token)), VERSION, &kept);
    }

    // ------------------------------------------------------------------------------------------------------ a start

    /// Asks for the tokens that outlived the last stop: handed to storage before anybody comes, and the reply to
    /// [`Engine::load_tokens`].
    pub fn token_request() -> Request {
        Request::Records { game: OWN, collection: RESUMABLE.to_owned(), prefix: String::new() }
    }

    /// Takes the tokens that outlived the last stop. What storage is to do then: they are good for one start.
    pub fn load_tokens(&mut self, reply: Reply) -> Option<Request> {
        let Reply::Records(records) = reply else { return None };
        let delete =
            |record: &Record| Change::Delete { id: RecordId::new(OWN, RESUMABLE, record.key.clone()) };
        let changes: Vec<Change> = records.iter().map(delete).collect();
        for record in records {
            // One that cannot be read was written by a later release, or by hand: its player logs in again.
            match self.read_kept(&record) {
                Some((token, survivor)) if !self.is_banned(&survivor) => {
                    self.pass_over_in_lobby(survivor.player);
                    self.tokens.keep_survivor(token, survivor);
                }
                _ => {}
            }
        }
        (!changes.is_empty()).then_some(Request::Write { changes, events: Vec::new() })
    }

    /// Nobody gets the id in the lobby of somebody who may come back: by that it is known which tokens are one player's.
    fn pass_over_in_lobby(&mut self, player: Option<PlayerId>) {
        if let Some(player) = player.filter(|player| player.is_in_lobby()) {
            self.next_in_lobby = self.next_in_lobby.max(player.0.saturating_add(1));
        }
    }

    /// Whether a ban came to hold when the player was gone already.
    fn is_banned(&self, survivor: &Survivor) -> bool {
        let now = self.core.now;
        let from_there = survivor.ip.is_some_and(|ip| self.core.peers.admit_request(ip, now).is_err());
        from_there || self.account_ban(&survivor.name, now).is_some()
    }

    fn read_kept(&self, record: &Record) -> Option<(TokenDigest, Survivor)> {
        let kept: KeptToken = record.value.read().ok().filter(|_| record.version == VERSION)?;
        let game = self.core.names.iter().position(|name| *name == kept.game)?;
        let login = match &kept.login {
            Some(text) => Some(read(text)?),
            None => None,
        };
        let survivor = Survivor {
            game: GameId(game as u16),
            account: kept.account,
            player: kept.player,
            name: Username::new(&kept.name).ok()?,
            login,
            ip: kept.ip,
            expires: kept.expires,
        };
        Some((read(&record.key)?, survivor))
    }
}

fn written(digest: TokenDigest) -> String {
    URL_SAFE_NO_PAD.encode(digest.0)
}

fn read(text: &str) -> Option<TokenDigest> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok().map(TokenDigest)
}
