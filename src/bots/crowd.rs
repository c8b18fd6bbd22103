//! The loop: opens the bots, has each do what is due, reads what comes, and counts.

use super::bot::{Bot, Gone};
use super::measuring::{Mark, Run, report};
use super::opening::{OPENINGS, Opening};
use super::pings::{EVERY, Pings, pingers};
use super::processor::Moment;
use super::report::Report;
use super::rhythm::Rhythm;
use super::status::{self, Answer};
use super::surroundings::Shared;
use super::tally::{count, total};
use super::target::Target;
use super::{Error, Settings};
use crate::client;
use crate::limits::RECEIVE_BUFFER;
use crate::net::Clock;
use crate::random::Secrets;
use crate::time::Time;
use mio::{Events, Poll};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// One bot in so many talks...
const TALKERS: u32 = 20;
/// ...once in such a time, far below what the rules allow.
const TALK: Duration = Duration::from_secs(4);
/// A step that is overdue by more than this is not taken any more; those behind it are.
const LATE: Duration = Duration::from_millis(200);
/// How long the goodbyes may take.
const LEAVING_TIME: Duration = Duration::from_secs(2);
/// A crowd of more than [`FEW`] rests so long between two looks at its sockets. Whoever waits in a poll is woken by each
/// message, and on one machine it is the server's core that pays for the waking; no server pays that for clients
/// elsewhere. A latency contains the rest, and the time in which the bot's turn had not come: see `looking`.
const REST: Duration = Duration::from_micros(250);
/// Bots that need no rest: they are woken by what comes.
pub(super) const FEW: u32 = 200;
/// Events taken from one poll: few, so that steps are taken in between.
const EVENTS: usize = 256;

/// All bots of a run.
pub(super) struct Crowd {
    pub(super) settings: Settings,
    pub(super) target: Target,
    pub(super) client: client::Settings,
    pub(super) poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    /// By their numbers; `None` is one that did not set out, or has come to its end.
    pub(super) bots: Vec<Option<Bot>>,
    pub(super) opening: Opening,
    pub(super) shared: Shared,
    pub(super) rhythms: Rhythms,
}

/// What is due when.
pub(super) struct Rhythms {
    pub(super) open: Rhythm,
    step: Rhythm,
    chat: Rhythm,
    ping: Rhythm,
    second: Rhythm,
}

impl Crowd {
    /// Looks whether the server is there, and prepares.
    pub(super) fn new(settings: &Settings, target: Target) -> Result<Crowd, Error> {
        allow_files(settings.count)?;
        let mut key = [0; 32];
        let random = getrandom::fill(&mut key);
        random.map_err(|e| Error::System(format!("the operating system gives no randomness: {e}")))?;
        status::ask(&target).map_err(|error| Error::Connect(target.url.clone(), error))?;
        let poll = Poll::new().map_err(|e| Error::System(format!("the system cannot poll: {e}")))?;
        let clock = Clock::start();
        let mut client = client::Settings::new(target.host.clone(), target.path.clone());
        client.encodings = vec![settings.encoding];
        let rhythms = Rhythms::new(settings, clock.now());
        Ok(Crowd {
            settings: settings.clone(),
            target,
            client,
            poll,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; RECEIVE_BUFFER],
            bots: Vec::new(),
            opening: Opening::begin(clock.now()),
            shared: Shared::new(clock, Secrets::new(key), settings),
            rhythms,
        })
    }

    /// Opens, measures, leaves; measures no further once `stop` is raised.
    pub(super) fn run(mut self, stop: &AtomicBool, progress: &mut dyn FnMut(&str)) -> Result<Report, Error> {
        let stopped = || stop.load(Ordering::SeqCst);
        let began = Moment::now(&self.shared.clock);
        while self.is_opening() && !stopped() {
            self.turn(None, progress)?;
        }
        let opening = began.until(&Moment::now(&self.shared.clock));
        // Asking the server for its status takes time in which nothing is measured; for nobody it is not asked.
        let asked = (self.shared.tally.playing > 0).then(|| status::ask(&self.target));
        let before = asked.and_then(Result::ok).and_then(Answer::told);
        // What became due in that time is none of the bots' lateness.
        self.rhythms.pass_over(self.shared.clock.now());
        let from = Mark::set(&self.shared);
        self.shared.tally.pings = Pings::begin(from.at());
        let end = from.at() + SECOND * self.settings.seconds;
        while self.shared.now < end && self.shared.tally.playing > 0 && !stopped() {
            self.turn(Some(end), progress)?;
        }
        let interrupted = stopped() && self.shared.now < end;
        let to = Mark::set(&self.shared);
        self.measure_those_who_wait(to.at());
        let after = status::ask(&self.target).unwrap_or(Answer::None);
        let run = Run { settings: &self.settings, opening, interrupted, before, after };
        let report = report(run, &self.shared.tally, &from, &to);
        self.leave()?;
        Ok(report)
    }

    /// One turn: wait for what is due next or for the sockets, but not beyond `end`, read, then do what is due.
    fn turn(&mut self, end: Option<Time>, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let until = self.rhythms.deadline(self.bots.len() < self.settings.count as usize, end);
        self.serve(until)?;
        let now = self.shared.now;
        self.open_some(now);
        self.step(now);
        while let Some(n) = self.rhythms.chat.take(now) {
            let talkers = u64::from(self.settings.count.div_ceil(TALKERS));
            self.with((n % talkers * u64::from(TALKERS)) as usize, Bot::chat);
        }
        while let Some(n) = self.rhythms.ping.take(now) {
            let (pingers, apart) = pingers(self.settings.count);
            self.with(((n % u64::from(pingers)) * u64::from(apart)) as usize, Bot::ping);
        }
        while let Some(n) = self.rhythms.second.take(now) {
            self.give_up(now);
            progress(&self.progress_line(n));
        }
        Ok(())
    }

    fn step(&mut self, now: Time) {
        let skipped = self.rhythms.step.skip(now, LATE);
        self.shared.tally.traffic.skipped += skipped;
        self.shared.tally.traffic.steps += skipped;
        let count = u64::from(self.settings.count);
        while let Some(n) = self.rhythms.step.take(now) {
            self.shared.tally.traffic.steps += 1;
            self.with((n % count) as usize, Bot::walk);
        }
    }

    /// Polls, and serves the sockets that have something.
    fn serve(&mut self, until: Option<Time>) -> Result<(), Error> {
        if self.settings.count > FEW {
            std::thread::sleep(REST);
        }
        let asked = self.shared.clock.now();
        match self.poll.poll(&mut self.events, until.map(|until| until.since(asked))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(Error::System(format!("the system's poll failed: {error}")));
            }
            _ => {}
        }
        self.shared.now = self.shared.clock.now();
        let mut buffer = std::mem::take(&mut self.buffer);
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.with(event.token().0, |bot, shared| {
                if event.is_writable() {
                    bot.writable(shared)?;
                }
                if event.is_readable() {
                    shared.looks.again(bot.told(asked));
                }
                if event.is_readable() || event.is_error() {
                    bot.readable(event.is_read_closed() || event.is_error(), &mut buffer, shared)?;
                }
                Ok(())
            });
        }
        if events.iter().count() < EVENTS {
            self.shared.looks.emptied(asked);
        }
        (self.buffer, self.events) = (buffer, events);
        Ok(())
    }

    /// Has one bot do something, if it is there, and takes it out if that was its end.
    pub(super) fn with(&mut self, bot: usize, act: impl FnOnce(&mut Bot, &mut Shared) -> Result<(), Gone>) {
        let Some(place) = self.bots.get_mut(bot) else { return };
        let Some(bot) = place else { return };
        let (was_playing, was_opening) = (bot.is_playing(), bot.is_opening());
        let result = act(bot, &mut self.shared);
        let (is_playing, is_opening) = (bot.is_playing(), bot.is_opening());
        let tally = &mut self.shared.tally;
        self.opening.under_way -= usize::from(was_opening && (result.is_err() || !is_opening));
        tally.playing -= u32::from((was_playing || is_playing) && (result.is_err() || !is_playing));
        let Err(Gone(why)) = result else { return };
        *place = None;
        match () {
            () if is_playing => count(&mut tally.lost, why),
            () if was_opening => count(&mut tally.refused, why),
            () => {}
        }
    }

    /// Whoever still waits for an answer has waited this long at least.
    fn measure_those_who_wait(&mut self, now: Time) {
        let Shared { looks, tally, .. } = &mut self.shared;
        for sent in self.bots.iter().flatten().filter_map(Bot::waits_since) {
            tally.pings.unanswered(sent, now, looks.latest());
        }
    }

    fn progress_line(&self, second: u64) -> String {
        let tally = &self.shared.tally;
        let gone = total(&tally.refused) + total(&tally.lost);
        let asked = self.settings.count;
        let batches = tally.traffic.batches;
        format!(
            "{second} s: {} of {asked} in the world, {gone} gone, {batches} batches in order",
            tally.playing
        )
    }

    /// Everybody says goodbye, and waits for the answer.
    fn leave(mut self) -> Result<(), Error> {
        let end = self.shared.now + LEAVING_TIME;
        for bot in 0..self.bots.len() {
            self.with(bot, Bot::leave);
        }
        while self.shared.now < end && self.bots.iter().any(Option::is_some) {
            self.serve(Some(end))?;
        }
        Ok(())
    }
}

impl Rhythms {
    fn new(settings: &Settings, now: Time) -> Rhythms {
        let Settings { count, move_rate, .. } = *settings;
        Rhythms {
            open: Rhythm::new(now, OPENINGS, SECOND),
            step: Rhythm::new(now, u64::from(count) * u64::from(move_rate), SECOND),
            chat: Rhythm::new(now, u64::from(count.div_ceil(TALKERS)), TALK),
            ping: Rhythm::new(now, u64::from(pingers(count).0), EVERY),
            second: Rhythm::new(now, 1, SECOND),
        }
    }

    /// Passes over what bots should have done by now.
    fn pass_over(&mut self, now: Time) {
        for rhythm in [&mut self.step, &mut self.chat, &mut self.ping] {
            rhythm.skip(now, Duration::ZERO);
        }
    }

    /// When something is due next, at `end` at the latest.
    fn deadline(&self, opens: bool, end: Option<Time>) -> Option<Time> {
        let open = if opens { self.open.deadline() } else { None };
        let others = [&self.step, &self.chat, &self.ping, &self.second].map(Rhythm::deadline);
        others.into_iter().chain([open, end]).flatten().min()
    }
}

/// Lets the process open as many files as its bots need.
fn allow_files(bots: u32) -> Result<(), Error> {
    const OTHERS: u64 = 32;
    let wanted = u64::from(bots) + OTHERS;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => {
            Err(Error::System(format!("--count {bots}: the system allows {limit} open files")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Encoding;

    #[test]
    fn what_became_due_while_the_server_was_asked_is_passed_over() {
        let url = "ws://127.0.0.1:1/ws".to_owned();
        let settings =
            Settings { url, count: 100, seconds: 1, move_rate: 10, encoding: Encoding::Json, stay: false };
        let mut rhythms = Rhythms::new(&settings, Time::START);
        let now = Time::from_millis(1500);
        rhythms.pass_over(now);
        assert_eq!(rhythms.step.skip(now, LATE), 0);
        assert!(rhythms.step.take(Time::from_millis(1499)).is_none() && rhythms.ping.deadline() >= Some(now));
    }

    /// Three bots that stand still have nothing to do but to ping, three times a second, and that went on for a tenth of a
    /// second too long.
    #[test]
    fn nothing_is_waited_for_beyond_the_end() {
        let url = "ws://127.0.0.1:1/ws".to_owned();
        let settings =
            Settings { url, count: 3, seconds: 1, move_rate: 0, encoding: Encoding::Json, stay: false };
        let mut rhythms = Rhythms::new(&settings, Time::START);
        let (now, end) = (Time::from_millis(700), Time::from_millis(900));
        for rhythm in [&mut rhythms.chat, &mut rhythms.ping, &mut rhythms.second] {
            while rhythm.take(now).is_some() {}
        }
        assert_eq!(rhythms.deadline(false, None), Some(Time::from_millis(1000)));
        assert_eq!(rhythms.deadline(false, Some(end)), Some(end));
        assert_eq!(rhythms.deadline(false, Some(Time::from_millis(2000))), Some(Time::from_millis(1000)));
        assert_eq!(rhythms.deadline(true, Some(end)), Some(Time::START), "whoever is to come in is due");
    }
}
