//! What the server says of itself: `GET /api/status`, asked twice in a run.

use super::target::Target;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long connecting, and each read and write, may take. The bots stand meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read.
const ANSWER: u64 = 64 << 10;

/// The part of `/api/status` that the table shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Players in the world.
    pub players: u64,
    /// The tick.
    pub tick: TickStatus,
    /// Memory.
    pub memory: MemoryStatus,
}

/// The server's tick, over its last minute but for `overruns`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TickStatus {
    /// Microseconds of a tick's work, on average.
    pub mean_us: u32,
    /// The same, 99 of 100 ticks took no longer.
    pub p99_us: u32,
    /// The longest.
    pub max_us: u32,
    /// Microseconds of a tick's writing, 99 of 100.
    pub flush_p99_us: u32,
    /// Ticks that were late; in a report those of the run.
    pub overruns: u64,
}

/// The server's memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MemoryStatus {
    /// Resident, bytes.
    pub rss_bytes: u64,
}

/// What came of asking.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// The status.
    Told(ServerStatus),
    /// Somebody is there, but tells no such thing: another page, a refusal, an end without a word.
    Other,
    /// Nobody is there any more, or says anything.
    None,
}

impl Answer {
    /// The status, where it was told.
    pub(super) fn told(self) -> Option<ServerStatus> {
        match self {
            Answer::Told(status) => Some(status),
            Answer::Other | Answer::None => None,
        }
    }
}

/// Asks, and waits for the answer, not longer than [`PATIENCE`] without a byte of it.
///
/// # Errors
/// There is nobody to connect to.
pub(super) fn ask(target: &Target) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&target.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET /api/status HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.host);
    let mut answer = Vec::new();
    // Whoever refuses a connection may end it at once: what was read until then is what there is.
    let end =
        stream.write_all(request.as_bytes()).and_then(|()| stream.take(ANSWER).read_to_end(&mut answer));
    let is_silent = end.is_err_and(|error| is_timeout(&error)) && answer.is_empty();
    Ok(read(&answer).map_or(if is_silent { Answer::None } else { Answer::Other }, Answer::Told))
}

/// Systems differ in what they call it.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn read(answer: &[u8]) -> Option<ServerStatus> {
    let answer = std::str::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let ok = head.split(' ').nth(1) == Some("200");
    serde_json::from_str(body).ok().filter(|_| ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_anything_else_is_none() {
        let body =
            r#"{"status":"ok","players":7,"tick":{"p99_us":42,"overruns":1},"memory":{"rss_bytes":9}}"#;
        let status = read(format!("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{body}").as_bytes()).unwrap();
        assert_eq!((status.players, status.tick.p99_us, status.memory.rss_bytes), (7, 42, 9));
        assert_eq!(read(format!("HTTP/1.1 503 No\r\n\r\n{body}").as_bytes()), None);
        for no in ["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhello", "\u{ff}"] {
            assert_eq!(read(no.as_bytes()), None);
        }
    }
}
