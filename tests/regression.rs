//! One test for each mistake that the simulation, the fuzzer or a person found in the engine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use evertick::engine::{Context, Engine, Event, Game, Grid, Input, Refusal, Settings, To};
use evertick::ids::{ConnId, RegionId};
use evertick::packet::{
    AuthRequest, ClientControl, Code, Encoding, Kind, Packet, Priority, ServerControl, ServerPacket,
    encode_client,
};
use evertick::sim::{Heard, Line, PATH, Reader, Shell, opening};
use evertick::time::{Time, WallMs};
use evertick::websocket::{OpCode, encode_masked};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn what_everybody_takes_at_once_is_no_burden_on_the_budget() {
    // Handles on one shared body were counted in full for each recipient before any of them could take it.
    let mut square = Square::new(|settings| settings.memory_limit = 64 << 10);
    let people: Vec<ConnId> = (0..20).map(|_| square.join()).collect();
    square.send(people[0], None, &In::Shout { bytes: 15_000, times: 1 });
    square.tick();
    for conn in people {
        assert!(square.heard(conn).contains(&ServerPacket::Game(shouted(15_000))));
    }
}

#[test]
fn messages_that_wait_for_the_tick_count_towards_the_budget() {
    let mut square = Square::new(|settings| settings.memory_limit = 20_000);
    let conn = square.join();
    for _ in 0..8 {
        square.send(conn, None, &In::Say { text: "x".repeat(4000) });
        assert!(square.shell.engine().memory() <= 20_000);
    }
    square.tick();
    let heard = square.heard(conn);
    let busy = |packet: &&ServerPacket<Out>| {
        matches!(packet, ServerPacket::Control(ServerControl::Error { code: Code::Busy, .. }))
    };
    assert_eq!(heard.iter().filter(busy).count(), 4, "four of them fit");
    assert!(square.shell.engine().memory() < 4000);
}

#[test]
fn whoever_says_nothing_is_written_to_though_others_talk() {
    // Whoever is heard is written to at once, out of turn. Its place in the line stayed, and with the next tick it got
    // another: under load the line grew without end, and those who only listened were never reached.
    let mut square = Square::new(|_| {});
    let talkers: Vec<ConnId> = (0..20).map(|_| square.join()).collect();
    let listener = square.join();
    for _ in 0..100 {
        for &talker in &talkers {
            let text = "I am here".to_owned();
            square.write_out_of_turn(talker, Kind::Game, None, &In::Say { text });
        }
        square.write_out_of_turn(talkers[0], Kind::Game, None, &In::Shout { bytes: 10, times: 1 });
        square.shell.advance(square.shell.deadline());
        square.shell.tick().unwrap();
        square.shell.attend(1);
    }
    assert!(square.heard(listener).len() >= 75, "its turn comes every 21 ticks");
    assert!(square.shell.attend(talkers.len() + 2), "nobody stands in line twice");
}

#[test]
fn memory_that_is_given_back_is_given_back_to_the_budget() {
    // The sweep let go of an idle outbox's memory, and its peer went on being charged for it. Nothing is kept here for a
    // peer that does not acknowledge.
    let mut square = Square::new(|settings| settings.session.resume_grace = Duration::ZERO);
    let conn = square.join();
    square.send(conn, None, &In::Shout { bytes: 10, times: 500 });
    (0..40).for_each(|_| square.tick());
    assert!(square.heard(conn).len() >= 500);
    square.shell.engine().audit().unwrap();
    assert_eq!(square.shell.engine().memory(), 0);
}

#[test]
fn a_reply_is_never_spared() {
    // A reply of low priority was dropped like any packet of low priority, and its question never answered.
    let mut square = Square::new(|settings| settings.session.outbox_limit = 128 << 10);
    let (slow, other) = (square.join(), square.join());
    square.shell.set_capacity(slow, 1000);
    (0..10).for_each(|_| square.send(other, None, &In::Shout { bytes: 8000, times: 1 }));
    square.tick();
    square.send(slow, Some(7), &In::Ask);
    square.tick();
    square.shell.set_capacity(slow, usize::MAX);
    square.shell.attend(usize::MAX);
    let packets = square.read(slow);
    assert!(packets.iter().any(|p| p.re == Some(7) && p.packet == ServerPacket::Game(Out::State)));
}

#[test]
fn a_burst_that_the_socket_takes_closes_nobody() {
    // A tick that brought more than outbox_limit closed everybody as slow before offering it to them.
    let mut square = Square::new(|settings| settings.session.outbox_limit = 128 << 10);
    let (prompt, slow) = (square.join(), square.join());
    square.shell.set_capacity(slow, 1000);
    square.send(prompt, None, &In::Shout { bytes: 15_000, times: 20 });
    square.tick();
    assert_eq!(
        square.heard(prompt).iter().filter(|p| **p == ServerPacket::Game(shouted(15_000))).count(),
        20
    );
    square.shell.set_capacity(slow, usize::MAX);
    square.shell.attend(usize::MAX);
    let slow_consumer = |packet: &ServerPacket<Out>| {
        matches!(packet, ServerPacket::Control(ServerControl::Disconnect { code: Code::SlowConsumer, .. }))
    };
    assert!(square.heard(slow).iter().any(slow_consumer), "who does not take it is");
    assert_eq!(square.shell.line(slow), Line::Finished);
}

#[test]
fn whoever_is_kicked_goes_whatever_the_code() {
    // A code without a close of its own, such as `forbidden`, kicked nobody.
    let mut square = Square::new(|_| {});
    let conn = square.join();
    square.send(conn, None, &In::Kick { code: Code::Forbidden });
    square.tick();
    let kicked =
        ServerControl::Disconnect { code: Code::Kicked, message: "out".to_owned(), retry_after_ms: None };
    assert_eq!(square.heard(conn).last(), Some(&ServerPacket::Control(kicked)));
}

#[test]
fn the_first_reason_of_a_close_is_the_one_that_is_told_everybody() {
    // The observer heard the last of several reasons, the client the first.
    let (mut square, events) = watched();
    let conn = square.join();
    square.send(conn, None, &In::Kick { code: Code::Cheating });
    square.send(conn, None, &In::Kick { code: Code::Banned });
    square.tick();
    square.shell.end_of_stream(conn);
    let code = |event| match event {
        Event::ClientDisconnected { code, .. } => Some(code),
        _ => None,
    };
    assert_eq!(events.try_iter().filter_map(code).collect::<Vec<_>>(), [Some(Code::Cheating)]);
}

#[test]
fn a_goodbye_comes_behind_the_handshake_and_the_first_packet() {
    // Under memory pressure the goodbye took their place: a frame where the answer to the handshake belongs.
    let mut square = Square::new(|settings| settings.memory_limit = 2000);
    let mut unfinished = Vec::new();
    encode_masked(&mut unfinished, OpCode::Text, &[b'x'; 4000], [1, 2, 3, 4]);
    let conn = square.knock(&unfinished[..3000]);
    let heard = square.heard(conn);
    assert!(matches!(heard[0], ServerPacket::Control(ServerControl::Connected { .. })), "{heard:?}");
    let code = |packet: &ServerPacket<Out>| match packet {
        ServerPacket::Control(ServerControl::Disconnect { code, .. }) => Some(*code),
        _ => None,
    };
    assert_eq!(heard.last().and_then(code), Some(Code::SlowConsumer));
}

#[test]
fn that_the_engine_has_stopped_is_told_once() {
    // Whoever was refused after the last player had gone made it stop again.
    let (mut square, events) = watched();
    let conn = square.join();
    let now = square.shell.now();
    square.shell.engine_mut().drain(now);
    square.shell.attend(usize::MAX);
    square.shell.end_of_stream(conn);
    let late = square.shell.accept(HERE, usize::MAX).expect("it may read why it is refused");
    square.shell.attend(usize::MAX);
    square.shell.end_of_stream(late);
    assert_eq!(events.try_iter().filter(|event| matches!(event, Event::Stopped)).count(), 1);
}

#[test]
fn a_step_is_seen_by_the_first_of_an_encoding_who_comes_in_behind_it() {
    // It was encoded for those who were there when it was taken, and in the other encoding for nobody.
    let mut square = Square::new(|_| {});
    let walker = square.join();
    square.send(walker, None, &In::Step);
    let late = square.knock_speaking(Encoding::Postcard, &[]);
    let request = AuthRequest { version: 1, guest: Some("Bob".to_owned()), ..AuthRequest::default() };
    square.write(late, Kind::Control, None, &ClientControl::AuthRequest(request));
    square.tick();
    for conn in [walker, late] {
        assert_eq!(square.heard(conn).last(), Some(&ServerPacket::Game(Out::Stepped)));
    }
}

// ------------------------------------------------------------------------------------------------------ the square

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum In {
    Say { text: String },
    Shout { bytes: usize, times: u32 },
    Ask,
    Step,
    Kick { code: Code },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Out {
    Shouted { text: String },
    State,
    Stepped,
}

/// A game in which anybody can make the server say anything.
struct Rules;

impl Game for Rules {
    type In = In;
    type Out = Out;
    const NAME: &'static str = "square";

    fn priority(packet: &Out) -> Priority {
        match packet {
            Out::Shouted { .. } => Priority::High,
            Out::State | Out::Stepped => Priority::Low,
        }
    }

    fn supersedes(packet: &Out) -> Option<u32> {
        matches!(packet, Out::State | Out::Stepped).then_some(1)
    }

    /// All stand in one place.
    fn grids(&self) -> Vec<Grid> {
        vec![Grid { columns: 1, rows: 1 }]
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<In>) -> Result<(), Refusal> {
        if let Input::Joined { player, .. } = input {
            ctx.enter(player, RegionId(0));
        }
        let Input::Packet { player, packet } = input else { return Ok(()) };
        match packet {
            In::Step => ctx.send(To::Around(RegionId(0)), &Out::Stepped),
            In::Say { text } => drop(text),
            In::Shout { bytes, times } => (0..times).for_each(|_| ctx.send(To::Everyone, &shouted(bytes))),
            In::Ask => ctx.reply(&Out::State),
            In::Kick { code } => ctx.kick(player, code, "out"),
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}
}

fn shouted(bytes: usize) -> Out {
    Out::Shouted { text: "x".repeat(bytes) }
}

/// The game with its people.
struct Square {
    shell: Shell,
    readers: Vec<(ConnId, Encoding, Reader<Out>)>,
}

fn watched() -> (Square, mpsc::Receiver<Event>) {
    let (tell, events) = mpsc::channel();
    let mut square = Square::new(|_| {});
    square.shell.engine_mut().observe(Box::new(move |event| drop(tell.send(event.clone()))));
    (square, events)
}

impl Square {
    fn new(change: impl FnOnce(&mut Settings)) -> Square {
        let mut settings = Settings::default();
        settings.registry.max_per_address = 0;
        settings.registry.connect_rate = 0;
        settings.session.duplicate_window = Duration::ZERO;
        change(&mut settings);
        let rate = settings.tick_rate;
        let mut engine = Engine::new(settings, 1, [7; 32]);
        engine.add_game(PATH, Rules).unwrap();
        let mut shell = Shell::new(engine, rate, WallMs(1_700_000_000_000));
        shell.advance(Time::from_millis(50));
        shell.tick();
        Square { shell, readers: Vec::new() }
    }

    /// Somebody connects whose socket takes everything, and sends `more` with its handshake.
    fn knock(&mut self, more: &[u8]) -> ConnId {
        self.knock_speaking(Encoding::Json, more)
    }

    fn knock_speaking(&mut self, encoding: Encoding, more: &[u8]) -> ConnId {
        let conn = self.shell.accept(HERE, usize::MAX).unwrap();
        self.readers.push((conn, encoding, Reader::new(encoding)));
        self.shell.receive(conn, &mut [&opening(encoding), more].concat());
        self.shell.attend(usize::MAX);
        conn
    }

    /// The same, and comes in.
    fn join(&mut self) -> ConnId {
        let conn = self.knock(&[]);
        let request = AuthRequest { version: 1, guest: Some("Ann".to_owned()), ..AuthRequest::default() };
        self.write(conn, Kind::Control, None, &ClientControl::AuthRequest(request));
        self.tick();
        self.heard(conn);
        conn
    }

    fn send(&mut self, conn: ConnId, id: Option<u32>, packet: &In) {
        self.write(conn, Kind::Game, id, packet);
    }

    fn write<P: Serialize>(&mut self, conn: ConnId, kind: Kind, id: Option<u32>, packet: &P) {
        self.write_out_of_turn(conn, kind, id, packet);
        self.shell.attend(usize::MAX);
    }

    /// The same where the server finds no time for anybody else.
    fn write_out_of_turn<P: Serialize>(&mut self, conn: ConnId, kind: Kind, id: Option<u32>, packet: &P) {
        let (mut message, mut frame) = (Vec::new(), Vec::new());
        let encoding = self.readers.iter().find(|(who, ..)| *who == conn).unwrap().1;
        let opcode = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
        encode_client(encoding, kind, id, packet, &mut message).unwrap();
        encode_masked(&mut frame, opcode, &message, [1, 2, 3, 4]);
        if let Some(id) = id {
            self.reader(conn).ask(id);
        }
        self.shell.receive(conn, &mut frame);
    }

    fn tick(&mut self) {
        self.shell.advance(self.shell.deadline());
        self.shell.tick().unwrap();
        self.shell.attend(usize::MAX);
    }

    /// What somebody has been told since the last time.
    fn read(&mut self, conn: ConnId) -> Vec<Packet<Out>> {
        let mut heard = Vec::new();
        loop {
            let bytes = self.shell.take(conn, usize::MAX);
            if bytes.is_empty() {
                break;
            }
            self.reader(conn).receive(&bytes, &mut heard).unwrap();
        }
        let packet = |heard| match heard {
            Heard::Packet(packet) => Some(packet),
            _ => None,
        };
        heard.into_iter().filter_map(packet).collect()
    }

    fn heard(&mut self, conn: ConnId) -> Vec<ServerPacket<Out>> {
        self.read(conn).into_iter().map(|packet| packet.packet).collect()
    }

    fn reader(&mut self, conn: ConnId) -> &mut Reader<Out> {
        &mut self.readers.iter_mut().find(|(who, ..)| *who == conn).unwrap().2
    }
}
