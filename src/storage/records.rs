//! What games keep, in SQL: records and logs.

use super::column::{json, millis, number, wall};
use super::database::Outcome;
use super::error::is_unique_conflict;
use crate::account::{Change, LogEntry, NewEvent, Record, Refused, Reply, SavedRecord, StoreError};
use rusqlite::{CachedStatement, Connection, Params, Savepoint, params};

pub(super) fn load(db: &Connection, game: &str, collection: &str, prefix: &str) -> Outcome {
    const SELECT: &str = "SELECT key, name, version, value FROM record WHERE game = ?1 AND collection = ?2";
    // As a range, for which the index is made.
    let records = match successor(prefix) {
        None => {
            let sql = format!("{SELECT} AND key >= ?3 ORDER BY key");
            read(&mut db.prepare_cached(&sql)?, params![game, collection, prefix])
        }
        Some(end) => {
            let sql = format!("{SELECT} AND key >= ?3 AND key < ?4 ORDER BY key");
            read(&mut db.prepare_cached(&sql)?, params![game, collection, prefix, end])
        }
    };
    Ok(Ok(Reply::Records(records?)))
}

fn read(select: &mut CachedStatement<'_>, values: impl Params) -> Result<Vec<Record>, StoreError> {
    let mut rows = select.query(values)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        let value = json(row.get(3)?, format_args!("record {key:?}"))?;
        let version = number(row.get(2)?, "version")?;
        records.push(Record { name: row.get(1)?, version, value, key });
    }
    Ok(records)
}

/// The least text that is greater than every text that begins with `prefix`; `None` where there is none. SQLite
/// compares text by its UTF-8 bytes, which is the order of its characters.
fn successor(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// All of it or nothing: within a savepoint, so that what is refused leaves the group's others as they are.
pub(super) fn write(savepoint: Savepoint<'_>, changes: &[Change], events: &[NewEvent]) -> Outcome {
    for (at, change) in changes.iter().enumerate() {
        match apply(&savepoint, change) {
            Err(error) if is_unique_conflict(&error) => {
                // It rolls back what it has. Dropping it would too, but would hide it if that failed.
                savepoint.finish()?;
                return Ok(Err(Refused::RecordNameTaken { change: at }));
            }
            done => done?,
        }
    }
    let ids = events.iter().map(|event| append(&savepoint, event)).collect::<Result<_, _>>()?;
    savepoint.commit()?;
    Ok(Ok(Reply::Written { events: ids }))
}

fn apply(db: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Put { id, name, version, value } => {
            let sql = "INSERT INTO record (game, collection, key, name, version, value)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (game, collection, key)
                DO UPDATE SET name = excluded.name, version = excluded.version, value = excluded.value";
            let values = params![id.game, id.collection, id.key, name, version, value.as_str()];
            db.prepare_cached(sql)?.execute(values)?;
        }
        Change::Delete { id } => {
            let sql = "DELETE FROM record WHERE game = ?1 AND collection = ?2 AND key = ?3";
            db.prepare_cached(sql)?.execute(params![id.game, id.collection, id.key])?;
        }
    }
    Ok(())
}

fn append(db: &Connection, event: &NewEvent) -> Result<u64, StoreError> {
    let sql = "INSERT INTO event (game, kind, time, value) VALUES (?1, ?2, ?3, ?4)";
    let values = params![event.game, event.kind, millis(event.time), event.value.as_str()];
    number(db.prepare_cached(sql)?.insert(values)?, "event id")
}

/// What may lag: names stay as they are, so nothing can be in its way.
pub(super) fn save(db: &Connection, records: &[SavedRecord]) -> Result<(), StoreError> {
    let sql = "INSERT INTO record (game, collection, key, version, value)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (game, collection, key)
        DO UPDATE SET version = excluded.version, value = excluded.value";
    let mut upsert = db.prepare_cached(sql)?;
    for SavedRecord { id, version, value } in records {
        upsert.execute(params![id.game, id.collection, id.key, version, value.as_str()])?;
    }
    Ok(())
}

pub(super) fn events(db: &Connection, game: &str, before: Option<u64>, limit: u32) -> Outcome {
    let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
    let sql = "SELECT id, kind, time, value FROM event WHERE game = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(params![game, before, limit])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let id = number(row.get(0)?, "event id")?;
        let value = json(row.get(3)?, format_args!("event {id}"))?;
        entries.push(LogEntry { id, kind: row.get(1)?, time: wall(row.get(2)?), value });
    }
    Ok(Ok(Reply::Events(entries)))
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn what_comes_behind_a_prefix() {
        assert_eq!(successor("17/").as_deref(), Some("170"));
        assert_eq!(successor(""), None);
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"), "surrogates are no characters");
    }
}
