//! Words that stand nowhere, and those that have their place.

use crate::complain;
use crate::source::{files, read, rust_files, tokens};
use std::path::Path;

/// Names that say nothing about what is in it.
const NAMELESS: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "manager", "misc", "shared"];

#[test]
fn names_say_what_is_in_it() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        for file in files(folder) {
            let parts = file.split('/').map(|part| part.split('.').next().unwrap_or_default());
            for part in parts.filter(|part| NAMELESS.contains(part)) {
                found.push(format!("{file}: `{part}` names nothing: call it after what it does"));
            }
            if !file.ends_with(".rs") {
                continue;
            }
            for pair in tokens(&read(&file)).windows(2) {
                if pair[0].text == "mod" && NAMELESS.contains(&pair[1].text.as_str()) {
                    found.push(format!(
                        "{file}:{}: a module `{}`: call it after what it does",
                        pair[1].line, pair[1].text
                    ));
                }
            }
        }
    }
    complain(found);
}

/// Where `unsafe` stands: one function of the C library's is called, and one instruction that is a hint.
const UNSAFE: [&str; 2] = ["src/net/heap.rs", "src/prefetch.rs"];

#[test]
fn nothing_is_left_unfinished() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz/fuzz_targets"] {
        for file in rust_files(folder) {
            let tokens = tokens(&read(&file));
            for (at, token) in tokens.iter().enumerate() {
                let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
                let before = if at == 0 { "" } else { tokens[at - 1].text.as_str() };
                let what = match token.text.as_str() {
                    "todo" | "unimplemented" | "dbg" if next == "!" => format!("{}!: finish it", token.text),
                    "ignore" if before == "[" && matches!(next, "]" | "=") => {
                        "#[ignore]: mend the test or delete it".to_owned()
                    }
                    "unsafe" if !UNSAFE.contains(&file.as_str()) => {
                        "unsafe: say in docs/architecture.md what makes it needed, and list the file here"
                            .to_owned()
                    }
                    _ => continue,
                };
                found.push(format!("{file}:{}: {what}", token.line));
            }
        }
    }
    complain(found);
}

/// Where time comes from. The client's driver joins when it comes.
const CLOCKS: [&str; 3] = ["src/net/", "src/server/", "src/storage/"];

#[test]
fn nobody_asks_a_clock_where_time_is_an_argument() {
    let mut found = Vec::new();
    for file in
        rust_files("src").into_iter().filter(|file| !CLOCKS.iter().any(|place| file.starts_with(place)))
    {
        for token in tokens(&read(&file))
            .iter()
            .filter(|token| matches!(token.text.as_str(), "Instant" | "SystemTime"))
        {
            found.push(format!("{file}:{}: {}: take the time as an argument", token.line, token.text));
        }
    }
    complain(found);
}

/// Folders that exist on somebody's machine and on no other. Put together, so that this file holds none.
fn machines() -> [String; 5] {
    ["home", "root", "work", "Users", "tmp"].map(|folder| format!("/{folder}/"))
}

#[test]
fn nothing_speaks_of_somebody_s_machine() {
    let mut found = Vec::new();
    for file in files("") {
        let is_text = |ending: &str| file.ends_with(ending);
        if [".png", ".lock", ".snap"].into_iter().any(is_text) || file.starts_with("fuzz/seeds/") {
            continue;
        }
        let Ok(text) = String::from_utf8(std::fs::read(crate::source::root().join(&file)).unwrap()) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for folder in machines().iter().filter(|folder| line.contains(folder.as_str())) {
                found.push(format!("{file}:{}: {folder} is there on one machine only", number + 1));
            }
        }
    }
    complain(found);
}

/// Whoever builds it fetches from the public registries, whatever stood in between when the locks were written.
#[test]
fn locks_name_public_registries() {
    let mut found = Vec::new();
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join(lock).exists() {
            found.push(format!("{lock} is missing: commit it, so that everybody builds the same"));
            continue;
        }
        let text = read(lock);
        let sources = text.lines().filter_map(|line| line.strip_prefix("source = "));
        for source in
            sources.filter(|source| *source != "\"registry+https://github.com/rust-lang/crates.io-index\"")
        {
            found.push(format!("{lock}: {source}: only crates.io"));
        }
    }
    for file in files("tests").into_iter().filter(|file| file.ends_with("package-lock.json")) {
        let text = read(&file);
        let places = text.lines().filter_map(|line| line.trim().strip_prefix("\"resolved\": \""));
        for place in places.filter(|place| !place.starts_with("https://registry.npmjs.org/")) {
            found.push(format!("{file}: {place}: make it npm's own registry"));
        }
    }
    for line in read(".gitignore").lines().filter(|line| line.contains("Cargo.lock")) {
        found.push(format!(".gitignore: {line}: the lock files are committed"));
    }
    complain(found);
}
