//! Making, choosing and deleting characters: nothing is so before it is on disk.

use super::{Answer, Table};
use crate::engine::{NotKept, Refusal};
use crate::games::eternity::character::{Class, Faction};
use crate::games::eternity::packets::{In, Out};
use crate::http::Method::{Delete, Get, Post};
use crate::ids::{AccountId, PlayerId};
use crate::packet::Code;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BUSY: NotKept = NotKept::Busy { retry_after_ms: 1000 };

fn wish(name: &str) -> Value {
    json!({ "name": name, "faction": "solari", "class": "mage" })
}

fn list(table: &mut Table, account: u32) -> Value {
    match &table.call(Some(account), Get, "/api/characters", Value::Null).unwrap()[..] {
        [Answer::Json(200, body)] => body["characters"].clone(),
        other => panic!("{other:?}"),
    }
}

fn code(outcome: Result<Vec<Answer>, Refusal>) -> Code {
    outcome.expect_err("it is refused").code
}

#[test]
fn a_character_is_there_when_it_is_on_disk_and_not_before() {
    let mut table = Table::with_disk();
    assert_eq!(table.call(Some(3), Post, "/api/characters", wish(" Ann ")).unwrap(), []);
    assert_eq!(list(&mut table, 3), json!([]));
    assert!(table.play.roster(AccountId(3)).characters.is_empty());
    assert_eq!(code(table.call(Some(4), Post, "/api/characters", wish("aNN"))), Code::Conflict, "reserved");
    let told = json!({ "id": 1, "name": "Ann", "faction": "solari", "class": "mage", "level": 1,
        "location_id": 1, "selected": false });
    assert_eq!(table.report(Ok(())), [Answer::Json(201, told.clone())]);
    assert_eq!(list(&mut table, 3), json!([told]));
    assert_eq!(list(&mut table, 4), json!([]));
    assert_eq!(code(table.call(Some(4), Post, "/api/characters", wish("ann"))), Code::Conflict);
    assert!(table.play.characters.has_name("ANN") && !table.play.characters.has_name("Bob"));
}

#[test]
fn what_could_not_be_committed_has_not_happened() {
    let mut table = Table::with_disk();
    for (why, code) in [(BUSY, Code::Busy), (NotKept::NameTaken { change: 0 }, Code::Conflict)] {
        table.call(Some(3), Post, "/api/characters", wish("Ann")).unwrap();
        assert_eq!(table.report(Err(why)), [Answer::Refused(code)]);
    }
    assert_eq!(list(&mut table, 3), json!([]));
    let id = table.made(4, "Ann");
    assert_eq!(id, 3, "an id that was given out is not given out again");

    table.call(Some(4), Post, "/api/characters/select", json!({ "character_id": id })).unwrap();
    assert_eq!(table.report(Err(BUSY)), [Answer::Refused(Code::Busy)]);
    assert_eq!(table.play.roster(AccountId(4)).enters, None);
    table.chosen(4, id);

    table.call(Some(4), Delete, &format!("/api/characters/{id}"), Value::Null).unwrap();
    assert_eq!(table.report(Err(BUSY)), [Answer::Refused(Code::Busy)]);
    assert_eq!(table.play.roster(AccountId(4)).enters, Some((PlayerId(id), "Ann".into())));
}

#[test]
fn an_account_has_five_at_the_most_with_those_under_way() {
    let mut table = Table::with_disk();
    for name in ["One", "Two", "Three"] {
        table.made(3, name);
    }
    for name in ["Four", "Five"] {
        table.call(Some(3), Post, "/api/characters", wish(name)).unwrap();
    }
    assert_eq!(code(table.call(Some(3), Post, "/api/characters", wish("Six"))), Code::Conflict);
    table.report(Ok(()));
    table.report(Err(NotKept::Failed));
    table.made(3, "Six");
    assert_eq!(code(table.call(Some(3), Post, "/api/characters", wish("Seven"))), Code::Conflict);
    table.made(4, "Seven");
    assert_eq!(list(&mut table, 3).as_array().map(Vec::len), Some(5));
}

#[test]
fn wishes_that_cannot_be() {
    let mut table = Table::with_disk();
    let mut ask = |body: Value| code(table.call(Some(3), Post, "/api/characters", body));
    assert_eq!(ask(wish("ab")), Code::Invalid);
    assert_eq!(ask(wish("<script>")), Code::Invalid);
    assert_eq!(ask(json!({ "name": "Ann", "faction": "lunar", "class": "mage" })), Code::Invalid);
    assert_eq!(ask(json!({ "name": "Ann", "faction": "solari" })), Code::Invalid);
    assert_eq!(ask(json!([])), Code::Invalid);
    assert_eq!(table.fx.disk.under_way(), 0);
}

#[test]
fn other_people_s_characters_are_not_found() {
    let mut table = Table::with_disk();
    let id = table.made(3, "Ann");
    for wrong in [id, id + 1, 0] {
        let choice = json!({ "character_id": wrong });
        assert_eq!(code(table.call(Some(4), Post, "/api/characters/select", choice)), Code::NotFound);
        let path = format!("/api/characters/{wrong}");
        assert_eq!(code(table.call(Some(4), Delete, &path, Value::Null)), Code::NotFound);
    }
    assert_eq!(code(table.call(Some(3), Delete, "/api/characters/me", Value::Null)), Code::NotFound);
}

#[test]
fn the_chosen_one_enters_the_world_on_the_connection_that_asked() {
    let mut table = Table::with_disk();
    let waiting = table.log_in(3, 0);
    assert!(waiting.is_in_lobby());
    let wait = table.send(waiting, In::GetGameState).expect_err("nobody is in the world");
    assert_eq!(wait.code, Code::Conflict);
    let create = In::CharacterCreate { name: "Ann".into(), faction: Faction::Verdant, class: Class::Warden };
    table.send(waiting, create).unwrap();
    let [Answer::Packet(Out::CharacterUpdate(sheet))] = &table.report(Ok(()))[..] else { panic!("no sheet") };
    assert_eq!((sheet.hp, sheet.max_hp, sheet.selected), (140, 140, false));
    let id = sheet.id.0;
    table.send(waiting, In::CharacterSelect { character_id: id }).unwrap();
    assert!(table.tick().is_empty() && table.fx.becoming.is_empty(), "not before it is on disk");
    let [Answer::Packet(Out::CharacterUpdate(sheet))] = &table.report(Ok(()))[..] else { panic!("no sheet") };
    assert!(sheet.selected);
    assert_eq!(table.fx.becoming, [(waiting, PlayerId(id))]);
    table.change_players(3);
    let sent = table.tick();
    assert!(matches!(&sent[..], [(to, Out::GameState(state))] if to.0 == id && &*state.you.name == "Ann"));
    // To choose it again changes nothing.
    table.send(PlayerId(id), In::CharacterSelect { character_id: id }).unwrap();
    assert_eq!(table.report(Ok(())).len(), 1);
    assert!(table.fx.becoming.is_empty());
}

#[test]
fn a_choice_over_http_brings_in_whoever_waits() {
    let mut table = Table::with_disk();
    let other = table.made(3, "Bea");
    table.log_in(4, 7);
    table.enter_as(PlayerId(PlayerId::FIRST_IN_LOBBY + 1), 3);
    table.enter_as(PlayerId(PlayerId::FIRST_IN_LOBBY + 2), 3);
    assert!(table.fx.becoming.is_empty(), "nobody is chosen");
    table.chosen(3, other);
    assert_eq!(table.fx.becoming, [(PlayerId(PlayerId::FIRST_IN_LOBBY + 2), PlayerId(other))]);
    table.change_players(3);
    table.chosen(3, other);
    assert!(table.fx.becoming.is_empty(), "it is in the world already");
}

#[test]
fn a_choice_over_http_brings_in_who_was_still_in_the_line() {
    // The account had been let in without a character, and its game was not told of it yet: it stayed in the lobby.
    let mut table = Table::with_disk();
    let id = table.made(3, "Ann");
    let enters = table.play.roster(AccountId(3)).enters;
    assert_eq!(enters, None, "so it comes into the lobby");
    table.chosen(3, id);
    assert!(table.fx.becoming.is_empty(), "nobody waits");
    let waiting = PlayerId(PlayerId::FIRST_IN_LOBBY + 1);
    table.enter_as(waiting, 3);
    assert_eq!(table.fx.becoming, [(waiting, PlayerId(id))]);
    table.change_players(3);
    table.tick();
    table.enter_as(PlayerId(PlayerId::FIRST_IN_LOBBY + 2), 3);
    assert!(table.fx.becoming.is_empty(), "it is in the world already");
}

#[test]
fn guests_have_nothing_to_choose() {
    let mut table = Table::with_disk();
    let guest = table.join(PlayerId::FIRST_GUEST);
    let create = In::CharacterCreate { name: "Ann".into(), faction: Faction::Verdant, class: Class::Warden };
    for packet in [create, In::CharacterSelect { character_id: 1 }, In::CharacterDelete { character_id: 1 }] {
        assert_eq!(table.send(guest, packet).expect_err("it is refused").code, Code::Forbidden);
    }
}

#[test]
fn who_is_in_the_world_is_not_deleted() {
    let mut table = Table::with_disk();
    let id = table.made(3, "Ann");
    table.chosen(3, id);
    let player = table.log_in(3, 0);
    assert_eq!(player.0, id);
    let path = format!("/api/characters/{id}");
    assert_eq!(code(table.call(Some(3), Delete, &path, Value::Null)), Code::Conflict);
    table.leave(player);
    table.call(Some(3), Delete, &path, Value::Null).unwrap();
    assert_eq!(table.play.roster(AccountId(3)).enters, None, "it is going");
    assert_eq!(code(table.call(Some(3), Delete, &path, Value::Null)), Code::Busy, "once is enough");
    table.enter_as(player, 3);
    assert_eq!(table.fx.kicked, [(player, Code::Kicked)], "let in before it began to go");
    table.leave(player);
    assert_eq!(table.report(Ok(())), [Answer::Done]);
    assert_eq!(list(&mut table, 3), json!([]));
    assert!(!table.fx.disk.records.contains_key(&("character".to_owned(), id.to_string())), "gone for good");
    assert!(table.made(4, "Ann") > id, "its name is free, its id is not");
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Create(u32, u32),
    Select(u32, u32),
    Delete(u32, u32),
    Report(bool),
    Crash,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (1..3u32, 0..8u32).prop_map(|(account, name)| Move::Create(account, name)),
        3 => (1..3u32, 1..12u32).prop_map(|(account, id)| Move::Select(account, id)),
        2 => (1..3u32, 1..12u32).prop_map(|(account, id)| Move::Delete(account, id)),
        8 => prop::bool::weighted(0.8).prop_map(Move::Report),
        1 => Just(Move::Crash),
    ];
    prop::collection::vec(one, 1..80)
}

proptest! {
    /// Whatever is asked in whatever order, and wherever the power goes: names are unique, nobody has more than five, ids are
    /// not used twice, and what was told is what a new start finds.
    #[test]
    fn a_new_start_finds_what_was_told(moves in moves()) {
        let mut table = Table::with_disk();
        let mut ids = BTreeSet::new();
        for step in moves {
            let _ = match step {
                Move::Create(a, name) => table.call(Some(a), Post, "/api/characters", wish(&format!("Name{name}"))),
                Move::Select(a, id) => {
                    table.call(Some(a), Post, "/api/characters/select", json!({ "character_id": id }))
                }
                Move::Delete(a, id) => table.call(Some(a), Delete, &format!("/api/characters/{id}"), Value::Null),
                Move::Report(done) if table.fx.disk.under_way() > 0 => {
                    for answer in table.report(if done { Ok(()) } else { Err(BUSY) }) {
                        if let Answer::Json(201, told) = answer {
                            prop_assert!(ids.insert(told["id"].as_u64().unwrap()), "an id twice");
                        }
                    }
                    Ok(Vec::new())
                }
                Move::Report(_) => Ok(Vec::new()),
                Move::Crash => {
                    let before = [list(&mut table, 1), list(&mut table, 2)];
                    // Who was going is there again: nothing was confirmed. It is not chosen meanwhile.
                    let quiet = table.fx.disk.under_way() == 0;
                    table = table.crash();
                    if quiet {
                        prop_assert_eq!(before, [list(&mut table, 1), list(&mut table, 2)]);
                    }
                    Ok(Vec::new())
                }
            };
            let all: Vec<Value> =
                [1, 2].iter().flat_map(|&a| list(&mut table, a).as_array().cloned().unwrap()).collect();
            let names: BTreeSet<String> = all.iter().map(|c| c["name"].to_string()).collect();
            prop_assert_eq!(names.len(), all.len());
            prop_assert!([1, 2].iter().all(|&a| list(&mut table, a).as_array().is_some_and(|l| l.len() <= 5)));
        }
    }
}
