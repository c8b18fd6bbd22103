//! Load: guests who walk and talk, thousands on one thread, and a table of what they saw.
//!
//! [`run`] opens the bots in a bounded rhythm, measures from when the last of them is in the world, and ends by itself or
//! when it is told to: then too with a goodbye of each bot and a report of what was measured.
//! Each bot is a whole client ([`client`](crate::client)): every batch's head is read and its number held against the
//! last one's, pings are answered. What is inside is decoded of each batch in a small crowd; in one of more than
//! [`WHOLE`] only where it is needed: on joining, while an answer is awaited, and in one batch of [`SAMPLED`], drawn by
//! lot, from which the packets are reckoned. So one core of bots can load one core of server; where it cannot, the report
//! says that the bots were the bottleneck.
//!
//! Bots are honest: they keep to their location (or to the region they came in by), walk slower than they may, and
//! stand still while the server is silent, for a server that is behind cannot have seen where they went.
//!
//! In the order of a run: `target` reads the URL, `crowd` is the loop, `opening` its part that brings the bots in, `bot` one
//! guest, `course` how far that has come, `walk` where it goes, `surroundings` what all have in common, `rhythm` when something
//! is due, `tally` what is counted, `pings` how long answers take, `looking` how long at least, `processor` what the bots had of a
//! core, `status` what the server says of itself, `measuring` what becomes of it all, `report` the end, `verdict` whether it
//! is a good one. For whoever runs them there is `docs/bots.md`.

mod bot;
mod course;
mod crowd;
mod looking;
mod measuring;
mod opening;
mod pings;
mod processor;
mod report;
mod rhythm;
mod status;
mod surroundings;
mod tally;
mod target;
mod verdict;
mod walk;

pub use report::{Latency, Report};
pub use status::ServerStatus;

use crate::packet::Encoding;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{fmt, io};

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server: `ws://HOST:PORT/PATH`.
    pub url: String,
    /// How many bots.
    pub count: u32,
    /// Seconds to measure, after all have come in.
    pub seconds: u32,
    /// `position_update`s a second and bot; 0: they stand.
    pub move_rate: u32,
    /// How packets are written.
    pub encoding: Encoding,
    /// Whether bots keep to the region they came in by.
    pub stay: bool,
}

/// Bots up to which every batch is decoded, so that their packets are counted and not reckoned.
pub const WHOLE: u32 = 200;

/// Of more bots, batches of which one is decoded. Which is drawn by lot: a server that serves so many in turn would have
/// a count keep step with it.
pub const SAMPLED: u64 = 61;

/// Why there is no report: a run could not begin, or not go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The URL is none that bots can go to.
    Url(String),
    /// Nobody answers there.
    Connect(String, io::Error),
    /// Our own system: too few open files, no randomness, a failing poll.
    System(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Url(why) => f.write_str(why),
            Error::Connect(url, error) => write!(f, "cannot connect to {url}: {error}"),
            Error::System(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// A flag that SIGINT and SIGTERM raise, for [`run`]; a second one exits the process at once.
///
/// # Errors
/// The system does not let signals be caught.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>, Error> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and raises it, the second finds it up.
        signal_hook::flag::register_conditional_shutdown(signal, 1, flag.clone())
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(|error| Error::System(format!("the system's signals cannot be caught: {error}")))?;
    }
    Ok(flag)
}

/// Runs the bots to their end, or until `stop` is raised; `progress` is told a line a second.
///
/// # Errors
/// The run could not begin, or the system's poll failed in it. What else goes wrong later is in the report.
pub fn run(settings: &Settings, stop: &AtomicBool, progress: &mut dyn FnMut(&str)) -> Result<Report, Error> {
    let target = target::Target::resolve(&settings.url)?;
    let crowd = crowd::Crowd::new(settings, target)?;
    crowd.run(stop, progress)
}
