//! How a peer fares: when it was last heard, how long a heartbeat takes there and back, and the one word for it all.
//!
//! What is kept for it are two bytes of the [`Session`]; everything else is found out when somebody asks.

use super::{Phase, Session, Settings};
use crate::time::Time;
use std::time::Duration;

/// How a peer fares, the first of these that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its connection is lost, and the player may come back.
    Lingering,
    /// Its connection is ending.
    Closing,
    /// More than half of the outbox's limit waits for it.
    Slow,
    /// Nothing has come from it for two heartbeat intervals: a ping has not been answered for one.
    Quiet,
    /// It is well.
    Ok,
}

impl Health {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Health::Lingering => "lingering",
            Health::Closing => "closing",
            Health::Slow => "slow",
            Health::Quiet => "quiet",
            Health::Ok => "ok",
        }
    }
}

/// What is kept of heartbeats: the highest bit says that the last one has not been answered, the others how long the last
/// answered one took, milliseconds and one more; 0: none has been.
#[derive(Debug, Default)]
pub(super) struct Pulse(u16);

const _: () = assert!(size_of::<Pulse>() == 2, "a session has so much room left over");

impl Pulse {
    const WAITS: u16 = 1 << 15;
    const LONGEST_MS: u16 = Pulse::WAITS - 2;

    /// A heartbeat is being sent.
    pub(super) fn beat(&mut self) {
        self.0 |= Pulse::WAITS;
    }

    /// A Pong came so long after the last heartbeat was sent.
    fn answered(&mut self, after: Duration) {
        if self.0 & Pulse::WAITS != 0 {
            let ms = u16::try_from(after.as_millis()).unwrap_or(u16::MAX);
            self.0 = ms.min(Pulse::LONGEST_MS) + 1;
        }
    }

    fn round_trip_ms(&self) -> Option<u16> {
        (self.0 & !Pulse::WAITS).checked_sub(1)
    }
}

impl Session {
    /// A Pong came: where a heartbeat waits for one, that is how long it took.
    pub fn heard_pong(&mut self, now: Time) {
        self.pulse.answered(now.since(self.pinged));
    }

    /// When anything last came.
    pub fn heard_at(&self) -> Time {
        self.received
    }

    /// How long the last heartbeat that was answered took there and back, in whole milliseconds up to 32766. Heartbeats go to
    /// those who are quiet: of others nothing is known.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pulse.round_trip_ms().map(|ms| Duration::from_millis(ms.into()))
    }

    /// How it fares.
    pub fn health(&self, settings: &Settings, now: Time) -> Health {
        if self.phase == Phase::Lingering {
            Health::Lingering
        } else if self.phase == Phase::Closing {
            Health::Closing
        } else if self.outbox.over_soft_limit_since().is_some() {
            Health::Slow
        } else if self.is_quiet(settings, now) {
            Health::Quiet
        } else {
            Health::Ok
        }
    }

    /// Whether nothing has come for two heartbeat intervals: a ping has not been answered for one.
    pub fn is_quiet(&self, settings: &Settings, now: Time) -> bool {
        now.since(self.received) >= 2 * settings.heartbeat_interval
    }

    /// Since when a connection that speaks HTTP has been kept alive and asked for nothing; `None` for any other.
    pub fn kept_alive_since(&self) -> Option<Time> {
        let http = self.http.as_ref().filter(|_| self.phase == Phase::Http)?;
        let rests = http.answered > 0
            && http.connection.is_idle()
            && http.unanswered.is_none()
            && http.backlog.is_empty()
            && self.outbox.is_empty();
        rests.then_some(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Due, Step};
    use super::*;

    fn playing() -> Session {
        let mut session = Session::new(Time::START);
        session.step(Step::Upgraded, Time::START);
        session.step(Step::Authenticated, Time::START);
        session
    }

    #[test]
    fn a_heartbeat_is_timed_once() {
        let mut session = playing();
        session.heard_pong(Time::from_millis(70));
        assert_eq!(session.round_trip(), None, "nobody had asked");
        let asked = Time::from_millis(5000);
        assert_eq!(session.due(&Settings::default(), asked), Some(Due::Ping));
        session.heard_pong(Time::from_millis(5042));
        session.heard_pong(Time::from_millis(5900));
        assert_eq!(session.round_trip(), Some(Duration::from_millis(42)));
        assert_eq!(session.due(&Settings::default(), Time::from_millis(10_000)), Some(Due::Ping));
        session.heard_pong(Time::from_millis(10_000));
        assert_eq!(session.round_trip(), Some(Duration::ZERO), "within the turn is known too");
        assert_eq!(session.due(&Settings::default(), Time::from_millis(15_000)), Some(Due::Ping));
        session.heard_pong(Time::from_millis(915_000));
        assert_eq!(session.round_trip(), Some(Duration::from_millis(32_766)), "long is long");
    }

    #[test]
    fn the_silent_are_quiet_and_the_ended_close() {
        let settings = Settings::default();
        let mut session = playing();
        assert_eq!(session.health(&settings, Time::from_millis(9999)), Health::Ok);
        assert_eq!(session.health(&settings, Time::from_millis(10_000)), Health::Quiet);
        session.heard(Time::from_millis(10_000));
        assert_eq!(session.health(&settings, Time::from_millis(10_000)), Health::Ok);
        session.step(Step::Finish, Time::from_millis(10_000));
        assert_eq!(session.health(&settings, Time::from_millis(10_000)), Health::Closing);
    }

    #[test]
    fn only_whoever_was_answered_and_asks_no_more_is_kept_alive() {
        let mut session = Session::new(Time::START);
        assert_eq!(session.kept_alive_since(), None, "it owes its first request");
        session.request_answered(Time::from_millis(40));
        assert_eq!(session.kept_alive_since(), Some(Time::from_millis(40)));
        session.http().expect("it speaks HTTP").next(&mut &b"GET / HT"[..]);
        assert_eq!(session.kept_alive_since(), None, "a request is coming");
        assert_eq!(playing().kept_alive_since(), None);
    }
}
