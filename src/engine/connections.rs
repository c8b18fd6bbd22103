//! Connections as whoever drives the engine sees them: bytes come and go, they end. How they begin is in `admission`.
//!
//! Every call about a connection is answered by a [`Next`]; an id that is no more answers [`Next::Abort`] and does no
//! harm.

use super::Engine;
use super::delivery::SLOW;
use super::events::Event;
use super::game::Departure;
use super::inboxes::Held;
use crate::ids::ConnId;
use crate::outgoing::{Next, Outgoing};
use crate::packet::Code;
use crate::session::outbox::Stamp;
use crate::session::{Phase, Step};
use crate::time::Time;

impl Engine {
    /// Bytes came from a peer; all of them are used. What can be answered at once goes out at once.
    pub fn receive(&mut self, conn: ConnId, input: &mut [u8], out: &mut impl Outgoing, now: Time) -> Next {
        self.core.now = now;
        self.core.counters.bytes_in += input.len() as u64;
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        peer.session.heard(now);
        self.take_in(conn, input, out, now);
        self.flush(conn, out, now)
    }

    /// Acts on bytes in whatever way the peer speaks: HTTP, then perhaps WebSocket.
    fn take_in(&mut self, conn: ConnId, mut input: &mut [u8], out: &mut impl Outgoing, now: Time) {
        if self.core.peers.get(conn).is_some_and(|peer| peer.session.phase() == Phase::Http) {
            let used = self.receive_http(conn, input, out, now);
            input = &mut input[used..];
        }
        self.receive_frames(conn, input, now);
        self.core.account(conn);
        self.keep_budget(now);
        self.close_doomed(now);
    }

    /// The peer ended its direction of the stream. What it has not yet been sent, it may still read.
    pub fn end_of_stream(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.core.now = now;
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        if peer.session.phase().is_websocket() {
            self.lose(conn, Departure::Lost, false);
        }
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.step(Step::Finish, now);
        }
        self.flush(conn, out, now)
    }

    /// The connection is no more: the last call for its id.
    pub fn disconnect(&mut self, conn: ConnId, now: Time) {
        self.core.now = now;
        self.lose(conn, Departure::Lost, false);
        let Some(peer) = self.core.remove(conn) else { return };
        if peer.held != Held::default() {
            self.leave_behind(conn, peer.game, peer.held);
        }
        self.refusing -= usize::from(peer.refused);
        if peer.game.is_some() {
            self.core.observe(|| Event::ClientDisconnected { conn, code: peer.closed });
        }
        self.tell_stopped();
    }

    /// The next connection that has something to send, or about which the answer changed.
    pub fn attention(&mut self) -> Option<ConnId> {
        let conn = self.core.attention.pop_front()?;
        self.core.look_ahead();
        // Here and nowhere else: whoever is written to out of turn keeps its place, or it would stand in line twice.
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.queued = false;
        }
        Some(conn)
    }

    /// Writes what waits for a peer, as much as it takes.
    pub fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        loop {
            let next = self.write(conn, out, now);
            // Pipelined requests go on where the answers before them have all been taken.
            let mut backlog = match (next, self.core.peers.get_mut(conn)) {
                (Next::Read, Some(peer)) => peer.session.take_backlog(),
                _ => return next,
            };
            if backlog.is_empty() {
                return next;
            }
            self.take_in(conn, &mut backlog, out, now);
        }
    }

    pub(super) fn write(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        let core = &mut self.core;
        let Some(peer) = core.peers.get_mut(conn) else { return Next::Abort };
        if peer.session.outbox.is_at_rest() {
            // Most of what comes in is answered by the tick.
            return self.next(conn, true);
        }
        let time = core.wall_at(now);
        let Some(peer) = core.peers.get_mut(conn) else { return Next::Abort };
        let stamp = Stamp {
            tick: core.tick,
            time,
            now,
            encoding: peer.session.encoding,
            deflate: peer.session.deflate(),
        };
        let limit = core.settings.session.outbox_limit;
        let waited = peer.session.outbox.waiting();
        let flushed = peer.session.outbox.flush(stamp, limit, out, &mut core.scratch);
        let is_over = flushed.left > limit && !flushed.is_cut && peer.session.phase().is_websocket();
        self.core.counters.bytes_out += flushed.bytes as u64;
        self.core.counters.batches += u64::from(flushed.batches);
        self.core.account(conn);
        self.core.counters.flushed(waited);
        if flushed.bytes > 0 {
            self.core.observe(|| Event::MessageSent { conn, bytes: flushed.bytes });
        }
        if flushed.caught_up {
            self.tell_caught_up(conn);
        }
        if flushed.is_cut {
            self.core.call_attention(conn);
        }
        if is_over {
            self.close(conn, Code::SlowConsumer, SLOW, None, now);
        }
        // What a peer did not take is held from here on, by it or by whoever holds more.
        self.keep_budget(now);
        self.next(conn, flushed.drained)
    }

    fn next(&mut self, conn: ConnId, drained: bool) -> Next {
        let Some(peer) = self.core.peers.get_mut(conn) else { return Next::Abort };
        match peer.session.phase() {
            _ if peer.abandoned => Next::Abort,
            Phase::Playing if peer.ending => Next::Pause,
            Phase::Closing if drained => Next::Finish,
            // No driver knows it.
            Phase::Lingering => Next::Abort,
            // A peer that does not take its answers may not ask for more of them.
            Phase::Closing | Phase::Http if !drained => Next::Pause,
            Phase::Http if peer.session.is_unanswered() => Next::Pause,
            Phase::Auth if peer.held_back.is_some() => Next::Pause,
            Phase::Playing if peer.inbox_is_full() => {
                if !peer.paused {
                    peer.paused = true;
                    self.paused.push(conn);
                }
                Next::Pause
            }
            _ => Next::Read,
        }
    }
}
