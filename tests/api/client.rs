//! Clients: one that speaks HTTP byte by byte, one that plays over tungstenite.

use crate::PATIENCE;
use crate::server::{Heard, Said};
use evertick::packet::{self, ClientControl, Encoding, Kind, ServerPacket};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;
use tungstenite::http::Response;
use tungstenite::{ClientRequestBuilder, HandshakeError, Message, WebSocket};

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The status and the error's code.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    }
}

impl From<Response<Option<Vec<u8>>>> for Answer {
    fn from(response: Response<Option<Vec<u8>>>) -> Answer {
        let (head, body) = response.into_parts();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(|(n, v)| (n.to_string(), text(v.as_bytes()))).collect(),
            body: body.unwrap_or_default(),
        }
    }
}

/// A connection on which bytes are written and answers are read.
pub(crate) struct Plain {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Plain {
    pub(crate) fn open(addr: SocketAddr) -> Plain {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Plain { stream, read: Vec::new() }
    }

    /// Writes; a server that has answered and closed meanwhile is none of this call's business.
    /// Another hand on the same socket, to write with while this one reads.
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Plain {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// The next answer, with its body.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let length: usize = answer.header("content-length").parse().unwrap_or(0);
        while self.read.len() < length {
            assert!(self.fill(), "the connection ended within a body: {answer:?}");
        }
        answer.body = self.read.drain(..length).collect();
        answer
    }

    /// The next answer's head; what follows it is left.
    pub(crate) fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            assert!(self.fill(), "the connection ended without an answer: {:?}", show(&self.read));
        };
        let head: Vec<u8> = self.read.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        };
        Answer { status, headers: lines.map(header).collect(), body: Vec::new() }
    }

    /// Reads to the end of the stream; what came until then.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.read)
    }

    /// Whether the server ends the connection without another byte.
    pub(crate) fn ends(&mut self) -> bool {
        self.rest().is_empty()
    }

    /// Reads more; false at the end of the stream, a reset included.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.read.extend_from_slice(&buffer[..n]);
                true
            }
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(e) => panic!("nothing came: {e}; so far {:?}", show(&self.read)),
        }
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}

/// One request on a connection of its own.
pub(crate) fn ask(addr: SocketAddr, method: &str, target: &str, fields: &str) -> Answer {
    let mut plain = Plain::open(addr);
    plain.send(format!("{method} {target} HTTP/1.1\r\nHost: yard\r\nConnection: close\r\n{fields}\r\n"));
    let answer = if method == "HEAD" { plain.head() } else { plain.answer() };
    assert!(plain.ends(), "nothing may follow the last answer");
    answer
}

/// One request with a body of JSON, on a connection of its own.
pub(crate) fn call(addr: SocketAddr, method: &str, target: &str, token: &str, body: &Value) -> Answer {
    let mut plain = Plain::open(addr);
    plain.send(request(method, target, token, body, "Connection: close\r\n"));
    let answer = plain.answer();
    assert!(plain.ends(), "nothing may follow the last answer");
    answer
}

/// The bytes of a request with a token, where there is one, and a body of JSON, where that is not null.
pub(crate) fn request(method: &str, target: &str, token: &str, body: &Value, fields: &str) -> String {
    let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    format!(
        "{method} {target} HTTP/1.1\r\nHost: yard\r\n{token}{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn get(addr: SocketAddr, target: &str) -> Answer {
    ask(addr, "GET", target, "")
}

/// The request that asks for a WebSocket, with more header fields.
pub(crate) fn upgrade(target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: yard\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// How a WebSocket ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// The Close frame's code; `None` where it had none, or the connection ended without one.
    pub(crate) code: Option<u16>,
    /// The packets that came before it and nobody had asked for yet.
    pub(crate) packets: Vec<Value>,
}

impl Ending {
    /// The last packet: where the server closes with a code of the contract's, its `disconnect`.
    pub(crate) fn last(&self) -> &Value {
        self.packets.last().unwrap_or(&Value::Null)
    }

    /// The close code and the code that `disconnect` named.
    pub(crate) fn reason(&self) -> (Option<u16>, &str) {
        let last = self.last();
        let named = if last["type"] == "disconnect" { last["data"]["code"].as_str() } else { None };
        (self.code, named.unwrap_or(""))
    }
}

/// Plays over tungstenite, the yard unless other packets are named. Every batch it reads is held against the contract's
/// rule of numbers.
pub(crate) struct Player<In = Said, Out = Heard> {
    pub(crate) ws: WebSocket<TcpStream>,
    encoding: Encoding,
    packets: VecDeque<Value>,
    /// The last batch's number; `None` until `auth_response` has come.
    seq: Option<u64>,
    /// Whether the next number may be any.
    is_anew: bool,
    next_id: u32,
    /// The subprotocol that the server chose.
    pub(crate) subprotocol: Option<String>,
    _packets: PhantomData<(In, Out)>,
}

impl Player {
    /// Opens a WebSocket of the yard; an HTTP answer where the server refuses.
    pub(crate) fn try_connect(
        addr: SocketAddr,
        target: &str,
        protocols: &[&str],
        fields: &[(&str, &str)],
    ) -> Result<Player, Answer> {
        Player::open(addr, target, protocols, fields)
    }

    /// Opens a WebSocket at `/ws` that speaks JSON.
    pub(crate) fn connect(addr: SocketAddr) -> Player {
        Player::try_connect(addr, "/ws", &[], &[]).unwrap_or_else(|answer| panic!("refused: {answer:?}"))
    }

    /// Comes in as a guest.
    pub(crate) fn join(addr: SocketAddr, name: &str) -> Player {
        let mut player = Player::connect(addr);
        player.authenticate(name);
        player
    }

    /// The same in the encoding of that subprotocol.
    pub(crate) fn join_speaking(addr: SocketAddr, protocol: &str, name: &str) -> Player {
        let mut player = Player::try_connect(addr, "/ws", &[protocol], &[]).unwrap();
        player.authenticate(name);
        player
    }
}

impl<In, Out> Player<In, Out>
where
    In: Serialize + DeserializeOwned,
    Out: Serialize + DeserializeOwned,
{
    /// Opens a WebSocket of any game; an HTTP answer where the server refuses.
    pub(crate) fn open(
        addr: SocketAddr,
        target: &str,
        protocols: &[&str],
        fields: &[(&str, &str)],
    ) -> Result<Player<In, Out>, Answer> {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let uri = format!("ws://{addr}{target}").parse().unwrap();
        let request = protocols.iter().fold(ClientRequestBuilder::new(uri), |r, p| r.with_sub_protocol(*p));
        let request = fields.iter().fold(request, |r, (name, value)| r.with_header(*name, *value));
        let (ws, response) = match tungstenite::client(request, stream) {
            Ok(connected) => connected,
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                return Err(Answer::from(*response));
            }
            Err(error) => panic!("the handshake failed: {error}"),
        };
        let chosen = response.headers().get("sec-websocket-protocol");
        let subprotocol = chosen.map(|value| value.to_str().unwrap().to_owned());
        let encoding = subprotocol.as_deref().and_then(Encoding::from_subprotocol);
        let encoding = encoding.unwrap_or(Encoding::Json);
        Ok(Player {
            ws,
            encoding,
            packets: VecDeque::new(),
            seq: None,
            is_anew: false,
            next_id: 1,
            subprotocol,
            _packets: PhantomData,
        })
    }

    /// The last batch's number; 0 before the first.
    pub(crate) fn seq(&self) -> u64 {
        self.seq.unwrap_or(0)
    }

    /// Numbers go on from there; `anew`: or from wherever they begin.
    pub(crate) fn go_on(&mut self, seq: u64, anew: bool) {
        assert!(self.packets.is_empty(), "auth_response is the last of its batch");
        (self.seq, self.is_anew) = (if anew { None } else { Some(seq) }, anew);
    }

    /// Says who it is; what `auth_response` holds.
    pub(crate) fn authenticate(&mut self, name: &str) -> Value {
        self.send("auth_request", json!({"version": 1, "guest": name}));
        self.packet("auth_response")["data"].clone()
    }

    /// Sends one packet without an id.
    pub(crate) fn send(&mut self, name: &str, data: Value) {
        self.send_numbered(name, None, data);
    }

    /// Sends one packet with the next id and returns that.
    pub(crate) fn ask(&mut self, name: &str, data: Value) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.send_numbered(name, Some(id), data);
        id
    }

    /// Sends one packet with an id and waits for its reply.
    pub(crate) fn request(&mut self, name: &str, data: Value) -> Value {
        let id = self.ask(name, data);
        self.wait(|packet| packet["re"] == id)
    }

    fn send_numbered(&mut self, name: &str, id: Option<u32>, data: Value) {
        let message = match self.encoding {
            Encoding::Json => {
                let mut packet = json!({"type": name, "data": data});
                if let Some(id) = id {
                    packet["id"] = id.into();
                }
                Message::text(packet.to_string())
            }
            Encoding::Postcard => Message::binary(postcard::<In>(name, id, data)),
        };
        self.ws.send(message).unwrap();
    }

    /// Sends a text frame as it stands; a connection that is closed meanwhile is found out by reading.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        let _ = self.ws.send(Message::text(text.into()));
    }

    /// The next packet of that type; those before it are let go.
    pub(crate) fn packet(&mut self, name: &str) -> Value {
        self.wait(|packet| packet["type"] == name)
    }

    /// The next packet that is the one; those before it are let go.
    pub(crate) fn wait(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut before = Vec::new();
        let began = start_of_wait();
        loop {
            assert!(began.elapsed() < PATIENCE, "it does not come; {before:?} did");
            while let Some(packet) = self.packets.pop_front() {
                if is_it(&packet) {
                    return packet;
                }
                before.push(packet);
            }
            match self.ws.read() {
                Ok(Message::Close(frame)) => panic!("closed ({frame:?}) while waiting, after {before:?}"),
                Ok(message) => self.take(&message),
                Err(error) => panic!("{error} while waiting, after {before:?}"),
            }
        }
    }

    /// A whole round trip: whatever the server had done before it is here now.
    pub(crate) fn round_trip(&mut self) {
        let pong = self.request("ping", json!({"time": 7}));
        assert_eq!((&pong["type"], &pong["data"]["time"]), (&json!("pong"), &json!(7)));
    }

    /// Reads until the connection ends.
    pub(crate) fn ending(mut self) -> Ending {
        let mut code = None;
        let began = start_of_wait();
        loop {
            assert!(began.elapsed() < PATIENCE, "the connection does not end; {:?} came", self.packets);
            match self.ws.read() {
                Ok(Message::Close(frame)) => code = frame.map(|frame| u16::from(frame.code)),
                Ok(message) => self.take(&message),
                Err(tungstenite::Error::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Ending { code, packets: self.packets.into() },
            }
        }
    }

    /// The next message whatever it is, pings included.
    pub(crate) fn read(&mut self) -> Message {
        let message = self.ws.read().unwrap();
        self.take(&message);
        message
    }

    fn take(&mut self, message: &Message) {
        let encoding = match message {
            Message::Text(_) => Encoding::Json,
            Message::Binary(_) => Encoding::Postcard,
            _ => return,
        };
        assert_eq!(encoding, self.encoding, "the server sends frames of the subprotocol's kind");
        let bytes = message.clone().into_data();
        let (seq, packets) = match encoding {
            Encoding::Json => read_json(&bytes),
            Encoding::Postcard => read_postcard::<Out>(&bytes),
        };
        let before = self.seq;
        for packet in packets {
            if packet["type"] == "auth_response" {
                self.seq = Some(0);
            }
            self.packets.push_back(packet);
        }
        match before {
            // Batches up to the one with auth_response belong to the connection.
            None if self.is_anew => (self.seq, self.is_anew) = (Some(seq), false),
            None => assert_eq!(seq, 0),
            Some(last) => {
                assert_eq!(seq, last + 1, "numbers go up by one");
                self.seq = Some(seq);
            }
        }
    }
}

/// A batch's number and its packets, whatever game's they are.
fn read_json(bytes: &[u8]) -> (u64, Vec<Value>) {
    let batch: Value = serde_json::from_slice(bytes).unwrap();
    let told = |packet: &Value| json!({"type": packet["type"], "re": packet["re"], "data": packet["data"]});
    let packets = batch["packets"].as_array().unwrap().iter().map(told).collect();
    (batch["seq"].as_u64().unwrap(), packets)
}

/// The same in postcard, where the packets' types must be known.
fn read_postcard<Out: Serialize + DeserializeOwned>(bytes: &[u8]) -> (u64, Vec<Value>) {
    let batch = packet::read_batch(Encoding::Postcard, bytes).unwrap();
    let told = |packet: packet::Packet<Out>| {
        let shown = match &packet.packet {
            ServerPacket::Control(control) => serde_json::to_value(control).unwrap(),
            ServerPacket::Game(heard) => serde_json::to_value(heard).unwrap(),
        };
        let (name, data) = match shown {
            Value::String(name) => (name, Value::Null),
            Value::Object(one) => one.into_iter().next().unwrap(),
            other => panic!("no packet: {other}"),
        };
        json!({"type": name, "re": packet.re, "data": data})
    };
    (batch.head.seq, batch.packets::<Out>().map(|packet| told(packet.unwrap())).collect())
}

/// The bytes of a packet in postcard, by way of the enums, for tests speak JSON.
fn postcard<In: Serialize + DeserializeOwned>(name: &str, id: Option<u32>, data: Value) -> Vec<u8> {
    let mut out = Vec::new();
    // A packet without fields is its name alone; one whose fields may all be missing is not.
    let bare = json!(name);
    let tagged = json!({name: data});
    let read = |tagged: &Value| serde_json::from_value::<ClientControl>(tagged.clone());
    let encoded = match read(&tagged).or_else(|_| read(&bare)) {
        Ok(control) => packet::encode_client(Encoding::Postcard, Kind::Control, id, &control, &mut out),
        Err(_) => {
            let said: In = serde_json::from_value(tagged).or_else(|_| serde_json::from_value(bare)).unwrap();
            packet::encode_client(Encoding::Postcard, Kind::Game, id, &said, &mut out)
        }
    };
    encoded.unwrap();
    out
}

/// When a wait began: heartbeats come for as long as a connection stands, so that reads alone never time out.
#[allow(clippy::disallowed_methods, reason = "only so that a test that would wait for ever fails")]
fn start_of_wait() -> Instant {
    Instant::now()
}
