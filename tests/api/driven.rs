//! The engine without sockets: the test says what time it is, who connects from where, and how much a peer takes.

use crate::client::upgrade;
use crate::server::{Yard, settings};
use evertick::engine::{Engine, Settings};
use evertick::ids::ConnId;
use evertick::outgoing::{Next, Outgoing};
use evertick::time::{Tick, Time, WallMs};
use evertick::websocket::{self, Connection, Event, OpCode, Role, encode_masked};
use serde_json::Value;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// The wall time at the driven engine's start.
const WALL: u64 = 1_700_000_000_000;

/// What a peer has been sent, and how much more it takes.
struct Link {
    took: Vec<u8>,
    room: usize,
    next: Next,
}

impl Outgoing for Link {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        self.took.extend_from_slice(&bytes[..taken]);
        taken
    }
}

/// An engine with the yard at `/ws`, driven by hand.
pub(crate) struct Driven {
    pub(crate) engine: Engine,
    pub(crate) now: Time,
    tick: u64,
    interval: Duration,
    links: HashMap<ConnId, Link>,
}

impl Driven {
    pub(crate) fn new(change: impl FnOnce(&mut Settings)) -> Driven {
        let mut settings = settings().engine;
        change(&mut settings);
        let interval = settings.tick_rate.interval();
        let mut engine = Engine::new(settings, 1, [7; 32]);
        engine.add_game("/ws", Yard::<false>).unwrap();
        engine.add_game("/ws/other", Yard::<true>).unwrap();
        let mut driven = Driven { engine, now: Time::START, tick: 0, interval, links: HashMap::new() };
        driven.pass(interval);
        driven
    }

    /// A connection from there; `None` where it is dropped without a word.
    pub(crate) fn accept(&mut self, ip: &str) -> Option<ConnId> {
        let ip: IpAddr = ip.parse().unwrap();
        let conn = self.engine.accept(ip, self.now)?;
        self.links.insert(conn, Link { took: Vec::new(), room: usize::MAX, next: Next::Read });
        self.attend();
        Some(conn)
    }

    /// A connection from there that has upgraded.
    pub(crate) fn upgraded(&mut self, ip: &str) -> ConnId {
        let conn = self.accept(ip).unwrap();
        self.send(conn, upgrade("/ws", "").as_bytes());
        assert_eq!(self.status(conn), 101);
        conn
    }

    /// The wall time.
    pub(crate) fn wall(&self) -> WallMs {
        WallMs(WALL + self.now.as_millis())
    }

    /// A connection from there that plays as a guest of that name.
    pub(crate) fn joined(&mut self, ip: &str, name: &str) -> ConnId {
        let conn = self.upgraded(ip);
        self.say(conn, &format!(r#"{{"type":"auth_request","data":{{"version":1,"guest":"{name}"}}}}"#));
        conn
    }

    pub(crate) fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        let mut input = bytes.to_vec();
        let mut link = self.links.remove(&conn).unwrap();
        link.next = self.engine.receive(conn, &mut input, &mut link, self.now);
        self.links.insert(conn, link);
        self.settle(conn);
        self.attend();
    }

    /// Sends one text message.
    pub(crate) fn say(&mut self, conn: ConnId, text: &str) {
        let mut frame = Vec::new();
        encode_masked(&mut frame, OpCode::Text, text.as_bytes(), [1, 2, 3, 4]);
        self.send(conn, &frame);
    }

    /// From here on the peer takes so many more bytes.
    pub(crate) fn set_room(&mut self, conn: ConnId, room: usize) {
        self.links.get_mut(&conn).unwrap().room = room;
        self.flush(conn);
    }

    /// Lets time pass, tick after tick.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now + self.interval <= end {
            self.now = self.now + self.interval;
            self.tick += 1;
            self.engine.tick(Tick(self.tick), self.now, WallMs(WALL + self.now.as_millis()));
            self.attend();
        }
        self.now = end;
    }

    /// Flushes whoever has something to send.
    pub(crate) fn attend(&mut self) {
        while let Some(conn) = self.engine.attention() {
            self.flush(conn);
        }
    }

    fn flush(&mut self, conn: ConnId) {
        let Some(mut link) = self.links.remove(&conn) else { return };
        if self.is_open(&link) {
            link.next = self.engine.flush(conn, &mut link, self.now);
        }
        self.links.insert(conn, link);
        self.settle(conn);
    }

    fn is_open(&self, link: &Link) -> bool {
        matches!(link.next, Next::Read | Next::Pause)
    }

    /// Closes the connection where the engine wants no more of it.
    fn settle(&mut self, conn: ConnId) {
        if self.links.get(&conn).is_some_and(|link| !self.is_open(link)) {
            self.engine.disconnect(conn, self.now);
        }
    }

    /// What the engine last said about a connection.
    pub(crate) fn next(&self, conn: ConnId) -> Next {
        self.links[&conn].next
    }

    /// What was written to a peer since this was last asked.
    pub(crate) fn taken(&mut self, conn: ConnId) -> Vec<u8> {
        std::mem::take(&mut self.links.get_mut(&conn).unwrap().took)
    }

    /// The status of the HTTP answer that was written, 0 for none; what follows an upgrade is left.
    pub(crate) fn status(&mut self, conn: ConnId) -> u16 {
        let took = &mut self.links.get_mut(&conn).unwrap().took;
        let Some(end) = took.windows(4).position(|four| four == b"\r\n\r\n") else { return 0 };
        let head: Vec<u8> = took.drain(..end + 4).collect();
        String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The status and the code of the refusal that was written.
    pub(crate) fn refusal(&mut self, conn: ConnId) -> (u16, String) {
        let status = self.status(conn);
        let body: Value = serde_json::from_slice(&self.taken(conn)).unwrap_or_default();
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The frames that were written to a peer: packets as JSON, and the others by name.
    pub(crate) fn frames(&mut self, conn: ConnId) -> Frames {
        let mut bytes = self.taken(conn);
        let mut input = bytes.as_mut_slice();
        let mut reader = Connection::new(Role::Client, 1 << 24);
        let mut frames = Frames::default();
        while let Some(event) = reader.next(&mut input) {
            match event {
                Event::Text(text) => {
                    let mut batch: Value = serde_json::from_slice(text).unwrap();
                    let batch_seq = batch["seq"].as_u64().unwrap();
                    let packets = batch["packets"].as_array_mut().unwrap();
                    frames.batches.push((batch_seq, packets.clone()));
                    frames.packets.append(packets);
                }
                Event::Ping(payload) => {
                    frames.pings += 1;
                    frames.asked.push(payload.to_vec());
                }
                Event::Pong(_) => frames.pongs += 1,
                Event::Close(code) => frames.close = code.map(|(code, _)| code),
                other => panic!("the server sent {other:?}"),
            }
        }
        frames
    }
}

/// What a WebSocket peer was sent.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) packets: Vec<Value>,
    /// The same by batches, each with its number.
    pub(crate) batches: Vec<(u64, Vec<Value>)>,
    pub(crate) pings: usize,
    /// What the pings carried.
    pub(crate) asked: Vec<Vec<u8>>,
    pub(crate) pongs: usize,
    pub(crate) close: Option<websocket::CloseCode>,
}

impl Frames {
    /// The close code, and the code that `disconnect` named.
    pub(crate) fn reason(&self) -> (u16, &str) {
        let named = self.packets.iter().rfind(|packet| packet["type"] == "disconnect");
        let named = named.and_then(|packet| packet["data"]["code"].as_str()).unwrap_or_default();
        (self.close.map_or(0, |code| code.get()), named)
    }
}
