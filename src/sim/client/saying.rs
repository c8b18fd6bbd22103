//! What a client says, and how it becomes bytes: who it is, what its script thinks of, and what nobody should say.
//!
//! A message of the player is kept until the server has taken it (`returning`); one of the connection is not. Frames are cut
//! and masked by `hostile`, which knows how to spoil them too.

use super::{Client, Said};
use crate::engine::Game;
use crate::packet::{AuthRequest, ClientControl, ClientTime, Encoding, Kind, encode_client, variant_of};
use crate::random::Random;
use crate::sim::deflation::RSV1;
use crate::sim::hostile;
use crate::sim::scenario::{Conduct, Script, Who};
use crate::websocket::OpCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl<G: Game<Out: DeserializeOwned>, S: Script<G>> Client<G, S> {
    /// Says who it is. Those who are not honest may say something else before, or nothing, or say it twice.
    pub(super) fn before_auth(&mut self) {
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

    pub(super) fn play(&mut self) {
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

    pub(super) fn garble(&mut self) {
        let packet = self.some_packet();
        let bytes = hostile::frames(self.encoding, &packet, &mut self.chance);
        self.out.extend(bytes);
    }

    pub(super) fn flood(&mut self) {
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
    pub(super) fn next_id(&mut self) -> Option<u32> {
        self.chance.chance(0.5).then(|| self.take_id())
    }

    pub(super) fn take_id(&mut self) -> u32 {
        self.next_id += 1;
        self.reader.ask(self.next_id);
        self.next_id
    }

    /// Sends a message of the player: it is kept, and where the line is lost it waits.
    pub(super) fn send<P: Serialize>(
        &mut self,
        kind: Kind,
        id: Option<u32>,
        packet: &P,
        stream: Option<u32>,
    ) {
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
    pub(super) fn say_whole<P: Serialize>(&mut self, kind: Kind, id: Option<u32>, packet: &P) {
        let mut message = Vec::new();
        encode(self.encoding, kind, id, packet, &mut message);
        self.frame(self.opcode(), &message);
    }

    pub(super) fn opcode(&self) -> OpCode {
        if self.encoding.is_text() { OpCode::Text } else { OpCode::Binary }
    }

    pub(super) fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
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

/// Appends one message of a client.
pub(super) fn encode<P: Serialize>(
    encoding: Encoding,
    kind: Kind,
    id: Option<u32>,
    packet: &P,
    out: &mut Vec<u8>,
) {
    let encoded = encode_client(encoding, kind, id, packet, out);
    encoded.expect("packets of clients are plainly derived enums");
}
