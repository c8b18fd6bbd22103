//! The client against the real engine in memory: what one writes, the other reads.

use super::{Connection, Error, Event, Settings, ToServer};
use crate::engine::{Context, Engine, Game, Input, Refusal as Refused, Settings as EngineSettings, To};
use crate::ids::ConnId;
use crate::limits::RESEND_MESSAGES;
use crate::outgoing::Next;
use crate::packet::{AuthRequest, ClientControl, ClientTime, Code, Encoding, ServerControl, ServerPacket};
use crate::random::Secrets;
use crate::session;
use crate::time::{Tick, Time, WallMs};
use crate::websocket::CloseCode;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Say {
    Shout { text: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hear {
    Shout { text: String },
}

/// Tells everybody what anybody says.
struct Square;

impl Game for Square {
    type In = Say;
    type Out = Hear;
    const NAME: &'static str = "square";

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<Say>) -> Result<(), Refused> {
        if let Input::Packet { packet: Say::Shout { text }, .. } = input {
            ctx.send(To::Everyone, &Hear::Shout { text });
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}
}

/// One client and one server with a wire between them.
struct Wire {
    engine: Engine,
    conn: ConnId,
    client: Connection<Say, Hear>,
    secrets: Secrets,
    /// On the way to the server.
    up: Vec<u8>,
    /// On the way to the client.
    down: Vec<u8>,
    tick: u64,
    heard: Vec<Heard>,
}

/// An event that lends from nobody.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Open(Encoding),
    Batch(u64, Vec<(Option<u32>, ServerPacket<Hear>)>),
    Ping,
    Pong(Vec<u8>),
    Closed(Option<u16>, String),
    Failed(Error),
}

impl From<Event<'_, Hear>> for Heard {
    fn from(event: Event<'_, Hear>) -> Heard {
        match event {
            Event::Open(encoding) => Heard::Open(encoding),
            Event::Batch(batch) => {
                let packets = batch.packets().map(|p| p.expect("it was written by us"));
                Heard::Batch(batch.head().seq, packets.map(|p| (p.re, p.packet)).collect())
            }
            Event::Ping => Heard::Ping,
            Event::Pong(payload) => Heard::Pong(payload.to_vec()),
            Event::Closed { code, reason } => Heard::Closed(code.map(CloseCode::get), reason.to_owned()),
            Event::Failed(error) => Heard::Failed(error),
        }
    }
}

fn engine_settings() -> EngineSettings {
    let session = session::Settings { message_burst: 1000, ..session::Settings::default() };
    EngineSettings { session, ..EngineSettings::default() }
}

impl Wire {
    fn new(encoding: Encoding) -> Wire {
        Wire::with(encoding, engine_settings(), "/ws")
    }

    fn with(encoding: Encoding, settings: EngineSettings, path: &str) -> Wire {
        let mut engine = Engine::new(settings, 1, [1; 32]);
        engine.add_game("/ws", Square).unwrap();
        engine.tick(Tick(1), Time::START, WallMs(1_700_000_000_000));
        let conn = engine.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), Time::START).unwrap();
        let (mut secrets, mut up) = (Secrets::new([2; 32]), Vec::new());
        let mut settings = Settings::new("localhost", path);
        (settings.encodings, settings.resume) = (vec![encoding], true);
        let client = Connection::open(&settings, &mut secrets, &mut up).unwrap();
        Wire { engine, conn, client, secrets, up, down: Vec::new(), tick: 1, heard: Vec::new() }
    }

    fn now(&self) -> Time {
        Time::START + Duration::from_millis(50 * self.tick)
    }

    /// Carries everything both ways once, to the client in pieces of the given sizes.
    fn carry(&mut self, pieces: &mut impl Iterator<Item = usize>) -> Next {
        let now = self.now();
        let mut up = std::mem::take(&mut self.up);
        let mut next = Next::Read;
        if !up.is_empty() {
            next = self.engine.receive(self.conn, &mut up, &mut self.down, now);
        }
        while let Some(conn) = self.engine.attention() {
            assert_eq!(conn, self.conn);
            next = self.engine.flush(conn, &mut self.down, now);
        }
        let down = std::mem::take(&mut self.down);
        self.hear(down, pieces);
        next
    }

    fn hear(&mut self, mut down: Vec<u8>, pieces: &mut impl Iterator<Item = usize>) {
        let mut rest = &mut down[..];
        while !rest.is_empty() {
            let piece = pieces.next().unwrap_or(rest.len()).clamp(1, rest.len());
            let mut input = rest.split_off_mut(..piece).unwrap();
            while let Some(event) = self.client.next(&mut input, &mut self.secrets, &mut self.up) {
                self.heard.push(event.into());
            }
            assert!(input.is_empty(), "all of the input is used");
        }
    }

    /// Carries so many bytes each way, then the line is cut and the client comes back over another.
    fn carry_and_cut(&mut self, (up, down): (usize, usize)) {
        self.up.truncate(up);
        let now = self.now();
        let mut sent = std::mem::take(&mut self.up);
        if !sent.is_empty() {
            self.engine.receive(self.conn, &mut sent, &mut self.down, now);
        }
        while let Some(conn) = self.engine.attention() {
            self.engine.flush(conn, &mut self.down, now);
        }
        let mut received = std::mem::take(&mut self.down);
        received.truncate(down);
        self.hear(received, &mut std::iter::empty());
        self.engine.disconnect(self.conn, now);
        assert_eq!(self.client.end_of_stream(), Some(Error::Lost));
        self.conn = self.engine.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), now).unwrap();
        let mut settings = Settings::new("localhost", "/ws");
        settings.resume = true;
        self.client.resume(&settings, &mut self.secrets, &mut self.up).unwrap();
    }

    fn settle(&mut self) {
        self.carry(&mut std::iter::empty());
        self.carry(&mut std::iter::empty());
    }

    fn run_tick(&mut self) {
        self.tick += 1;
        self.engine.tick(Tick(self.tick), self.now(), WallMs(1_700_000_000_000 + 50 * self.tick));
    }

    fn ask(&mut self, packet: ToServer<'_, Say>) -> u32 {
        self.client.ask(packet, &mut self.secrets, &mut self.up).unwrap()
    }

    fn log_in(&mut self) {
        self.ask(ToServer::Control(&guest()));
    }

    fn shout(&mut self, text: &str) {
        let packet = Say::Shout { text: text.to_owned() };
        self.client.send(ToServer::Game(&packet), &mut self.secrets, &mut self.up).unwrap();
    }
}

fn guest() -> ClientControl {
    ClientControl::AuthRequest(AuthRequest {
        version: 1,
        guest: Some("Ann".to_owned()),
        ..Default::default()
    })
}

fn re_of(heard: &Heard) -> Option<u32> {
    match heard {
        Heard::Batch(_, packets) => packets.iter().find_map(|(re, _)| *re),
        _ => None,
    }
}

#[test]
fn a_visit_from_the_handshake_to_the_goodbye() {
    for encoding in Encoding::ALL {
        let mut wire = Wire::new(encoding);
        assert!(!wire.client.is_open());
        wire.settle();
        assert_eq!(wire.heard[0], Heard::Open(encoding));
        assert!(
            matches!(&wire.heard[1], Heard::Batch(0, packets) if matches!(
                packets[..], [(None, ServerPacket::Control(ServerControl::Connected { tick_rate: 20, .. }))])),
            "{:?}",
            wire.heard
        );
        wire.heard.clear();
        wire.log_in();
        wire.settle();
        assert_eq!((wire.heard.len(), re_of(&wire.heard[0])), (1, Some(1)), "auth_response");
        wire.run_tick();
        wire.heard.clear();
        wire.shout("hello");
        // Over 125 bytes: the longer header.
        wire.shout(&"long ".repeat(40));
        wire.settle();
        wire.run_tick();
        wire.settle();
        let shout = |text: &str| (None, ServerPacket::Game(Hear::Shout { text: text.to_owned() }));
        assert_eq!(wire.heard, [Heard::Batch(1, vec![shout("hello"), shout(&"long ".repeat(40))])]);
        assert_eq!(wire.client.seq(), 1);
        wire.heard.clear();
        let id = wire.ask(ToServer::Control(&ClientControl::Ping { time: Some(ClientTime::Whole(7)) }));
        wire.client.ping(b"there?", &mut wire.secrets, &mut wire.up);
        wire.settle();
        assert_eq!(wire.heard[0], Heard::Pong(b"there?".to_vec()));
        assert_eq!(re_of(&wire.heard[1]), Some(id));
        wire.heard.clear();
        wire.client.close(CloseCode::NORMAL, "bye", &mut wire.secrets, &mut wire.up);
        assert!(!wire.client.is_open() && !wire.client.is_over());
        let shout = Say::Shout { text: String::new() };
        let sent = wire.client.send(ToServer::Game(&shout), &mut wire.secrets, &mut wire.up);
        assert_eq!(sent, Err(super::SendError::NotOpen));
        assert_eq!(wire.carry(&mut std::iter::empty()), Next::Finish);
        assert_eq!(wire.heard, [Heard::Closed(Some(1000), String::new())]);
        assert!(wire.client.is_over() && wire.up.is_empty());
        assert_eq!((wire.client.end_of_stream(), wire.client.buffered()), (None, 0));
    }
}

#[test]
fn the_answer_to_the_handshake_counts_as_long_as_it_comes_in_parts() {
    let mut wire = Wire::new(Encoding::Json);
    assert_eq!(wire.client.buffered(), 0);
    let part = b"HTTP/1.1 101 Switching Protocols\r\nX-Part: ".to_vec();
    wire.hear(part.clone(), &mut std::iter::empty());
    assert!((part.len()..1024).contains(&wire.client.buffered()), "{}", wire.client.buffered());
    let mut wire = Wire::new(Encoding::Json);
    wire.carry(&mut std::iter::repeat(1));
    assert!(wire.heard.contains(&Heard::Open(Encoding::Json)));
    assert_eq!(wire.client.buffered(), 0, "it is gone with the handshake");
}

#[test]
fn a_close_of_the_servers_is_answered_and_says_why() {
    let mut wire = Wire::new(Encoding::Json);
    wire.settle();
    wire.log_in();
    wire.settle();
    wire.heard.clear();
    wire.engine.close(wire.conn, Code::Kicked, "out", None, wire.now());
    wire.carry(&mut std::iter::empty());
    assert!(matches!(&wire.heard[..], [Heard::Batch(..), Heard::Closed(Some(4017), why)] if why == "kicked"));
    assert_eq!((wire.up[0], wire.up[1]), (0x88, 0x82), "a masked Close frame of two bytes");
}

#[test]
fn a_ping_is_answered() {
    let mut wire = Wire::new(Encoding::Postcard);
    wire.settle();
    wire.heard.clear();
    wire.hear(vec![0x89, 2, b'h', b'i'], &mut std::iter::empty());
    assert_eq!(wire.heard, [Heard::Ping]);
    let (mask, payload) = (&wire.up[2..6], &wire.up[6..]);
    assert_eq!(wire.up[..2], [0x8a, 0x82]);
    assert_eq!([payload[0] ^ mask[0], payload[1] ^ mask[1]], *b"hi");
}

#[test]
fn a_refusal_before_the_upgrade_is_told_in_the_contracts_words() {
    let mut settings = engine_settings();
    settings.registry.max_connections = 0;
    let mut full = Wire::with(Encoding::Json, settings, "/ws");
    full.settle();
    let Some(Heard::Failed(Error::Refused(refusal))) = full.heard.last() else { panic!("{:?}", full.heard) };
    assert_eq!((refusal.status, refusal.code), (503, Some(Code::Busy)));
    let mut lost = Wire::with(Encoding::Json, engine_settings(), "/nowhere");
    lost.settle();
    let Some(Heard::Failed(Error::Refused(refusal))) = lost.heard.last() else { panic!("{:?}", lost.heard) };
    assert_eq!(refusal.status, 404);
    assert_eq!(lost.client.end_of_stream(), None, "it was told");
}

#[test]
fn a_refusal_of_unknown_length_ends_with_the_stream() {
    let mut wire = Wire::new(Encoding::Json);
    wire.hear(b"HTTP/1.1 502 Bad Gateway\r\n\r\nthe proxy".to_vec(), &mut std::iter::repeat(3));
    assert_eq!(wire.heard, []);
    let Some(Error::Refused(refusal)) = wire.client.end_of_stream() else { panic!("it was refused") };
    assert_eq!((refusal.status, refusal.code, refusal.message.as_str()), (502, None, ""));
    assert_eq!(Wire::new(Encoding::Json).client.end_of_stream(), Some(Error::Lost));
}

/// A client that is logged in and hears `message`, of the given opcode, from the server.
fn hears(message: &[u8], opcode: u8) -> (Vec<Heard>, Vec<u8>) {
    let mut wire = Wire::new(Encoding::Json);
    wire.settle();
    wire.heard.clear();
    let mut frame = vec![0x80 | opcode, message.len() as u8];
    frame.extend_from_slice(message);
    wire.hear(frame, &mut std::iter::empty());
    (wire.heard, wire.up)
}

#[test]
fn each_fault_of_the_server_has_its_error_and_its_close() {
    let close = |up: &[u8]| {
        assert_eq!(up[..2], [0x88, 0x82]);
        u16::from_be_bytes([up[6] ^ up[2], up[7] ^ up[3]])
    };
    let gap = br#"{"seq":2,"tick":1,"time":1,"packets":[]}"#;
    let (heard, up) = hears(gap, 1);
    assert_eq!(heard, [Heard::Failed(Error::OutOfOrder { expected: 1, seq: 2 })]);
    assert_eq!(close(&up), 1008);
    let (heard, up) = hears(gap, 2);
    assert_eq!((heard, close(&up)), (vec![Heard::Failed(Error::WrongKind)], 1003));
    let (heard, up) = hears(b"{}", 1);
    assert!(matches!(heard[..], [Heard::Failed(Error::Unreadable(_))]));
    assert_eq!(close(&up), 1007);
    let (heard, up) = hears(b"", 3);
    assert!(matches!(heard[..], [Heard::Failed(Error::WebSocket(_))]));
    assert_eq!(close(&up), 1002);
}

#[test]
fn numbers_begin_at_one_and_have_no_gaps() {
    let batch = |seq: u64| format!(r#"{{"seq":{seq},"tick":1,"time":1,"packets":[]}}"#);
    let run = |after: u64, seqs: &[u64]| {
        let mut wire = Wire::new(Encoding::Json);
        wire.settle();
        wire.client.resume_after(after);
        wire.heard.clear();
        for &seq in seqs {
            let text = batch(seq);
            let mut frame = vec![0x81, text.len() as u8];
            frame.extend_from_slice(text.as_bytes());
            wire.hear(frame, &mut std::iter::empty());
        }
        wire.heard.last().cloned()
    };
    assert_eq!(run(0, &[0, 0, 1, 2]), Some(Heard::Batch(2, vec![])));
    assert_eq!(run(41, &[0, 42]), Some(Heard::Batch(42, vec![])), "a player who was there before");
    let wrong = |expected, seq| Some(Heard::Failed(Error::OutOfOrder { expected, seq }));
    assert_eq!(run(0, &[1, 1]), wrong(2, 1));
    assert_eq!(run(0, &[1, 3]), wrong(2, 3));
    assert_eq!(run(0, &[1, 0]), wrong(2, 0));
    assert_eq!(run(41, &[1]), wrong(42, 1));
}

/// A conversation in which the client's reads are cut as `pieces` says.
fn conversation(encoding: Encoding, texts: &[String], mut pieces: impl Iterator<Item = usize>) -> Vec<Heard> {
    let mut wire = Wire::new(encoding);
    wire.carry(&mut pieces);
    wire.log_in();
    wire.carry(&mut pieces);
    wire.run_tick();
    for text in texts {
        wire.shout(text);
        wire.carry(&mut pieces);
        wire.run_tick();
        wire.carry(&mut pieces);
    }
    wire.client.close(CloseCode::NORMAL, "", &mut wire.secrets, &mut wire.up);
    wire.carry(&mut pieces);
    wire.heard
}

/// A server takes 60 messages a second and 120 at once: whoever has more to say when it comes back is refused none of it.
#[test]
fn much_that_was_said_while_away_is_taken_to_the_last_word() {
    let mut settings = engine_settings();
    settings.session = session::Settings::default();
    assert_eq!((settings.session.message_rate, settings.session.message_burst), (60, 120));
    settings.registry.connect_rate = 0;
    let mut wire = Wire::with(Encoding::Json, settings, "/ws");
    wire.settle();
    wire.log_in();
    wire.settle();
    wire.carry_and_cut((0, 0));
    let said: Vec<String> = (0..RESEND_MESSAGES).map(|number| number.to_string()).collect();
    said.iter().for_each(|word| wire.shout(word));
    for _ in 0..200 {
        wire.client.resend(wire.now(), &mut wire.secrets, &mut wire.up);
        wire.settle();
        wire.run_tick();
    }
    assert_eq!(shouts(wire.heard), said);
}

/// What is heard of so many shouts where the line is cut after each of them, and while the client comes back, as `cuts`
/// says.
fn shouts_over_cuts(encoding: Encoding, count: usize, cuts: &[(usize, usize)]) -> Vec<String> {
    let mut settings = engine_settings();
    settings.registry.connect_rate = 0;
    settings.registry.max_per_address = 0;
    let mut wire = Wire::with(encoding, settings, "/ws");
    wire.settle();
    wire.log_in();
    wire.settle();
    wire.run_tick();
    let mut cuts = cuts.iter();
    for number in 0..count {
        wire.shout(&format!("{number}"));
        for _ in 0..3 {
            match cuts.next() {
                Some(&cut) => wire.carry_and_cut(cut),
                None => drop(wire.carry(&mut std::iter::empty())),
            }
            wire.run_tick();
        }
    }
    for _ in 0..4 {
        wire.settle();
        wire.run_tick();
    }
    shouts(wire.heard)
}

fn shouts(heard: Vec<Heard>) -> Vec<String> {
    let packets = heard.into_iter().filter_map(|heard| match heard {
        Heard::Batch(_, packets) => Some(packets),
        Heard::Failed(error) => panic!("{error}"),
        _ => None,
    });
    let shouts = packets.flatten().filter_map(|(_, packet)| match packet {
        ServerPacket::Game(Hear::Shout { text }) => Some(text),
        ServerPacket::Control(ServerControl::Error { code, .. }) => panic!("refused: {code}"),
        ServerPacket::Control(_) => None,
    });
    shouts.collect()
}

proptest! {
    /// Wherever the line is cut, and however often: what is sent is done once, in order, and heard once.
    #[test]
    fn cut_lines_change_nothing(
        postcard in any::<bool>(),
        count in 1usize..8,
        cuts in prop::collection::vec((0usize..500, 0usize..900), 0..24),
    ) {
        let encoding = if postcard { Encoding::Postcard } else { Encoding::Json };
        let said: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        prop_assert_eq!(shouts_over_cuts(encoding, count, &cuts), said);
    }

    /// The events depend on the bytes alone.
    #[test]
    fn cuts_change_nothing(
        postcard in any::<bool>(),
        texts in prop::collection::vec("\\PC{0,300}", 0..6),
        pieces in prop::collection::vec(1usize..200, 0..64),
    ) {
        let encoding = if postcard { Encoding::Postcard } else { Encoding::Json };
        let whole = conversation(encoding, &texts, std::iter::empty());
        prop_assert_eq!(whole.len(), texts.len() + 4, "open, connected, auth_response, shouts, close");
        prop_assert_eq!(conversation(encoding, &texts, pieces.into_iter()), whole.clone());
        prop_assert_eq!(conversation(encoding, &texts, std::iter::repeat(1)), whole);
    }

    /// Whatever a server sends, nothing panics, at most one event is the last, and memory stays within the bytes that came.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400), opened in any::<bool>()) {
        let mut wire = Wire::new(Encoding::Json);
        if opened {
            wire.settle();
        }
        wire.heard.clear();
        let mut bytes = bytes;
        let mut input = &mut bytes[..];
        let mut last = 0;
        while let Some(event) = wire.client.next(&mut input, &mut wire.secrets, &mut wire.up) {
            last += u32::from(matches!(event, Event::Closed { .. } | Event::Failed(_)));
        }
        prop_assert!(input.is_empty());
        prop_assert_eq!(last == 1, wire.client.is_over());
        prop_assert!(wire.client.buffered() <= 1024);
        prop_assert_eq!(wire.client.end_of_stream().is_none(), last == 1);
    }
}
