//! What a host sets: `evertick.toml`, then the environment, then flags, each over the one before.
//!
//! Two steps, as typed and as validated: [`Sources`] collects raw values with the place each came from, and
//! [`Config::read`] turns them into the checked settings of every floor, once. A mistake is one line that names the
//! place, the key and what would be right; nothing is guessed.

use crate::address::Network;
use crate::http::cors::Origins;
use crate::time::TickRate;
use crate::{engine, limits, net};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Value;

/// The file that is read where no other is named.
pub const FILE: &str = "evertick.toml";
/// What every environment variable of ours begins with.
pub const ENVIRONMENT: &str = "EVERTICK_";

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file; in the environment in capitals behind [`ENVIRONMENT`], as a flag with hyphens.
    pub name: &'static str,
    /// Its default, as it would stand in the file.
    pub default: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

/// Every key, in the order of the documentation.
pub const KEYS: &[Key] = &[
    key("listen", r#""127.0.0.1:8080""#, "address and port to listen on; port 0 picks a free one"),
    key("data_dir", r#""data""#, "folder of the database; made where it is missing"),
    key("max_connections", "4096", "connections at once, 1 to 1000000"),
    key("max_players", "1000", "players at once over all games, 1 to 1000000"),
    key("open", "true", "false: no newcomers are let in"),
    key("max_connections_per_ip", "16", "connections at once from one address, 0 is no limit"),
    key("connect_rate", "10", "new connections a second from one address, 0 is no limit"),
    key("trusted_proxies", "[]", "addresses or networks whose x-forwarded-for is believed"),
    key("tick_rate", "20", "ticks a second, 1 to 128"),
    key("heartbeat_interval_ms", "5000", "a peer silent for so long is sent a ping, 100 to 3600000"),
    key(
        "timeout_ms",
        "30000",
        "a peer silent for so long is closed, 100 to 3600000, above heartbeat_interval_ms",
    ),
    key("auth_timeout_ms", "10000", "time to send auth_request, 100 to 3600000"),
    key(
        "resume_grace_ms",
        "30000",
        "how long a lost player stays and may come back, 0 is not at all, to 3600000",
    ),
    key("session_timeout_s", "3600", "how long a login lasts unused, 1 to 31536000"),
    key("session_cleanup_s", "300", "how often logins and bans that are over are swept, 1 to 86400"),
    key("hash_memory_kib", "19456", "memory that hashing a password takes, KiB, 8 to 1048576"),
    key("hash_passes", "2", "passes over it, 1 to 100"),
    key("shutdown_grace_ms", "5000", "how long a stop may take, 0 to 3600000"),
    key("max_message", "16384", "bytes of one message, 512 to 1048576 (4096 before auth)"),
    key("message_rate", "60", "messages a second and connection, 1 to 100000"),
    key("message_burst", "120", "messages at once and connection, 1 to 100000"),
    key("duplicate_window_ms", "100", "the same message within it is dropped, 0 is never, to 60000"),
    key("outbox_limit", "1048576", "bytes that may wait for one peer, 131072 to 67108864"),
    key("memory_limit", "268435456", "bytes that all peers' buffers may hold together, at least 1048576"),
    key("compression", "false", "whether compressed messages (permessage-deflate) are agreed to"),
    key("compress_over", "256", "bytes over which a batch is compressed, 0 to 1048576"),
    key("guests", "true", "whether guests may play"),
    key("spawn", r#""start""#, "where newcomers appear: start or spread"),
    key("allowed_origins", r#"["*"]"#, "pages that may call the API and open WebSockets"),
    key("log_level", r#""info""#, "off, error, warn, info, debug or trace"),
    key("log_file", r#""""#, "a file that the log is also written to; its folder is made"),
    key("world", r#""""#, "a world file in place of the built-in one"),
    key("admin_token", r#""""#, "what opens /api/admin; empty: nothing does"),
];

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, default, meaning }
}

/// A mistake of the host's, with the place where it stands: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Raw values and where each came from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    values: BTreeMap<&'static str, (Value, String)>,
}

impl Sources {
    /// Reads a file of flat TOML keys.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has a key that does not exist; the line is named.
    pub fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("{}: cannot be read: {error}", path.display())))?;
        self.read_text(&text, &path.display().to_string())
    }

    /// The same for text; `name` stands in messages.
    ///
    /// # Errors
    /// As [`Sources::read_file`].
    pub fn read_text(&mut self, text: &str, name: &str) -> Result<(), ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let mut message = error.message().replace('\n', " ");
            // The one complaint about a key that does not say which.
            let written = text.lines().nth(line - 1).and_then(|line| line.split_once('='));
            if let Some((key, _)) = written.filter(|_| message == "duplicate key") {
                message = format!("duplicate key `{}`", key.trim());
            }
            ConfigError(format!("{name}, line {line}: {message}"))
        })?;
        for (key, value) in table {
            let place = format!("{name}, line {}", line_of_key(text, &key));
            let known =
                find(&key).map_err(|hint| ConfigError(format!("{place}: unknown key `{key}`{hint}")))?;
            self.values.insert(known, (value, format!("{place}: {known}")));
        }
        Ok(())
    }

    /// Takes the variables that begin with [`ENVIRONMENT`].
    ///
    /// # Errors
    /// One of them names no key.
    pub fn read_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix(ENVIRONMENT) else { continue };
            let known = find(&name.to_lowercase())
                .map_err(|hint| ConfigError(format!("environment: unknown variable `{variable}`{hint}")))?;
            self.values.insert(known, (Value::String(text), format!("environment: {variable}")));
        }
        Ok(())
    }

    /// Takes a flag's value.
    pub fn set_flag(&mut self, name: &'static str, text: impl Into<String>) {
        debug_assert!(find(name).is_ok(), "flags are named after keys");
        let place = format!("--{}", name.replace('_', "-"));
        self.values.insert(name, (Value::String(text.into()), place));
    }
}

/// The key of that name, or a hint about the one that was meant.
fn find(name: &str) -> Result<&'static str, String> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok(key.name);
    }
    let nearest = KEYS.iter().map(|key| (strsim::jaro_winkler(key.name, name), key.name));
    let nearest = nearest.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.75);
    Err(nearest.map_or(String::new(), |(_, key)| format!("; did you mean `{key}`?")))
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// The line on which a top-level key stands; the first line where it is written in some other way.
fn line_of_key(text: &str, key: &str) -> usize {
    let stands = |line: &str| {
        let line = line.trim_start().trim_start_matches(['[', '"', '\'']);
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', '"', '\'', ']', '.']))
    };
    text.lines().position(stands).map_or(1, |index| index + 1)
}

/// Where newcomers of the built-in world appear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spawn {
    /// At the world's start.
    #[default]
    Start,
    /// Evenly over all locations.
    Spread,
}

/// Everything that a host sets, checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder of the database.
    pub data_dir: PathBuf,
    /// Memory that hashing a password takes, KiB.
    pub hash_memory_kib: u32,
    /// Passes over it.
    pub hash_passes: u32,
    /// How long a stop may take.
    pub shutdown_grace: Duration,
    /// How long a lost player's seat is held.
    pub resume_grace: Duration,
    /// The loop.
    pub net: net::Settings,
    /// The engine, sessions and registry.
    pub engine: engine::Settings,
    /// Where newcomers appear.
    pub spawn: Spawn,
    /// A world file in place of the built-in one.
    pub world: Option<PathBuf>,
    /// From which level on is logged.
    pub log_level: log::LevelFilter,
    /// A file that the log is also written to.
    pub log_file: Option<PathBuf>,
}

impl Config {
    /// Checks every value; what is not set has its default.
    ///
    /// # Errors
    /// The first value that is of the wrong type or out of its range.
    pub fn read(sources: &Sources) -> Result<Config, ConfigError> {
        let from = Reader(sources);
        let heartbeat_interval = from.millis("heartbeat_interval_ms", 100..=3_600_000)?;
        let timeout = from.millis("timeout_ms", 100..=3_600_000)?;
        if timeout <= heartbeat_interval {
            return Err(from.wrong("timeout_ms", "must be above heartbeat_interval_ms"));
        }
        let session = crate::session::Settings {
            heartbeat_interval,
            timeout,
            auth_timeout: from.millis("auth_timeout_ms", 100..=3_600_000)?,
            max_message: from.size("max_message", limits::MAX_MESSAGE)?,
            message_rate: from.number("message_rate", 1..=100_000)?,
            message_burst: from.number("message_burst", 1..=100_000)?,
            duplicate_window: from.millis("duplicate_window_ms", 0..=60_000)?,
            outbox_limit: from.size("outbox_limit", limits::OUTBOX_LIMIT)?,
            compression: from.flag("compression")?,
            compress_over: from.size("compress_over", 0..=1 << 20)?,
            resume_grace: from.millis("resume_grace_ms", 0..=3_600_000)?,
        };
        let registry = crate::registry::Settings {
            max_connections: from.size("max_connections", 1..=1_000_000)?,
            max_per_address: from.number("max_connections_per_ip", 0..=1_000_000)?,
            connect_rate: from.number("connect_rate", 0..=1_000_000)?,
        };
        let engine = engine::Settings {
            tick_rate: TickRate::new(from.number("tick_rate", 1..=TickRate::MAX)?).unwrap_or_default(),
            max_players: from.size("max_players", 1..=1_000_000)?,
            open: from.flag("open")?,
            guests: from.flag("guests")?,
            trusted_proxies: from.networks("trusted_proxies")?,
            allowed_origins: from.origins("allowed_origins")?,
            memory_limit: from.size("memory_limit", 1 << 20..=usize::MAX >> 1)?,
            session_timeout: from.seconds("session_timeout_s", 1..=31_536_000)?,
            session_cleanup: from.seconds("session_cleanup_s", 1..=86_400)?,
            admin_token: engine::AdminToken::new(&from.text("admin_token")?),
            registry,
            session,
        };
        Ok(Config {
            listen: from.parsed("listen", "an address and a port, such as 127.0.0.1:8080")?,
            data_dir: from.path("data_dir")?.ok_or_else(|| from.wrong("data_dir", "must not be empty"))?,
            hash_memory_kib: from.number("hash_memory_kib", 8..=1 << 20)?,
            hash_passes: from.number("hash_passes", 1..=100)?,
            shutdown_grace: from.millis("shutdown_grace_ms", 0..=3_600_000)?,
            resume_grace: from.millis("resume_grace_ms", 0..=3_600_000)?,
            net: net::Settings::default(),
            engine,
            spawn: match from.text("spawn")?.as_str() {
                "start" => Spawn::Start,
                "spread" => Spawn::Spread,
                _ => return Err(from.wrong("spawn", "must be start or spread")),
            },
            world: from.path("world")?,
            log_level: from.parsed("log_level", "off, error, warn, info, debug or trace")?,
            log_file: from.path("log_file")?,
        })
    }
}

/// Reads typed values; a value may also be text, as the environment and flags give it.
struct Reader<'a>(&'a Sources);

impl Reader<'_> {
    fn raw(&self, name: &'static str) -> Value {
        match self.0.values.get(name) {
            Some((value, _)) => value.clone(),
            None => default_of(name),
        }
    }

    fn wrong(&self, name: &'static str, what: &str) -> ConfigError {
        let place = self.0.values.get(name).map_or(name, |(_, place)| place.as_str());
        ConfigError(format!("{place}: {what}, not {}", self.raw(name)))
    }

    fn text(&self, name: &'static str) -> Result<String, ConfigError> {
        match self.raw(name) {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(name, "must be text in quotes")),
        }
    }

    fn path(&self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(Some(self.text(name)?).filter(|text| !text.is_empty()).map(PathBuf::from))
    }

    fn parsed<T: std::str::FromStr>(&self, name: &'static str, what: &str) -> Result<T, ConfigError> {
        self.text(name)?.parse().map_err(|_| self.wrong(name, &format!("must be {what}")))
    }

    fn flag(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.raw(name) {
            Value::Boolean(flag) => Ok(flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(self.wrong(name, "must be true or false")),
        }
    }

    fn integer(&self, name: &'static str, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let value = match self.raw(name) {
            Value::Integer(n) => u64::try_from(n).ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let (least, most) = (range.start(), range.end());
        value
            .filter(|n| range.contains(n))
            .ok_or_else(|| self.wrong(name, &format!("must be a whole number from {least} to {most}")))
    }

    fn number(&self, name: &'static str, range: RangeInclusive<u32>) -> Result<u32, ConfigError> {
        let n = self.integer(name, u64::from(*range.start())..=u64::from(*range.end()))?;
        Ok(u32::try_from(n).unwrap_or(u32::MAX))
    }

    fn size(&self, name: &'static str, range: RangeInclusive<usize>) -> Result<usize, ConfigError> {
        let n = self.integer(name, *range.start() as u64..=*range.end() as u64)?;
        Ok(usize::try_from(n).unwrap_or(usize::MAX))
    }

    fn millis(&self, name: &'static str, range: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        self.integer(name, range).map(Duration::from_millis)
    }

    fn seconds(&self, name: &'static str, range: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        self.integer(name, range).map(Duration::from_secs)
    }

    /// A list of texts; as text, they stand between commas.
    fn list(&self, name: &'static str) -> Result<Vec<String>, ConfigError> {
        let wrong = || self.wrong(name, "must be a list of texts");
        match self.raw(name) {
            Value::String(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()),
            Value::Array(values) => {
                values.into_iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            _ => Err(wrong()),
        }
    }

    fn networks(&self, name: &'static str) -> Result<Vec<Network>, ConfigError> {
        let parse = |text: String| {
            text.parse().map_err(|error| {
                self.wrong(name, &format!("must hold addresses or networks ({text}: {error})"))
            })
        };
        self.list(name)?.into_iter().map(parse).collect()
    }

    fn origins(&self, name: &'static str) -> Result<Origins, ConfigError> {
        let what = "must hold * or origins such as https://example.org";
        Origins::read(&self.list(name)?).map_err(|error| self.wrong(name, &format!("{what} ({})", error.0)))
    }
}

/// The value that [`KEYS`] says.
fn default_of(name: &str) -> Value {
    let key = KEYS.iter().find(|key| key.name == name).expect("settings are read by the names in KEYS");
    let table: toml::Table = format!("value = {}", key.default).parse().expect("defaults in KEYS are TOML");
    table["value"].clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let mut sources = Sources::default();
        sources
            .read_text(text, "evertick.toml")
            .and_then(|()| Config::read(&sources))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_set_is_every_floor_s_default() {
        let config = read("").expect("defaults are right");
        let engine = engine::Settings::default();
        assert_eq!(format!("{:?}", config.engine), format!("{engine:?}"));
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.shutdown_grace, Duration::from_secs(5));
        assert_eq!(config.resume_grace, Duration::from_secs(30));
        assert_eq!(config.log_level, log::LevelFilter::Info);
        assert_eq!((config.world, config.log_file), (None, None));
    }

    #[test]
    fn later_sources_win() {
        let mut sources = Sources::default();
        sources.read_text("tick_rate = 10\nmax_players = 5\nguests = false", "f").expect("fine");
        let environment = [("EVERTICK_TICK_RATE", "30"), ("HOME", "/root"), ("EVERTICK_MAX_PLAYERS", "6")];
        sources.read_environment(environment.map(|(k, v)| (k.to_owned(), v.to_owned()))).expect("fine");
        sources.set_flag("tick_rate", "40");
        let config = Config::read(&sources).expect("fine");
        assert_eq!(config.engine.tick_rate.hz(), 40);
        assert_eq!(config.engine.max_players, 6);
        assert!(!config.engine.guests);
    }

    #[test]
    fn mistakes_name_their_place_and_what_would_be_right() {
        let cases = [
            ("\ntick_rat = 3", "evertick.toml, line 2: unknown key `tick_rat`; did you mean `tick_rate`?"),
            ("zzz = 3", "evertick.toml, line 1: unknown key `zzz`"),
            (
                "open = true\n tick_rate = 3\n\n tick_rate=4",
                "evertick.toml, line 4: duplicate key `tick_rate`",
            ),
            (
                "tick_rate = 0",
                "evertick.toml, line 1: tick_rate: must be a whole number from 1 to 128, not 0",
            ),
            ("guests = 3", "evertick.toml, line 1: guests: must be true or false, not 3"),
            ("open = \"maybe\"", "evertick.toml, line 1: open: must be true or false, not \"maybe\""),
            ("spawn = \"here\"", "evertick.toml, line 1: spawn: must be start or spread, not \"here\""),
            (
                "timeout_ms = 5000",
                "evertick.toml, line 1: timeout_ms: must be above heartbeat_interval_ms, not 5000",
            ),
            (
                "listen = \"8080\"",
                "evertick.toml, line 1: listen: must be an address and a port, such as 127.0.0.1:8080, not \"8080\"",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(read(text).err().as_deref(), Some(message), "{text}");
        }
        for text in [
            "max_message = 99",
            "trusted_proxies = [\"x\"]",
            "allowed_origins = [\"x\"]",
            "a = [",
            "world = 3",
        ] {
            let message = read(text).err().unwrap_or_else(|| panic!("{text} is wrong"));
            assert!(message.starts_with("evertick.toml, line 1: ") && !message.contains('\n'), "{message}");
        }
        let mut sources = Sources::default();
        let unknown = sources.read_environment([("EVERTICK_GUEST".to_owned(), "x".to_owned())]);
        let message = unknown.expect_err("no such key").to_string();
        assert_eq!(message, "environment: unknown variable `EVERTICK_GUEST`; did you mean `guests`?");
        sources.set_flag("max_players", "many");
        let message = Config::read(&sources).expect_err("not a number").to_string();
        assert_eq!(message, "--max-players: must be a whole number from 1 to 1000000, not \"many\"");
    }

    #[test]
    fn lists_may_be_text() {
        let mut sources = Sources::default();
        sources.set_flag("trusted_proxies", "10.0.0.0/8, ::1");
        sources.set_flag("allowed_origins", "https://a.example, https://b.example:8443");
        let config = Config::read(&sources).expect("fine");
        assert_eq!(config.engine.trusted_proxies.len(), 2);
        assert!(config.engine.allowed_origins.allow(b"https://b.example:8443"));
        assert!(!config.engine.allowed_origins.allow(b"https://c.example"));
    }
}
