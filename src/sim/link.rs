//! What lies between a client's socket and the server's: two pipes that delay, cut and lose, but never reorder.
//!
//! Everything is left to chance but what TCP promises: bytes come in order and unchanged, or not at all.

use super::scenario::Carriage;
use crate::random::Random;
use crate::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// One direction.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Bytes that it carries at once, those too that arrived and were not read.
    window: usize,
    parcels: VecDeque<(Time, Parcel)>,
    /// Bytes on their way.
    carried: usize,
    /// Arrived, and not read by the other end.
    arrived: Vec<u8>,
    last: Time,
    ended: bool,
}

#[derive(Debug)]
enum Parcel {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// What the reader of a pipe finds behind the bytes that arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// More may come.
    Open,
    /// The sender has ended its stream.
    End,
    /// The connection was reset.
    Reset,
}

impl Pipe {
    /// One direction of a link of this kind.
    pub(super) fn new(carriage: Carriage) -> Pipe {
        let window = match carriage {
            Carriage::Prompt => 64 << 10,
            Carriage::Slow => 1 << 10,
            Carriage::Stalling => 8 << 10,
        };
        let (parcels, arrived) = (VecDeque::new(), Vec::new());
        Pipe { window, parcels, carried: 0, arrived, last: Time::START, ended: false }
    }

    /// How many bytes more it takes at the moment.
    pub(super) fn room(&self) -> usize {
        if self.ended { 0 } else { self.window.saturating_sub(self.carried + self.arrived.len()) }
    }

    /// Sends bytes, in one piece or several.
    pub(super) fn send(&mut self, mut bytes: Vec<u8>, carriage: Carriage, now: Time, chance: &mut Random) {
        self.carried += bytes.len();
        while !bytes.is_empty() {
            let cut = match chance.below(4) {
                0 => 1 + chance.below(20.min(bytes.len() as u64)) as usize,
                1 => 1 + chance.below(bytes.len() as u64) as usize,
                _ => bytes.len(),
            };
            let rest = bytes.split_off(cut.min(bytes.len()));
            let parcel = Parcel::Bytes(std::mem::replace(&mut bytes, rest));
            self.post(parcel, carriage, now, chance);
        }
    }

    /// Ends the stream behind what was sent.
    pub(super) fn end(&mut self, carriage: Carriage, now: Time, chance: &mut Random) {
        if !std::mem::replace(&mut self.ended, true) {
            self.post(Parcel::End, carriage, now, chance);
        }
    }

    /// Resets the connection: some of what is on its way may be lost.
    pub(super) fn reset(&mut self, now: Time, chance: &mut Random) {
        self.ended = true;
        let kept = chance.below(self.parcels.len() as u64 + 1) as usize;
        self.parcels.truncate(kept);
        // The end of the stream, where it was sent already, is no end any more.
        self.parcels.retain(|(_, parcel)| matches!(parcel, Parcel::Bytes(_)));
        self.last = self.parcels.back().map_or(now, |(at, _)| *at);
        self.post(Parcel::Reset, Carriage::Prompt, now, chance);
    }

    /// The same, once.
    pub(super) fn end_by_reset(&mut self, now: Time, chance: &mut Random) {
        if !self.ended {
            self.reset(now, chance);
        }
    }

    fn post(&mut self, parcel: Parcel, carriage: Carriage, now: Time, chance: &mut Random) {
        let delay = match (carriage, chance.below(20)) {
            (Carriage::Stalling, 0) => Duration::from_millis(1000 + chance.below(5000)),
            (_, 0) => Duration::from_millis(chance.below(250)),
            (_, 1..=9) => Duration::from_millis(chance.below(30)),
            _ => Duration::ZERO,
        };
        self.last = self.last.max(now + delay);
        self.parcels.push_back((self.last, parcel));
    }

    /// What has arrived by `now`, with what was left of it before.
    pub(super) fn arrive(&mut self, now: Time) -> Arrival {
        while let Some((at, parcel)) = self.parcels.front_mut() {
            match parcel {
                _ if *at > now => return Arrival::Open,
                Parcel::Bytes(bytes) => {
                    self.carried -= bytes.len();
                    self.arrived.append(bytes);
                    self.parcels.pop_front();
                }
                // Both stay, so that they are found again by whoever did not care yet.
                Parcel::End => return Arrival::End,
                Parcel::Reset => return Arrival::Reset,
            }
        }
        Arrival::Open
    }

    /// Takes at most `most` of what has arrived.
    pub(super) fn take(&mut self, most: usize) -> Vec<u8> {
        let rest = self.arrived.split_off(most.min(self.arrived.len()));
        std::mem::replace(&mut self.arrived, rest)
    }

    /// How much has arrived and was not taken.
    pub(super) fn waiting(&self) -> usize {
        self.arrived.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_order_or_not_at_all() {
        for seed in 0..50 {
            let mut chance = Random::new(seed);
            let mut pipe = Pipe::new(Carriage::Stalling);
            let sent: Vec<u8> = (0..=255).cycle().take(4000).collect();
            for piece in sent.chunks(100) {
                pipe.send(piece.to_vec(), Carriage::Stalling, Time::START, &mut chance);
            }
            let resets = chance.chance(0.5);
            match resets {
                true => pipe.reset(Time::START, &mut chance),
                false => pipe.end(Carriage::Stalling, Time::START, &mut chance),
            }
            assert_eq!(pipe.room(), 0, "nothing more is taken");
            let (mut read, mut found) = (Vec::new(), Arrival::Open);
            for ms in (0..2_000_000).step_by(1000) {
                found = pipe.arrive(Time::from_millis(ms));
                read.extend(pipe.take(1 + chance.below(300) as usize));
            }
            assert!(sent.starts_with(&read));
            assert_eq!(found, if resets { Arrival::Reset } else { Arrival::End });
            assert!(resets || read.len() == sent.len());
        }
    }
}
