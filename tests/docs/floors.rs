//! `docs/architecture.md`: the floor table has every module there is, and no other. `docs/lexicon.md` is in order.

use super::markdown::{blocks, read, section, table};
use std::collections::BTreeSet;
use std::path::Path;

/// The files and folders that the table names, and those that are there.
#[test]
fn the_floor_table_is_the_tree() {
    let page = read("docs/architecture.md");
    let drawn = &blocks(section(&page, "## Floors"), "text")[0];
    let is_entry = |word: &&str| word.ends_with(".rs") || word.ends_with('/');
    let first_word = |line: &str| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned);
    let drawn: BTreeSet<String> =
        drawn.lines().filter_map(first_word).filter(|word| is_entry(&word.as_str())).collect();
    let entries = |folder: &str| -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let names = std::fs::read_dir(folder).expect("the sources").flatten().map(|entry| {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            format!("{}{slash}", entry.file_name().to_string_lossy())
        });
        names.collect()
    };
    let mut there: BTreeSet<String> = entries("src").into_iter().filter(|name| name != "games/").collect();
    let games = entries("src/games").into_iter().filter(|name| name.ends_with('/'));
    there.extend(games.map(|name| format!("games/{name}")));
    assert_eq!(drawn, there);
}

#[test]
fn the_lexicon_is_sorted_and_says_each_word_once() {
    let words: Vec<String> = table(&read("docs/lexicon.md"), "word")
        .into_iter()
        .map(|row| row[0].trim_matches('*').to_lowercase())
        .collect();
    let mut sorted = words.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(words, sorted);
    assert!(words.len() > 30, "{}", words.len());
}

/// Links between the pages lead somewhere.
#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in [
        "README.md",
        "docs/architecture.md",
        "docs/bots.md",
        "docs/configuration.md",
        "docs/lexicon.md",
        "docs/protocol.md",
        "docs/your-own-game.md",
    ] {
        let text = read(page);
        let folder = root.join(page).parent().expect("a file").to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") {
                continue;
            }
            let path = if file.is_empty() { root.join(page) } else { folder.join(file) };
            assert!(path.exists(), "{page}: {target}");
            if !anchor.is_empty() {
                let other = std::fs::read_to_string(&path).expect("a page");
                assert!(other.lines().any(|line| anchor_of(line) == anchor), "{page}: {target}");
            }
        }
    }
}

/// The anchor that a heading gets.
fn anchor_of(line: &str) -> String {
    let Some(title) = line.strip_prefix('#') else { return String::new() };
    let title = title.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
