//! Somebody in the world, who walks.

use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Its way in, and where it is.
pub(crate) struct Walker {
    socket: WebSocket<TcpStream>,
    pub(crate) at: (f32, f32),
}

impl Walker {
    /// Enters the world; `who` is what `auth_request` says beside the version. `None`: the server is gone, or does not have
    /// it.
    pub(crate) fn enter(address: SocketAddr, who: &Value) -> Option<Walker> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(20))).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut request = format!("ws://{address}/ws").into_client_request().ok()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "evertick.v1.json".parse().ok()?);
        let until = now() + PATIENCE;
        let mut opened = tungstenite::client(request, stream);
        while let Err(tungstenite::HandshakeError::Interrupted(waiting)) = opened {
            assert!(now() < until, "no answer to the upgrade");
            opened = waiting.handshake();
        }
        let mut walker = Walker { socket: opened.ok()?.0, at: (0.0, 0.0) };
        let mut auth = json!({ "version": 1 });
        auth.as_object_mut()?.extend(who.as_object()?.clone());
        walker.send("auth_request", auth)?;
        let state = walker.hear("game_state")?;
        let position = &state["you"]["position"];
        walker.at = (position["x"].as_f64()? as f32, position["y"].as_f64()? as f32);
        Some(walker)
    }

    /// Walks by `dx` and `dy`.
    pub(crate) fn step(&mut self, dx: f32, dy: f32) -> Option<()> {
        let (x, y) = (self.at.0 + dx, self.at.1 + dy);
        self.at = (x, y);
        let position = json!({ "x": x, "y": y });
        self.send("position_update", json!({ "position": position, "velocity": { "x": 0, "y": 0 } }))?;
        self.read(|kind, _| assert_ne!(kind, "position_correction", "so far it may walk"))
    }

    /// Waits until the server has taken everything that was sent so far.
    pub(crate) fn settle(&mut self) {
        let ping = json!({ "type": "ping", "id": 77, "data": {} });
        self.socket.send(Message::text(ping.to_string())).unwrap();
        self.hear("pong").unwrap();
        // Positions are taken in a tick: what comes in the one behind it has seen them.
        self.send("get_game_state", json!({})).unwrap();
        self.hear("game_state").unwrap();
    }

    fn send(&mut self, kind: &str, data: Value) -> Option<()> {
        let message = json!({ "type": kind, "data": data }).to_string();
        self.socket.send(Message::text(message)).ok()
    }

    /// The data of the next packet of that kind.
    fn hear(&mut self, wanted: &str) -> Option<Value> {
        let until = now() + PATIENCE;
        let (mut found, mut others) = (None, Vec::new());
        while found.is_none() {
            assert!(now() < until, "{wanted} does not come, but {others:?}");
            self.read(|kind, data| match kind == wanted {
                true => found = Some(data.clone()),
                false => others.push(format!("{kind} {data}")),
            })?;
        }
        found
    }

    /// Reads what is there: the packets of at most one message. `None`: the connection is at its end.
    fn read(&mut self, mut each: impl FnMut(&str, &Value)) -> Option<()> {
        let message = match self.socket.read() {
            Ok(Message::Text(text)) => text,
            Ok(Message::Close(_)) => return None,
            Ok(_) => return Some(()),
            Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Some(());
            }
            Err(_) => return None,
        };
        let batch: Value = serde_json::from_str(&message).unwrap();
        for packet in batch["packets"].as_array().unwrap() {
            each(packet["type"].as_str().unwrap(), &packet["data"]);
        }
        Some(())
    }
}

/// The present moment.
#[expect(clippy::disallowed_methods, reason = "what another process does takes as long as it takes")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Guests who walk about while everybody else does what is to be kept.
pub(crate) fn crowd(address: SocketAddr, is_over: impl Fn() -> bool) {
    let mut guests: Vec<Walker> =
        (0..4).filter_map(|n| Walker::enter(address, &json!({ "guest": format!("guest {n}") }))).collect();
    let mut step = 0.01;
    while !is_over() && !guests.is_empty() {
        guests.retain_mut(|guest| guest.step(step, step).is_some());
        step = -step;
    }
}
