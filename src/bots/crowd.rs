//! The loop: opens the bots, has each do what is due, reads what comes, and counts.

use super::bot::{Bot, Gone, Shared};
use super::report::Report;
use super::rhythm::Rhythm;
use super::status::{self, ServerStatus};
use super::tally::{Traffic, count};
use super::target::Target;
use super::{Error, Settings};
use crate::client;
use crate::limits::RECEIVE_BUFFER;
use crate::net::Clock;
use crate::random::Secrets;
use crate::time::Time;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Bots that set out in a second, at most.
const OPENINGS: u64 = 1000;
/// Bots on their way in at once.
const OPENING_AT_ONCE: usize = 128;
/// How long a bot may take to come in.
const OPENING_TIME: Duration = Duration::from_secs(10);
/// Bots that measure the latency, at most.
const PINGERS: u32 = 200;
/// One bot in so many talks...
const TALKERS: u32 = 20;
/// ...once in such a time, far below what the rules allow.
const TALK: Duration = Duration::from_secs(4);
/// A step that is so late is not taken any more.
const LATE: Duration = Duration::from_millis(200);
/// How long the goodbyes may take.
const LEAVING_TIME: Duration = Duration::from_secs(2);
/// A crowd of more than [`FEW`] rests so long between two looks at its sockets. Whoever waits in a poll is woken by each
/// message, and on one machine it is the server's core that pays for the waking; no server pays that for clients
/// elsewhere. Latencies are read so much too late at most.
const REST: Duration = Duration::from_micros(250);
/// Bots that need no rest.
const FEW: u32 = 200;
/// Events taken from one poll: few, so that steps are taken in between.
const EVENTS: usize = 256;

/// All bots of a run.
pub(super) struct Crowd {
    settings: Settings,
    target: Target,
    client: client::Settings,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    bots: Vec<Option<Bot>>,
    /// How many are on their way in.
    opening: usize,
    shared: Shared,
    rhythms: Rhythms,
}

/// What is due when.
struct Rhythms {
    open: Rhythm,
    step: Rhythm,
    chat: Rhythm,
    ping: Rhythm,
    second: Rhythm,
}

/// The state at the moment from which is measured.
struct Mark {
    at: Time,
    tick: u64,
    traffic: Traffic,
    cpu: Option<Duration>,
    server: Option<ServerStatus>,
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
            opening: 0,
            shared: Shared::new(clock, Secrets::new(key), settings.stay),
            rhythms,
        })
    }

    /// Opens, measures, leaves.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(&str)) -> Result<Report, Error> {
        let began = self.shared.now;
        while self.bots.len() < self.settings.count as usize || self.opening > 0 {
            self.turn(progress)?;
        }
        let mark = self.mark();
        self.shared.tally.begin_measuring();
        let end = mark.at + SECOND * self.settings.seconds;
        while self.shared.now < end && self.shared.tally.playing > 0 {
            self.turn(progress)?;
        }
        let report = self.report(began, &mark);
        self.leave()?;
        Ok(report)
    }

    /// One turn: wait for what is due next or for the sockets, read, then do what is due.
    fn turn(&mut self, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let until = self.rhythms.deadline(self.bots.len() < self.settings.count as usize);
        self.serve(until)?;
        let now = self.shared.now;
        self.open_some(now);
        self.shared.tally.traffic.skipped += self.rhythms.step.skip(now, LATE);
        let count = u64::from(self.settings.count);
        while let Some(n) = self.rhythms.step.take(now) {
            self.with((n % count) as usize, Bot::walk);
        }
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

    /// Polls, and serves the sockets that have something.
    fn serve(&mut self, until: Option<Time>) -> Result<(), Error> {
        if self.settings.count > FEW {
            std::thread::sleep(REST);
        }
        let timeout = until.map(|until| until.since(self.shared.clock.now()));
        match self.poll.poll(&mut self.events, timeout) {
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
                if event.is_readable() || event.is_error() {
                    bot.readable(event.is_read_closed() || event.is_error(), &mut buffer, shared)?;
                }
                Ok(())
            });
        }
        (self.buffer, self.events) = (buffer, events);
        Ok(())
    }

    /// Has one bot do something, if it is there, and takes it out if that was its end.
    fn with(&mut self, bot: usize, act: impl FnOnce(&mut Bot, &mut Shared) -> Result<(), Gone>) {
        let Some(place) = self.bots.get_mut(bot) else { return };
        let Some(bot) = place else { return };
        let was_playing = bot.is_playing();
        let result = act(bot, &mut self.shared);
        let (is_playing, is_leaving) = (bot.is_playing(), bot.is_leaving());
        let was_opening = !was_playing && !is_leaving;
        self.opening -= usize::from(was_opening && (is_playing || result.is_err()));
        let Err(Gone(why)) = result else { return };
        *place = None;
        let tally = &mut self.shared.tally;
        match () {
            () if is_playing => {
                tally.playing -= 1;
                count(&mut tally.lost, why);
            }
            () if was_opening => count(&mut tally.refused, why),
            () => {}
        }
    }

    fn open_some(&mut self, now: Time) {
        // What could not be done in time is not made up for.
        self.rhythms.open.skip(now, SECOND / 10);
        while self.bots.len() < self.settings.count as usize && self.opening < OPENING_AT_ONCE {
            if self.rhythms.open.take(now).is_none() {
                return;
            }
            let number = self.bots.len() as u32;
            let way = (self.target.address, self.target.source(number));
            let bot = Bot::open(number, way, &self.client, &mut self.shared).and_then(|mut bot| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(bot.socket(), Token(number as usize), interest)?;
                Ok(bot)
            });
            match bot {
                Ok(bot) => {
                    self.opening += 1;
                    self.bots.push(Some(bot));
                }
                Err(Gone(why)) => {
                    count(&mut self.shared.tally.refused, why);
                    self.bots.push(None);
                }
            }
        }
    }

    /// Bots that do not get in are not waited for any longer.
    fn give_up(&mut self, now: Time) {
        if self.opening == 0 {
            return;
        }
        for bot in 0..self.bots.len() {
            self.with(bot, |bot, _| {
                let late = !bot.is_playing() && now.since(bot.since()) >= OPENING_TIME;
                if late { Err(Gone("timeout".to_owned())) } else { Ok(()) }
            });
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            server: status::ask(&self.target).unwrap_or_default(),
            at: self.shared.clock.now(),
            tick: self.shared.tally.tick,
            traffic: self.shared.tally.traffic,
            cpu: cpu_time(),
        }
    }

    fn report(&mut self, began: Time, from: &Mark) -> Report {
        let to = Mark { at: self.shared.now, ..self.mark() };
        // Whoever still waits for an answer has waited this long at least.
        for sent in self.bots.iter().flatten().filter_map(Bot::waits_since) {
            if to.at.since(sent) >= SECOND {
                self.shared.tally.measure(to.at.since(sent));
            }
        }
        let tally = &self.shared.tally;
        let seconds = to.at.since(from.at).as_secs_f64().max(1e-3);
        let ticks = to.tick.saturating_sub(from.tick);
        let traffic = to.traffic.since(&from.traffic);
        let players = f64::from(tally.playing.max(1));
        let server = to.server.map(|mut server| {
            server.tick.overruns -=
                from.server.as_ref().map_or(0, |s| s.tick.overruns).min(server.tick.overruns);
            server
        });
        let cpu = from.cpu.zip(to.cpu).map(|(from, to)| to.saturating_sub(from).as_secs_f64() / seconds);
        Report {
            url: self.target.url.clone(),
            encoding: self.settings.encoding.subprotocol().trim_start_matches("evertick.v1.").to_owned(),
            count: self.settings.count,
            opening_seconds: from.at.since(began).as_secs_f64(),
            seconds,
            joined: tally.joined,
            refused: tally.refused.clone(),
            lost: tally.lost.clone(),
            out_of_order: tally.out_of_order,
            packets_in_per_s: traffic.packets_in() / seconds,
            packets_out_per_s: traffic.packets_out as f64 / seconds,
            bytes_in_per_s: traffic.bytes_in as f64 / seconds,
            bytes_out_per_s: traffic.bytes_out as f64 / seconds,
            batches_per_s: traffic.batches as f64 / seconds,
            batches_per_tick: traffic.batches as f64 / (ticks.max(1) as f64 * players),
            latency_us: tally.latency(),
            server,
            cpu,
            skipped: traffic.skipped,
        }
    }

    fn progress_line(&self, second: u64) -> String {
        let tally = &self.shared.tally;
        let gone = super::tally::total(&tally.refused) + super::tally::total(&tally.lost);
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
            self.with(bot, |bot, shared| {
                shared.tally.playing -= u32::from(bot.is_playing());
                bot.leave(shared)
            });
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
            ping: Rhythm::new(now, u64::from(pingers(count).0), SECOND),
            second: Rhythm::new(now, 1, SECOND),
        }
    }

    /// When something is due next.
    fn deadline(&self, opens: bool) -> Option<Time> {
        let open = if opens { self.open.deadline() } else { None };
        let others = [&self.step, &self.chat, &self.ping, &self.second].map(Rhythm::deadline);
        others.into_iter().chain([open]).flatten().min()
    }
}

/// How many bots measure, and how many stand between two of them.
fn pingers(count: u32) -> (u32, u32) {
    let apart = count.div_ceil(PINGERS).max(1);
    (count.div_ceil(apart), apart)
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

/// Processor time that the process has used, where the system tells.
fn cpu_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        // proc(5): utime and stime are the 14th and 15th field, in clock ticks of 1/100 s; the second field is in
        // parentheses and may hold anything.
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_measure_are_spread_over_all() {
        assert_eq!(pingers(1), (1, 1));
        assert_eq!(pingers(200), (200, 1));
        assert_eq!(pingers(201), (101, 2));
        assert_eq!(pingers(5000), (200, 25));
        for count in 1..3000 {
            let (pingers, apart) = pingers(count);
            assert!(pingers <= PINGERS && (pingers - 1) * apart < count);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn processor_time_is_told() {
        assert!(cpu_time().is_some_and(|cpu| cpu < Duration::from_secs(3600)));
    }
}
