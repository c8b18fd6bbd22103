//! One simulated client, without a socket: bytes come in, bytes go out, and it acts when its time has come.
//!
//! An honest one does what the contract asks of a client. The others mix that with what they should not do; all of them
//! hold what they are sent against the contract, see `reader`.

mod returning;
mod saying;

use super::caller::Calling;
use super::hostile;
use super::reader::{Heard, Reader, opening};
use super::scenario::{Conduct, Script, Who};
use super::visitor::Visitor;
use crate::engine::Game;
use crate::packet::{ClientControl, Code, Encoding, Kind, Packet, Resumption, ServerControl, ServerPacket};
use crate::random::Random;
use crate::time::Time;
use crate::websocket::OpCode;
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
}
