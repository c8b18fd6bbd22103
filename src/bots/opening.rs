//! The way in: bots set out in a bounded rhythm, and whoever does not get in is given up.
//!
//! Each bot has its time, and all together have another: where nobody comes in any more, those who have not set out do not
//! set out at all, or a server that hangs would be waited for once for each hundred of them.

use super::bot::{Bot, Gone};
use super::crowd::Crowd;
use super::tally::count;
use crate::time::Time;
use mio::{Interest, Token};
use std::time::Duration;

/// Bots that set out in a second, at most.
pub(super) const OPENINGS: u64 = 1000;
/// Bots on their way in at once.
const OPENING_AT_ONCE: usize = 128;
/// An opening that was due so long ago is not made up for.
const LATE: Duration = Duration::from_millis(100);
/// How long a bot may take to come in.
const OPENING_TIME: Duration = Duration::from_secs(10);
/// Where nobody has come in for so long, nobody else is waited for.
const NOBODY_CAME: Duration = Duration::from_secs(10);
/// What those are counted under who never set out.
const NEVER: &str = "never set out";

/// How far the coming in is.
#[derive(Debug)]
pub(super) struct Opening {
    /// Bots that are on their way.
    pub(super) under_way: usize,
    /// [`OPENING_TIME`] and [`NOBODY_CAME`].
    each: Duration,
    all: Duration,
    /// How many had come in when one last came in, and when that was; as of the last look.
    joined: u32,
    came: Time,
}

impl Opening {
    pub(super) fn begin(now: Time) -> Opening {
        Opening { under_way: 0, each: OPENING_TIME, all: NOBODY_CAME, joined: 0, came: now }
    }

    /// Whether nobody has come in for too long. To be asked often: whoever came in since the last time has come just now.
    fn is_hopeless(&mut self, joined: u32, now: Time) -> bool {
        if joined != self.joined {
            (self.joined, self.came) = (joined, now);
        }
        now.since(self.came) >= self.all
    }
}

/// The part of the loop that brings bots in.
impl Crowd {
    /// Whether somebody is on the way, or has not set out.
    pub(super) fn is_opening(&self) -> bool {
        self.bots.len() < self.settings.count as usize || self.opening.under_way > 0
    }

    /// Has those set out whose time has come, as far as there is room on the way.
    pub(super) fn open_some(&mut self, now: Time) {
        self.rhythms.open.skip(now, LATE);
        while self.bots.len() < self.settings.count as usize && self.opening.under_way < OPENING_AT_ONCE {
            if self.rhythms.open.take(now).is_none() {
                return;
            }
            match self.open() {
                Ok(bot) => {
                    self.opening.under_way += 1;
                    self.bots.push(Some(bot));
                }
                Err(Gone(why)) => {
                    count(&mut self.shared.tally.refused, why);
                    self.bots.push(None);
                }
            }
        }
    }

    /// The next one sets out.
    fn open(&mut self) -> Result<Bot, Gone> {
        let number = self.bots.len() as u32;
        let way = (self.target.address, self.target.source(number));
        let mut bot = Bot::open(number, way, &self.client, &mut self.shared)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(bot.socket(), Token(number as usize), interest)?;
        Ok(bot)
    }

    /// Bots that do not get in are not waited for any longer; once nobody does, nobody is.
    pub(super) fn give_up(&mut self, now: Time) {
        if !self.is_opening() {
            return;
        }
        let is_hopeless = self.opening.is_hopeless(self.shared.tally.joined, now);
        if is_hopeless {
            self.stay_at_home();
        }
        let patience = if is_hopeless { Duration::ZERO } else { self.opening.each };
        for bot in 0..self.bots.len() {
            self.with(bot, |bot, shared| {
                if !bot.is_opening() || now.since(bot.since()) < patience {
                    return Ok(());
                }
                let why = bot.hindrance().to_owned();
                // Whether or not there is anybody to say goodbye to: this is why it goes.
                let _ = bot.leave(shared);
                Err(Gone(why))
            });
        }
    }

    /// Whoever has not set out does not.
    fn stay_at_home(&mut self) {
        let count = self.settings.count as usize;
        let rest = count - self.bots.len();
        if rest > 0 {
            *self.shared.tally.refused.entry(NEVER.to_owned()).or_default() += rest as u64;
            self.bots.resize_with(count, || None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bots::tally::ByReason;
    use crate::bots::target::Target;
    use crate::bots::{Report, Settings};
    use crate::packet::Encoding;
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::atomic::AtomicBool;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(1);

    /// A run against a listener that takes bots and never answers them; who asks for the status is sent away.
    fn run(bots: u32, each: Duration, all: Duration) -> Report {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let mut beginning = [0; 7];
                if stream.peek(&mut beginning).is_ok() && &beginning == b"GET /ws" {
                    kept.push(stream);
                }
            }
        });
        let target = Target::resolve(&url).unwrap();
        let settings =
            Settings { url, count: bots, seconds: 1, move_rate: 10, encoding: Encoding::Json, stay: false };
        let mut crowd = Crowd::new(&settings, target).unwrap();
        (crowd.opening.each, crowd.opening.all) = (each, all);
        crowd.run(&AtomicBool::new(false), &mut |_| {}).unwrap()
    }

    #[test]
    fn bots_that_nobody_answers_time_out() {
        let report = run(3, SHORT, LONG);
        assert_eq!((report.joined, report.refused), (0, ByReason::from([("timeout".to_owned(), 3)])));
    }

    #[test]
    fn where_nobody_comes_in_nobody_else_sets_out() {
        let report = run(300, LONG, SHORT);
        assert_eq!(report.joined, 0);
        assert_eq!(report.refused.keys().collect::<Vec<_>>(), [NEVER, "timeout"]);
        assert_eq!(report.refused.values().sum::<u64>(), 300);
        assert!(report.refused["timeout"] <= OPENING_AT_ONCE as u64, "{report}");
    }

    #[test]
    fn as_long_as_somebody_comes_in_the_others_are_waited_for() {
        let mut opening = Opening::begin(Time::START);
        let mut is_hopeless = |joined, ms| opening.is_hopeless(joined, Time::from_millis(ms));
        assert!(!is_hopeless(0, 9_999) && !is_hopeless(1, 10_000));
        assert!(!is_hopeless(1, 19_999) && is_hopeless(1, 20_000));
        assert!(!is_hopeless(2, 20_000), "somebody did");
    }
}
