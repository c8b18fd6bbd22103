//! `resume_grace_ms` as a host sets it: who is lost has so long, and then has lost the match.

use super::{Folder, PATIENCE, Served};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// Somebody at a match, who reads whatever comes.
struct Visitor {
    ws: WebSocket<TcpStream>,
}

impl Visitor {
    fn enter(served: &Served, name: &str) -> Visitor {
        let stream = served.connect();
        let (ws, _) = tungstenite::client(format!("ws://{}/ws/connect4", served.address), stream).unwrap();
        let mut visitor = Visitor { ws };
        visitor.say("auth_request", json!({"version": 1, "guest": name}));
        visitor.wait(|packet| packet["type"] == "auth_response");
        visitor
    }

    fn say(&mut self, name: &str, data: Value) {
        let packet = json!({"type": name, "id": 1, "data": data});
        self.ws.send(Message::text(packet.to_string())).unwrap();
    }

    /// The next packet that is the one.
    fn wait(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = match self.ws.read() {
                // A read with a deadline ends with every signal, such as that a child of another test has ended.
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => continue,
                message => message.unwrap(),
            };
            let Ok(text) = message.into_text() else { continue };
            let Ok(batch) = serde_json::from_str::<Value>(&text) else { continue };
            let packets = batch["packets"].as_array().unwrap();
            if let Some(packet) = packets.iter().find(|packet| is_it(packet)) {
                return packet.clone();
            }
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how long it takes is what is tried")]
fn a_lost_player_forfeits_after_the_configured_grace() {
    const GRACE: Duration = Duration::from_millis(700);
    let folder = Folder::new();
    folder.write("evertick.toml", &format!("resume_grace_ms = {}\n", GRACE.as_millis()));
    let served = Served::at(&folder, &[]);
    let mut ann = Visitor::enter(&served, "Ann");
    ann.say("match_create", json!({"private": true}));
    let id = ann.wait(|packet| packet["type"] == "match_state")["data"]["match_id"].clone();
    let mut bob = Visitor::enter(&served, "Bob");
    bob.say("match_join", json!({"match_id": id}));
    bob.wait(|packet| packet["data"]["turn"].is_u64());
    let lost = Instant::now();
    // Without a Close frame.
    drop(ann.ws.into_inner());
    let held = bob.wait(|packet| packet["data"]["players"][0]["present"] == false);
    assert_eq!(held["data"]["winner"], Value::Null, "the seat is held");
    let over = bob.wait(|packet| packet["data"]["winner"].is_u64());
    assert_eq!(
        (&over["data"]["reason"], &over["data"]["winner"]),
        (&json!("lost"), &over["data"]["players"][1]["id"])
    );
    let took = lost.elapsed();
    assert!(GRACE <= took && took < PATIENCE, "{took:?}");
}
