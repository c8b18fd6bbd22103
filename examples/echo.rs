//! A bare WebSocket server: how to put a protocol of one's own on Evertick's loop.
//!
//! ```sh
//! cargo run --release --example echo -- 127.0.0.1:9001 [echo|broadcast] [--compress]
//! ```
//!
//! `echo` sends each message back to where it came from, `broadcast` sends it to everybody, the sender too. Any path is
//! a WebSocket, messages may have up to 32 MiB. With `--compress` permessage-deflate is agreed to where it is offered, and
//! echoes are compressed; a broadcast is encoded once for all and stays as it is.
//!
//! What to look at, if speed and memory matter to you too:
//! - `receive` gathers the answers to all that one read has brought and hands them over in one write; there is one
//!   buffer for that, whoever is being answered. Large payloads are not even copied there.
//! - What a socket does not take is kept for its connection, and until it is gone the connection is not read: who does
//!   not read its answers cannot make the server remember more of them.
//! - In `broadcast` a message is encoded once, into a log that all connections are served from.
//! - One compressor and one decompressor serve everybody: no message refers to one before it.
//! - An idle connection owns its `Peer` and nothing else.

use evertick::http::{self, CONTINUE, Exchange, Response};
use evertick::ids::ConnId;
use evertick::net::{Clock, Control, EventLoop, Next, Service, Settings};
use evertick::outgoing::Outgoing;
use evertick::time::{Time, WallMs};
use evertick::websocket::deflate::{self, Agreed, Deflater, Inflater};
use evertick::websocket::handshake::{HandshakeError, Offer};
use evertick::websocket::{Connection, Event, Header, OpCode, Role, encode};
use slab::Slab;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::process::ExitCode;

/// Bytes of the largest message that is taken.
const MAX_MESSAGE: usize = 32 << 20;
/// Payloads of at least so many bytes are written from where they lie; smaller ones are gathered.
const WRITTEN_IN_PLACE: usize = 32 << 10;
/// Bytes kept for a connection that does not take them; over it the connection is cut. Only a broadcast gets there:
/// an echo's sender is not read while anything is kept.
const MAX_UNSENT: usize = 2 * MAX_MESSAGE;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match read_args(&args).and_then(|(address, echo)| run(address, echo)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("echo: {message}");
            ExitCode::from(2)
        }
    }
}

fn read_args(args: &[String]) -> Result<(SocketAddr, Echo), String> {
    const USAGE: &str = "usage: echo ADDR:PORT [echo|broadcast] [--compress]";
    let (mut address, mut mode, mut compress) = (None, Mode::Echo, false);
    for arg in args {
        match arg.as_str() {
            "echo" => mode = Mode::Echo,
            "broadcast" => mode = Mode::Broadcast,
            "--compress" if !deflate::AVAILABLE => {
                return Err("--compress: this was built without the feature `deflate`".into());
            }
            "--compress" => compress = true,
            other if address.is_none() => {
                address = Some(other.parse().map_err(|_| format!("{other} is not ADDR:PORT; {USAGE}"))?);
            }
            other => return Err(format!("{other}: what is that? {USAGE}")),
        }
    }
    let mut echo = Echo::new(mode);
    echo.compress = compress;
    Ok((address.ok_or(USAGE)?, echo))
}

fn run(address: SocketAddr, mut echo: Echo) -> Result<(), String> {
    let mut settings = Settings::default();
    // Nothing here grows stale while it waits to be sent: let the kernel hold as much as it can.
    settings.notsent_lowat = None;
    // Who speaks here speaks to all, and waits for all anyway.
    settings.flush_slice = 1024;
    rlimit::increase_nofile_limit(u64::MAX).map_err(|e| format!("the limit of open files: {e}"))?;
    let mut event_loop =
        EventLoop::bind(address, settings, Clock::start()).map_err(|e| format!("{address}: {e}"))?;
    println!("echo listening on ws://{}", event_loop.local_addr());
    event_loop.run(&mut echo).map_err(|e| e.to_string())
}

/// What happens to a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Echo,
    Broadcast,
}

/// The service: all connections, and what they share.
pub(crate) struct Echo {
    mode: Mode,
    /// Whether compressed messages are agreed to.
    compress: bool,
    peers: Slab<Peer>,
    /// One more than the highest slot that was ever in use.
    slots: usize,
    /// Where the round over all connections stands that brings them what is in the log.
    next_slot: usize,
    generation: u32,
    answers: Answers,
    log: Log,
    inflater: Inflater,
}

/// The answers to one read.
#[derive(Default)]
struct Answers {
    gathered: Vec<u8>,
    deflater: Deflater,
    /// One compressed answer.
    deflated: Vec<u8>,
}

/// One connection.
struct Peer {
    generation: u32,
    stage: Stage,
    /// What was agreed on about compressed messages.
    deflate: Option<Agreed>,
    unsent: Unsent,
    /// How far this connection has been given the log.
    seen: u64,
    /// When all is sent, the connection ends.
    finishing: bool,
}

/// How far a connection is.
enum Stage {
    Head(http::Connection),
    Messages(Connection),
}

impl Echo {
    pub(crate) fn new(mode: Mode) -> Echo {
        Echo {
            mode,
            compress: false,
            peers: Slab::new(),
            slots: 0,
            next_slot: 0,
            generation: 0,
            answers: Answers::default(),
            log: Log::default(),
            inflater: Inflater::default(),
        }
    }
}

impl Service for Echo {
    fn accept(&mut self, _: SocketAddr, _: Time) -> Option<ConnId> {
        self.generation = self.generation.wrapping_add(1);
        let slot = self.peers.insert(Peer {
            generation: self.generation,
            stage: Stage::Head(http::Connection::new()),
            deflate: None,
            unsent: Unsent::default(),
            seen: 0,
            finishing: false,
        });
        self.slots = self.slots.max(slot + 1);
        Some(ConnId { slot: u32::try_from(slot).ok()?, generation: self.generation })
    }

    fn receive(&mut self, conn: ConnId, mut input: &mut [u8], out: &mut impl Outgoing, _: Time) -> Next {
        let peer = &mut self.peers[conn.slot as usize];
        let log_end = self.log.end();
        self.answers.gathered.clear();
        peer.open(&mut input, self.compress, log_end, &mut self.answers.gathered);
        if let Stage::Messages(connection) = &mut peer.stage {
            while let Some(event) = match peer.deflate {
                None => connection.next(&mut input),
                Some(_) => connection.next_inflated(&mut input, &mut self.inflater),
            } {
                let (opcode, payload) = match event {
                    Event::Text(text) => (OpCode::Text, text),
                    Event::Binary(bytes) => (OpCode::Binary, bytes),
                    Event::Ping(payload) => {
                        encode(&mut self.answers.gathered, OpCode::Pong, payload);
                        continue;
                    }
                    Event::Pong(_) => continue,
                    Event::Close(_) | Event::Error(_) => {
                        peer.finishing = true;
                        connection.answer_close(None, &mut self.answers.gathered);
                        continue;
                    }
                };
                match self.mode {
                    Mode::Broadcast => self.log.append(opcode, payload),
                    Mode::Echo => self.answers.add(opcode, payload, peer.deflate, &mut peer.unsent, out),
                }
            }
        }
        peer.unsent.send(&self.answers.gathered, &[], out);
        // Who has spoken to all is read again when its own copy has been written: a log that grows faster than it is
        // written holds back those who fill it.
        if self.log.end() > log_end && !peer.finishing { Next::Pause } else { peer.next() }
    }

    fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, _: Time) -> Next {
        let peer = &mut self.peers[conn.slot as usize];
        peer.unsent.flush(out);
        if peer.hears() {
            peer.unsent.send(self.log.since(peer.seen), &[], out);
            peer.seen = self.log.end();
        }
        peer.next()
    }

    fn end_of_stream(&mut self, conn: ConnId, _: &mut impl Outgoing, _: Time) -> Next {
        let peer = &mut self.peers[conn.slot as usize];
        peer.finishing = true;
        peer.next()
    }

    fn closed(&mut self, conn: ConnId, _: Time) {
        self.peers.remove(conn.slot as usize);
    }

    /// Goes round over the connections until all have been given the log.
    fn attention(&mut self) -> Option<ConnId> {
        while !self.log.is_empty() {
            while self.next_slot < self.slots {
                let slot = self.next_slot;
                self.next_slot += 1;
                if let Some(peer) = self.peers.get(slot)
                    && peer.hears()
                    && peer.seen < self.log.end()
                {
                    return Some(ConnId { slot: slot as u32, generation: peer.generation });
                }
            }
            self.next_slot = 0;
            self.log.end_round();
        }
        None
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn due(&mut self, _: Time) {}

    fn flushed(&mut self, _: Time) {}

    fn turn(&mut self, _: Time) -> Control {
        Control::Run
    }
}

impl Answers {
    /// Sends a message back: compressed where that was agreed on, a large one at once and from where it lies.
    #[inline]
    fn add(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        deflate: Option<Agreed>,
        unsent: &mut Unsent,
        out: &mut impl Outgoing,
    ) {
        self.deflated.clear();
        if let Some(agreed) = deflate
            && self.deflater.message(payload, agreed, &mut self.deflated)
        {
            let header = Header::new(opcode, true, self.deflated.len(), None).compressed();
            self.gathered.extend_from_slice(header.as_slice());
            self.gathered.extend_from_slice(&self.deflated);
        } else if payload.len() < WRITTEN_IN_PLACE {
            encode(&mut self.gathered, opcode, payload);
        } else {
            let header = Header::new(opcode, true, payload.len(), None);
            self.gathered.extend_from_slice(header.as_slice());
            unsent.send(&self.gathered, payload, out);
            self.gathered.clear();
        }
    }
}

impl Peer {
    /// Goes on with the handshake where it is not done. From its end on the connection hears what is broadcast.
    #[inline]
    fn open(&mut self, input: &mut &mut [u8], compress: bool, log_end: u64, out: &mut Vec<u8>) {
        let Stage::Head(head) = &mut self.stage else { return };
        match open(head, input, compress, out) {
            Opening::Incomplete => {}
            Opening::Refused => self.finishing = true,
            Opening::Done(deflate) => {
                let mut connection = Connection::new(Role::Server, MAX_MESSAGE);
                if let Some(agreed) = deflate {
                    connection.agree_on(agreed);
                }
                self.stage = Stage::Messages(connection);
                self.deflate = deflate;
                self.seen = log_end;
            }
        }
    }

    /// Whether it is one of those whom a broadcast reaches.
    fn hears(&self) -> bool {
        matches!(self.stage, Stage::Messages(_)) && !self.finishing
    }

    /// What the loop shall do, now that all that could be written is.
    fn next(&self) -> Next {
        match self.unsent.len() {
            0 if self.finishing => Next::Finish,
            0 => Next::Read,
            1..=MAX_UNSENT => Next::Pause,
            _ => Next::Abort,
        }
    }
}

/// What became of a handshake.
#[derive(PartialEq, Eq)]
enum Opening {
    Incomplete,
    Done(Option<Agreed>),
    Refused,
}

/// Reads the handshake and answers it; what stands behind it is left in `input`.
fn open(head: &mut http::Connection, input: &mut &mut [u8], compress: bool, out: &mut Vec<u8>) -> Opening {
    let mut unread = &**input;
    let mut opening = Opening::Incomplete;
    while opening == Opening::Incomplete
        && let Some(event) = head.next(&mut unread)
    {
        opening = match event {
            http::Event::Request(request) => {
                match Offer::read(request.method.name(), request.version_1_1, request.headers()) {
                    Ok(offer) => {
                        let window_bits = deflate::window_bits_for(MAX_MESSAGE);
                        let deflate = if compress { offer.deflate(window_bits) } else { None };
                        offer.accept_deflate(None, deflate.as_ref(), out);
                        Opening::Done(deflate.map(|deflate| deflate.agreed()))
                    }
                    Err(error) => refuse(&refusal(error), Exchange::of(&request, wall()), out),
                }
            }
            http::Event::Error(error) => refuse(&Response::from(error), Exchange::last(wall()), out),
            _ => {
                out.extend_from_slice(CONTINUE);
                Opening::Incomplete
            }
        };
    }
    let used = input.len() - unread.len();
    *input = &mut std::mem::take(input)[used..];
    opening
}

fn refusal(error: HandshakeError) -> Response {
    let response = Response::new(error.status()).text(format!("{error}\n"));
    error.headers().iter().fold(response, |response, &(name, value)| response.header(name, value))
}

fn refuse(response: &Response, exchange: Exchange, out: &mut Vec<u8>) -> Opening {
    response.write(exchange.closing(), out);
    Opening::Refused
}

/// The time for the Date field of an HTTP answer.
#[allow(clippy::disallowed_methods, reason = "an example is its own shell")]
fn wall() -> WallMs {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallMs(since_1970.as_millis() as u64)
}

/// What a socket did not take, in the order in which it goes out.
#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    /// How many of them have gone since.
    sent: usize,
}

impl Unsent {
    fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Writes `first` and `then`, behind what is here already; keeps what is not taken.
    fn send(&mut self, first: &[u8], then: &[u8], out: &mut impl Outgoing) {
        let taken = match (self.len(), then) {
            (0, []) => out.write(first),
            (0, _) => out.write_vectored(&[IoSlice::new(first), IoSlice::new(then)]),
            _ => 0,
        };
        if taken < first.len() + then.len() {
            self.bytes.extend_from_slice(&first[taken.min(first.len())..]);
            self.bytes.extend_from_slice(&then[taken.saturating_sub(first.len())..]);
        }
    }

    /// Writes what is here; owns no memory once all of it has gone.
    fn flush(&mut self, out: &mut impl Outgoing) {
        if self.len() > 0 {
            self.sent += out.write(&self.bytes[self.sent..]);
        }
        if self.len() == 0 {
            *self = Unsent::default();
        }
    }
}

/// The broadcast messages that somebody has yet to be given, encoded once for all. Places in it are counted from the
/// start of the server, so that they stay what they are when its front is dropped.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    /// The place of its first byte.
    start: u64,
    /// Where it ended when the round over all connections began.
    round: u64,
}

impl Log {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn append(&mut self, opcode: OpCode, payload: &[u8]) {
        let begins = self.is_empty();
        encode(&mut self.bytes, opcode, payload);
        if begins {
            self.round = self.end();
        }
    }

    /// What stands behind a place.
    fn since(&self, place: u64) -> &[u8] {
        &self.bytes[(place - self.start) as usize..]
    }

    /// Everybody has been given what was here when the round began.
    fn end_round(&mut self) {
        self.bytes.drain(..(self.round - self.start) as usize);
        self.start = self.round;
        self.round = self.end();
    }
}
