//! One request, and whether its answer was heard.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null where there is none.
    pub(crate) body: Value,
}

/// Asks. `None`: the server died before all of its answer was here.
pub(crate) fn ask(
    address: SocketAddr,
    (method, path): (&str, &str),
    token: Option<&str>,
    body: &Value,
) -> Option<Answer> {
    let bearer = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    exchange(address, (method, path), &bearer, body)
}

/// Whether whoever comes from there is banned. `None`: the server died.
pub(crate) fn is_banned(address: SocketAddr, from: &str) -> Option<bool> {
    let forwarded = format!("X-Forwarded-For: {from}\r\n");
    let answer = exchange(address, ("GET", "/api/status"), &forwarded, &Value::Null)?;
    assert!(matches!(answer.status, 200 | 403), "{answer:?}");
    Some(answer.status == 403)
}

fn exchange(address: SocketAddr, (method, path): (&str, &str), field: &str, body: &Value) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{field}Content-Length: {length}\r\n");
    write!(stream, "{head}Connection: close\r\n\r\n{body}").ok()?;
    let mut bytes = Vec::new();
    // What came before a reset was heard.
    let ended = stream.read_to_end(&mut bytes);
    assert!(
        !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
        "{method} {path} is not answered"
    );
    read(&bytes)
}

/// Reads an answer, where all of it is there.
fn read(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if body.len() < length.unwrap_or(0) {
        return None;
    }
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    Some(Answer { status, body })
}
