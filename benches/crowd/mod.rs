//! Players by the hundred on an engine without sockets: what they are sent is counted and thrown away.

use evertick::engine::{Engine, Game, Settings};
use evertick::ids::ConnId;
use evertick::limits::JOINS_PER_TICK;
use evertick::outgoing::Outgoing;
use evertick::packet::{AuthRequest, ClientControl, Encoding, Kind, encode_client};
use evertick::sim::{Heard, PATH, Reader, opening};
use evertick::time::{TickClock, Time, WallMs};
use evertick::websocket::{OpCode, encode_masked};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Connections there is room for beside the players'.
const OTHERS: usize = 256;

/// Takes everything, and counts it.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) bytes: usize,
    pub(crate) writes: usize,
    /// The payload of a ping that stood at the end of what came last: the server asks what has arrived.
    asked: Option<[u8; 8]>,
}

impl Outgoing for Sink {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.bytes += bytes.len();
        self.writes += 1;
        self.asked = self.asked.or(asked_in(bytes));
        bytes.len()
    }
}

/// The payload of the ping that stands last, where one does.
fn asked_in(bytes: &[u8]) -> Option<[u8; 8]> {
    let (head, payload) = bytes.last_chunk::<10>()?.split_first_chunk::<2>()?;
    (*head == [0x89, 8]).then(|| payload.try_into().ok())?
}

/// An engine and its players.
pub(crate) struct Crowd {
    pub(crate) engine: Engine,
    ticks: TickClock,
    pub(crate) now: Time,
    pub(crate) players: Vec<(ConnId, Encoding)>,
    pub(crate) sink: Sink,
    /// Who was asked what has arrived, and will say so with the next tick.
    asked: Vec<(ConnId, [u8; 8])>,
}

/// What a guest sends to come in: the handshake and the first packet.
pub(crate) struct Entry {
    encoding: Encoding,
    handshake: Vec<u8>,
    request: Vec<u8>,
}

impl Entry {
    /// That of guest number `at`.
    pub(crate) fn new(at: usize, encoding: Encoding) -> Entry {
        let guest = format!("Guest {at}");
        let request = AuthRequest { version: 1, guest: Some(guest), ..AuthRequest::default() };
        let request = message(encoding, Kind::Control, &ClientControl::AuthRequest(request));
        Entry { encoding, handshake: opening(encoding), request }
    }
}

impl Crowd {
    /// `count` players who have just been let in, of up to `most`; they take turns in speaking `encodings`. `hear` gets
    /// what each was told until then.
    pub(crate) fn new<G: Game<Out: DeserializeOwned>>(
        game: G,
        count: usize,
        most: usize,
        encodings: &[Encoding],
        hear: impl FnMut(usize, Heard<G::Out>),
    ) -> Crowd {
        Crowd::of(Crowd::empty(game, most, false), count, encodings, hear)
    }

    /// The same, of players whom the server tells everything compressed.
    pub(crate) fn compressed<G: Game<Out: DeserializeOwned>>(
        game: G,
        count: usize,
        encodings: &[Encoding],
        hear: impl FnMut(usize, Heard<G::Out>),
    ) -> Crowd {
        Crowd::of(Crowd::empty(game, count, true), count, encodings, hear)
    }

    fn of<Out: DeserializeOwned>(
        mut crowd: Crowd,
        count: usize,
        encodings: &[Encoding],
        mut hear: impl FnMut(usize, Heard<Out>),
    ) -> Crowd {
        let mut readers = Vec::new();
        for at in 0..count {
            let encoding = encodings[at % encodings.len()];
            let mut received = Vec::new();
            crowd.join(&mut Entry::new(at, encoding), &mut received);
            let mut reader = Reader::new(encoding);
            reader.ask_anything();
            reader.receive(&received, &mut Vec::new()).expect("it is let in");
            readers.push(reader);
        }
        for _ in 0..count.div_ceil(JOINS_PER_TICK) {
            crowd.begin_tick();
        }
        for (at, reader) in readers.iter_mut().enumerate() {
            let (mut received, mut heard) = (Vec::new(), Vec::new());
            crowd.engine.flush(crowd.players[at].0, &mut received, crowd.now);
            let asked = asked_in(&received).map(|payload| (crowd.players[at].0, payload));
            crowd.asked.extend(asked);
            reader.receive(&received, &mut heard).expect("it is welcomed");
            heard.into_iter().for_each(|heard| hear(at, heard));
        }
        crowd.flush();
        crowd
    }

    fn empty<G: Game>(game: G, most: usize, compress: bool) -> Crowd {
        let mut settings = Settings { max_players: most, ..Settings::default() };
        settings.registry.max_connections = most + OTHERS;
        settings.registry.max_per_address = 0;
        settings.registry.connect_rate = 0;
        settings.session.compression = compress;
        // Those who only listen are not asked whether they are there, and not sent away.
        settings.session.heartbeat_interval = Duration::from_secs(1 << 30);
        settings.session.timeout = Duration::from_secs(1 << 30);
        let ticks = TickClock::new(settings.tick_rate, Time::START);
        let mut engine = Engine::new(settings, 1, [7; 32]);
        engine.add_game(PATH, game).expect("its grids can be laid out");
        Crowd {
            engine,
            ticks,
            now: Time::START,
            players: Vec::new(),
            sink: Sink::default(),
            asked: Vec::new(),
        }
    }

    /// One more guest asks to be let in; what it is told at once goes to `received`.
    pub(crate) fn join(&mut self, entry: &mut Entry, received: &mut impl Outgoing) {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let conn = self.engine.accept(here, self.now).expect("there is room");
        self.engine.receive(conn, &mut entry.handshake, received, self.now);
        self.engine.receive(conn, &mut entry.request, received, self.now);
        self.players.push((conn, entry.encoding));
    }

    /// One player sends what [`message`] made.
    pub(crate) fn receive(&mut self, at: usize, frame: &mut [u8]) {
        let conn = self.players[at].0;
        self.engine.receive(conn, frame, &mut self.sink, self.now);
        self.asked.extend(self.sink.asked.take().map(|payload| (conn, payload)));
    }

    /// The next tick comes, without its flush.
    pub(crate) fn begin_tick(&mut self) {
        self.acknowledge();
        self.now = self.ticks.deadline();
        let tick = self.ticks.advance(self.now).expect("it is due").tick;
        let wall = WallMs(1_700_000_000_000 + self.now.as_millis());
        self.engine.tick(tick, self.now, wall);
    }

    /// Everybody who has something to hear is written to.
    pub(crate) fn flush(&mut self) {
        while let Some(conn) = self.engine.attention() {
            self.engine.flush(conn, &mut self.sink, self.now);
            self.asked.extend(self.sink.asked.take().map(|payload| (conn, payload)));
        }
    }

    /// Pings are answered, as every client of RFC 6455 does.
    fn acknowledge(&mut self) {
        for (conn, payload) in self.asked.drain(..) {
            let mut pong = [0; 14];
            // Under a mask of zeros.
            pong[..2].copy_from_slice(&[0x8a, 0x88]);
            pong[6..].copy_from_slice(&payload);
            self.engine.receive(conn, &mut pong, &mut self.sink, self.now);
        }
    }
}

/// One packet of a client as one masked frame.
pub(crate) fn message<P: Serialize>(encoding: Encoding, kind: Kind, packet: &P) -> Vec<u8> {
    let (mut message, mut frame) = (Vec::new(), Vec::new());
    encode_client(encoding, kind, None, packet, &mut message).expect("a plainly derived enum");
    let opcode = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
    encode_masked(&mut frame, opcode, &message, [0x37, 0xfa, 0x21, 0x3d]);
    frame
}
