//! Everybody in the world, in one dense table.

use super::character::{Character, Life};
use super::movement::Body;
use super::packets;
use super::recent::Recent;
use super::world::Spot;
use crate::ids::{AccountId, PlayerId, RegionId};
use crate::limits::RESERVED_PEERS;
use slab::Slab;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// One player.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) id: PlayerId,
    /// Whose character it is; `None`: a guest's.
    pub(super) account: Option<AccountId>,
    pub(super) character: Character,
    pub(super) life: Life,
    pub(super) body: Body,
    /// What it said lately.
    pub(super) said: Recent,
    /// The region its body is in.
    pub(super) region: RegionId,
    /// The region in which the others know it to be, since the last settling of areas; none: nobody has been told of
    /// it, and it of nobody.
    pub(super) known_in: Option<RegionId>,
    /// Where it will be at the next settling, having taken an exit in this tick.
    pub(super) bound_for: Option<Spot>,
    /// It is to be told everything once areas are settled.
    pub(super) to_greet: bool,
    /// It has been told where it is: until then it is told nothing else.
    pub(super) greeted: bool,
    /// It is noted as somebody whose area may change.
    pub(super) stirs: bool,
    /// It is noted as somebody who moved.
    pub(super) moved: bool,
    /// Something about it that is kept has changed since it was last saved.
    pub(super) unsaved: bool,
    /// Its index among the members of the region it is counted to.
    pub(super) seat: u32,
}

const _: () = assert!(size_of::<Player>() <= 200, "there are as many of these as players");

/// Who comes in.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) account: Option<AccountId>,
    pub(super) character: Character,
    pub(super) life: Life,
}

impl Player {
    /// Somebody who has just come in.
    pub(super) fn new(id: PlayerId, who: Who, body: Body, region: RegionId) -> Player {
        let Who { account, character, life } = who;
        Player {
            id,
            account,
            character,
            life,
            body,
            said: Recent::default(),
            region,
            known_in: None,
            bound_for: None,
            to_greet: true,
            greeted: false,
            stirs: false,
            moved: false,
            // Where it came in is to be known if the power goes.
            unsaved: true,
            seat: 0,
        }
    }

    /// The region whose surroundings it sees; none while it is coming in or passing through an exit, which ends with
    /// the tick: until then nobody is in sight.
    pub(super) fn sees_from(&self) -> Option<RegionId> {
        if self.bound_for.is_some() { None } else { self.known_in }
    }

    /// As others are told it.
    pub(super) fn told(&self) -> packets::Player {
        packets::Player::new(self.id, &self.character, self.body.spot.at)
    }

    /// Where it is and how it moves, as others are told it.
    pub(super) fn motion(&self) -> packets::Move {
        packets::Move::new(self.id, self.body.spot.at, self.body.velocity)
    }
}

/// A place in the table; free again once its player has left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot(u32);

/// The table. It is never iterated in the order of its hash map.
#[derive(Debug)]
pub(super) struct Players {
    table: Slab<Player>,
    /// How many places of the table were ever used.
    places: u32,
    slots: HashMap<PlayerId, Slot, BuildHasherDefault<IdHasher>>,
}

impl Default for Players {
    /// Nobody, and room for many.
    fn default() -> Players {
        let slots = HashMap::with_capacity_and_hasher(RESERVED_PEERS, BuildHasherDefault::default());
        Players { table: Slab::with_capacity(RESERVED_PEERS), places: 0, slots }
    }
}

impl Players {
    /// Puts a player in; one of the same id is overwritten in the index, so it must have been taken out.
    pub(super) fn insert(&mut self, player: Player) -> Slot {
        let id = player.id;
        let slot = Slot(self.table.insert(player) as u32);
        self.places = self.places.max(slot.0 + 1);
        let earlier = self.slots.insert(id, slot);
        debug_assert!(earlier.is_none(), "{id} is there already");
        slot
    }

    /// Takes a player out.
    pub(super) fn remove(&mut self, id: PlayerId) -> Option<Player> {
        let slot = self.slots.remove(&id)?;
        self.table.try_remove(slot.0 as usize)
    }

    /// Where a player is in the table.
    pub(super) fn slot(&self, id: PlayerId) -> Option<Slot> {
        self.slots.get(&id).copied()
    }

    /// Who is at a place, if anybody still is.
    pub(super) fn get(&self, slot: Slot) -> Option<&Player> {
        self.table.get(slot.0 as usize)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Player> {
        self.table.get_mut(slot.0 as usize)
    }

    /// Everybody, in the order of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Player> {
        self.table.iter().map(|(_, player)| player)
    }

    /// Those at every `step`th place of the table, from the place `first` on; `step` is at least 1.
    pub(super) fn every(&self, step: u64, first: u64) -> impl Iterator<Item = Slot> + use<> {
        (first..u64::from(self.places)).step_by(step as usize).map(|place| Slot(place as u32))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

/// Spreads player ids over a hash map. The server gives them out itself, so nobody can choose ones that collide.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u32(&mut self, n: u32) {
        // Fibonacci hashing; the fold brings the well-mixed high bits to where the map takes its index from.
        let mixed = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32((self.0 as u32).rotate_left(8) ^ u32::from(byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;

    #[test]
    fn consecutive_ids_spread_over_low_and_high_bits() {
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let hashes: Vec<u64> =
            (0..4096).map(|n| hasher.hash_one(PlayerId(PlayerId::FIRST_GUEST + n))).collect();
        let low: BTreeSet<u64> = hashes.iter().map(|h| h & 0xfff).collect();
        let high: BTreeSet<u64> = hashes.iter().map(|h| h >> 57).collect();
        assert!(low.len() > 2000 && high.len() == 128, "{} {}", low.len(), high.len());
    }
}
