//! Evertick: an authoritative multiplayer game server in one binary, and the library it is made of.
//!
//! One thread owns every socket and all game state; games run at a fixed rate of ticks and never see a socket. One's
//! own game is two enums and an `impl` of [`Game`](engine::Game):
//!
//! ```no_run
//! use evertick::engine::{Context, Game, Input, Refusal, To};
//! use evertick::server::{Server, Settings};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Said { Shout { text: String } }
//!
//! #[derive(Serialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Heard { Shout { from: u32, text: String } }
//!
//! struct Square;
//!
//! impl Game for Square {
//!     type In = Said;
//!     type Out = Heard;
//!     const NAME: &'static str = "square";
//!
//!     fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<Said>) -> Result<(), Refusal> {
//!         if let Input::Packet { player, packet: Said::Shout { text } } = input {
//!             ctx.send(To::Everyone, &Heard::Shout { from: player.0, text });
//!         }
//!         Ok(())
//!     }
//!
//!     fn tick(&mut self, _: &mut Context<'_, Self>) {}
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     Server::new(Settings::default()).game("/ws", Square).run()
//! }
//! ```
//!
//! # The one idea
//!
//! **The engine is a pure state machine. Bytes and time come in as arguments; bytes come out when asked for. It owns no
//! socket, reads no clock, spawns no thread.** Two shells drive the same engine: [`server`] with real sockets over
//! [`net`], [`sim`] with a seeded network and clock. How to drive it stands in [`engine`].
//!
//! # Floors
//!
//! A module uses only what is listed above it; siblings on one floor never use each other.
//!
//! | floor | modules |
//! | --- | --- |
//! | 0, vocabulary | [`address`] [`ids`] [`limits`] [`outgoing`] [`prefetch`] [`random`] [`time`] |
//! | 1, codecs | [`http`] [`packet`] [`websocket`] |
//! | 2, sessions | [`account`] [`registry`] [`session`] |
//! | 3, engine | [`engine`] |
//! | 4, edges and games | [`client`] `games` [`net`] [`sim`] `storage` [`web`] |
//! | 5, the program's parts | `bots` [`config`] [`logging`] [`server`] |
//! | 6, the program | the binary |

pub mod address;
pub mod ids;
pub mod limits;
pub mod outgoing;
pub mod prefetch;
pub mod random;
pub mod time;

pub mod http;
pub mod packet;
pub mod websocket;

pub mod account;
pub mod registry;
pub mod session;

pub mod engine;

pub mod client;
pub mod games;
pub mod net;
pub mod sim;
#[cfg(feature = "storage")]
pub mod storage;
pub mod web;

#[cfg(feature = "eternity")]
pub mod bots;
pub mod config;
pub mod logging;
pub mod server;
