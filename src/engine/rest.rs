//! Requests whose answers come later: out of a tick, or when storage has answered.
//!
//! Such a request waits in its session, with what has to be known to answer it; its connection is not read meanwhile, so that
//! pipelined requests are answered in their order and nobody has two under way. Whoever finds out the answer calls
//! [`Engine::answer_later`]; where the peer has gone, or waited too long and was told so, nothing happens.

use super::Engine;
use super::game::Refusal;
use super::routes;
use crate::http::{Exchange, Request, Response};
use crate::ids::ConnId;
use crate::packet::Code;
use crate::session::{Phase, Unanswered};
use crate::time::Time;

impl Engine {
    /// The answer to this request comes later.
    pub(super) fn expect_answer(&mut self, conn: ConnId, request: &Request, exchange: Exchange) {
        let leave = self.origins.leave(request);
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.answer_later(Unanswered { exchange, leave });
        }
    }

    /// Keeps what came behind a request that is not answered yet. False where there is none such.
    pub(super) fn keep_for_later(&mut self, conn: ConnId, rest: &[u8]) -> bool {
        let Some(peer) = self.core.peers.get_mut(conn) else { return false };
        let waits = peer.session.is_unanswered();
        if waits {
            peer.session.put_back(rest);
        }
        waits
    }

    /// Answers the request that a connection waits for.
    pub(super) fn answer_later(&mut self, conn: ConnId, response: Response, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if peer.session.phase() != Phase::Http {
            return;
        }
        let Some(Unanswered { exchange, leave }) = peer.session.take_unanswered() else { return };
        peer.session.request_moved_on(now);
        let exchange = Exchange { wall: self.core.wall_at(now), ..exchange };
        self.answer(conn, exchange, &leave.give(response), now);
        self.core.account(conn);
        self.core.call_attention(conn);
    }

    /// Tells a peer whose answer takes too long that it does. It is the connection's last, so that the answer cannot come
    /// behind it as that of another request.
    pub(super) fn give_up_answer(&mut self, conn: ConnId, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if let Some(unanswered) = peer.session.unanswered() {
            unanswered.exchange = unanswered.exchange.closing();
        }
        let refusal = Refusal::new(Code::Busy, "the answer takes too long").retry_after(routes::BUSY_MS);
        self.answer_later(conn, routes::response_of(&refusal), now);
    }
}
