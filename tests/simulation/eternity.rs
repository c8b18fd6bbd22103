//! Shards of Eternity, walked at random: what clients are told of one another is who is in sight, and everybody is a
//! member of the region that it was told it stands in.
//!
//! Regions are made small and walkers fast, so that a short run crosses many borders and takes exits.

#[cfg(feature = "storage")]
use crate::member::{Member, records};
#[cfg(feature = "storage")]
use evertick::account::{Hasher, Record, Store};
#[cfg(feature = "storage")]
use evertick::engine::Game;
use evertick::games::eternity::character::{Class, Faction};
use evertick::games::eternity::packets::{Channel, Move};
use evertick::games::eternity::place::{LocationId, Point};
use evertick::games::eternity::world::Spot;
use evertick::games::eternity::{Eternity, In, Out, Settings, World as Map};
use evertick::ids::{PlayerId, RegionId};
use evertick::packet::{Character, ServerPacket};
use evertick::random::Random;
#[cfg(feature = "storage")]
use evertick::sim::{Caller, Who};
use evertick::sim::{Conduct, Scenario, Script, Settled, World};
use std::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "storage")]
use std::sync::atomic::{AtomicU64, Ordering};

const MAP: &str = include_str!("../../src/games/eternity/world.toml");

fn map() -> Map {
    let changes = [
        ("region_size = 32", "region_size = 8"),
        ("max_speed = 8", "max_speed = 60"),
        ("width = 28", "width = 5"),
        ("height = 28", "height = 5"),
    ];
    let text = changes.iter().fold(MAP.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
    Map::parse(&text).expect("the embedded map, with other numbers")
}

/// How many characters that anybody was told of were looked for on the disk and found, in all runs.
#[cfg(feature = "storage")]
pub(crate) static FOUND: AtomicU64 = AtomicU64::new(0);

/// How many accounts came out of the lobby into the world, in all runs.
#[cfg(feature = "storage")]
pub(crate) static CAME_OUT: AtomicU64 = AtomicU64::new(0);

/// The game, watched.
pub(crate) struct Shards {
    map: Map,
    /// What each player was told of itself: where it is.
    places: BTreeMap<PlayerId, (LocationId, Point)>,
    /// What each player was told of others.
    known: BTreeMap<PlayerId, Known>,
    /// Characters that were found on the disk.
    #[cfg(feature = "storage")]
    kept: BTreeSet<PlayerId>,
    /// Half of those who have an account have chosen no character yet.
    #[cfg(feature = "storage")]
    has_lobby: bool,
}

#[cfg(feature = "storage")]
impl Shards {
    /// With accounts that come into the lobby.
    pub(crate) fn with_lobby() -> Shards {
        Shards { has_lobby: true, ..Shards::default() }
    }
}

impl Default for Shards {
    fn default() -> Shards {
        Shards {
            map: map(),
            places: BTreeMap::new(),
            known: BTreeMap::new(),
            #[cfg(feature = "storage")]
            kept: BTreeSet::new(),
            #[cfg(feature = "storage")]
            has_lobby: false,
        }
    }
}

impl Scenario for Shards {
    type Game = Eternity;
    type Script = Walker;

    fn game(&mut self) -> Eternity {
        let mut settings = Settings::default();
        settings.world = map();
        Eternity::new(settings)
    }

    fn script(&mut self, conduct: Conduct, _: &mut Random) -> Walker {
        Walker { unreliable: conduct != Conduct::Honest, ..Walker::default() }
    }

    #[cfg(feature = "storage")]
    fn storage(&mut self) -> Option<(Box<dyn Store>, Box<dyn Hasher>)> {
        let (mut store, hasher) = crate::member::storage();
        let has_lobby = self.has_lobby;
        crate::resident::people(&mut *store, Eternity::NAME, |account| has_lobby && account % 8 < 2);
        Some((store, hasher))
    }

    #[cfg(feature = "storage")]
    fn who(&mut self, number: usize) -> Who {
        crate::resident::who(number)
    }

    /// Whoever is no guest is a character that is on the disk, and what it was told it has is.
    #[cfg(feature = "storage")]
    fn heard(&mut self, packet: &Out, store: &mut dyn Store) -> Result<(), String> {
        match packet {
            Out::CharacterUpdate(sheet) => {
                self.must_be_kept(sheet.id, store)?;
                let choices =
                    if sheet.selected { records(store, Eternity::NAME, "account")? } else { return Ok(()) };
                let chosen = |record: &Record| {
                    record
                        .value
                        .read::<serde_json::Value>()
                        .is_ok_and(|value| value["selected"] == sheet.id.0)
                };
                match choices.iter().any(chosen) {
                    true => Ok(()),
                    false => Err(format!("{} is told to be chosen, and nobody has on the disk", sheet.id)),
                }
            }
            Out::GameState(state) => {
                let others = state.players.iter().map(|player| player.id);
                std::iter::once(state.you.id).chain(others).try_for_each(|id| self.must_be_kept(id, store))
            }
            Out::PlayerJoinedArea { players } => {
                players.iter().try_for_each(|player| self.must_be_kept(player.id, store))
            }
            _ => Ok(()),
        }
    }

    #[cfg(feature = "storage")]
    fn caller(&mut self, number: usize) -> Option<Box<dyn Caller>> {
        Some(Box::new(Member::new(number, Some(Eternity::NAME))))
    }

    /// With what is still under way everybody knows exactly what it was told: who is in sight, and where.
    fn is_quiet(
        &mut self,
        _: &World<'_, Eternity>,
        people: &[Settled<'_, Eternity, Walker>],
    ) -> Result<(), String> {
        for Settled { player, script, under_way } in people {
            let Some(told) = self.known.get(player) else { continue };
            script.known.comes_to(told, *player, under_way)?;
        }
        Ok(())
    }

    fn tick_over(&mut self, world: &World<'_, Eternity>) -> Result<(), String> {
        // Of the lobby nobody is told anything but what it asked.
        for told in world.told.iter().filter(|told| !told.player.is_in_lobby()) {
            if let ServerPacket::Game(packet) = &told.packet {
                self.hear(told.player, packet)?;
            }
        }
        let members = world.engine.members(world.game).filter(|(player, _)| !player.is_in_lobby());
        let members: BTreeMap<PlayerId, Option<RegionId>> = members.collect();
        self.places.retain(|player, _| members.contains_key(player));
        self.known.retain(|player, _| members.contains_key(player));
        for (player, region) in &members {
            let region = region.ok_or_else(|| format!("{player} stands nowhere"))?;
            self.check(*player, region, &members, world)?;
        }
        Ok(())
    }
}

impl Shards {
    /// A character is on the disk. No player's is ever deleted in these runs, so that it is enough to look once.
    #[cfg(feature = "storage")]
    fn must_be_kept(&mut self, player: PlayerId, store: &mut dyn Store) -> Result<(), String> {
        if player.is_guest() || self.kept.contains(&player) {
            return Ok(());
        }
        let key = player.0.to_string();
        match records(store, Eternity::NAME, "character")?.iter().any(|record| record.key == key) {
            true => {
                self.kept.insert(player);
                FOUND.fetch_add(1, Ordering::Relaxed);
            }
            false => return Err(format!("character {player} was told of, and is not on the disk")),
        }
        Ok(())
    }

    fn hear(&mut self, player: PlayerId, packet: &Out) -> Result<(), String> {
        if let Out::GameState(state) = packet {
            self.places.insert(player, (state.location.id, state.you.position));
            self.known.entry(player).or_default();
        }
        if matches!(packet, Out::Chat { channel: Channel::Global, .. }) {
            // Newcomers hear it from the moment they are in, which may be before they are shown around.
            return Ok(());
        }
        let known = self.known.get_mut(&player).ok_or("game_state comes first")?;
        known.hear(player, packet)?;
        let place = self.places.get_mut(&player).ok_or("game_state comes first")?;
        match packet {
            Out::LocationUpdate { location, position } => *place = (location.id, *position),
            Out::PositionCorrection { position } => place.1 = *position,
            Out::Positions { moves, .. } => {
                let own = moves.iter().find(|Move(who, ..)| *who == player);
                own.into_iter().for_each(|Move(_, x, y, ..)| place.1 = Point::new(*x, *y));
            }
            _ => {}
        }
        Ok(())
    }

    fn check(
        &self,
        player: PlayerId,
        region: RegionId,
        members: &BTreeMap<PlayerId, Option<RegionId>>,
        world: &World<'_, Eternity>,
    ) -> Result<(), String> {
        let (location, at) =
            *self.places.get(&player).ok_or("nobody is in the world without a game_state")?;
        let location = self.map.find(location).ok_or("nobody is where there is nothing")?;
        // What is told is rounded: a place at a border may be on either side of it.
        let around = |dx, dy| self.map.region_at(Spot { location, at: Point::new(at.x + dx, at.y + dy) });
        const D: f32 = 0.006;
        if ![around(-D, -D), around(D, -D), around(-D, D), around(D, D)].contains(&region) {
            return Err(format!("{player} is at {at:?} and a member of {region:?}"));
        }
        let area: BTreeSet<RegionId> = world.engine.around(world.game, region).collect();
        let near = |place: &Option<RegionId>| place.is_some_and(|place| area.contains(&place));
        let in_sight: BTreeSet<PlayerId> = members
            .iter()
            .filter(|(who, place)| **who != player && near(place))
            .map(|(who, _)| *who)
            .collect();
        if self.known[&player].players != in_sight {
            return Err(format!("{player} knows {:?}, and sees {in_sight:?}", self.known[&player].players));
        }
        Ok(())
    }
}

/// Whom a player knows of. Nobody is told of somebody's coming who was there, nor of anybody's going who was not.
#[derive(Clone, Default)]
struct Known {
    players: BTreeSet<PlayerId>,
    /// Where they were last.
    at: BTreeMap<PlayerId, Point>,
    /// Those whom a `game_state` left out: they are gone, which is still to be told, or the player is in an exit and
    /// will be told everything afresh.
    left_out: BTreeSet<PlayerId>,
    /// Something was missed, and the `game_state` that makes it good has not come.
    is_void: bool,
}

impl Known {
    fn hear(&mut self, me: PlayerId, packet: &Out) -> Result<(), String> {
        let Known { players: known, at, left_out, is_void } = self;
        match packet {
            Out::GameState(state) => {
                *is_void = false;
                let now: BTreeSet<PlayerId> = state.players.iter().map(|player| player.id).collect();
                left_out.extend(known.difference(&now));
                *at = state.players.iter().map(|player| (player.id, player.position)).collect();
                *known = now;
            }
            // What happens in the tick of a `game_state` is told before it.
            _ if *is_void => {}
            Out::PlayerJoinedArea { players } => {
                if let Some(again) = players.iter().find(|player| player.id == me || !known.insert(player.id))
                {
                    return Err(format!("{me} is told again that {} has come", again.id));
                }
                at.extend(players.iter().map(|player| (player.id, player.position)));
            }
            Out::PlayerLeftArea { players } => {
                at.retain(|who, _| !players.contains(who));
                let stranger =
                    players.iter().find(|player| !known.remove(player) && !left_out.remove(player));
                if let Some(stranger) = stranger {
                    return Err(format!("{me} is told that {stranger} has gone, of whom it did not know"));
                }
            }
            Out::Positions { moves, .. } => {
                if let Some(Move(stranger, ..)) = moves.iter().find(|m| m.0 != me && !known.contains(&m.0)) {
                    return Err(format!("{me} is told where {stranger} is, of whom it does not know"));
                }
                let others = moves.iter().filter(|Move(who, ..)| *who != me);
                at.extend(others.map(|Move(who, x, y, ..)| (*who, Point::new(*x, *y))));
            }
            Out::Chat { channel: Channel::Local, from, .. }
                if from.id != me && !known.contains(&from.id) && !left_out.contains(&from.id) =>
            {
                return Err(format!("{me} hears {from:?} from out of sight"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Once `me` hears this too, it knows exactly what it was told.
    fn comes_to(&self, told: &Known, me: PlayerId, under_way: &[&Out]) -> Result<(), String> {
        let mut known = self.clone();
        under_way.iter().try_for_each(|packet| known.hear(me, packet))?;
        match known.players == told.players && known.at == told.at {
            true => Ok(()),
            false => Err(format!("{me} takes others to be at {:?}, and was told {:?}", known.at, told.at)),
        }
    }
}

/// One simulated walker.
#[derive(Default)]
pub(crate) struct Walker {
    place: Option<(LocationId, Point)>,
    exits: Vec<(LocationId, Point)>,
    heading: Point,
    known: Known,
    said: u32,
    /// The character that it plays; 0 for a guest.
    own: u32,
    /// The one that it may choose while it is in the lobby.
    choice: Option<u32>,
    /// In the lobby it asks one thing at a time, and nothing more once it enters: this is what waits for its answer.
    asked: Option<In>,
    /// How many more it has asked for.
    named: u32,
    /// Its words may be changed on their way; it says so in all of them.
    unreliable: bool,
    /// The last word heard of everybody.
    words: BTreeMap<PlayerId, u32>,
}

impl Script<Eternity> for Walker {
    fn act(&mut self, chance: &mut Random) -> Option<In> {
        if let Some(choice) = self.choice {
            return self.asked.is_none().then(|| self.choose(choice, chance));
        }
        let (_, at) = self.place?;
        Some(match chance.below(100) {
            0..5 => return None,
            5..15 => {
                self.said += 1;
                let channel = if chance.chance(0.5) { Channel::Local } else { Channel::Global };
                let prefix = if self.unreliable { "????????????????????????????????" } else { "" };
                In::Chat { channel, message: format!(" {prefix}{} ", self.said) }
            }
            15..17 => In::GetGameState,
            17 if self.own != 0 && chance.chance(0.5) => In::CharacterSelect { character_id: self.own },
            17 => {
                self.named += 1;
                let name = format!("Other {}-{}", self.own, self.named);
                In::CharacterCreate { name, faction: Faction::Verdant, class: Class::Rogue }
            }
            18..21 => In::GetNearbyPlayers,
            21..30 => {
                let near = self.exits.iter().find(|(_, exit)| exit.distance(at) < 3.0);
                let far = LocationId(chance.below(17) as u32);
                In::Move {
                    to_location_id: near.map_or(far, |exit| exit.0),
                    from_location_id: None,
                    position: None,
                }
            }
            // Too far for anybody.
            30 => In::PositionUpdate { position: Point::new(at.x + 200.0, at.y), velocity: Point::ZERO },
            _ => self.walk(at, chance),
        })
    }

    fn is_refused(&mut self) {
        self.asked = None;
    }

    fn is_in_lobby(&mut self, characters: &[Character]) {
        self.choice = characters.first().map(|character| character.id);
    }

    fn comes_out_as(&mut self, packet: &Out) -> Option<PlayerId> {
        let Out::GameState(state) = packet else {
            self.asked.take_if(|asked| !matches!(asked, In::CharacterSelect { .. }));
            return None;
        };
        self.choice = None;
        #[cfg(feature = "storage")]
        CAME_OUT.fetch_add(1, Ordering::Relaxed);
        Some(state.you.id)
    }

    fn hear(&mut self, me: PlayerId, packet: &Out) -> Result<(), String> {
        self.known.hear(me, packet)?;
        self.own = if me.is_guest() { 0 } else { me.0 };
        match packet {
            Out::GameState(state) => self.arrive(&state.location, state.you.position),
            Out::LocationUpdate { location, position } => self.arrive(location, *position),
            Out::PositionCorrection { position } => {
                self.place = self.place.map(|(location, _)| (location, *position));
            }
            Out::Chat { message, .. } if message.contains("????") => {}
            Out::Chat { from, message, .. } => {
                let n = message.parse().map_err(|_| format!("{message:?} was trimmed, and is a number"))?;
                let last = self.words.insert(from.id, n).unwrap_or(0);
                if last >= n {
                    return Err(format!("word {n} of {} comes behind its word {last}", from.id));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_told_afresh(&mut self) {
        self.known.is_void = true;
    }
}

impl Walker {
    /// In the lobby: mostly enters with the character that is there.
    fn choose(&mut self, choice: u32, chance: &mut Random) -> In {
        let wish = match chance.below(6) {
            0 => {
                self.named += 1;
                let name = format!("Other {choice}-{}", self.named);
                In::CharacterCreate { name, faction: Faction::Umbral, class: Class::Mage }
            }
            1 => In::GetGameState,
            _ => In::CharacterSelect { character_id: choice },
        };
        self.asked = Some(wish.clone());
        wish
    }

    fn arrive(&mut self, location: &evertick::games::eternity::packets::Location, at: Point) {
        self.place = Some((location.id, at));
        self.exits = location.exits.iter().map(|exit| (exit.to_location_id, exit.position)).collect();
    }

    /// Goes on to where it is heading, mostly an exit.
    fn walk(&mut self, at: Point, chance: &mut Random) -> In {
        if self.heading.distance(at) < 3.0 || chance.chance(0.05) {
            let exit = chance.below(self.exits.len() as u64 + 1) as usize;
            let anywhere = Point::new(chance.between(0.0, 190.0), chance.between(0.0, 190.0));
            self.heading = self.exits.get(exit).map_or(anywhere, |exit| exit.1);
        }
        let way = Point::new(self.heading.x - at.x, self.heading.y - at.y);
        let step = way.at_most(6.0);
        let position = Point::new(at.x + step.x, at.y + step.y);
        self.place = self.place.map(|(location, _)| (location, position));
        In::PositionUpdate { position, velocity: way.at_most(60.0) }
    }
}

/// Seed 287: what somebody had sent over a line that stalled came in the very tick after which everybody was asked.
#[test]
fn what_is_under_way_is_known_soon_and_nothing_else_is() {
    let (me, other) = (PlayerId(1), PlayerId(2));
    let at = |x| Out::Positions { moves: vec![Move(other, x, 1.0, 0.0, 0.0)], region: None };
    let knowing = |x| Known {
        players: BTreeSet::from([other]),
        at: BTreeMap::from([(other, Point::new(x, 1.0))]),
        ..Known::default()
    };
    let left = Out::PlayerLeftArea { players: vec![other] };
    let comes_to = |told: &Known, under_way: &[&Out]| knowing(1.0).comes_to(told, me, under_way);
    comes_to(&knowing(1.0), &[]).unwrap();
    comes_to(&knowing(3.0), &[&at(2.0), &at(3.0)]).unwrap();
    comes_to(&Known::default(), &[&left]).unwrap();
    comes_to(&knowing(3.0), &[]).expect_err("it was dropped");
    comes_to(&knowing(3.0), &[&at(2.0)]).expect_err("the newest was dropped");
    comes_to(&knowing(3.0), &[&at(3.0), &at(2.0)]).expect_err("they come in another order");
    comes_to(&Known::default(), &[]).expect_err("it has gone");
    comes_to(&knowing(1.0), &[&left, &at(1.0)]).expect_err("it is told of somebody who has gone");
}
