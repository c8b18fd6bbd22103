//! One connection to a server: packets in, batches out.

use super::error::{Error, ResumeError, SendError};
use super::frames::{SHORT_HEADER, encode, frame, opcode, write_close};
use super::numbers::Numbers;
use super::opening::{Opening, Settings};
use super::resuming::Resuming;
use crate::packet::{self, BatchHead, ClientControl, Encoding, Packets, read_batch};
use crate::random::Secrets;
use crate::time::Time;
use crate::websocket::handshake::InvalidRequest;
use crate::websocket::{self, CloseCode, OpCode, Role, State, encode_masked};
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
    numbers: Numbers,
    /// The last id given out.
    id: u32,
    /// Where a lost connection is to be resumed.
    resuming: Option<Box<Resuming>>,
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

impl<Out> Event<'_, Out> {
    /// Where this is the last event: the code of the Close frame that goes with it; `Some(None)` is one without a code.
    fn farewell(&self) -> Option<Option<CloseCode>> {
        match self {
            Event::Closed { code, .. } => Some(*code),
            Event::Failed(error) => Some(error.close_code()),
            _ => None,
        }
    }
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
            opening: Some(Box::new(Opening::begin(settings, &settings.encodings, secrets, out)?)),
            websocket: websocket::Connection::new(Role::Client, settings.max_message),
            encoding: Encoding::default(),
            over: false,
            numbers: Numbers::default(),
            id: 0,
            resuming: settings.resume.then(|| Box::new(Resuming::new(settings.newest_only))),
            packets: PhantomData,
        })
    }

    /// The connection is over and was lost: begins another to the same player, with the same encoding. `out` loses what
    /// was not written to the old one and gets the handshake's request.
    ///
    /// There is no [`Event::Open`] this time, for who comes is known: the `auth_request` is sent by itself, and behind
    /// the batch with its `auth_response` whatever the server has not taken: [`RESEND_AT_ONCE`] messages at once, and where
    /// there are more, the others with [`Connection::resend`]. What is sent before is kept until then.
    /// Where the answer is no, it comes as any other refusal: packets, and [`Event::Closed`].
    ///
    /// [`RESEND_AT_ONCE`]: crate::limits::RESEND_AT_ONCE
    ///
    /// # Errors
    /// See [`ResumeError`]. Nothing has changed then.
    pub fn resume(
        &mut self,
        settings: &Settings,
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Result<(), ResumeError> {
        if !self.over {
            return Err(ResumeError::NotLost);
        }
        let resuming = self.resuming.as_mut().filter(|resuming| resuming.kept.is_possible());
        let resuming = resuming.ok_or(ResumeError::NoPlayer)?;
        let mut request = Vec::new();
        let opening = Opening::begin(settings, &[self.encoding], secrets, &mut request);
        self.opening = Some(Box::new(opening.map_err(ResumeError::Request)?));
        self.websocket = websocket::Connection::new(Role::Client, settings.max_message);
        self.numbers = Numbers { seq: self.numbers.seq, ..Numbers::default() };
        self.over = false;
        resuming.kept.lose();
        *out = request;
        Ok(())
    }

    /// Whether [`Connection::resume`] would find the way back, now or once the connection is lost.
    pub fn can_resume(&self) -> bool {
        self.resuming.as_ref().is_some_and(|resuming| resuming.kept.is_possible())
    }

    /// Whoever comes back with much to say does not say it at once, for a server takes only so many messages a second: this
    /// writes what may follow by `now`. Returns when to call it again; `None`: nothing waits. **Call it after every read and
    /// when that time has come**; time is whatever the driver counts in, from any start. What is sent while something waits,
    /// waits behind it.
    pub fn resend(&mut self, now: Time, secrets: &mut Secrets, out: &mut Vec<u8>) -> Option<Time> {
        let kept = &mut self.resuming.as_mut().filter(|_| !self.over)?.kept;
        let opcode = opcode(self.encoding);
        kept.turn(now).for_each(|message| encode_masked(out, opcode, message, secrets.mask()));
        kept.turn_at()
    }

    /// How many messages were sent that the server has not taken and never will: while the connection was lost there
    /// were more than are kept.
    pub fn messages_lost(&self) -> u64 {
        self.resuming.as_ref().map_or(0, |resuming| resuming.kept.lost())
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
            return match self.next_of_opening(input)? {
                Event::Open(_) if self.is_away() => {
                    self.ask_to_resume(secrets, out);
                    self.next(input, secrets, out)
                }
                event => Some(event),
            };
        }
        self.say_farewell(secrets, out);
        let may_send = self.websocket.state().may_send();
        let event = self.websocket.next(input)?;
        if let (true, websocket::Event::Ping(payload)) = (may_send, &event) {
            // RFC 6455 section 5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received
            // a Close frame"; nor may it once it has sent one.
            encode_masked(out, OpCode::Pong, payload, secrets.mask());
        }
        let mut event = meaning(event, self.encoding, &mut self.numbers);
        if let (Event::Batch(batch), Some(resuming)) = (&event, &mut self.resuming)
            && let Err(error) = enter(batch, resuming, &mut self.numbers, self.encoding, secrets, out)
        {
            event = Event::Failed(error);
        }
        // The event may lend from the WebSocket's memory: what ends it is written beside it, from its events alone.
        if let Some(code) = event.farewell() {
            self.over = true;
            if let Some(resuming) = &mut self.resuming {
                resuming.closed(code.map(CloseCode::get));
            }
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

    /// Leaves for good. Where the WebSocket is open this begins the closing handshake, and the player is gone from the world
    /// at once; what the server had sent before it reads this still comes.
    ///
    /// **Where the connection is lost the player is still in the world**, and stays until its grace is over unless somebody
    /// says otherwise: [`Connection::resume`] once more, and as soon as it is let in it closes, and sends nothing else. So
    /// where that is under way already. Nothing can be sent any more either way.
    pub fn close(&mut self, code: CloseCode, reason: &str, secrets: &mut Secrets, out: &mut Vec<u8>) {
        if self.is_away() || (self.over && self.can_resume()) {
            if let Some(resuming) = &mut self.resuming {
                resuming.farewell = Some((code, reason.to_owned()));
            }
        } else if self.is_open() {
            // The contract: "A `disconnect`, a Close frame from the client [...] ends the player at once".
            if let Some(resuming) = &mut self.resuming {
                resuming.kept.end();
            }
            self.websocket.close(Some(code), reason, Some(secrets.mask()), out);
        }
    }

    /// Whoever came back only to leave does so.
    fn say_farewell(&mut self, secrets: &mut Secrets, out: &mut Vec<u8>) {
        let Some(resuming) = self.resuming.as_mut().filter(|resuming| !resuming.kept.is_away()) else {
            return;
        };
        if let Some((code, reason)) = resuming.farewell.take() {
            self.close(code, &reason, secrets, out);
        }
    }

    /// The stream has ended. `None` where that was agreed on; else what it means. Nothing more comes either way.
    pub fn end_of_stream(&mut self) -> Option<Error> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        Some(self.opening.as_ref().map_or(Error::Lost, |opening| opening.end()))
    }

    /// Numbered batches go on after `seq`: for whoever resumes by itself, without [`Settings::resume`], a player whose
    /// last batch that was.
    pub fn resume_after(&mut self, seq: u64) {
        self.numbers.seq = seq;
    }

    /// The number of the last numbered batch; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.numbers.seq
    }

    /// How packets are written, once the WebSocket is open.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether packets can be sent.
    pub fn is_open(&self) -> bool {
        !self.is_leaving() && !self.over && self.opening.is_none() && self.websocket.state() == State::Open
    }

    /// Whether nothing more will come: once `out` is written the socket can be closed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes of memory held for what came in parts, the handshake's answer included, and for what may have to be sent
    /// again.
    pub fn buffered(&self) -> usize {
        let opening = self.opening.as_ref().map_or(0, |opening| opening.buffered());
        let kept = self.resuming.as_ref().map_or(0, |resuming| resuming.kept.buffered());
        opening + self.websocket.buffered() + kept
    }

    /// Whether a new connection has taken the place of a lost one and was not let in yet.
    fn is_away(&self) -> bool {
        !self.over && self.resuming.as_ref().is_some_and(|resuming| resuming.kept.is_away())
    }

    /// Whether it was closed while it was lost.
    fn is_leaving(&self) -> bool {
        self.resuming.as_ref().is_some_and(|resuming| resuming.farewell.is_some())
    }

    fn ask_to_resume(&self, secrets: &mut Secrets, out: &mut Vec<u8>) {
        let Some(resuming) = &self.resuming else { return };
        let (start, request) = (out.len(), resuming.request(self.numbers.seq));
        let encoded = encode::<In>(self.encoding, None, &ToServer::Control(&request), out);
        encoded.expect("control packets are plainly derived");
        frame(self.encoding, start, secrets, out);
    }

    fn write(
        &mut self,
        id: Option<u32>,
        packet: ToServer<'_, In>,
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if !self.is_open() && (!self.is_away() || self.is_leaving()) {
            return Err(SendError::NotOpen);
        }
        let start = out.len();
        let variant = encode(self.encoding, id, &packet, out)?;
        let message = &out[start + SHORT_HEADER..];
        if self.resuming.as_mut().is_some_and(|resuming| !resuming.send(&packet, variant, message)) {
            out.truncate(start);
            return Ok(());
        }
        frame(self.encoding, start, secrets, out);
        Ok(())
    }
}

/// What the WebSocket's event is to a client.
fn meaning<'e, Out>(
    event: websocket::Event<'e>,
    encoding: Encoding,
    numbers: &mut Numbers,
) -> Event<'e, Out> {
    match event {
        websocket::Event::Text(message) => read(message, Encoding::Json, encoding, numbers),
        websocket::Event::Binary(message) => read(message, Encoding::Postcard, encoding, numbers),
        websocket::Event::Ping(_) => Event::Ping,
        websocket::Event::Pong(payload) => Event::Pong(payload),
        websocket::Event::Close(None) => Event::Closed { code: None, reason: "" },
        websocket::Event::Close(Some((code, reason))) => Event::Closed { code: Some(code), reason },
        websocket::Event::Error(error) => Event::Failed(Error::WebSocket(error)),
    }
}

/// Where the batch lets a player in: its numbers begin as that says, and what was not taken is sent again, its first turn.
fn enter<Out: DeserializeOwned>(
    batch: &Batch<'_, Out>,
    resuming: &mut Resuming,
    numbers: &mut Numbers,
    encoding: Encoding,
    secrets: &mut Secrets,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if batch.head().seq != 0 {
        return Ok(());
    }
    let Some(entered) = resuming.read(batch) else { return Ok(()) };
    let begun = entered.map(|beginning| numbers.begin(beginning));
    if resuming.farewell.is_none() {
        let first = resuming.kept.first_turn();
        first.for_each(|message| encode_masked(out, opcode(encoding), message, secrets.mask()));
    }
    begun.map_err(Error::Miscounted)
}

/// Reads a message as a batch and its number as the next one.
fn read<'e, Out>(
    message: &'e [u8],
    came_as: Encoding,
    encoding: Encoding,
    numbers: &mut Numbers,
) -> Event<'e, Out> {
    if came_as != encoding {
        return Event::Failed(Error::WrongKind);
    }
    let batch = match read_batch(encoding, message) {
        Ok(batch) => batch,
        Err(unreadable) => return Event::Failed(Error::Unreadable(Box::new(unreadable))),
    };
    match numbers.follow(batch.head.seq) {
        Ok(()) => Event::Batch(Batch { batch, out: PhantomData }),
        Err(error) => Event::Failed(error),
    }
}
