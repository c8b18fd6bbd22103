//! What a server sends to one client, read byte by byte and held against the contract (docs/protocol.md).
//!
//! A [`Reader`] is fed with whatever arrives and hands out what it says. It knows no game's rules and no time; whatever
//! the peer may never do, whoever the client is, is an error of the server, told in a sentence:
//!
//! - the handshake's answer is lawful, and so is every frame;
//! - the first packet is `connected`; `seq` is 0 up to the batch with `auth_response` and counts from 1 without gaps
//!   behind it; `tick` and `time` never go back;
//! - over several connections of one player the same: `seq` goes on, behind an `auth_response` come as many batches of
//!   before as it says, and nothing is told or answered twice;
//! - a reply answers something that was asked, once; only where everything is told afresh some may be missing;
//! - behind `disconnect` comes nothing but the Close frame with its code, behind that nothing at all; and no close with a
//!   code of the contract comes without its `disconnect`.

mod contract;

use self::contract::{Asked, Counts, Ending, batch};
use super::deflation::Deflation;
use crate::ids::PlayerId;
use crate::packet::{Code, Encoding, Packet};
use crate::time::Tick;
use crate::websocket::deflate::Inflater;
use crate::websocket::handshake::{KEY_BYTES, Request, ResponseError};
use crate::websocket::{Connection, Event, Role};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// The most bytes that one message of the server may have: whatever a game can say.
const MESSAGE: usize = 64 << 20;

/// Reads what one client is sent; `Out` are its game's packets.
#[derive(Debug)]
pub struct Reader<Out> {
    encoding: Encoding,
    stage: Stage,
    inflater: Inflater,
    pub(super) deflation: Deflation,
    counts: Counts,
    asked: Asked,
    ending: Ending,
    out: PhantomData<fn() -> Out>,
}

#[derive(Debug)]
enum Stage {
    /// Waiting for the answer to the handshake, of which this much has come.
    Opening(Vec<u8>),
    Open(Connection),
    /// The server answered by HTTP instead, with this status.
    Refused(u16),
}

/// Something the server said.
#[derive(Debug)]
pub enum Heard<Out> {
    /// A packet.
    Packet(Packet<Out>),
    /// A WebSocket ping, to be answered with this payload.
    Ping(Vec<u8>),
    /// The Close frame, with its code where it had one.
    Close(Option<u16>),
}

/// What every client opens with.
const NONCE: [u8; KEY_BYTES] = *b"a simulated peer";

/// Where the simulation's games are entered.
pub const PATH: &str = "/ws";

/// The opening handshake of a client that wants `encoding`, ready to be sent.
pub fn opening(encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    // As browsers do, unasked.
    request(encoding).offering_deflate().write(&mut out);
    out
}

fn request(encoding: Encoding) -> Request<'static> {
    const JSON: &[&str] = &[Encoding::Json.subprotocol()];
    const POSTCARD: &[&str] = &[Encoding::Postcard.subprotocol()];
    let subprotocols = match encoding {
        Encoding::Json => JSON,
        Encoding::Postcard => POSTCARD,
    };
    let request = Request::new("localhost", PATH, NONCE, subprotocols, None);
    request.expect("all of it is visible ASCII")
}

impl<Out: DeserializeOwned> Reader<Out> {
    /// A client that has just sent [`opening`].
    pub fn new(encoding: Encoding) -> Reader<Out> {
        Reader {
            encoding,
            stage: Stage::Opening(Vec::new()),
            inflater: Inflater::default(),
            deflation: Deflation::default(),
            counts: Counts::default(),
            asked: Asked::default(),
            ending: Ending::default(),
            out: PhantomData,
        }
    }

    /// The connection is lost, and the client has sent [`opening`] with this encoding over another one. What was asked over
    /// the old one to come in, by `auth_id`, is not answered any more.
    pub fn reopen(&mut self, encoding: Encoding, auth_id: Option<u32>) {
        self.encoding = encoding;
        self.stage = Stage::Opening(Vec::new());
        self.deflation.reopen();
        self.ending = Ending { mutual: self.asked.unsure, ..Ending::default() };
        (self.counts.batches, self.counts.is_in) = (0, false);
        if let Some(id) = auth_id {
            self.asked.open.remove(&id);
        }
    }

    /// [`opening`], with what this client offers over the present line.
    pub(super) fn opening(&self) -> Vec<u8> {
        let mut out = Vec::new();
        request(self.encoding).write(&mut out);
        if let Some(offer) = self.deflation.offer() {
            out.truncate(out.len() - b"\r\n".len());
            out.extend_from_slice(format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n").as_bytes());
        }
        out
    }

    /// Notes that the client sends a packet with this `id`. One id is used once.
    pub fn ask(&mut self, id: u32) {
        self.asked.open.insert(id);
    }

    /// Notes that the client sends bytes that may read as any packet: from now on any reply may come, and
    /// a Close frame may be an echo.
    pub fn ask_anything(&mut self) {
        self.asked.unsure = true;
        self.ending.mutual = true;
    }

    /// The ids that were not answered yet.
    pub fn unanswered(&self) -> impl Iterator<Item = u32> {
        self.asked.open.iter().copied()
    }

    /// Notes that the client sends a Close frame.
    pub fn closing(&mut self) {
        self.ending.mutual = true;
    }

    /// Whether the present connection was let in.
    pub fn is_in(&self) -> bool {
        self.counts.is_in
    }

    /// The tick in which it was let in last, by the batch that said so.
    pub fn entered_in(&self) -> Tick {
        Tick(self.counts.replayed.1)
    }

    /// Whether the handshake was accepted.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// The HTTP status with which the server refused the handshake.
    pub fn refused(&self) -> Option<u16> {
        match self.stage {
            Stage::Refused(status) => Some(status),
            Stage::Opening(_) | Stage::Open(_) => None,
        }
    }

    /// Who the client plays as, once it was told.
    pub fn player(&self) -> Option<PlayerId> {
        self.counts.player
    }

    /// Whether it was ever let in, into the game or its lobby.
    pub fn has_come_in(&self) -> bool {
        self.counts.player.is_some() || self.counts.is_in
    }

    /// Notes that the client has come out of the lobby as that player.
    pub fn become_player(&mut self, player: PlayerId) {
        self.counts.player = Some(player);
    }

    /// The number of the last batch.
    pub fn seq(&self) -> u64 {
        self.counts.seq
    }

    /// The reason of the `disconnect` that came.
    pub fn goodbye(&self) -> Option<Code> {
        self.ending.goodbye
    }

    /// The code of the Close frame that came; `Some(None)` is one without.
    pub fn close_code(&self) -> Option<Option<u16>> {
        self.ending.close
    }

    /// Reads what arrived; what it says is appended to `heard`.
    ///
    /// # Errors
    /// The server did what it never may.
    pub fn receive(&mut self, input: &[u8], heard: &mut Vec<Heard<Out>>) -> Result<(), String> {
        let frames = match &mut self.stage {
            Stage::Opening(received) => {
                received.extend_from_slice(input);
                self.open()?
            }
            Stage::Open(_) => input.to_vec(),
            Stage::Refused(_) => Vec::new(),
        };
        self.frames(frames, heard)
    }

    /// Reads the answer to the handshake; returns the frames that came behind it.
    fn open(&mut self) -> Result<Vec<u8>, String> {
        let Stage::Opening(received) = &mut self.stage else { return Ok(Vec::new()) };
        let request = match self.deflation.offer() {
            Some(_) => request(self.encoding).offering_deflate(),
            None => request(self.encoding),
        };
        match request.read_response(received) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(accepted)) => {
                if accepted.subprotocol != Some(self.encoding.subprotocol()) {
                    return Err(format!("the subprotocol is {:?}", accepted.subprotocol));
                }
                let frames = received.split_off(accepted.head_len);
                self.deflation.agree(received, accepted.deflate)?;
                let mut connection = Connection::new(Role::Client, MESSAGE);
                if let Some(agreed) = accepted.deflate {
                    connection.agree_on(agreed);
                }
                self.stage = Stage::Open(connection);
                Ok(frames)
            }
            Err(ResponseError::Refused { status, .. }) => {
                self.stage = Stage::Refused(status);
                Ok(Vec::new())
            }
            Err(error) => Err(format!("the answer to the handshake: {error}")),
        }
    }

    fn frames(&mut self, mut frames: Vec<u8>, heard: &mut Vec<Heard<Out>>) -> Result<(), String> {
        let Stage::Open(websocket) = &mut self.stage else { return Ok(()) };
        if self.ending.close.is_some() && !frames.is_empty() {
            return Err(format!("{} bytes behind the Close frame", frames.len()));
        }
        let mut input = frames.as_mut_slice();
        while !input.is_empty() {
            let left = input.len();
            let mut is_deflated = false;
            self.deflation.begin(input[0]);
            let event = websocket.next_inflated_if(&mut input, &mut self.inflater, |_| {
                is_deflated = true;
                true
            });
            let Some(Ok(event)) = event else { break };
            self.deflation.read(is_deflated, self.counts.replayed.0 > 0);
            let is_text = matches!(event, Event::Text(_));
            match event {
                Event::Text(_) | Event::Binary(_) if is_text != self.encoding.is_text() => {
                    return Err("the wrong kind of message".to_owned());
                }
                Event::Text(message) | Event::Binary(message) => {
                    let (counts, asked, ending) = (&mut self.counts, &mut self.asked, &mut self.ending);
                    batch(self.encoding, message, counts, asked, ending, heard)?;
                }
                Event::Ping(payload) => heard.push(Heard::Ping(payload.to_vec())),
                Event::Pong(_) => {}
                Event::Close(body) => {
                    let code = body.map(|(code, _)| code.get());
                    self.ending.close(code)?;
                    heard.push(Heard::Close(code));
                    if !input.is_empty() {
                        return Err(format!("{} of {left} bytes are behind the Close frame", input.len()));
                    }
                }
                Event::Error(error) => return Err(format!("a frame: {error}")),
            }
        }
        if self.counts.is_in {
            self.deflation.enter();
        }
        Ok(())
    }
}
