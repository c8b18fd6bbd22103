//! `evertick backup` and `evertick check`, on a database that is in use.

use super::Folder;
use evertick::account::{Change, Json, RecordId, Request, Store};
use evertick::storage::{Database, FILE};
use std::process::Output;

/// A database in the data folder of its default name, as a running server has it.
fn database(folder: &Folder, records: u32) -> Database {
    let mut db = Database::open(&folder.0.join("data")).unwrap();
    let put = |n: u32| Change::Put {
        id: RecordId::new("chess", "piece", n.to_string()),
        name: None,
        version: 1,
        value: Json::of(&n).unwrap(),
    };
    let changes = (0..records).map(put).collect();
    let replies = db.commit(&[Request::Write { changes, events: Vec::new() }]).unwrap();
    assert!(replies[0].is_ok());
    db
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_backup_of_a_running_server_s_data_is_sound_and_is_opened_like_any_other() {
    let folder = Folder::new();
    let _running = database(&folder, 300);
    let output = folder.run(&["backup", "copy.db"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let bytes = std::fs::metadata(folder.0.join("copy.db")).unwrap().len();
    assert_eq!(said(&output), format!("copy.db: {bytes} bytes\n"));
    std::fs::create_dir(folder.0.join("restored")).unwrap();
    std::fs::rename(folder.0.join("copy.db"), folder.0.join("restored").join(FILE)).unwrap();
    let output = folder.run(&["check", "restored"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said(&output).contains(" 300 chess/piece records\n"), "{output:?}");
    Database::open(&folder.0.join("restored")).unwrap();
}

#[test]
fn a_backup_that_cannot_be_is_one_line_and_2() {
    let folder = Folder::new();
    assert!(folder.complaint(&["backup", "copy.db"]).contains("data/evertick.db: there is no database"));
    drop(database(&folder, 1));
    folder.write("copy.db", "something else");
    assert!(folder.complaint(&["backup", "copy.db"]).contains("copy.db: is there already"));
    assert!(folder.complaint(&["backup", "nowhere/copy.db"]).contains("nowhere/copy.db"));
    assert!(folder.complaint(&["backup", "other.db", "--data-dir", "elsewhere"]).contains("elsewhere"));
    assert!(folder.complaint(&["backup", "other.db", "--config", "missing.toml"]).contains("missing.toml"));
    folder.write("mine.toml", "data_dir = \"data\"\n");
    assert_eq!(folder.run(&["backup", "other.db", "--config", "mine.toml"]).status.code(), Some(0));
}

#[test]
fn checking_says_what_is_there_and_what_is_damaged() {
    let folder = Folder::new();
    assert!(folder.complaint(&["check", "data"]).contains("there is no database"));
    drop(database(&folder, 2000));
    let output = folder.run(&["check", "data"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said(&output).starts_with("data/evertick.db, version 2\n"), "{output:?}");
    assert!(said(&output).ends_with("2000 chess/piece records\nsound\n"), "{output:?}");
    let file = folder.0.join("data").join(FILE);
    let mut bytes = std::fs::read(&file).unwrap();
    // An index still says what a row in this page no longer does.
    let last = bytes.len() - 4096;
    bytes[last..].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    let output = folder.run(&["check", "data"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).ends_with("\nDAMAGED\n"), "{output:?}");
    std::fs::write(&file, "no database, but long enough to be taken for one").unwrap();
    assert!(folder.complaint(&["check", "data"]).contains("not a SQLite database"));
}
