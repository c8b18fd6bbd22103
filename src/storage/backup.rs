//! A copy of the database, also of a running server's.

use super::database::{FILE, connect, sync_name};
use super::error::OpenError;
use super::schema;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no copy. Nothing is left of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackupError {
    /// The database cannot be read.
    Source(OpenError),
    /// There is a file of the copy's name; a backup never replaces anything.
    Exists(PathBuf),
    /// The copy cannot be written.
    Target(PathBuf, String),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Source(error) => error.fmt(f),
            BackupError::Exists(file) => write!(f, "{}: is there already", file.display()),
            BackupError::Target(file, error) => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl std::error::Error for BackupError {}

/// Copies the database of a data folder into a new file and returns the copy's size in bytes. The copy is as the database was at
/// one moment, and it is checked before it gets its name. A server that runs on the folder goes on: its commits wait for
/// nothing.
///
/// # Errors
/// There is no database, it cannot be read, or the copy cannot be made; then there is no file of that name.
pub fn backup(folder: &Path, target: &Path) -> Result<u64, BackupError> {
    let file = folder.join(FILE);
    if !file.exists() {
        return Err(BackupError::Source(OpenError::Missing(file)));
    }
    let source = connect(&file).map_err(BackupError::Source)?;
    schema::inspect(&source, &file).map_err(BackupError::Source)?;
    if target.exists() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let unfinished = unfinished(target);
    let made = write(&source, &unfinished).and_then(|()| publish(&unfinished, target));
    if made.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    made.map_err(|error| BackupError::Target(target.to_owned(), error))
}

/// The copy's name until it is whole.
fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

fn write(source: &Connection, file: &Path) -> Result<(), String> {
    private(file).map_err(|error| error.to_string())?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(file, flags).map_err(|error| error.to_string())?;
    copy_all(source, &mut copy).map_err(|error| error.to_string())?;
    // The copy is one file, without a log beside it; a server that is given it writes ahead again.
    let tidy = |copy: &Connection| -> rusqlite::Result<String> {
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
    };
    match tidy(&copy) {
        Ok(sound) if sound == "ok" => Ok(()),
        Ok(damage) => Err(format!("the copy is damaged: {damage}")),
        Err(error) => Err(error.to_string()),
    }
}

/// All pages in one step: within it the source does not change, so that the copy is of one moment and is never begun again.
fn copy_all(source: &Connection, copy: &mut Connection) -> rusqlite::Result<()> {
    let backup = Backup::new(source, copy)?;
    // A negative number of pages is all that are left.
    match backup.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("another process has locked the database".to_owned()),
        )),
    }
}

/// On disk first, then under its name: whoever sees the name sees all of it.
fn publish(file: &Path, target: &Path) -> Result<u64, String> {
    let published = || -> io::Result<u64> {
        let written = File::open(file)?;
        written.sync_all()?;
        // A link, unlike a renaming, never takes another file's place.
        match fs::hard_link(file, target) {
            Ok(()) => fs::remove_file(file)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // There are file systems without links.
            Err(_) => fs::rename(file, target)?,
        }
        sync_name(target)?;
        Ok(written.metadata()?.len())
    };
    published().map_err(|error| error.to_string())
}

fn private(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}
