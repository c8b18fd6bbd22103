//! The state of everybody in the world, and what each input does to it.
//!
//! A tick has two halves. While inputs come, positions change and questions are answered, but who is in whose sight
//! stays what the last tick left. Then, in [`Play::tick`], those who took an exit arrive, areas settle, newcomers are
//! told where they are, what was said is heard, and moves are told. So nobody is ever told something about a
//! player that it may not see, and `game_state` is the first that a newcomer is told at all.

use super::area::Areas;
use super::called::Census;
use super::character::{Character, Life};
use super::characters::{Characters, Wish};
use super::choosing::Operation;
use super::effects::Effects;
use super::movement::{self, Body, Violation};
use super::packets::{Channel, In, Out, Speaker};
use super::place::{LocationId, Point};
use super::players::{Player, Players, Slot, Who};
use super::positions::Positions;
use super::spawn::{Spawn, Spawner};
use super::state::State;
use super::world::{Spot, World};
use super::{chat, sight};
use crate::engine::{Asker, CommitId, Input, ReadingId, Refusal, Roster, To};
use crate::ids::{AccountId, PlayerId, RegionId};
use crate::packet::Code;
use std::collections::BTreeMap;

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
    /// What was said in this tick, in that order.
    words: Vec<Words>,
    /// All characters, in the world or not.
    pub(super) characters: Characters,
    /// Accounts that are here and have nobody in the world.
    pub(super) lobby: BTreeMap<PlayerId, AccountId>,
    /// The world as a whole.
    pub(super) state: State,
    /// Commits under way.
    pub(super) operations: BTreeMap<CommitId, Operation>,
    /// Who waits for what of the log.
    pub(super) readings: BTreeMap<ReadingId, Asker>,
    pub(super) census: Census,
    /// The tick at which the founding is tried again; `None`: it has not failed.
    pub(super) found_again: Option<u64>,
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
            words: Vec::new(),
            characters: Characters::default(),
            lobby: BTreeMap::new(),
            state: State::new(&world),
            operations: BTreeMap::new(),
            readings: BTreeMap::new(),
            census: None,
            found_again: None,
            world,
        }
    }

    /// One thing that happened.
    pub(super) fn handle(&mut self, fx: &mut impl Effects, input: Input<In>) -> Result<(), Refusal> {
        match input {
            Input::Packet { player, packet } => return self.packet(fx, player, packet),
            Input::Called { call } => return self.called(fx, &call),
            Input::Joined { player, name, guest: _, account: None } => self.join(fx, player, &name),
            Input::Joined { player, account: Some(account), .. } if player.is_in_lobby() => {
                self.wait_in_lobby(fx, player, account);
            }
            Input::Joined { player, account: Some(_), .. } => self.come_back(fx, player),
            Input::Left { player, departure: _ } => self.leave(fx, player),
            Input::CaughtUp { player } => self.tell_positions(fx, player),
            // It stands where it stood.
            Input::Lost { .. } => {}
            Input::Resumed { player, full_state } if full_state => self.greet_again(player),
            Input::Resumed { .. } => {}
            Input::Loaded { records } => self.load(fx, &records),
            Input::Committed { commit, outcome } => self.committed(fx, commit, outcome),
            Input::Log { reading, outcome } => self.answer_events(fx, reading, outcome),
        }
        Ok(())
    }

    /// The second half of a tick.
    pub(super) fn tick(&mut self, fx: &mut impl Effects) {
        self.arrive();
        self.areas.settle(&self.world, &mut self.players, fx);
        self.greet(fx);
        self.have_words_heard(fx);
        self.positions.send(&mut self.players, fx);
        self.save_some(fx);
        if self.found_again.is_some_and(|tick| fx.clock().tick.0 >= tick) {
            self.found_again = None;
            self.found(fx);
        }
    }

    /// What an account has here, and who of it enters the world.
    pub(super) fn roster(&self, account: AccountId) -> Roster {
        let name = |id| Some((PlayerId(id), self.characters.get(id)?.name.clone()));
        Roster {
            characters: self.characters.list(account, &self.world),
            enters: self.characters.selected(account).and_then(name),
        }
    }

    /// A guest comes in.
    fn join(&mut self, fx: &mut impl Effects, id: PlayerId, name: &str) {
        let character = Character::for_guest(name, fx.random());
        let life = Life::new(self.world.vitals(character.class));
        let spot = self.spawner.place(&self.world, fx.random());
        self.put_in(fx, id, Who { account: None, character, life }, spot);
    }

    /// A character comes in, where it was last or where newcomers appear.
    fn come_back(&mut self, fx: &mut impl Effects, id: PlayerId) {
        let going = self.characters.is_going(id.0);
        let Some(kept) = self.characters.get(id.0).filter(|_| !going) else {
            return fx.kick(id, Code::Kicked, "this character is being deleted");
        };
        let who =
            Who { account: Some(kept.account), character: kept.character(), life: kept.life(&self.world) };
        let spot = kept.spot(&self.world).unwrap_or_else(|| self.spawner.place(&self.world, fx.random()));
        self.put_in(fx, id, who, spot);
    }

    fn put_in(&mut self, fx: &mut impl Effects, id: PlayerId, who: Who, spot: Spot) {
        debug_assert!(self.players.slot(id).is_none(), "{id} is in the world already");
        self.leave(fx, id);
        let body = Body::at(spot, &self.world.rules, fx.clock());
        let slot = self.players.insert(Player::new(id, who, body, self.world.region_at(spot)));
        self.greetings.push(slot);
        if let Some(player) = self.players.get_mut(slot) {
            self.areas.stir(slot, player);
        }
    }

    /// Somebody is to be told everything in this tick.
    fn greet_again(&mut self, id: PlayerId) {
        let Some(slot) = self.players.slot(id) else { return };
        if let Some(player) = self.players.get_mut(slot)
            && !std::mem::replace(&mut player.to_greet, true)
        {
            self.greetings.push(slot);
        }
    }

    fn leave(&mut self, fx: &mut impl Effects, id: PlayerId) {
        self.lobby.remove(&id);
        if let Some(player) = self.players.remove(id) {
            self.have_last_words_heard(fx, &player);
            self.areas.depart(&player, &mut self.players);
            self.save_leaving(fx, &player);
        }
    }

    /// Whose connection that is.
    fn account_of(&self, id: PlayerId) -> Result<AccountId, Refusal> {
        let playing = || self.players.slot(id).and_then(|slot| self.players.get(slot)?.account);
        let account = self.lobby.get(&id).copied().or_else(playing);
        account.ok_or_else(|| Refusal::new(Code::Forbidden, "guests have no characters to choose from"))
    }

    fn packet(&mut self, fx: &mut impl Effects, id: PlayerId, packet: In) -> Result<(), Refusal> {
        match packet {
            In::CharacterCreate { name, faction, class } => {
                return self.create(fx, self.account_of(id)?, &Wish { name, faction, class });
            }
            In::CharacterSelect { character_id } => {
                return self.select(fx, self.account_of(id)?, character_id, Some(id));
            }
            In::CharacterDelete { character_id } => {
                return self.delete(fx, self.account_of(id)?, character_id);
            }
            _ => {}
        }
        let Some(slot) = self.players.slot(id) else {
            return Err(Refusal::new(Code::Conflict, "you are not in the world; choose a character"));
        };
        self.act(fx, slot, packet)
    }

    /// Somebody in the world does something.
    fn act(&mut self, fx: &mut impl Effects, slot: Slot, packet: In) -> Result<(), Refusal> {
        match packet {
            In::PositionUpdate { position, velocity } => self.walk(fx, slot, position, velocity),
            In::Move { to_location_id, from_location_id, position: _ } => {
                return self.take_exit(fx, slot, to_location_id, from_location_id);
            }
            In::Chat { channel, message } => return self.say(fx, slot, channel, &message),
            In::GetGameState => self.tell_game_state(fx, slot),
            In::GetNearbyPlayers => self.tell_nearby(fx, slot),
            In::CharacterCreate { .. } | In::CharacterSelect { .. } | In::CharacterDelete { .. } => {}
        }
        Ok(())
    }

    /// Tells somebody where it is who is answered before it has been told, in the tick in which it came in. That shows
    /// nobody yet; who is in sight it is told when that is settled.
    fn introduce(&mut self, fx: &mut impl Effects, slot: Slot) {
        let Some(player) = self.players.get_mut(slot) else { return };
        if !std::mem::replace(&mut player.greeted, true) {
            let id = player.id;
            if let Some(state) = self.game_state(slot) {
                fx.send(To::Player(id), &state);
            }
        }
    }

    fn walk(&mut self, fx: &mut impl Effects, slot: Slot, to: Point, velocity: Point) {
        let Some(player) = self.players.get_mut(slot) else { return };
        if player.bound_for.is_some() {
            // Sent before the client could know that it is somewhere else.
            return;
        }
        match player.body.walk(&self.world, to, velocity, fx.clock()) {
            Ok(()) => {
                player.unsaved = true;
                self.positions.note(slot, player);
                let region = self.world.region_at(player.body.spot);
                if region != player.region {
                    player.region = region;
                    self.areas.stir(slot, player);
                }
            }
            Err(violation) => {
                let (id, position) = (player.id, player.body.spot.at.told());
                self.introduce(fx, slot);
                fx.reply(&Out::PositionCorrection { position });
                if violation == Violation::Cheating {
                    fx.kick(id, Code::Cheating, "too many impossible moves");
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
        self.introduce(fx, slot);
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
            player.unsaved = true;
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
                player.greeted = true;
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
        player.greeted = true;
        // The answer just given shows nobody; it is made good as soon as it is settled who is in sight.
        if player.sees_from().is_none() && !std::mem::replace(&mut player.to_greet, true) {
            self.greetings.push(slot);
        }
    }

    fn game_state(&self, slot: Slot) -> Option<Out> {
        let player = self.players.get(slot)?;
        Some(sight::game_state(&self.world, &self.state.told, player, self.in_sight_of(player)))
    }

    fn tell_nearby(&mut self, fx: &mut impl Effects, slot: Slot) {
        self.introduce(fx, slot);
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
        let packet = said(player, channel, text.to_owned());
        self.words.push(Words { speaker: player.id, channel, packet });
        Ok(())
    }

    /// What was said to everybody is heard by newcomers too, now that they know where they are; what was said locally, where
    /// its speaker came to.
    fn have_words_heard(&mut self, fx: &mut impl Effects) {
        for words in self.words.drain(..) {
            let player = self.players.slot(words.speaker).and_then(|slot| self.players.get(slot));
            words.tell(player.and_then(Player::sees_from), fx);
        }
    }

    /// Whoever goes is heard while it is still in sight, by newcomers too. Of one whom nobody has seen nothing is heard
    /// locally.
    fn have_last_words_heard(&mut self, fx: &mut impl Effects, player: &Player) {
        let last: Vec<Words> = self.words.extract_if(.., |words| words.speaker == player.id).collect();
        if last.iter().any(|words| words.channel == Channel::Global) {
            let greetings = std::mem::take(&mut self.greetings);
            greetings.iter().for_each(|&slot| self.introduce(fx, slot));
            self.greetings = greetings;
        }
        last.into_iter().for_each(|words| words.tell(player.known_in, fx));
    }
}

/// What somebody said in this tick.
#[derive(Debug)]
struct Words {
    speaker: PlayerId,
    channel: Channel,
    packet: Out,
}

impl Words {
    /// Tells them to all, or to those around its speaker's region.
    fn tell(self, region: Option<RegionId>, fx: &mut impl Effects) {
        match (self.channel, region) {
            (Channel::Global, _) => fx.send(To::Everyone, &self.packet),
            (Channel::Local, Some(region)) => fx.send(To::Around(region), &self.packet),
            (Channel::Local, None) => {}
        }
    }
}

fn said(speaker: &Player, channel: Channel, message: String) -> Out {
    let from = Speaker { id: speaker.id, name: speaker.character.name.clone() };
    Out::Chat { channel, from, message }
}
