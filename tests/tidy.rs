//! The repository keeps its own rules: who may import whom, how things are called, nothing dead, no clock where none
//! belongs, no drifted page. Every failure says what to do.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "docs/markdown.rs"]
#[allow(dead_code, reason = "written for the tests of the documentation, which use all of it")]
mod markdown;

#[path = "tidy/dead.rs"]
mod dead;
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

/// Fails with all that was found at once.
fn complain(found: Vec<String>) {
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}
