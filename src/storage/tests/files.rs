//! Real files: what is on disk outlives the process, and what is not as it should be is named.

use super::*;
use crate::account::StoreError;
use crate::storage::schema::FIRST;
use crate::storage::{BackupError, FILE, LOCK, OpenError, backup, check};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn open(folder: &Path) -> Database {
    Database::open(folder).expect("it opens")
}

/// What keeps it from being opened, in one line that names the place.
fn complaint(folder: &Path) -> OpenError {
    let error = Database::open(folder).expect_err("it must not open");
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    assert!(line.contains(&folder.display().to_string()), "{line}");
    error
}

/// Another program's connection to the same file.
fn other(folder: &Path) -> Connection {
    Connection::open(folder.join(FILE)).expect("it is a file")
}

/// A database with an account and a thousand records.
fn filled(folder: &Path) {
    let mut db = open(folder);
    ask(&mut db, register("Ada")).expect("fine");
    let records = (0..1000).map(|n| put("piece", &format!("{n:04}"), Some(&format!("name {n}")), n));
    ask(&mut db, write(records.collect())).expect("fine");
}

#[test]
fn what_was_confirmed_is_there_when_it_is_opened_again() {
    let folder = folder();
    let nested = folder.path().join("made/on/the/way");
    filled(&nested);
    let mut db = open(&nested);
    assert_eq!(records(&mut db, "piece", "").len(), 1000);
    assert_eq!(ask(&mut db, register("ada")), Err(Refused::NameTaken));
}

/// A copy of the files as they are while the database is open is what a power cut leaves.
#[test]
fn what_was_confirmed_outlives_a_crash() {
    let (folder, crashed) = (folder(), folder());
    let mut db = open(folder.path());
    for n in 0..50 {
        ask(&mut db, write(vec![put("piece", &n.to_string(), None, n)])).expect("fine");
        for ending in ["", "-wal"] {
            let name = format!("{FILE}{ending}");
            fs::copy(folder.path().join(&name), crashed.path().join(&name)).expect("it is there");
        }
        if n % 10 == 9 {
            let mut again = open(crashed.path());
            assert_eq!(records(&mut again, "piece", "").len(), n as usize + 1);
        }
    }
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let mut db = open(folder.path());
    ask(&mut db, register("Ada")).expect("fine");
    for ending in ["", "-wal", "-shm"] {
        let file = fs::metadata(folder.path().join(format!("{FILE}{ending}"))).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o077, 0, "{ending}");
    }
}

#[test]
fn one_server_has_a_folder_and_the_next_one_when_that_is_gone() {
    let folder = folder();
    let db = open(folder.path());
    assert!(matches!(complaint(folder.path()), OpenError::InUse(_)));
    drop(db);
    assert!(folder.path().join(LOCK).exists(), "the lock is the system's, not the file");
    open(folder.path());
}

#[test]
fn a_newer_version_s_file_is_left_as_it_is() {
    let folder = folder();
    filled(folder.path());
    other(folder.path()).pragma_update(None, "user_version", 99).expect("it can be written");
    let before = fs::read(folder.path().join(FILE)).expect("it is there");
    let error = complaint(folder.path());
    assert!(matches!(error, OpenError::Newer { version: 99, known: 2, .. }), "{error}");
    assert!(error.to_string().contains("written by a newer Evertick"), "{error}");
    assert_eq!(fs::read(folder.path().join(FILE)).expect("it is there"), before);
    assert!(matches!(check(folder.path()), Err(OpenError::Newer { .. })));
}

/// As the first version left it: a session is there and goes on, and of its use nobody knew.
#[test]
fn a_file_of_the_first_version_is_brought_up_to_this_one() {
    let folder = folder();
    let old = other(folder.path());
    old.execute_batch(FIRST).expect("fine");
    old.execute_batch(&format!(
        "INSERT INTO account (name, password, created) VALUES ('Ada', 'x', 500);
         INSERT INTO login_session (digest, account, created, expires) VALUES (x'{}', 1, 1000, 9000);
         PRAGMA application_id = 0x6576746b;
         PRAGMA user_version = 1;",
        "07".repeat(32)
    ))
    .expect("fine");
    drop(old);
    assert_eq!(check(folder.path()).expect("it is sound").version, 1, "looking at it changes nothing");
    let sessions = ask(&mut open(folder.path()), Request::Sessions { now: WallMs(2000) });
    assert_eq!(sessions, Ok(Reply::Sessions(vec![(session(7, 1, 9000), username("Ada"))])));
    assert_eq!(check(folder.path()).expect("it is sound").version, 2);
}

#[test]
fn another_program_s_file_is_left_as_it_is() {
    let folder = folder();
    other(folder.path()).execute_batch("CREATE TABLE recipe (name TEXT)").expect("fine");
    assert!(matches!(complaint(folder.path()), OpenError::Foreign(_)));
    let theirs = other(folder.path());
    let tables: i64 =
        theirs.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("fine");
    assert_eq!(tables, 1);
}

#[test]
fn a_damaged_file_is_named() {
    let folder = folder();
    let file = folder.path().join(FILE);
    for bytes in [&b"no database at all, but long enough to look at"[..], &[0xa5; 8192]] {
        fs::write(&file, bytes).expect("written");
        let error = complaint(folder.path());
        assert!(matches!(error, OpenError::Store(_, StoreError::Corrupt(_))), "{error}");
        assert!(check(folder.path()).is_err());
    }
    fs::remove_file(&file).expect("it is there");
    filled(folder.path());
    let mut bytes = fs::read(&file).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(&file, &bytes).expect("written");
    let error = complaint(folder.path());
    assert!(matches!(error, OpenError::Store(_, StoreError::Corrupt(_))), "{error}");
    // Its tables can still be counted or not; either way it is not called sound.
    assert!(check(folder.path()).map_or(true, |checked| !checked.damage.is_empty()));
    bytes.truncate(bytes.len() / 2);
    fs::write(&file, &bytes).expect("written");
    let error = complaint(folder.path());
    assert!(matches!(error, OpenError::Store(_, StoreError::Corrupt(_))), "{error}");
}

#[test]
fn a_folder_that_cannot_be_one_is_named() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").expect("written");
    assert!(matches!(complaint(&folder.path().join("file")), OpenError::Folder(..)));
    assert!(matches!(complaint(&folder.path().join("file/below")), OpenError::Folder(..)));
}

/// Where nobody may write, not even root.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    assert!(matches!(complaint(Path::new("/sys/kernel")), OpenError::Folder(..)));
    assert!(matches!(complaint(Path::new("/sys/kernel/evertick")), OpenError::Folder(..)));
}

#[test]
fn a_file_that_another_process_has_locked_is_named() {
    let folder = folder();
    filled(folder.path());
    let other = other(folder.path());
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM ban").expect("fine");
    let error = complaint(folder.path());
    assert!(matches!(error, OpenError::Store(_, StoreError::Locked)), "{error}");
    drop(other);
    open(folder.path());
}

#[test]
fn a_file_that_another_process_writes_to_is_named() {
    let folder = folder();
    filled(folder.path());
    let other = other(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").expect("fine");
    let error = complaint(folder.path());
    assert!(matches!(error, OpenError::Store(_, StoreError::Locked)), "{error}");
    other.execute_batch("ROLLBACK").expect("fine");
    open(folder.path());
}

#[test]
fn a_lock_while_it_runs_is_an_answer_and_it_goes_on_afterwards() {
    let folder = folder();
    let mut db = open(folder.path());
    let other = other(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").expect("fine");
    assert_eq!(db.commit(&[register("Ada"), Request::Bans]), Err(StoreError::Locked));
    assert!(db.commit(&[Request::Bans]).is_ok(), "who only reads does not wait");
    other.execute_batch("COMMIT").expect("fine");
    assert_eq!(ask(&mut db, register("Ada")), Ok(Reply::Registered(AccountId(1))));
}

#[test]
fn a_disk_that_becomes_read_only_is_an_answer() {
    let folder = folder();
    let mut db = open(folder.path());
    db.execute("PRAGMA query_only = 1");
    assert_eq!(db.commit(&[register("Ada")]), Err(StoreError::ReadOnly));
    assert!(db.commit(&[Request::Bans]).is_ok());
    db.execute("PRAGMA query_only = 0");
    assert_eq!(ask(&mut db, register("Ada")), Ok(Reply::Registered(AccountId(1))));
}

#[test]
fn a_backup_is_a_database_of_one_moment() {
    let (folder, copies) = (folder(), folder());
    let mut db = open(folder.path());
    ask(&mut db, register("Ada")).expect("fine");
    let copy = copies.path().join(FILE);
    let bytes = backup(folder.path(), &copy).expect("the server runs, and that is no obstacle");
    assert_eq!(fs::metadata(&copy).expect("it is there").len(), bytes);
    ask(&mut db, register("Bob")).expect("fine");
    assert!(matches!(backup(folder.path(), &copy), Err(BackupError::Exists(_))), "nothing is replaced");
    let mut restored = open(copies.path());
    assert_eq!(ask(&mut restored, register("ada")), Err(Refused::NameTaken));
    assert_eq!(ask(&mut restored, register("Bob")), Ok(Reply::Registered(AccountId(2))));
}

#[test]
fn a_backup_that_fails_leaves_nothing() {
    let (folder, copies) = (folder(), folder());
    let copy = copies.path().join("copy.db");
    assert!(matches!(backup(folder.path(), &copy), Err(BackupError::Source(OpenError::Missing(_)))));
    filled(folder.path());
    let nowhere = copies.path().join("nowhere/copy.db");
    assert!(matches!(backup(folder.path(), &nowhere), Err(BackupError::Target(..))));
    fs::write(folder.path().join(FILE), [0xa5; 8192]).expect("written");
    assert!(matches!(backup(folder.path(), &copy), Err(BackupError::Source(OpenError::Store(..)))));
    assert_eq!(fs::read_dir(copies.path()).expect("it is there").count(), 0);
}

#[test]
fn checking_counts_what_is_there() {
    let folder = folder();
    assert!(matches!(check(folder.path()), Err(OpenError::Missing(_))));
    filled(folder.path());
    let mut db = open(folder.path());
    ask(&mut db, Request::OpenSession { session: session(1, 1, 9), ending: vec![] }).expect("fine");
    ask(&mut db, write(vec![put("board", "1", None, 1)])).expect("fine");
    ask(&mut db, append("started")).expect("fine");
    let checked = check(folder.path()).expect("the server runs, and that is no obstacle");
    let counts: Vec<(&str, u64)> = checked.counts.iter().map(|(what, n)| (what.as_str(), *n)).collect();
    let expected = [
        ("accounts", 1),
        ("login sessions", 1),
        ("bans", 0),
        ("chess/board records", 1),
        ("chess/piece records", 1000),
        ("chess events", 1),
    ];
    assert_eq!(counts, expected);
    assert_eq!((checked.version, checked.damage.len()), (2, 0));
    assert!(checked.to_string().ends_with("\nsound\n"), "{checked}");
    // Sessions without their account are damage that leaves the file readable.
    db.execute("PRAGMA foreign_keys = 0; DELETE FROM account");
    let checked = check(folder.path()).expect("it is readable");
    assert_eq!(checked.damage, ["a row of login_session belongs to no account"]);
    assert!(checked.to_string().ends_with("\nDAMAGED\n"), "{checked}");
}
