//! Who walks the world: factions, classes, and the characters that guests are given.

use crate::random::Random;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The side a character stands on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Faction {
    /// Number 0: those who would have the sun stand still.
    Solari,
    /// Number 1: those who would have the night back.
    Umbral,
    /// Number 2: those who would have things grow.
    Verdant,
}

impl Faction {
    /// All of them, by number.
    pub const ALL: [Faction; 3] = [Faction::Solari, Faction::Umbral, Faction::Verdant];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Faction::Solari => "solari",
            Faction::Umbral => "umbral",
            Faction::Verdant => "verdant",
        }
    }
}

/// What a character is good at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Number 0: takes the most harm.
    Warden,
    /// Number 1: has the most mana.
    Mage,
    /// Number 2: acts first.
    Rogue,
}

impl Class {
    /// All of them, by number.
    pub const ALL: [Class; 3] = [Class::Warden, Class::Mage, Class::Rogue];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Warden => "warden",
            Class::Mage => "mage",
            Class::Rogue => "rogue",
        }
    }
}

/// What everybody in sight knows of a player besides where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Character {
    /// Unique among those present.
    pub name: SmolStr,
    /// Its side.
    pub faction: Faction,
    /// Its calling.
    pub class: Class,
    /// 1 to 20.
    pub level: u32,
}

impl Character {
    /// The character that somebody who brings none plays: of a faction and class that chance picks, at level 1.
    pub fn for_guest(name: &str, random: &mut Random) -> Character {
        Character {
            name: name.into(),
            faction: pick(Faction::ALL, random),
            class: pick(Class::ALL, random),
            level: 1,
        }
    }
}

/// How a character fares, and what it has: what it alone is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// What it has learnt, in points.
    pub experience: u32,
    /// How much harm it can still take.
    pub hp: u32,
    /// How much of that when it is well.
    pub max_hp: u32,
    /// What its skills are paid with.
    pub mana: u32,
    /// How much of that when it is rested.
    pub max_mana: u32,
    /// Coins.
    pub gold: u64,
    /// How many it has of each thing, none of them 0.
    pub inventory: BTreeMap<String, u32>,
}

impl Life {
    /// A new one: well, rested, and without a coin.
    pub fn new(vitals: Vitals) -> Life {
        let Vitals { hp, mana } = vitals;
        let (experience, gold, inventory) = (0, 0, BTreeMap::new());
        Life { experience, hp, max_hp: hp, mana, max_mana: mana, gold, inventory }
    }
}

/// What a class brings along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vitals {
    /// Harm that it can take.
    pub hp: u32,
    /// Mana that it has.
    pub mana: u32,
}

fn pick<T: Copy, const N: usize>(all: [T; N], random: &mut Random) -> T {
    all[random.below(N as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn guests_get_every_faction_and_class_and_one_seed_gives_the_same() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..200).map(|_| Character::for_guest("Ada", &mut random)).collect::<Vec<_>>()
        };
        let drawn = draw(1);
        assert_eq!(drawn, draw(1));
        let kinds: BTreeSet<_> = drawn.iter().map(|c| (c.faction, c.class)).collect();
        assert_eq!(kinds.len(), Faction::ALL.len() * Class::ALL.len());
        assert!(drawn.iter().all(|c| &*c.name == "Ada" && c.level == 1));
    }

    #[test]
    fn names_are_those_on_the_wire() {
        for faction in Faction::ALL {
            assert_eq!(serde_json::to_value(faction).unwrap(), faction.name());
        }
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
