//! What clients know of each other, over random walks.

use super::Table;
use crate::engine::Input;
use crate::games::eternity::packets::{Channel, In, Out};
use crate::games::eternity::place::Point;
use crate::games::eternity::{Spawn, World};
use crate::ids::{PlayerId, RegionId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
characters = 5
[classes]
warden = { hp = 140, mana = 60 }
mage = { hp = 100, mana = 120 }
rogue = { hp = 100, mana = 60 }
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
            Out::PositionCorrection { .. } | Out::CharacterUpdate(_) => {}
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

/// The world, its clients, and the next newcomer's id.
struct Run {
    table: Table,
    clients: Clients,
    next_id: u32,
}

impl Run {
    fn new(spawn: Spawn) -> Run {
        let table = Table::new(World::parse(CROWDED).unwrap(), spawn);
        Run { table, clients: Clients::default(), next_id: 1 }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Join => {
                self.join(PlayerId(self.next_id));
                self.next_id += 1;
            }
            Act::Tick(ticks) => return self.end_tick(ticks),
            Act::Leave(n)
            | Act::Rejoin(n)
            | Act::Walk(n, ..)
            | Act::Go(n, _)
            | Act::Say(n)
            | Act::Ask(n)
            | Act::Nearby(n)
            | Act::CatchUp(n) => {
                let players: Vec<PlayerId> = self.table.fx.members.keys().copied().collect();
                if let Some(&player) = players.get(usize::from(n) % players.len().max(1)) {
                    self.act_as(player, act);
                }
            }
        }
        for (player, packet) in std::mem::take(&mut self.table.fx.sent) {
            self.clients.hear(player, &packet);
        }
    }

    fn act_as(&mut self, player: PlayerId, act: &Act) {
        let table = &mut self.table;
        let outcome = match *act {
            Act::Leave(_) => {
                self.leave(player);
                Ok(())
            }
            Act::Rejoin(_) => {
                self.leave(player);
                self.join(player);
                Ok(())
            }
            Act::Walk(_, dx, dy) => {
                let at = table.body(player);
                let position = Point::new((at.x + dx).max(0.0), (at.y + dy).max(0.0));
                table.send(player, In::PositionUpdate { position, velocity: Point::new(dx, dy) })
            }
            Act::Go(_, to) => table.go(player, to),
            Act::Say(_) => table.say(player, Channel::Local, "hello"),
            Act::Ask(_) => table.send(player, In::GetGameState),
            Act::Nearby(_) => table.send(player, In::GetNearbyPlayers),
            Act::CatchUp(_) => table.play.handle(&mut table.fx, Input::CaughtUp { player }),
            Act::Join | Act::Tick(_) => unreachable!("nobody's own acts"),
        };
        // Only an exit may be out of reach.
        assert!(outcome.is_ok() || matches!(act, Act::Go(..)), "{act:?}: {outcome:?}");
    }

    fn join(&mut self, player: PlayerId) {
        self.table.join(player.0);
        self.clients.known.insert(player, BTreeSet::new());
        self.clients.could_see.insert(player, BTreeSet::new());
        self.clients.unsettled.insert(player);
    }

    fn leave(&mut self, player: PlayerId) {
        self.table.leave(player);
        self.clients.gone.insert(player);
    }

    fn end_tick(&mut self, ticks: u8) {
        for (player, packet) in self.table.tick_after(u64::from(ticks)) {
            assert!(self.table.fx.members.contains_key(&player), "{player} is gone");
            self.clients.hear(player, &packet);
        }
        let truth = truth(&self.table);
        assert_eq!(self.table.play.players.len(), truth.len());
        self.clients.could_see.clear();
        self.clients.unsettled.clear();
        self.clients.gone.clear();
        for (player, (region, in_sight)) in truth {
            assert_eq!(self.table.fx.members[&player], Some(region), "membership of {player}");
            assert_eq!(self.clients.known[&player], in_sight, "what {player} knows");
            self.clients.could_see.insert(player, in_sight);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_clients_know_is_who_is_in_sight(script in acts()) {
        for spawn in [Spawn::Start, Spawn::Spread] {
            let mut run = Run::new(spawn);
            script.iter().for_each(|act| run.act(act));
            run.end_tick(1);
        }
    }
}
