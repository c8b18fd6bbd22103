//! A server that is a script: it lets everybody in and answers each message with a batch, with whatever number the test
//! wants, and keeps where the bots say that they are. It can hang, as a process that is stopped: it takes connections and
//! whatever comes over them, and answers nothing any more.

use serde_json::{Value, json};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// What one connection's bot said of its place.
type Walk = Vec<(f64, f64)>;

pub(crate) struct Scripted {
    address: SocketAddr,
    script: Arc<Script>,
}

struct Script {
    seq: fn(u64) -> u64,
    /// After so many messages from any bot.
    hangs_after: u64,
    hangs: AtomicBool,
    walks: Mutex<Vec<Walk>>,
}

impl Scripted {
    /// The n-th batch from 1 has the number `seq(n)`.
    pub(crate) fn start(seq: fn(u64) -> u64) -> Scripted {
        Scripted::with(seq, u64::MAX)
    }

    /// Hangs once any bot has sent so many messages.
    pub(crate) fn hanging(after: u64) -> Scripted {
        Scripted::with(|n| n, after)
    }

    fn with(seq: fn(u64) -> u64, hangs_after: u64) -> Scripted {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (hangs, walks) = (AtomicBool::new(false), Mutex::default());
        let script = Arc::new(Script { seq, hangs_after, hangs, walks });
        let kept = script.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Scripted { address, script }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Where each bot was.
    pub(crate) fn walks(&self) -> Vec<Walk> {
        self.script.walks.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, script: &Script) {
    let mut beginning = [0; 7];
    // Whoever asks for the status is sent away, or waits for nothing.
    if !stream.peek(&mut beginning).is_ok_and(|_| &beginning == b"GET /ws") {
        if script.hangs.load(Ordering::SeqCst) {
            let _ = stream.read_to_end(&mut Vec::new());
        }
        return;
    }
    let walks = &script.walks;
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let subprotocol = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let json = HeaderValue::from_static("evertick.v1.json");
        response.headers_mut().insert("Sec-WebSocket-Protocol", json);
        Ok(response)
    };
    let mut socket = tungstenite::accept_hdr(stream, subprotocol).unwrap();
    let bot = {
        let mut walks = walks.lock().unwrap();
        walks.push(Walk::new());
        walks.len() - 1
    };
    let mut n = 0;
    while let Some(said) = hear(&mut socket) {
        let packets = match said["type"].as_str().unwrap() {
            "auth_request" => json!([{ "type": "game_state", "data": game_state() }]),
            _ => json!([]),
        };
        if said["type"] == "position_update" {
            let at = &said["data"]["position"];
            walks.lock().unwrap()[bot].push((at["x"].as_f64().unwrap(), at["y"].as_f64().unwrap()));
        }
        n += 1;
        if n > script.hangs_after {
            script.hangs.store(true, Ordering::SeqCst);
        }
        if script.hangs.load(Ordering::SeqCst) {
            continue;
        }
        let batch = json!({ "seq": (script.seq)(n), "tick": 100 + n, "time": 1_700_000_000_000u64, "packets": packets });
        if socket.send(Message::text(batch.to_string())).is_err() {
            return;
        }
    }
}

/// What the bot says next; `None` once it has gone.
fn hear(socket: &mut WebSocket<TcpStream>) -> Option<Value> {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// In a region in the middle of its location, for somebody who crosses a region in less than a second.
fn game_state() -> Value {
    json!({
        "you": {
            "id": 1_000_000_000, "name": "Bot", "faction": "verdant", "class": "mage", "level": 1,
            "position": { "x": 80.0, "y": 112.0 }, "velocity": { "x": 0.0, "y": 0.0 }, "max_speed": 200.0
        },
        "location": {
            "id": 1, "name": "Dawnhaven", "description": "A town.", "terrain": "town", "width": 192.0,
            "height": 192.0, "region_size": 32.0, "safe": true, "exit_reach": 3.0, "exits": []
        },
        "locations": [], "players": [], "monsters": [], "shards": [], "party": null, "quests": []
    })
}
