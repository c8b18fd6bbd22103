//! What a game can do: everything it says and asks goes through here.
//!
//! No call blocks, fails or re-enters the game. What is sent is encoded once for each encoding that somebody in the
//! audience uses, and waits in the recipients' outboxes until the tick is over.

use super::core::Core;
use super::game::{Game, Refusal, To};
use crate::ids::{GameId, PlayerId, RegionId};
use crate::packet::{Code, Kind, ServerControl};
use crate::random::Random;
use crate::time::{Tick, TickRate, WallMs};
use std::marker::PhantomData;

/// The world as a game sees it during one tick.
pub struct Context<'a, G: Game> {
    core: &'a mut Core,
    game: GameId,
    /// Whose packet is being handled, and its `id`.
    asking: Option<(PlayerId, Option<u32>)>,
    replied: bool,
    _game: PhantomData<fn(&G)>,
}

impl<'a, G: Game> Context<'a, G> {
    pub(super) fn new(core: &'a mut Core, game: GameId) -> Context<'a, G> {
        Context { core, game, asking: None, replied: false, _game: PhantomData }
    }

    /// Sends a packet to all of an audience. Nobody there: nothing is even encoded.
    pub fn send(&mut self, to: To<'_>, packet: &G::Out) {
        self.core.send::<G>(self.game, to, None, packet);
    }

    /// Answers the packet that is being handled, to its sender and with its `id` as `re`. Outside of
    /// [`Game::handle`] of a packet there is nobody to answer, and nothing happens.
    pub fn reply(&mut self, packet: &G::Out) {
        let Some((player, id)) = self.asking else { return };
        // A second answer would break "exactly one reply": it goes out as a packet of its own.
        let re = if self.replied { None } else { id };
        self.replied = true;
        self.core.send::<G>(self.game, To::Player(player), re, packet);
    }

    /// Puts a player into a region, out of the one it was in; from now on it is in the audience of both kinds of
    /// region. Nothing happens for somebody who is gone or a region that does not exist.
    pub fn enter(&mut self, player: PlayerId, region: RegionId) {
        self.core.realm_mut(self.game).enter(player, region);
    }

    /// Takes a player out of its region: it stands nowhere.
    pub fn leave_region(&mut self, player: PlayerId) {
        self.core.realm_mut(self.game).leave_region(player);
    }

    /// Where a player stands.
    pub fn region_of(&self, player: PlayerId) -> Option<RegionId> {
        self.core.realm(self.game).region_of(player)
    }

    /// Who stands in a region; the order is the same in every replay.
    pub fn members(&self, region: RegionId) -> impl Iterator<Item = PlayerId> {
        self.core.realm(self.game).in_region(region).map(|member| member.player)
    }

    /// Ends a player's connection after this tick, telling it `code` and `message`; a code that has no close of its own
    /// counts as [`Code::Kicked`]. The game hears of it as [`Input::Left`](super::Input::Left) in the next tick.
    pub fn kick(&mut self, player: PlayerId, code: Code, message: &str) {
        self.core.kick(self.game, player, code, message);
    }

    /// Has a player's connection play as `player` from now on: an account in the lobby enters the world, or another of its
    /// characters does. Whoever plays as `player` already is closed [`Code::Replaced`]. The game hears of all of it in the next
    /// tick: [`Input::Left`](super::Input::Left) of the older, `Left` of `from` with
    /// [`Departure::Became`](super::Departure::Became), then [`Input::Joined`](super::Input::Joined). Nothing happens for somebody who is gone, for a guest,
    /// or for an id that is no character's.
    pub fn become_player(&mut self, from: PlayerId, player: PlayerId, name: &str) {
        self.core.changes_of_player.push((self.game, from, player, name.to_owned()));
    }

    /// The tick that is running.
    pub fn tick(&self) -> Tick {
        self.core.tick
    }

    /// How many ticks make a second.
    pub fn rate(&self) -> TickRate {
        self.core.settings.tick_rate
    }

    /// The wall time of this tick.
    pub fn wall(&self) -> WallMs {
        self.core.wall
    }

    /// Chance, for the rules only: nothing that grants access may come from it.
    pub fn random(&mut self) -> &mut Random {
        &mut self.core.random
    }

    /// `N` bytes that nobody can guess, for whatever grants access: the id of a private match, say.
    pub fn secret<const N: usize>(&mut self) -> [u8; N] {
        self.core.secrets.bytes()
    }

    /// How many players are in this game.
    pub fn online(&self) -> usize {
        self.core.realm(self.game).len()
    }

    /// The next packet is from `player` and carries `id`.
    pub(super) fn begin(&mut self, player: PlayerId, id: Option<u32>) {
        self.asking = Some((player, id));
        self.replied = false;
    }

    /// The packet has been handled: sees to it that one with an `id` has got its one reply.
    pub(super) fn finish(&mut self, outcome: Result<(), Refusal>) {
        let Some((player, id)) = self.asking.take() else { return };
        match outcome {
            Err(Refusal { code, message, retry_after_ms }) => {
                let re = if self.replied { None } else { id };
                let error = ServerControl::Error { code, message, retry_after_ms };
                self.core.send_packet(self.game, To::Player(player), Kind::Control, re, &error);
            }
            Ok(()) if id.is_some() && !self.replied => {
                let ok = ServerControl::Ok;
                self.core.send_packet(self.game, To::Player(player), Kind::Control, id, &ok);
            }
            Ok(()) => {}
        }
    }
}
