//! The outbox of a player whose connection is lost: it parts from the connection, collects, and goes on with another.

use super::{Outbox, Pushed, Queued};
use crate::limits;
use crate::packet::Priority;
use crate::session::replay::make_room;
use crate::time::{Tick, WallMs};
use std::collections::VecDeque;

impl Outbox {
    /// A packet comes while nobody is there.
    pub(super) fn put_away(&mut self, packet: Queued) -> Pushed {
        self.lagging |= packet.priority == Priority::Low;
        if packet.priority == Priority::Low || self.has_lost {
            return Pushed::Dropped;
        }
        self.bytes += packet.body.len();
        make_room(&mut self.queue);
        self.queue.push_back(packet);
        self.keep_bounds_away();
        if self.has_lost { Pushed::Dropped } else { Pushed::Queued }
    }

    /// Lets go of everything where more waits for an absent player than may.
    fn keep_bounds_away(&mut self) {
        let bytes = self.bytes + self.kept.replay().map_or(0, |replay| replay.bytes());
        if bytes > limits::REPLAY_BYTES || self.queue.len() > limits::LINGERING_PACKETS {
            self.forget();
        }
        self.check();
    }

    /// Parts the player from a connection that is lost: what is the player's is returned and goes on collecting, what is
    /// left is the connection's alone, the rest of a frame first of all. `says_goodbye`: one more batch is told on it,
    /// under the next number.
    pub fn part(&mut self, says_goodbye: bool) -> Outbox {
        let mut player = std::mem::take(self);
        debug_assert!(player.sequenced);
        let own: VecDeque<Queued> = player.queue.drain(..player.connection as usize).collect();
        let own_bytes = own.iter().map(|packet| packet.body.len()).sum();
        *self = Outbox {
            bytes: own_bytes,
            connection: own.len() as u32,
            queue: own,
            sequenced: true,
            seq: player.written(),
            greeted: player.greeted,
            control: std::mem::take(&mut player.control),
            unsent: std::mem::take(&mut player.unsent),
            close: std::mem::take(&mut player.close),
            pongs_due: player.pongs_due,
            ..Outbox::default()
        };
        player.bytes -= own_bytes;
        player.connection = 0;
        (player.is_away, player.greets) = (true, false);
        player.goodbye = if says_goodbye { player.written() + 1 } else { 0 };
        player.over_soft_limit_since = None;
        player.spare_low();
        player.keep_bounds_away();
        self.check();
        player
    }

    /// Drops the packets of low priority that wait.
    fn spare_low(&mut self) {
        let before = self.queue.len();
        self.queue.retain(|packet| packet.priority != Priority::Low);
        self.lagging |= self.queue.len() < before;
        self.bytes = self.queue.iter().map(|packet| packet.body.len()).sum();
    }

    /// The player comes back and has seen everything up to and with `seq`: what it has not is sealed and is to be written
    /// again, from there on. How many batches that are; `None` where they are not all held: see [`Outbox::restart`].
    ///
    /// Whoever has seen the goodbye has seen its number: what follows comes one number later.
    pub fn resume(&mut self, seq: u64, tick: Tick, time: WallMs) -> Option<u32> {
        let kept = self.kept.replay().map_or(0, |replay| replay.len()) as u64;
        let before_oldest = self.seq - kept;
        let saw_goodbye = self.goodbye != 0 && seq == self.goodbye;
        let seen = seq - u64::from(saw_goodbye);
        let is_held = (before_oldest..=self.seq).contains(&seen);
        if !self.keeps || self.has_lost || self.owes_state || !is_held {
            return None;
        }
        self.kept.change(|replay| {
            replay.drop_oldest((seen - before_oldest) as usize);
            replay.rewind();
        });
        self.seq += u64::from(saw_goodbye);
        self.goodbye = 0;
        while !self.queue.is_empty() {
            let batch = self.measure_batch();
            self.seq += 1;
            self.seal(batch, tick, time, false);
        }
        self.check();
        Some(self.kept.replay().map_or(0, |replay| replay.len()) as u32)
    }

    /// The player comes back and is told everything afresh: nothing of what was is kept. The numbers go on.
    pub fn restart(&mut self) {
        self.forget();
        (self.has_lost, self.lagging) = (false, false);
        self.owes_state = self.keeps;
        self.seq += u64::from(std::mem::take(&mut self.goodbye) != 0);
    }

    /// The client knows that it was told everything afresh: from here on what it has not seen is replayed again.
    pub fn knows_of_restart(&mut self) {
        self.owes_state = false;
    }

    /// A new connection goes on with a player's part: what waits here belongs to the connection, and a ping goes behind it.
    pub fn adopt(&mut self, player: Outbox) {
        debug_assert!(!self.sequenced, "a connection has one player");
        self.connection = self.queue.len() as u32;
        self.queue.extend(player.queue);
        self.bytes += player.bytes;
        (self.sequenced, self.greets) = (true, true);
        (self.seq, self.keeps, self.lagging) = (player.seq, player.keeps, player.lagging);
        self.owes_state = player.owes_state;
        self.kept = player.kept;
        self.busy = true;
        self.check();
    }

    /// A ping is to go behind what waits for the connection: its pong tells that that has arrived.
    pub fn greet(&mut self) {
        self.greets = self.connection > 0;
    }

    /// Lets go of everything that the peer may not have seen, and of what waits: only a full state helps then.
    fn forget(&mut self) {
        self.queue = VecDeque::new();
        (self.bytes, self.connection) = (0, 0);
        self.kept.clear();
        self.has_lost = true;
    }

    /// Gives memory back that is only for a resume, which is then a full state: what was written and not acknowledged;
    /// and where nobody is there, all that waits.
    pub fn trim(&mut self) {
        if self.is_away && (self.kept.replay().is_some() || !self.queue.is_empty()) {
            self.forget();
        } else if self.kept.is_written() {
            self.kept.clear();
        }
    }

    /// Bytes of memory that [`Outbox::trim`] gives back.
    pub fn trimmable(&self) -> usize {
        if self.is_away {
            return self.memory();
        }
        if self.kept.is_written() { self.kept.memory() } else { 0 }
    }

    /// Something of the player's was let go of that only a full state makes good.
    pub fn lose(&mut self) {
        self.has_lost |= self.keeps;
    }
}
