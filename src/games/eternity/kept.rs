//! What the world keeps, as it stands on disk.
//!
//! Each record carries the version of its shape. **A released shape never changes**: a new one gets the next version, and
//! [`accepts`] learns to read both. `tests/golden/` has one of each as it was released.

use super::character::{Character, Class, Faction, Life};
use super::place::{LocationId, Point};
use super::world::{Spot, World};
use crate::engine::Kept;
use crate::ids::AccountId;
use crate::time::WallMs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of all shapes that this release writes.
pub(super) const VERSION: u32 = 1;

/// Characters by their ids, each with its folded name as its unique one.
pub(super) const CHARACTER: &str = "character";
/// Accounts by their ids: what they have chosen.
pub(super) const ACCOUNT: &str = "account";
/// Shards by their numbers.
pub(super) const SHARD: &str = "shard";
/// One of each: [`WORLD_STATE`], [`WORLD_IDS`].
pub(super) const WORLD: &str = "world";
/// The key of a [`KeptWorld`].
pub(super) const WORLD_STATE: &str = "state";
/// The key of a [`KeptIds`].
pub(super) const WORLD_IDS: &str = "ids";

/// All of them.
pub(super) const COLLECTIONS: &[&str] = &[WORLD, SHARD, ACCOUNT, CHARACTER];

/// A character.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct KeptCharacter {
    pub(super) account: AccountId,
    pub(super) name: String,
    pub(super) faction: Faction,
    pub(super) class: Class,
    pub(super) level: u32,
    pub(super) experience: u32,
    pub(super) hp: u32,
    pub(super) mana: u32,
    pub(super) gold: u64,
    pub(super) inventory: BTreeMap<String, u32>,
    /// Where it is or was last; null: it has not been in the world yet.
    pub(super) place: Option<KeptPlace>,
}

/// A place on the map.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct KeptPlace {
    pub(super) location: LocationId,
    pub(super) x: f32,
    pub(super) y: f32,
}

/// What an account has chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct KeptAccount {
    /// The character that enters the world. It may be gone: ids are never used again, so it is nobody then.
    pub(super) selected: Option<u32>,
}

/// The numbers that were given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct KeptIds {
    /// The newest character's; every one that will be made has a higher one.
    pub(super) last_character: u32,
}

/// The world as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct KeptWorld {
    /// How many ages it has seen, from 1.
    pub(super) age: u32,
    /// When this one began.
    pub(super) since: WallMs,
}

/// A Crystal Shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct KeptShard {
    /// Who holds it; null: nobody.
    pub(super) holder: Option<Faction>,
    /// Since when.
    pub(super) since: WallMs,
}

/// Whether this release can read a record.
pub(super) fn accepts(record: &Kept) -> Result<(), String> {
    if record.version != VERSION {
        return Err(format!("it is of version {}, and this release knows {VERSION}", record.version));
    }
    let number = || match record.key.parse::<u32>() {
        Ok(_) => Ok(()),
        Err(_) => Err("its key is no number".to_owned()),
    };
    match (record.collection.as_str(), record.key.as_str()) {
        (CHARACTER, _) => number().and(readable::<KeptCharacter>(record)),
        (ACCOUNT, _) => number().and(readable::<KeptAccount>(record)),
        (SHARD, _) => number().and(readable::<KeptShard>(record)),
        (WORLD, WORLD_STATE) => readable::<KeptWorld>(record),
        (WORLD, WORLD_IDS) => readable::<KeptIds>(record),
        _ => Err("this release has no such record".to_owned()),
    }
}

fn readable<T: DeserializeOwned>(record: &Kept) -> Result<(), String> {
    record.read::<T>().map(drop)
}

impl KeptCharacter {
    /// Somebody new.
    pub(super) fn new(
        account: AccountId,
        name: &str,
        faction: Faction,
        class: Class,
        world: &World,
    ) -> KeptCharacter {
        let life = Life::new(world.vitals(class));
        let character = Character { name: name.into(), faction, class, level: 1 };
        KeptCharacter::of(account, &character, &life, None)
    }

    /// Somebody as it is now.
    pub(super) fn of(
        account: AccountId,
        character: &Character,
        life: &Life,
        place: Option<KeptPlace>,
    ) -> KeptCharacter {
        let Life { experience, hp, mana, gold, .. } = *life;
        let Character { name, faction, class, level } = character.clone();
        let (name, inventory) = (name.to_string(), life.inventory.clone());
        KeptCharacter { account, name, faction, class, level, experience, hp, mana, gold, inventory, place }
    }

    /// What others see of it.
    pub(super) fn character(&self) -> Character {
        let KeptCharacter { faction, class, level, .. } = *self;
        Character { name: self.name.as_str().into(), faction, class, level }
    }

    /// How it fares. What it has more than its class may have in this world is lost.
    pub(super) fn life(&self, world: &World) -> Life {
        let well = Life::new(world.vitals(self.class));
        Life {
            experience: self.experience,
            hp: self.hp.min(well.max_hp),
            mana: self.mana.min(well.max_mana),
            gold: self.gold,
            inventory: self.inventory.clone(),
            ..well
        }
    }

    /// Where it comes in; `None` where it has not been anywhere, or the map has no such place any more.
    pub(super) fn spot(&self, world: &World) -> Option<Spot> {
        let KeptPlace { location, x, y } = self.place?;
        world.spot(location, Point::new(x, y))
    }

    /// The location that lists show: where it is, was last, or will come in.
    pub(super) fn location(&self, world: &World) -> LocationId {
        let spot = self.spot(world).map_or(world.start.location, |spot| spot.location);
        world.location(spot).id()
    }
}

impl KeptPlace {
    /// A spot as it is kept.
    pub(super) fn of(spot: Spot, world: &World) -> KeptPlace {
        KeptPlace { location: world.location(spot.location).id(), x: spot.at.x, y: spot.at.y }
    }
}
