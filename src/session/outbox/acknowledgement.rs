//! Which of the batches written have arrived: pings that carry their numbers, and the pongs to them.

use super::{Outbox, Pong};
use crate::limits;
use crate::time::Time;
use crate::websocket::{self, OpCode};

impl Outbox {
    /// From here on numbered batches are kept until they are acknowledged.
    pub fn keep_batches(&mut self) {
        self.keeps = true;
    }

    /// Number of the last batch that was written on this connection.
    pub(super) fn written(&self) -> u64 {
        let unwritten = self.kept.replay().map_or(0, |replay| replay.len() - replay.written());
        self.seq - unwritten as u64
    }

    /// Whether it is time to ask the peer what it has: something is kept that it was not asked about yet.
    pub fn is_to_ask(&self, now: Time) -> bool {
        let keeps = self.kept.replay().is_some_and(|replay| replay.written() > 0);
        keeps && self.asked_about != self.written() && now.since(self.asked) >= limits::ACKNOWLEDGE_INTERVAL
    }

    /// Appends a ping that carries the number of the last batch written: RFC 6455 section 5.5.3, "A Pong frame sent in
    /// response to a Ping frame must have identical Application data".
    pub(super) fn ask(&mut self, now: Time, out: &mut Vec<u8>) {
        self.asked = now;
        self.asked_about = self.written();
        self.pongs_due = self.pongs_due.saturating_add(1);
        websocket::encode(out, OpCode::Ping, &self.asked_about.to_be_bytes());
    }

    /// Has a ping go out with the next flush, behind all that was written: one that acknowledges where something is
    /// kept, else one that only asks whether somebody is there.
    pub fn ping(&mut self, now: Time) {
        let mut control = std::mem::take(&mut self.control);
        if self.is_to_ask(now) {
            self.ask(now, &mut control);
        } else {
            self.pongs_due = self.pongs_due.saturating_add(1);
            websocket::encode(&mut control, OpCode::Ping, &[]);
        }
        self.control = control;
    }

    /// A pong came: lets go of the batches that it says have arrived.
    pub fn pong(&mut self, payload: &[u8]) -> Pong {
        let is_due = self.pongs_due > 0;
        self.pongs_due = self.pongs_due.saturating_sub(1);
        let named = payload.try_into().ok().map(u64::from_be_bytes).filter(|seq| *seq <= self.written());
        if let Some(seq) = named {
            let last = self.seq;
            self.kept.change(|replay| {
                let before_oldest = last - replay.len() as u64;
                replay.drop_oldest(seq.saturating_sub(before_oldest) as usize);
            });
        }
        Pong { is_due, names_a_batch: named.is_some() }
    }
}
