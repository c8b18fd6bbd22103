//! Connect 4: two drop discs into a board of seven columns and six rows, and whoever has four in a row wins. Rules and
//! nothing else.
//!
//! This file is the glue between the engine's [`Game`] and the rules, which know the engine only as the few calls of
//! `effects.rs`. It owns no socket and reads no clock; ids come from the engine's secrets, chance from its seed. One run
//! is the log of its inputs.
//!
//! [`board`] is the board alone, `matches.rs` one match, `hall.rs` all of them, `play.rs` what each input does and who is
//! told, `names.rs` who is called what; `bot.rs` is the server's own player and `thinking.rs` how much all bots together
//! think in a tick. [`packets`] is what clients see of it, `number.rs` how loosely their numbers are read.
//! `docs/your-own-game.md` goes through it as an example.

pub mod board;
mod bot;
mod effects;
mod hall;
mod matches;
mod names;
mod number;
pub mod packets;
mod play;
mod thinking;

#[cfg(test)]
mod tests;

pub use packets::{In, Out};

use crate::engine::{Context, Game, Input, Refusal, To};
use crate::ids::PlayerId;
use crate::packet::Priority;
use crate::random::Random;
use effects::{Clock, Effects};
use play::Play;
use std::time::Duration;

/// Matches in one list.
pub const LISTED: usize = 50;

/// What a host may choose.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long the one on turn may take; then it has lost.
    pub move_time: Duration,
    /// How long a seat is held for a lost player that the engine does not hold: one that joins anew.
    pub resume_grace: Duration,
}

impl Default for Settings {
    /// A minute for a move, and half of one to come back.
    fn default() -> Settings {
        Settings { move_time: Duration::from_secs(60), resume_grace: Duration::from_secs(30) }
    }
}

/// The game.
#[derive(Debug)]
pub struct Connect4(Play);

impl Connect4 {
    /// The game with nobody in it.
    pub fn new(settings: Settings) -> Connect4 {
        Connect4(Play::new(settings))
    }
}

impl Game for Connect4 {
    type In = In;
    type Out = Out;

    const NAME: &'static str = "connect4";

    fn priority(packet: &Out) -> Priority {
        packet.priority()
    }

    fn has_name(&self, name: &str) -> bool {
        self.0.has_name(name)
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<In>) -> Result<(), Refusal> {
        self.0.handle(ctx, input)
    }

    fn tick(&mut self, ctx: &mut Context<'_, Self>) {
        self.0.tick(ctx);
    }
}

impl Effects for Context<'_, Connect4> {
    fn send(&mut self, to: &[PlayerId], packet: &Out) {
        Context::send(self, To::Players(to), packet);
    }

    fn reply(&mut self, packet: &Out) {
        Context::reply(self, packet);
    }

    fn secret(&mut self) -> [u8; 16] {
        Context::secret(self)
    }

    fn random(&mut self) -> &mut Random {
        Context::random(self)
    }

    fn clock(&self) -> Clock {
        Clock { tick: self.tick(), rate: self.rate() }
    }
}
