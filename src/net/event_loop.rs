//! The loop itself: one turn after the other, each the same numbered steps.

use super::calls::Calls;
use super::clock::Clock;
use super::linger::Linger;
use super::listener::{Accepted, Listener};
use super::settings::Settings;
use super::socket::{MAX_SLOT, Phase, Sockets, token};
use super::transport::{Received, Transport};
use super::waker::Waker;
use super::{Control, Next, Service};
use crate::ids::ConnId;
use crate::limits::{ACCEPT_BURST, LINGER_BYTES, READ_BUDGET_PEER, READ_BUDGET_TURN, RECEIVE_BUFFER};
use crate::time::Time;
use mio::net::TcpStream;
use mio::{Events, Poll, Token};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// Events taken from the system at once.
const EVENTS: usize = 1024;
/// Sockets served between two looks at the clock: a tick that comes due is at most so many reads late.
const SERVED_PER_LOOK: usize = 32;

/// Owns the listener, all sockets and the poll, and drives a [`Service`].
pub struct EventLoop {
    poll: Poll,
    events: Events,
    listener: Option<Listener>,
    local: SocketAddr,
    settings: Settings,
    clock: Clock,
    waker: Waker,
    sockets: Sockets,
    linger: Linger,
    /// What every socket is read into.
    buffer: Box<[u8]>,
    /// Somebody may want attention: the last flush was cut, or the service was called after it.
    attention_left: bool,
    /// A tick's flush is under way.
    flushing: bool,
    calls: Calls,
}

impl EventLoop {
    /// Binds to `address` (port 0: a free one) and listens. Nobody is accepted before [`EventLoop::run`].
    ///
    /// # Errors
    /// What the system says about the address (in use, not this machine's, forbidden) or about its own lack of
    /// descriptors.
    pub fn bind(address: SocketAddr, settings: Settings, clock: Clock) -> io::Result<EventLoop> {
        let mut listener = Listener::bind(address, &settings)?;
        let poll = Poll::new()?;
        listener.register(poll.registry(), LISTENER)?;
        let waker = Waker::new(mio::Waker::new(poll.registry(), WAKER)?);
        Ok(EventLoop {
            poll,
            events: Events::with_capacity(EVENTS),
            local: listener.local_addr(),
            listener: Some(listener),
            settings,
            clock,
            waker,
            sockets: Sockets::new(),
            linger: Linger::default(),
            buffer: vec![0; RECEIVE_BUFFER].into_boxed_slice(),
            attention_left: false,
            flushing: false,
            calls: Calls::default(),
        })
    }

    /// The address that is listened on, with its real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The clock whose times the service is given.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A handle for other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What the loop has asked of the system until now.
    pub fn calls(&self) -> Calls {
        self.calls
    }

    /// Runs until the service says [`Control::Stop`].
    ///
    /// # Errors
    /// Only when the system's poll fails, which leaves nothing to go on with.
    pub fn run<S: Service>(&mut self, service: &mut S) -> io::Result<()> {
        while self.turn(service)? != Control::Stop {}
        Ok(())
    }

    /// One turn. The numbers are those of docs/architecture.md.
    fn turn<S: Service>(&mut self, service: &mut S) -> io::Result<Control> {
        // 1. Poll until the next deadline, or without waiting where somebody was left unserved.
        let mut now = self.poll(service)?;
        // 2. Read ready sockets, within their budgets, until a tick is due.
        if self.sockets.ready() > 0 {
            self.serve_ready(service, &mut now);
        }
        // 3. What other threads have left. (An interrupted poll comes here too: a signal's flag is seen.)
        let control = service.turn(now);
        // 4. The tick, where it is due.
        self.tick(service, now);
        // 5. Flush whoever has something to send, one slice of them.
        self.flush(service, now);
        // 6. Close those who have lingered long enough.
        while let Some(conn) = self.linger.expired(now) {
            self.close(service, conn, now);
            self.attention_left = true;
        }
        // 7. Accept last: those who are here come first, and an event for an earlier owner of a slot cannot meet the
        // next one within one turn.
        match control {
            Control::Run => self.accept(service, now),
            Control::Drain | Control::Stop => self.listener = None,
        }
        Ok(control)
    }

    /// Waits for events and takes note of them. One look at the clock after it serves the whole turn.
    fn poll<S: Service>(&mut self, service: &S) -> io::Result<Time> {
        let wait = self.wait(service);
        self.calls.polls += 1;
        if let Err(e) = self.poll.poll(&mut self.events, wait) {
            if e.kind() != ErrorKind::Interrupted {
                return Err(e);
            }
            self.events.clear();
        }
        for event in &self.events {
            match event.token() {
                WAKER => {}
                LISTENER => {
                    if let Some(listener) = &mut self.listener {
                        listener.note();
                    }
                }
                _ => self.sockets.note(event),
            }
        }
        Ok(self.clock.now())
    }

    /// How long to wait for events; `None` for as long as it takes.
    fn wait<S: Service>(&mut self, service: &S) -> Option<Duration> {
        let may_accept =
            || self.listener.as_ref().is_some_and(Listener::is_pending) && service.wants_accepts();
        if self.attention_left || self.sockets.ready() > 0 || may_accept() {
            return Some(Duration::ZERO);
        }
        let lingering = self.linger.deadline(|conn| self.sockets.contains(conn));
        let accepting = self.listener.as_ref().and_then(Listener::resumes);
        let deadline = [service.deadline(), lingering, accepting].into_iter().flatten().min()?;
        Some(deadline.since(self.clock.now()))
    }

    /// Serves those in the ready list once each: round-robin, because whoever is cut goes to its end.
    fn serve_ready<S: Service>(&mut self, service: &mut S, now: &mut Time) {
        let mut budget = READ_BUDGET_TURN;
        for served in 1..=self.sockets.ready() {
            if let Some(conn) = self.sockets.next_ready() {
                budget = budget.saturating_sub(self.serve(service, conn, *now));
            }
            // While a flush is cut into slices, so is the reading: neither keeps the other waiting.
            if budget == 0 || self.attention_left && served >= self.settings.flush_slice {
                break;
            }
            if served % SERVED_PER_LOOK == 0
                && let Some(deadline) = service.deadline()
            {
                *now = self.clock.now();
                if deadline <= *now {
                    break;
                }
            }
        }
    }

    /// Serves one socket; returns the bytes read.
    fn serve<S: Service>(&mut self, service: &mut S, conn: ConnId, now: Time) -> usize {
        let Some(socket) = self.sockets.get_mut(conn) else { return 0 };
        if socket.has_failed() {
            self.close(service, conn, now);
            return 0;
        }
        if socket.take_room() {
            let next = service.flush(conn, &mut socket.writer(&mut self.calls), now);
            self.settle(service, conn, next, now);
        }
        self.read(service, conn, now)
    }

    /// Reads one socket until it is drained, its budget is spent, or the service wants no more; returns the bytes
    /// read.
    fn read<S: Service>(&mut self, service: &mut S, conn: ConnId, now: Time) -> usize {
        let mut total = 0;
        while let Some(socket) = self.sockets.get_mut(conn)
            && socket.can_read()
        {
            if total >= READ_BUDGET_PEER {
                self.sockets.queue(conn);
                break;
            }
            match socket.receive(&mut self.buffer, &mut self.calls) {
                Received::Bytes { len, .. } => {
                    total += len;
                    if socket.phase == Phase::Lingering {
                        self.discard(service, conn, len, now);
                    } else {
                        let next = service.receive(
                            conn,
                            &mut self.buffer[..len],
                            &mut socket.writer(&mut self.calls),
                            now,
                        );
                        if !socket.goes_on(next) {
                            self.settle(service, conn, next, now);
                        }
                    }
                }
                Received::Nothing => break,
                Received::End if socket.phase == Phase::Lingering => self.close(service, conn, now),
                Received::End => {
                    socket.phase = Phase::Ended;
                    let next = service.end_of_stream(conn, &mut socket.writer(&mut self.calls), now);
                    self.settle(service, conn, next, now);
                }
                Received::Failed => self.close(service, conn, now),
            }
        }
        total
    }

    /// Does what the service has answered.
    fn settle<S: Service>(&mut self, service: &mut S, conn: ConnId, next: Next, now: Time) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        if socket.has_failed() {
            return self.close(service, conn, now);
        }
        match (next, socket.phase) {
            (Next::Read, Phase::Paused) => {
                socket.phase = Phase::Reading;
                self.sockets.queue(conn);
            }
            (Next::Pause, Phase::Reading) => socket.phase = Phase::Paused,
            (Next::Read | Next::Pause, _) => {}
            (Next::Finish, _) => self.finish(service, conn, now),
            (Next::Abort, _) => self.close(service, conn, now),
        }
    }

    /// Ends our half of the stream. A peer that has ended its own can have nothing unread: it is closed at once, and
    /// the kernel sends what it still holds.
    fn finish<S: Service>(&mut self, service: &mut S, conn: ConnId, now: Time) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        if socket.phase == Phase::Ended || !socket.shutdown() {
            return self.close(service, conn, now);
        }
        socket.phase = Phase::Lingering;
        self.linger.push(conn, now);
        self.sockets.queue(conn);
    }

    fn discard<S: Service>(&mut self, service: &mut S, conn: ConnId, len: usize, now: Time) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        socket.discarded = socket.discarded.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        if socket.discarded as usize > LINGER_BYTES {
            self.close(service, conn, now);
        }
    }

    fn close<S: Service>(&mut self, service: &mut S, conn: ConnId, now: Time) {
        if self.sockets.remove(conn) {
            service.closed(conn, now);
        }
    }

    fn tick<S: Service>(&mut self, service: &mut S, now: Time) {
        if service.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.flushing {
            // The last tick's flush took until this one: its overrun is measured here.
            service.flushed(self.clock.now());
        }
        service.due(now);
        self.flushing = true;
    }

    /// Flushes those who want attention with at most about [`Settings::flush_slice`] writes, so that a ping's answer never waits behind
    /// everybody's batch. A cut flush makes the next poll return at once.
    fn flush<S: Service>(&mut self, service: &mut S, now: Time) {
        let mut left = self.settings.flush_slice.max(1) as u64;
        while left > 0 {
            let before = self.calls.writes;
            let Some(conn) = service.attention() else {
                self.attention_left = false;
                if std::mem::take(&mut self.flushing) {
                    service.flushed(self.clock.now());
                }
                return;
            };
            if let Some(socket) = self.sockets.get_mut(conn)
                && socket.phase != Phase::Lingering
            {
                let next = service.flush(conn, &mut socket.writer(&mut self.calls), now);
                if !socket.goes_on(next) {
                    self.settle(service, conn, next, now);
                }
            }
            // A flush is one write as a rule; somebody who is sent very much takes more.
            left = left.saturating_sub((self.calls.writes - before).max(1));
        }
        self.attention_left = true;
    }

    /// Accepts one burst.
    fn accept<S: Service>(&mut self, service: &mut S, now: Time) {
        let Some(listener) = &mut self.listener else { return };
        listener.resume(now);
        for _ in 0..ACCEPT_BURST {
            let Some(listener) = &mut self.listener else { return };
            if !listener.is_pending() || !service.wants_accepts() {
                return;
            }
            match listener.accept(&self.settings, now) {
                Accepted::Peer(stream, peer) => self.admit(service, stream, peer, now),
                Accepted::Lost => {}
                Accepted::Nobody => return,
            }
        }
    }

    fn admit<S: Service>(&mut self, service: &mut S, stream: TcpStream, peer: SocketAddr, now: Time) {
        let Some(conn) = service.accept(peer, now) else { return };
        self.attention_left = true;
        let mut transport = Transport::new(stream);
        let registered = conn.slot <= MAX_SLOT
            && transport.register(self.poll.registry(), token(conn), &mut self.calls).is_ok();
        if !registered {
            // The system watches as many sockets as it can (`fs.epoll.max_user_watches`).
            return service.closed(conn, now);
        }
        self.sockets.insert(conn, transport);
    }
}
