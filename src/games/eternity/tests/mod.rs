//! The rules as a whole, driven through [`Effects`] by a recorder in the engine's place.

mod choosing;
mod disk;
mod keeping;
mod knowledge;
mod rules;
mod wire;
mod world_state;

use super::effects::{Clock, Effects};
use super::packets::{Channel, In, Out};
use super::place::{LocationId, Point};
use super::play::Play;
use super::spawn::Spawn;
use super::world::World;
use crate::engine::{Asker, Commit, CommitId, Departure, Input, ReadingId, Refusal, To};
use crate::ids::{PlayerId, RegionId};
use crate::packet::{Code, variant_of};
use crate::random::Random;
use crate::time::{Tick, TickRate, WallMs};
use disk::Disk;
use serde::Serialize;
use std::collections::BTreeMap;

/// Does what the engine does with audiences, and keeps what each player was sent.
struct Recorder {
    world: World,
    /// Who is in the game, and in which region.
    members: BTreeMap<PlayerId, Option<RegionId>>,
    sent: Vec<(PlayerId, Out)>,
    /// How often anything was sent, to however many.
    packets: usize,
    asking: Option<PlayerId>,
    kicked: Vec<(PlayerId, Code)>,
    /// Who is to play as whom.
    becoming: Vec<(PlayerId, PlayerId)>,
    /// Whether what is being handled came over HTTP.
    is_call: bool,
    /// What those were told who were answered by their asking.
    answers: Vec<Answer>,
    disk: Disk,
    random: Random,
    tick: u64,
}

/// What somebody was told.
#[derive(Debug, PartialEq)]
enum Answer {
    Packet(Out),
    Json(u16, serde_json::Value),
    Done,
    Refused(Code),
}

impl Effects for Recorder {
    fn send(&mut self, to: To<'_>, packet: &Out) {
        let standing = |regions: &[RegionId]| {
            let inside = |region: &Option<RegionId>| region.is_some_and(|r| regions.contains(&r));
            self.members.iter().filter(|(_, region)| inside(region)).map(|(&p, _)| p).collect::<Vec<_>>()
        };
        let audience = match to {
            To::Player(player) => vec![player],
            To::Players(players) => players.to_vec(),
            To::Region(region) => standing(&[region]),
            To::Around(region) => standing(self.world.area(region).regions()),
            To::Everyone => self.members.keys().copied().collect(),
        };
        self.packets += 1;
        self.sent.extend(audience.into_iter().map(|player| (player, packet.clone())));
    }

    fn reply(&mut self, packet: &Out) {
        let asking = self.asking.expect("only packets are replied to");
        self.send(To::Player(asking), packet);
    }

    fn enter(&mut self, player: PlayerId, region: RegionId) {
        *self.members.get_mut(&player).expect("only who is there enters") = Some(region);
    }

    fn kick(&mut self, player: PlayerId, code: Code, _: &str) {
        self.kicked.push((player, code));
    }

    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn clock(&self) -> Clock {
        Clock { tick: Tick(self.tick), rate: TickRate::default() }
    }

    fn wall(&self) -> WallMs {
        WallMs(1_000_000 + self.tick * 50)
    }

    fn become_player(&mut self, from: PlayerId, player: PlayerId, _: &str) {
        self.becoming.push((from, player));
    }

    fn asker(&mut self) -> Asker {
        Asker::for_test(self.is_call)
    }

    fn reply_to(&mut self, _: Asker, packet: &Out) {
        self.answers.push(Answer::Packet(packet.clone()));
    }

    fn answer<T: Serialize>(&mut self, _: Asker, status: u16, value: &T) {
        self.answers.push(Answer::Json(status, serde_json::to_value(value).unwrap()));
    }

    fn done(&mut self, _: Asker) {
        self.answers.push(Answer::Done);
    }

    fn refuse(&mut self, _: Asker, refusal: Refusal) {
        self.answers.push(Answer::Refused(refusal.code));
    }

    fn save<T: Serialize>(&mut self, collection: &str, key: u32, version: u32, value: &T) {
        self.disk.save(collection, key, version, value);
    }

    fn commit(&mut self, commit: Commit) -> CommitId {
        let time = self.wall();
        self.disk.submit(commit, time)
    }

    fn read_log(&mut self, before: Option<u64>, limit: u32) -> ReadingId {
        self.disk.read(before, limit)
    }
}

/// The rules and their recorder.
struct Table {
    play: Play,
    fx: Recorder,
}

impl Table {
    fn new(world: World, spawn: Spawn) -> Table {
        let fx = Recorder {
            world: world.clone(),
            members: BTreeMap::new(),
            sent: Vec::new(),
            packets: 0,
            asking: None,
            kicked: Vec::new(),
            becoming: Vec::new(),
            is_call: false,
            answers: Vec::new(),
            disk: Disk::default(),
            random: Random::new(7),
            tick: 0,
        };
        Table { play: Play::new(world, spawn), fx }
    }

    fn built_in() -> Table {
        Table::new(World::built_in(), Spawn::Start)
    }

    fn join(&mut self, id: u32) -> PlayerId {
        let player = PlayerId(id);
        self.fx.members.insert(player, None);
        let input = Input::Joined { player, name: format!("P{id}"), guest: true, account: None };
        self.play.handle(&mut self.fx, input).unwrap();
        player
    }

    fn leave(&mut self, player: PlayerId) {
        self.fx.members.remove(&player);
        let departure = Departure::Quit;
        self.play.handle(&mut self.fx, Input::Left { player, departure }).unwrap();
    }

    fn send(&mut self, player: PlayerId, packet: In) -> Result<(), Refusal> {
        self.fx.asking = Some(player);
        let outcome = self.play.handle(&mut self.fx, Input::Packet { player, packet });
        self.fx.asking = None;
        outcome
    }

    fn walk(&mut self, player: PlayerId, x: f32, y: f32) {
        let packet = In::PositionUpdate { position: Point::new(x, y), velocity: Point::new(1.0, 0.0) };
        self.send(player, packet).unwrap();
    }

    fn say(&mut self, player: PlayerId, channel: Channel, message: &str) -> Result<(), Refusal> {
        self.send(player, In::Chat { channel, message: message.into() })
    }

    fn go(&mut self, player: PlayerId, to: u32) -> Result<(), Refusal> {
        let to_location_id = LocationId(to);
        self.send(player, In::Move { to_location_id, from_location_id: None, position: None })
    }

    /// Ends a tick `ticks` after the last one; what was sent to whom since the last look.
    fn tick_after(&mut self, ticks: u64) -> Vec<(PlayerId, Out)> {
        self.play.tick(&mut self.fx);
        self.fx.tick += ticks;
        std::mem::take(&mut self.fx.sent)
    }

    fn tick(&mut self) -> Vec<(PlayerId, Out)> {
        self.tick_after(1)
    }

    /// Two players who are in the world at the same point of the start.
    fn pair() -> (Table, PlayerId, PlayerId) {
        let mut table = Table::built_in();
        let (a, b) = (table.join(1), table.join(2));
        table.tick_after(1000);
        for player in [a, b] {
            table.send_to(player, 100.0, 100.0);
        }
        table.tick_after(1000);
        (table, a, b)
    }

    /// Walks as far as it takes to get somewhere in the same location.
    fn send_to(&mut self, player: PlayerId, x: f32, y: f32) {
        loop {
            let at = self.body(player);
            let (way, to) = (Point::new(x - at.x, y - at.y), Point::new(x, y));
            let step = way.at_most(18.0);
            let next = if at.distance(to) <= 18.0 { to } else { Point::new(at.x + step.x, at.y + step.y) };
            self.walk(player, next.x, next.y);
            if next == to {
                return;
            }
            self.tick_after(1000);
        }
    }

    fn body(&self, player: PlayerId) -> Point {
        let slot = self.play.players.slot(player).expect("in the world");
        self.play.players.get(slot).unwrap().body.spot.at
    }
}

fn of(sent: &[(PlayerId, Out)], player: PlayerId) -> Vec<&Out> {
    sent.iter().filter(|(to, _)| *to == player).map(|(_, packet)| packet).collect()
}

fn types(packets: &[&Out]) -> Vec<&'static str> {
    packets.iter().map(|packet| variant_of(*packet).unwrap().name).collect()
}
