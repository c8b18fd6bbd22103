//! One simulated client, without a socket: bytes come in, bytes go out, and it acts when its time has come.
//!
//! An honest one does what the contract asks of a client. The others mix that with what they should not do; all of them
//! hold what they are sent against the contract, see `reader`.

use super::caller::Calling;
use super::deflation::RSV1;
use super::hostile;
use super::reader::{Heard, Reader, opening};
use super::scenario::{Conduct, Script, Who};
use super::visitor::Visitor;
use crate::engine::Game;
use crate::packet::{
    AuthRequest, AuthResponse, ClientControl, ClientTime, Code, Encoding, Kind, Packet, Resumption,
    ServerControl, ServerPacket, encode_client, open, variant_of,
};
use crate::random::Random;
use crate::time::Time;
use crate::websocket::OpCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Bytes that may wait for the socket before a client does nothing more.
const MOST_UNSENT: usize = 64 << 10;

/// A packet that a client has sent to its game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The packet in postcard.
    pub(super) bytes: Vec<u8>,
    /// A newer one takes its place, where it was not taken before the line was lost.
    pub(super) is_stream: bool,
}

/// A client of the game `G`, led by the script `S`.
pub(super) struct Client<G: Game, S> {
    pub(super) conduct: Conduct,
    pub(super) reader: Reader<G::Out>,
    visitor: Visitor,
    /// [`Conduct::Caller`] has it.
    pub(super) calling: Option<Calling>,
    encoding: Encoding,
    script: S,
    pub(super) who: Who,
    chance: Random,
    /// What is on its way to the socket.
    out: Vec<u8>,
    next_id: u32,
    acts_at: Time,
    /// What it said to come in came to nothing, and may be said again.
    tries_again: bool,
    /// It says nothing more of its own accord.
    quiet: bool,
    /// It has sent its last message.
    left: bool,
    /// So many packets of the last input came before it played as anybody.
    before_playing: usize,
    /// What it keeps to come back, and the id with which it asked for that.
    resumption: Resumption,
    auth_id: Option<u32>,
    /// It has come back with another encoding, so that it may be told everything afresh.
    is_recoded: bool,
    /// It was told everything afresh, which nobody has looked at yet.
    is_afresh: bool,
    /// Its line may be cut, so that of a stream some may never be sent, nor answered.
    is_cut: bool,
    /// It sends nothing that may be taken for a duplicate.
    is_clear: bool,
    /// What it has sent to its game.
    said: Vec<Said>,
}

impl<G: Game<Out: DeserializeOwned>, S: Script<G>> Client<G, S> {
    /// Somebody who has just connected.
    pub(super) fn new(
        conduct: Conduct,
        (script, who): (S, Who),
        calling: Option<Calling>,
        seed: u64,
        now: Time,
    ) -> Client<G, S> {
        let mut chance = Random::new(seed);
        let encoding = Encoding::ALL[chance.below(2) as usize];
        let mut client = Client {
            conduct,
            reader: Reader::new(encoding),
            visitor: Visitor::default(),
            calling,
            encoding,
            script,
            who,
            chance,
            out: Vec::new(),
            next_id: 1,
            acts_at: now,
            tries_again: false,
            quiet: false,
            left: false,
            before_playing: 0,
            resumption: Resumption::default(),
            auth_id: None,
            is_recoded: false,
            is_afresh: false,
            is_cut: false,
            is_clear: false,
            said: Vec::new(),
        };
        match conduct {
            Conduct::Visitor | Conduct::Caller | Conduct::Stranger => {}
            Conduct::Honest => client.out = opening(encoding),
            Conduct::Garbler | Conduct::Flooder => {
                client.out = opening(encoding);
                client.reader.ask_anything();
            }
        }
        client
    }

    /// Does what it does of its own accord, where its time has come.
    pub(super) fn act(&mut self, now: Time) {
        self.resend(now);
        // Who may not send more does not think of more either.
        if self.left || now < self.acts_at || self.out.len() > MOST_UNSENT {
            return;
        }
        // Whoever has not come in for the disk's sake still tries.
        if self.quiet && !self.tries_again {
            return;
        }
        self.acts_at = now + Duration::from_millis(20 + self.chance.below(200));
        match self.conduct {
            Conduct::Visitor => self.visitor.ask(&mut self.chance, &mut self.out),
            Conduct::Caller => {
                if let Some(calling) = &mut self.calling {
                    calling.ask(&mut self.chance, &mut self.out);
                }
            }
            Conduct::Stranger => self.out.extend(hostile::request(&mut self.chance)),
            _ if !self.reader.has_come_in() => self.before_auth(),
            Conduct::Honest => self.play(),
            Conduct::Garbler if self.chance.chance(0.2) => self.garble(),
            Conduct::Garbler => self.play(),
            Conduct::Flooder => (0..self.chance.below(200)).for_each(|_| self.flood()),
        }
    }

    /// Reads what arrived, answers what is to be answered, and returns the packets.
    pub(super) fn receive(&mut self, input: &[u8]) -> Result<Vec<Packet<G::Out>>, String> {
        match self.conduct {
            Conduct::Visitor => return self.visitor.receive(input).map(|()| Vec::new()),
            // Whatever it is told, it is told by HTTP; what a caller is told is held against the disk.
            Conduct::Stranger | Conduct::Caller => return Ok(Vec::new()),
            _ => {}
        }
        let (mut heard, mut packets) = (Vec::new(), Vec::new());
        self.reader.receive(input, &mut heard)?;
        self.before_playing = 0;
        for heard in heard {
            match heard {
                Heard::Packet(packet) => {
                    self.hear(&packet)?;
                    packets.push(packet);
                    if self.reader.player().is_none() {
                        self.before_playing = packets.len();
                    }
                }
                Heard::Ping(payload) => self.frame(OpCode::Pong, &payload),
                Heard::Close(code) => self.close(code),
            }
        }
        Ok(packets)
    }

    /// How many of the packets that were returned last it heard before it played as anybody.
    pub(super) fn before_playing(&self) -> usize {
        self.before_playing
    }

    /// The bytes that go to the socket; takes at most `most`.
    pub(super) fn write(&mut self, most: usize) -> Vec<u8> {
        let rest = self.out.split_off(most.min(self.out.len()));
        std::mem::replace(&mut self.out, rest)
    }

    /// Whether nothing waits for the socket.
    pub(super) fn has_written(&self) -> bool {
        self.out.is_empty()
    }

    /// From now on it only reads and answers pings.
    pub(super) fn fall_quiet(&mut self) {
        self.quiet = true;
    }

    /// Leaves with a `disconnect`, as a client should.
    pub(super) fn quit(&mut self) {
        if self.is_in() && !self.left {
            let id = self.next_id();
            self.send(Kind::Control, id, &ClientControl::Disconnect { reason: "enough".to_owned() }, None);
            self.left = true;
        }
    }

    /// Leaves with a Close frame.
    pub(super) fn close(&mut self, code: Option<u16>) {
        if self.reader.is_open() && !self.left {
            let body = code.map(|code| code.to_be_bytes().to_vec()).unwrap_or_default();
            self.reader.closing();
            self.frame(OpCode::Close, &body);
            self.left = true;
        }
    }

    /// Whether it plays, as far as it knows.
    pub(super) fn is_in(&self) -> bool {
        self.reader.player().is_some()
            && self.reader.goodbye().is_none()
            && self.reader.close_code().is_none()
    }

    /// Its line is going to be cut. `filtered`: the server drops duplicates, and two messages that were sent at different
    /// times may be sent again at one.
    pub(super) fn expect_cuts(&mut self, filtered: bool) {
        (self.is_cut, self.is_clear) = (true, filtered);
    }

    /// The server agrees to compressed messages: it offers something else over each of its lines.
    pub(super) fn vary_offers(&mut self, seed: u64) {
        self.reader.deflation.vary(seed);
        if !self.out.is_empty() {
            self.out = self.reader.opening();
        }
    }

    /// Whether it could come back if its line were lost now.
    pub(super) fn can_come_back(&self) -> bool {
        self.resumption.is_possible() && !self.left && self.reader.goodbye().is_none()
    }

    /// Its line is lost, with what waited for the socket.
    pub(super) fn lose(&mut self) {
        self.out.clear();
        self.resumption.lose();
    }

    /// It has another line; `recoded`: it goes on with the other encoding.
    pub(super) fn come_back(&mut self, recoded: bool) {
        if recoded {
            let [from, to] = [self.encoding, other(self.encoding)];
            self.resumption.recode(|message| recode::<G>(message, from, to));
            (self.encoding, self.is_recoded) = (to, true);
        }
        self.reader.reopen(self.encoding, self.auth_id);
        self.out = self.reader.opening();
    }

    /// Whether it was told everything afresh since the last time that this was asked.
    pub(super) fn take_afresh(&mut self) -> bool {
        std::mem::take(&mut self.is_afresh)
    }

    /// Whether it has ever come back with another encoding.
    pub(super) fn is_recoded(&self) -> bool {
        self.is_recoded
    }

    /// Whether it was lost and was not let in again.
    pub(super) fn is_away(&self) -> bool {
        self.resumption.is_away()
    }

    /// What it has sent to its game.
    pub(super) fn said(&self) -> &[Said] {
        &self.said
    }

    /// Who leads it.
    pub(super) fn script(&self) -> &S {
        &self.script
    }

    /// Whether it has sent its last message.
    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    /// How it reads and writes packets.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn hear(&mut self, packet: &Packet<G::Out>) -> Result<(), String> {
        match &packet.packet {
            ServerPacket::Control(ServerControl::Connected { .. }) if self.is_away() => self.ask_to_resume(),
            ServerPacket::Control(ServerControl::Connected { .. }) => self.before_auth(),
            ServerPacket::Control(ServerControl::AuthResponse(response)) => {
                self.enter(response)?;
                if response.player_id.is_none() {
                    self.script.is_in_lobby(&response.characters);
                }
            }
            // Storage or hashing would not: one may try again.
            ServerPacket::Control(ServerControl::Error { code: Code::Busy | Code::Internal, .. }) => {
                self.tries_again = !self.reader.has_come_in();
                self.script.is_refused();
            }
            ServerPacket::Control(ServerControl::Error { .. }) => self.script.is_refused(),
            ServerPacket::Control(_) => {}
            ServerPacket::Game(out) => {
                let me = self.reader.player().or_else(|| self.script.comes_out_as(out));
                let Some(me) = me else { return Ok(()) };
                self.reader.become_player(me);
                self.script.hear(me, out)?;
            }
        }
        Ok(())
    }

    /// Says who it is. Those who are not honest may say something else before, or nothing, or say it twice.
    fn before_auth(&mut self) {
        if !self.reader.is_open() {
            return;
        }
        let first = self.next_id == 1 || std::mem::take(&mut self.tries_again);
        if self.conduct == Conduct::Garbler && self.chance.chance(0.3) {
            return self.garble();
        }
        if first {
            let guest = ["Ann", "ann", "Bob", "O'Neill", "Zoë"][self.chance.below(5) as usize];
            let request = AuthRequest { version: 1, ..AuthRequest::default() };
            let request = match self.who.clone() {
                Who::Guest => AuthRequest { guest: Some(guest.to_owned()), ..request },
                Who::Token(token) => AuthRequest { token: Some(token), ..request },
                Who::Password { username, password } => {
                    AuthRequest { username: Some(username), password: Some(password), ..request }
                }
            };
            let id = Some(self.take_id());
            self.say_whole(Kind::Control, id, &ClientControl::AuthRequest(request));
        }
    }

    fn ask_to_resume(&mut self) {
        let resume = self.resumption.request(self.reader.seq());
        let request = AuthRequest { version: 1, resume, ..AuthRequest::default() };
        let id = self.take_id();
        self.auth_id = Some(id);
        self.say_whole(Kind::Control, Some(id), &ClientControl::AuthRequest(request));
    }

    /// It is in, for the first time or again.
    fn enter(&mut self, response: &AuthResponse) -> Result<(), String> {
        let comes_back = self.is_away();
        self.resumption.enter(response).map_err(|wrong| format!("{wrong:?}"))?;
        if !comes_back {
            return Ok(());
        }
        if !response.resumed || self.resumption.lost() > 0 {
            return Err(format!("it came back in time, and not all is as it was: {response:?}"));
        }
        if response.full_state {
            self.is_afresh = true;
            self.script.is_told_afresh();
        }
        let first: Vec<Vec<u8>> = self.resumption.first_turn().map(<[u8]>::to_vec).collect();
        first.iter().for_each(|message| self.frame(self.opcode(), message));
        Ok(())
    }

    /// Sends again what waits, no faster than a client may.
    fn resend(&mut self, now: Time) {
        let turn: Vec<Vec<u8>> = self.resumption.turn(now).map(<[u8]>::to_vec).collect();
        turn.iter().for_each(|message| self.frame(self.opcode(), message));
    }

    fn play(&mut self) {
        if self.chance.chance(0.1) {
            let id = self.next_id();
            let time = Some(ClientTime::Whole(self.chance.bits()));
            return self.send(Kind::Control, id, &ClientControl::Ping { time }, None);
        }
        if self.chance.chance(0.03) {
            if !self.is_away() {
                self.frame(OpCode::Ping, b"are you there?");
            }
            return;
        }
        if let Some(packet) = self.script.act(&mut self.chance) {
            let is_stream = G::is_stream(&packet);
            let id = match () {
                () if self.is_cut && is_stream => None,
                () if self.is_clear => Some(self.take_id()),
                () => self.next_id(),
            };
            let bytes = postcard::to_allocvec(&packet).expect("packets are recorded in postcard");
            self.said.push(Said { bytes, is_stream });
            // Streams by their variants, as the clients have them.
            let stream = variant_of(&packet).filter(|_| is_stream).map(|variant| variant.index);
            self.send(Kind::Game, id, &packet, stream);
        }
    }

    fn garble(&mut self) {
        let packet = self.some_packet();
        let bytes = hostile::frames(self.encoding, &packet, &mut self.chance);
        self.out.extend(bytes);
    }

    fn flood(&mut self) {
        match self.chance.below(8) {
            0 => self.frame(OpCode::Ping, &[b'x'; 125]),
            1 => self.send(Kind::Control, None, &ClientControl::Ping { time: None }, None),
            _ => {
                let packet = self.some_packet();
                self.frame(self.opcode(), &packet);
            }
        }
    }

    /// A message that an honest client might send.
    fn some_packet(&mut self) -> Vec<u8> {
        let mut packet = Vec::new();
        match self.script.act(&mut self.chance) {
            Some(act) => encode(self.encoding, Kind::Game, Some(self.next_id), &act, &mut packet),
            None => {
                let ping = ClientControl::Ping { time: Some(ClientTime::Whole(1)) };
                encode(self.encoding, Kind::Control, Some(self.next_id), &ping, &mut packet);
            }
        }
        packet
    }

    /// About half of all packets want an answer.
    fn next_id(&mut self) -> Option<u32> {
        self.chance.chance(0.5).then(|| self.take_id())
    }

    fn take_id(&mut self) -> u32 {
        self.next_id += 1;
        self.reader.ask(self.next_id);
        self.next_id
    }

    /// Sends a message of the player: it is kept, and where the line is lost it waits.
    fn send<P: Serialize>(&mut self, kind: Kind, id: Option<u32>, packet: &P, stream: Option<u32>) {
        let mut message = Vec::new();
        encode(self.encoding, kind, id, packet, &mut message);
        if !self.resumption.send(&message, stream) {
            return;
        }
        if self.chance.chance(0.1) {
            self.put(self.opcode(), &message, hostile::fragments);
        } else {
            self.frame(self.opcode(), &message);
        }
    }

    /// Sends a message of the connection.
    fn say_whole<P: Serialize>(&mut self, kind: Kind, id: Option<u32>, packet: &P) {
        let mut message = Vec::new();
        encode(self.encoding, kind, id, packet, &mut message);
        self.frame(self.opcode(), &message);
    }

    fn opcode(&self) -> OpCode {
        if self.encoding.is_text() { OpCode::Text } else { OpCode::Binary }
    }

    fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        if !self.left {
            self.put(opcode, payload, hostile::frame);
        }
    }

    /// Writes a message in one frame or several, compressed where it is.
    fn put(&mut self, opcode: OpCode, payload: &[u8], write: fn(OpCode, &[u8], &mut Random, &mut Vec<u8>)) {
        let (start, small) = (self.out.len(), self.reader.deflation.compress(opcode, payload));
        write(opcode, small.as_deref().unwrap_or(payload), &mut self.chance, &mut self.out);
        if small.is_some() {
            self.out[start] |= RSV1;
        }
    }
}

fn other(encoding: Encoding) -> Encoding {
    match encoding {
        Encoding::Json => Encoding::Postcard,
        Encoding::Postcard => Encoding::Json,
    }
}

/// The same message in another encoding.
fn recode<G: Game>(message: &[u8], from: Encoding, to: Encoding) -> Vec<u8> {
    const OWN: &str = "it is one of its own messages";
    let envelope = open(from, message).expect(OWN);
    let mut out = Vec::new();
    match envelope.kind {
        Kind::Control => encode(to, Kind::Control, envelope.id, &envelope.control().expect(OWN), &mut out),
        Kind::Game => encode(to, Kind::Game, envelope.id, &envelope.game::<G::In>().expect(OWN), &mut out),
    }
    out
}

/// Appends one message of a client.
fn encode<P: Serialize>(encoding: Encoding, kind: Kind, id: Option<u32>, packet: &P, out: &mut Vec<u8>) {
    let encoded = encode_client(encoding, kind, id, packet, out);
    encoded.expect("packets of clients are plainly derived enums");
}
