//! The browser pages and the JavaScript client, embedded in the binary.
//!
//! It lists each file with its path and content type, and does nothing else: whoever serves HTTP asks [`assets`] and
//! answers with the bytes as they stand. There is no build step and nothing is fetched from elsewhere, so a page
//! works with `Content-Security-Policy: default-src 'self'`: no file has a script or a style of its own inside HTML,
//! and the tests below hold the files to that. The folder mirrors the paths, so that the modules find each other by
//! the same relative names in a browser and in Node. The pages start in `eternity.js` and `connect4.js`; the client is
//! `evertick.js`.

/// One embedded file as HTTP gives it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The path of the URL, from its first `/`, without a query.
    pub path: &'static str,
    /// The value of `Content-Type` (RFC 9110 section 8.3).
    pub content_type: &'static str,
    /// The whole file.
    pub body: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
/// RFC 9239 section 6: `text/javascript` is the type of every script.
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:literal, $content_type:expr, $file:literal) => {
        Asset { path: $path, content_type: $content_type, body: include_bytes!($file) }
    };
}

static ASSETS: &[Asset] = &[
    asset!("/", HTML, "index.html"),
    asset!("/evertick.js", JAVASCRIPT, "evertick.js"),
    asset!("/eternity.js", JAVASCRIPT, "eternity.js"),
    asset!("/eternity/world.js", JAVASCRIPT, "eternity/world.js"),
    asset!("/eternity/walker.js", JAVASCRIPT, "eternity/walker.js"),
    asset!("/eternity/terrain.js", JAVASCRIPT, "eternity/terrain.js"),
    asset!("/eternity/growth.js", JAVASCRIPT, "eternity/growth.js"),
    asset!("/eternity/noise.js", JAVASCRIPT, "eternity/noise.js"),
    asset!("/eternity/figures.js", JAVASCRIPT, "eternity/figures.js"),
    asset!("/eternity/scene.js", JAVASCRIPT, "eternity/scene.js"),
    asset!("/eternity/controls.js", JAVASCRIPT, "eternity/controls.js"),
    asset!("/eternity/hud.js", JAVASCRIPT, "eternity/hud.js"),
    asset!("/eternity/chat.js", JAVASCRIPT, "eternity/chat.js"),
    asset!("/eternity/door.js", JAVASCRIPT, "eternity/door.js"),
    asset!("/eternity/form.js", JAVASCRIPT, "eternity/form.js"),
    asset!("/eternity/guest.js", JAVASCRIPT, "eternity/guest.js"),
    asset!("/eternity/login.js", JAVASCRIPT, "eternity/login.js"),
    asset!("/eternity/characters.js", JAVASCRIPT, "eternity/characters.js"),
    asset!("/eternity/inspector.js", JAVASCRIPT, "eternity/inspector.js"),
    asset!("/eternity/door.css", CSS, "eternity/door.css"),
    asset!("/page.js", JAVASCRIPT, "page.js"),
    asset!("/link.js", JAVASCRIPT, "link.js"),
    asset!("/connect4", HTML, "connect4/index.html"),
    asset!("/connect4.js", JAVASCRIPT, "connect4.js"),
    asset!("/connect4/board.js", JAVASCRIPT, "connect4/board.js"),
    asset!("/connect4/words.js", JAVASCRIPT, "connect4/words.js"),
    asset!("/connect4/home.js", JAVASCRIPT, "connect4/home.js"),
    asset!("/connect4.css", CSS, "connect4.css"),
    asset!("/eternity.css", CSS, "eternity.css"),
    asset!("/favicon.svg", SVG, "favicon.svg"),
];

/// Every embedded file; no path stands twice.
pub fn assets() -> &'static [Asset] {
    ASSETS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn text(asset: &Asset) -> &'static str {
        std::str::from_utf8(asset.body).unwrap()
    }

    fn paths() -> BTreeSet<&'static str> {
        assets().iter().map(|asset| asset.path).collect()
    }

    /// What stands between `before` and the next quotation mark of its kind, at each place in `text`.
    fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        let quote = before.chars().next_back().unwrap();
        text.split(before).skip(1).map(move |rest| rest.split(quote).next().unwrap())
    }

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_served_under_one_path() {
        assert_eq!(paths().len(), assets().len());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        let mut found = Vec::new();
        files(&folder, &mut found);
        let served: BTreeSet<String> = found
            .iter()
            .map(|file| file.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/"))
            .filter(|file| file != "mod.rs")
            .map(|file| match file.strip_suffix("index.html") {
                // A folder's page is at the folder.
                Some("") => "/".to_owned(),
                Some(folder) => format!("/{}", folder.trim_end_matches('/')),
                None => format!("/{file}"),
            })
            .collect();
        assert_eq!(served.iter().map(String::as_str).collect::<BTreeSet<_>>(), paths());
    }

    #[test]
    fn every_file_has_the_type_of_its_name() {
        for asset in assets() {
            let expected = match asset.path.rsplit_once('.').map(|(_, suffix)| suffix) {
                None => HTML,
                Some("css") => CSS,
                Some("js") => JAVASCRIPT,
                Some("svg") => SVG,
                Some(other) => panic!("{}: no type for .{other}", asset.path),
            };
            assert_eq!(asset.content_type, expected, "{}", asset.path);
            assert!(!text(asset).is_empty());
        }
    }

    #[test]
    fn the_page_has_no_script_or_style_of_its_own_and_links_only_here() {
        for page in assets().iter().filter(|asset| asset.content_type == HTML) {
            let html = text(page);
            for forbidden in ["<style", " style=", "javascript:", " onclick=", " onload=", "<iframe"] {
                assert!(!html.contains(forbidden), "{} has {forbidden}", page.path);
            }
            assert_eq!(
                html.matches("<script").count(),
                html.matches(r#"<script type="module" src=""#).count()
            );
            for link in quoted(html, r#"src=""#).chain(quoted(html, r#"href=""#)) {
                assert!(link.starts_with("#i-") || paths().contains(link), "{} links to {link}", page.path);
            }
        }
    }

    #[test]
    fn both_doors_have_the_same_card_to_log_in_or_register() {
        let cards = ["/", "/connect4"].map(|path| {
            let page = assets().iter().find(|asset| asset.path == path).unwrap();
            let (_, card) = text(page).split_once(r#"<form class="door-card" id="account""#).unwrap();
            card.split_once("</form>").unwrap().0
        });
        assert_eq!(cards[0], cards[1]);
    }

    #[test]
    fn every_import_leads_to_a_file_that_is_served() {
        for script in assets().iter().filter(|asset| asset.content_type == JAVASCRIPT) {
            let folder = script.path.rsplit_once('/').unwrap().0;
            let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
            // An example in a comment shows how a page imports it, with a path from the root.
            for name in quoted(text(script), "from '") {
                let path = match (name.strip_prefix("./"), name.strip_prefix("../")) {
                    (Some(beside), _) => format!("{folder}/{beside}"),
                    (_, Some(beside)) => format!("{above}/{beside}"),
                    _ => name.to_owned(),
                };
                assert!(paths().contains(path.as_str()), "{} imports {name}", script.path);
            }
        }
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for asset in assets() {
            let text = text(asset).replace("http://www.w3.org/2000/svg", "");
            for elsewhere in ["http://", "https://", "@import", "url("] {
                assert!(!text.contains(elsewhere), "{} has {elsewhere}", asset.path);
            }
        }
    }
}
