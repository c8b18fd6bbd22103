//! A thousand players are lost at once while somebody goes on talking to all: what is kept for them stays within its bound,
//! and all of it is given back when their time is over.

use crate::paddock::{In, Out, Rules};
use evertick::engine::{Engine, Settings};
use evertick::ids::ConnId;
use evertick::limits::TRIM_PART;
use evertick::packet::{
    AuthRequest, AuthResponse, ClientControl, Encoding, Kind, Packet, Resume, ServerControl, ServerPacket,
    encode_client,
};
use evertick::sim::{Heard, PATH, Reader, Shell, opening};
use evertick::time::WallMs;
use evertick::websocket::{OpCode, encode_masked};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Who is lost.
const CROWD: usize = 1000;
/// For how long they are expected back.
const GRACE: Duration = Duration::from_secs(4);

/// The server, and one who talks.
struct Stage {
    shell: Shell,
    limit: usize,
    said: u32,
    /// The most bytes that the budget held.
    most: usize,
    /// What it held after the talker had last said something, and how much more that was than before.
    last: (usize, usize),
    /// What it held when something was given up for the first time.
    cut_to: Option<usize>,
}

/// Somebody who is connected.
struct Visitor {
    conn: ConnId,
    reader: Reader<Out>,
}

impl Stage {
    fn new(memory_limit: usize) -> Stage {
        let mut settings = Settings { memory_limit, max_players: 2 * CROWD, ..crate::patient() };
        settings.session.resume_grace = GRACE;
        let rate = settings.tick_rate;
        let mut engine = Engine::new(settings, 1, [1; 32]);
        engine.add_game(PATH, Rules::default()).unwrap();
        Stage {
            shell: Shell::new(engine, rate, WallMs(1_700_000_000_000)),
            limit: memory_limit,
            said: 0,
            most: 0,
            last: (0, 0),
            cut_to: None,
        }
    }

    /// Somebody connects and asks to come in.
    fn visit(&mut self, encoding: Encoding, who: AuthRequest) -> (Visitor, AuthResponse) {
        let conn = self.shell.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), 1 << 20).unwrap();
        let mut visitor = Visitor { conn, reader: Reader::new(encoding) };
        self.shell.receive(conn, &mut opening(encoding));
        self.shell.attend(usize::MAX);
        self.say(&visitor, encoding, Kind::Control, &ClientControl::AuthRequest(who));
        let entered = entrance(&self.hear(&mut visitor)).unwrap();
        (visitor, entered)
    }

    /// Somebody whose connection is lost comes back over another.
    fn come_back(&mut self, visitor: &mut Visitor, encoding: Encoding, token: &str) -> AuthResponse {
        visitor.conn = self.shell.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), 1 << 20).unwrap();
        visitor.reader.reopen(encoding, None);
        self.shell.receive(visitor.conn, &mut opening(encoding));
        self.shell.attend(usize::MAX);
        let resume = Some(Resume { token: token.to_owned(), seq: visitor.reader.seq() });
        let who = AuthRequest { version: 1, resume, ..AuthRequest::default() };
        self.say(visitor, encoding, Kind::Control, &ClientControl::AuthRequest(who));
        entrance(&self.hear(visitor)).unwrap()
    }

    /// Comes back in JSON, and is lost again before it answers. What was sent to it.
    fn come_back_unheard(&mut self, visitor: &Visitor, token: &str) -> String {
        let conn = self.shell.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), 1 << 20).unwrap();
        self.shell.receive(conn, &mut opening(Encoding::Json));
        self.shell.attend(usize::MAX);
        let resume = Some(Resume { token: token.to_owned(), seq: visitor.reader.seq() });
        let request =
            ClientControl::AuthRequest(AuthRequest { version: 1, resume, ..AuthRequest::default() });
        let lost = Visitor { conn, reader: Reader::new(Encoding::Json) };
        self.say(&lost, Encoding::Json, Kind::Control, &request);
        self.tick();
        let told = self.shell.take(conn, usize::MAX);
        self.shell.reset(conn);
        String::from_utf8_lossy(&told).into_owned()
    }

    fn say<P: Serialize>(&mut self, visitor: &Visitor, encoding: Encoding, kind: Kind, packet: &P) {
        let (mut message, mut frame) = (Vec::new(), Vec::new());
        encode_client(encoding, kind, None, packet, &mut message).unwrap();
        let opcode = if encoding.is_text() { OpCode::Text } else { OpCode::Binary };
        encode_masked(&mut frame, opcode, &message, [7; 4]);
        self.shell.receive(visitor.conn, &mut frame);
        self.shell.attend(usize::MAX);
    }

    /// What somebody is sent; pings are answered.
    fn hear(&mut self, visitor: &mut Visitor) -> Vec<Packet<Out>> {
        let (mut heard, mut packets) = (Vec::new(), Vec::new());
        let bytes = self.shell.take(visitor.conn, usize::MAX);
        visitor.reader.receive(&bytes, &mut heard).unwrap();
        for heard in heard {
            match heard {
                Heard::Packet(packet) => packets.push(packet),
                Heard::Ping(payload) => {
                    let mut frame = Vec::new();
                    encode_masked(&mut frame, OpCode::Pong, &payload, [7; 4]);
                    self.shell.receive(visitor.conn, &mut frame);
                }
                Heard::Close(code) => panic!("closed: {code:?}"),
            }
        }
        packets
    }

    fn tick(&mut self) {
        self.shell.advance(self.shell.deadline());
        self.shell.tick().unwrap();
        self.shell.attend(usize::MAX);
        let engine = self.shell.engine();
        engine.audit().unwrap();
        self.most = self.most.max(engine.memory());
        assert!(engine.memory() <= self.limit, "{} bytes are held", engine.memory());
    }

    /// The talker says something long to all, and a tick passes.
    fn shout(&mut self, talker: &mut Visitor) {
        self.said += 1;
        let shout = In::Shout { n: self.said, text: "word ".repeat(80) };
        self.say(talker, Encoding::Json, Kind::Game, &shout);
        self.tick();
        self.hear(talker);
        let holds = self.shell.engine().memory();
        let (held, grew) = self.last;
        let grows = holds.saturating_sub(held);
        if self.cut_to.is_none() && grows < grew / 4 * 3 {
            self.cut_to = Some(holds);
        }
        self.last = (holds, grows);
    }
}

fn guest(name: &str) -> AuthRequest {
    AuthRequest { version: 1, guest: Some(name.to_owned()), ..AuthRequest::default() }
}

fn entrance(packets: &[Packet<Out>]) -> Option<AuthResponse> {
    packets.iter().find_map(|packet| match &packet.packet {
        ServerPacket::Control(ServerControl::AuthResponse(response)) => Some((**response).clone()),
        _ => None,
    })
}

/// A thousand come, are lost, and one more talks for `ticks`; then one of them comes back. Returns what it is told on that,
/// the stage, and the talker.
fn lost_crowd(memory_limit: usize, ticks: u32) -> (AuthResponse, Stage, Visitor) {
    let mut stage = Stage::new(memory_limit);
    stage.tick();
    let (mut talker, _) = stage.visit(Encoding::Json, guest("Talker"));
    let (mut tokens, mut crowd) = (Vec::new(), Vec::new());
    for number in 0..CROWD {
        let (visitor, entered) = stage.visit(Encoding::ALL[number % 2], guest("Lost"));
        tokens.push(entered.resume_token.unwrap());
        crowd.push(visitor);
    }
    // Until all of them stand in the world and have heard so.
    for _ in 0..CROWD / 32 {
        stage.tick();
        stage.hear(&mut talker);
        for visitor in &mut crowd {
            stage.hear(visitor);
        }
    }
    for visitor in &crowd {
        stage.shell.reset(visitor.conn);
    }
    assert_eq!((stage.shell.engine().lingering(), stage.shell.engine().connections()), (CROWD, 1));
    for _ in 0..ticks {
        stage.shout(&mut talker);
        assert_eq!(stage.shell.engine().lingering(), CROWD, "whatever is given up for room, nobody leaves");
    }
    let first = &mut crowd[0];
    let response = stage.come_back(first, Encoding::ALL[0], &tokens[0]);
    stage.shell.reset(crowd[0].conn);
    (response, stage, talker)
}

/// Their time passes; what was kept for them is given back.
fn is_given_back(mut stage: Stage, mut talker: Visitor) {
    let until = stage.shell.now() + GRACE + Duration::from_secs(1);
    while stage.shell.now() < until {
        stage.tick();
        stage.hear(&mut talker);
    }
    let engine = stage.shell.engine();
    assert_eq!((engine.lingering(), engine.players(), engine.connections()), (0, 1, 1));
    stage.shell.reset(talker.conn);
    let until = stage.shell.now() + GRACE + Duration::from_secs(1);
    while stage.shell.now() < until {
        stage.tick();
    }
    let engine = stage.shell.engine();
    assert_eq!((engine.lingering(), engine.players(), engine.memory()), (0, 0, 0));
}

#[test]
fn a_thousand_are_kept_for_and_given_up_again() {
    let (response, stage, talker) = lost_crowd(64 << 20, 20);
    assert!(response.resumed && !response.full_state && response.replayed > 0, "{response:?}");
    assert!(stage.most > CROWD * 20 * 400, "what is kept is accounted for: {}", stage.most);
    is_given_back(stage, talker);
}

#[test]
fn where_memory_is_scarce_what_is_kept_goes_and_nobody_else() {
    let (response, stage, talker) = lost_crowd(3 << 20, 40);
    assert!(response.resumed && response.full_state && response.replayed == 0, "{response:?}");
    let cut_to = stage.cut_to.expect("something is given up");
    assert!(cut_to <= stage.limit - stage.limit / TRIM_PART, "{cut_to}: there is room for a while");
    is_given_back(stage, talker);
}

/// What a client asked over a line that it gave up arrives when it has come back over another, and before the server knows
/// that its answer was read: it is refused, and the token that the client has is good.
#[test]
fn a_try_that_comes_late_is_refused() {
    let mut stage = Stage::new(64 << 20);
    stage.tick();
    let (mut ann, entered) = stage.visit(Encoding::Json, guest("Ann"));
    stage.tick();
    stage.hear(&mut ann);
    let first = entered.resume_token.unwrap();
    stage.shell.reset(ann.conn);
    let late = stage.shell.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), 1 << 20).unwrap();
    stage.shell.receive(late, &mut opening(Encoding::Json));
    let late = Visitor { conn: late, reader: Reader::new(Encoding::Json) };
    stage.tick();
    let seq = ann.reader.seq();
    let request = |token: &str| {
        let resume = Some(Resume { token: token.to_owned(), seq });
        ClientControl::AuthRequest(AuthRequest { version: 1, resume, ..AuthRequest::default() })
    };
    ann.conn = stage.shell.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), 1 << 20).unwrap();
    ann.reader.reopen(Encoding::Json, None);
    stage.shell.receive(ann.conn, &mut opening(Encoding::Json));
    stage.say(&ann, Encoding::Json, Kind::Control, &request(&first));
    // Neither the answer nor the ping behind it is read yet.
    assert!(stage.shell.unsent(ann.conn) > 0);
    stage.say(&late, Encoding::Json, Kind::Control, &request(&first));
    let told = stage.shell.take(late.conn, usize::MAX);
    assert!(String::from_utf8_lossy(&told).contains("session_expired"));
    let second = entrance(&stage.hear(&mut ann)).unwrap();
    assert!(second.resumed && !second.full_state, "{second:?}");
    stage.shell.reset(ann.conn);
    let third = stage.come_back(&mut ann, Encoding::Json, &second.resume_token.unwrap());
    assert!(third.resumed && !third.full_state, "{third:?}");
}

/// The answer that told it was lost on its way, so that the same was asked once more: the second said that nothing was missed.
#[test]
fn a_full_state_is_owed_until_the_client_knows_of_it() {
    let mut stage = Stage::new(64 << 20);
    stage.tick();
    // In another encoding everything is told afresh.
    let (mut ann, entered) = stage.visit(Encoding::Postcard, guest("Ann"));
    stage.tick();
    stage.hear(&mut ann);
    let token = entered.resume_token.unwrap();
    stage.shell.reset(ann.conn);
    for _ in 0..3 {
        let told = stage.come_back_unheard(&ann, &token);
        assert!(told.contains(r#""resumed":true"#) && told.contains(r#""full_state":true"#), "{told}");
    }
}

/// A client that had opened a second connection beforehand was refused with the token that it had just been told.
#[test]
fn the_newest_token_resumes_over_a_connection_that_was_opened_before() {
    let mut stage = Stage::new(64 << 20);
    stage.tick();
    let (mut ann, entered) = stage.visit(Encoding::Json, guest("Ann"));
    stage.tick();
    stage.hear(&mut ann);
    let spare = stage.shell.accept(IpAddr::V4(Ipv4Addr::LOCALHOST), 1 << 20).unwrap();
    stage.shell.receive(spare, &mut opening(Encoding::Json));
    stage.tick();
    stage.shell.reset(ann.conn);
    let second = stage.come_back(&mut ann, Encoding::Json, &entered.resume_token.unwrap());
    let spare = Visitor { conn: spare, reader: Reader::new(Encoding::Json) };
    let resume = Some(Resume { token: second.resume_token.unwrap(), seq: ann.reader.seq() });
    let request = ClientControl::AuthRequest(AuthRequest { version: 1, resume, ..AuthRequest::default() });
    stage.say(&spare, Encoding::Json, Kind::Control, &request);
    let told = stage.shell.take(spare.conn, usize::MAX);
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains(r#""resumed":true"#), "{told}");
}
