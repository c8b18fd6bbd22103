//! The real loop on real sockets: what of a message's cost `src/net` adds to the codec's.
//!
//! Server and clients share one thread and take turns: the clients write, the loop runs until it has answered all of it,
//! the clients read. Over loopback what was written is there at once, so that the loop finds the same sockets ready each
//! time, and makes the same calls. Only user instructions are counted, and nothing of the kernel's.

use super::echo::{Echo, Mode};
use super::{KEY, Rounds};
use evertick::ids::ConnId;
use evertick::net::{Clock, Control, EventLoop, Next, Service, Settings};
use evertick::outgoing::Outgoing;
use evertick::packet::Encoding;
use evertick::sim::opening;
use evertick::time::Time;
use evertick::websocket::{OpCode, encode, encode_masked};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const CLIENTS: usize = 100;
const PAYLOAD: [u8; 32] = [7; 32];

/// The service, and how much it still has to hear before the loop returns.
struct Hearing {
    echo: Echo,
    awaited: usize,
}

impl Service for Hearing {
    fn accept(&mut self, peer: SocketAddr, now: Time) -> Option<ConnId> {
        self.echo.accept(peer, now)
    }

    fn receive(&mut self, conn: ConnId, input: &mut [u8], out: &mut impl Outgoing, now: Time) -> Next {
        self.awaited -= input.len();
        self.echo.receive(conn, input, out, now)
    }

    fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.echo.flush(conn, out, now)
    }

    fn end_of_stream(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.echo.end_of_stream(conn, out, now)
    }

    fn closed(&mut self, conn: ConnId, now: Time) {
        self.echo.closed(conn, now);
    }

    fn attention(&mut self) -> Option<ConnId> {
        self.echo.attention()
    }

    fn deadline(&self) -> Option<Time> {
        self.echo.deadline()
    }

    fn due(&mut self, now: Time) {
        self.echo.due(now);
    }

    fn flushed(&mut self, now: Time) {
        self.echo.flushed(now);
    }

    fn turn(&mut self, _: Time) -> Control {
        if self.awaited == 0 { Control::Stop } else { Control::Run }
    }
}

/// 100 clients each say 32 bytes and are answered.
pub(super) fn echoed() -> Rounds {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut event_loop =
        EventLoop::bind(any, Settings::default(), Clock::start()).expect("loopback has free ports");
    let address = event_loop.local_addr();
    let opening = opening(Encoding::Postcard);
    let mut hearing = Hearing { echo: Echo::new(Mode::Echo), awaited: CLIENTS * opening.len() };
    let mut clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(address).expect("the loop listens");
            client.set_nodelay(true).expect("TCP has it");
            client.write_all(&opening).expect("the kernel has room");
            client
        })
        .collect();
    event_loop.run(&mut hearing).expect("the system polls");
    for client in &mut clients {
        read_head(client);
    }
    let (mut said, mut expected) = (Vec::new(), Vec::new());
    encode_masked(&mut said, OpCode::Binary, &PAYLOAD, KEY);
    encode(&mut expected, OpCode::Binary, &PAYLOAD);
    let mut heard = vec![0; expected.len()];
    Box::new(move |_| {
        hearing.awaited = CLIENTS * said.len();
        for client in &mut clients {
            client.write_all(&said).expect("the kernel has room");
        }
        event_loop.run(&mut hearing).expect("the system polls");
        for client in &mut clients {
            client.read_exact(&mut heard).expect("it was answered");
            assert_eq!(heard, expected);
        }
    })
}

/// The answer to the handshake, which has nothing behind it.
fn read_head(client: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("it was answered");
        head.extend_from_slice(&byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
}
