//! What of those in the world is saved as they go: a character's place and how it fares, never a guest's.
//!
//! This may lag: whoever has changed is written down a few seconds later, in a rota over the table of players so that each
//! tick has its share, and whoever leaves at once. How often that goes to disk is the engine's business.

use super::effects::Effects;
use super::kept::{self, KeptCharacter, KeptIds, KeptPlace};
use super::play::Play;
use super::players::Player;
use super::world::World;
use crate::engine::Kept;
use crate::ids::{AccountId, PlayerId};

/// How long it takes the rota to come round, seconds. What is on disk is as old as that and a round of saving, together
/// under the ten seconds that a crash may cost.
const ROTA_S: f32 = 4.0;

impl Play {
    /// Takes what was kept.
    pub(super) fn load(&mut self, fx: &mut impl Effects, records: &[Kept]) {
        for record in records {
            // Each was accepted before, see `kept::accepts`.
            let _ = self.load_one(record);
        }
        self.state.load(records, &self.world);
        self.found(fx);
    }

    fn load_one(&mut self, record: &Kept) -> Option<()> {
        let number = || record.key.parse::<u32>().ok();
        match (record.collection.as_str(), record.key.as_str()) {
            (kept::CHARACTER, _) => self.characters.load(number()?, record.read().ok()?),
            (kept::ACCOUNT, _) => self.characters.load_account(AccountId(number()?), record.read().ok()?),
            (kept::WORLD, kept::WORLD_IDS) => {
                self.characters.load_last(record.read::<KeptIds>().ok()?.last_character);
            }
            _ => {}
        }
        Some(())
    }

    /// A tick's share of the rota.
    pub(super) fn save_some(&mut self, fx: &mut impl Effects) {
        let rota = fx.clock().ticks(ROTA_S).max(1);
        let turn = fx.clock().tick.0 % rota;
        for slot in self.players.every(rota, turn) {
            let Some(player) = self.players.get_mut(slot) else { continue };
            if std::mem::take(&mut player.unsaved)
                && let Some((id, character)) = as_kept(player, &self.world)
            {
                fx.save(kept::CHARACTER, id, kept::VERSION, &character);
                self.characters.update(id, character);
            }
        }
    }

    /// Somebody leaves: what it is now is what comes back.
    pub(super) fn save_leaving(&mut self, fx: &mut impl Effects, player: &Player) {
        if let Some((id, character)) = as_kept(player, &self.world) {
            fx.save(kept::CHARACTER, id, kept::VERSION, &character);
            self.characters.update(id, character);
        }
    }

    /// Brings the table of characters up to date with somebody who may be in the world.
    pub(super) fn remember(&mut self, player: PlayerId) {
        let here = self.players.slot(player).and_then(|slot| self.players.get(slot));
        if let Some((id, character)) = here.and_then(|player| as_kept(player, &self.world)) {
            self.characters.update(id, character);
        }
    }
}

/// A player as it is kept; `None` for a guest, who is not.
fn as_kept(player: &Player, world: &World) -> Option<(u32, KeptCharacter)> {
    // Who has taken an exit is where that leads.
    let spot = player.bound_for.unwrap_or(player.body.spot);
    let place = KeptPlace::of(spot, world);
    Some((player.id.0, KeptCharacter::of(player.account?, &player.character, &player.life, Some(place))))
}
