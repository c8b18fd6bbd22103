//! The files of the repository, and Rust as far as words and braces go.

use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What no person wrote, or no rule is about.
const SKIPPED: [&str; 6] = ["target", "node_modules", ".git", "data", "corpus", "artifacts"];

/// All files under a folder of the repository, by their path from its root, sorted. A folder that is not there has none.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect(&path, found);
        } else if path.is_file() && name != ".git" {
            found.push(path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"));
        }
    }
}

/// The Rust files under a folder.
pub(crate) fn rust_files(folder: &str) -> Vec<String> {
    files(folder).into_iter().filter(|path| path.ends_with(".rs")).collect()
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn exists(path: impl Into<PathBuf>) -> bool {
    root().join(path.into()).exists()
}

/// One word or sign of Rust.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The words and signs of a Rust file. Comments, strings and characters are left out; `::` is one sign.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = scanner.next_token() {
        tokens.extend(token);
    }
    tokens
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl Scanner<'_> {
    /// The next token; `Some(None)` for what is left out, `None` at the end.
    fn next_token(&mut self) -> Option<Option<Token>> {
        let rest = self.rest;
        let first = rest.chars().next()?;
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(rest.find("*/").map_or(rest.len(), |at| at + 2));
        } else if let Some(length) = raw_string(rest) {
            self.skip(length);
        } else if first == '"' {
            self.skip(quoted(rest));
        } else if first == '\'' {
            self.skip(character(rest));
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            return Some(Some(self.take(end)));
        } else if rest.starts_with("::") {
            return Some(Some(self.take(2)));
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else {
            return Some(Some(self.take(first.len_utf8())));
        }
        Some(None)
    }

    fn take(&mut self, length: usize) -> Token {
        let token = Token { text: self.rest[..length].to_owned(), line: self.line };
        self.skip(length);
        token
    }

    fn skip(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }
}

/// The length of a raw string with its prefix, where `text` begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let behind = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = behind.bytes().take_while(|b| *b == b'#').count();
    behind[hashes..].strip_prefix('"')?;
    let open = text.len() - behind.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[open..].find(&close).map_or(text.len(), |at| open + at + close.len()))
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character, or of the quote alone where it begins a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => {
            text[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 3)
        }
        (_, Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn strings_comments_and_characters_are_no_words() {
    let text = "a /* b */ \"c \\\" d\" 'e' '\\'' &'f str r#\"g \" h\"# // i\n::j";
    let words: Vec<String> = tokens(text).into_iter().map(|token| token.text).collect();
    assert_eq!(words, ["a", "&", "f", "str", "::", "j"]);
    assert_eq!(tokens("x\n\"\n\"\ny")[1].line, 4);
}
