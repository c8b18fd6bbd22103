//! The limit that `examples/echo.rs` is measured against, and the load for both: `benches/ratios.py` runs them in turn.
//!
//! `limit serve echo|broadcast ADDR:PORT` returns the bytes that it reads, or fans them out to everybody. It has a loop on
//! mio and no protocol: nothing that serves sockets from one thread can be much faster. A read shorter than the buffer
//! counts as all there was, what a socket does not take waits for it to be writable, nothing is registered twice: it makes
//! the system calls that a server cannot do without, and no others. It serves until it is killed.
//!
//! `limit load ROW ADDR:PORT SECONDS [--raw]` is the load, see `limit/load.rs`: masked WebSocket frames for the example, the
//! same bytes without a handshake for the limit.
//!
//! Without words, as `cargo bench` and `cargo test --benches` run it, it loads itself for a moment.

#[path = "limit/load.rs"]
mod load;

use load::{Load, Mode};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

const USAGE: &str = "limit serve echo|broadcast ADDR:PORT | limit load ROW ADDR:PORT SECONDS [--raw]";
const LISTENER: Token = Token(usize::MAX);
const EVENTS: usize = 1024;
/// Bytes that one read may bring.
const BUFFER: usize = 512 << 10;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Err(message) = run(&words) {
        eprintln!("limit: {message}");
        std::process::exit(1);
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    rlimit::increase_nofile_limit(u64::MAX).map_err(|error| format!("the limit of open files: {error}"))?;
    match *words {
        [] => try_itself(),
        ["serve", mode, address] => {
            let mode = Mode::named(mode).ok_or(USAGE)?;
            let server =
                Server::bind(parse(address)?, mode).map_err(|error| format!("{address}: {error}"))?;
            println!("limit listening on {}", server.address().map_err(|error| error.to_string())?);
            server.run().map_err(|error| error.to_string())
        }
        ["load", row, address, seconds, ref raw @ ..] if matches!(raw, [] | ["--raw"]) => {
            let load = Load::named(row).ok_or_else(|| format!("there is no row {row}"))?;
            let time = Duration::from_secs_f64(parse(seconds)?);
            println!("{row}: {}", load.run(parse(address)?, time, !raw.is_empty())?);
            Ok(())
        }
        _ => Err(format!("usage: {USAGE}")),
    }
}

fn parse<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word}: what is that? {USAGE}"))
}

/// Every kind of row for a moment, against the limit on a thread of its own.
fn try_itself() -> Result<(), String> {
    for (mode, in_flight, size) in
        [(Mode::Echo, 1, 32), (Mode::Echo, 16, 1024), (Mode::Echo, 1, 65_536), (Mode::Broadcast, 8, 128)]
    {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any, mode).map_err(|error| error.to_string())?;
        let address = server.address().map_err(|error| error.to_string())?;
        // It ends with the process.
        std::thread::spawn(|| server.run());
        let load = Load { mode, connections: 10, in_flight, size };
        println!("{load:?}: {}", load.run(address, Duration::from_millis(50), true)?);
    }
    println!("{USAGE}: see benches/ratios.py");
    Ok(())
}

/// One connection.
struct Peer {
    stream: TcpStream,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

impl Peer {
    /// Writes, behind what waits already; keeps what is not taken.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.unsent.is_empty() && !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(taken) => bytes = &bytes[taken..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        self.write(&unsent)
    }
}

struct Server {
    mode: Mode,
    poll: Poll,
    listener: TcpListener,
    peers: Slab<Peer>,
    buffer: Vec<u8>,
}

impl Server {
    fn bind(address: SocketAddr, mode: Mode) -> io::Result<Server> {
        let mut listener = TcpListener::bind(address)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Server { mode, poll, listener, peers: Slab::new(), buffer: vec![0; BUFFER] })
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                let at = event.token().0;
                if event.token() == LISTENER {
                    self.accept()?;
                } else if self.peers.contains(at) && self.ready(at, event).is_err() {
                    self.peers.remove(at);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let place = self.peers.vacant_entry();
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, Token(place.key()), interest)?;
                    place.insert(Peer { stream, unsent: Vec::new() });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Does what a connection is ready for. An error is its end, as the end of its stream is.
    fn ready(&mut self, at: usize, event: &Event) -> io::Result<()> {
        if event.is_writable() && !self.peers[at].unsent.is_empty() {
            self.peers[at].flush()?;
        }
        if event.is_readable() {
            while self.read(at)? {}
        }
        Ok(())
    }

    /// One read, and its bytes to whom they go. Returns whether there may be more to read.
    fn read(&mut self, at: usize) -> io::Result<bool> {
        let read = match self.peers[at].stream.read(&mut self.buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let bytes = &self.buffer[..read];
        match self.mode {
            Mode::Echo => self.peers[at].write(bytes)?,
            Mode::Broadcast => {
                for (_, peer) in &mut self.peers {
                    // Whoever is gone has an event of its own.
                    let _gone = peer.write(bytes);
                }
            }
        }
        Ok(read == self.buffer.len())
    }
}
