//! The engine on the loop: real sockets, real time, signals.
//!
//! [`Server`] puts games and pages together, [`Server::bind`] takes the port, [`Bound::run`] serves until it is told to
//! stop. One's own game runs with three calls; see `examples/meadow.rs`.
//!
//! It adds to the loop what the engine must not know: when a tick is due, how long it took, the wall clock, the disk, and
//! that somebody pressed Ctrl-C. It decides nothing about peers.

mod calm;
mod keeping;
mod node;

use self::keeping::Keeping;
use self::node::Node;
use crate::address::Network;
use crate::engine::{BadGame, Engine, Game, Observer, Settings as EngineSettings};
use crate::http::Page;
use crate::ids::ConnId;
use crate::net::{self, Clock, EventLoop};
use crate::registry::Ban;
use crate::time::{TickClock, Time, WallMs};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a host may set about the server as a whole.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// How long a stop may take: from the signal until connections that do not take their goodbye are dropped.
    pub shutdown_grace: Duration,
    /// The seed of the rules' chance; `None` takes one from the operating system.
    pub seed: Option<u64>,
    /// The folder of the database, which is made where it is missing. `None` keeps nothing: there are no accounts then,
    /// and what games save is forgotten.
    pub data_dir: Option<PathBuf>,
    /// What hashing a password costs.
    #[cfg(feature = "storage")]
    pub hashing: crate::storage::Cost,
    /// The loop.
    pub net: net::Settings,
    /// The engine.
    pub engine: EngineSettings,
}

impl Default for Settings {
    /// The contract's defaults: 127.0.0.1:8080, 5 s of grace. Nothing is kept.
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            shutdown_grace: Duration::from_millis(5000),
            seed: None,
            data_dir: None,
            #[cfg(feature = "storage")]
            hashing: crate::storage::Cost::default(),
            net: net::Settings::default(),
            engine: EngineSettings::default(),
        }
    }
}

/// Why a server did not start. Nothing is half-started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A game could not be added.
    Game(BadGame),
    /// Something else answers at a page's path.
    Page(&'static str),
    /// More bans were given than are held at once.
    TooManyBans,
    /// What is kept cannot be opened or read.
    Storage(Box<dyn std::error::Error + Send + Sync>),
    /// Another server keeps its own in that folder.
    InUse(String),
    /// The address could not be taken.
    Listen(SocketAddr, io::Error),
    /// The operating system has no randomness.
    Randomness(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Game(error) => write!(f, "a game cannot be added: {error}"),
            StartError::Page(path) => write!(f, "a page cannot be added: something else answers at {path}"),
            StartError::TooManyBans => f.write_str("too many bans"),
            StartError::Storage(error) => error.fmt(f),
            StartError::InUse(message) => f.write_str(message),
            StartError::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen on {address}: another program has that port")
            }
            StartError::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            StartError::Randomness(error) => write!(f, "the operating system gives no randomness: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    fn storage(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StartError {
        StartError::Storage(error.into())
    }
}

/// A server that is being put together.
pub struct Server {
    settings: Settings,
    engine: Engine,
    /// The first thing that went wrong; told by [`Server::bind`].
    failed: Option<StartError>,
}

impl Server {
    /// A server without games or pages.
    pub fn new(settings: Settings) -> Server {
        let mut failed = None;
        let secrets = random_bytes(&mut failed);
        let seed = settings.seed.unwrap_or_else(|| u64::from_le_bytes(random_bytes(&mut failed)));
        let engine = Engine::new(settings.engine.clone(), seed, secrets);
        Server { settings, engine, failed }
    }

    /// Adds a game that is entered by WebSocket at `path`, such as `/ws`.
    #[must_use]
    pub fn game(mut self, path: &str, game: impl Game) -> Server {
        if let Err(error) = self.engine.add_game(path, game) {
            self.failed.get_or_insert(StartError::Game(error));
        }
        self
    }

    /// Adds a static page.
    #[must_use]
    pub fn page(mut self, page: Page) -> Server {
        let path = page.path();
        if !self.engine.add_page(page) {
            self.failed.get_or_insert(StartError::Page(path));
        }
        self
    }

    /// Bans an address or a network for this run, for so long or for good.
    #[must_use]
    pub fn ban(mut self, network: Network, seconds: Option<u64>, reason: &str) -> Server {
        let until = seconds.map(|s| Time::START + Duration::from_secs(s));
        let ban = Ban { network, until, reason: reason.to_owned() };
        if self.engine.ban(ban, Time::START).is_none() {
            self.failed.get_or_insert(StartError::TooManyBans);
        }
        self
    }

    /// Has `hook` called whenever a connection comes (`true`) or goes, with its address.
    #[must_use]
    pub fn session_hook(mut self, hook: impl FnMut(ConnId, IpAddr, bool) + Send + 'static) -> Server {
        self.engine.set_session_hook(hook);
        self
    }

    /// Has `observer` told of everything that happens.
    #[must_use]
    pub fn observe(mut self, observer: Observer) -> Server {
        self.engine.observe(observer);
        self
    }

    /// Opens what is kept and takes the port. From here on connections wait in the kernel's queue.
    ///
    /// # Errors
    /// Whatever could not be put together, opened or taken; nothing is half-started.
    pub fn bind(self) -> Result<Bound, StartError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Server { settings, mut engine, .. } = self;
        let clock = Clock::start();
        let listen = settings.listen;
        let take_port = || {
            EventLoop::bind(listen, settings.net.clone(), clock)
                .map_err(|error| StartError::Listen(listen, error))
        };
        let mut keeping = match Keeping::open(&settings, &mut engine, clock.now(), wall()) {
            // The same server, started twice: that its port is taken says more.
            Err(StartError::InUse(message)) => {
                take_port()?;
                return Err(StartError::InUse(message));
            }
            opened => opened?,
        };
        let events = take_port()?;
        keeping.start(events.waker())?;
        let ticks = TickClock::new(settings.engine.tick_rate, clock.now());
        let stop = Stopper { flag: Arc::default(), waker: Some(events.waker()) };
        let node = Node::new(engine, keeping, (clock, ticks), stop.flag.clone(), settings.shutdown_grace);
        Ok(Bound { events, node, stop })
    }

    /// [`Server::bind`] and [`Bound::serve`]: what a `main` calls.
    ///
    /// # Errors
    /// What kept the server from starting, or the loop's own failure.
    pub fn run(self) -> Result<(), Box<dyn std::error::Error>> {
        Ok(self.bind()?.serve()?)
    }
}

/// Random bytes of the operating system, or zeros and the reason in `failed`.
fn random_bytes<const N: usize>(failed: &mut Option<StartError>) -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        failed.get_or_insert(StartError::Randomness(error.to_string()));
    }
    bytes
}

/// A server that has its port.
pub struct Bound {
    events: EventLoop,
    node: Node,
    stop: Stopper,
}

impl Bound {
    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.events.local_addr()
    }

    /// A handle that stops it from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Has SIGINT and SIGTERM stop it; a second one exits the process at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn stop_on_signals(&self) -> io::Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down and raises it, the second finds it up.
            signal_hook::flag::register_conditional_shutdown(signal, 1, self.stop.flag.clone())?;
            signal_hook::flag::register(signal, self.stop.flag.clone())?;
        }
        Ok(())
    }

    /// Prints the one line that says where, and serves until SIGINT or SIGTERM. A second signal exits at once.
    ///
    /// # Errors
    /// What the system says of the signals, or the loop's own failure.
    pub fn serve(self) -> io::Result<()> {
        self.stop_on_signals()?;
        let address = self.local_addr();
        log::info!("evertick {} listens on {address}", env!("CARGO_PKG_VERSION"));
        // Nobody may be reading; that is no reason not to serve.
        let _ = writeln!(io::stdout(), "evertick listening on http://{address}");
        self.run()
    }

    /// Serves until it is stopped: everybody has been told, or the grace is over.
    ///
    /// # Errors
    /// Only when the system's poll fails.
    pub fn run(mut self) -> io::Result<()> {
        self.node.start();
        let outcome = self.events.run(&mut self.node);
        self.node.finish();
        outcome
    }
}

/// Stops a server from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    flag: Arc<AtomicBool>,
    waker: Option<net::Waker>,
}

impl Stopper {
    /// Begins the stop; returns at once.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::SeqCst);
        if let Some(waker) = &self.waker {
            // Where the loop cannot be woken, its next tick sees the flag.
            let _ = waker.wake();
        }
    }
}

/// Unix milliseconds; a clock before 1970 reads 0.
#[expect(clippy::disallowed_methods, reason = "the server is where wall time enters the program")]
fn wall() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
