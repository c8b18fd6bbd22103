//! How a client whose line was lost comes back: it keeps what it has said, asks to resume, and says again what was not taken.
//!
//! What is to be kept and sent again is decided by `packet::resumption`, as in every client; here is who asks it. When lines
//! are lost is decided in `cuts`.

use super::Client;
use super::saying::encode;
use crate::engine::Game;
use crate::packet::{AuthRequest, AuthResponse, ClientControl, Encoding, Kind, open};
use crate::sim::scenario::Script;
use crate::time::Time;
use serde::de::DeserializeOwned;

impl<G: Game<Out: DeserializeOwned>, S: Script<G>> Client<G, S> {
    /// Its line is going to be cut. `filtered`: the server drops duplicates, and two messages that were sent at different
    /// times may be sent again at one.
    pub(in crate::sim) fn expect_cuts(&mut self, filtered: bool) {
        (self.is_cut, self.is_clear) = (true, filtered);
    }

    /// The server agrees to compressed messages: it offers something else over each of its lines.
    pub(in crate::sim) fn vary_offers(&mut self, seed: u64) {
        self.reader.deflation.vary(seed);
        if !self.out.is_empty() {
            self.out = self.reader.opening();
        }
    }

    /// Whether it could come back if its line were lost now.
    pub(in crate::sim) fn can_come_back(&self) -> bool {
        self.resumption.is_possible() && !self.left && self.reader.goodbye().is_none()
    }

    /// Its line is lost, with what waited for the socket.
    pub(in crate::sim) fn lose(&mut self) {
        self.out.clear();
        self.resumption.lose();
    }

    /// It has another line; `recoded`: it goes on with the other encoding.
    pub(in crate::sim) fn come_back(&mut self, recoded: bool) {
        if recoded {
            let [from, to] = [self.encoding, other(self.encoding)];
            self.resumption.recode(|message| recode::<G>(message, from, to));
            (self.encoding, self.is_recoded) = (to, true);
        }
        self.reader.reopen(self.encoding, self.auth_id);
        self.out = self.reader.opening();
    }

    /// Whether it was told everything afresh since the last time that this was asked.
    pub(in crate::sim) fn take_afresh(&mut self) -> bool {
        std::mem::take(&mut self.is_afresh)
    }

    /// Whether it has ever come back with another encoding.
    pub(in crate::sim) fn is_recoded(&self) -> bool {
        self.is_recoded
    }

    /// Whether it was lost and was not let in again.
    pub(in crate::sim) fn is_away(&self) -> bool {
        self.resumption.is_away()
    }

    pub(super) fn ask_to_resume(&mut self) {
        let resume = self.resumption.request(self.reader.seq());
        let request = AuthRequest { version: 1, resume, ..AuthRequest::default() };
        let id = self.take_id();
        self.auth_id = Some(id);
        self.say_whole(Kind::Control, Some(id), &ClientControl::AuthRequest(request));
    }

    /// It is in, for the first time or again.
    pub(super) fn enter(&mut self, response: &AuthResponse) -> Result<(), String> {
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
    pub(super) fn resend(&mut self, now: Time) {
        let turn: Vec<Vec<u8>> = self.resumption.turn(now).map(<[u8]>::to_vec).collect();
        turn.iter().for_each(|message| self.frame(self.opcode(), message));
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
