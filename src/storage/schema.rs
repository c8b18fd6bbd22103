//! What is in the file, and how one version of it becomes the next.
//!
//! A released migration never changes: files in the world are as it left them. SQLite's `user_version` counts the
//! migrations that a file has seen, its `application_id` says that the file is ours.

use super::error::{OpenError, store_error};
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use std::path::Path;

/// "evtk": what `PRAGMA application_id` says of a file of ours.
const APPLICATION: i32 = 0x6576_746b;

/// The version that this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Names compare without regard to ASCII case. Times are Unix milliseconds. Values are JSON. Ids that are told to
/// somebody are never used again (`AUTOINCREMENT`).
const MIGRATIONS: &[M<'static>] = &[M::up(FIRST), M::up(SECOND)];

/// What the first version made.
pub(super) const FIRST: &str = "CREATE TABLE account (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        password TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE login_session (
        digest BLOB PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES account (id),
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX login_session_account ON login_session (account);
    CREATE TABLE ban (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        target TEXT NOT NULL,
        reason TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER
    ) STRICT;
    CREATE TABLE record (
        game TEXT NOT NULL,
        collection TEXT NOT NULL,
        key TEXT NOT NULL,
        name TEXT COLLATE NOCASE,
        version INTEGER NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (game, collection, key)
    ) STRICT;
    CREATE UNIQUE INDEX record_name ON record (game, collection, name) WHERE name IS NOT NULL;
    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        game TEXT NOT NULL,
        kind TEXT NOT NULL,
        time INTEGER NOT NULL,
        value TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_game ON event (game, id);";

/// When a login session was last used. Of those that are there nobody knows more than when they were opened.
const SECOND: &str = "ALTER TABLE login_session ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
    UPDATE login_session SET seen = created;";

/// Says whether the file is one that this program may work with, and changes nothing. A file without any content is
/// version 0 of ours.
pub(super) fn inspect(connection: &Connection, file: &Path) -> Result<i64, OpenError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let asked = || -> rusqlite::Result<(i64, i64, i64)> {
        // Any statement reads the header: this is where a file that is no database says so.
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((number("application_id")?, number("user_version")?, tables))
    };
    let (application, version, tables) =
        asked().map_err(|error| OpenError::Store(file.to_owned(), store_error(&error)))?;
    let fresh = (application, version, tables) == (0, 0, 0);
    if !fresh && application != i64::from(APPLICATION) {
        return Err(OpenError::Foreign(file.to_owned()));
    }
    if version > VERSION {
        return Err(OpenError::Newer { file: file.to_owned(), version, known: VERSION });
    }
    Ok(version)
}

/// Brings the file to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), rusqlite_migration::Error> {
    let fresh = connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))? == 0;
    if fresh {
        connection.pragma_update(None, "application_id", APPLICATION)?;
    }
    Migrations::from_slice(MIGRATIONS).to_latest(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_follow_one_another() {
        Migrations::from_slice(MIGRATIONS).validate().expect("they apply to an empty file, in order");
    }

    /// What a released version has made stands in the golden file: a difference here is a file that cannot be read.
    #[test]
    fn the_schema_is_the_one_that_was_released() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate(&mut connection).expect("an empty file");
        let mut schema =
            connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").expect("SQL");
        let made: Vec<String> =
            schema.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("text");
        insta::assert_snapshot!(format!("version {VERSION}\n\n{}", made.join(";\n")));
    }
}
