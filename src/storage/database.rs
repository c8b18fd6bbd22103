//! The file: opened with care, and a [`Store`] from then on.

use super::error::OpenError;
use super::{accounts, bans, records, schema};
use crate::account::{Refused, Reply, Request, Store, StoreError};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The file's name within the data folder. While a server runs, `-wal` and `-shm` stand beside it and belong to it.
pub const FILE: &str = "evertick.db";
/// The lock's name within the data folder: an empty file that a running server holds locked.
pub const LOCK: &str = "evertick.lock";

/// How long a statement waits for another process that has the file locked.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of the write-ahead log that are kept for its next use; it shrinks to that when it has been longer.
const LOG_KEPT: i64 = 16 << 20;
/// Statements that stay prepared: all there are.
const STATEMENTS: usize = 32;

/// What became of one request; the outer error is the whole group's.
pub(super) type Outcome = Result<Result<Reply, Refused>, StoreError>;

/// The database of one data folder, as long as it lives: no other server opens it meanwhile.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    /// The system lets it go when the process ends, however it ends.
    _lock: Option<File>,
}

impl Database {
    /// Opens the database of a data folder, makes the folder and the file where they are missing, and brings the file to
    /// this version. A file that this process makes can be read by its owner only.
    ///
    /// # Errors
    /// Another server has it; it is damaged, another program's, or a newer version's, and then it is left as it is; the
    /// system will not let it be made, read or written.
    pub fn open(folder: &Path) -> Result<Database, OpenError> {
        let failed = |error| OpenError::Folder(folder.to_owned(), error);
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(folder)?;
        let file = folder.join(FILE);
        private(&file).map_err(failed)?;
        // The name of a new file outlives a power cut too, not only what is written in it. So should its folder's, but
        // what that stands in may be nothing that this process may read.
        sync_name(&file).map_err(failed)?;
        let _ = sync_name(folder);
        let mut connection = connect(&file)?;
        schema::inspect(&connection, &file)?;
        prepare(&mut connection).map_err(|error| OpenError::Store(file, error))?;
        Ok(Database { connection, _lock: Some(lock) })
    }

    /// A database in memory, gone when it is dropped: for tests and simulations.
    ///
    /// # Errors
    /// There is no memory.
    pub fn in_memory() -> Result<Database, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        migrate(&mut connection)?;
        Ok(Database { connection, _lock: None })
    }

    /// Lets the file grow to so many pages of 4096 bytes and no further; what would need more is
    /// [`StoreError::DiskFull`]. For tests and simulations of a full disk.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), StoreError> {
        Ok(self.connection.pragma_update(None, "max_page_count", pages)?)
    }
}

impl Store for Database {
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError> {
        let behavior = match group.iter().any(Request::writes) {
            // The write lock at once: to ask for it in the middle could be refused without waiting.
            true => TransactionBehavior::Immediate,
            false => TransactionBehavior::Deferred,
        };
        let mut transaction = self.connection.transaction_with_behavior(behavior)?;
        let replies =
            group.iter().map(|request| carry_out(&mut transaction, request)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(replies)
    }
}

fn carry_out(db: &mut Transaction<'_>, request: &Request) -> Outcome {
    match request {
        Request::Register { name, password, now } => accounts::register(db, name, password, *now),
        Request::FindAccount { name } => accounts::find(db, name),
        Request::OpenSession { session, ending } => accounts::open_session(db, session, ending),
        Request::EndSessions(digests) => accounts::end_sessions(db, digests),
        Request::Sessions { now } => accounts::live_sessions(db, *now),
        Request::Sweep { now } => accounts::sweep(db, *now),
        Request::AddBan { target, reason, created, expires } => {
            bans::add(db, target, reason, *created, *expires)
        }
        Request::LiftBan(id) => bans::lift(db, *id),
        Request::Bans => bans::all(db),
        Request::Records { game, collection, prefix } => records::load(db, game, collection, prefix),
        Request::Write { changes, events } => records::write(db.savepoint()?, changes, events),
        Request::Events { game, before, limit } => records::events(db, game, *before, *limit),
        Request::Save(saves) => {
            records::save(db, &saves.records)?;
            accounts::renew(db, &saves.renewals)?;
            Ok(Ok(Reply::Saved))
        }
    }
}

/// Takes the folder for this process. The empty file stays behind; what counts is the system's lock on it.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let failed = |error| OpenError::Folder(folder.to_owned(), error);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes the file, where there is none, so that only its owner may read what stands in it. SQLite's own files take over
/// the permissions.
fn private(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

/// Has the name of a file or a folder on disk. What is not Unix has no way to.
pub(super) fn sync_name(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// A connection to a file that is there.
pub(super) fn connect(file: &Path) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::Store(file.to_owned(), error.into());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// What makes a commit durable, then the file's own soundness, then its version.
fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    if connection.is_readonly("main")? {
        return Err(StoreError::ReadOnly);
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Io(format!("it cannot be written ahead here, only in mode {mode}")));
    }
    // FULL: the log is synced with every commit, so that what was confirmed outlives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT, |_| Ok(()))?;
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(StoreError::Corrupt(sound.replace('\n', " ")));
    }
    migrate(connection)?;
    // Whoever else writes keeps this process from it, which is better known now than by whoever registers first.
    Ok(connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    schema::migrate(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
        other => StoreError::Io(other.to_string()),
    })
}

#[cfg(test)]
impl Database {
    /// Does to the file what no request does.
    pub(super) fn execute(&mut self, sql: &str) {
        self.connection.execute_batch(sql).expect("the test knows its SQL");
    }

    /// Adds so many bans.
    pub(super) fn fill_bans(&mut self, count: usize) {
        self.execute(&format!(
            "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO ban (target, reason, created) SELECT 'somebody', '', 0 FROM n"
        ));
    }
}
