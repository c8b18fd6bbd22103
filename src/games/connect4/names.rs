//! Who goes by which name. No two who are in the game, or may come back to it, have the same one, without regard to case.
//!
//! The engine gives no guest a name that somebody has. An account's name is its own, and a guest may have it when the
//! account comes: then whoever comes second is shown with a number, `Ann#2`, as a guest would be. `#` stands in no name that
//! one can ask for.

use crate::ids::PlayerId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All names in use.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, PlayerId>);

impl Names {
    /// Gives a player the name, or the first of `wanted#2`, `wanted#3`... that nobody has.
    pub(super) fn take(&mut self, player: PlayerId, wanted: &str) -> Arc<str> {
        let base = wanted.split_once('#').map_or(wanted, |(base, _)| base);
        let mut name: Arc<str> = wanted.into();
        let mut number = 1u64;
        while self.is_taken(&name) {
            number += 1;
            name = format!("{base}#{number}").into();
        }
        self.0.insert(folded(&name), player);
        name
    }

    /// The name is free again.
    pub(super) fn release(&mut self, player: PlayerId, name: &str) {
        let removed = self.0.remove(&folded(name));
        debug_assert_eq!(removed, Some(player), "a name is given back by whose it is");
    }

    /// Whether somebody has it.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.0.contains_key(&folded(name))
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn folded(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_have_the_same_name() {
        let mut names = Names::default();
        let take = |names: &mut Names, player, wanted| names.take(PlayerId(player), wanted).to_string();
        assert_eq!(take(&mut names, 1, "Zoë"), "Zoë");
        assert_eq!(take(&mut names, 2, "ZOË"), "ZOË#2");
        assert_eq!(take(&mut names, 3, "zoë#2"), "zoë#3", "a number is not put behind a number");
        assert_eq!(take(&mut names, 4, "Zoë"), "Zoë#4");
        names.release(PlayerId(1), "Zoë");
        assert!(!names.is_taken("zoë") && names.is_taken("ZOË#3"));
        assert_eq!(take(&mut names, 5, "zoë"), "zoë");
        for (player, name) in [(2, "ZOË#2"), (3, "zoë#3"), (4, "Zoë#4"), (5, "zoë")] {
            names.release(PlayerId(player), name);
        }
        assert_eq!(names.len(), 0);
    }
}
