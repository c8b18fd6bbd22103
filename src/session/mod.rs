//! One peer: where it stands, what waits for it, how fast it may talk, and what is due when.
//!
//! A [`Session`] knows nothing of games, of other peers or of what a packet means. It owns no socket and reads no
//! clock. Its phases are in [`phase`], its outgoing queue in [`outbox`], the filter for packets sent twice in
//! [`duplicates`], what makes batches smaller in [`compression`], how it fares in `health`.

pub mod compression;
pub mod duplicates;
mod health;
pub mod outbox;
pub mod phase;
mod replay;

use crate::http;
use crate::limits;
use crate::packet::Encoding;
use crate::time::Time;
use crate::time::bucket::{Bucket, Rate};
use crate::websocket::deflate::Agreed;
use crate::websocket::{Connection, Role};
use duplicates::Duplicates;
pub use health::Health;
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
    /// Whether compressed messages are agreed to where a peer offers them.
    pub compression: bool,
    /// Bytes over which a batch is compressed.
    pub compress_over: usize,
    /// How long a player whose connection is lost stays in the world; zero: not at all.
    pub resume_grace: Duration,
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
            compression: false,
            compress_over: 256,
            resume_grace: Duration::from_millis(30_000),
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

/// What somebody may still send, and how often it was refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    messages: Bucket,
    bytes: Bucket,
    control: Bucket,
    message_strikes: u8,
    control_strikes: u8,
    malformed: u8,
}

impl Allowance {
    /// When nothing is left to be told of it.
    pub fn full_at(&self) -> Time {
        self.messages.emptier(self.bytes).emptier(self.control).full_at()
    }

    /// Whether all that was taken is back by `now`.
    pub fn is_full(&self, now: Time) -> bool {
        self.full_at() <= now
    }

    /// Of two connections of one account, what both leave: `later` is the one that ends last.
    #[must_use]
    pub fn and_then(self, later: Allowance) -> Allowance {
        Allowance {
            messages: self.messages.emptier(later.messages),
            bytes: self.bytes.emptier(later.bytes),
            control: self.control.emptier(later.control),
            malformed: self.malformed.max(later.malformed),
            ..later
        }
    }
}

/// What a sweep found to be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A request head or body takes too long: 408.
    HeadTimeout,
    /// A kept-alive connection asks for nothing any more.
    HttpIdle,
    /// The answer to a request did not come in time: 503.
    AnswerTimeout,
    /// `auth_request` did not come.
    AuthTimeout,
    /// Nothing came for the timeout.
    IdleTimeout,
    /// Nothing came for a heartbeat interval, or batches are not acknowledged: ask.
    Ping,
    /// More than half of the outbox's limit has waited for [`limits::SLOW_TIME`].
    Slow,
    /// A lost player did not come back.
    GraceOver,
    /// A closing peer does not take what is left for it.
    Abandon,
}

/// One peer.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    /// How packets are written, from the upgrade on.
    pub encoding: Encoding,
    /// What was agreed on about compressed messages, with the upgrade.
    deflate: Option<Agreed>,
    /// Messages in a row that came too soon, and control frames.
    message_strikes: u8,
    control_strikes: u8,
    malformed: u8,
    pulse: health::Pulse,
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
    /// Messages of the player that were taken, over all its connections.
    taken: u64,
    /// How many of the messages to come may be some that a lost connection did not bring, and one more.
    resends: u16,
    /// The HTTP side; gone with the upgrade.
    http: Option<Box<Http>>,
    /// What was sent lately; there from the first packet on that may be a duplicate.
    duplicates: Option<Box<Duplicates>>,
}

/// A peer that speaks HTTP.
#[derive(Debug, Default)]
struct Http {
    connection: http::Connection,
    /// Requests answered.
    answered: u32,
    /// Pipelined requests that wait until the answers before them have been taken.
    backlog: Vec<u8>,
    /// The request whose answer is still being found out.
    unanswered: Option<Unanswered>,
}

/// What has to be known of a request when its answer comes later.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// How it is answered.
    pub exchange: http::Exchange,
    /// Who may read the answer.
    pub leave: http::cors::Leave,
}

impl Session {
    /// A peer that was just accepted and is to speak HTTP.
    pub fn new(now: Time) -> Session {
        Session {
            phase: Phase::Http,
            encoding: Encoding::Json,
            deflate: None,
            message_strikes: 0,
            control_strikes: 0,
            malformed: 0,
            pulse: health::Pulse::default(),
            outbox: Outbox::default(),
            websocket: Connection::new(Role::Server, limits::MESSAGE_BEFORE_AUTH),
            messages: Bucket::default(),
            bytes: Bucket::default(),
            control: Bucket::default(),
            since: now,
            received: now,
            pinged: now,
            taken: 0,
            resends: 0,
            http: Some(Box::default()),
            duplicates: None,
        }
    }

    /// The upgrade agreed on compressed messages, in both directions.
    pub fn agree_on(&mut self, agreed: Agreed) {
        self.deflate = Some(agreed);
        self.websocket.agree_on(agreed);
    }

    /// What was agreed on about compressed messages.
    pub fn deflate(&self) -> Option<Agreed> {
        self.deflate
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
        if next.is_websocket() {
            self.http = None;
        }
        true
    }

    /// Something came from the peer.
    #[inline]
    pub fn heard(&mut self, now: Time) {
        self.received = now;
    }

    /// The HTTP side, while the peer is in [`Phase::Http`].
    pub fn http(&mut self) -> Option<&mut http::Connection> {
        self.http.as_mut().map(|http| &mut http.connection)
    }

    /// Bytes of memory held for a request that has not arrived whole.
    pub fn http_buffered(&self) -> usize {
        self.http.as_ref().map_or(0, |http| http.connection.buffered())
    }

    /// Keeps requests for later: their answers would only wait. At most what one read brought.
    pub fn put_back(&mut self, requests: &[u8]) {
        if let Some(http) = &mut self.http {
            debug_assert!(http.backlog.is_empty(), "nothing is read while requests wait");
            http.backlog = requests.to_vec();
        }
    }

    /// The answer to the request that was just read comes later; until then nothing of the peer is read.
    pub fn answer_later(&mut self, unanswered: Unanswered) {
        if let Some(http) = &mut self.http {
            debug_assert!(http.unanswered.is_none(), "one request at a time");
            http.unanswered = Some(unanswered);
        }
    }

    /// The request whose answer is still to come.
    pub fn unanswered(&mut self) -> Option<&mut Unanswered> {
        self.http.as_mut()?.unanswered.as_mut()
    }

    /// Takes it: the answer is here.
    pub fn take_unanswered(&mut self) -> Option<Unanswered> {
        self.http.as_mut()?.unanswered.take()
    }

    /// Whether an answer is still to come.
    pub fn is_unanswered(&self) -> bool {
        self.http.as_ref().is_some_and(|http| http.unanswered.is_some())
    }

    /// Takes the requests that were kept.
    pub fn take_backlog(&mut self) -> Vec<u8> {
        self.http.as_mut().map_or(Vec::new(), |http| std::mem::take(&mut http.backlog))
    }

    /// What is waited for from the peer has changed: the deadline of that runs from here.
    pub fn request_moved_on(&mut self, now: Time) {
        self.since = now;
    }

    /// A request was answered.
    pub fn request_answered(&mut self, now: Time) {
        if let Some(http) = &mut self.http {
            http.answered = http.answered.saturating_add(1);
        }
        self.since = now;
    }

    /// A message of the player came, whatever becomes of it.
    #[inline]
    pub fn count_taken(&mut self) {
        self.taken += 1;
        self.resends = self.resends.saturating_sub(1);
    }

    /// How many messages of the player were taken, over all its connections.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How long it has been in its phase.
    pub fn has_stood(&self, now: Time) -> Duration {
        now.since(self.since)
    }

    /// Parts the player from its connection, which is lost: what is returned lingers with all that is counted and limited
    /// for the player. What is left here is to be closed. `says_goodbye` as in [`Outbox::part`].
    pub fn part(&mut self, says_goodbye: bool, now: Time) -> Session {
        let mut player = Session {
            phase: self.phase,
            encoding: self.encoding,
            received: self.received,
            outbox: self.outbox.part(says_goodbye),
            http: None,
            ..Session::new(now)
        };
        player.take_counts(self);
        player.step(Step::Lost, now);
        player
    }

    /// The player that lingered goes on over this connection, which has just said so.
    pub fn adopt(&mut self, mut player: Session) {
        self.take_counts(&mut player);
        self.outbox.adopt(player.outbox);
        self.resends = limits::RESEND_MESSAGES as u16 + 1;
    }

    /// What is left of its limits.
    pub fn allowance(&self) -> Allowance {
        let Session { messages, bytes, control, message_strikes, control_strikes, malformed, .. } = *self;
        Allowance { messages, bytes, control, message_strikes, control_strikes, malformed }
    }

    /// The account that comes in here has no more left than this; what was said to come in counts too.
    pub fn take_on(&mut self, left: Allowance) {
        self.set_allowance(self.allowance().and_then(left));
    }

    fn set_allowance(&mut self, left: Allowance) {
        (self.messages, self.bytes, self.control) = (left.messages, left.bytes, left.control);
        self.message_strikes = left.message_strikes;
        self.control_strikes = left.control_strikes;
        self.malformed = left.malformed;
    }

    fn take_counts(&mut self, from: &mut Session) {
        self.set_allowance(from.allowance());
        self.duplicates = from.duplicates.take();
        self.taken = from.taken;
    }

    /// Whether a compressed message of so many bytes, as it came, may be inflated now; how many bytes of what it becomes are
    /// paid for by that, which [`Session::take_message`] is not to be asked for again. A refusal counts as one of a message.
    pub fn take_compressed(&mut self, len: usize, rates: &Rates, now: Time) -> Result<usize, Limited> {
        let paid = len.saturating_mul(limits::INFLATE_COST as usize);
        let taken = self.bytes.take(rates.bytes, u32::try_from(paid).unwrap_or(u32::MAX), now);
        // One that passes has not ended the row yet: it is still to be asked for as a message.
        if taken.is_ok() { Ok(paid) } else { judge(taken, &mut self.message_strikes).map(|()| paid) }
    }

    /// Whether a message of `len` bytes may come now. Refusals in a row are counted; one that passes ends the row.
    #[inline]
    pub fn take_message(&mut self, len: usize, rates: &Rates, now: Time) -> Result<(), Limited> {
        let bytes = u32::try_from(len).unwrap_or(u32::MAX);
        let taken = self
            .messages
            .take(rates.messages, 1, now)
            .and_then(|()| self.bytes.take(rates.bytes, bytes, now));
        judge(taken, &mut self.message_strikes)
    }

    /// Whether a control frame may come now; its refusals are a row of their own.
    pub fn take_control(&mut self, rates: &Rates, now: Time) -> Result<(), Limited> {
        judge(self.control.take(rates.control, 1, now), &mut self.control_strikes)
    }

    /// Counts an unreadable packet; true at [`limits::MALFORMED`].
    pub fn count_malformed(&mut self) -> bool {
        self.malformed = self.malformed.saturating_add(1);
        u32::from(self.malformed) >= limits::MALFORMED
    }

    /// Whether the same message came a moment ago. What is sent again after a resume is not told by that: it may have been
    /// said at different times, and comes all at once.
    pub fn is_repeated(&mut self, message: &[u8], window: Duration, now: Time) -> bool {
        let is_repeated = self.duplicates.get_or_insert_default().is_repeated(message, window, now);
        let may_be_resent = self.resends > 0 && self.has_stood(now) < limits::RESEND_TIME;
        is_repeated && !may_be_resent
    }

    /// Lets go of what waits and is not on the wire yet, and of what is incomplete: what is left is room for a goodbye.
    pub fn make_room(&mut self) {
        self.outbox.make_room();
        self.websocket = Connection::new(Role::Server, limits::MESSAGE_BEFORE_AUTH);
        self.duplicates = None;
    }

    /// Lets go of everything that waits or is incomplete: for a peer that is cut.
    pub fn let_go(&mut self) {
        self.outbox = Outbox::default();
        self.websocket = Connection::new(Role::Server, limits::MESSAGE_BEFORE_AUTH);
        self.http = None;
    }

    /// Bytes of memory that the peer can make grow.
    pub fn memory(&self) -> usize {
        let backlog = self.http.as_ref().map_or(0, |http| http.backlog.capacity());
        self.outbox.memory() + self.websocket.buffered() + self.http_buffered() + backlog
    }

    /// The first thing that is due at `now`. A heartbeat is taken as sent by being asked for. Memory that the peer has not
    /// needed since the last time is given back.
    pub fn due(&mut self, settings: &Settings, now: Time) -> Option<Due> {
        let stood = now.since(self.since);
        let silent = now.since(self.received);
        self.outbox.rest();
        if self.duplicates.as_mut().is_some_and(|seen| seen.is_stale(settings.duplicate_window, now)) {
            self.duplicates = None;
        }
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
                    self.pulse.beat();
                }
                // Where something waits, the ping goes behind it, with the flush.
                let asks = self.outbox.is_empty() && self.outbox.is_to_ask(now);
                (quiet || asks).then_some(Due::Ping)
            }
            Phase::Lingering => (stood >= settings.resume_grace).then_some(Due::GraceOver),
            Phase::Closing => (stood >= limits::LINGER_TIME).then_some(Due::Abandon),
        }
    }

    fn due_http(&self, stood: Duration) -> Option<Due> {
        if self.is_unanswered() {
            return (stood >= limits::HTTP_ANSWER_TIME).then_some(Due::AnswerTimeout);
        }
        if !self.outbox.is_empty() {
            // The answer waits for the peer, not the peer's request for us.
            return (stood >= limits::HTTP_IDLE_TIME).then_some(Due::HttpIdle);
        }
        // A peer that never said anything owes its head from the moment it was accepted.
        let Http { connection, answered, .. } = self.http.as_deref()?;
        let (limit, due) = match connection.phase() {
            http::Phase::Idle if *answered > 0 => (limits::HTTP_IDLE_TIME, Due::HttpIdle),
            http::Phase::Idle | http::Phase::Head => (limits::HTTP_HEAD_TIME, Due::HeadTimeout),
            http::Phase::Body => (limits::HTTP_BODY_TIME, Due::HeadTimeout),
            http::Phase::Ended => (limits::LINGER_TIME, Due::HttpIdle),
        };
        (stood >= limit).then_some(due)
    }
}

/// Counts refusals in a row; one that passes ends the row.
#[inline]
fn judge(taken: Result<(), u32>, strikes: &mut u8) -> Result<(), Limited> {
    *strikes = if taken.is_ok() { 0 } else { strikes.saturating_add(1) };
    let last = u32::from(*strikes) >= limits::RATE_STRIKES;
    taken.map_err(|retry_after_ms| Limited { retry_after_ms, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a session that stays silent is told, and when, milliseconds.
    fn silent_life(phase: &[Step], until_ms: u64) -> Vec<(u64, Due)> {
        let settings = Settings::default();
        let mut session = Session::new(Time::START);
        for &step in phase {
            assert!(session.step(step, Time::START), "{step:?}");
        }
        let mut due = Vec::new();
        for ms in (0..=until_ms).step_by(250) {
            if let Some(found) = session.due(&settings, Time::from_millis(ms)) {
                due.push((ms, found));
                if found != Due::Ping {
                    break;
                }
            }
        }
        due
    }

    #[test]
    fn deadlines_of_the_silent() {
        use Due::*;
        assert_eq!(silent_life(&[], 60_000), [(10_000, HeadTimeout)]);
        assert_eq!(silent_life(&[Step::Upgraded], 60_000), [(5000, Ping), (10_000, AuthTimeout)]);
        let pings = |n: u64| (1..=n).map(|i| (i * 5000, Ping));
        let playing: Vec<_> = pings(5).chain([(30_000, IdleTimeout)]).collect();
        assert_eq!(silent_life(&[Step::Upgraded, Step::Authenticated], 60_000), playing);
        assert_eq!(silent_life(&[Step::Finish], 60_000), [(2000, Abandon)]);
    }

    #[test]
    fn a_request_s_deadline_runs_from_its_first_byte_and_drips_do_not_extend_it() {
        let settings = Settings::default();
        let mut session = Session::new(Time::START);
        session.request_answered(Time::from_millis(1000));
        assert_eq!(session.due(&settings, Time::from_millis(20_000)), None, "kept alive, and idle");
        session.request_moved_on(Time::from_millis(20_000));
        let mut head = b"GET /index.html HTTP/1.1\r\n".chunks(1);
        let mut drip = |ms: u64| {
            let mut byte = head.next().expect("the head is longer than the test");
            session.heard(Time::from_millis(ms));
            session.http().expect("it speaks HTTP").next(&mut byte);
            session.due(&settings, Time::from_millis(ms))
        };
        assert_eq!((20..30).map(|s| drip(s * 1000)).collect::<Vec<_>>(), [None; 10]);
        assert_eq!(drip(30_000), Some(Due::HeadTimeout));
    }

    #[test]
    fn rates_strike_in_a_row_and_one_that_passes_ends_the_row() {
        let settings = Settings { message_rate: 1, message_burst: 1, ..Settings::default() };
        let rates = Rates::new(&settings);
        let mut session = Session::new(Time::START);
        assert!(session.take_message(10, &rates, Time::START).is_ok());
        for strike in 1..limits::RATE_STRIKES {
            let limited = session.take_message(10, &rates, Time::START);
            assert_eq!(limited, Err(Limited { retry_after_ms: 1000, last: false }), "{strike}");
        }
        assert!(session.take_message(10, &rates, Time::from_millis(1000)).is_ok());
        let strikes =
            (0..limits::RATE_STRIKES).map(|_| session.take_message(10, &rates, Time::from_millis(1000)));
        let last: Vec<bool> = strikes.map(|limited| limited.expect_err("too soon").last).collect();
        assert_eq!(last.iter().filter(|&&last| last).count(), 1);
        assert!(last[limits::RATE_STRIKES as usize - 1]);
    }

    #[test]
    fn bytes_are_limited_too() {
        let rates =
            Rates::new(&Settings { message_rate: 100_000, message_burst: 100_000, ..Settings::default() });
        let mut session = Session::new(Time::START);
        let big = Settings::default().max_message;
        let passed = (0..1000).take_while(|_| session.take_message(big, &rates, Time::START).is_ok()).count();
        assert_eq!(passed as u32, limits::BYTE_RATE_MESSAGES * 2);
    }
}
