//! One game's people: who is in it, under which name, where, and on which connection.
//!
//! Members change only in a tick, as the game is told of them, so that what a game sees and whom its packets reach
//! follow from the log of inputs alone. Names and places at the table are reserved earlier, when somebody is let in.

use super::game::{Grid, To};
use super::regions::{Place, Regions};
use crate::ids::{ConnId, PlayerId, RegionId};
use crate::packet::Encoding;
use slab::Slab;
use smol_str::{SmolStr, StrExt};
use std::collections::HashMap;

/// One game's people.
#[derive(Debug, Default)]
pub(crate) struct Realm {
    members: Slab<Member>,
    by_player: HashMap<PlayerId, u32>,
    /// How many members each encoding has.
    speakers: [u32; 2],
    /// Which encodings those speak who come in with the tick that runs.
    coming: [bool; 2],
    regions: Regions,
    names: HashMap<SmolStr, NameUse>,
    /// Sessions that were given an instance id so far.
    instances: u64,
    /// How many have joined so far.
    visits: u64,
    /// How many members are in the lobby.
    in_lobby: usize,
    /// Who is about to come in out of the lobby, on which visit: it goes on.
    becoming: HashMap<PlayerId, u64>,
}

/// Who may be on the way out of the lobby at once; more are forgotten, which costs them what they asked in the lobby and have no answer to yet.
const BECOMING: usize = 1024;

/// Somebody in a game.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) player: PlayerId,
    /// `None` in a replay, where nobody listens.
    pub(crate) conn: Option<ConnId>,
    pub(crate) encoding: Encoding,
    /// Which visit this is: a player that comes again has another, and whoever comes out of the lobby goes on with its own.
    pub(crate) visit: u64,
    place: Option<Place>,
}

/// Who goes by one name, without regard to case.
#[derive(Debug, Default)]
struct NameUse {
    /// How many have the name without a number: one guest, or those whose own it is.
    plain: u32,
    /// How many present players' names begin with it.
    live: u32,
    /// The last number appended.
    last: u32,
}

impl Realm {
    /// Nobody yet, on these grids; with room for so many.
    pub(crate) fn new(grids: &[Grid], room: usize) -> Result<Realm, String> {
        Ok(Realm {
            members: Slab::with_capacity(room),
            by_player: HashMap::with_capacity(room),
            regions: Regions::new(grids)?,
            names: HashMap::with_capacity(room),
            ..Realm::default()
        })
    }

    /// The number of the next instance, from 1.
    pub(crate) fn next_instance(&mut self) -> u64 {
        self.instances += 1;
        self.instances
    }

    /// How many members there are, without those in the lobby.
    pub(crate) fn playing(&self) -> usize {
        self.members.len() - self.in_lobby
    }

    /// Reserves `wanted`, or the first of `wanted#2`, `wanted#3`... that nobody present has; `#` stands in no name that
    /// one can ask for. `is_taken`: whether somebody who is away has a name.
    pub(crate) fn reserve_name(&mut self, wanted: &str, is_taken: impl Fn(&str) -> bool) -> String {
        let name_use = self.names.entry(folded(wanted)).or_default();
        name_use.live += 1;
        if name_use.plain == 0 && !is_taken(wanted) {
            name_use.plain = 1;
            return wanted.to_owned();
        }
        loop {
            name_use.last = name_use.last.max(1) + 1;
            let name = format!("{wanted}#{}", name_use.last);
            // It ends: those who are away are finitely many.
            if !is_taken(&name) {
                return name;
            }
        }
    }

    /// Reserves a name for whom it belongs to: as it is, whoever present may have it.
    pub(crate) fn take_name(&mut self, name: &str) {
        let name_use = self.names.entry(folded(name)).or_default();
        name_use.live += 1;
        name_use.plain += 1;
    }

    /// Gives a reserved name back.
    pub(crate) fn release_name(&mut self, name: &str) {
        let (base, plain) = match name.split_once('#') {
            Some((base, _)) => (folded(base), false),
            None => (folded(name), true),
        };
        let Some(name_use) = self.names.get_mut(&base) else { return };
        name_use.plain = name_use.plain.saturating_sub(u32::from(plain));
        name_use.live = name_use.live.saturating_sub(1);
        if name_use.live == 0 {
            self.names.remove(&base);
        }
    }

    /// Adds a member that stands nowhere yet.
    pub(crate) fn join(&mut self, player: PlayerId, conn: Option<ConnId>, encoding: Encoding) {
        let visit = self.becoming.remove(&player).unwrap_or_else(|| {
            self.visits += 1;
            self.visits
        });
        self.in_lobby += usize::from(player.is_in_lobby());
        let key = self.members.insert(Member { player, conn, encoding, visit, place: None });
        let before = self.by_player.insert(player, key as u32);
        debug_assert!(before.is_none(), "a player joins once");
        self.speakers[encoding as usize] += 1;
    }

    /// Takes a member out, and out of its region; false for somebody who never joined: whoever comes under that id does not go on
    /// with a visit of the lobby then.
    pub(crate) fn leave(&mut self, player: PlayerId) -> bool {
        self.becoming.remove(&player);
        self.leave_region(player);
        let Some(key) = self.by_player.remove(&player) else { return false };
        self.in_lobby -= usize::from(player.is_in_lobby());
        let member = self.members.remove(key as usize);
        self.speakers[member.encoding as usize] -= 1;
        true
    }

    /// Takes a member out that comes in again as somebody else, on the same visit.
    pub(crate) fn become_another(&mut self, player: PlayerId, to: PlayerId) {
        if self.becoming.len() >= BECOMING {
            self.becoming.clear();
        }
        if let Some(&Member { visit, .. }) = self.member(player) {
            self.becoming.insert(to, visit);
        }
        self.leave(player);
    }

    /// Who a player is by now that was there on a visit: itself, or whoever it became out of the lobby. `None`: it has gone.
    pub(crate) fn now(&self, player: PlayerId, visit: u64) -> Option<PlayerId> {
        match self.member(player) {
            Some(member) => (member.visit == visit).then_some(player),
            None if player.is_in_lobby() => {
                self.members.iter().find(|(_, member)| member.visit == visit).map(|(_, member)| member.player)
            }
            None => None,
        }
    }

    /// A member's connection is another from here on; false where there is none whose connection was `from`.
    pub(crate) fn reconnect(&mut self, player: PlayerId, from: ConnId, to: ConnId) -> bool {
        let Some(&key) = self.by_player.get(&player) else { return false };
        let member = &mut self.members[key as usize];
        let is_it = member.conn == Some(from);
        if is_it {
            member.conn = Some(to);
        }
        is_it
    }

    /// A member is sent packets in this encoding from here on.
    pub(crate) fn set_encoding(&mut self, player: PlayerId, encoding: Encoding) {
        let Some(&key) = self.by_player.get(&player) else { return };
        let before = std::mem::replace(&mut self.members[key as usize].encoding, encoding);
        self.speakers[before as usize] -= 1;
        self.speakers[encoding as usize] += 1;
    }

    /// A tick begins, in which only newcomers come in who speak these encodings.
    pub(crate) fn expect(&mut self, coming: [bool; 2]) {
        self.coming = coming;
    }

    /// Whether anybody is sent packets in this encoding, before the tick that runs is over.
    pub(crate) fn speaks(&self, encoding: Encoding) -> bool {
        self.speakers[encoding as usize] > 0 || self.coming[encoding as usize]
    }

    /// Moves a member to a region. False where either does not exist; then nothing changes.
    pub(crate) fn enter(&mut self, player: PlayerId, region: RegionId) -> bool {
        let Some(&key) = self.by_player.get(&player) else { return false };
        if self.members[key as usize].place.is_some_and(|place| place.region == region) {
            return true;
        }
        let Some(place) = self.regions.enter(region, key) else { return false };
        self.leave_region(player);
        self.members[key as usize].place = Some(place);
        true
    }

    /// Takes a member out of its region.
    pub(crate) fn leave_region(&mut self, player: PlayerId) {
        let Some(&key) = self.by_player.get(&player) else { return };
        let Some(place) = self.members[key as usize].place.take() else { return };
        if let Some((moved, place)) = self.regions.leave(place) {
            self.members[moved as usize].place = Some(place);
        }
    }

    /// A member by its player's id.
    pub(crate) fn member(&self, player: PlayerId) -> Option<&Member> {
        self.by_player.get(&player).map(|&key| &self.members[key as usize])
    }

    /// Where a member stands.
    pub(crate) fn region_of(&self, player: PlayerId) -> Option<RegionId> {
        self.member(player)?.place.map(|place| place.region)
    }

    /// The members of one region.
    pub(crate) fn in_region(&self, region: RegionId) -> impl Iterator<Item = &Member> {
        self.regions.members(region).iter().map(|&key| &self.members[key as usize])
    }

    /// Whether anybody stands in a region.
    pub(crate) fn is_anybody_in(&self, region: RegionId) -> bool {
        !self.regions.members(region).is_empty()
    }

    /// Everybody, in the order of their places in the table, and where they stand.
    pub(crate) fn members(&self) -> impl Iterator<Item = (PlayerId, Option<RegionId>)> {
        self.members.iter().map(|(_, member)| (member.player, member.place.map(|place| place.region)))
    }

    /// The regions that see `region`.
    pub(crate) fn around(&self, region: RegionId) -> impl Iterator<Item = RegionId> + use<> {
        self.regions.around(region)
    }

    /// How many names are reserved.
    pub(crate) fn names_in_use(&self) -> usize {
        self.names.values().map(|name_use| name_use.live as usize).sum()
    }

    /// Holds the index and the cells against the members; `Err` is a mistake of this module.
    pub(crate) fn audit(&self) -> Result<(), String> {
        let indexed = |key: usize, player| self.by_player.get(&player) == Some(&(key as u32));
        let lost = self.members.iter().find(|(key, member)| !indexed(*key, member.player));
        if lost.is_some() || self.by_player.len() != self.members.len() {
            return Err(format!(
                "{} players are indexed, of {}; {lost:?}",
                self.by_player.len(),
                self.members.len()
            ));
        }
        let placed = self.members.iter().filter_map(|(key, member)| Some((key as u32, member.place?)));
        let standing = placed.clone().count();
        let astray = placed.into_iter().find(|&(key, place)| !self.regions.stands(key, place));
        if astray.is_some() || standing != self.regions.standing() {
            return Err(format!("{standing} stand in {} places; {astray:?}", self.regions.standing()));
        }
        Ok(())
    }

    /// Calls `f` for everybody of an audience, always in the same order.
    pub(crate) fn each(&self, to: To<'_>, mut f: impl FnMut(&Member)) {
        match to {
            To::Player(player) => self.member(player).into_iter().for_each(f),
            To::Players(players) => players.iter().filter_map(|&p| self.member(p)).for_each(f),
            To::Region(region) => self.in_region(region).for_each(f),
            To::Around(region) => {
                for near in self.regions.around(region) {
                    self.in_region(near).for_each(&mut f);
                }
            }
            To::Everyone => {
                self.members.iter().map(|(_, m)| m).filter(|m| !m.player.is_in_lobby()).for_each(f);
            }
        }
    }
}

/// What is compared of a name.
fn folded(name: &str) -> SmolStr {
    name.to_lowercase_smolstr()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: [PlayerId; 3] = [PlayerId(1), PlayerId(2), PlayerId(3)];

    fn realm() -> Realm {
        let mut realm = Realm::new(&[Grid { columns: 4, rows: 1 }], 0).expect("a small grid");
        for player in WHO {
            realm.join(player, None, Encoding::Json);
        }
        realm
    }

    fn audience(realm: &Realm, to: To<'_>) -> Vec<u32> {
        let mut heard = Vec::new();
        realm.each(to, |member| heard.push(member.player.0));
        heard
    }

    #[test]
    fn audiences() {
        let mut r = realm();
        assert!(r.enter(WHO[0], RegionId(0)) && r.enter(WHO[1], RegionId(1)) && r.enter(WHO[2], RegionId(3)));
        assert_eq!(audience(&r, To::Region(RegionId(1))), [2]);
        assert_eq!(audience(&r, To::Around(RegionId(1))), [1, 2]);
        assert_eq!(audience(&r, To::Around(RegionId(2))), [2, 3]);
        assert_eq!(audience(&r, To::Everyone), [1, 2, 3]);
        assert_eq!(audience(&r, To::Players(&[WHO[2], PlayerId(9), WHO[0]])), [3, 1]);
        assert_eq!(audience(&r, To::Player(PlayerId(9))), [0u32; 0]);
    }

    #[test]
    fn the_lobby_is_not_everyone() {
        let mut r = realm();
        let waiting = PlayerId(PlayerId::FIRST_IN_LOBBY);
        r.join(waiting, None, Encoding::Json);
        assert_eq!(audience(&r, To::Everyone), [1, 2, 3]);
        assert_eq!(audience(&r, To::Player(waiting)), [waiting.0]);
        assert_eq!(r.playing(), 3);
        r.leave(waiting);
        assert_eq!(r.playing(), 3);
    }

    #[test]
    fn whoever_comes_out_of_the_lobby_is_the_one_who_asked_there() {
        let mut r = realm();
        let (lobby, character) = (PlayerId(PlayerId::FIRST_IN_LOBBY), PlayerId(900));
        r.join(lobby, None, Encoding::Json);
        let visit = r.member(lobby).expect("it has joined").visit;
        assert_eq!(r.now(lobby, visit), Some(lobby));
        r.become_another(lobby, character);
        assert_eq!(r.now(lobby, visit), None, "it is on its way");
        r.join(character, None, Encoding::Json);
        assert_eq!((r.now(lobby, visit), r.now(character, visit)), (Some(character), Some(character)));
        r.leave(character);
        r.join(character, None, Encoding::Json);
        assert_eq!((r.now(lobby, visit), r.now(character, visit)), (None, None), "it came anew");
        let later = r.member(character).expect("it has joined").visit;
        assert_eq!(r.now(character, later), Some(character));
        for n in 0..2 * BECOMING as u32 {
            r.join(PlayerId(lobby.0 + n), None, Encoding::Json);
            r.become_another(PlayerId(lobby.0 + n), PlayerId(n + 4));
        }
        assert!(r.becoming.len() <= BECOMING);
    }

    #[test]
    fn whoever_leaves_on_the_way_out_of_the_lobby_leaves_its_visit_to_nobody() {
        let mut r = realm();
        let (lobby, character) = (PlayerId(PlayerId::FIRST_IN_LOBBY), PlayerId(900));
        r.join(lobby, None, Encoding::Json);
        let visit = r.member(lobby).expect("it has joined").visit;
        r.become_another(lobby, character);
        assert!(!r.leave(character), "it never joined");
        r.join(character, None, Encoding::Json);
        assert_eq!((r.now(lobby, visit), r.now(character, visit)), (None, None), "it came anew");
        assert!(r.leave(character) && r.becoming.is_empty());
    }

    #[test]
    fn membership_follows_moves_and_departures() {
        let mut r = realm();
        for player in WHO {
            r.enter(player, RegionId(2));
        }
        r.enter(WHO[0], RegionId(3));
        r.leave(WHO[1]);
        assert_eq!(audience(&r, To::Region(RegionId(2))), [3]);
        assert_eq!(r.region_of(WHO[0]), Some(RegionId(3)));
        assert_eq!(r.region_of(WHO[1]), None);
        assert!(!r.enter(WHO[0], RegionId(99)), "no such region");
        assert_eq!(r.region_of(WHO[0]), Some(RegionId(3)), "and nothing changed");
        assert!(!r.enter(WHO[1], RegionId(0)), "gone");
        assert_eq!(r.playing(), 2);
    }

    fn nobody(_: &str) -> bool {
        false
    }

    #[test]
    fn names_are_unique_among_those_present() {
        let mut r = realm();
        let is_away = |name: &str| ["Cara", "Cara#2"].contains(&name);
        assert_eq!(r.reserve_name("Ann", nobody), "Ann");
        assert_eq!(r.reserve_name("ann", nobody), "ann#2");
        assert_eq!(r.reserve_name("ANN", nobody), "ANN#3");
        r.release_name("ann#2");
        assert_eq!(r.reserve_name("Ann", nobody), "Ann#4", "a number is not used again while the name is");
        r.release_name("Ann");
        assert_eq!(r.reserve_name("ann", nobody), "ann");
        for name in ["ann", "ANN#3", "Ann#4"] {
            r.release_name(name);
        }
        assert!(r.names.is_empty());
        assert_eq!(r.reserve_name("Cara", is_away), "Cara#3", "whose names they are may be away");
        r.release_name("Cara#3");
        assert!(r.names.is_empty());
    }

    #[test]
    fn a_name_of_one_s_own_is_had_as_it_is() {
        let mut r = realm();
        assert_eq!(r.reserve_name("Ann", nobody), "Ann");
        r.take_name("Ann");
        r.release_name("Ann");
        assert_eq!(r.reserve_name("ann", nobody), "ann#2", "one of the two is still there");
        r.release_name("Ann");
        r.release_name("ann#2");
        assert!(r.names.is_empty());
    }
}
