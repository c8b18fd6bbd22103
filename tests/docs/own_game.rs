//! `docs/your-own-game.md` is `examples/meadow.rs` with words around it; it is as short as is said, and it can be played.
//! The README's game is that of the crate's documentation, which is compiled.

use super::markdown::{blocks, read};
use super::meadow::{Meadow, Out};
use evertick::packet::{
    AuthRequest, ClientControl, Encoding, Kind, Packet, ServerControl, ServerPacket, encode_client,
    read_batch,
};
use evertick::server::{Server, Settings, Stopper};
use serde::Serialize;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

const EXAMPLE: &str = "examples/meadow.rs";

/// The example without the comment at its head.
fn program() -> String {
    let text = read(EXAMPLE);
    let lines: Vec<&str> = text.lines().skip_while(|line| line.starts_with("//!")).collect();
    lines.join("\n")
}

/// Lines that say something, without the space around them.
fn said(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_walk_goes_through_every_line() {
    let walk = blocks(&read("docs/your-own-game.md"), "rust").join("\n");
    assert_eq!(said(&walk), said(&program()));
}

#[test]
fn the_readme_shows_the_game_that_the_crate_s_documentation_compiles() {
    let library = read("src/lib.rs");
    let guide: Vec<&str> = library.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let guide = blocks(&guide.join("\n").replace("\n ", "\n"), "no_run");
    assert_eq!(said(&blocks(&read("README.md"), "rust").join("\n")), said(&guide[0]));
}

#[test]
fn it_is_short() {
    let program = program();
    let code = said(&program).into_iter().filter(|line| !line.starts_with("//")).count();
    assert!(code <= 90, "{code} lines");
}

/// A server of its own on a free port; stops when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    pub(crate) fn start(build: impl FnOnce(Settings) -> Server) -> Running {
        let settings =
            Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), seed: Some(1), ..Settings::default() };
        let bound = build(settings).bind().expect("a free port");
        let (address, stopper) = (bound.local_addr(), bound.stopper());
        Running { address, stopper, thread: Some(std::thread::spawn(move || bound.run())) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(Ok(())))), "{ended:?}");
    }
}

/// Somebody on the meadow.
struct Visitor {
    socket: WebSocket<TcpStream>,
    waiting: Vec<Packet<Out>>,
    id: u32,
}

impl Visitor {
    fn enter(address: SocketAddr, name: &str) -> Visitor {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a socket");
        let mut request = format!("ws://{address}/ws").into_client_request().expect("a URL");
        let subprotocol = Encoding::Json.subprotocol().parse().expect("a header's value");
        request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol);
        let (socket, _) = tungstenite::client(request, stream).expect("it speaks WebSocket");
        let mut visitor = Visitor { socket, waiting: Vec::new(), id: 0 };
        let auth = AuthRequest { version: 1, guest: Some(name.to_owned()), ..AuthRequest::default() };
        visitor.say(Kind::Control, &ClientControl::AuthRequest(auth));
        visitor.hear(|packet| matches!(packet, ServerPacket::Control(ServerControl::AuthResponse(_))));
        visitor
    }

    fn say(&mut self, kind: Kind, packet: &impl Serialize) -> u32 {
        self.id += 1;
        let mut message = Vec::new();
        encode_client(Encoding::Json, kind, Some(self.id), packet, &mut message).expect("it can be encoded");
        let message = String::from_utf8(message).expect("JSON is UTF-8");
        self.socket.send(Message::text(message)).expect("it takes messages");
        self.id
    }

    /// Says it and hears the one reply.
    fn ask(&mut self, packet: &super::meadow::In) -> ServerPacket<Out> {
        let id = self.say(Kind::Game, packet);
        loop {
            let packet = self.next();
            if packet.re == Some(id) {
                return packet.packet;
            }
        }
    }

    /// The next packet of that kind.
    fn hear(&mut self, is_meant: impl Fn(&ServerPacket<Out>) -> bool) -> ServerPacket<Out> {
        loop {
            let packet = self.next().packet;
            if is_meant(&packet) {
                return packet;
            }
        }
    }

    /// The next state of the meadow that has something, and in it the flowers and who stands where.
    fn see(&mut self, is_meant: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            if let ServerPacket::Game(Out::Meadow { players, flowers }) = self.next().packet {
                let seen = Seen { players, flowers: flowers.into_iter().collect() };
                if is_meant(&seen) {
                    return seen;
                }
            }
        }
    }

    fn next(&mut self) -> Packet<Out> {
        while self.waiting.is_empty() {
            let message = self.socket.read().expect("a batch");
            if let Message::Text(text) = message {
                let batch = read_batch(Encoding::Json, text.as_bytes()).expect("a batch");
                self.waiting = batch.packets().collect::<Result<_, _>>().expect("packets");
            }
        }
        self.waiting.remove(0)
    }
}

struct Seen {
    players: Vec<(String, (i32, i32))>,
    flowers: Vec<(i32, i32)>,
}

impl Seen {
    fn place_of(&self, name: &str) -> Option<(i32, i32)> {
        self.players.iter().find(|(other, _)| other == name).map(|(_, place)| *place)
    }
}

/// The meadow, which keeps its highscore in `folder`.
fn meadow(folder: &Path) -> Running {
    Running::start(|settings| {
        let settings = Settings { data_dir: Some(folder.to_owned()), ..settings };
        Server::new(settings).game("/ws", Meadow::default())
    })
}

#[test]
fn it_can_be_played_and_keeps_its_highscore() {
    use super::meadow::In;
    let folder = tempfile::tempdir().expect("a folder");
    let running = meadow(folder.path());
    let mut ada = Visitor::enter(running.address, "Ada");
    let mut bob = Visitor::enter(running.address, "Bob");
    let seen = ada.see(|seen| seen.place_of("Bob").is_some() && !seen.flowers.is_empty());
    let (mut at, flower) = (seen.place_of("Ada").expect("she is there"), seen.flowers[0]);
    // Where nothing grows nothing is picked.
    let nothing_here = !seen.flowers.contains(&at);
    let reply = ada.ask(&In::Pick);
    assert!(
        !nothing_here || matches!(reply, ServerPacket::Control(ServerControl::Error { .. })),
        "{reply:?}"
    );
    // One step at a time, however far one wishes to go.
    while at != flower {
        let (dx, dy) = ((flower.0 - at.0) * 9, (flower.1 - at.1) * 9);
        let reply = ada.ask(&In::Walk { dx, dy });
        assert!(matches!(reply, ServerPacket::Control(ServerControl::Ok)), "{reply:?}");
        at = (at.0 + dx.signum(), at.1 + dy.signum());
    }
    bob.see(|seen| seen.place_of("Ada") == Some(flower));
    let reply = ada.ask(&In::Pick);
    assert!(matches!(reply, ServerPacket::Control(ServerControl::Ok)), "{reply:?}");
    bob.see(|seen| !seen.flowers.contains(&flower));
    let ServerPacket::Game(Out::Highscore { picked }) = bob.ask(&In::Highscore) else {
        panic!("the highscore")
    };
    assert!(picked.get("Ada").is_some_and(|n| *n >= 1), "{picked:?}");
    ada.socket.close(None).expect("she leaves");
    bob.see(|seen| seen.place_of("Ada").is_none());
    drop((bob, running));
    // Another start knows it.
    let running = meadow(folder.path());
    let mut eve = Visitor::enter(running.address, "Eve");
    let ServerPacket::Game(Out::Highscore { picked: kept }) = eve.ask(&In::Highscore) else {
        panic!("the highscore")
    };
    assert_eq!(kept, picked);
}
