//! What a host sets about the engine, and what can be wrong with a game that is added to it.

use crate::address::Network;
use crate::http::cors::Origins;
use crate::limits;
use crate::time::TickRate;
use crate::{registry, session};
use sha2::{Digest, Sha256};
use std::time::Duration;

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
    /// How long a login session lasts unused.
    pub session_timeout: Duration,
    /// How often login sessions and bans that are over are swept.
    pub session_cleanup: Duration,
    /// What opens `/api/admin`.
    pub admin_token: AdminToken,
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
            session_timeout: Duration::from_secs(3600),
            session_cleanup: Duration::from_secs(300),
            admin_token: AdminToken::default(),
            registry: registry::Settings::default(),
            session: session::Settings::default(),
        }
    }
}

impl Settings {
    /// How many connections, and players, tables have room for from the start.
    pub(super) fn room(&self) -> usize {
        self.registry.max_connections.min(limits::RESERVED_PEERS)
    }
}

/// The token of whoever administers the server; by default there is none, and no administrator. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AdminToken(Option<[u8; 32]>);

impl AdminToken {
    /// That token; of an empty one there is none.
    pub fn new(token: &str) -> AdminToken {
        AdminToken((!token.is_empty()).then(|| Sha256::digest(token).into()))
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether `token` is it. Digests are compared: how long that takes says nothing about the token.
    pub fn is(&self, token: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.0.is_some_and(|right| right == digest)
    }
}

impl std::fmt::Debug for AdminToken {
    /// Whether there is one, and no more.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_set() { "AdminToken" } else { "none" })
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
