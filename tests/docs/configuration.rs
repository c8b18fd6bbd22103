//! `docs/configuration.md`: every key with its default, range, variable and flag; the constants.

use super::markdown::{blocks, read, table};
use evertick::config::{Config, ENVIRONMENT, KEYS, Sources};
use evertick::limits;
use std::process::Command;

const PAGE: &str = "docs/configuration.md";

/// What is said about a value that no key can have, which names the right ones.
fn complaint(key: &'static str) -> Option<String> {
    let mut sources = Sources::default();
    sources.set_flag(key, "\u{0}");
    Config::read(&sources).err().map(|error| error.to_string())
}

/// The range that the code says a whole number has.
fn range(key: &'static str) -> Option<String> {
    let complaint = complaint(key)?;
    let (_, behind) = complaint.split_once("must be a whole number from ")?;
    let (least, most) = behind.split_once(", not")?.0.split_once(" to ")?;
    let endless = most == (usize::MAX >> 1).to_string();
    Some(if endless { format!("at least {least}") } else { format!("{least} to {most}") })
}

#[test]
fn every_key_stands_there_as_it_is() {
    let rows = table(&read(PAGE), "key");
    let program = Command::new(env!("CARGO_BIN_EXE_evertick")).arg("--help").output().expect("it runs");
    let help = String::from_utf8(program.stdout).expect("text");
    assert_eq!(rows.len(), KEYS.len());
    for (row, key) in rows.iter().zip(KEYS) {
        assert_eq!(row[..2], [key.name, key.default], "in the order of the code");
        assert_eq!(row[3], format!("{ENVIRONMENT}{}", key.name.to_uppercase()));
        let flag = format!("--{}", key.name.replace('_', "-"));
        let has_flag = help.contains(&format!("{flag} <"));
        assert_eq!(row[4], if has_flag { flag.as_str() } else { "" }, "{}", key.name);
        if let Some(range) = range(key.name) {
            assert_eq!(row[2], range, "{}", key.name);
        }
        assert_eq!(
            row[5].contains("(later)"),
            key.meaning.contains("release") || key.meaning.contains("likewise")
        );
    }
}

#[test]
fn words_that_a_key_may_be_are_those_that_it_takes() {
    for row in table(&read(PAGE), "key") {
        let key = KEYS.iter().find(|key| key.name == row[0]).expect("checked elsewhere").name;
        let words: Vec<&str> = row[2].split(", ").collect();
        if words.len() < 2 {
            continue;
        }
        for word in &words {
            let mut sources = Sources::default();
            sources.set_flag(key, *word);
            assert!(Config::read(&sources).is_ok(), "{key} may be {word}");
        }
        let complaint = complaint(key).unwrap_or_else(|| panic!("{key} may not be anything"));
        assert!(words.iter().all(|word| complaint.contains(word)), "{complaint}");
    }
}

#[test]
fn the_example_is_a_configuration() {
    let page = read(PAGE);
    let [example] = blocks(&page, "toml").try_into().expect("one example");
    let mut sources = Sources::default();
    sources.read_text(&example, "evertick.toml").and_then(|()| Config::read(&sources)).expect("it is right");
}

#[test]
fn the_mistakes_are_told_as_the_page_says() {
    let page = read(PAGE);
    let mut sources = Sources::default();
    let unknown =
        sources.read_text("\nmax_player = 1", "evertick.toml").expect_err("no such key").to_string();
    sources
        .read_environment([("EVERTICK_TICK_RATE".to_owned(), "0".to_owned())])
        .expect("there is such a key");
    let wrong = Config::read(&sources).expect_err("out of range").to_string();
    for line in [unknown, wrong] {
        assert!(page.contains(&format!("\nevertick: {line}\n")), "{line}");
    }
}

#[test]
fn the_constants() {
    let constants: &[(&str, usize)] = &[
        ("HTTP_HEAD", limits::HTTP_HEAD),
        ("HTTP_TARGET", limits::HTTP_TARGET),
        ("HTTP_BODY", limits::HTTP_BODY),
        ("MESSAGE_BEFORE_AUTH", limits::MESSAGE_BEFORE_AUTH),
        ("BATCH_BYTES", limits::BATCH_BYTES),
        ("BATCH_PACKETS", limits::BATCH_PACKETS),
        ("REPLAY_BATCHES", limits::REPLAY_BATCHES),
        ("REPLAY_BYTES", limits::REPLAY_BYTES),
        ("LINGERING_PACKETS", limits::LINGERING_PACKETS),
        ("INBOX_PLAYER", limits::INBOX_PLAYER),
        ("INBOX_GAME", limits::INBOX_GAME),
        ("RESUME_TOKENS", limits::RESUME_TOKENS),
        ("RESEND_MESSAGES", limits::RESEND_MESSAGES),
        ("INFLATE_COST", limits::INFLATE_COST as usize),
        ("RESEND_AT_ONCE", limits::RESEND_AT_ONCE),
        ("INBOX_LINE", limits::INBOX_LINE),
        ("CALLS_GAME", limits::CALLS_GAME),
        ("PARTING_BYTES", limits::PARTING_BYTES),
        ("JOINS_PER_TICK", limits::JOINS_PER_TICK),
        ("ALLOWANCES", limits::ALLOWANCES),
        ("FLUSH_BYTES", limits::FLUSH_BYTES),
        ("TRIM_PART", limits::TRIM_PART),
        ("MALFORMED", limits::MALFORMED as usize),
        ("RATE_STRIKES", limits::RATE_STRIKES as usize),
        ("CONTROL_RATE", limits::CONTROL_RATE as usize),
        ("CONTROL_BURST", limits::CONTROL_BURST as usize),
        ("BYTE_RATE_MESSAGES", limits::BYTE_RATE_MESSAGES as usize),
        ("DUPLICATES", limits::DUPLICATES),
        ("LINGER_BYTES", limits::LINGER_BYTES),
        ("LOGIN_FAILURES_NAME_AND_ADDRESS", limits::LOGIN_FAILURES_NAME_AND_ADDRESS),
        ("LOGIN_FAILURES_NAME", limits::LOGIN_FAILURES_NAME),
        ("LOGIN_FAILURES_ADDRESS", limits::LOGIN_FAILURES_ADDRESS),
        ("HASHES_PER_ADDRESS", limits::HASHES_PER_ADDRESS as usize),
        ("BAN_REASON", limits::BAN_REASON),
        ("GUEST_NAME", limits::GUEST_NAME),
        ("STORAGE_TICKETS", limits::STORAGE_TICKETS as usize),
        ("HASH_QUEUE", limits::HASH_QUEUE),
        ("SAVE_ITEMS", limits::SAVE_ITEMS),
        ("SESSIONS_PER_ACCOUNT", limits::SESSIONS_PER_ACCOUNT as usize),
        ("BANS", limits::BANS),
        ("LOG_QUEUE", limits::LOG_QUEUE),
    ];
    let expected: Vec<Vec<String>> =
        constants.iter().map(|(name, value)| vec![(*name).to_owned(), value.to_string()]).collect();
    let shown: Vec<Vec<String>> =
        table(&read(PAGE), "constant").into_iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(shown, expected);
}
