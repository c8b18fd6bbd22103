//! What holds from one message to the next, whatever stands in them: their numbers, what replies answer, how it ends.
//!
//! Each of these keeps what it has to know of what came before, and takes one more packet or refuses it in a sentence.

use super::Heard;
use crate::ids::PlayerId;
use crate::packet::{BatchHead, Code, Encoding, Packet, ServerControl, ServerPacket, read_batch};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// The numbers of the batches so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) seq: u64,
    pub(super) tick: u64,
    pub(super) time: u64,
    /// Of this connection.
    pub(super) batches: u64,
    /// Whether this connection was let in.
    pub(super) is_in: bool,
    /// The number of the next batch is the server's to say.
    pub(super) any: bool,
    /// How many batches that were sent before are still to come, and the tick of the `auth_response` that says so.
    pub(super) replayed: (u32, u64),
    pub(super) player: Option<PlayerId>,
}

/// Ids of packets that were sent, and whether they were answered.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) open: BTreeSet<u32>,
    pub(super) done: BTreeSet<u32>,
    /// Those whose replies may have been among what was not kept.
    pub(super) forgiven: BTreeSet<u32>,
    /// The client does not know what it sent.
    pub(super) unsure: bool,
}

/// How far the connection's end is.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// The reason of a `disconnect`.
    pub(super) goodbye: Option<Code>,
    /// The Close frame: its code, where it had one.
    pub(super) close: Option<Option<u16>>,
    /// Whether the client has sent a Close frame: what it hears then may be an echo.
    pub(super) mutual: bool,
}

/// Reads one message.
pub(super) fn batch<Out: DeserializeOwned>(
    encoding: Encoding,
    message: &[u8],
    counts: &mut Counts,
    asked: &mut Asked,
    ending: &mut Ending,
    heard: &mut Vec<Heard<Out>>,
) -> Result<(), String> {
    let batch = read_batch(encoding, message).map_err(|error| format!("a batch: {}", error.message))?;
    let head = batch.head;
    counts.follow(head)?;
    let mut packets = 0;
    for packet in batch.packets::<Out>() {
        let packet = packet.map_err(|error| format!("a packet of batch {head:?}: {}", error.message))?;
        let is_first = counts.batches == 0 && packets == 0;
        counts.control(&packet, head, is_first)?;
        if let ServerPacket::Control(ServerControl::AuthResponse(response)) = &packet.packet
            && response.resumed
            && response.full_state
        {
            asked.forgiven.append(&mut asked.open);
        }
        asked.answered(packet.re)?;
        ending.packet(&packet)?;
        packets += 1;
        heard.push(Heard::Packet(packet));
    }
    counts.batches += 1;
    if packets == 0 { Err(format!("batch {head:?} holds nothing")) } else { Ok(()) }
}

impl Counts {
    /// A batch has come.
    fn follow(&mut self, head: BatchHead) -> Result<(), String> {
        if !self.is_in {
            // What is the connection's own has numbers of its own: a replay behind it is older.
            return if head.seq == 0 { Ok(()) } else { Err(format!("{head:?} before `auth_response`")) };
        }
        let expected = self.seq + 1;
        if head.seq != expected && !std::mem::take(&mut self.any) {
            return Err(format!("a batch has seq {}, and not {expected}", head.seq));
        }
        if head.tick < self.tick || head.time < self.time {
            return Err(format!("batch {head:?} is before tick {}, time {}", self.tick, self.time));
        }
        let (replayed, since) = &mut self.replayed;
        if *replayed == 0 && head.tick < *since {
            return Err(format!("{head:?} is older than tick {since}, and no replay"));
        }
        *replayed = replayed.saturating_sub(1);
        (self.seq, self.tick, self.time) = (head.seq, head.tick, head.time);
        Ok(())
    }

    fn control<Out>(&mut self, packet: &Packet<Out>, head: BatchHead, is_first: bool) -> Result<(), String> {
        let is_connected = matches!(packet.packet, ServerPacket::Control(ServerControl::Connected { .. }));
        if is_connected != is_first {
            return Err("`connected` is the first packet, and comes once".to_owned());
        }
        match &packet.packet {
            ServerPacket::Control(ServerControl::AuthResponse(response)) => {
                let player = response.player_id;
                if response.guest && player.is_none() {
                    return Err("a guest has a player id".to_owned());
                }
                if std::mem::replace(&mut self.is_in, true) {
                    return Err("a second auth_response".to_owned());
                }
                (self.any, self.replayed) = (response.full_state, (response.replayed, head.tick));
                match self.player {
                    None if !response.resumed => {
                        (self.any, self.player) = (false, player);
                        Ok(())
                    }
                    Some(_) if response.resumed && self.player == player => Ok(()),
                    before => Err(format!("{before:?} became {response:?}")),
                }
            }
            ServerPacket::Game(_) if self.player.is_none() && !self.is_in => {
                Err("a game's packet before auth".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Asked {
    fn answered(&mut self, re: Option<u32>) -> Result<(), String> {
        let Some(id) = re else { return Ok(()) };
        if self.open.remove(&id) || self.forgiven.remove(&id) {
            self.done.insert(id);
            return Ok(());
        }
        if self.unsure {
            return Ok(());
        }
        let why = if self.done.contains(&id) { "was answered before" } else { "was never asked" };
        Err(format!("a reply to {id}, which {why}"))
    }
}

impl Ending {
    fn packet<Out>(&mut self, packet: &Packet<Out>) -> Result<(), String> {
        if let Some(code) = self.goodbye {
            return Err(format!("a packet behind `disconnect` ({code})"));
        }
        if let ServerPacket::Control(ServerControl::Disconnect { code, .. }) = &packet.packet {
            self.goodbye = Some(*code);
        }
        Ok(())
    }

    pub(super) fn close(&mut self, code: Option<u16>) -> Result<(), String> {
        self.close = Some(code);
        match (self.goodbye, code) {
            (Some(why), _) if why.close_code() != code => Err(format!("closed {code:?} after {why}")),
            (None, Some(1001 | 4000..)) if !self.mutual => Err(format!("closed {code:?} without a word")),
            _ => Ok(()),
        }
    }
}
