//! The state of the world as a whole: its age, who holds which shard, and what follows from that.

use super::character::Faction;
use super::kept::{self, KeptShard, KeptWorld};
use super::packets;
use super::place::LocationId;
use super::world::World;
use crate::engine::{Commit, Kept};
use crate::time::WallMs;
use serde::Serialize;
use std::sync::Arc;

/// What all who shape it equally leave it at.
const BALANCE: &str = "balance";

/// The state.
#[derive(Debug)]
pub(super) struct State {
    /// The age and when it began; `None` in a world that has not been founded: its state is not on disk.
    founded: Option<KeptWorld>,
    /// In the order of the world's shards.
    shards: Vec<KeptShard>,
    /// The shards as clients are told them.
    pub(super) told: Arc<[packets::Shard]>,
}

/// A shard as lists show it.
#[derive(Serialize, PartialEq, Eq, Debug)]
pub(super) struct ShardStatus<'a> {
    id: u32,
    name: &'a str,
    location_id: LocationId,
    holder: Option<Faction>,
    since: WallMs,
}

impl State {
    /// A world that is about to begin: nobody holds anything.
    pub(super) fn new(world: &World) -> State {
        let nobody = KeptShard { holder: None, since: WallMs(0) };
        State { founded: None, shards: vec![nobody; world.shards.len()], told: world.shards.clone() }
    }

    /// Takes the state that was kept. A shard of which nothing was has been free since this age began.
    pub(super) fn load(&mut self, records: &[Kept], world: &World) {
        let in_state = |record: &&Kept| record.collection == kept::WORLD && record.key == kept::WORLD_STATE;
        self.founded = records.iter().find(in_state).and_then(|record| record.read().ok());
        let since = self.founded.map_or(WallMs(0), |founded| founded.since);
        self.free_all(since);
        for record in records.iter().filter(|record| record.collection == kept::SHARD) {
            let number = record.key.parse().ok();
            let place = world.shards.iter().position(|shard| Some(shard.id) == number);
            if let (Some(place), Ok(shard)) = (place, record.read()) {
                self.shards[place] = shard;
            }
        }
        self.tell();
    }

    /// What has to be on disk before the world may be taken as founded at `now`; `None` where it is.
    pub(super) fn founding(&self, now: WallMs) -> Option<(KeptWorld, Commit)> {
        if self.founded.is_some() {
            return None;
        }
        let first = KeptWorld { age: 1, since: now };
        let free = KeptShard { holder: None, since: now };
        let state = Commit::new().put(kept::WORLD, kept::WORLD_STATE, kept::VERSION, &first);
        let put =
            |commit: Commit, shard: &packets::Shard| commit.put(kept::SHARD, shard.id, kept::VERSION, &free);
        let commit = self.told.iter().fold(state, put);
        Some((first, commit.event("age_began", &serde_json::json!({ "age": first.age }))))
    }

    /// The world has been founded.
    pub(super) fn found(&mut self, world: KeptWorld) {
        self.founded = Some(world);
        self.free_all(world.since);
        self.tell();
    }

    /// How many ages the world has seen, this one too.
    pub(super) fn age(&self) -> u32 {
        self.founded.map_or(1, |founded| founded.age)
    }

    /// How many shards each faction holds, by its number.
    pub(super) fn held(&self) -> [u32; 3] {
        Faction::ALL
            .map(|faction| self.shards.iter().filter(|shard| shard.holder == Some(faction)).count() as u32)
    }

    /// Who shapes reality: the faction that holds more shards than any other.
    pub(super) fn reality(&self) -> &'static str {
        let held = self.held();
        let most = held.into_iter().max().unwrap_or(0);
        let mut leading = Faction::ALL.into_iter().filter(|&faction| held[faction as usize] == most);
        match (leading.next(), leading.next()) {
            (Some(faction), None) => faction.name(),
            _ => BALANCE,
        }
    }

    /// All shards as lists show them.
    pub(super) fn status(&self) -> impl Iterator<Item = ShardStatus<'_>> {
        self.told.iter().zip(&self.shards).map(|(told, shard)| ShardStatus {
            id: told.id,
            name: &told.name,
            location_id: told.location_id,
            holder: shard.holder,
            since: shard.since,
        })
    }

    fn free_all(&mut self, since: WallMs) {
        self.shards.fill(KeptShard { holder: None, since });
    }

    fn tell(&mut self) {
        let told = |(told, shard): (&packets::Shard, &KeptShard)| packets::Shard {
            holder: shard.holder,
            ..told.clone()
        };
        self.told = self.told.iter().zip(&self.shards).map(told).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Json;

    fn shard(id: u32, holder: Option<Faction>) -> Kept {
        let value = Json::of(&KeptShard { holder, since: WallMs(5) }).unwrap();
        Kept { collection: kept::SHARD.into(), key: id.to_string(), name: None, version: 1, value }
    }

    fn state_of(holders: &[(u32, Faction)]) -> State {
        let world = World::built_in();
        let mut state = State::new(&world);
        let records: Vec<Kept> = holders.iter().map(|&(id, holder)| shard(id, Some(holder))).collect();
        state.load(&records, &world);
        state
    }

    #[test]
    fn reality_is_whose_shards_are_the_most() {
        use Faction::*;
        assert_eq!(state_of(&[]).reality(), "balance");
        assert_eq!(state_of(&[(1, Umbral)]).reality(), "umbral");
        assert_eq!(state_of(&[(1, Umbral), (2, Solari)]).reality(), "balance", "a tie");
        assert_eq!(state_of(&[(1, Umbral), (2, Solari), (3, Solari), (4, Verdant)]).reality(), "solari");
    }

    #[test]
    fn what_was_kept_is_told_and_what_is_unknown_passed_over() {
        let state = state_of(&[(3, Faction::Verdant), (99, Faction::Solari)]);
        assert_eq!(state.held(), [0, 0, 1]);
        let held: Vec<u32> = state.told.iter().filter(|s| s.holder.is_some()).map(|s| s.id).collect();
        assert_eq!(held, [3]);
        let status = state.status().find(|status| status.id == 3).unwrap();
        assert_eq!((status.holder, status.since), (Some(Faction::Verdant), WallMs(5)));
    }

    #[test]
    fn a_world_is_founded_once() {
        let mut state = State::new(&World::built_in());
        assert_eq!((state.age(), state.status().count()), (1, 12));
        let (first, _) = state.founding(WallMs(7)).expect("it is not founded");
        state.found(first);
        assert!(state.founding(WallMs(8)).is_none());
        assert!(state.status().all(|shard| shard.holder.is_none() && shard.since == WallMs(7)));
    }
}
