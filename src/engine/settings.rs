//! What a host sets about the engine, and what can be wrong with a game that is added to it.

use crate::address::Network;
use crate::http::cors::Origins;
use crate::time::TickRate;
use crate::{registry, session};

/// What a host may set about the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Ticks a second.
    pub tick_rate: TickRate,
    /// Players at once, over all games.
    pub max_players: usize,
    /// Whether newcomers may come in.
    pub open: bool,
    /// Whether guests may come in.
    pub guests: bool,
    /// Whose word about their clients' addresses is taken.
    pub trusted_proxies: Vec<Network>,
    /// Which pages may open WebSockets and call the API.
    pub allowed_origins: Origins,
    /// Bytes that all peers together may make the server hold.
    pub memory_limit: usize,
    /// Connections: how many and how fast.
    pub registry: registry::Settings,
    /// Sessions: deadlines, rates and sizes.
    pub session: session::Settings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            tick_rate: TickRate::default(),
            max_players: 1000,
            open: true,
            guests: true,
            trusted_proxies: Vec::new(),
            allowed_origins: Origins::any(),
            memory_limit: 256 << 20,
            registry: registry::Settings::default(),
            session: session::Settings::default(),
        }
    }
}

/// Why a game could not be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadGame {
    /// The path is taken, or does not begin with `/`.
    Path(String),
    /// Its grids cannot be laid out.
    Grids(String),
}

impl std::fmt::Display for BadGame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadGame::Path(path) => write!(f, "the path {path:?} is taken or does not begin with a slash"),
            BadGame::Grids(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for BadGame {}
