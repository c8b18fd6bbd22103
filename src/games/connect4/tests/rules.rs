//! Playing: who may do what when, and who is told.

use super::super::board::{Cell, Disc};
use super::super::packets::{BOT, Closing, Ending};
use super::*;

fn create(private: bool) -> In {
    In::MatchCreate { private: Some(private) }
}

fn join(id: &str) -> In {
    In::MatchJoin { match_id: Some(id.to_owned()) }
}

const ANYWHERE: In = In::MatchJoin { match_id: None };

#[test]
fn two_play_a_match_to_its_end() {
    let mut table = Table::with(2);
    let waiting = table.ask(A, create(false));
    assert_eq!((waiting.turn, waiting.deadline_ms, waiting.moves), (None, None, 0));
    let [seat] = &waiting.players[..] else { panic!("{waiting:?}") };
    assert_eq!((seat.id, &*seat.name, seat.disc, seat.present), (A, "P1", Disc::Red, true));

    let begun = table.ask(B, join(&id_of(&waiting)));
    assert_eq!((begun.turn, begun.deadline_ms), (Some(A), Some(60_000)), "who opened it begins");
    assert_eq!(
        begun.players.iter().map(|p| (p.id, p.disc)).collect::<Vec<_>>(),
        [(A, Disc::Red), (B, Disc::Yellow)]
    );
    assert_eq!(state_of(&table.told(), A), begun, "the other is told the same");

    let dropped = table.drop(A, 3);
    assert_eq!((dropped.turn, dropped.moves, dropped.reason), (Some(B), 1, None));
    let rows: Vec<String> = dropped.board.into_iter().map(String::from).collect();
    assert_eq!(rows, [".......", ".......", ".......", ".......", ".......", "...R..."]);
    for _ in 0..3 {
        table.drop(B, 6);
        table.drop(A, 3);
    }
    let won = state_of(&table.told(), B);
    assert_eq!((won.winner, won.draw, won.turn, won.deadline_ms), (Some(A), false, None, None));
    assert_eq!(won.reason, Some(Ending::Four));
    assert_eq!(won.line, Some([Cell(5, 3), Cell(4, 3), Cell(3, 3), Cell(2, 3)]));
    assert_eq!(table.refused(B, In::MatchDrop { column: 0 }), Code::Conflict, "it is over");
}

#[test]
fn a_full_board_without_a_four_is_a_draw() {
    let (mut table, _) = Table::running();
    // Columns in pairs, three of each colour in turns.
    let columns = [
        0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 2, 3, 2, 3, 3, 2, 3, 2, 2, 3, 2, 3, 4, 5, 4, 5, 5, 4, 5, 4, 4, 5,
        4, 5,
    ];
    let last = columns.into_iter().chain([6; 6]);
    let mut state = None;
    for (at, column) in last.enumerate() {
        state = Some(table.drop(if at % 2 == 0 { A } else { B }, column));
    }
    let state = state.unwrap();
    assert_eq!((state.moves, state.draw, state.winner, state.line), (42, true, None, None));
    assert_eq!((state.turn, state.deadline_ms, state.reason), (None, None, Some(Ending::Draw)));
}

#[test]
fn drops_that_are_refused() {
    let (mut table, id) = Table::running();
    let at = |column| In::MatchDrop { column };
    assert_eq!(table.refused(B, at(0)), Code::Forbidden, "out of turn");
    assert_eq!(table.refused(B, at(u32::MAX)), Code::Forbidden, "whose turn it is comes first");
    assert_eq!(table.refused(A, at(7)), Code::Invalid, "there is no such column");
    assert_eq!(table.refused(A, at(u32::MAX)), Code::Invalid);
    for _ in 0..3 {
        table.drop(A, 2);
        table.drop(B, 2);
    }
    assert_eq!(table.refused(A, at(2)), Code::Invalid, "it is full");
    assert_eq!(table.refused(C, at(0)), Code::NotFound, "who is in no match");
    table.ask(C, In::MatchSpectate { match_id: id });
    assert_eq!(table.refused(C, at(0)), Code::Forbidden, "who watches");
    let mut alone = Table::with(1);
    alone.ask(A, create(false));
    assert_eq!(alone.refused(A, at(0)), Code::Forbidden, "nobody is on turn");
}

#[test]
fn matches_that_cannot_be_entered() {
    let (mut table, id) = Table::running();
    assert_eq!(table.refused(C, join(&id)), Code::Conflict, "both seats are taken");
    for unknown in ["", "0123456789", "not an id at all"] {
        assert_eq!(table.refused(C, join(unknown)), Code::NotFound);
        assert_eq!(table.refused(C, In::MatchSpectate { match_id: unknown.to_owned() }), Code::NotFound);
    }
    for level in [0, 6, u32::MAX] {
        assert_eq!(table.refused(C, In::MatchBot { level }), Code::Invalid);
    }
    for elsewhere in
        [create(false), create(true), ANYWHERE, In::MatchBot { level: 1 }, In::MatchBot { level: u32::MAX }]
    {
        assert_eq!(table.refused(A, elsewhere), Code::Conflict, "who plays leaves first");
    }
    let own = In::MatchSpectate { match_id: id.clone() };
    assert_eq!(table.refused(A, own), Code::Conflict, "who sits there does not watch");
    let other = id_of(&table.ask(C, create(false)));
    assert_eq!(table.refused(A, join(&other)), Code::Conflict);
    assert_eq!(table.refused(A, In::MatchSpectate { match_id: other }), Code::Conflict);
    table.win_for_a();
    table.say(C, In::MatchLeave).unwrap();
    assert_eq!(table.refused(C, join(&id)), Code::Conflict, "it is over");
    let nowhere = In::MatchDrop { column: u32::MAX };
    assert_eq!(table.refused(B, nowhere), Code::Conflict, "it is over whatever the column");
    for nothing in [In::MatchLeave, In::MatchRematch] {
        assert_eq!(table.refused(C, nothing), Code::NotFound, "who is in no match");
    }
    assert_eq!(table.refused(PlayerId(99), In::MatchList), Code::Conflict, "who is not there");
}

#[test]
fn joining_again_changes_nothing() {
    let (mut table, id) = Table::running();
    assert_eq!(table.ask(B, join(&id)).turn, Some(A));
    assert_eq!(heard(&table.told()), [2], "and nobody else is told");
}

#[test]
fn whoever_joins_anywhere_sits_down_with_who_waited_longest() {
    let mut table = Table::with(4);
    let first = table.ask(A, ANYWHERE).match_id;
    assert_eq!(table.ask(A, ANYWHERE).match_id, first, "not with oneself");
    let second = table.ask(B, create(false)).match_id;
    assert_eq!(table.ask(C, ANYWHERE).match_id, first);
    assert_eq!(table.ask(PlayerId(4), ANYWHERE).match_id, second);
    // Who waits and finds another goes there; the own match is no more.
    let mut table = Table::with(2);
    table.ask(A, create(false));
    let theirs = table.ask(B, create(false)).match_id;
    assert_eq!(table.ask(A, ANYWHERE).match_id, theirs);
    assert_eq!(table.play.hall.sizes()[0], 1);
    // A private match is not among them, be it one's own or another's.
    let mut table = Table::with(2);
    let private = table.ask(A, create(true)).match_id;
    assert_ne!(table.ask(B, ANYWHERE).match_id, private);
    assert_ne!(table.ask(A, ANYWHERE).match_id, private);
}

#[test]
fn a_private_match_is_in_no_list_and_joined_and_watched_by_its_id() {
    let mut table = Table::with(3);
    let id = id_of(&table.ask(A, create(true)));
    let list = |table: &mut Table| {
        table.say(C, In::MatchList).unwrap();
        match table.told().pop() {
            Some((C, Out::MatchList { matches })) => matches,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(list(&mut table), []);
    table.ask(B, join(&id));
    assert_eq!(list(&mut table), []);
    assert_eq!(table.ask(C, In::MatchSpectate { match_id: id }).spectators, 1);
}

#[test]
fn the_list_has_those_that_wait_then_those_that_are_played() {
    let mut table = Table::with(7);
    let player = |n| PlayerId(n);
    let played: Vec<_> = [(1, 2), (3, 4)]
        .map(|(a, b)| {
            let id = table.ask(player(a), create(false)).match_id;
            table.ask(player(b), join(&String::from(id)));
            id
        })
        .into();
    let waiting = [5, 6].map(|n| table.ask(player(n), create(false)).match_id);
    table.drop(player(1), 0);
    table.ask(player(7), In::MatchSpectate { match_id: played[0].into() });
    table.told();
    table.say(player(7), In::MatchList).unwrap();
    let [(_, Out::MatchList { matches })] = &table.told()[..] else { panic!("a list") };
    let listed: Vec<_> = matches.iter().map(|m| (m.match_id, m.open, m.moves, m.spectators)).collect();
    let expected = [
        (waiting[0], true, 0, 0),
        (waiting[1], true, 0, 0),
        (played[1], false, 0, 0),
        (played[0], false, 1, 1),
    ];
    assert_eq!(listed, expected);
    assert_eq!(matches[3].players.iter().map(|p| p.id.0).collect::<Vec<_>>(), [1, 2]);
    // A match that is over is in it no more, and a list has its end.
    table.say(player(3), In::MatchLeave).unwrap();
    for n in 100..160 {
        table.join(player(n));
        table.ask(player(n), create(false));
    }
    table.told();
    table.say(player(7), In::MatchList).unwrap();
    let [(_, Out::MatchList { matches })] = &table.told()[..] else { panic!("a list") };
    assert_eq!(matches.len(), crate::games::connect4::LISTED);
    assert!(matches.iter().all(|m| m.match_id != played[1]));
}

#[test]
fn matches_with_the_bot_stand_behind_all_others_in_the_list() {
    let mut table = Table::with(120);
    let player = |n| PlayerId(n);
    let first = table.ask(player(1), create(false)).match_id;
    table.ask(player(2), join(&String::from(first)));
    for n in 10..=100 {
        table.ask(player(n), In::MatchBot { level: 1 });
    }
    let second = table.ask(player(3), create(false)).match_id;
    table.ask(player(4), join(&String::from(second)));
    let waiting = table.ask(player(5), create(false)).match_id;
    let list = table.play.hall.list();
    assert_eq!(list.len(), crate::games::connect4::LISTED);
    assert_eq!(list[..3].iter().map(|m| m.match_id).collect::<Vec<_>>(), [waiting, second, first]);
    let bots: Vec<u32> = list[3..].iter().map(|m| m.players[0].id.0).collect();
    assert_eq!(bots, (54..=100).rev().collect::<Vec<_>>(), "the newest of them");
    assert!(list[3..].iter().all(|m| m.players[1].id == BOT));
}

#[test]
fn who_enters_another_match_is_told_that_its_own_is_closed() {
    let closed = |told: &[(PlayerId, Out)], id| {
        let is_it = |packet: &Out| matches!(packet, Out::MatchClosed { match_id, reason: Closing::Elsewhere } if *match_id == id);
        told.iter().filter(|(_, packet)| is_it(packet)).map(|(to, _)| to.0).collect::<Vec<_>>()
    };
    let mut table = Table::with(4);
    let open = table.ask(PlayerId(4), create(false)).match_id;
    let mut own = table.ask(A, create(true)).match_id;
    for elsewhere in [create(true), In::MatchBot { level: 1 }, join(&String::from(open))] {
        table.ask(C, In::MatchSpectate { match_id: own.into() });
        table.told();
        let next = table.ask(A, elsewhere.clone()).match_id;
        let told = table.told();
        assert_eq!(closed(&told, own), [3, 1], "{elsewhere:?}: who watched, and who went");
        let at = |wanted: &dyn Fn(&Out) -> bool| told.iter().position(|(to, p)| *to == A && wanted(p));
        let (old, new) = (at(&|p| closing(p).is_some()), at(&|p| state_in(p).is_some()));
        assert!(old < new && old.is_some(), "before it hears of the other");
        own = next;
        if elsewhere != (In::MatchBot { level: 1 }) {
            continue;
        }
        // A match that is being played has to be left, and who leaves knows.
        table.say(A, In::MatchLeave).unwrap();
        assert_eq!(closed(&table.told(), own), [0; 0]);
        own = table.ask(A, create(false)).match_id;
    }
    // Who watches another match closes nothing but its own.
    let mut table = Table::with(3);
    let theirs = table.ask(B, create(false)).match_id;
    let own = table.ask(A, create(true)).match_id;
    table.told();
    table.ask(A, In::MatchSpectate { match_id: theirs.into() });
    assert_eq!(closed(&table.told(), own), [1]);
    table.ask(A, In::MatchSpectate { match_id: theirs.into() });
    assert_eq!(closed(&table.told(), theirs), [0; 0]);
}

#[test]
fn spectators_see_every_state_and_a_late_one_the_present() {
    let (mut table, id) = Table::running();
    table.join(PlayerId(4));
    table.ask(C, In::MatchSpectate { match_id: id.clone() });
    let told = table.tick();
    assert_eq!(heard(&told), [3, 1, 2, 3], "the answer, then how many watch");
    assert!(told.iter().skip(1).all(|(_, packet)| state_in(packet).is_some_and(|s| s.spectators == 1)));
    let won = table.win_for_a();
    let moves: Vec<u32> = table
        .told()
        .iter()
        .filter(|(to, _)| *to == C)
        .filter_map(|(_, packet)| Some(state_in(packet)?.moves))
        .collect();
    assert_eq!(moves, [1, 2, 3, 4, 5, 6, 7], "every state, each once");
    let late = table.ask(PlayerId(4), In::MatchSpectate { match_id: id });
    assert_eq!((late.board, late.line, late.winner, late.spectators), (won.board, won.line, Some(A), 2));
    for refused in [In::MatchDrop { column: 0 }, In::MatchRematch] {
        assert_eq!(table.refused(C, refused), Code::Forbidden);
    }
    // Who stops watching hears no more.
    table.tick();
    table.say(C, In::MatchLeave).unwrap();
    assert_eq!(heard(&table.tick()), [1, 2, 4]);
    table.leave(PlayerId(4), Departure::Quit);
    assert_eq!(state_of(&table.tick(), A).spectators, 0);
}

#[test]
fn a_spectator_may_sit_down_where_there_is_room() {
    let mut table = Table::with(3);
    let id = id_of(&table.ask(A, create(false)));
    table.ask(B, In::MatchSpectate { match_id: id.clone() });
    let state = table.ask(B, join(&id));
    assert_eq!((state.spectators, state.turn), (0, Some(A)));
}

#[test]
fn a_rematch_takes_both_and_changes_the_colours() {
    let (mut table, id) = Table::running();
    assert_eq!(table.refused(A, In::MatchRematch), Code::Conflict, "it is not over");
    table.win_for_a();
    let asked = table.ask(B, In::MatchRematch);
    assert_eq!(asked.players.iter().map(|p| p.rematch).collect::<Vec<_>>(), [false, true]);
    assert_eq!(asked.winner, Some(A), "it is still over");
    assert_eq!(table.ask(B, In::MatchRematch).winner, Some(A), "asking twice is asking once");
    let begun = table.ask(A, In::MatchRematch);
    assert_eq!((begun.moves, begun.winner, begun.line, begun.turn), (0, None, None, Some(B)));
    assert_eq!(id_of(&begun), id);
    assert!(begun.players.iter().all(|p| !p.rematch));
    assert_eq!(begun.players[0].id, B, "who had yellow has red, and begins");
    table.drop(B, 0);
    table.say(B, In::MatchLeave).unwrap();
    assert_eq!(table.refused(A, In::MatchRematch), Code::Conflict, "the other has left");
}

#[test]
fn who_leaves_a_match_that_runs_has_lost_it() {
    let (mut table, id) = Table::running();
    table.ask(C, In::MatchSpectate { match_id: id });
    table.tick();
    table.say(A, In::MatchLeave).unwrap();
    let told = table.told();
    assert_eq!(heard(&told), [2, 3], "who left is told by `ok` alone");
    let state = state_of(&told, B);
    assert_eq!((state.winner, state.line, state.turn), (Some(B), None, None));
    assert_eq!(state.reason, Some(Ending::Left));
    assert_eq!(state.players.iter().map(|p| p.present).collect::<Vec<_>>(), [false, true]);
    // With the last of both the match is gone, and those who watch are told.
    table.say(B, In::MatchLeave).unwrap();
    let told = table.told();
    assert_eq!((heard(&told), closing(&told[0].1)), (vec![3], Some(Closing::Left)));
    assert_eq!(table.play.hall.sizes(), [0; 5]);
    assert_eq!(table.refused(C, In::MatchLeave), Code::NotFound);
}

#[test]
fn a_bot_sits_down_plays_and_plays_again() {
    let mut table = Table::with(1);
    let begun = table.ask(A, In::MatchBot { level: 5 });
    assert_eq!((begun.turn, begun.players[1].id), (Some(A), BOT));
    assert_eq!(&*begun.players[1].name, "Bot, level 5");
    let mut state = begun;
    while state.winner.is_none() && !state.draw {
        let column = (0..7).find(|&c| state.board[0].0[c].is_none()).unwrap() as u32;
        state = table.drop(A, column);
        assert!(state.turn != Some(A));
        table.told();
        while state.turn == Some(BOT) {
            assert_eq!(table.refused(A, In::MatchDrop { column: 0 }), Code::Forbidden);
            if let Some((_, packet)) = table.tick().pop() {
                state = state_in(&packet).unwrap().clone();
            }
            assert!(table.fx.tick < 20 * 60, "it answers");
        }
    }
    assert_eq!(state.winner, Some(BOT), "whoever fills one column after the other loses");
    let again = table.ask(A, In::MatchRematch);
    assert_eq!((again.turn, again.players[0].id), (Some(BOT), BOT), "it begins now");
    let told = table.pass(Duration::from_secs(2));
    assert_eq!(state_of(&told, A).moves, 1);
    table.leave(A, Departure::Quit);
    assert!(table.is_empty());
}
