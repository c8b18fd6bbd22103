//! What is due: deadlines without a timer heap.
//!
//! Every tick looks at a slice of the peers, so that all of them are seen [`PASSES_PER_SECOND`] times a second; a
//! deadline is kept to within one pass. Where very many are to be ended at once (a crowd that connected together and said
//! nothing), the slice stops early and the next tick goes on: a tick stays short.

use super::Engine;
use super::delivery::SLOW;
use super::game::Refusal;
use super::routes;
use crate::http;
use crate::ids::ConnId;
use crate::limits;
use crate::packet::Code;
use crate::session::{Due, Step};
use crate::time::Time;

/// How often a second everybody is looked at.
const PASSES_PER_SECOND: u32 = 4;

impl Engine {
    /// Looks at the next slice of peers.
    pub(super) fn sweep(&mut self, now: Time) {
        let slots = self.core.peers.slots();
        let ticks_per_pass = (self.core.settings.tick_rate.hz() / PASSES_PER_SECOND).max(1);
        let mut endings = 0;
        for _ in 0..slots.div_ceil(ticks_per_pass) {
            if endings == limits::ENDINGS_PER_TICK {
                break;
            }
            let slot = self.sweep_from;
            self.sweep_from = if slot + 1 >= slots { 0 } else { slot + 1 };
            if self.sweep_from == 0 {
                self.allowances.sweep(now);
            }
            let settings = &self.core.settings.session;
            let Some((conn, peer)) = self.core.peers.at_mut(slot) else { continue };
            let due = peer.session.due(settings, now);
            self.core.account(conn);
            self.end_if_expired(conn, now);
            if let Some(due) = due {
                endings += usize::from(due != Due::Ping);
                self.act_on(conn, due, now);
            }
        }
    }

    fn act_on(&mut self, conn: ConnId, due: Due, now: Time) {
        match due {
            Due::HeadTimeout => self.end_http(conn, Some(http::Error::Timeout), now),
            Due::HttpIdle => self.end_http(conn, None, now),
            Due::AnswerTimeout => self.give_up_answer(conn, now),
            // It has said who it is; whether that is true is being found out.
            Due::AuthTimeout if self.is_held_back(conn) => {}
            Due::AuthTimeout => {
                let refusal = Refusal::new(Code::AuthTimeout, "auth_request did not come in time");
                self.refuse(conn, None, refusal, now);
            }
            Due::IdleTimeout => self.close(conn, Code::IdleTimeout, "nothing came for too long", None, now),
            Due::Slow => {
                self.close(conn, Code::SlowConsumer, SLOW, None, now);
            }
            Due::Ping => self.heartbeat(conn, now),
            Due::GraceOver => self.give_up(conn),
            Due::Abandon => self.abandon(conn),
        }
    }

    /// Ends a connection that speaks HTTP, with a last answer where there is an error to tell.
    pub(super) fn end_http(&mut self, conn: ConnId, error: Option<http::Error>, now: Time) {
        let exchange = http::Exchange::last(self.core.wall_at(now));
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if let Some(error) = error {
            routes::error_of(error).write(exchange, peer.session.outbox.control());
        }
        peer.session.step(Step::Finish, now);
        self.core.call_attention(conn);
    }

    /// Asks a quiet peer whether it is there. RFC 6455 section 5.5.2: a Ping may serve as a keepalive.
    fn heartbeat(&mut self, conn: ConnId, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.session.outbox.ping(now);
        self.core.call_attention(conn);
    }
}
