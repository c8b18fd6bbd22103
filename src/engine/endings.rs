//! How connections and the whole server end: in words where there is somebody to read them.
//!
//! A peer is closed with one of the contract's codes, its game hears of it in the next tick, and its name is free at
//! once. Only a peer that takes not even its goodbye, or holds what the budget cannot spare, is cut.

use super::Engine;
use super::events::Event;
use super::game::Departure;
use crate::ids::ConnId;
use crate::packet::{Code, ServerControl};
use crate::session::{Phase, Step};
use crate::time::Time;
use crate::websocket::CloseCode;

/// How a player ends that may not speak any more but is still to hear what its last packets come to.
#[derive(Debug)]
pub(super) enum Ending {
    /// It said goodbye, with this `id`.
    Quit(Option<u32>),
    /// It broke a rule of the wire.
    Closed { code: Code, message: &'static str, retry_after_ms: Option<u32> },
}

impl Engine {
    /// Ends a peer by what it sent itself: at once, or where packets of it wait for the tick, when that has answered
    /// them. The contract promises each packet with an `id` one reply.
    pub(super) fn end(&mut self, conn: ConnId, ending: Ending, now: Time) {
        match self.core.peers.get_mut(conn) {
            Some(peer) if peer.has_inputs() => {
                peer.ending = true;
                self.ending.push((conn, ending));
            }
            _ => self.end_now(conn, ending, now),
        }
    }

    fn end_now(&mut self, conn: ConnId, ending: Ending, now: Time) {
        match ending {
            Ending::Closed { code, message, retry_after_ms } => {
                self.close(conn, code, message, retry_after_ms, now);
            }
            Ending::Quit(id) => {
                if id.is_some() {
                    self.core.tell(conn, id, &ServerControl::Ok);
                }
                self.leave_game(conn, Departure::Quit);
                self.core.close_frame(conn, CloseCode::NORMAL, "");
            }
        }
    }

    /// Ends those whose last packets have been answered.
    pub(super) fn end_answered(&mut self, now: Time) {
        for (conn, ending) in std::mem::take(&mut self.ending) {
            // Of somebody in the line they wait longer than one tick.
            if self.core.peers.get(conn).is_some_and(|peer| peer.has_inputs()) {
                self.ending.push((conn, ending));
            } else {
                self.end_now(conn, ending, now);
            }
        }
    }

    /// Begins to stop: everybody is told, nobody is let in any more. A request that has begun to come is still answered.
    pub fn drain(&mut self, now: Time) {
        self.core.now = now;
        self.draining = true;
        self.keep_survivors();
        let all: Vec<(ConnId, Phase)> = self.core.peers.iter().map(|(c, p)| (c, p.session.phase())).collect();
        for (conn, phase) in all {
            match phase {
                Phase::Auth | Phase::Playing | Phase::Lingering => {
                    self.keep_tokens(conn);
                    self.close(conn, Code::Shutdown, "the server is stopping", None, now);
                }
                Phase::Http => self.finish_idle(conn, now),
                Phase::Closing => {}
            }
        }
        self.tell_stopped();
    }

    /// Ends a connection that is between two requests.
    fn finish_idle(&mut self, conn: ConnId, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if !peer.session.is_unanswered() && peer.session.http().is_none_or(|http| http.is_idle()) {
            peer.session.step(Step::Finish, now);
            self.core.call_attention(conn);
        }
    }

    /// Whoever is still connected is no more: for a stop that has waited long enough.
    pub fn cut_off(&mut self, now: Time) {
        let left: Vec<ConnId> = self.core.peers.iter().map(|(conn, _)| conn).collect();
        for conn in left {
            self.disconnect(conn, now);
        }
    }

    /// Has the observer hear, once, that a draining engine has said goodbye to everybody.
    pub(super) fn tell_stopped(&mut self) {
        if self.draining && self.core.peers.is_empty() && !std::mem::replace(&mut self.stopped, true) {
            self.core.observe(|| Event::Stopped);
        }
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        self.core.peers.is_empty()
    }

    /// Closes a peer with one of the contract's codes: `disconnect`, Close, and its game hears of it.
    pub fn close(&mut self, conn: ConnId, code: Code, message: &str, retry_after_ms: Option<u32>, now: Time) {
        self.core.now = now;
        if code.close_code().is_none() {
            return;
        }
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let phase = peer.session.phase();
        match phase {
            // It has been told another reason, or has left by itself.
            Phase::Closing => return,
            Phase::Lingering => return self.end_lingering(conn, Departure::Closed(code)),
            Phase::Http | Phase::Auth | Phase::Playing => {}
        }
        peer.closed = Some(code);
        if phase == Phase::Http {
            peer.session.step(Step::Finish, now);
            self.core.call_attention(conn);
        }
        match code {
            // The contract's lost connections, beside those that end without a word.
            Code::IdleTimeout | Code::SlowConsumer => self.lose(conn, Departure::Closed(code), true),
            _ => self.leave_game(conn, Departure::Closed(code)),
        }
        self.core.say_goodbye(conn, code, message, retry_after_ms);
    }

    /// Has the game hear that a player is gone, and gives its name back. Nothing for somebody who never played.
    pub(super) fn leave_game(&mut self, conn: ConnId, departure: Departure) {
        let now = self.core.now;
        self.keep_allowance(conn, now);
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let (Some(game), Some(seat)) = (peer.game, peer.seat.take()) else { return };
        let from = seat.sender(conn, peer.session.encoding);
        self.tokens.void(&seat.tokens);
        if from.waits {
            self.core.release(conn);
        }
        self.core.realm_mut(game).release_name(&seat.name);
        self.core.counters.players -= u64::from(!seat.player.is_in_lobby());
        self.vacate(game, conn, &seat, now);
        self.hosts[usize::from(game.0)].leave(from, departure);
    }

    pub(super) fn tell_caught_up(&mut self, conn: ConnId) {
        let Some(peer) = self.core.peers.get(conn) else { return };
        let (Some(game), Some(seat)) = (peer.game, &peer.seat) else { return };
        let from = seat.sender(conn, peer.session.encoding);
        self.hosts[usize::from(game.0)].caught_up(from);
    }

    /// Closes those that came over a limit while packets were handed out.
    pub(super) fn close_doomed(&mut self, now: Time) {
        for (conn, code, message) in self.core.take_doomed() {
            self.close(conn, code, &message, None, now);
        }
    }

    /// Keeps the budget: what is only kept for resumes goes first, then whoever holds the most is closed.
    pub(super) fn keep_budget(&mut self, now: Time) {
        while self.core.memory() > self.core.settings.memory_limit {
            self.core.trim_replays();
            if self.core.memory() <= self.core.settings.memory_limit {
                return;
            }
            let Some(conn) = self.core.largest() else { return };
            self.core.fail(format!("memory_limit is reached: closing {conn}, which holds the most"));
            let Some(peer) = self.core.peers.get_mut(conn) else { return };
            // In the middle of a frame there is nothing that can be said, and who has been told already is cut: so each
            // peer is met twice at the most, and a goodbye is all that any of them keeps.
            let can_be_told = peer.session.phase().is_websocket() && !peer.session.outbox.is_mid_frame();
            let game = peer.game;
            if peer.has_inputs() {
                // What was taken is not acted on.
                peer.session.outbox.lose();
            }
            if can_be_told {
                peer.session.make_room();
                peer.held_back = None;
            }
            self.forget(conn, game);
            self.close(conn, Code::SlowConsumer, "the server is out of memory for you", None, now);
            self.core.account(conn);
            if !can_be_told {
                self.abandon(conn);
            }
        }
    }

    /// Cuts a peer without more words, and lets go of what it holds.
    pub(super) fn abandon(&mut self, conn: ConnId) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.abandoned = true;
        peer.session.let_go();
        peer.held_back = None;
        self.core.account(conn);
        self.core.call_attention(conn);
    }
}
