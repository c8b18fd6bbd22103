//! What one player is told of what it sees: the whole state, and the nearest of those around.

use super::packets::{self, GameState, Out, You};
use super::players::Player;
use super::world::{Spot, World};
use std::sync::Arc;

/// The most players that one `game_state` or `nearby_players` lists.
const NEAREST: usize = 200;

/// Everything that `viewer` needs to draw, `others` being in its area. For somebody on the way through an exit that is
/// the place where it leads.
pub(super) fn game_state<'a>(
    world: &World,
    shards: &Arc<[packets::Shard]>,
    viewer: &Player,
    others: impl Iterator<Item = &'a Player>,
) -> Out {
    let Spot { location, at } = viewer.bound_for.unwrap_or(viewer.body.spot);
    let character = viewer.character.clone();
    Out::GameState(Box::new(GameState {
        you: You {
            id: viewer.id,
            name: character.name,
            faction: character.faction,
            class: character.class,
            level: character.level,
            position: at.told(),
            velocity: viewer.body.velocity.told(),
            max_speed: world.rules.max_speed,
        },
        location: world.location(location).told.clone(),
        locations: world.names.clone(),
        players: nearest(viewer, others),
        monsters: Vec::new(),
        shards: shards.clone(),
        party: None,
        quests: Vec::new(),
    }))
}

/// The nearest of `others`, the nearest first, without `viewer`.
pub(super) fn nearest<'a>(viewer: &Player, others: impl Iterator<Item = &'a Player>) -> Vec<packets::Player> {
    let here = viewer.body.spot.at;
    let mut found: Vec<(f32, &Player)> = others
        .filter(|other| other.id != viewer.id)
        .map(|other| (here.distance_squared(other.body.spot.at), other))
        .collect();
    // Ids break ties, so that one run always tells the same.
    let order =
        |a: &(f32, &Player), b: &(f32, &Player)| a.0.total_cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id));
    if found.len() > NEAREST {
        found.select_nth_unstable_by(NEAREST, order);
        found.truncate(NEAREST);
    }
    found.sort_unstable_by(order);
    found.into_iter().map(|(_, other)| other.told()).collect()
}
