//! Shards of Eternity, the built-in world: its rules and nothing else.
//!
//! This file is the glue between the engine's [`Game`] and the rules, which know the engine only as the few calls of
//! `effects.rs`. It owns no socket and reads no clock; chance is the engine's. One run is the log of its inputs.
//!
//! `play.rs` is the state and what each input does to it, `area.rs` who sees whom; `movement.rs`, `chat.rs` and
//! `positions.rs` are the rules of walking, talking and telling moves. [`packets`] is what clients see of all that,
//! and `world.toml`, read by `world_file.rs` into a [`world`], holds the map and the numbers.

mod area;
pub mod character;
mod chat;
mod effects;
mod movement;
pub mod packets;
pub mod place;
mod play;
mod players;
mod positions;
mod recent;
mod sight;
mod spawn;
pub mod world;
mod world_file;

#[cfg(test)]
mod tests;

pub use packets::{In, Out};
pub use spawn::Spawn;
pub use world::{World, WorldError};

use crate::engine::{Context, Game, Grid, Input, Refusal, To};
use crate::ids::{PlayerId, RegionId};
use crate::packet::{Code, Priority};
use crate::random::Random;
use effects::{Clock, Effects};
use play::Play;

/// What a host may choose.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The map and the numbers of the rules.
    pub world: World,
    /// Where newcomers appear.
    pub spawn: Spawn,
}

impl Default for Settings {
    /// The world that is embedded, newcomers at its start.
    fn default() -> Settings {
        Settings { world: World::built_in(), spawn: Spawn::Start }
    }
}

/// The game.
#[derive(Debug)]
pub struct Eternity(Play);

impl Eternity {
    /// The world with nobody in it.
    pub fn new(settings: Settings) -> Eternity {
        Eternity(Play::new(settings.world, settings.spawn))
    }

    /// The map and the numbers of the rules.
    pub fn world(&self) -> &World {
        &self.0.world
    }
}

impl Game for Eternity {
    type In = In;
    type Out = Out;

    const NAME: &'static str = "eternity";

    fn grids(&self) -> Vec<Grid> {
        self.0.world.grids()
    }

    fn priority(packet: &Out) -> Priority {
        packet.priority()
    }

    fn supersedes(packet: &Out) -> Option<u32> {
        packet.supersedes()
    }

    fn is_stream(packet: &In) -> bool {
        packet.is_stream()
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<In>) -> Result<(), Refusal> {
        self.0.handle(ctx, input)
    }

    fn tick(&mut self, ctx: &mut Context<'_, Self>) {
        self.0.tick(ctx);
    }
}

impl Effects for Context<'_, Eternity> {
    fn send(&mut self, to: To<'_>, packet: &Out) {
        Context::send(self, to, packet);
    }

    fn reply(&mut self, packet: &Out) {
        Context::reply(self, packet);
    }

    fn enter(&mut self, player: PlayerId, region: RegionId) {
        Context::enter(self, player, region);
    }

    fn kick(&mut self, player: PlayerId, code: Code, message: &str) {
        Context::kick(self, player, code, message);
    }

    fn random(&mut self) -> &mut Random {
        Context::random(self)
    }

    fn clock(&self) -> Clock {
        Clock { tick: self.tick(), rate: self.rate() }
    }
}
