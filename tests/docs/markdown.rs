//! Reads as much of Markdown as the pages use: headings, tables and fenced blocks.

use std::path::Path;

/// A page or a file of the repository.
pub(crate) fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text under the heading, which is given with its hashes, up to the next heading of its level or above.
pub(crate) fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let text = &page[start + heading.len() + 2..];
    let level = heading.bytes().take_while(|b| *b == b'#').count();
    let end = (1..=level).filter_map(|hashes| text.find(&format!("\n{} ", "#".repeat(hashes)))).min();
    &text[..end.unwrap_or(text.len())]
}

/// The headings of one level in `text`, each with what stands under it.
pub(crate) fn subsections(text: &str, level: usize) -> Vec<(&str, &str)> {
    let mark = format!("\n{} ", "#".repeat(level));
    text.split(mark.as_str()).skip(1).map(|part| part.split_once('\n').unwrap_or((part, ""))).collect()
}

/// The fenced blocks of one language.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(found) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        if found == language {
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The rows of the table whose first column is called `first`, without their backquotes; none where there is no such
/// table.
pub(crate) fn table(text: &str, first: &str) -> Vec<Vec<String>> {
    let head = format!("| {first} |");
    let lines = text.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn cells(row: &str) -> Vec<String> {
    let inside = row.trim().trim_matches('|');
    inside.split('|').map(|cell| cell.trim().replace('`', "")).collect()
}
