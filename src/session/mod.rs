//! One peer: where it stands, what waits for it, how fast it may talk, and what is due when.
//!
//! A [`Session`] knows nothing of games, of other peers or of what a packet means. It owns no socket and reads no
//! clock. Its phases are in [`phase`], its outgoing queue in [`outbox`], the filter for packets sent twice in
//! [`duplicates`].

pub mod duplicates;
pub mod outbox;
pub mod phase;

use crate::bucket::{Bucket, Rate};
use crate::http;
use crate::limits;
use crate::packet::Encoding;
use crate::time::Time;
use crate::websocket::{Connection, Role};
use duplicates::Duplicates;
use outbox::Outbox;
pub use phase::{Phase, Step};
use std::time::Duration;

/// What a host may set about every session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A peer silent for this long is sent a WebSocket ping.
    pub heartbeat_interval: Duration,
    /// A peer silent for this long is closed `idle_timeout`.
    pub timeout: Duration,
    /// How long a peer may take from the upgrade to `auth_request`.
    pub auth_timeout: Duration,
    /// Bytes of one message once authenticated, within [`limits::MAX_MESSAGE`].
    pub max_message: usize,
    /// Messages a second, at least 1.
    pub message_rate: u32,
    /// Messages at once, at least 1.
    pub message_burst: u32,
    /// How long the same bytes count as sent twice; zero: never.
    pub duplicate_window: Duration,
    /// Bytes that may wait for one peer, within [`limits::OUTBOX_LIMIT`].
    pub outbox_limit: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            heartbeat_interval: Duration::from_millis(5000),
            timeout: Duration::from_millis(30_000),
            auth_timeout: Duration::from_millis(10_000),
            max_message: 16_384,
            message_rate: 60,
            message_burst: 120,
            duplicate_window: Duration::from_millis(100),
            outbox_limit: 1 << 20,
        }
    }
}

/// The rates that follow from the [`Settings`]; made once for all sessions.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    messages: Rate,
    bytes: Rate,
    control: Rate,
}

impl Rates {
    /// Bytes are limited at a multiple of `max_message` a second, and to what a full burst of messages may hold.
    pub fn new(settings: &Settings) -> Rates {
        let byte_rate = (settings.max_message as u32).saturating_mul(limits::BYTE_RATE_MESSAGES);
        Rates {
            messages: Rate::new(settings.message_rate, settings.message_burst),
            bytes: Rate::new(byte_rate, byte_rate.saturating_mul(2)),
            control: Rate::new(limits::CONTROL_RATE, limits::CONTROL_BURST),
        }
    }
}

/// A message or control frame came too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Milliseconds until the next would pass.
    pub retry_after_ms: u32,
    /// Whether it was the last of [`limits::RATE_STRIKES`] in a row.
    pub last: bool,
}

/// What a sweep found to be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A request head or body takes too long: 408.
    HeadTimeout,
    /// A kept-alive connection asks for nothing any more.
    HttpIdle,
    /// `auth_request` did not come.
    AuthTimeout,
    /// Nothing came for the timeout.
    IdleTimeout,
    /// Nothing came for a heartbeat interval: ask whether somebody is there.
    Ping,
    /// More than half of the outbox's limit has waited for [`limits::SLOW_TIME`].
    Slow,
    /// A closing peer does not take what is left for it.
    Abandon,
}

/// One peer.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    /// How packets are written, from the upgrade on.
    pub encoding: Encoding,
    strikes: u8,
    malformed: u8,
    /// What waits for the peer.
    pub outbox: Outbox,
    /// The WebSocket's state. Taken out while its events are handled, for they may lend from it.
    pub websocket: Connection,
    messages: Bucket,
    bytes: Bucket,
    control: Bucket,
    /// When the phase began; in [`Phase::Http`], when the present request or pause began.
    since: Time,
    /// When anything last came.
    received: Time,
    /// When a heartbeat was last sent.
    pinged: Time,
    cold: Box<Cold>,
}

/// What is needed seldom.
#[derive(Debug)]
struct Cold {
    http: http::Connection,
    requests: u32,
    duplicates: Duplicates,
}

impl Session {
    /// A peer that was just accepted and is to speak HTTP.
    pub fn new(now: Time) -> Session {
        Session {
            phase: Phase::Http,
            encoding: Encoding::Json,
            strikes: 0,
            malformed: 0,
            outbox: Outbox::default(),
            websocket: Connection::new(Role::Server, limits::MESSAGE_BEFORE_AUTH),
            messages: Bucket::default(),
            bytes: Bucket::default(),
            control: Bucket::default(),
            since: now,
            received: now,
            pinged: now,
            cold: Box::new(Cold {
                http: http::Connection::new(),
                requests: 0,
                duplicates: Duplicates::default(),
            }),
        }
    }

    /// Where the peer stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Moves the peer on; false where the step has no place in its phase, and nothing changes.
    pub fn step(&mut self, step: Step, now: Time) -> bool {
        let Some(next) = self.phase.after(step) else { return false };
        self.phase = next;
        self.since = now;
        true
    }

    /// Something came from the peer.
    #[inline]
    pub fn heard(&mut self, now: Time) {
        self.received = now;
    }

    /// The HTTP side, while the peer is in [`Phase::Http`].
    pub fn http(&mut self) -> &mut http::Connection {
        &mut self.cold.http
    }

    /// Bytes of memory held for a request that has not arrived whole.
    pub fn http_buffered(&self) -> usize {
        self.cold.http.buffered()
    }

    /// What the HTTP side waits for has changed: the deadline of that runs from here.
    pub fn request_moved_on(&mut self, now: Time) {
        self.since = now;
    }

    /// A request was answered.
    pub fn request_answered(&mut self, now: Time) {
        self.cold.requests = self.cold.requests.saturating_add(1);
        self.since = now;
    }

    /// Whether a message of `len` bytes may come now. Refusals in a row are counted; one that passes ends the row.
    #[inline]
    pub fn take_message(&mut self, len: usize, rates: &Rates, now: Time) -> Result<(), Limited> {
        let bytes = u32::try_from(len).unwrap_or(u32::MAX);
        let taken = self
            .messages
            .take(rates.messages, 1, now)
            .and_then(|()| self.bytes.take(rates.bytes, bytes, now));
        match taken {
            Ok(()) => {
                self.strikes = 0;
                Ok(())
            }
            Err(retry_after_ms) => Err(self.strike(retry_after_ms)),
        }
    }

    /// Whether a control frame may come now.
    pub fn take_control(&mut self, rates: &Rates, now: Time) -> Result<(), Limited> {
        match self.control.take(rates.control, 1, now) {
            Ok(()) => Ok(()),
            Err(retry_after_ms) => Err(self.strike(retry_after_ms)),
        }
    }

    fn strike(&mut self, retry_after_ms: u32) -> Limited {
        self.strikes = self.strikes.saturating_add(1);
        Limited { retry_after_ms, last: u32::from(self.strikes) >= limits::RATE_STRIKES }
    }

    /// Counts an unreadable packet; true at [`limits::MALFORMED`].
    pub fn count_malformed(&mut self) -> bool {
        self.malformed = self.malformed.saturating_add(1);
        u32::from(self.malformed) >= limits::MALFORMED
    }

    /// Whether the same message came a moment ago.
    pub fn is_repeated(&mut self, message: &[u8], window: Duration, now: Time) -> bool {
        self.cold.duplicates.is_repeated(message, window, now)
    }

    /// Lets go of everything that waits or is incomplete: for a peer that is cut.
    pub fn let_go(&mut self) {
        self.outbox = Outbox::default();
        self.websocket = Connection::new(Role::Server, limits::MESSAGE_BEFORE_AUTH);
        self.cold.http = http::Connection::new();
    }

    /// Bytes of memory that the peer can make grow.
    pub fn memory(&self) -> usize {
        self.outbox.memory() + self.websocket.buffered() + self.http_buffered()
    }

    /// The first thing that is due at `now`. A heartbeat is taken as sent by being asked for.
    pub fn due(&mut self, settings: &Settings, now: Time) -> Option<Due> {
        let stood = now.since(self.since);
        let silent = now.since(self.received);
        let slow = self.outbox.over_soft_limit_since().is_some_and(|at| now.since(at) >= limits::SLOW_TIME);
        match self.phase {
            Phase::Http => self.due_http(stood),
            Phase::Auth if stood >= settings.auth_timeout => Some(Due::AuthTimeout),
            Phase::Playing if silent >= settings.timeout => Some(Due::IdleTimeout),
            Phase::Auth | Phase::Playing if slow => Some(Due::Slow),
            Phase::Auth | Phase::Playing => {
                let quiet = silent.min(now.since(self.pinged)) >= settings.heartbeat_interval;
                if quiet {
                    self.pinged = now;
                }
                quiet.then_some(Due::Ping)
            }
            Phase::Closing => (stood >= limits::LINGER_TIME).then_some(Due::Abandon),
        }
    }

    fn due_http(&self, stood: Duration) -> Option<Due> {
        if !self.outbox.is_empty() {
            // The answer waits for the peer, not the peer's request for us.
            return (stood >= limits::HTTP_IDLE_TIME).then_some(Due::HttpIdle);
        }
        // A peer that never said anything owes its head from the moment it was accepted.
        let (limit, due) = match self.cold.http.phase() {
            http::Phase::Idle if self.cold.requests > 0 => (limits::HTTP_IDLE_TIME, Due::HttpIdle),
            http::Phase::Idle | http::Phase::Head => (limits::HTTP_HEAD_TIME, Due::HeadTimeout),
            http::Phase::Body => (limits::HTTP_BODY_TIME, Due::HeadTimeout),
            http::Phase::Ended => (limits::LINGER_TIME, Due::HttpIdle),
        };
        (stood >= limit).then_some(due)
    }
}
