//! Nothing lies about that nobody uses.

use crate::complain;
use crate::source::{exists, files, read, rust_files, tokens};
use std::collections::BTreeSet;

/// The files that a root and the modules it declares are made of.
fn reached_from(root: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(file) = waiting.pop() {
        if !reached.insert(file.clone()) {
            continue;
        }
        let text = read(&file);
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let stem = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        let is_root = file == root || stem == "mod";
        let below = if is_root { folder.clone() } else { format!("{folder}/{stem}") };
        for name in declared(&text) {
            let candidates = [format!("{below}/{name}.rs"), format!("{below}/{name}/mod.rs")];
            waiting.extend(candidates.into_iter().filter(|path| exists(path.as_str())));
        }
        for path in text.split("#[path = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            waiting.push(plain(&format!("{folder}/{path}")));
        }
    }
    reached
}

/// The modules that stand in files of their own; one declared within another has that one's folder before it.
fn declared(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut declared = Vec::new();
    // The module that each open brace belongs to; empty where it is none.
    let mut open: Vec<String> = Vec::new();
    for at in 0..tokens.len() {
        let two_before = |word: &str| at >= 2 && tokens[at - 2].text == word;
        match tokens[at].text.as_str() {
            "{" if two_before("mod") => open.push(format!("{}/", tokens[at - 1].text)),
            "{" => open.push(String::new()),
            "}" => drop(open.pop()),
            ";" if two_before("mod") => declared.push(format!("{}{}", open.concat(), tokens[at - 1].text)),
            _ => {}
        }
    }
    declared
}

/// A path without `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[test]
fn every_source_file_is_part_of_the_program() {
    let mut reached = reached_from("src/lib.rs");
    reached.extend(reached_from("src/main.rs"));
    let dead = rust_files("src").into_iter().filter(|file| !reached.contains(file));
    complain(dead.map(|file| format!("{file}: no module declares it: declare it or delete it")).collect());
}

#[test]
fn every_test_file_is_part_of_a_test() {
    let mut reached = BTreeSet::new();
    for root in rust_files("tests").into_iter().filter(|file| file.matches('/').count() == 1) {
        reached.extend(reached_from(&root));
    }
    let dead = rust_files("tests").into_iter().filter(|file| !reached.contains(file));
    complain(dead.map(|file| format!("{file}: no test declares it: declare it or delete it")).collect());
}

#[test]
fn every_other_file_among_the_sources_is_in_the_binary() {
    let sources: String = rust_files("src").iter().map(|file| read(file)).collect();
    let mut found = Vec::new();
    for file in files("src").into_iter().filter(|file| !file.ends_with(".rs") && !file.ends_with(".snap")) {
        let name = file.strip_prefix("src/web/").unwrap_or(file.rsplit('/').next().unwrap_or_default());
        let is_named = ["\"", "/"].iter().any(|before| sources.contains(&format!("{before}{name}\"")));
        if !is_named {
            found.push(format!("{file}: nothing embeds it: name it in src/web/mod.rs or delete it"));
        }
    }
    complain(found);
}

/// The `name = ".."` of each table `[[kind]]` in a manifest.
fn targets(manifest: &str, kind: &str) -> BTreeSet<String> {
    let text = read(manifest);
    let tables = text
        .split("[[")
        .skip(1)
        .filter_map(|table| table.strip_prefix(&format!("{kind}]]\n")).map(str::to_owned));
    let name = |table: String| {
        let line = table.lines().find_map(|line| line.strip_prefix("name = ").map(str::to_owned));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    tables.map(name).collect()
}

/// The Rust files directly in a folder, by their names.
fn stems(folder: &str) -> BTreeSet<String> {
    let depth = folder.matches('/').count() + 1;
    let direct = rust_files(folder).into_iter().filter(|file| file.matches('/').count() == depth);
    direct
        .map(|file| file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned())
        .collect()
}

#[test]
fn benchmarks_and_fuzz_targets_are_declared_and_there() {
    let mut found = Vec::new();
    for (manifest, kind, folder) in
        [("Cargo.toml", "bench", "benches"), ("fuzz/Cargo.toml", "bin", "fuzz/fuzz_targets")]
    {
        let (declared, there) = (targets(manifest, kind), stems(folder));
        for name in there.difference(&declared) {
            found.push(format!("{folder}/{name}.rs: {manifest} has no [[{kind}]] of that name: add it"));
        }
        for name in declared.difference(&there) {
            found.push(format!(
                "{manifest}: [[{kind}]] {name}: {folder}/{name}.rs is not there: write it or take it out"
            ));
        }
    }
    for target in targets("fuzz/Cargo.toml", "bin") {
        if files(&format!("fuzz/seeds/{target}")).is_empty() {
            found.push(format!("fuzz/seeds/{target}: no seeds: commit what the fuzzer may begin with"));
        }
    }
    for file in files("fuzz/seeds") {
        let target = file.split('/').nth(2).unwrap_or_default();
        if !exists(format!("fuzz/fuzz_targets/{target}.rs")) {
            found.push(format!("{file}: there is no fuzz target {target}: delete it"));
        }
    }
    complain(found);
}

#[test]
fn examples_are_told_of() {
    let pages: String =
        files("docs").into_iter().filter(|file| file.ends_with(".md")).map(|file| read(&file)).collect();
    let pages = pages + &read("README.md");
    let untold = stems("examples").into_iter().filter(|name| !pages.contains(&format!("examples/{name}.rs")));
    complain(
        untold
            .map(|name| format!("examples/{name}.rs: no page tells of it: name it in docs/ or README.md"))
            .collect(),
    );
}

#[test]
fn every_limit_limits_something() {
    let limits = tokens(&read("src/limits.rs"));
    let names =
        limits.windows(2).filter(|pair| pair[0].text == "const" && pair[1].is_word() && pair[1].text != "_");
    let names: Vec<String> = names.map(|pair| pair[1].text.clone()).collect();
    assert!(names.len() > 30, "the constants of src/limits.rs were not found");
    let mut used = BTreeSet::new();
    for file in rust_files("src").into_iter().filter(|file| file != "src/limits.rs") {
        used.extend(tokens(&read(&file)).into_iter().map(|token| token.text));
    }
    let idle = names.into_iter().filter(|name| !used.contains(name));
    complain(
        idle.map(|name| format!("src/limits.rs: {name} limits nothing: enforce it or take it out")).collect(),
    );
}
