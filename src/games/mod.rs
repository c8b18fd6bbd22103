//! The games that come with the server. Each is an `impl` of [`Game`](crate::engine::Game): rules only, no input or
//! output of their own. They are examples as much as games: a game of one's own needs nothing that these have not.

#[cfg(feature = "connect4")]
pub mod connect4;
#[cfg(feature = "eternity")]
pub mod eternity;
