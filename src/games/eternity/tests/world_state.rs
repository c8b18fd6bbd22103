//! The world as a whole, as it is told over HTTP.

use super::{Answer, Table};
use crate::engine::{NotKept, Refusal};
use crate::http::Method::Get;
use crate::ids::PlayerId;
use crate::packet::Code;
use serde_json::{Value, json};

fn get(table: &mut Table, target: &str) -> Result<Vec<Answer>, Refusal> {
    table.call(None, Get, target, Value::Null)
}

fn told(answers: &[Answer]) -> &Value {
    match answers {
        [Answer::Json(200, body)] => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_state_counts_everybody_where_they_are() {
    let mut table = Table::with_disk();
    let (guest, _) = (table.join(PlayerId::FIRST_GUEST), table.join(PlayerId::FIRST_GUEST + 1));
    table.log_in(3, 0);
    table.tick();
    table.send_to(guest, 188.0, 96.0);
    table.go(guest, 2).unwrap();
    table.tick();
    let answers = get(&mut table, "/api/world/state").unwrap();
    let state = told(&answers);
    assert_eq!((&state["reality"], &state["age"]), (&json!("balance"), &json!(1)));
    assert_eq!(state["shards"], json!({ "solari": 0, "umbral": 0, "verdant": 0 }));
    assert_eq!(state["players_online"], 2, "whoever waits in the lobby is not in the world");
    let locations = state["locations"].as_array().unwrap();
    assert_eq!(locations.len(), 15);
    assert_eq!(locations[0], json!({ "id": 1, "name": "Dawnhaven", "players": 1 }));
    assert_eq!(locations[1]["players"], 1);
    // Of one tick there is one census, and the next has a new one.
    table.leave(guest);
    assert_eq!(told(&get(&mut table, "/api/world/state").unwrap())["players_online"], 2);
    table.tick();
    assert_eq!(told(&get(&mut table, "/api/world/state").unwrap())["players_online"], 1);
}

#[test]
fn twelve_shards_are_free_since_the_world_began() {
    let mut table = Table::with_disk();
    let answers = get(&mut table, "/api/world/shards").unwrap();
    let shards = told(&answers)["shards"].as_array().unwrap().clone();
    assert_eq!(shards.len(), 12);
    let first =
        json!({ "id": 1, "name": "The Murmur", "location_id": 2, "holder": null, "since": 1_000_000 });
    assert_eq!(shards[0], first);
    let mut table = table.crash();
    assert_eq!(table.fx.disk.under_way(), 0, "it is not founded again");
    assert_eq!(told(&get(&mut table, "/api/world/shards").unwrap())["shards"], json!(shards));
}

#[test]
fn what_could_not_be_founded_is_tried_again() {
    let mut table = Table::built_in();
    table.play.handle(&mut table.fx, crate::engine::Input::Loaded { records: Vec::new() }).unwrap();
    table.report(Err(NotKept::Failed));
    for _ in 0..200 {
        table.tick();
        assert_eq!(table.fx.disk.under_way(), 0);
    }
    table.tick();
    table.report(Ok(()));
    assert_eq!(table.fx.disk.log[0].kind, "age_began");
    for _ in 0..300 {
        table.tick();
    }
    assert_eq!(table.fx.disk.under_way(), 0);
}

#[test]
fn events_come_newest_first_and_in_pages() {
    let mut table = Table::with_disk();
    assert_eq!(get(&mut table, "/api/world/events").unwrap(), []);
    let expected = json!({ "events": [{ "id": 1, "kind": "age_began", "time": 1_000_000, "age": 1 }] });
    assert_eq!(told(&table.report_log(None)), &expected);
    get(&mut table, "/api/world/events?limit=100&before=1").unwrap();
    assert_eq!(told(&table.report_log(None)), &json!({ "events": [] }));
    for bad in
        ["limit=0", "limit=101", "limit=", "limit=ten", "limit=+5", "limit=-1", "before=x", "limit=1&limit=2"]
    {
        let refused = get(&mut table, &format!("/api/world/events?{bad}")).expect_err(bad);
        assert_eq!(refused.code, Code::Invalid, "{bad}");
    }
}

#[test]
fn many_readers_leave_room_and_a_world_that_keeps_nothing_remembers_nothing() {
    let mut table = Table::with_disk();
    for _ in 0..8 {
        get(&mut table, "/api/world/events").unwrap();
    }
    let refused = get(&mut table, "/api/world/events").expect_err("too many");
    assert!(refused.code == Code::Busy && refused.retry_after_ms.is_some());
    assert_eq!(told(&table.report_log(Some(NotKept::Unavailable))), &json!({ "events": [] }));
    assert_eq!(table.report_log(Some(NotKept::Failed)), [Answer::Refused(Code::Internal)]);
    get(&mut table, "/api/world/events").unwrap();
}
