//! One thread that keeps a server busy and counts what comes back.
//!
//! Echo: each connection has so many messages in flight, and sends a new one for each that has come. Broadcast: the first
//! connection has so many in flight, and sends a new one when the oldest has come to everybody; a message counts once for
//! each whom it reached. All messages are the same bytes and come back as one unmasked frame each (from the limit as they
//! were sent), which is looked at in full on every connection before anything is measured; after that bytes are counted,
//! so that the load costs the same whatever it is put on.

use super::EVENTS;
use evertick::websocket::{OpCode, encode, encode_masked};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Bytes that one read may bring.
const BUFFER: usize = 256 << 10;
/// Time under load before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// Without anything for so long the server is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Echo,
    Broadcast,
}

impl Mode {
    pub(crate) fn named(name: &str) -> Option<Mode> {
        match name {
            "echo" => Some(Mode::Echo),
            "broadcast" => Some(Mode::Broadcast),
            _ => None,
        }
    }
}

/// A row of docs/performance.md.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) mode: Mode,
    pub(crate) connections: usize,
    /// Messages that a connection waits for; in a broadcast, the one that sends.
    pub(crate) in_flight: usize,
    /// Bytes of a message's payload.
    pub(crate) size: usize,
}

/// What it came to.
pub(crate) struct Found {
    per_second: f64,
    /// Messages with those before the measurement.
    in_all: usize,
    /// The load's own share of its core; over 0.97 it is itself what limits. None where the system does not tell.
    cpu: Option<f64>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let cpu = self.cpu.map_or("unknown".into(), |cpu| format!("{:.0} %", cpu * 100.0));
        write!(f, "{:.0} messages/s, {} in all, CPU of the load {cpu}", self.per_second, self.in_all)
    }
}

impl Load {
    pub(crate) fn named(row: &str) -> Option<Load> {
        let (mode, connections, in_flight, size) = match row {
            "e1" => (Mode::Echo, 100, 1, 32),
            "e16" => (Mode::Echo, 100, 16, 32),
            "e16k" => (Mode::Echo, 100, 16, 1024),
            "e1000" => (Mode::Echo, 1000, 1, 64),
            "e64k" => (Mode::Echo, 10, 1, 65_536),
            "f1000" => (Mode::Broadcast, 1000, 1, 128),
            "f5000" => (Mode::Broadcast, 5000, 1, 128),
            "f1000k8" => (Mode::Broadcast, 1000, 8, 128),
            _ => return None,
        };
        Some(Load { mode, connections, in_flight, size })
    }

    /// Puts the load on a server for so long. `raw`: on the limit, which is not shaken hands with. Says when all are
    /// connected: from then on the server does nothing but what is counted.
    ///
    /// # Errors
    /// The server ends a connection, answers wrongly or not at all, or the system refuses a call.
    pub(crate) fn run(self, server: SocketAddr, time: Duration, raw: bool) -> Result<Found, String> {
        let mut crowd = Crowd::open(self, server, raw)?;
        crowd.check().map_err(|error| format!("before anything was measured: {error}"))?;
        println!("{} are there", self.connections);
        crowd.load(time).map_err(|error| error.to_string())
    }
}

/// A connection to the server.
struct Peer {
    stream: TcpStream,
    /// Bytes of messages still to be written.
    unsent: usize,
    /// Where in a message the next of them is.
    at: usize,
    /// Bytes that have come of a message that is not whole yet.
    part: usize,
    /// Messages that have come.
    got: usize,
}

struct Crowd {
    load: Load,
    peers: Vec<Peer>,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    /// Messages as they are sent, one behind the other.
    out: Vec<u8>,
    /// One of them, as it is sent.
    message: Vec<u8>,
    /// And as it comes back.
    back: Vec<u8>,
    /// The oldest broadcast that has not come to everybody, and to how many it and those behind it have.
    oldest: usize,
    reached: Vec<usize>,
}

impl Crowd {
    fn open(load: Load, server: SocketAddr, raw: bool) -> Result<Crowd, String> {
        let payload: Vec<u8> = (0..load.size).map(|at| b'a' + (at % 23) as u8).collect();
        let (mut message, mut back) = (Vec::new(), Vec::new());
        encode_masked(&mut message, OpCode::Binary, &payload, KEY);
        encode(&mut back, OpCode::Binary, &payload);
        let poll = Poll::new().map_err(|error| error.to_string())?;
        let mut peers = Vec::with_capacity(load.connections);
        for at in 0..load.connections {
            let peer =
                connect(server, at, &poll, raw).map_err(|error| format!("connection {at}: {error}"))?;
            peers.push(peer);
        }
        Ok(Crowd {
            load,
            peers,
            poll,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; BUFFER],
            out: message.repeat(load.in_flight),
            back: if raw { message.clone() } else { back },
            message,
            oldest: 0,
            reached: vec![0; load.in_flight],
        })
    }

    /// One message there and back on every connection, or from the last one to all, looked at byte by byte. The last one,
    /// for the server has taken all others in before it reads that.
    fn check(&mut self) -> io::Result<()> {
        if self.load.mode == Mode::Broadcast {
            self.send(self.peers.len() - 1, 1)?;
        }
        for at in 0..self.peers.len() {
            if self.load.mode == Mode::Echo {
                self.send(at, 1)?;
            }
            self.expect(at)?;
        }
        Ok(())
    }

    /// Reads one message; fails where it is not the one that was sent.
    fn expect(&mut self, at: usize) -> io::Result<()> {
        let until = now() + PATIENCE;
        let mut got = Vec::new();
        while got.len() < self.back.len() {
            self.flush(at)?;
            match self.peers[at].stream.read(&mut self.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => got.extend_from_slice(&self.buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.poll.poll(&mut self.events, Some(Duration::from_millis(1)))?;
                }
                Err(error) => return Err(error),
            }
            if now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        if got == self.back { Ok(()) } else { Err(io::Error::other("what came back is not what was sent")) }
    }

    /// Warms up, then measures for so long.
    fn load(&mut self, time: Duration) -> io::Result<Found> {
        let senders = if self.load.mode == Mode::Echo { self.peers.len() } else { 1 };
        for at in 0..senders {
            self.send(at, self.load.in_flight)?;
        }
        let warm = now() + WARM_UP;
        while now() < warm {
            self.turn()?;
        }
        let (began, cpu_before) = (now(), cpu_time());
        let mut messages = 0;
        while began.elapsed() < time {
            messages += self.turn()?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let spent = cpu_before.zip(cpu_time()).map(|(before, now)| (now - before).as_secs_f64());
        let in_all = self.peers.iter().map(|peer| peer.got).sum();
        Ok(Found { per_second: messages as f64 / seconds, in_all, cpu: spent.map(|spent| spent / seconds) })
    }

    /// Waits once and does what is to be done. Returns how many messages have come.
    fn turn(&mut self) -> io::Result<usize> {
        self.poll.poll(&mut self.events, Some(PATIENCE))?;
        if self.events.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut messages = 0;
        // What is handled in between must not be borrowed from.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let at = event.token().0;
            if event.is_writable() {
                self.flush(at)?;
            }
            if event.is_readable() {
                let came = self.read(at)?;
                messages += came;
                match self.load.mode {
                    Mode::Echo => self.send(at, came)?,
                    Mode::Broadcast => self.heard(at, came)?,
                }
            }
        }
        self.events = events;
        Ok(messages)
    }

    /// So many broadcasts have come to this one; sends as many anew as have now come to everybody.
    fn heard(&mut self, at: usize, came: usize) -> io::Result<()> {
        let in_flight = self.load.in_flight;
        let got = self.peers[at].got;
        for round in got - came..got {
            self.reached[round % in_flight] += 1;
        }
        let mut done = 0;
        while done < in_flight && self.reached[self.oldest % in_flight] == self.peers.len() {
            self.reached[self.oldest % in_flight] = 0;
            self.oldest += 1;
            done += 1;
        }
        self.send(0, done)
    }

    /// Writes so many messages more, as far as the socket takes them.
    fn send(&mut self, at: usize, messages: usize) -> io::Result<()> {
        self.peers[at].unsent += messages * self.message.len();
        self.flush(at)
    }

    fn flush(&mut self, at: usize) -> io::Result<()> {
        let peer = &mut self.peers[at];
        while peer.unsent > 0 {
            let end = self.out.len().min(peer.at + peer.unsent);
            match peer.stream.write(&self.out[peer.at..end]) {
                Ok(taken) => {
                    peer.unsent -= taken;
                    peer.at = (peer.at + taken) % self.message.len();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what there is. Returns how many messages are whole with it.
    fn read(&mut self, at: usize) -> io::Result<usize> {
        let peer = &mut self.peers[at];
        let mut bytes = peer.part;
        loop {
            match peer.stream.read(&mut self.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    bytes += read;
                    // Shorter than the buffer: that was all.
                    if read < self.buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        peer.part = bytes % self.back.len();
        let came = bytes / self.back.len();
        peer.got += came;
        Ok(came)
    }
}

/// A connection, upgraded where the server knows what that is.
fn connect(server: SocketAddr, at: usize, poll: &Poll, raw: bool) -> io::Result<Peer> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    // Thousands of sockets that linger would disturb the next run.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.connect(&server.into())?;
    let mut stream = std::net::TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    if !raw {
        shake_hands(&mut stream, server)?;
    }
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
    Ok(Peer { stream, unsent: 0, at: 0, part: 0, got: 0 })
}

/// Asks for the upgrade and reads the answer, behind which nothing comes before something is sent.
fn shake_hands(stream: &mut std::net::TcpStream, server: SocketAddr) -> io::Result<()> {
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 101 ") {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer)))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Processor time that the process has used, where the system tells.
fn cpu_time() -> Option<Duration> {
    // proc(5): utime and stime are the 14th and 15th field, in clock ticks of 1/100 s; the second field is in
    // parentheses and may hold anything.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}
