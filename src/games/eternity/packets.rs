//! The packets of Shards of Eternity, both ways, as they stand on the wire.
//!
//! Both enums are plainly derived, so that one definition is the JSON (`"type"` is the variant in snake_case, `"data"`
//! its fields) and the compact form (the variant's number, then its fields in order). **Variants are only ever
//! appended and never change their fields**: the number in each variant's comment is what clients have compiled in.
//! The order is that of a visit: come in and look, go somewhere, walk, talk, look around.
//!
//! Coordinates are units with the origin at the top left of a location, velocities units a second. What the server
//! says is rounded to 1/100 unit (see [`hundredths`]), what it takes is any f32.

use super::character::{Character, Class, Faction, Life};
use super::place::{LocationId, Point, hundredths};
use crate::ids::PlayerId;
use crate::packet::Priority;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// What a client may send.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum In {
    /// 0: asks for [`Out::GameState`].
    GetGameState,
    /// 1: goes through an exit to another location; answered by [`Out::LocationUpdate`]. The mover stands within
    /// `exit_reach` of an exit that leads there, else `invalid`; an unknown location is `not_found`, a second exit in
    /// one tick `conflict`. `position_update`s that come behind it in the same tick mean the old location and are
    /// passed over; a client sends none until the answer is there.
    Move {
        /// Where to.
        to_location_id: LocationId,
        /// Where the client takes itself to be; `conflict` where it is wrong.
        from_location_id: Option<LocationId>,
        /// Where the client takes itself to be in there. The server knows better and pays no attention.
        position: Option<Point>,
    },
    /// 2: walks; answered by `ok` where it carries an id. What a walker cannot have covered is answered by
    /// [`Out::PositionCorrection`] and changes nothing.
    PositionUpdate {
        /// Where the walker is now.
        position: Point,
        /// How it moves on. Others draw by it; more than `max_speed` is shortened to it.
        velocity: Point,
    },
    /// 3: says something; answered by `ok` where it carries an id.
    Chat {
        /// To whom.
        channel: Channel,
        /// 1 to 500 characters once the white space around is off, none of them a control character.
        message: String,
    },
    /// 4: asks for [`Out::NearbyPlayers`].
    GetNearbyPlayers,
    /// 5: makes a character of the sender's account; answered by [`Out::CharacterUpdate`] when it is on disk. A name that
    /// is none is `invalid`, one that is taken and a character too many are `conflict`; a guest's is `forbidden`.
    CharacterCreate {
        /// 3 to 20 letters, digits, spaces, apostrophes and hyphens; unique without regard to case.
        name: String,
        /// Its side.
        faction: Faction,
        /// Its calling.
        class: Class,
    },
    /// 6: has one of the account's characters enter the world in the sender's place, now and whenever the account comes again;
    /// answered by [`Out::CharacterUpdate`] when that is on disk, and [`Out::GameState`] follows. `not_found` where the
    /// account has no such character.
    CharacterSelect {
        /// Its id.
        character_id: u32,
    },
    /// 7: deletes one of the account's characters for good; answered by `ok` when it is gone from the disk. `conflict`
    /// while it is in the world.
    CharacterDelete {
        /// Its id.
        character_id: u32,
    },
}

impl In {
    /// Whether the packet may be repeated byte for byte and mean something each time.
    pub fn is_stream(&self) -> bool {
        matches!(self, In::PositionUpdate { .. })
    }
}

/// What the server may send.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Out {
    /// 0: everything a client needs to draw; unasked on entering the world, and whenever asked for. It replaces all
    /// that the client knew.
    GameState(Box<GameState>),
    /// 1: the sender of `move` is in another location. Who is in sight there, and who no longer is, follows in the
    /// same tick as [`Out::PlayerLeftArea`] and [`Out::PlayerJoinedArea`], as at any border.
    LocationUpdate {
        /// The new one.
        location: Arc<Location>,
        /// Where in it.
        position: Point,
    },
    /// 2: these are in sight from now on.
    PlayerJoinedArea {
        /// Where they are now.
        players: Vec<Player>,
    },
    /// 3: these are not in sight any more. Of those who come and go in one tick, the going is told first.
    PlayerLeftArea {
        /// Their ids.
        players: Vec<PlayerId>,
    },
    /// 4: moves of one tick in one region, told to all who see the region, the movers too. A client passes over ids
    /// that it does not know.
    Positions {
        /// `[player_id, x, y, vx, vy]` each.
        moves: Vec<Move>,
        /// Not on the wire: the region, where a later packet of the same region may take this one's place.
        #[serde(skip)]
        region: Option<u32>,
    },
    /// 5: a walk was refused: the walker is here.
    PositionCorrection {
        /// Where the server has it.
        position: Point,
    },
    /// 6: somebody says something.
    Chat {
        /// To whom it was said.
        channel: Channel,
        /// Who said it; its sender hears it too.
        from: Speaker,
        /// What, without the white space around.
        message: String,
    },
    /// 7: the nearest players of the area.
    NearbyPlayers {
        /// The nearest first, at most 200, without the one who asks.
        players: Vec<Player>,
    },
    /// 8: one of the account's own characters, in full.
    CharacterUpdate(Box<Sheet>),
}

impl Out {
    /// What becomes of the packet when its recipient cannot keep up. An answer to a question is never dropped.
    pub fn priority(&self) -> Priority {
        match self {
            Out::Positions { .. } => Priority::Low,
            Out::Chat { .. } => Priority::Normal,
            Out::GameState(_)
            | Out::LocationUpdate { .. }
            | Out::PlayerJoinedArea { .. }
            | Out::PlayerLeftArea { .. }
            | Out::PositionCorrection { .. }
            | Out::NearbyPlayers { .. }
            | Out::CharacterUpdate(_) => Priority::High,
        }
    }

    /// The key under which a newer packet takes this one's place while it waits: a region's positions. What the older
    /// one alone told, those who have stopped since, is told again when the recipient has caught up.
    pub fn supersedes(&self) -> Option<u32> {
        match self {
            Out::Positions { region, .. } => *region,
            _ => None,
        }
    }
}

/// Who hears what is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Number 0: everybody in the world.
    Global,
    /// Number 1: the area, that is all who see the speaker.
    Local,
}

/// Who says something.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Speaker {
    /// Its id.
    pub id: PlayerId,
    /// Its name.
    pub name: SmolStr,
}

/// `[player_id, x, y, vx, vy]`: one player's position and velocity.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Move(pub PlayerId, pub f32, pub f32, pub f32, pub f32);

impl Move {
    /// The move as it is told, in hundredths.
    pub fn new(player: PlayerId, at: Point, velocity: Point) -> Move {
        Move(player, hundredths(at.x), hundredths(at.y), hundredths(velocity.x), hundredths(velocity.y))
    }
}

/// A player as others see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Player {
    /// Its id.
    pub id: PlayerId,
    /// Its name.
    pub name: SmolStr,
    /// Its side.
    pub faction: Faction,
    /// Its calling.
    pub class: Class,
    /// 1 to 20.
    pub level: u32,
    /// Where it is.
    pub position: Point,
}

impl Player {
    /// The player as it is told.
    pub fn new(id: PlayerId, character: &Character, at: Point) -> Player {
        let Character { name, faction, class, level } = character.clone();
        Player { id, name, faction, class, level, position: at.told() }
    }
}

/// Everything a client needs to draw.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GameState {
    /// The one who is told.
    pub you: You,
    /// Where it is.
    pub location: Arc<Location>,
    /// All locations of the world.
    pub locations: Arc<[LocationName]>,
    /// The nearest players of the area, the nearest first, at most 200, without `you`.
    pub players: Vec<Player>,
    /// The monsters of the area.
    pub monsters: Vec<Monster>,
    /// All shards of the world.
    pub shards: Arc<[Shard]>,
    /// Its party.
    pub party: Option<Party>,
    /// Its quests.
    pub quests: Vec<Quest>,
}

/// A player as it is told about itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct You {
    /// Its id.
    pub id: PlayerId,
    /// Its name.
    pub name: SmolStr,
    /// Its side.
    pub faction: Faction,
    /// Its calling.
    pub class: Class,
    /// 1 to 20.
    pub level: u32,
    /// Where it is.
    pub position: Point,
    /// How it moves.
    pub velocity: Point,
    /// How fast it may walk, units a second.
    pub max_speed: f32,
}

/// A character as its owner is told it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sheet {
    /// Its id, which is its player's.
    pub id: PlayerId,
    /// Its name.
    pub name: SmolStr,
    /// Its side.
    pub faction: Faction,
    /// Its calling.
    pub class: Class,
    /// 1 to 20.
    pub level: u32,
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
    /// What it carries.
    pub inventory: Vec<Stack>,
    /// Where it is, was last, or will come in.
    pub location_id: LocationId,
    /// Whether it is the one that enters the world.
    pub selected: bool,
}

impl Sheet {
    /// The character as it is told.
    pub fn new(
        id: PlayerId,
        character: &Character,
        life: Life,
        location_id: LocationId,
        selected: bool,
    ) -> Sheet {
        let Character { name, faction, class, level } = character.clone();
        let Life { experience, hp, max_hp, mana, max_mana, gold, inventory } = life;
        let inventory =
            inventory.into_iter().map(|(item_id, quantity)| Stack { item_id, quantity }).collect();
        Sheet {
            id,
            name,
            faction,
            class,
            level,
            experience,
            hp,
            max_hp,
            mana,
            max_mana,
            gold,
            inventory,
            location_id,
            selected,
        }
    }
}

/// So many of one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stack {
    /// Which thing.
    pub item_id: String,
    /// How many, at least 1.
    pub quantity: u32,
}

/// A location as clients draw it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Location {
    /// Its number.
    pub id: LocationId,
    /// Its name.
    pub name: String,
    /// One sentence about it.
    pub description: String,
    /// What the ground is.
    pub terrain: Terrain,
    /// Units from left to right.
    pub width: f32,
    /// Units from top to bottom.
    pub height: f32,
    /// The side of its square regions, units; a player sees the 3 x 3 around its own.
    pub region_size: f32,
    /// Nobody may be attacked here.
    pub safe: bool,
    /// How close to an exit one must be to take it, units.
    pub exit_reach: f32,
    /// The ways out.
    pub exits: Vec<Exit>,
}

/// What the ground of a location is: clients colour it by this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Terrain {
    /// Number 0: paved, built upon.
    Town,
    /// Number 1: grass.
    Meadow,
    /// Number 2: trees.
    Forest,
    /// Number 3: shallow water and wet ground.
    Marsh,
    /// Number 4: shore and open water.
    Water,
    /// Number 5: sand, ash, dust.
    Desert,
    /// Number 6: bare rock.
    Rock,
    /// Number 7: snow and ice.
    Snow,
    /// Number 8: under the ground.
    Cave,
    /// Number 9: what others built and left.
    Ruins,
}

/// A way out of a location.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// Where it leads.
    pub to_location_id: LocationId,
    /// The name of that.
    pub to_name: String,
    /// Where it is.
    pub position: Point,
}

/// A location by number and name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LocationName {
    /// Its number.
    pub id: LocationId,
    /// Its name.
    pub name: String,
}

/// A Crystal Shard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Shard {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The location it stands in.
    pub location_id: LocationId,
    /// Where in there.
    pub position: Point,
    /// Who holds it; null: nobody.
    pub holder: Option<Faction>,
}

/// A monster. None exists yet: the type has no values, and a list of it is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Monster {}

/// A party. None exists yet: the type has no values, and the option of one is null.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Party {}

/// A quest. None exists yet: the type has no values, and a list of it is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Quest {}
