//! Pages name files that are there.

use crate::complain;
use crate::source::{exists, files, read};

/// Folders of the repository that a page may point into.
const PLACES: [&str; 7] = ["src/", "tests/", "docs/", "examples/", "benches/", "fuzz/", ".ci/"];

fn pages() -> Vec<String> {
    let mut pages: Vec<String> = files("docs").into_iter().filter(|file| file.ends_with(".md")).collect();
    pages.extend(["README.md", "CHANGELOG.md"].map(str::to_owned));
    pages
}

#[test]
fn files_that_pages_name_are_there() {
    let mut found = Vec::new();
    for page in pages() {
        if !exists(page.as_str()) {
            found.push(format!("{page} is missing: write it"));
            continue;
        }
        for (number, line) in read(&page).lines().enumerate() {
            let is_part_of_path = |c: char| c.is_alphanumeric() || "/._-".contains(c);
            for word in line.split(|c| !is_part_of_path(c)) {
                // Within a link, the path is the page's own; links have a test of theirs.
                let path = word.trim_end_matches(['.', '/']);
                if PLACES.iter().any(|place| word.starts_with(place)) && !exists(path) {
                    found.push(format!(
                        "{page}:{}: {path} is not there: name what took its place",
                        number + 1
                    ));
                }
            }
        }
    }
    complain(found);
}

#[test]
fn the_change_log_knows_this_version() {
    let log = read("CHANGELOG.md");
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        log.contains(&format!("## [{version}]")),
        "CHANGELOG.md has no \"## [{version}]\": add what changed in it"
    );
}
