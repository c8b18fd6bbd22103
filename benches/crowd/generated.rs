//! Worlds of any size: a chain of equal locations under the rules of the embedded world.

use evertick::games::eternity::World;
use std::fmt::Write;

/// The embedded world, of which the rules are taken.
const BUILT_IN: &str = include_str!("../../src/games/eternity/world.toml");

/// A world of `locations` locations, 64 regions each.
pub(crate) fn world(locations: usize) -> World {
    World::parse(&file(locations)).expect("it is made as the loader wants it")
}

/// The text of its file.
fn file(locations: usize) -> String {
    let (rules, _) = BUILT_IN.split_once("[start]").expect("the rules come first");
    let mut file = format!("{rules}[start]\nlocation = 1\nx = 98\ny = 98\nwidth = 28\nheight = 28\n");
    for id in 1..=locations {
        let terrain = if id == 1 { "town" } else { "meadow" };
        let safe = id == 1;
        write!(file, "\n[[location]]\nid = {id}\nname = \"Field {id}\"\nterrain = \"{terrain}\"\nsafe = {safe}\nexits = [\n")
            .expect("memory takes everything");
        if id > 1 {
            writeln!(file, "  {{ at = [2, 128], to = {}, there = [248, 128] }},", id - 1)
                .expect("memory takes everything");
        }
        if id < locations {
            writeln!(file, "  {{ at = [254, 128], to = {}, there = [8, 128] }},", id + 1)
                .expect("memory takes everything");
        }
        file.push_str("]\n");
    }
    file
}
