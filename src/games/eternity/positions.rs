//! Who moved in this tick, told once a region to all who see it.

use super::effects::Effects;
use super::packets::{Move, Out};
use super::players::{Player, Players, Slot};
use crate::engine::To;
use crate::ids::{PlayerId, RegionId};

/// The movers of this tick. Its buffers are used again every tick.
#[derive(Debug, Default)]
pub(super) struct Positions {
    movers: Vec<Slot>,
    by_region: Vec<(RegionId, Slot)>,
    moves: Vec<Move>,
}

impl Positions {
    /// Notes that the player at `slot` is somewhere else or moves otherwise now.
    pub(super) fn note(&mut self, slot: Slot, player: &mut Player) {
        if !std::mem::replace(&mut player.moved, true) {
            self.movers.push(slot);
        }
    }

    /// Tells all moves of the tick: ONE packet a region, to those who see the region. Areas are settled, so that a
    /// mover's region is where everybody knows it to be.
    pub(super) fn send(&mut self, players: &mut Players, fx: &mut impl Effects) {
        for slot in self.movers.drain(..) {
            // A mover may have left since, and another may stand in its slot who has not moved.
            let Some(player) = players.get_mut(slot) else { continue };
            if std::mem::take(&mut player.moved) {
                debug_assert_eq!(player.known_in, Some(player.region));
                self.by_region.push((player.region, slot));
            }
        }
        // Arrival order within a region would need a stable sort; the order of slots serves as well and is the same
        // in every replay.
        self.by_region.sort_unstable();
        for group in self.by_region.chunk_by(|a, b| a.0 == b.0) {
            let region = group[0].0;
            let movers = group.iter().filter_map(|&(_, slot)| players.get(slot));
            let packet = positions(&mut self.moves, movers, Some(region));
            fx.send(To::Around(region), &packet);
            self.moves = take_back(packet);
        }
        self.by_region.clear();
    }

    /// Tells one player where all of these are, whether they moved or not.
    pub(super) fn tell_all<'a>(
        &mut self,
        player: PlayerId,
        all: impl Iterator<Item = &'a Player>,
        fx: &mut impl Effects,
    ) {
        let packet = positions(&mut self.moves, all, None);
        fx.send(To::Player(player), &packet);
        self.moves = take_back(packet);
    }
}

/// The packet, in the memory that `buffer` lends until [`take_back`].
fn positions<'a>(
    buffer: &mut Vec<Move>,
    players: impl Iterator<Item = &'a Player>,
    region: Option<RegionId>,
) -> Out {
    let mut moves = std::mem::take(buffer);
    moves.clear();
    moves.extend(players.map(Player::motion));
    Out::Positions { moves, region: region.map(|r| r.0) }
}

fn take_back(packet: Out) -> Vec<Move> {
    match packet {
        Out::Positions { moves, .. } => moves,
        _ => Vec::new(),
    }
}
