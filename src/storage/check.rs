//! Whether a database is sound, and what is in it.

use super::column::number;
use super::database::{FILE, connect};
use super::error::OpenError;
use super::schema;
use crate::account::StoreError;
use rusqlite::Connection;
use std::fmt;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// The file.
    pub file: PathBuf,
    /// The version of what is in it; a lower one than the program's is brought up to it at the next start.
    pub version: i64,
    /// What is damaged; empty where nothing is.
    pub damage: Vec<String>,
    /// How many there are of what: accounts, login sessions, bans, and each game's records and events.
    pub counts: Vec<(String, u64)>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, version {}", self.file.display(), self.version)?;
        for (what, count) in &self.counts {
            writeln!(f, "{count:>12} {what}")?;
        }
        for damage in &self.damage {
            writeln!(f, "damaged: {damage}")?;
        }
        writeln!(f, "{}", if self.damage.is_empty() { "sound" } else { "DAMAGED" })
    }
}

/// Reads all of the database of a data folder and changes nothing in it. A server may be running on it.
///
/// # Errors
/// There is no database, or it cannot be read at all. Damage that leaves it readable is in [`Checked::damage`].
pub fn check(folder: &Path) -> Result<Checked, OpenError> {
    let file = folder.join(FILE);
    if !file.exists() {
        return Err(OpenError::Missing(file));
    }
    let connection = connect(&file)?;
    let version = schema::inspect(&connection, &file)?;
    let read = || -> Result<Checked, StoreError> {
        connection.pragma_update(None, "query_only", true)?;
        let damage = damage(&connection)?;
        // Of a file without tables, as one that was never served, there is nothing to count.
        let counts = if version > 0 { counts(&connection)? } else { Vec::new() };
        Ok(Checked { file: file.clone(), version, damage, counts })
    };
    read().map_err(|error| OpenError::Store(file.clone(), error))
}

fn damage(db: &Connection) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let mut integrity = db.prepare("PRAGMA integrity_check")?;
    for line in integrity.query_map([], |row| row.get::<_, String>(0))? {
        found.push(line?.replace('\n', " "));
    }
    found.retain(|line| line != "ok");
    let mut keys = db.prepare("PRAGMA foreign_key_check")?;
    let tables = keys.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?)))?;
    for pair in tables {
        let (table, parent) = pair?;
        found.push(format!("a row of {table} belongs to no {parent}"));
    }
    Ok(found)
}

fn counts(db: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let sql = "SELECT 'accounts', (SELECT count(*) FROM account)
        UNION ALL SELECT 'login sessions', (SELECT count(*) FROM login_session)
        UNION ALL SELECT 'bans', (SELECT count(*) FROM ban)
        UNION ALL SELECT * FROM (SELECT game || '/' || collection || ' records', count(*)
            FROM record GROUP BY game, collection ORDER BY game, collection)
        UNION ALL SELECT * FROM (SELECT game || ' events', count(*) FROM event GROUP BY game ORDER BY game)";
    let mut select = db.prepare(sql)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (what, count): (String, i64) = row?;
        Ok((what, number(count, "count")?))
    })
    .collect()
}
