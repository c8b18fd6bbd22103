//! The documentation says what the code does: each page's tables and examples are held against it.

#![cfg(all(feature = "connect4", feature = "eternity"))]

#[path = "../examples/meadow.rs"]
#[allow(dead_code, reason = "it is a program: nobody else calls its `main`")]
mod meadow;

#[path = "docs/markdown.rs"]
mod markdown;

#[path = "docs/configuration.rs"]
mod configuration;
#[path = "docs/floors.rs"]
mod floors;
#[path = "docs/http.rs"]
mod http;
#[cfg(feature = "storage")]
#[path = "docs/openapi.rs"]
mod openapi;
#[path = "docs/own_game.rs"]
mod own_game;
#[path = "docs/performance.rs"]
mod performance;
#[path = "docs/protocol.rs"]
mod protocol;
