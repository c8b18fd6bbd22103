//! Who asked, for an answer that is given later: when the disk has reported, say.
//!
//! An [`Asker`] is taken once from what is being handled and used up by its answer: nothing can be answered twice. Whoever
//! is gone by then, or has come anew under the same id, is not answered; whoever asked in the lobby and plays by then, is.

use super::core::Core;
use super::game::{Game, Refusal, To};
use super::routes;
use crate::http::Response;
use crate::ids::{ConnId, GameId, PlayerId};
use crate::packet::{Kind, ServerControl};
use serde::Serialize;

/// Whom an answer is owed: the sender of a packet, or of a request over HTTP.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "whoever asked waits for an answer"]
pub struct Asker(pub(super) Asked);

/// How somebody asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody did, or has been answered.
    Nobody,
    /// With a packet and its `id`, on that visit of the player's; `None` while it is being handled: the present one.
    Packet { player: PlayerId, visit: Option<u64>, id: Option<u32> },
    /// Over HTTP; `None` in a replay, where nobody listens.
    Call(Option<ConnId>),
}

impl Asker {
    /// Somebody whom no answer reaches.
    pub fn nobody() -> Asker {
        Asker(Asked::Nobody)
    }

    /// Somebody who stands in a test's own books.
    #[cfg(test)]
    pub(crate) fn for_test(is_call: bool) -> Asker {
        let packet = Asked::Packet { player: PlayerId(0), visit: None, id: None };
        Asker(if is_call { Asked::Call(None) } else { packet })
    }

    /// Whether it asked over HTTP.
    pub fn is_call(&self) -> bool {
        matches!(self.0, Asked::Call(_))
    }
}

impl Core {
    /// Answers with a packet of the game's; nothing for a request over HTTP.
    pub(super) fn answer_packet<G: Game>(&mut self, game: GameId, to: Asked, packet: &G::Out) {
        match to {
            Asked::Packet { player, visit, id } => {
                if let Some(player) = self.asker_now(game, player, visit) {
                    self.send::<G>(game, To::Player(player), id, packet);
                }
            }
            Asked::Call(_) | Asked::Nobody => {}
        }
    }

    /// Answers that it is done: `ok` to a packet that carried an `id`, 204 to a request.
    pub(super) fn answer_done(&mut self, game: GameId, to: Asked) {
        match to {
            Asked::Packet { id: Some(_), .. } => self.answer_control(game, to, &ServerControl::Ok),
            Asked::Call(conn) => self.answer_call(conn, Response::new(204)),
            Asked::Packet { id: None, .. } | Asked::Nobody => {}
        }
    }

    /// Answers that it is refused.
    pub(super) fn answer_refusal(&mut self, game: GameId, to: Asked, refusal: Refusal) {
        match to {
            Asked::Packet { .. } => {
                let Refusal { code, message, retry_after_ms } = refusal;
                self.answer_control(game, to, &ServerControl::Error { code, message, retry_after_ms });
            }
            Asked::Call(conn) => self.answer_call(conn, routes::response_of(&refusal)),
            Asked::Nobody => {}
        }
    }

    /// Answers a request over HTTP with JSON.
    pub(super) fn answer_json<T: Serialize + ?Sized>(&mut self, to: Asked, status: u16, value: &T) {
        if let Asked::Call(conn) = to {
            self.answer_call(conn, Response::new(status).json(value));
        }
    }

    fn answer_control(&mut self, game: GameId, to: Asked, packet: &ServerControl) {
        if let Asked::Packet { player, visit, id } = to
            && let Some(player) = self.asker_now(game, player, visit)
        {
            self.send_packet(game, To::Player(player), Kind::Control, id, packet);
        }
    }

    fn answer_call(&mut self, conn: Option<ConnId>, response: Response) {
        self.answers.extend(conn.map(|conn| (conn, response)));
    }

    /// Who asked, as it is there now: on the same visit, though it may have come out of the lobby since.
    fn asker_now(&self, game: GameId, player: PlayerId, visit: Option<u64>) -> Option<PlayerId> {
        visit.map_or(Some(player), |visit| self.realm(game).now(player, visit))
    }
}
