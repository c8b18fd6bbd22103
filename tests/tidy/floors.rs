//! A file imports only floors below its own; siblings never import each other; nobody imports the crate root. The
//! floors are those of the table in `docs/architecture.md`.

use crate::complain;
use crate::markdown::{blocks, section};
use crate::source::{Token, read, rust_files, tokens};
use std::collections::BTreeMap;

const PAGE: &str = "docs/architecture.md";
/// The folder whose folders are the modules: they are siblings, and itself is none.
const GAMES: &str = "games";

/// The floor of each module, such as `ids`, `websocket` or `games/eternity`.
fn floors() -> BTreeMap<String, usize> {
    let page = read(PAGE);
    let drawn = blocks(section(&page, "## Floors"), "text").remove(0);
    let mut floor = None;
    let mut floors = BTreeMap::new();
    for line in drawn.lines() {
        if let Some(number) = line.strip_prefix('F').and_then(|rest| rest.split(' ').next()) {
            floor = Some(number.parse().unwrap_or_else(|_| panic!("{PAGE}: {line:?} names no floor")));
        }
        let entry = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).unwrap_or_default();
        let name = entry.split_whitespace().next().unwrap_or_default();
        if let (Some(floor), Some(module)) = (floor, name.strip_suffix(".rs").or(name.strip_suffix('/'))) {
            floors.insert(module.to_owned(), floor);
        }
    }
    assert!(floors.len() > 15, "{PAGE}: the table under \"## Floors\" was not found: {floors:?}");
    floors
}

#[test]
fn the_floors_are_those_of_the_crate_s_documentation() {
    let library = read("src/lib.rs");
    let floors = floors();
    let mut found = Vec::new();
    for row in library.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let Some(floor) = row.split(',').next().and_then(|number| number.parse::<usize>().ok()) else {
            continue;
        };
        let names = row.split('`').skip(1).step_by(2);
        for name in names.filter(|name| *name != GAMES) {
            if floors.get(name) != Some(&floor) {
                found.push(format!(
                    "src/lib.rs puts `{name}` on floor {floor}, {PAGE} does not: make them agree"
                ));
            }
        }
    }
    let named = |module: &str| library.contains(&format!("`{module}`"));
    for module in floors.keys().filter(|module| !module.contains('/') && *module != "main" && !named(module))
    {
        found.push(format!("{PAGE} has `{module}`, the table in src/lib.rs does not: add it there"));
    }
    complain(found);
}

#[test]
fn imports_go_down() {
    let floors = floors();
    let mut found = Vec::new();
    for file in rust_files("src") {
        if file == "src/lib.rs" || file == format!("src/{GAMES}/mod.rs") {
            continue;
        }
        let path = module_path(&file);
        let home = module_of(&path);
        let Some(&floor) = floors.get(&home) else {
            found.push(format!("{file}: `{home}` stands on no floor: add it to the table in {PAGE}"));
            continue;
        };
        for (target, line) in imports(&read(&file), &path) {
            if target == home {
                continue;
            }
            let problem = match floors.get(&target) {
                None => "is no module; nobody imports the crate root".to_owned(),
                Some(there) if *there == floor => format!("is a sibling on floor {floor}"),
                Some(there) if *there > floor => format!("is on floor {there}, above floor {floor}"),
                Some(_) => continue,
            };
            found.push(format!("{file}:{line}: `{target}` {problem}: move what is needed down"));
        }
    }
    complain(found);
}

/// The path of the module in a file: `src/engine/core.rs` is `[engine, core]`.
fn module_path(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
}

/// What stands on a floor: the first part of a path, for games the first two.
fn module_of(path: &[String]) -> String {
    let parts = if path.first().is_some_and(|first| first == GAMES) { 2 } else { 1 };
    path.iter().take(parts).cloned().collect::<Vec<_>>().join("/")
}

/// Which modules a file names by `crate::`, `self::`, `super::` or the crate's name, in `use` lines and elsewhere, and
/// on which line.
fn imports(text: &str, path: &[String]) -> Vec<(String, usize)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // Modules written within the file, and the depth of braces at which each began.
    let mut inner: Vec<usize> = Vec::new();
    let mut depth = 0;
    for at in 0..tokens.len() {
        match tokens[at].text.as_str() {
            "{" => {
                let opens_module = at >= 2 && tokens[at - 2].text == "mod";
                depth += 1;
                if opens_module {
                    inner.push(depth);
                }
            }
            "}" => {
                if inner.last() == Some(&depth) {
                    inner.pop();
                }
                depth -= 1;
            }
            _ if !starts_path(&tokens, at) => {}
            "crate" | "evertick" => walk(&tokens, at + 1, &[], &mut found),
            "super" | "self" => {
                let mut base: Vec<String> = path.to_vec();
                base.extend(inner.iter().map(|_| "inner".to_owned()));
                let mut next = at;
                while tokens[next].text == "super" {
                    base.pop();
                    next += if tokens[next + 1].text == "::" { 2 } else { 1 };
                }
                let from = if tokens[at].text == "self" { at + 1 } else { next - 1 };
                walk(&tokens, from, &base, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Whether the word at `at` begins a path: a `::` follows and none precedes.
fn starts_path(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| next.text == "::") && (at == 0 || tokens[at - 1].text != "::")
}

/// Follows the path whose next sign, at `at`, is `::`, into the groups of a `use` too, for as long as it takes to know
/// the module.
fn walk(tokens: &[Token], at: usize, base: &[String], found: &mut Vec<(String, usize)>) {
    let Some(next) = tokens.get(at + 1).filter(|_| tokens[at].text == "::") else { return };
    let is_known =
        |path: &[String]| path.len() >= if path.first().is_some_and(|first| first == GAMES) { 2 } else { 1 };
    if is_known(base) {
        found.push((module_of(base), next.line));
    } else if next.text == "{" {
        let (mut depth, mut here) = (1, at + 2);
        while depth > 0 {
            let begins_part = depth == 1 && matches!(tokens[here - 1].text.as_str(), "{" | ",");
            match tokens[here].text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ if begins_part => step(tokens, here, base, found),
                _ => {}
            }
            here += 1;
        }
    } else {
        step(tokens, at + 1, base, found);
    }
}

/// One part of a path: into it, or it is the module.
fn step(tokens: &[Token], at: usize, base: &[String], found: &mut Vec<(String, usize)>) {
    let word = &tokens[at];
    let mut path = base.to_vec();
    if word.text != "self" {
        path.push(word.text.clone());
    }
    if path.first().is_some_and(|first| first == GAMES) && path.len() < 2 {
        return walk(tokens, at + 1, &path, found);
    }
    found.push((module_of(&path), word.line));
}

#[test]
fn imports_are_found_however_they_are_written() {
    let path = |text: &str| module_path(text);
    let names = |text: &str, file: &str| -> Vec<String> {
        imports(text, &path(file)).into_iter().map(|(name, _)| name).collect()
    };
    let engine = "src/engine/core.rs";
    assert_eq!(names("use crate::ids::ConnId;", engine), ["ids"]);
    assert_eq!(
        names("use crate::{ids::{A, B}, limits, http::{self, C}};", engine),
        ["ids", "limits", "http"]
    );
    assert_eq!(names("fn f() { crate::net::g(); evertick::web::h() }", engine), ["net", "web"]);
    assert_eq!(names("use super::game::To; use super::super::net::X;", engine), ["engine", "net"]);
    assert_eq!(names("mod tests { use super::*; use super::super::game; }", engine), ["engine", "engine"]);
    assert_eq!(
        names("use crate::games::{eternity::A, connect4};", "src/main.rs"),
        ["games/eternity", "games/connect4"]
    );
    assert_eq!(names("use super::connect4::B;", "src/games/eternity/mod.rs"), ["games/connect4"]);
    assert_eq!(names("use crate::Item; use crate::*;", engine), ["Item", "*"]);
    assert_eq!(names("// crate::net\nlet s = \"crate::net\"; self::x();", engine), ["engine"]);
}
