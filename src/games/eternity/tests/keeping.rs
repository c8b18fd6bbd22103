//! What comes back after a stop, and in which shape it lay on the disk.

use super::super::kept::{self, KeptAccount, KeptCharacter, KeptIds, KeptPlace, KeptShard, KeptWorld};
use super::Table;
use crate::account::Json;
use crate::engine::Kept;
use crate::games::eternity::character::{Class, Faction};
use crate::games::eternity::packets::Out;
use crate::games::eternity::place::LocationId;
use crate::ids::{AccountId, PlayerId};
use crate::time::WallMs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// A founded world with a character in it.
fn table_with_ann() -> (Table, PlayerId) {
    let mut table = Table::with_disk();
    let id = table.made(3, "Ann");
    table.chosen(3, id);
    let player = table.log_in(3, 0);
    table.tick();
    (table, player)
}

#[test]
fn who_left_comes_back_at_the_same_place() {
    let (mut table, ann) = table_with_ann();
    table.send_to(ann, 101.25, 99.5);
    let at = table.body(ann);
    table.leave(ann);
    let mut table = table.crash();
    assert_eq!(table.log_in(3, 0), ann);
    assert_eq!(table.body(ann), at);
    let sent = table.tick();
    let Some((_, Out::GameState(state))) = sent.first() else { panic!("{sent:?}") };
    assert_eq!(
        (&*state.you.name, state.you.faction, state.you.class),
        ("Ann", Faction::Umbral, Class::Warden)
    );
}

#[test]
fn who_took_an_exit_and_left_comes_back_behind_it() {
    let (mut table, ann) = table_with_ann();
    table.send_to(ann, 188.0, 96.0);
    table.go(ann, 2).unwrap();
    table.leave(ann);
    let mut table = table.crash();
    table.log_in(3, 0);
    let slot = table.play.players.slot(ann).unwrap();
    let spot = table.play.players.get(slot).unwrap().body.spot;
    assert_eq!(table.play.world.location(spot.location).id(), LocationId(2));
}

#[test]
fn a_crash_takes_back_a_few_seconds_of_walking_and_no_more() {
    let (mut table, ann) = table_with_ann();
    let guest = table.join(PlayerId::FIRST_GUEST);
    table.tick();
    let before = table.fx.disk.saves;
    table.walk(ann, 100.0, 100.0);
    let at = table.body(ann);
    table.walk(guest, 100.0, 101.0);
    for _ in 0..100 {
        table.tick();
    }
    assert_eq!(table.fx.disk.saves - before, 1, "once a round of the rota, and a guest never");
    for _ in 0..100 {
        table.tick();
    }
    assert_eq!(table.fx.disk.saves - before, 1, "who stands still is saved already");
    let mut table = table.crash();
    table.log_in(3, 0);
    assert_eq!(table.body(ann), at);
}

#[test]
fn a_place_that_the_map_does_not_have_any_more_is_left() {
    for place in [(77, 10.0, 10.0), (1, 10_000.0, 10.0)] {
        let (mut table, ann) = table_with_ann();
        table.leave(ann);
        let at = ("character".to_owned(), ann.to_string());
        let record = table.fx.disk.records.get_mut(&at).unwrap();
        let mut character: KeptCharacter = record.read().unwrap();
        let (location, x, y) = place;
        character.place = Some(KeptPlace { location: LocationId(location), x, y });
        record.value = Json::of(&character).unwrap();
        let mut table = table.crash();
        table.log_in(3, 0);
        let start = table.play.world.start;
        assert!(start.within.contains(table.body(ann)), "{place:?}");
    }
}

#[test]
fn records_of_another_release_are_refused() {
    let record = |collection: &str, key: &str, version, value: &str| Kept {
        collection: collection.into(),
        key: key.into(),
        name: None,
        version,
        value: Json::parse(value.into()).unwrap(),
    };
    assert_eq!(kept::accepts(&record("account", "3", 1, r#"{"selected":null}"#)), Ok(()));
    for (bad, why) in [
        (record("account", "3", 2, r#"{"selected":null}"#), "it is of version 2, and this release knows 1"),
        (record("account", "x", 1, r#"{"selected":null}"#), "its key is no number"),
        (record("account", "3", 1, r#"{"selected":"Ann"}"#), "invalid type: string"),
        (record("world", "weather", 1, "{}"), "no such record"),
    ] {
        let told = kept::accepts(&bad).expect_err(why);
        assert!(told.contains(why), "{told}");
    }
}

/// What a release has written must be read for ever. Where the shape is to change, this file's line stays and the new
/// version gets one of its own.
fn released<T: Serialize + DeserializeOwned + PartialEq + Debug>(golden: &str, value: &T) {
    assert_eq!(serde_json::from_str::<T>(golden).unwrap(), *value);
    assert_eq!(serde_json::to_string(value).unwrap(), golden.trim_end(), "what is written is version 1");
}

#[test]
fn shapes_of_version_1() {
    assert_eq!(kept::VERSION, 1);
    let character = KeptCharacter {
        account: AccountId(3),
        name: "Ann O'Neill".into(),
        faction: Faction::Umbral,
        class: Class::Rogue,
        level: 4,
        experience: 321,
        hp: 77,
        mana: 12,
        gold: 9_000_000_000,
        inventory: BTreeMap::from([("tonic".to_owned(), 2)]),
        place: Some(KeptPlace { location: LocationId(2), x: 12.25, y: 0.1 }),
    };
    released(include_str!("golden/character-1.json"), &character);
    released(include_str!("golden/account-1.json"), &KeptAccount { selected: Some(7) });
    released(include_str!("golden/ids-1.json"), &KeptIds { last_character: 12 });
    released(include_str!("golden/world-1.json"), &KeptWorld { age: 2, since: WallMs(1_700_000_000_000) });
    let shard = KeptShard { holder: Some(Faction::Verdant), since: WallMs(1_700_000_000_000) };
    released(include_str!("golden/shard-1.json"), &shard);
}
