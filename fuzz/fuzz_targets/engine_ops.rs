//! A sequence of operations on the engine, as a network and its peers could bring them about: connections, lawful and
//! mutated bytes cut anywhere, sockets that take little, half-closes, resets, ticks, bans and a drain. After each of them
//! the engine's books balance and every buffer is within its bounds; whoever opened lawfully is sent nothing that breaks
//! the contract; and when everybody has gone, nothing is left.
//!
//! Input: the operations as `arbitrary` reads them.

#![no_main]

use arbitrary::Arbitrary;
use evertick::engine::{Engine, Settings};
use evertick::games::eternity::packets::Channel;
use evertick::games::eternity::place::{LocationId, Point};
use evertick::games::eternity::{self, Eternity, In, Out};
use evertick::ids::{ConnId, GameId};
use evertick::packet::{AuthRequest, ClientControl, ClientTime, Encoding, Kind, encode_client};
use evertick::registry::Ban;
use evertick::sim::{PATH, Reader, Shell, opening};
use evertick::time::{TickRate, WallMs};
use evertick::websocket::{OpCode, encode_masked};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

/// Read once: the world's file is text.
static GAME: LazyLock<eternity::Settings> = LazyLock::new(eternity::Settings::default);

/// Peers at once; more are not accepted.
const PEERS: usize = 6;

#[derive(Arbitrary, Debug)]
struct Run {
    limits: Limits,
    ops: Vec<Op>,
}

/// The engine's settings, as far as they matter here.
#[derive(Arbitrary, Debug)]
struct Limits {
    little_memory: bool,
    few_players: bool,
    counts_addresses: bool,
    small_messages: bool,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Accept {
        host: u8,
        room: u16,
        postcard: bool,
    },
    /// A lawful handshake.
    Open {
        peer: u8,
    },
    Auth {
        peer: u8,
        name: u8,
        id: Option<u8>,
    },
    Packet {
        peer: u8,
        act: Act,
        id: Option<u8>,
        change: Option<(u16, u8)>,
        cut: u8,
    },
    /// The same many times over, as fast as can be.
    Flood {
        peer: u8,
        act: Act,
        times: u8,
    },
    Control {
        peer: u8,
        opcode: u8,
        payload: Vec<u8>,
    },
    Bytes {
        peer: u8,
        bytes: Vec<u8>,
    },
    End {
        peer: u8,
    },
    Reset {
        peer: u8,
    },
    Take {
        peer: u8,
        bytes: u16,
    },
    Room {
        peer: u8,
        bytes: u16,
    },
    Pass {
        ms: u16,
    },
    Tick,
    Ban {
        host: u8,
        lifted: bool,
    },
    Drain,
}

#[derive(Arbitrary, Debug)]
enum Act {
    Look,
    Nearby,
    Walk { x: i8, y: i8 },
    Exit { to: u8 },
    Say { global: bool, length: u8 },
    Ping,
    Quit,
}

/// One peer, and what it makes of what it is sent.
struct Peer {
    conn: ConnId,
    encoding: Encoding,
    /// None: it has not opened lawfully, and may be sent anything.
    reader: Option<Reader<Out>>,
    spoke: bool,
}

struct Fuzz {
    shell: Shell,
    peers: Vec<Peer>,
}

fuzz_target!(|run: Run| {
    let mut fuzz = Fuzz { shell: shell(&run.limits), peers: Vec::new() };
    for op in run.ops.into_iter().take(400) {
        fuzz.operate(op);
        fuzz.check();
    }
    fuzz.leave();
});

/// How long lost players linger: shorter than a server would have it, so that some runs see its end.
const GRACE: Duration = Duration::from_secs(1);
/// Ticks in which the sweep comes to all whose grace is over.
const SWEPT: usize = 40;

fn shell(limits: &Limits) -> Shell {
    let mut settings = Settings::default();
    let choose = |few: bool, a: usize, b: usize| if few { a } else { b };
    settings.memory_limit = choose(limits.little_memory, 8 << 10, 4 << 20);
    settings.max_players = choose(limits.few_players, 2, 1000);
    settings.registry.max_connections = choose(limits.few_players, 4, 1000);
    settings.registry.max_per_address = choose(limits.counts_addresses, 1, 0) as u32;
    settings.registry.connect_rate = choose(limits.counts_addresses, 2, 0) as u32;
    settings.session.max_message = choose(limits.small_messages, 512, 16 << 10);
    settings.session.outbox_limit = 128 << 10;
    settings.session.resume_grace = GRACE;
    let rate = TickRate::default();
    let mut engine = Engine::new(settings, 1, [7; 32]);
    engine.add_game(PATH, Eternity::new(GAME.clone())).expect("the embedded world");
    Shell::new(engine, rate, WallMs(1_700_000_000_000))
}

impl Fuzz {
    fn operate(&mut self, op: Op) {
        match op {
            Op::Accept { host, room, postcard } => self.accept(host, room, postcard),
            Op::Open { peer } => self.open(peer),
            Op::Auth { peer, name, id } => {
                let name = ["Ann", "ann", "", "O'Neill", "x#2"][usize::from(name) % 5].to_owned();
                let request = AuthRequest { version: 1, guest: Some(name), ..AuthRequest::default() };
                let id = id.map(u32::from);
                self.message(peer, Kind::Control, id, &ClientControl::AuthRequest(request), None, 0);
            }
            Op::Packet { peer, act, id, change, cut } => self.act(peer, &act, id.map(u32::from), change, cut),
            Op::Flood { peer, act, times } => {
                (0..times).for_each(|_| self.act(peer, &act, None, None, 0));
            }
            Op::Control { peer, opcode, payload } => {
                let opcode = [OpCode::Ping, OpCode::Pong, OpCode::Close][usize::from(opcode) % 3];
                let mut frame = Vec::new();
                encode_masked(&mut frame, opcode, &payload[..payload.len().min(125)], [9, 8, 7, 6]);
                self.receive(self.at(peer), &mut frame);
            }
            Op::Bytes { peer, mut bytes } => self.receive(self.at(peer), &mut bytes),
            Op::End { peer } => self.with(peer, Shell::end_of_stream),
            Op::Reset { peer } => self.with(peer, Shell::reset),
            Op::Take { peer, bytes } => self.take(peer, usize::from(bytes)),
            Op::Room { peer, bytes } => self.with(peer, |shell, conn| shell.set_capacity(conn, bytes.into())),
            Op::Pass { ms } => {
                let to = self.shell.now() + Duration::from_millis(ms.into());
                self.shell.advance(to);
                self.shell.tick();
            }
            Op::Tick => self.tick(),
            Op::Ban { host, lifted } => self.ban(host, lifted),
            Op::Drain => {
                let now = self.shell.now();
                self.shell.engine_mut().drain(now);
            }
        }
    }

    fn accept(&mut self, host: u8, room: u16, postcard: bool) {
        if self.peers.len() >= PEERS {
            return;
        }
        if let Some(conn) = self.shell.accept(ip(host), room.into()) {
            let encoding = if postcard { Encoding::Postcard } else { Encoding::Json };
            self.peers.push(Peer { conn, encoding, reader: None, spoke: false });
        }
    }

    fn open(&mut self, peer: u8) {
        let Some(at) = self.at(peer) else { return };
        let peer = &mut self.peers[at];
        if !peer.spoke {
            let mut reader = Reader::new(peer.encoding);
            reader.ask_anything();
            peer.reader = Some(reader);
        }
        let mut bytes = opening(peer.encoding);
        self.receive(Some(at), &mut bytes);
    }

    fn act(&mut self, peer: u8, act: &Act, id: Option<u32>, change: Option<(u16, u8)>, cut: u8) {
        let game = match *act {
            Act::Look => In::GetGameState,
            Act::Nearby => In::GetNearbyPlayers,
            Act::Walk { x, y } => {
                let position = Point::new(110.0 + f32::from(x) / 4.0, 110.0 + f32::from(y) / 4.0);
                In::PositionUpdate { position, velocity: Point::new(y.into(), x.into()) }
            }
            Act::Exit { to } => {
                In::Move { to_location_id: LocationId(to.into()), from_location_id: None, position: None }
            }
            Act::Say { global, length } => In::Chat {
                channel: if global { Channel::Global } else { Channel::Local },
                message: "word ".repeat(length.into()),
            },
            Act::Ping => {
                let ping = ClientControl::Ping { time: Some(ClientTime::Whole(1)) };
                return self.message(peer, Kind::Control, id, &ping, change, cut);
            }
            Act::Quit => {
                let quit = ClientControl::Disconnect { reason: String::new() };
                return self.message(peer, Kind::Control, id, &quit, change, cut);
            }
        };
        self.message(peer, Kind::Game, id, &game, change, cut);
    }

    /// One message, perhaps with a byte changed, in one read or in two.
    fn message<P: Serialize>(
        &mut self,
        peer: u8,
        kind: Kind,
        id: Option<u32>,
        packet: &P,
        change: Option<(u16, u8)>,
        cut: u8,
    ) {
        let Some(at) = self.at(peer) else { return };
        let encoding = self.peers[at].encoding;
        let (mut message, mut frame) = (Vec::new(), Vec::new());
        encode_client(encoding, kind, id, packet, &mut message).expect("a plainly derived enum");
        let opcode = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
        encode_masked(&mut frame, opcode, &message, [1, 2, 3, 4]);
        if let Some((place, bits)) = change {
            let place = usize::from(place) % frame.len();
            frame[place] ^= bits;
        }
        let (first, second) = frame.split_at_mut(usize::from(cut) % (message.len() + 1));
        for part in [first, second] {
            if !part.is_empty() {
                self.receive(Some(at), part);
            }
        }
    }

    fn receive(&mut self, at: Option<usize>, bytes: &mut [u8]) {
        let Some(peer) = at.and_then(|at| self.peers.get_mut(at)) else { return };
        if !bytes.is_empty() {
            peer.spoke = true;
            self.shell.receive(peer.conn, bytes);
            self.shell.attend(usize::MAX);
        }
    }

    /// A peer reads.
    fn take(&mut self, peer: u8, most: usize) {
        let Some(at) = self.at(peer) else { return };
        let peer = &mut self.peers[at];
        let bytes = self.shell.take(peer.conn, most);
        if let Some(reader) = &mut peer.reader {
            reader.receive(&bytes, &mut Vec::new()).expect("the server keeps the contract");
        }
    }

    fn tick(&mut self) {
        self.shell.advance(self.shell.deadline());
        self.shell.tick();
    }

    fn ban(&mut self, host: u8, lifted: bool) {
        let now = self.shell.now();
        let network = ip(host).to_string().parse().expect("an address is a network of one");
        let engine = self.shell.engine_mut();
        let id = engine.ban(Ban { network, until: None, reason: String::new() }, now);
        if let Some(id) = id.filter(|_| lifted) {
            assert!(engine.lift_ban(id), "it was just added");
        }
    }

    fn with(&mut self, peer: u8, act: impl FnOnce(&mut Shell, ConnId)) {
        if let Some(at) = self.at(peer) {
            act(&mut self.shell, self.peers[at].conn);
        }
    }

    fn at(&self, peer: u8) -> Option<usize> {
        usize::from(peer).checked_rem(self.peers.len())
    }

    fn check(&mut self) {
        self.shell.attend(usize::MAX);
        self.shell.engine().audit().expect("the books balance");
        let shell = &mut self.shell;
        self.peers.retain(|peer| {
            let is_over = shell.is_closed(peer.conn) && shell.unsent(peer.conn) == 0;
            if is_over {
                shell.forget(peer.conn);
            }
            !is_over
        });
    }

    /// Everybody goes, those who may come back after their grace, and nothing is left.
    fn leave(mut self) {
        for peer in &self.peers {
            self.shell.reset(peer.conn);
        }
        self.tick();
        let over = self.shell.now() + GRACE;
        self.shell.advance(over);
        for _ in 0..SWEPT {
            self.tick();
        }
        self.shell.attend(usize::MAX);
        let engine = self.shell.engine();
        engine.audit().expect("the books balance");
        let members = engine.members(GameId(0)).count();
        assert_eq!([engine.connections(), engine.players(), members, engine.memory()], [0; 4]);
    }
}

fn ip(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host % 4))
}
