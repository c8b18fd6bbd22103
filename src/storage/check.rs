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
    read(&connection, version)
        .map(|(damage, counts)| Checked { file: file.clone(), version, damage, counts })
        .map_err(|error| OpenError::Store(file, error))
}

/// What is damaged, and how many there are of what.
type Found = (Vec<String>, Vec<(String, u64)>);

fn read(db: &Connection, version: i64) -> Result<Found, StoreError> {
    db.pragma_update(None, "query_only", true)?;
    let mut found = (Vec::new(), Vec::new());
    // Of a file without tables, as one that was never served, there is nothing to count.
    let looked = integrity(db, &mut found.0)
        .and_then(|()| ownership(db, &mut found.0))
        .and_then(|()| if version > 0 { counts(db, &mut found.1) } else { Ok(()) });
    match looked {
        // So damaged that looking any further ended in it.
        Err(StoreError::Corrupt(what)) => found.0.push(what),
        other => other?,
    }
    Ok(found)
}

fn integrity(db: &Connection, damage: &mut Vec<String>) -> Result<(), StoreError> {
    let mut pragma = db.prepare("PRAGMA integrity_check")?;
    let mut rows = pragma.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            damage.push(line.replace('\n', " "));
        }
    }
    Ok(())
}

fn ownership(db: &Connection, damage: &mut Vec<String>) -> Result<(), StoreError> {
    let mut pragma = db.prepare("PRAGMA foreign_key_check")?;
    let mut rows = pragma.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        damage.push(format!("a row of {table} belongs to no {parent}"));
    }
    Ok(())
}

fn counts(db: &Connection, counts: &mut Vec<(String, u64)>) -> Result<(), StoreError> {
    let sql = "SELECT 'accounts', (SELECT count(*) FROM account)
        UNION ALL SELECT 'login sessions', (SELECT count(*) FROM login_session)
        UNION ALL SELECT 'bans', (SELECT count(*) FROM ban)
        UNION ALL SELECT * FROM (SELECT game || '/' || collection || ' records', count(*)
            FROM record GROUP BY game, collection ORDER BY game, collection)
        UNION ALL SELECT * FROM (SELECT game || ' events', count(*) FROM event GROUP BY game ORDER BY game)";
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        counts.push((row.get(0)?, number(row.get(1)?, "count")?));
    }
    Ok(())
}
