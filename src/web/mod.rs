//! The browser pages and the JavaScript client, embedded in the binary.
//!
//! It lists each file with its path and content type, and does nothing else: whoever serves HTTP asks [`assets`] and
//! answers with the bytes as they stand. There is no build step and nothing is fetched from elsewhere, so a page
//! works with `Content-Security-Policy: default-src 'self'`: no file has a script or a style of its own inside HTML,
//! and the tests below hold the files to that. The folder mirrors the paths, so that the modules find each other by
//! the same relative names in a browser and in Node. The page starts in `eternity.js`; the client is `evertick.js`.

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
    asset!("/eternity/inspector.js", JAVASCRIPT, "eternity/inspector.js"),
    asset!("/eternity.css", CSS, "eternity.css"),
    asset!("/favicon.svg", SVG, "favicon.svg"),
];

/// Every embedded file; no path stands twice.
pub fn assets() -> &'static [Asset] {
    ASSETS
}
