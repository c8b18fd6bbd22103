//! No async runtime in what is shipped: what `[dependencies]` lead to, read from the manifest and the lock file.

use crate::complain;
use crate::source::read;
use std::collections::{BTreeMap, BTreeSet};

const RUNTIMES: [&str; 7] =
    ["tokio", "async-std", "smol", "futures-executor", "async-executor", "async-global-executor", "glommio"];

/// The packages that the program itself is built with.
fn direct() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]"
                || (line.starts_with("[target.") && line.ends_with(".dependencies]"));
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| inside && !line.starts_with('#')) {
            names.push(name.trim().to_owned());
        }
    }
    names
}

/// What each package of the lock file depends on, of whatever kind. Several versions of one name are one.
fn lock() -> BTreeMap<String, BTreeSet<String>> {
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in read("Cargo.lock").split("[[package]]").skip(1) {
        let name = package.lines().find_map(|line| line.strip_prefix("name = \"")).unwrap_or_default();
        let needs = package.split("dependencies = [").nth(1).unwrap_or_default();
        let needs = needs.lines().filter_map(|line| line.trim().strip_prefix('"'));
        let first_word = |need: &str| need.split([' ', '"']).next().unwrap_or_default().to_owned();
        packages.entry(name.trim_end_matches('"').to_owned()).or_default().extend(needs.map(first_word));
    }
    packages
}

#[test]
fn no_async_runtime_is_shipped() {
    let packages = lock();
    let mut waiting: Vec<(String, String)> = direct().into_iter().map(|name| (name.clone(), name)).collect();
    assert!(waiting.len() > 10, "the dependencies of Cargo.toml were not found");
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some((name, way)) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        if RUNTIMES.contains(&name.as_str()) {
            found.push(format!("{way}: {name} is an async runtime: choose a crate or features without it"));
        }
        let needs =
            packages.get(&name).unwrap_or_else(|| panic!("Cargo.lock has no {name}: run cargo build"));
        waiting.extend(needs.iter().map(|need| (need.clone(), format!("{way} -> {need}"))));
    }
    complain(found);
}
