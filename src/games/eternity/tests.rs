//! The rules as a whole, driven through [`Effects`] by a recorder in the engine's place.

use super::effects::{Clock, Effects};
use super::packets::{Channel, GameState, In, Move, Out};
use super::place::{LocationId, Point};
use super::play::Play;
use super::spawn::Spawn;
use super::world::World;
use crate::engine::{Departure, Input, Refusal, To};
use crate::ids::{PlayerId, RegionId};
use crate::packet::{Code, Encoding, Kind, Priority, encode, open, variants};
use crate::random::Random;
use crate::time::{Tick, TickRate};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
    random: Random,
    tick: u64,
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
        let input = Input::Joined { player, name: format!("P{id}"), guest: true };
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
    packets.iter().map(|packet| crate::packet::variant_of(*packet).unwrap().name).collect()
}

#[test]
fn newcomers_are_told_everything_and_the_others_of_them() {
    let mut table = Table::built_in();
    let a = table.join(1);
    let sent = table.tick();
    let [Out::GameState(state)] = of(&sent, a)[..] else { panic!("{sent:?}") };
    let GameState { you, location, locations, players, shards, .. } = &**state;
    assert_eq!((you.id, &*you.name, you.level, you.max_speed), (a, "P1", 1, 8.0));
    assert_eq!((&*location.name, location.safe, location.exits.len()), ("Dawnhaven", true, 4));
    assert_eq!((locations.len(), shards.len(), players.len()), (15, 12, 0));

    let (b, c) = (table.join(2), table.join(3));
    let before = table.fx.packets;
    let sent = table.tick();
    let [Out::PlayerJoinedArea { players }] = of(&sent, a)[..] else { panic!("{sent:?}") };
    assert_eq!(players.iter().map(|p| p.id).collect::<Vec<_>>(), [b, c], "one packet for both");
    for (newcomer, others) in [(b, [a, c]), (c, [a, b])] {
        let [Out::GameState(state)] = of(&sent, newcomer)[..] else { panic!("{sent:?}") };
        let listed: BTreeSet<_> = state.players.iter().map(|p| p.id).collect();
        assert_eq!(listed, BTreeSet::from(others));
    }
    assert_eq!(table.fx.packets - before, 3);
    assert!(table.tick().is_empty(), "and then there is nothing to say");

    table.leave(b);
    let sent = table.tick();
    for player in [a, c] {
        assert!(matches!(of(&sent, player)[..], [Out::PlayerLeftArea { players }] if players[..] == [b]));
    }
    assert_eq!(table.fx.packets - before, 4, "one packet for the region");
}

#[test]
fn moves_of_one_region_are_one_packet() {
    let (mut table, a, b) = Table::pair();
    table.walk(a, 101.234_567, 100.0);
    table.walk(a, 102.345_678, 100.0);
    table.walk(b, 100.0, 103.0);
    let before = table.fx.packets;
    let sent = table.tick();
    assert_eq!(table.fx.packets - before, 1);
    for player in [a, b] {
        let [packet @ Out::Positions { moves, .. }] = of(&sent, player)[..] else { panic!("{sent:?}") };
        assert_eq!(moves[..], [Move(a, 102.35, 100.0, 1.0, 0.0), Move(b, 100.0, 103.0, 1.0, 0.0)]);
        assert_eq!((packet.priority(), packet.supersedes().is_some()), (Priority::Low, true));
    }
}

#[test]
fn an_impossible_walk_is_corrected_and_many_end_in_a_kick() {
    let (mut table, a, b) = Table::pair();
    table.walk(a, 150.0, 100.0);
    let sent = table.tick();
    let expected = Out::PositionCorrection { position: Point::new(100.0, 100.0) };
    assert_eq!(sent, [(a, expected)], "and nobody else hears of it");
    for _ in 0..18 {
        table.walk(a, f32::NAN, 100.0);
    }
    assert_eq!(table.fx.kicked, []);
    table.walk(a, -1.0, 100.0);
    assert_eq!(table.fx.kicked, [(a, Code::Cheating)]);
    assert_eq!(types(&of(&table.tick(), b)), [""; 0]);
}

#[test]
fn who_takes_an_exit_is_elsewhere_with_the_end_of_the_tick() {
    let (mut table, a, b) = Table::pair();
    assert_eq!(table.go(a, 3).expect_err("too far from the exit").code, Code::Invalid);
    assert_eq!(table.go(a, 77).expect_err("nowhere").code, Code::NotFound);
    table.send_to(a, 4.0, 96.0);
    table.tick_after(1000);
    table.go(a, 3).unwrap();
    assert_eq!(table.go(a, 3).expect_err("already going").code, Code::Conflict);
    // What was sent from the old location is neither taken nor held against the walker.
    table.walk(a, 5.0, 96.0);
    let sent = table.tick();
    let told = of(&sent, a);
    assert_eq!(types(&told), ["location_update", "positions"]);
    let Out::LocationUpdate { location, position } = told[0] else { unreachable!() };
    assert_eq!((&*location.name, *position), ("Amberwood", Point::new(248.0, 128.0)));
    assert_eq!(table.body(a), Point::new(248.0, 128.0));
    assert!(of(&sent, b).is_empty(), "out of sight before, out of sight now");

    // And the other, who follows, meets the first where both come out.
    table.send_to(b, 2.0, 96.0);
    table.tick_after(1000);
    table.go(b, 3).unwrap();
    let sent = table.tick();
    assert_eq!(types(&of(&sent, b)), ["location_update", "player_joined_area", "positions"]);
    assert_eq!(types(&of(&sent, a)), ["player_joined_area", "positions"]);
}

#[test]
fn those_who_go_the_same_way_share_a_packet_and_keep_sight_of_each_other() {
    let (mut table, a, b) = Table::pair();
    let c = table.join(3);
    table.tick_after(1000);
    for player in [a, b] {
        table.send_to(player, 4.0, 96.0);
    }
    table.send_to(c, 36.0, 96.0);
    table.tick_after(1000);
    for player in [a, b] {
        table.go(player, 3).unwrap();
    }
    let sent = table.tick();
    for (player, other) in [(a, b), (b, a)] {
        let told = of(&sent, player);
        assert_eq!(types(&told), ["location_update", "player_left_area", "positions"]);
        assert!(matches!(told[1], Out::PlayerLeftArea { players } if players[..] == [c]));
        let Out::Positions { moves, .. } = told[2] else { unreachable!() };
        assert!(moves.iter().any(|m| m.0 == other), "only this tells where the other came out");
    }
    assert!(matches!(of(&sent, c)[..], [Out::PlayerLeftArea { players }] if players[..] == [a, b]));
}

#[test]
fn chat_reaches_the_area_or_all_and_its_sender_too() {
    let (mut table, a, b) = Table::pair();
    let far = table.join(3);
    table.tick_after(1000);
    table.send_to(far, 188.0, 188.0);
    table.tick_after(1000);
    let hearers = |table: &mut Table| {
        let sent = table.tick();
        let chat = |packet: &Out| matches!(packet, Out::Chat { message, .. } if message == "hello");
        sent.iter().filter(|(_, packet)| chat(packet)).map(|(to, _)| *to).collect::<Vec<_>>()
    };
    table.say(a, Channel::Local, " hello ").unwrap();
    assert_eq!(hearers(&mut table), [a, b]);
    table.say(a, Channel::Global, "hello").unwrap();
    assert_eq!(hearers(&mut table), [a, b, far]);
    assert_eq!(table.say(a, Channel::Local, "a\0b").expect_err("control").code, Code::Invalid);
    for _ in 0..3 {
        table.say(a, Channel::Local, "hello").unwrap();
    }
    let refused = table.say(a, Channel::Global, "hello").expect_err("the sixth");
    assert_eq!(refused.code, Code::RateLimited);
    assert!(refused.retry_after_ms.is_some_and(|ms| (1..=5000).contains(&ms)));
    assert!(table.say(b, Channel::Local, "others may").is_ok());
}

#[test]
fn a_newcomers_first_words_are_heard_behind_its_coming() {
    let (mut table, a, _) = Table::pair();
    let c = table.join(3);
    table.say(c, Channel::Local, "hello").unwrap();
    assert!(table.fx.sent.is_empty());
    let sent = table.tick();
    assert_eq!(types(&of(&sent, c)), ["game_state", "chat"]);
    assert_eq!(types(&of(&sent, a)), ["player_joined_area", "chat"]);
    // Who is gone before anybody saw it leaves no trace.
    let d = table.join(4);
    table.say(d, Channel::Local, "boo").unwrap();
    table.walk(d, 100.0, 100.0);
    table.leave(d);
    assert!(table.tick().is_empty());
}

#[test]
fn questions_are_answered() {
    let (mut table, a, b) = Table::pair();
    table.send(a, In::GetNearbyPlayers).unwrap();
    table.send(a, In::GetGameState).unwrap();
    let sent = table.tick();
    let [Out::NearbyPlayers { players }, Out::GameState(state)] = of(&sent, a)[..] else { panic!() };
    assert_eq!(players, &state.players);
    assert_eq!(players.iter().map(|p| p.id).collect::<Vec<_>>(), [b]);
    let nobody = table.send(PlayerId(9), In::GetNearbyPlayers).expect_err("not in the world");
    assert_eq!(nobody.code, Code::Conflict);
}

#[test]
fn the_two_hundred_nearest_are_listed_nearest_first() {
    let mut table = Table::built_in();
    for id in 1..=300 {
        table.join(id);
    }
    table.tick_after(1000);
    table.send(PlayerId(1), In::GetNearbyPlayers).unwrap();
    let sent = table.tick();
    let [Out::NearbyPlayers { players }] = of(&sent, PlayerId(1))[..] else { panic!() };
    let here = table.body(PlayerId(1));
    let mut all: Vec<f32> = (2..=300).map(|id| here.distance(table.body(PlayerId(id)))).collect();
    all.sort_by(f32::total_cmp);
    let listed: Vec<f32> = players.iter().map(|p| here.distance(table.body(p.id))).collect();
    assert_eq!(listed, all[..200]);
}

#[test]
fn who_caught_up_is_told_where_everybody_in_sight_is() {
    let (mut table, a, b) = Table::pair();
    table.play.handle(&mut table.fx, Input::CaughtUp { player: a }).unwrap();
    let sent = table.tick();
    let [(to, packet @ Out::Positions { moves, .. })] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((*to, packet.supersedes()), (a, None), "no region's moves may take its place");
    assert_eq!(moves.iter().map(|m| m.0).collect::<BTreeSet<_>>(), BTreeSet::from([a, b]));
}

#[test]
fn somebody_who_comes_back_within_a_tick_left_first() {
    let (mut table, a, b) = Table::pair();
    table.leave(b);
    table.join(2);
    let sent = table.tick();
    assert_eq!(types(&of(&sent, a)), ["player_left_area", "player_joined_area"]);
    assert_eq!(types(&of(&sent, b)), ["game_state"]);
}

/// The numbers and names on the wire are frozen: what stands here may be appended to, never changed.
#[test]
fn packets_keep_their_numbers_and_names() {
    assert_eq!(variants::<In>(), ["get_game_state", "move", "position_update", "chat", "get_nearby_players"]);
    let out = [
        "game_state",
        "location_update",
        "player_joined_area",
        "player_left_area",
        "positions",
        "position_correction",
        "chat",
        "nearby_players",
    ];
    assert_eq!(variants::<Out>(), out);
}

#[test]
fn packets_look_as_the_contract_has_them() {
    let json = |packet: &Out| {
        let mut out = Vec::new();
        encode(Encoding::Json, Kind::Game, None, packet, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let (mut table, a, b) = Table::pair();
    table.walk(a, 100.004, 101.5);
    table.say(b, Channel::Local, "hi").unwrap();
    let sent = table.tick();
    let told = of(&sent, a);
    let expected = r#"{"type":"chat","data":{"channel":"local","from":{"id":2,"name":"P2"},"message":"hi"}}"#;
    assert_eq!(json(told[0]), expected);
    assert_eq!(json(told[1]), r#"{"type":"positions","data":{"moves":[[1,100.0,101.5,1.0,0.0]]}}"#);
    table.send(b, In::GetGameState).unwrap();
    let sent = table.tick();
    let state: serde_json::Value = serde_json::from_str(&json(&sent[0].1)).unwrap();
    let state = &state["data"];
    assert_eq!(state["you"]["position"], serde_json::json!({"x": 100.0, "y": 100.0}));
    assert_eq!(state["players"][0]["position"], serde_json::json!({"x": 100.0, "y": 101.5}));
    assert_eq!(state["location"]["exits"][0]["to_name"], "Amberwood");
    assert_eq!(state["locations"][14], serde_json::json!({"id": 15, "name": "The Eternal Gate"}));
    assert_eq!((&state["monsters"], &state["quests"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert!(state["party"].is_null() && state["shards"].as_array().is_some_and(|s| s.len() == 12));
}

#[test]
fn client_packets_are_read_as_the_contract_has_them() {
    let read = |text: &str| open(Encoding::Json, text.as_bytes()).and_then(|e| e.game::<In>());
    assert_eq!(read(r#"{"type":"get_game_state"}"#).unwrap(), In::GetGameState);
    assert_eq!(read(r#"{"type":"get_nearby_players","data":{}}"#).unwrap(), In::GetNearbyPlayers);
    let to = LocationId(2);
    assert_eq!(
        read(r#"{"type":"move","data":{"to_location_id":2}}"#).unwrap(),
        In::Move { to_location_id: to, from_location_id: None, position: None }
    );
    let walk = r#"{"type":"position_update","data":{"position":{"x":1,"y":2.5},"velocity":{"x":0,"y":-8}}}"#;
    let expected = In::PositionUpdate { position: Point::new(1.0, 2.5), velocity: Point::new(0.0, -8.0) };
    assert_eq!(read(walk).unwrap(), expected);
    let unknown = read(r#"{"type":"chat","data":{"channel":"whisper","message":"x"}}"#).unwrap_err();
    assert_eq!(unknown.code, Code::Invalid);
}

/// Every packet survives both encodings, whatever its numbers are.
#[test]
fn positions_are_short_in_postcard() {
    let packet = Out::Positions { moves: vec![Move(PlayerId(5), 1.5, 2.0, 0.0, -8.0)], region: Some(3) };
    let mut bytes = Vec::new();
    encode(Encoding::Postcard, Kind::Game, None, &packet, &mut bytes).unwrap();
    // No `re`, a game's packet, number 4, one move, player 5, then four little-endian f32; the region is not told.
    let head = [0, 1, 4, 1, 5];
    let numbers: Vec<u8> = [1.5f32, 2.0, 0.0, -8.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(bytes, [&head[..], &numbers].concat());
}

// What clients know of each other, over random walks.

/// Three small locations, so that borders are everywhere, tied together both ways.
const CROWDED: &str = r#"
[rules]
region_size = 8
max_speed = 8
speed_tolerance = 1.15
allowance_s = 2
allowance_slack = 0.5
violations = 1000
violation_window_s = 1
exit_reach = 12
chat_characters = 500
chat_messages = 1000
chat_window_s = 1
[start]
location = 1
x = 9
y = 9
width = 6
height = 6
[[location]]
id = 1
name = "A"
terrain = "town"
safe = true
width = 44
height = 36
exits = [
    { at = [40, 10], to = 2, there = [4, 4] },
    { at = [10, 30], to = 3, there = [10, 2] },
    { at = [20, 20], to = 2, there = [50, 10] },
]
[[location]]
id = 2
name = "B"
terrain = "meadow"
width = 64
height = 16
exits = [{ at = [4, 4], to = 1, there = [40, 10] }, { at = [60, 10], to = 3, there = [20, 30] }]
[[location]]
id = 3
name = "C"
terrain = "cave"
width = 24
height = 40
exits = [{ at = [10, 2], to = 1, there = [10, 30] }, { at = [20, 30], to = 2, there = [60, 10] }]
"#;

/// One thing that happens in a tick; numbers pick among what is there.
#[derive(Clone, Debug)]
enum Act {
    Join,
    Leave(u8),
    Rejoin(u8),
    Walk(u8, f32, f32),
    Go(u8, u32),
    Say(u8),
    Ask(u8),
    Nearby(u8),
    CatchUp(u8),
    Tick(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let who = any::<u8>();
    let act = prop_oneof![
        3 => Just(Act::Join),
        1 => who.prop_map(Act::Leave),
        1 => who.prop_map(Act::Rejoin),
        16 => (who, -18f32..18.0, -18f32..18.0).prop_map(|(p, x, y)| Act::Walk(p, x, y)),
        6 => (who, 1u32..=3).prop_map(|(p, to)| Act::Go(p, to)),
        2 => who.prop_map(Act::Say),
        2 => who.prop_map(Act::Ask),
        1 => who.prop_map(Act::Nearby),
        1 => who.prop_map(Act::CatchUp),
        8 => (1u8..60).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 1..250)
}

/// What the clients make of what they are sent.
#[derive(Default)]
struct Clients {
    known: BTreeMap<PlayerId, BTreeSet<PlayerId>>,
    /// What each could see when the last tick ended.
    could_see: BTreeMap<PlayerId, BTreeSet<PlayerId>>,
    /// Who went through an exit or came in during this tick: what was in sight before is not shown any more.
    unsettled: BTreeSet<PlayerId>,
    /// Who left in this tick: a state that is asked for then leaves it out before its going is told.
    gone: BTreeSet<PlayerId>,
}

impl Clients {
    fn hear(&mut self, player: PlayerId, packet: &Out) {
        let known = self.known.entry(player).or_default();
        let sees = |other: PlayerId| {
            other == player || known.contains(&other) || self.could_see[&player].contains(&other)
        };
        match packet {
            Out::GameState(state) => {
                assert_eq!(state.you.id, player);
                *known = state.players.iter().map(|p| p.id).collect();
                assert!(!known.contains(&player), "{player} is told of itself");
            }
            Out::PlayerJoinedArea { players } => {
                for p in players {
                    assert!(p.id != player && known.insert(p.id), "{player} knew {} already", p.id);
                }
            }
            Out::PlayerLeftArea { players } => {
                for id in players {
                    assert!(known.remove(id) || self.gone.contains(id), "{player} did not know {id}");
                }
            }
            Out::Positions { moves, .. } => {
                assert!(moves.iter().all(|m| sees(m.0)), "{player} is told moves of who is out of sight");
            }
            Out::Chat { from, .. } => assert!(sees(from.id), "{player} hears {} from out of sight", from.id),
            Out::NearbyPlayers { players } => {
                let listed: BTreeSet<_> = players.iter().map(|p| p.id).collect();
                if self.unsettled.contains(&player) {
                    assert!(listed.is_empty(), "{player} is told of who is out of sight");
                } else {
                    assert_eq!(listed, known.difference(&self.gone).copied().collect());
                }
            }
            Out::LocationUpdate { .. } => {
                self.unsettled.insert(player);
            }
            Out::PositionCorrection { .. } => {}
        }
    }
}

/// Who is in whose sight, from nothing but positions.
fn truth(table: &Table) -> BTreeMap<PlayerId, (RegionId, BTreeSet<PlayerId>)> {
    let bodies: Vec<(PlayerId, RegionId)> = table
        .fx
        .members
        .keys()
        .map(|&id| {
            let slot = table.play.players.slot(id).expect("in the world");
            (id, table.play.world.region_at(table.play.players.get(slot).unwrap().body.spot))
        })
        .collect();
    let in_sight = |viewer: PlayerId, from: RegionId| {
        let area = table.play.world.area(from);
        bodies.iter().filter(|(id, r)| *id != viewer && area.contains(*r)).map(|(id, _)| *id).collect()
    };
    bodies.iter().map(|&(id, region)| (id, (region, in_sight(id, region)))).collect()
}

fn act(table: &mut Table, clients: &mut Clients, next_id: &mut u32, act: &Act) {
    let pick = |n: u8| {
        let players: Vec<PlayerId> = table.fx.members.keys().copied().collect();
        players.get(usize::from(n) % players.len().max(1)).copied()
    };
    let enter = |table: &mut Table, clients: &mut Clients, id: u32| {
        let player = table.join(id);
        clients.known.insert(player, BTreeSet::new());
        clients.could_see.insert(player, BTreeSet::new());
        clients.unsettled.insert(player);
    };
    let outcome = match *act {
        Act::Join => {
            *next_id += 1;
            enter(table, clients, *next_id);
            Ok(())
        }
        Act::Leave(n) => {
            for player in pick(n) {
                table.leave(player);
                clients.gone.insert(player);
            }
            Ok(())
        }
        Act::Rejoin(n) => {
            for player in pick(n) {
                table.leave(player);
                clients.gone.insert(player);
                enter(table, clients, player.0);
            }
            Ok(())
        }
        Act::Walk(n, dx, dy) => pick(n).map_or(Ok(()), |player| {
            let at = table.body(player);
            let position = Point::new((at.x + dx).max(0.0), (at.y + dy).max(0.0));
            table.send(player, In::PositionUpdate { position, velocity: Point::new(dx, dy) })
        }),
        Act::Go(n, to) => pick(n).map_or(Ok(()), |player| table.go(player, to)),
        Act::Say(n) => pick(n).map_or(Ok(()), |player| table.say(player, Channel::Local, "hello")),
        Act::Ask(n) => pick(n).map_or(Ok(()), |player| table.send(player, In::GetGameState)),
        Act::Nearby(n) => pick(n).map_or(Ok(()), |player| table.send(player, In::GetNearbyPlayers)),
        Act::CatchUp(n) => {
            pick(n).map_or(Ok(()), |player| table.play.handle(&mut table.fx, Input::CaughtUp { player }))
        }
        Act::Tick(_) => Ok(()),
    };
    // An exit out of reach is the only thing that this is refused.
    assert!(outcome.is_ok() || matches!(act, Act::Go(..)), "{outcome:?}");
    for (player, packet) in std::mem::take(&mut table.fx.sent) {
        clients.hear(player, &packet);
    }
}

fn end_tick(table: &mut Table, clients: &mut Clients, ticks: u8) {
    for (player, packet) in table.tick_after(u64::from(ticks)) {
        assert!(table.fx.members.contains_key(&player), "{player} is gone");
        clients.hear(player, &packet);
    }
    let truth = truth(table);
    assert_eq!(table.play.players.len(), truth.len());
    clients.could_see.clear();
    clients.unsettled.clear();
    clients.gone.clear();
    for (player, (region, in_sight)) in truth {
        assert_eq!(table.fx.members[&player], Some(region), "membership of {player}");
        assert_eq!(clients.known[&player], in_sight, "what {player} knows");
        clients.could_see.insert(player, in_sight);
    }
}

fn run(spawn: Spawn, script: &[Act]) -> Vec<String> {
    let mut table = Table::new(World::parse(CROWDED).unwrap(), spawn);
    let mut clients = Clients::default();
    let mut next_id = 0;
    for step in script {
        act(&mut table, &mut clients, &mut next_id, step);
        if let Act::Tick(ticks) = step {
            end_tick(&mut table, &mut clients, *ticks);
        }
    }
    end_tick(&mut table, &mut clients, 1);
    clients.known.iter().map(|known| format!("{known:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_clients_know_is_who_is_in_sight(script in acts()) {
        run(Spawn::Start, &script);
        run(Spawn::Spread, &script);
    }
}

#[test]
fn one_script_gives_one_run() {
    let run = || {
        let mut table = Table::new(World::parse(CROWDED).unwrap(), Spawn::Spread);
        let mut random = Random::new(5);
        let mut sent = Vec::new();
        for id in 1..=40 {
            table.join(id);
        }
        for _ in 0..100 {
            for id in 1..=40 {
                let at = table.body(PlayerId(id));
                let step = Point::new(random.between(-3.0, 3.0), random.between(-3.0, 3.0));
                table.walk(PlayerId(id), at.x + step.x, at.y + step.y);
            }
            sent.extend(table.tick_after(20));
        }
        sent
    };
    assert_eq!(run(), run());
}
