//! What each rule does, seen from the clients.

use super::{Table, of, types};
use crate::engine::Input;
use crate::games::eternity::packets::{Channel, GameState, In, Move, Out};
use crate::games::eternity::place::Point;
use crate::games::eternity::{Spawn, World};
use crate::ids::PlayerId;
use crate::packet::{Code, Priority};
use crate::random::Random;
use std::collections::BTreeSet;

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
    table.walk(a, 101.234, 100.0);
    table.walk(a, 102.3457, 100.0);
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
fn the_first_that_a_newcomer_is_told_is_where_it_is() {
    // What somebody said to all in the tick in which it came in reached it first, and so did answers to its own packets.
    let (mut table, a, b) = Table::pair();
    let c = table.join(3);
    table.say(a, Channel::Global, "hello").unwrap();
    let d = table.join(4);
    table.walk(d, f32::INFINITY, 0.0);
    let e = table.join(5);
    table.send(e, In::GetNearbyPlayers).unwrap();
    let sent = table.tick();
    assert_eq!(types(&of(&sent, c)), ["game_state", "chat"]);
    assert_eq!(types(&of(&sent, d)), ["game_state", "position_correction", "game_state", "chat"]);
    assert_eq!(types(&of(&sent, e)), ["game_state", "nearby_players", "game_state", "chat"]);
    let Out::GameState(state) = of(&sent, d)[2] else { unreachable!() };
    assert_eq!(state.players.len(), 4, "the second shows who is in sight");
    // Nor is it the last words of somebody who is gone when the tick is over.
    let f = table.join(6);
    table.say(a, Channel::Local, "I go").unwrap();
    table.say(a, Channel::Global, "goodbye").unwrap();
    table.leave(a);
    let sent = table.tick();
    assert_eq!(types(&of(&sent, b)), ["chat", "chat", "player_left_area", "player_joined_area"]);
    assert_eq!(types(&of(&sent, f)), ["game_state", "chat", "game_state"]);
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

#[test]
fn one_script_gives_one_run() {
    let run = || {
        let mut table = Table::new(World::built_in(), Spawn::Spread);
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
