//! The public contract, held against the server: over real loopback sockets with clients that share no code with it
//! (`std::net`, tungstenite), and where time matters against the engine with a clock that the test turns.
//!
//! [`server`] starts one on a free port with a small game, [`client`] speaks to it, [`driven`] is the engine without
//! sockets. A test waits for what it expects, never for a time; what does not come within [`PATIENCE`] fails it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "storage")]
#[path = "api/accounts.rs"]
mod accounts;
#[path = "api/arrivals.rs"]
mod arrivals;
#[path = "api/auth.rs"]
mod auth;
#[cfg(feature = "storage")]
#[path = "api/bans.rs"]
mod bans;
#[cfg(all(feature = "storage", feature = "eternity"))]
#[path = "api/characters.rs"]
mod characters;
#[path = "api/client.rs"]
mod client;
#[cfg(feature = "deflate")]
#[path = "api/compression.rs"]
mod compression;
#[cfg(feature = "connect4")]
#[path = "api/connect4.rs"]
mod connect4;
#[path = "api/deadlines.rs"]
mod deadlines;
#[path = "api/driven.rs"]
mod driven;
#[cfg(feature = "storage")]
#[path = "api/errands.rs"]
mod errands;
#[path = "api/hostile.rs"]
mod hostile;
#[path = "api/http.rs"]
mod http;
#[cfg(feature = "storage")]
#[path = "api/logins.rs"]
mod logins;
#[path = "api/memory.rs"]
mod memory;
#[path = "api/order.rs"]
mod order;
#[path = "api/play.rs"]
mod play;
#[path = "api/proxies.rs"]
mod proxies;
#[cfg(feature = "deflate")]
#[path = "api/recompressed.rs"]
mod recompressed;
#[cfg(all(feature = "storage", feature = "eternity"))]
#[path = "api/replayed.rs"]
mod replayed;
#[path = "api/resent.rs"]
mod resent;
#[cfg(feature = "storage")]
#[path = "api/restarted.rs"]
mod restarted;
#[path = "api/resume.rs"]
mod resume;
#[path = "api/resumed.rs"]
mod resumed;
#[path = "api/returning.rs"]
mod returning;
#[path = "api/server.rs"]
mod server;
#[cfg(feature = "storage")]
#[path = "api/sessions.rs"]
mod sessions;
#[path = "api/stop.rs"]
mod stop;
#[path = "api/upgrade.rs"]
mod upgrade;

use std::time::Duration;

/// Far longer than anything here takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(20);
