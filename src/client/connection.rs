//! One connection to a server: packets in, batches out.

use super::error::{Error, SendError};
use super::opening::{Opening, Settings};
use crate::packet::{self, BatchHead, ClientControl, Encoding, Kind, Packets, encode_client, read_batch};
use crate::random::Secrets;
use crate::websocket::handshake::InvalidRequest;
use crate::websocket::{self, CloseCode, Header, OpCode, Role, State, encode_masked, unmask};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// A connection of a client that sends the game's packets `In` and reads its packets `Out`.
///
/// Methods that write append to `out`, whole frames only; a masking key is taken from the secrets for each (RFC 6455
/// section 5.3: "MUST be derived from a strong source of entropy").
#[derive(Debug)]
pub struct Connection<In, Out> {
    /// Gone as soon as the WebSocket is open.
    opening: Option<Box<Opening>>,
    websocket: websocket::Connection,
    encoding: Encoding,
    /// Whether [`Event::Closed`] or [`Event::Failed`] was handed out, or the stream has ended.
    over: bool,
    /// Whether a numbered batch has come: from then on every one is.
    numbered: bool,
    /// The number of the last numbered batch.
    seq: u64,
    /// The last id given out.
    id: u32,
    packets: PhantomData<fn(In) -> Out>,
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug)]
pub enum ToServer<'p, In> {
    /// To the server itself.
    Control(&'p ClientControl),
    /// To the game.
    Game(&'p In),
}

/// What came of the bytes.
#[derive(Clone, Debug)]
pub enum Event<'e, Out> {
    /// The WebSocket is open, with packets in this encoding. Now is the time for `auth_request`.
    Open(Encoding),
    /// The next batch.
    Batch(Batch<'e, Out>),
    /// The server asked whether somebody is there, and was answered.
    Ping,
    /// The answer to [`Connection::ping`].
    Pong(&'e [u8]),
    /// The server has closed the WebSocket, and its Close frame was answered. The last event.
    Closed {
        /// Why; codes from 4000 on are those of [`Code`](crate::packet::Code).
        code: Option<CloseCode>,
        /// The same in words, where the server has some.
        reason: &'e str,
    },
    /// The connection is of no more use; the server was told so where it can be. The last event.
    Failed(Error),
}

/// One batch, whose number was the next.
#[derive(Clone, Debug)]
pub struct Batch<'e, Out> {
    batch: packet::Batch<'e>,
    out: PhantomData<fn() -> Out>,
}

impl<'e, Out: DeserializeOwned> Batch<'e, Out> {
    /// The batch's numbers.
    pub fn head(&self) -> BatchHead {
        self.batch.head
    }

    /// Its packets in order, decoded as they are asked for.
    pub fn packets(&self) -> Packets<'e, Out> {
        self.batch.packets()
    }
}

impl<In: Serialize, Out: DeserializeOwned> Connection<In, Out> {
    /// Begins: appends the handshake's request to `out`.
    ///
    /// # Errors
    /// Settings that do not fit into an HTTP request.
    pub fn open(
        settings: &Settings,
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Result<Connection<In, Out>, InvalidRequest> {
        Ok(Connection {
            opening: Some(Box::new(Opening::begin(settings, secrets, out)?)),
            websocket: websocket::Connection::new(Role::Client, settings.max_message),
            encoding: Encoding::default(),
            over: false,
            numbered: false,
            seq: 0,
            id: 0,
            packets: PhantomData,
        })
    }

    /// The next event, from the bytes at the front of `input`, which are taken off it. **Call it until it returns
    /// `None`**: then `input` is empty. Answers to pings and Close frames are appended to `out`.
    pub fn next<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Option<Event<'e, Out>> {
        if self.over {
            *input = &mut [];
            return None;
        }
        if self.opening.is_some() {
            return self.next_of_opening(input);
        }
        let may_send = self.websocket.state().may_send();
        let event = match self.websocket.next(input)? {
            websocket::Event::Text(message) => {
                read(message, Encoding::Json, self.encoding, &mut self.numbered, &mut self.seq)
            }
            websocket::Event::Binary(message) => {
                read(message, Encoding::Postcard, self.encoding, &mut self.numbered, &mut self.seq)
            }
            websocket::Event::Ping(payload) => {
                // RFC 6455 section 5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received
                // a Close frame"; nor may it once it has sent one.
                if may_send {
                    encode_masked(out, OpCode::Pong, payload, secrets.mask());
                }
                Event::Ping
            }
            websocket::Event::Pong(payload) => Event::Pong(payload),
            websocket::Event::Close(body) => {
                let (code, reason) = body.map_or((None, ""), |(code, reason)| (Some(code), reason));
                Event::Closed { code, reason }
            }
            websocket::Event::Error(error) => Event::Failed(Error::WebSocket(error)),
        };
        // The event may lend from the WebSocket's memory: what ends it is written beside it, from its events alone.
        let answer = match &event {
            Event::Closed { code, .. } => Some(*code),
            Event::Failed(error) => Some(error.close_code()),
            _ => None,
        };
        if let Some(code) = answer {
            self.over = true;
            if may_send {
                write_close(code, secrets.mask(), out);
            }
        }
        Some(event)
    }

    fn next_of_opening<'e>(&mut self, input: &mut &mut [u8]) -> Option<Event<'e, Out>> {
        match self.opening.as_mut()?.read(input) {
            Ok(encoding) => {
                self.encoding = encoding?;
                self.opening = None;
                encoding.map(Event::Open)
            }
            Err(error) => {
                self.over = true;
                *input = &mut [];
                Some(Event::Failed(error))
            }
        }
    }

    /// Appends a packet that wants no answer.
    ///
    /// # Errors
    /// The WebSocket is not open; or the packet's type cannot be encoded.
    pub fn send(
        &mut self,
        packet: ToServer<'_, In>,
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.write(None, packet, secrets, out)
    }

    /// Appends a packet with an id, which is returned: exactly one packet that answers it will carry it as `re`.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn ask(
        &mut self,
        packet: ToServer<'_, In>,
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Result<u32, SendError> {
        let id = self.id.wrapping_add(1);
        self.write(Some(id), packet, secrets, out)?;
        self.id = id;
        Ok(id)
    }

    /// Appends a WebSocket ping; does nothing while the WebSocket is not open.
    pub fn ping(&self, payload: &[u8], secrets: &mut Secrets, out: &mut Vec<u8>) {
        if self.is_open() {
            self.websocket.ping(payload, Some(secrets.mask()), out);
        }
    }

    /// Begins the closing handshake; what the server had sent before it reads this still comes. Does nothing where the
    /// WebSocket is not open.
    pub fn close(&mut self, code: CloseCode, reason: &str, secrets: &mut Secrets, out: &mut Vec<u8>) {
        if self.is_open() {
            self.websocket.close(Some(code), reason, Some(secrets.mask()), out);
        }
    }

    /// The stream has ended. `None` where that was agreed on; else what it means. Nothing more comes either way.
    pub fn end_of_stream(&mut self) -> Option<Error> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        Some(self.opening.as_ref().map_or(Error::Lost, |opening| opening.end()))
    }

    /// Numbered batches go on after `seq`: for whoever resumes a player whose last batch that was.
    pub fn resume_after(&mut self, seq: u64) {
        self.seq = seq;
    }

    /// The number of the last numbered batch; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How packets are written, once the WebSocket is open.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether packets can be sent.
    pub fn is_open(&self) -> bool {
        !self.over && self.opening.is_none() && self.websocket.state() == State::Open
    }

    /// Whether nothing more will come: once `out` is written the socket can be closed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes of memory held for what came in parts.
    pub fn buffered(&self) -> usize {
        self.websocket.buffered()
    }

    fn write(
        &self,
        id: Option<u32>,
        packet: ToServer<'_, In>,
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::NotOpen);
        }
        let start = out.len();
        // The packet is encoded where it will stand in its frame: most are short and have the shortest header.
        let payload = start + SHORT_HEADER;
        out.resize(payload, 0);
        let encoded = match packet {
            ToServer::Control(packet) => encode_client(self.encoding, Kind::Control, id, packet, out),
            ToServer::Game(packet) => encode_client(self.encoding, Kind::Game, id, packet, out),
        };
        if let Err(error) = encoded {
            out.truncate(start);
            return Err(SendError::Encode(error));
        }
        let opcode = if self.encoding.is_text() { OpCode::Text } else { OpCode::Binary };
        let (mask, end) = (secrets.mask(), out.len());
        unmask(&mut out[payload..], mask, 0);
        let header = Header::new(opcode, true, end - payload, Some(mask));
        let longer = header.len() - SHORT_HEADER;
        if longer > 0 {
            out.resize(end + longer, 0);
            out.copy_within(payload..end, payload + longer);
        }
        out[start..payload + longer].copy_from_slice(header.as_slice());
        Ok(())
    }
}

/// Bytes of a masked frame's header in front of up to 125 bytes.
const SHORT_HEADER: usize = Header::size(0, true);

/// Reads a message as a batch and its number as the next one.
fn read<'e, Out>(
    message: &'e [u8],
    came_as: Encoding,
    encoding: Encoding,
    numbered: &mut bool,
    seq: &mut u64,
) -> Event<'e, Out> {
    if came_as != encoding {
        return Event::Failed(Error::WrongKind);
    }
    let batch = match read_batch(encoding, message) {
        Ok(batch) => batch,
        Err(unreadable) => return Event::Failed(Error::Unreadable(Box::new(unreadable))),
    };
    match batch.head.seq {
        // The contract: batches up to the one with `auth_response` belong to the connection.
        0 if !*numbered => {}
        next if next == seq.wrapping_add(1) => (*numbered, *seq) = (true, next),
        other => {
            return Event::Failed(Error::OutOfOrder { expected: seq.wrapping_add(1), seq: other });
        }
    }
    Event::Batch(Batch { batch, out: PhantomData })
}

/// RFC 6455 section 5.5.1: "the endpoint typically echos the status code it received"; with none received the body is
/// empty.
fn write_close(code: Option<CloseCode>, mask: [u8; 4], out: &mut Vec<u8>) {
    match code {
        Some(code) => encode_masked(out, OpCode::Close, &code.get().to_be_bytes(), mask),
        None => encode_masked(out, OpCode::Close, &[], mask),
    }
}
