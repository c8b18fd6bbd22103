//! One connection as the engine sees it, or a player that has lost its own.
//!
//! It is data and what follows from it alone; what becomes of it is decided elsewhere. The bytes and limits of its connection are
//! its [`Session`]'s.

use super::inboxes::Held;
use super::seats::Seat;
use crate::account::{TokenDigest, Username};
use crate::ids::GameId;
use crate::packet::Code;
use crate::session::{Phase, Session};
use crate::time::Time;
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
