//! What a WebSocket peer says: frames into packets, packets to the engine or to their game.
//!
//! A message passes, in this order: the right kind of frame, the rates, the envelope, the phase (who one is comes
//! first), then either the engine answers it (control packets) or its game gets it. What is told for each failure is
//! decided here and nowhere else.

use super::Engine;
use super::endings::Ending;
use super::events::Event;
use super::game::{Departure, Refusal};
use super::host::Taken;
use super::inboxes::Share;
use crate::ids::ConnId;
use crate::limits;
use crate::packet::{self, ClientControl, Code, Encoding, Envelope, Kind, ServerControl, Unreadable};
use crate::session::{Limited, Phase, Step};
use crate::time::Time;
use crate::websocket::{self, CloseCode, Connection, Declined, Role};

/// What is told where packets find no more room before the tick.
const BUSY: &str = "the server is busy";

/// How a player leaves whose client broke the rules of the WebSocket: that is no lost connection.
const BROKEN: Departure = Departure::Closed(Code::Malformed);

/// Why a packet does not wait for its game's next tick.
enum NotTaken {
    /// As many of its sender's wait as may.
    TooMany,
    /// There is no memory, or the game's inbox is full.
    Busy,
    Unreadable(Unreadable),
}

impl Engine {
    /// Decodes and acts on what came, until the input is used up or the peer is to be closed.
    pub(super) fn receive_frames(&mut self, conn: ConnId, mut input: &mut [u8], now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if !peer.session.phase().is_websocket() || peer.ending {
            return;
        }
        if let Some(held) = &mut peer.held_back {
            return held.input.extend_from_slice(input);
        }
        // Taken out, because its events lend from its memory while the session is needed to act on them.
        let blank = Connection::new(Role::Server, limits::MESSAGE_BEFORE_AUTH);
        let mut websocket = std::mem::replace(&mut peer.session.websocket, blank);
        let mut inflater = peer.session.deflate().map(|_| std::mem::take(&mut self.core.inflater));
        loop {
            // Bytes of a message that was compressed which are paid for already, or why it is not inflated.
            let (mut paid, mut declined) = (0, Ok(()));
            let event = match &mut inflater {
                None => websocket.next(&mut input).map(Ok),
                Some(inflater) => websocket.next_inflated_if(&mut input, inflater, |len| {
                    declined = self.pay_for_inflating(conn, len, now).map(|bytes| paid = bytes);
                    declined.is_ok()
                }),
            };
            let Some(event) = event else { break };
            match event {
                Ok(websocket::Event::Text(message)) => self.message(conn, Encoding::Json, message, paid, now),
                Ok(websocket::Event::Binary(message)) => {
                    self.message(conn, Encoding::Postcard, message, paid, now);
                }
                Err(Declined) => {
                    self.count_taken(conn);
                    self.limit(conn, None, declined, now);
                }
                Ok(websocket::Event::Ping(payload)) => self.answer_ping(conn, payload, now),
                Ok(websocket::Event::Pong(payload)) => self.take_pong(conn, payload, now),
                Ok(websocket::Event::Close(_)) => {
                    self.end_websocket(conn, &mut websocket, Departure::Quit, now)
                }
                Ok(websocket::Event::Error(error)) => {
                    log::debug!("{conn}: {error}");
                    self.end_websocket(conn, &mut websocket, BROKEN, now);
                }
            }
            if self.hold_back(conn, input) {
                break;
            }
            match self.core.peers.get(conn).filter(|peer| !peer.ending).map(|peer| peer.session.phase()) {
                Some(Phase::Auth) => {}
                // Whoever has just been let in may send larger messages from here on.
                Some(Phase::Playing) => websocket.set_max_message(self.core.settings.session.max_message),
                _ => break,
            }
        }
        if let Some(inflater) = inflater {
            self.core.inflater = inflater;
        }
        if let Some(peer) = self.core.peers.get_mut(conn) {
            // A Close frame that was queued meanwhile is in the blank one's state: nothing is sent after it either way.
            peer.session.websocket = websocket;
        }
    }

    /// Answers the peer's Close frame, or its mistake, and ends the session.
    fn end_websocket(&mut self, conn: ConnId, websocket: &mut Connection, departure: Departure, now: Time) {
        self.leave_game(conn, departure);
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        websocket.answer_close(None, peer.session.outbox.close());
        peer.session.step(Step::Finish, now);
    }

    fn answer_ping(&mut self, conn: ConnId, payload: &[u8], now: Time) {
        self.count_control(conn, now);
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let session = &mut peer.session;
        // RFC 6455 section 5.5.3: an endpoint that has not yet answered earlier pings "MAY elect to send a Pong frame
        // for only the most recently processed Ping frame"; a peer that does not read gets no more of them queued.
        if session.phase().is_websocket() && session.outbox.control().len() < limits::CONTROL_BYTES {
            session.websocket.pong(payload, None, session.outbox.control());
        }
    }

    /// A pong acknowledges what its ping named. One that answers no ping of ours counts like any control frame.
    fn take_pong(&mut self, conn: ConnId, payload: &[u8], now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        peer.session.heard_pong(now);
        let pong = peer.session.outbox.pong(payload);
        let is_playing = peer.session.phase() == Phase::Playing;
        if pong.names_a_batch && is_playing {
            self.confirm_token(conn);
        }
        if !pong.is_due {
            self.count_control(conn, now);
        }
    }

    fn count_control(&mut self, conn: ConnId, now: Time) {
        let rates = self.core.rates;
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if let Err(Limited { retry_after_ms, last: true }) = peer.session.take_control(&rates, now) {
            self.close_for(conn, Code::RateLimited, "too many control frames", Some(retry_after_ms), now);
        }
    }

    /// Has a compressed message of so many bytes paid for before it is inflated.
    fn pay_for_inflating(&mut self, conn: ConnId, len: usize, now: Time) -> Result<usize, Limited> {
        let rates = self.core.rates;
        self.core.peers.get_mut(conn).map_or(Ok(0), |peer| peer.session.take_compressed(len, &rates, now))
    }

    /// A message of a player came, whatever becomes of it.
    #[inline]
    fn count_taken(&mut self, conn: ConnId) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if peer.session.phase() != Phase::Playing {
            return;
        }
        peer.session.count_taken();
        if peer.seat.as_ref().is_some_and(|seat| seat.tokens.is_unconfirmed()) {
            self.confirm_token(conn);
        }
    }

    /// `paid`: bytes of it that have been asked for before it was inflated.
    fn message(&mut self, conn: ConnId, sent_as: Encoding, message: &[u8], paid: usize, now: Time) {
        let rates = self.core.rates;
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if peer.session.encoding != sent_as {
            // RFC 6455 section 7.4.1: 1003, "a type of data it cannot accept".
            self.leave_game(conn, BROKEN);
            return self.core.close_frame(
                conn,
                CloseCode::UNSUPPORTED,
                "wrong kind of frame for the subprotocol",
            );
        }
        let phase = peer.session.phase();
        let limited = peer.session.take_message(message.len().saturating_sub(paid), &rates, now);
        self.count_taken(conn);
        if phase == Phase::Playing
            && limited.is_ok()
            && let Some(usual) = packet::open_usual(sent_as, message)
            && self.take_game_packet(conn, &usual, message, now).is_ok()
        {
            return self.renew_by_packet(conn, now);
        }
        let envelope = match packet::open(sent_as, message) {
            Ok(envelope) => envelope,
            Err(_) if limited.is_err() => return self.limit(conn, None, limited, now),
            Err(unreadable) => return self.unreadable(conn, unreadable, now),
        };
        if limited.is_err() {
            return self.limit(conn, envelope.id, limited, now);
        }
        self.renew_by_packet(conn, now);
        match (phase, envelope.kind) {
            (_, Kind::Control) => self.control_packet(conn, &envelope, message, now),
            (Phase::Playing, Kind::Game) => self.game_packet(conn, &envelope, message, now),
            (_, Kind::Game) => self.refuse_unauthenticated(conn, envelope.id, now),
        }
    }

    fn refuse_unauthenticated(&mut self, conn: ConnId, id: Option<u32>, now: Time) {
        let refusal = Refusal::new(Code::Unauthenticated, "send auth_request first");
        self.refuse(conn, id, refusal, now);
    }

    fn control_packet(&mut self, conn: ConnId, envelope: &Envelope<'_>, message: &[u8], now: Time) {
        self.core.counters.received(None, envelope.variant::<ClientControl>());
        let packet = match envelope.control() {
            Ok(packet) => packet,
            Err(unreadable) => return self.unreadable(conn, unreadable, now),
        };
        let id = envelope.id;
        let window = self.core.settings.session.duplicate_window;
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let playing = peer.session.phase() == Phase::Playing;
        if playing && id.is_none() && peer.session.is_repeated(message, window, now) {
            self.core.counters.duplicates += 1;
            return;
        }
        match packet {
            ClientControl::AuthRequest(_) if playing => {
                let message = "this connection is authenticated already".to_owned();
                self.tell_error(conn, id, Code::Conflict, message, None);
            }
            ClientControl::AuthRequest(request) => self.authenticate(conn, id, request, now),
            ClientControl::Ping { time } if playing => {
                let server_time = self.core.wall_at(now).0;
                let pong = ServerControl::Pong { time, server_time, tick: self.core.tick.0 };
                self.core.tell(conn, id, &pong);
            }
            ClientControl::Disconnect { .. } => self.end(conn, Ending::Quit(id), now),
            _ => self.refuse_unauthenticated(conn, id, now),
        }
    }

    fn game_packet(&mut self, conn: ConnId, envelope: &Envelope<'_>, message: &[u8], now: Time) {
        let Err(refused) = self.take_game_packet(conn, envelope, message, now) else { return };
        let (code, text) = match refused {
            NotTaken::TooMany => (Code::RateLimited, "too many packets wait for the next tick"),
            NotTaken::Busy => (Code::Busy, BUSY),
            NotTaken::Unreadable(unreadable) => return self.unreadable(conn, unreadable, now),
        };
        let wait = self.core.settings.tick_rate.interval().as_millis() as u32;
        self.tell_error(conn, envelope.id, code, text.to_owned(), Some(wait));
    }

    /// Puts a packet before its game's next tick. Where it does not, nothing has happened.
    fn take_game_packet(
        &mut self,
        conn: ConnId,
        envelope: &Envelope<'_>,
        message: &[u8],
        now: Time,
    ) -> Result<(), NotTaken> {
        let window = self.core.settings.session.duplicate_window;
        let among = self.core.counters.players as usize;
        let budget = self.core.budget();
        let Some(peer) = self.core.peers.get_mut(conn) else { return Ok(()) };
        let (Some(game), Some(seat)) = (peer.game, &peer.seat) else { return Ok(()) };
        let from = seat.sender(conn, peer.session.encoding);
        if peer.inbox_is_full() {
            return Err(NotTaken::TooMany);
        }
        if !budget.has_room(peer.accounted, message.len()) {
            return Err(NotTaken::Busy);
        }
        let share = Share { own: peer.held.packets as usize, among };
        let host = &mut self.hosts[usize::from(game.0)];
        let session = &mut peer.session;
        match host.receive(from, envelope, share, &mut || session.is_repeated(message, window, now)) {
            Ok((Taken::Queued, variant)) => {
                self.core.hold(conn, 1, message.len());
                self.core.counters.received(Some(game), variant);
                self.core.observe(|| Event::MessageReceived { player: from.player, bytes: message.len() });
            }
            Ok((Taken::Duplicate, _)) => self.core.counters.duplicates += 1,
            Ok((Taken::Full, _)) => return Err(NotTaken::Busy),
            Err(unreadable) => return Err(NotTaken::Unreadable(unreadable)),
        }
        Ok(())
    }

    /// A packet that could not be read: its sender is told what is wrong with it, and closed after too many that were no
    /// packets at all.
    fn unreadable(&mut self, conn: ConnId, unreadable: Unreadable, now: Time) {
        let malformed = unreadable.code == Code::Malformed;
        self.core.counters.refused(unreadable.code);
        self.core.tell(conn, unreadable.id, &ServerControl::from(unreadable));
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if malformed && peer.session.count_malformed() {
            self.close_for(conn, Code::Malformed, "too many messages that are no packets", None, now);
        }
    }

    /// A packet that came too soon: dropped and told so, and after too many in a row the connection is closed.
    fn limit(&mut self, conn: ConnId, id: Option<u32>, limited: Result<(), Limited>, now: Time) {
        let Err(Limited { retry_after_ms, last }) = limited else { return };
        self.core.counters.refused(Code::RateLimited);
        let message = "more messages than message_rate allows".to_owned();
        self.tell_error(conn, id, Code::RateLimited, message, Some(retry_after_ms));
        if last {
            self.close_for(conn, Code::RateLimited, "too many messages", Some(retry_after_ms), now);
        }
    }

    /// Closes a peer for what it sent, when what it had sent before is answered.
    fn close_for(
        &mut self,
        conn: ConnId,
        code: Code,
        message: &'static str,
        retry_after_ms: Option<u32>,
        now: Time,
    ) {
        self.end(conn, Ending::Closed { code, message, retry_after_ms }, now);
    }

    fn tell_error(
        &mut self,
        conn: ConnId,
        id: Option<u32>,
        code: Code,
        message: String,
        retry_after_ms: Option<u32>,
    ) {
        self.core.tell(conn, id, &ServerControl::Error { code, message, retry_after_ms });
    }
}
