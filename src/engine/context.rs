//! Stand-in until the engine is merged: the signatures that games are written against.
#![allow(missing_docs, unused_variables, clippy::unused_self)]

use super::game::{Game, To};
use crate::ids::{PlayerId, RegionId};
use crate::packet::Code;
use crate::random::Random;
use crate::time::{Tick, TickRate, WallMs};
use std::marker::PhantomData;

pub struct Context<'a, G: Game> {
    random: &'a mut Random,
    tick: Tick,
    game: PhantomData<G>,
}

impl<G: Game> Context<'_, G> {
    pub fn send(&mut self, to: To<'_>, packet: &G::Out) {}
    pub fn reply(&mut self, packet: &G::Out) {}
    pub fn enter(&mut self, player: PlayerId, region: RegionId) {}
    pub fn kick(&mut self, player: PlayerId, code: Code, message: &str) {}
    pub fn tick(&self) -> Tick {
        self.tick
    }
    pub fn rate(&self) -> TickRate {
        TickRate::default()
    }
    pub fn wall(&self) -> WallMs {
        WallMs(0)
    }
    pub fn random(&mut self) -> &mut Random {
        self.random
    }
}
