//! Time and absence: who does not move, who is lost, who comes back, who does not.

use super::super::packets::{Closing, Ending};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(50);

#[test]
fn a_minute_without_a_move_loses() {
    let (mut table, _) = Table::running();
    table.pass(MINUTE - TICK);
    assert_eq!(table.told(), []);
    let state = state_of(&table.tick(), B);
    assert_eq!((state.winner, state.turn, state.deadline_ms), (Some(B), None, None));
    assert_eq!(state.reason, Some(Ending::Time));
    assert!(state.players.iter().all(|p| p.present), "both still sit there");
    assert_eq!(table.refused(A, In::MatchDrop { column: 0 }), Code::Conflict);
    table.ask(A, In::MatchRematch);
    assert_eq!(table.ask(B, In::MatchRematch).turn, Some(B), "and may play again");
}

#[test]
fn every_move_starts_the_minute_anew() {
    let (mut table, _) = Table::running();
    for (player, column) in [(A, 0), (B, 1), (A, 0)] {
        assert_eq!(table.pass(MINUTE - TICK), []);
        assert_eq!(table.drop(player, column).deadline_ms, Some(60_000));
        table.told();
    }
    table.pass(Duration::from_millis(59_000));
    let seen = table.ask(C, In::MatchSpectate { match_id: id_of(&table_state(&table)) });
    assert_eq!(seen.deadline_ms, Some(1000), "what is left of it");
    assert_eq!(state_of(&table.pass(Duration::from_secs(1)), A).winner, Some(A));
}

/// The state of the only match there is.
fn table_state(table: &Table) -> MatchState {
    let [the_match] = &table.play.hall.list()[..] else { panic!("one match") };
    let serial = table.play.hall.find(&String::from(the_match.match_id)).unwrap();
    let state = table.play.hall.get(serial).unwrap().state(table.fx.clock());
    state_in(&state).unwrap().clone()
}

#[test]
fn a_lost_player_keeps_the_seat_for_the_grace_and_then_loses() {
    for lost in [Departure::Lost, Departure::Closed(Code::IdleTimeout), Departure::Closed(Code::SlowConsumer)]
    {
        let (mut table, _) = Table::running();
        table.leave(B, lost);
        let state = state_of(&table.told(), A);
        assert_eq!((state.turn, state.winner), (Some(A), None), "it goes on");
        assert_eq!(state.players.iter().map(|p| p.present).collect::<Vec<_>>(), [true, false]);
        table.drop(A, 0);
        table.told();
        assert_eq!(table.pass(GRACE - TICK), []);
        let state = state_of(&table.tick(), A);
        assert_eq!((state.winner, state.reason), (Some(A), Some(Ending::Lost)));
        table.say(A, In::MatchLeave).unwrap();
        table.leave(A, Departure::Quit);
        table.leave(C, Departure::Quit);
        assert!(table.is_empty());
    }
}

#[test]
fn who_says_goodbye_or_is_sent_away_loses_at_once() {
    for gone in [Departure::Quit, Departure::Closed(Code::Kicked), Departure::Closed(Code::LoggedOut)] {
        let (mut table, _) = Table::running();
        table.leave(A, gone);
        let state = state_of(&table.told(), B);
        assert_eq!((state.winner, state.reason), (Some(B), Some(Ending::Left)));
    }
}

#[test]
fn who_comes_back_in_time_sits_where_it_sat() {
    let (mut table, _) = Table::running();
    table.drop(A, 0);
    table.leave(B, Departure::Lost);
    table.pass(GRACE - TICK);
    table.join(B);
    let told = table.told();
    assert_eq!(heard(&told), [1, 2], "both are told, the one who is back everything");
    assert!(state_of(&told, B).players.iter().all(|p| p.present));
    assert_eq!(table.drop(B, 3).turn, Some(A));
    table.told();
    assert_eq!(table.pass(Duration::from_secs(59)), [], "the grace is over, and nothing happens");
    // It may be lost again, and has the whole grace again.
    table.drop(A, 0);
    table.leave(B, Departure::Lost);
    table.told();
    assert_eq!(table.pass(GRACE - TICK), []);
    assert_eq!(state_of(&table.tick(), A).winner, Some(A));
}

#[test]
fn the_minute_runs_on_while_one_is_lost() {
    let (mut table, _) = Table::running();
    table.pass(Duration::from_secs(50));
    table.leave(A, Departure::Lost);
    table.told();
    assert_eq!(state_of(&table.pass(Duration::from_secs(10)), B).winner, Some(B));
    // It is over, and the seat is still held: who comes back in time can play again.
    table.join(A);
    table.ask(A, In::MatchRematch);
    assert_eq!(table.ask(B, In::MatchRematch).turn, Some(B));
}

#[test]
fn nobody_is_sent_to_somebody_who_waits_and_is_lost() {
    let mut table = Table::with(2);
    let mine = table.ask(A, In::MatchCreate { private: None }).match_id;
    table.leave(A, Departure::Lost);
    assert!(table.play.hall.list().is_empty());
    assert_ne!(table.ask(B, In::MatchJoin { match_id: None }).match_id, mine);
    table.say(B, In::MatchLeave).unwrap();
    table.join(A);
    assert_eq!(table.play.hall.list()[0].match_id, mine);
    // Who does not come back has no match any more.
    table.leave(A, Departure::Lost);
    table.pass(GRACE);
    assert_eq!(table.play.hall.sizes(), [0; 5]);
}

#[test]
fn where_both_are_lost_and_stay_away_the_match_is_closed() {
    let (mut table, id) = Table::running();
    table.ask(C, In::MatchSpectate { match_id: id });
    table.tick();
    table.leave(A, Departure::Lost);
    table.pass(Duration::from_secs(1));
    table.leave(B, Departure::Lost);
    table.told();
    let told = table.pass(GRACE);
    assert_eq!(heard(&told), [3, 3]);
    assert_eq!(state_in(&told[0].1).map(|state| state.winner), Some(Some(B)));
    assert_eq!(closing(&told[1].1), Some(Closing::Lost));
    table.leave(C, Departure::Lost);
    assert!(table.is_empty(), "who only watched has nothing to come back to");
}

#[test]
fn a_bot_waits_for_who_is_lost_as_anybody_does() {
    let mut table = Table::with(1);
    table.ask(A, In::MatchBot { level: 3 });
    table.leave(A, Departure::Lost);
    table.pass(GRACE - TICK);
    assert!(!table.is_empty());
    table.join(A);
    table.drop(A, 3);
    table.leave(A, Departure::Lost);
    table.pass(GRACE);
    assert!(table.is_empty());
}

#[test]
fn nobody_sits_down_opposite_somebody_who_is_lost() {
    let mut table = Table::with(3);
    let id = id_of(&table.ask(A, In::MatchCreate { private: Some(true) }));
    let join = In::MatchJoin { match_id: Some(id.clone()) };
    table.leave(A, Departure::Lost);
    table.told();
    let refusal = table.say(B, join.clone()).unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::Conflict, Some(2000)), "it may be back");
    // One may look on until then.
    assert!(!table.ask(B, In::MatchSpectate { match_id: id }).players[0].present);
    table.join(A);
    assert!(state_of(&table.told(), B).players[0].present);
    let begun = table.ask(B, join);
    assert_eq!((begun.turn, begun.deadline_ms), (Some(A), Some(60_000)));
}

#[test]
fn a_rematch_waits_for_who_is_lost() {
    // Whoever asks first, and whether before or after the other is lost.
    for lost_has_asked in [true, false] {
        let (mut table, _) = Table::running();
        table.win_for_a();
        if lost_has_asked {
            table.ask(B, In::MatchRematch);
        }
        table.leave(B, Departure::Lost);
        let asked = table.ask(A, In::MatchRematch);
        assert_eq!((asked.winner, asked.turn, asked.deadline_ms), (Some(A), None, None), "it is still over");
        assert_eq!(asked.players.iter().map(|p| p.rematch).collect::<Vec<_>>(), [true, lost_has_asked]);
        table.told();
        assert_eq!(table.pass(GRACE - TICK), []);
        table.join(B);
        let back = state_of(&table.told(), A);
        if lost_has_asked {
            assert_eq!(
                (back.turn, back.deadline_ms, back.moves),
                (Some(B), Some(60_000), 0),
                "now it begins"
            );
        } else {
            assert_eq!(back.turn, None, "it has not asked");
            assert_eq!(table.ask(B, In::MatchRematch).turn, Some(B));
        }
    }
}

#[test]
fn a_rematch_with_who_does_not_come_back_never_begins() {
    let (mut table, _) = Table::running();
    table.win_for_a();
    table.ask(B, In::MatchRematch);
    table.leave(B, Departure::Lost);
    table.ask(A, In::MatchRematch);
    table.told();
    let state = state_of(&table.pass(GRACE), A);
    assert_eq!((state.turn, state.winner, state.reason), (None, Some(A), Some(Ending::Four)));
    assert_eq!(table.refused(A, In::MatchRematch), Code::Conflict, "the other has left");
}

#[test]
fn the_name_of_a_lost_player_is_taken_until_its_seat_is_free() {
    let (mut table, _) = Table::running();
    table.leave(B, Departure::Lost);
    assert!(table.play.has_name("P2") && table.play.has_name("p2"), "whatever its case");
    table.pass(GRACE - TICK);
    assert!(table.play.has_name("P2"));
    table.tick();
    assert!(!table.play.has_name("P2"), "the seat is forfeited");
    // Who has no seat to come back to, or went on purpose, leaves its name at once.
    assert!(table.play.has_name("P3"));
    table.leave(C, Departure::Lost);
    table.leave(A, Departure::Quit);
    assert!(!table.play.has_name("P3") && !table.play.has_name("P1"));
}

#[test]
fn an_account_of_a_guest_s_name_is_shown_with_a_number() {
    let mut table = Table::with(0);
    let guest = PlayerId(PlayerId::FIRST_GUEST);
    table.join_as(guest, "Ann", None);
    table.join_as(A, "ANN", Some(AccountId(1)));
    let id = id_of(&table.ask(A, In::MatchCreate { private: None }));
    let state = table.ask(guest, In::MatchJoin { match_id: Some(id) });
    assert_eq!(state.players.iter().map(|p| &*p.name).collect::<Vec<_>>(), ["ANN#2", "Ann"]);
    // Over a second connection it is the same player, and the name is free again in between.
    table.say(A, In::MatchLeave).unwrap();
    table.leave(A, Departure::Closed(Code::Replaced));
    table.leave(guest, Departure::Quit);
    table.join_as(A, "ANN", Some(AccountId(1)));
    assert_eq!(&*table.ask(A, In::MatchCreate { private: None }).players[0].name, "ANN");
}

#[test]
fn whom_the_engine_holds_is_seen_to_be_away_and_forfeits_when_it_says_so() {
    let (mut table, _) = Table::running();
    table.miss(B);
    let away = state_of(&table.told(), A);
    assert_eq!(away.players.iter().map(|p| p.present).collect::<Vec<_>>(), [true, false]);
    assert_eq!(table.pass(2 * GRACE - TICK), [], "how long that is is not the game's to know");
    table.leave(B, Departure::Lost);
    let over = state_of(&table.told(), A);
    assert_eq!((over.winner, over.reason), (Some(A), Some(Ending::Lost)), "at once");
    table.leave(A, Departure::Quit);
    table.leave(C, Departure::Quit);
    assert!(table.is_empty());
}

#[test]
fn who_resumes_sits_where_it_sat_and_is_told_how_it_stands_where_it_may_not_know() {
    let (mut table, id) = Table::running();
    table.drop(A, 0);
    table.miss(B);
    table.told();
    table.resume(B, false);
    assert!(state_of(&table.told(), A).players.iter().all(|p| p.present));
    assert_eq!(table.drop(B, 3).turn, Some(A));
    table.told();
    // Over a connection that still seemed open: nobody was away.
    table.resume(A, false);
    assert_eq!(table.told(), []);
    table.resume(A, true);
    assert_eq!(heard(&table.told()), [1], "A alone");
    // Who watches sees the same.
    table.ask(C, In::MatchSpectate { match_id: id });
    table.tick();
    table.told();
    table.miss(C);
    assert_eq!(table.told(), []);
    table.resume(C, true);
    assert_eq!(heard(&table.told()), [3]);
}

/// Its connection may be dead and nobody know it yet: whoever logs in again elsewhere then has not left.
#[test]
fn an_account_that_comes_in_over_another_connection_sits_where_it_sat() {
    let (mut table, _) = Table::running();
    table.drop(A, 0);
    table.leave(B, Departure::Closed(Code::Replaced));
    table.join(B);
    let told = table.told();
    assert_eq!(state_of(&told, A).winner, None);
    let back = state_of(&told, B);
    assert_eq!((back.moves, back.players.iter().all(|p| p.present)), (1, true), "and is told how it stands");
    assert_eq!(table.drop(B, 3).turn, Some(A));
    table.told();
    assert_eq!(table.pass(GRACE), [], "nothing is due any more");
    // Where the other connection comes to nothing, its time runs.
    table.drop(A, 0);
    table.leave(B, Departure::Closed(Code::Replaced));
    table.told();
    assert_eq!(state_of(&table.pass(GRACE), A).reason, Some(Ending::Lost));
}

#[test]
fn an_account_that_comes_in_anew_while_its_place_is_held_sits_where_it_sat() {
    let (mut table, _) = Table::running();
    table.miss(B);
    table.leave(B, Departure::Closed(Code::Replaced));
    table.join(B);
    let back = state_of(&table.told(), A);
    assert_eq!((back.winner, back.players.iter().all(|p| p.present)), (None, true));
    assert_eq!(table.pass(GRACE), [], "nothing is due any more");
}
