//! Stand-in until the engine is merged: the game's side of it.

mod context;
mod game;

pub use context::Context;
pub use game::{Departure, Game, Grid, Input, Refusal, To};
