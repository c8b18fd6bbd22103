//! Evertick: an authoritative multiplayer game server in one binary.

#![cfg_attr(not(test), warn(missing_docs))]

pub mod address;
pub mod bucket;
pub mod ids;
pub mod limits;
pub mod outgoing;
pub mod random;
pub mod time;

pub mod http;
pub mod packet;
pub mod websocket;

pub mod registry;
pub mod session;

pub mod engine;

#[cfg(feature = "eternity")]
pub mod games;
pub mod net;
pub mod sim;
pub mod web;

pub mod config;
pub mod logging;
pub mod server;
