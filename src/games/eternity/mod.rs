//! Shards of Eternity, the built-in world: its rules and nothing else.
//!
//! This file is the glue between the engine's [`Game`] and the rules, which know the engine only as the few calls of
//! `effects.rs`. It owns no socket and reads no clock; chance is the engine's. One run is the log of its inputs.
//!
//! `play.rs` is everybody in the world and what each input does, `area.rs` who sees whom; `movement.rs`, `chat.rs` and
//! `positions.rs` are the rules of walking, talking and telling moves. `characters.rs` has all characters, in the world or
//! not, `choosing.rs` makes, chooses and deletes them, `state.rs` is the world as a whole, `called.rs` what is answered over
//! HTTP. What is kept on disk is in `kept.rs`, what goes there by and by in `saving.rs`. [`packets`] is what clients see of
//! all that, and `world.toml`, read by `world_file.rs` into a [`world`], holds the map and the numbers.

mod area;
mod called;
pub mod character;
mod characters;
mod chat;
mod choosing;
mod effects;
mod kept;
mod movement;
mod naming;
pub mod packets;
pub mod place;
mod play;
mod players;
mod positions;
mod recent;
mod saving;
mod sight;
mod spawn;
mod state;
pub mod world;
mod world_file;

#[cfg(test)]
mod tests;

pub use packets::{In, Out};
pub use spawn::Spawn;
pub use world::{World, WorldError};

use crate::engine::{
    Asker, Commit, CommitId, Context, Game, Grid, Input, Kept, ReadingId, Refusal, Roster, Route, To,
};
use crate::ids::{AccountId, PlayerId, RegionId};
use crate::packet::{Code, Priority};
use crate::random::Random;
use crate::time::WallMs;
use effects::{Clock, Effects};
use play::Play;
use serde::Serialize;

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
    const ROUTES: &'static [Route] = called::ROUTES;
    const COLLECTIONS: &'static [&'static str] = kept::COLLECTIONS;

    fn accepts(record: &Kept) -> Result<(), String> {
        kept::accepts(record)
    }

    fn roster(&self, account: AccountId, _name: &str) -> Roster {
        self.0.roster(account)
    }

    fn has_name(&self, name: &str) -> bool {
        self.0.characters.has_name(name)
    }

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

    fn wall(&self) -> WallMs {
        Context::wall(self)
    }

    fn become_player(&mut self, from: PlayerId, player: PlayerId, name: &str) {
        Context::become_player(self, from, player, name);
    }

    fn asker(&mut self) -> Asker {
        Context::asker(self)
    }

    fn reply_to(&mut self, asker: Asker, packet: &Out) {
        Context::reply_to(self, asker, packet);
    }

    fn answer<T: Serialize>(&mut self, asker: Asker, status: u16, value: &T) {
        Context::answer(self, asker, status, value);
    }

    fn done(&mut self, asker: Asker) {
        Context::done(self, asker);
    }

    fn refuse(&mut self, asker: Asker, refusal: Refusal) {
        Context::refuse(self, asker, refusal);
    }

    fn save<T: Serialize>(&mut self, collection: &str, key: u32, version: u32, value: &T) {
        Context::save(self, collection, key, version, value);
    }

    fn commit(&mut self, commit: Commit) -> CommitId {
        Context::commit(self, commit)
    }

    fn read_log(&mut self, before: Option<u64>, limit: u32) -> ReadingId {
        Context::read_log(self, before, limit)
    }
}
