//! The state of everybody in the world, and what each input does to it.
//!
//! A tick has two halves. While inputs come, positions change and questions are answered, but who is in whose sight
//! stays what the last tick left. Then, in [`Play::tick`], those who took an exit arrive, areas settle, newcomers are
//! told where they are, words held back are said, and moves are told. So nobody is ever told something about a
//! player that it may not see.

use super::area::Areas;
use super::character::Character;
use super::effects::Effects;
use super::movement::{self, Body, Violation};
use super::packets::{Channel, In, Out, Speaker};
use super::place::{LocationId, Point};
use super::players::{Player, Players, Slot};
use super::positions::Positions;
use super::spawn::{Spawn, Spawner};
use super::world::World;
use super::{chat, sight};
use crate::engine::{Input, Refusal, To};
use crate::ids::PlayerId;
use crate::packet::Code;

/// The whole game, without the engine.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) world: World,
    spawner: Spawner,
    pub(super) players: Players,
    areas: Areas,
    positions: Positions,
    /// Who took an exit in this tick.
    travellers: Vec<Slot>,
    /// Who is to be told everything in this tick.
    greetings: Vec<Slot>,
    /// What was said locally, in this tick, by those whom nobody sees yet.
    held: Vec<(PlayerId, String)>,
}

impl Play {
    /// An empty world.
    pub(super) fn new(world: World, spawn: Spawn) -> Play {
        Play {
            spawner: Spawner::new(spawn),
            players: Players::default(),
            areas: Areas::new(&world),
            positions: Positions::default(),
            travellers: Vec::new(),
            greetings: Vec::new(),
            held: Vec::new(),
            world,
        }
    }

    /// One thing that happened.
    pub(super) fn handle(&mut self, fx: &mut impl Effects, input: Input<In>) -> Result<(), Refusal> {
        match input {
            Input::Packet { player, packet } => return self.packet(fx, player, packet),
            Input::Joined { player, name, .. } => self.join(fx, player, &name),
            Input::Left { player, departure: _ } => self.leave(player),
            Input::CaughtUp { player } => self.tell_positions(fx, player),
            // Nothing of this world is committed.
            Input::Loaded { .. } | Input::Called { .. } | Input::Committed { .. } | Input::Log { .. } => {}
        }
        Ok(())
    }

    /// The second half of a tick.
    pub(super) fn tick(&mut self, fx: &mut impl Effects) {
        self.arrive();
        self.areas.settle(&self.world, &mut self.players, fx);
        self.greet(fx);
        self.say_what_was_held(fx);
        self.positions.send(&mut self.players, fx);
    }

    fn join(&mut self, fx: &mut impl Effects, id: PlayerId, name: &str) {
        debug_assert!(self.players.slot(id).is_none(), "{id} is in the world already");
        self.leave(id);
        let character = Character::for_guest(name, fx.random());
        let spot = self.spawner.place(&self.world, fx.random());
        let body = Body::at(spot, &self.world.rules, fx.clock());
        let slot = self.players.insert(Player::new(id, character, body, self.world.region_at(spot)));
        self.greetings.push(slot);
        if let Some(player) = self.players.get_mut(slot) {
            self.areas.stir(slot, player);
        }
    }

    fn leave(&mut self, id: PlayerId) {
        if let Some(player) = self.players.remove(id) {
            self.areas.depart(&player, &mut self.players);
        }
    }

    fn packet(&mut self, fx: &mut impl Effects, id: PlayerId, packet: In) -> Result<(), Refusal> {
        let Some(slot) = self.players.slot(id) else {
            return Err(Refusal::new(Code::Conflict, "you are not in the world"));
        };
        match packet {
            In::PositionUpdate { position, velocity } => self.walk(fx, slot, position, velocity),
            In::Move { to_location_id, from_location_id, position: _ } => {
                return self.take_exit(fx, slot, to_location_id, from_location_id);
            }
            In::Chat { channel, message } => return self.say(fx, slot, channel, &message),
            In::GetGameState => self.tell_game_state(fx, slot),
            In::GetNearbyPlayers => self.tell_nearby(fx, slot),
        }
        Ok(())
    }

    fn walk(&mut self, fx: &mut impl Effects, slot: Slot, to: Point, velocity: Point) {
        let Some(player) = self.players.get_mut(slot) else { return };
        if player.bound_for.is_some() {
            // Sent before the client could know that it is somewhere else.
            return;
        }
        match player.body.walk(&self.world, to, velocity, fx.clock()) {
            Ok(()) => {
                self.positions.note(slot, player);
                let region = self.world.region_at(player.body.spot);
                if region != player.region {
                    player.region = region;
                    self.areas.stir(slot, player);
                }
            }
            Err(violation) => {
                fx.reply(&Out::PositionCorrection { position: player.body.spot.at.told() });
                if violation == Violation::Cheating {
                    fx.kick(player.id, Code::Cheating, "too many impossible moves");
                }
            }
        }
    }

    fn take_exit(
        &mut self,
        fx: &mut impl Effects,
        slot: Slot,
        to: LocationId,
        from: Option<LocationId>,
    ) -> Result<(), Refusal> {
        let Some(player) = self.players.get_mut(slot) else { return Ok(()) };
        if player.bound_for.is_some() {
            return Err(Refusal::new(Code::Conflict, "you are on your way through another exit"));
        }
        let spot = movement::exit(&self.world, player.body.spot, to, from)?;
        player.bound_for = Some(spot);
        self.travellers.push(slot);
        let location = self.world.location(spot.location).told.clone();
        fx.reply(&Out::LocationUpdate { location, position: spot.at.told() });
        Ok(())
    }

    /// Those who took an exit come out of it.
    fn arrive(&mut self) {
        for slot in self.travellers.drain(..) {
            // It may have left since, and another may have its slot who took none.
            let Some(player) = self.players.get_mut(slot) else { continue };
            let Some(spot) = player.bound_for.take() else { continue };
            player.body.put(spot);
            player.region = self.world.region_at(spot);
            self.areas.stir(slot, player);
            // Fellow travellers never lose sight of each other: only this tells them where the other is.
            self.positions.note(slot, player);
        }
    }

    fn greet(&mut self, fx: &mut impl Effects) {
        for slot in std::mem::take(&mut self.greetings) {
            let Some(player) = self.players.get_mut(slot) else { continue };
            if std::mem::take(&mut player.to_greet) {
                let id = player.id;
                if let Some(state) = self.game_state(slot) {
                    fx.send(To::Player(id), &state);
                }
            }
        }
    }

    fn tell_game_state(&mut self, fx: &mut impl Effects, slot: Slot) {
        if let Some(state) = self.game_state(slot) {
            fx.reply(&state);
        }
        let Some(player) = self.players.get_mut(slot) else { return };
        // The answer just given shows nobody; it is made good as soon as it is settled who is in sight.
        if player.sees_from().is_none() && !std::mem::replace(&mut player.to_greet, true) {
            self.greetings.push(slot);
        }
    }

    fn game_state(&self, slot: Slot) -> Option<Out> {
        let player = self.players.get(slot)?;
        Some(sight::game_state(&self.world, player, self.in_sight_of(player)))
    }

    fn tell_nearby(&self, fx: &mut impl Effects, slot: Slot) {
        let Some(player) = self.players.get(slot) else { return };
        fx.reply(&Out::NearbyPlayers { players: sight::nearest(player, self.in_sight_of(player)) });
    }

    /// Everybody whom `player` sees, itself too.
    fn in_sight_of<'a>(&'a self, player: &Player) -> impl Iterator<Item = &'a Player> {
        let around = |region| self.areas.around(region, &self.world, &self.players);
        player.sees_from().into_iter().flat_map(around)
    }

    fn tell_positions(&mut self, fx: &mut impl Effects, id: PlayerId) {
        let Play { world, players, areas, positions, .. } = self;
        let Some(player) = players.slot(id).and_then(|slot| players.get(slot)) else { return };
        if let Some(region) = player.sees_from() {
            positions.tell_all(id, areas.around(region, world, players), fx);
        }
    }

    fn say(
        &mut self,
        fx: &mut impl Effects,
        slot: Slot,
        channel: Channel,
        message: &str,
    ) -> Result<(), Refusal> {
        let Some(player) = self.players.get_mut(slot) else { return Ok(()) };
        let text = chat::text(message, &self.world.rules)?;
        chat::admit(&mut player.said, &self.world.rules, fx.clock())?;
        match (channel, player.sees_from()) {
            (Channel::Global, _) => fx.send(To::Everyone, &said(player, channel, text.to_owned())),
            (Channel::Local, Some(region)) => {
                fx.send(To::Around(region), &said(player, channel, text.to_owned()));
            }
            (Channel::Local, None) => self.held.push((player.id, text.to_owned())),
        }
        Ok(())
    }

    /// What newcomers and those in an exit said is heard where they come out.
    fn say_what_was_held(&mut self, fx: &mut impl Effects) {
        for (id, text) in self.held.drain(..) {
            let player = self.players.slot(id).and_then(|slot| self.players.get(slot));
            if let Some((player, region)) = player.and_then(|p| Some((p, p.sees_from()?))) {
                fx.send(To::Around(region), &said(player, Channel::Local, text));
            }
        }
    }
}

fn said(speaker: &Player, channel: Channel, message: String) -> Out {
    let from = Speaker { id: speaker.id, name: speaker.character.name.clone() };
    Out::Chat { channel, from, message }
}
