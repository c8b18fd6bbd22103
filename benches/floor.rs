//! What the bots' traffic costs a server that does nothing but carry it: the floor under the CPU of a player and tick.
//!
//! `floor serve BYTES SHARE` writes so many bytes to each connection in a share of the ticks, of which there are twenty a
//! second, and throws away what it reads: one `send` and half a `recv` for a player and tick, no protocol, no game. The
//! share is 1 for a server that keeps up; one that is late puts two ticks into one batch, and is compared with a floor that
//! carries as few. `floor load ADDRESS COUNT SECONDS` is its crowd: each connection says something ten times a second,
//! spread evenly over the time, and all look at their sockets as seldom as the bots do. At its end it says how many bytes
//! have come: a floor that was late itself has carried fewer than it should. `benches/bots.py` runs both, a core each, in
//! turn with the real ones.
//!
//! A failing system call ends either: there is nothing here that could go on without it.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);
/// Connections between two looks for input while a tick is written, as the server does it.
const SLICE: usize = 128;
/// Between two words of a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a masked `position_update` in JSON, about.
const WORD: usize = 110;
/// How long the crowd rests between two looks at its sockets: see `src/bots/crowd.rs`.
const REST: Duration = Duration::from_micros(250);
const EVENTS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = rlimit::increase_nofile_limit(u64::MAX).and_then(|_| run(&words));
    if let Err(error) = done {
        eprintln!("floor: {error}");
        std::process::exit(1);
    }
}

fn run(words: &[&str]) -> io::Result<()> {
    match *words {
        ["serve", bytes, share] => serve(number(bytes), share.parse().expect("a share of the ticks")),
        ["load", address, count, seconds] => load(
            address.parse().expect("an address and a port"),
            number(count),
            Duration::from_secs(number(seconds) as u64),
        ),
        // `cargo bench` and `cargo test --benches` run it with neither.
        _ => {
            println!("floor serve BYTES SHARE | floor load ADDRESS COUNT SECONDS: see benches/bots.py");
            Ok(())
        }
    }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

/// Whether a connection is written to in a tick, of which it gets a share: evenly over the ticks, and in each tick as many
/// connections as in any other.
fn is_written(peer: usize, tick: u64, share: f64) -> bool {
    // Neighbours are as far apart in their turns as they can be.
    let turns = |tick: u64| (tick as f64 * share + (peer as f64 * 0.618_034).fract()).floor();
    turns(tick + 1) > turns(tick)
}

/// Serves until it is killed; the first line it prints ends with its address.
#[allow(clippy::disallowed_methods, reason = "a program of its own: the clock is read where the loop is")]
fn serve(bytes: usize, share: f64) -> io::Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address"))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("floor listening on {}", listener.local_addr()?);
    let batch = vec![b'.'; bytes];
    let (mut events, mut buffer) = (Events::with_capacity(EVENTS), vec![0; 1 << 16]);
    let mut peers: Vec<Option<TcpStream>> = Vec::new();
    let mut due = Instant::now() + TICK;
    // Whom the tick in hand has still to be written to.
    let (mut next, mut tick) = (0, 0);
    loop {
        let is_writing = next < peers.len();
        let wait = if is_writing { Duration::ZERO } else { due.saturating_duration_since(Instant::now()) };
        poll.poll(&mut events, Some(wait))?;
        for event in &events {
            match event.token() {
                LISTENER => accept(&listener, &poll, &mut peers)?,
                Token(at) => {
                    drain(&mut peers[at], &mut buffer);
                }
            }
        }
        if is_writing {
            let slice = peers.iter_mut().enumerate().skip(next).take(SLICE);
            for (_, peer) in slice.filter(|&(at, _)| is_written(at, tick, share)) {
                // A peer that is behind misses a tick, as those who play may.
                let gone = peer.as_mut().is_some_and(|peer| {
                    peer.write(&batch).is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
                });
                if gone {
                    *peer = None;
                }
            }
            next += SLICE;
        } else if Instant::now() >= due {
            (next, tick) = (0, tick + 1);
            due = (due + TICK).max(Instant::now());
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, peers: &mut Vec<Option<TcpStream>>) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((mut peer, _)) => {
                peer.set_nodelay(true)?;
                poll.registry().register(&mut peer, Token(peers.len()), Interest::READABLE)?;
                peers.push(Some(peer));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// One read: what is shorter than the buffer was all there is. Returns how many bytes have come.
fn drain(peer: &mut Option<TcpStream>, buffer: &mut [u8]) -> usize {
    let Some(stream) = peer else { return 0 };
    match stream.read(buffer) {
        Ok(0) => *peer = None,
        Ok(read) => return read,
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => *peer = None,
        Err(_) => {}
    }
    0
}

/// Connects, then says and reads; the line it prints in between says that all are there, the last one what has come.
#[allow(clippy::disallowed_methods, reason = "a program of its own: the clock is read where the loop is")]
fn load(address: SocketAddr, count: usize, time: Duration) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut peers = Vec::with_capacity(count);
    for at in 0..count {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(at), Interest::READABLE)?;
        peers.push(Some(stream));
    }
    println!("{count} are there");
    let (mut events, mut buffer) = (Events::with_capacity(EVENTS), vec![0; 1 << 16]);
    // What came while others connected is not of the time that counts.
    for peer in &mut peers {
        drain(peer, &mut buffer);
    }
    let began = Instant::now();
    let (mut said, mut came) = (0, 0);
    while began.elapsed() < time {
        std::thread::sleep(REST);
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            came += drain(&mut peers[event.token().0], &mut buffer);
        }
        let due = (began.elapsed().as_secs_f64() / PAUSE.as_secs_f64() * count as f64) as u64;
        for word in said..due {
            if let Some(peer) = &mut peers[word as usize % count] {
                peer.write_all(&buffer[..WORD])?;
            }
        }
        said = due;
    }
    println!("{came} bytes came");
    Ok(())
}
