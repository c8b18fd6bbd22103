//! One packet on a WebSocket of its own, and whether its answer was heard.

use crate::client::Answer;
use crate::walker::now;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Comes in with a token, sends a packet, hears its answer and says goodbye. An error's code is told as the status that HTTP
/// has for it. `None`: the server died, or stopped and said goodbye, before the answer was here. What was asked for may be done all
/// the same.
pub(crate) fn ask(address: SocketAddr, token: &str, kind: &str, data: &Value) -> Option<Answer> {
    let mut socket = open(address)?;
    let auth = json!({ "version": 1, "token": token });
    let admitted = request(&mut socket, 1, "auth_request", &auth)?;
    if admitted["type"] != "auth_response" {
        return Some(answer(&admitted));
    }
    let answered = request(&mut socket, 2, kind, data)?;
    let _ = socket.close(None);
    // Whoever is in the world has left it when the server has answered.
    let until = now() + PATIENCE;
    while socket.read().is_ok() {
        assert!(now() < until, "the goodbye is not answered");
    }
    Some(answer(&answered))
}

fn open(address: SocketAddr) -> Option<WebSocket<TcpStream>> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    let mut request = format!("ws://{address}/ws").into_client_request().ok()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", "evertick.v1.json".parse().ok()?);
    tungstenite::client(request, stream).ok().map(|(socket, _)| socket)
}

/// The packet that answers the one that is sent.
fn request(socket: &mut WebSocket<TcpStream>, id: u32, kind: &str, data: &Value) -> Option<Value> {
    let packet = json!({ "type": kind, "id": id, "data": data });
    socket.send(Message::text(packet.to_string())).ok()?;
    loop {
        let batch: Value = match socket.read() {
            Ok(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            Ok(Message::Close(_)) => return None,
            Ok(_) => continue,
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                panic!("{kind} is not answered")
            }
            Err(_) => return None,
        };
        let packets = batch["packets"].as_array().unwrap();
        if let Some(packet) = packets.iter().find(|one| one["re"] == id) {
            return Some(packet.clone());
        }
    }
}

fn answer(packet: &Value) -> Answer {
    let status = match (packet["type"].as_str(), packet["data"]["code"].as_str()) {
        (Some("error"), Some("busy" | "shutdown")) => 503,
        (Some("error"), Some("rate_limited")) => 429,
        (Some("error" | "invalid_message"), _) => 500,
        _ => 200,
    };
    Answer { status, body: packet["data"].clone() }
}
