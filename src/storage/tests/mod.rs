//! Storage on memory, on real files, and behind its threads.

mod files;
mod model;
mod requests;
mod threads;

use super::Database;
use crate::account::{
    Change, Json, LoginSession, NewEvent, PasswordHash, RecordId, Refused, Reply, Request, SavedRecord,
    Saves, Store, TokenDigest, Username,
};
use crate::ids::AccountId;
use crate::time::WallMs;
use std::sync::Arc;

/// The game whose records these tests keep.
const GAME: &str = "chess";

fn username(text: &str) -> Username {
    Username::new(text).expect("a name")
}

fn json(value: u32) -> Json {
    Json::of(&value).expect("a number")
}

fn register(name: &str) -> Request {
    let password = PasswordHash::new(format!("hash of {name}'s"));
    Request::Register { name: username(name), password, now: WallMs(1000) }
}

fn session(digest: u8, account: u32, expires: u64) -> LoginSession {
    LoginSession {
        digest: TokenDigest([digest; 32]),
        account: AccountId(account),
        created: WallMs(1000),
        expires: WallMs(expires),
        seen: WallMs(1000),
    }
}

fn put(collection: &str, key: &str, name: Option<&str>, value: u32) -> Change {
    let id = RecordId::new(GAME, collection, key);
    Change::Put { id, name: name.map(str::to_owned), version: 1, value: json(value) }
}

fn delete(collection: &str, key: &str) -> Change {
    Change::Delete { id: RecordId::new(GAME, collection, key) }
}

fn write(changes: Vec<Change>) -> Request {
    Request::Write { changes, events: Vec::new() }
}

fn append(kind: &str) -> Request {
    let event = NewEvent { game: GAME, kind: kind.to_owned(), time: WallMs(5), value: json(0) };
    Request::Write { changes: Vec::new(), events: vec![event] }
}

fn save(key: &str, value: u32) -> Request {
    let record = SavedRecord { id: RecordId::new(GAME, "piece", key), version: 1, value: json(value) };
    Request::Save(Arc::new(Saves { records: vec![record], renewals: Vec::new() }))
}

fn load(collection: &str, prefix: &str) -> Request {
    Request::Records { game: GAME, collection: collection.to_owned(), prefix: prefix.to_owned() }
}

/// One request in a group of its own, which the disk takes.
fn ask(store: &mut impl Store, request: Request) -> Result<Reply, Refused> {
    let mut replies = store.commit(&[request]).expect("the disk takes it");
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

/// The keys, names and values of a collection.
fn records(store: &mut impl Store, collection: &str, prefix: &str) -> Vec<(String, Option<String>, String)> {
    match ask(store, load(collection, prefix)) {
        Ok(Reply::Records(records)) => {
            records.into_iter().map(|r| (r.key, r.name, r.value.as_str().to_owned())).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn record(key: &str, name: Option<&str>, value: u32) -> (String, Option<String>, String) {
    (key.to_owned(), name.map(str::to_owned), value.to_string())
}

fn memory() -> Database {
    Database::in_memory().expect("there is memory")
}
