//! Who comes into sight and who goes out of it, both ways.
//!
//! What a client knows of others changes at one moment of the tick, the **settling**: all inputs have been handled by
//! then, and whoever is in another region than before, came in or left is a *crosser*. Sight is mutual and reaches
//! from a region to the 3 x 3 around it. Those who stay in a region all see the same crossers come and go: ONE packet
//! for all of them. Those who cross from one region to the same other see the same difference too, which depends on
//! the two regions alone: again one packet. Who comes into the world is told everything afterwards and is left out.
//!
//! Invariant, after each settling: what a client knows from `game_state`, `player_joined_area` and
//! `player_left_area` is who is in its area, itself not counted; nobody is told to have come who was there, nor to have
//! gone who was not; and a player is a member of the engine's region that its position lies in.

use super::effects::Effects;
use super::packets::{self, Out};
use super::players::{Player, Players, Slot};
use super::world::{Area, World};
use crate::engine::To;
use crate::ids::{PlayerId, RegionId};
use crate::limits;

/// Who is where, and who crosses in this tick.
#[derive(Debug)]
pub(super) struct Areas {
    /// By region, everybody who is known to be there. Invariant: a player that `known_in` names a region for is at
    /// its `seat` there.
    members: Vec<Vec<Slot>>,
    /// Who may turn out to have crossed.
    stirring: Vec<Slot>,
    crossings: Vec<Crossing>,
    /// Scratch, empty between settlings.
    index: Index,
    told: Told,
}

/// Somebody who is in another region than at the last settling.
#[derive(Clone, Copy, Debug)]
struct Crossing {
    player: PlayerId,
    /// None: it has left the world.
    slot: Option<Slot>,
    /// None: it has come into the world.
    from: Option<RegionId>,
    to: Option<RegionId>,
}

/// The crossings, by what is asked of them; a crossing is its place in the list.
#[derive(Debug, Default)]
struct Index {
    /// By region: who goes out of the sight of those in there.
    losses: Vec<(RegionId, u32)>,
    /// By region: who comes into the sight of those in there.
    gains: Vec<(RegionId, u32)>,
    /// By region: who was in there before.
    origins: Vec<(RegionId, u32)>,
    /// By the region before and after: who crossed from the one to the other.
    ways: Vec<(RegionId, RegionId, u32)>,
}

/// Memory for what is told.
#[derive(Debug, Default)]
struct Told {
    audience: Vec<PlayerId>,
    left: Vec<PlayerId>,
    joined: Vec<packets::Player>,
}

impl Areas {
    /// Nobody is anywhere.
    pub(super) fn new(world: &World) -> Areas {
        let room = limits::room_of_region(world.regions());
        Areas {
            members: std::iter::repeat_with(|| Vec::with_capacity(room)).take(world.regions()).collect(),
            stirring: Vec::new(),
            crossings: Vec::new(),
            index: Index::default(),
            told: Told::default(),
        }
    }

    /// Notes that the player at `slot` may be in another region than before.
    pub(super) fn stir(&mut self, slot: Slot, player: &mut Player) {
        if !std::mem::replace(&mut player.stirs, true) {
            self.stirring.push(slot);
        }
    }

    /// Notes that a player, taken out of the table already, has left the world. From now on it is in nobody's area;
    /// those who saw it are told at the settling.
    pub(super) fn depart(&mut self, player: &Player, players: &mut Players) {
        let Some(from) = player.known_in else { return };
        self.take_out(from, player.seat, players);
        self.crossings.push(Crossing { player: player.id, slot: None, from: Some(from), to: None });
    }

    /// Who is known to be in the area around a region.
    pub(super) fn around<'a>(
        &'a self,
        region: RegionId,
        world: &World,
        players: &'a Players,
    ) -> impl Iterator<Item = &'a Player> {
        let area = world.area(region);
        let members = (0..area.regions().len()).flat_map(move |i| self.of(area.regions()[i]));
        members.filter_map(|&slot| players.get(slot))
    }

    /// Makes where everybody is what everybody knows, and tells whoever it concerns.
    pub(super) fn settle(&mut self, world: &World, players: &mut Players, fx: &mut impl Effects) {
        self.collect(players);
        if self.crossings.is_empty() {
            return;
        }
        self.relocate(players);
        self.index.fill(&self.crossings, world, players);
        self.tell_those_who_stay(players, fx);
        self.tell_those_who_cross(world, players, fx);
        for crossing in self.crossings.drain(..) {
            let (Some(slot), Some(to)) = (crossing.slot, crossing.to) else { continue };
            if let Some(player) = players.get_mut(slot) {
                player.known_in = Some(to);
                fx.enter(player.id, to);
            }
        }
        self.index.clear();
    }

    /// Finds out who of those who stirred has crossed.
    fn collect(&mut self, players: &mut Players) {
        for slot in self.stirring.drain(..) {
            // It may have left since, and another may have its slot who does not stir.
            let Some(player) = players.get_mut(slot) else { continue };
            if std::mem::take(&mut player.stirs) && player.known_in != Some(player.region) {
                let Player { id, known_in, region, .. } = *player;
                let crossing = Crossing { player: id, slot: Some(slot), from: known_in, to: Some(region) };
                self.crossings.push(crossing);
            }
        }
    }

    /// Makes crossers members of the regions they are in now; `known_in` still says where they were.
    fn relocate(&mut self, players: &mut Players) {
        for i in 0..self.crossings.len() {
            let Crossing { slot: Some(slot), from, to: Some(to), .. } = self.crossings[i] else { continue };
            let Some(seat) = players.get(slot).map(|p| p.seat) else { continue };
            if let Some(from) = from {
                self.take_out(from, seat, players);
            }
            let members = &mut self.members[to.0 as usize];
            if let Some(player) = players.get_mut(slot) {
                player.seat = members.len() as u32;
                members.push(slot);
            }
        }
    }

    fn take_out(&mut self, region: RegionId, seat: u32, players: &mut Players) {
        let members = &mut self.members[region.0 as usize];
        members.swap_remove(seat as usize);
        if let Some(moved_up) = members.get(seat as usize).and_then(|&slot| players.get_mut(slot)) {
            moved_up.seat = seat;
        }
    }

    fn of(&self, region: RegionId) -> &[Slot] {
        &self.members[region.0 as usize]
    }

    /// What is told to those who are in the region in which they were. Of somebody who left and came in again in one
    /// tick the going must be told first, so all goings are.
    fn tell_those_who_stay(&mut self, players: &Players, fx: &mut impl Effects) {
        let Areas { members, crossings, index, told, .. } = self;
        for group in index.losses.chunk_by(|a, b| a.0 == b.0) {
            told.audience_of(group[0].0, members, players);
            told.left.extend(group.iter().map(|&(_, i)| crossings[i as usize].player));
            told.send_left(fx);
        }
        for group in index.gains.chunk_by(|a, b| a.0 == b.0) {
            told.audience_of(group[0].0, members, players);
            let crossers = group.iter().filter_map(|&(_, i)| crossings[i as usize].slot);
            told.joined.extend(crossers.filter_map(|slot| players.get(slot)).map(Player::told));
            told.send_joined(fx);
        }
    }

    /// What is told to those who crossed: the difference between what was in sight before and is now, once for all
    /// who went the same way. None of them is in it, since they saw each other before and do so now.
    fn tell_those_who_cross(&mut self, world: &World, players: &Players, fx: &mut impl Effects) {
        let Areas { members, crossings, index, told, .. } = self;
        for group in index.ways.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (before, now) = (world.area(group[0].0), world.area(group[0].1));
            told.audience.clear();
            told.audience.extend(group.iter().map(|&(_, _, i)| crossings[i as usize].player));
            for &region in before.regions() {
                if !now.contains(region) {
                    told.left.extend(stayers(&members[region.0 as usize], region, players).map(|p| p.id));
                }
                let went = index.from(region).iter().map(|&(_, i)| &crossings[i as usize]);
                let lost = went.filter(|c| c.to.is_none_or(|to| !now.contains(to)));
                told.left.extend(lost.map(|c| c.player));
            }
            told.send_left(fx);
            for &region in now.regions() {
                let here = members[region.0 as usize].iter().filter_map(|&slot| players.get(slot));
                let found = here.filter(|p| p.known_in.is_none_or(|was| !before.contains(was)));
                told.joined.extend(found.map(Player::told));
            }
            told.send_joined(fx);
        }
    }
}

/// The members of a region who were there before.
fn stayers<'a>(
    members: &'a [Slot],
    region: RegionId,
    players: &'a Players,
) -> impl Iterator<Item = &'a Player> {
    members.iter().filter_map(|&slot| players.get(slot)).filter(move |p| p.known_in == Some(region))
}

impl Index {
    /// Sorts the crossings in; within a group they stay in the order of the tick's inputs.
    fn fill(&mut self, crossings: &[Crossing], world: &World, players: &Players) {
        for (i, crossing) in (0u32..).zip(crossings) {
            let area = |region: Option<RegionId>| region.map_or(Area::NOWHERE, |r| world.area(r));
            let (before, now) = (area(crossing.from), area(crossing.to));
            let lost = before.regions().iter().filter(|&&r| !now.contains(r));
            self.losses.extend(lost.map(|&r| (r, i)));
            let gained = now.regions().iter().filter(|&&r| !before.contains(r));
            self.gains.extend(gained.map(|&r| (r, i)));
            self.origins.extend(crossing.from.map(|from| (from, i)));
            if let (Some(from), Some(to)) = (crossing.from, crossing.to) {
                let to_greet = crossing.slot.and_then(|slot| players.get(slot)).is_some_and(|p| p.to_greet);
                // Who is told everything afterwards needs no difference.
                self.ways.extend((!to_greet).then_some((from, to, i)));
            }
        }
        self.losses.sort_unstable();
        self.gains.sort_unstable();
        self.origins.sort_unstable();
        self.ways.sort_unstable();
    }

    /// Who was in a region before.
    fn from(&self, region: RegionId) -> &[(RegionId, u32)] {
        let start = self.origins.partition_point(|&(r, _)| r < region);
        let rest = &self.origins[start..];
        &rest[..rest.partition_point(|&(r, _)| r == region)]
    }

    fn clear(&mut self) {
        self.losses.clear();
        self.gains.clear();
        self.origins.clear();
        self.ways.clear();
    }
}

impl Told {
    /// From now on those who stay in a region are addressed.
    fn audience_of(&mut self, region: RegionId, members: &[Vec<Slot>], players: &Players) {
        self.audience.clear();
        self.audience.extend(stayers(&members[region.0 as usize], region, players).map(|p| p.id));
    }

    /// Tells the audience who left, if it is anybody, and forgets them.
    fn send_left(&mut self, fx: &mut impl Effects) {
        if !self.left.is_empty() && !self.audience.is_empty() {
            let packet = Out::PlayerLeftArea { players: std::mem::take(&mut self.left) };
            fx.send(To::Players(&self.audience), &packet);
            if let Out::PlayerLeftArea { players } = packet {
                self.left = players;
            }
        }
        self.left.clear();
    }

    /// Tells the audience who came, if it is anybody, and forgets them.
    fn send_joined(&mut self, fx: &mut impl Effects) {
        if !self.joined.is_empty() && !self.audience.is_empty() {
            let packet = Out::PlayerJoinedArea { players: std::mem::take(&mut self.joined) };
            fx.send(To::Players(&self.audience), &packet);
            if let Out::PlayerJoinedArea { players } = packet {
                self.joined = players;
            }
        }
        self.joined.clear();
    }
}
