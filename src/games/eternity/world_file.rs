//! The world file: as typed, then as checked.
//!
//! The text is read into raw tables that remember where in it they stood, and these become a [`World`] or the first
//! [`WorldError`] that names the line. Nothing that comes out needs to be checked again.

use super::character::Vitals;
use super::packets::{self, Terrain};
use super::place::{LocationId, Point, Rect};
use super::world::{Exit, Location, LocationIndex, Rules, Spot, Start, World};
use crate::engine::Grid;
use crate::limits;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use toml::Spanned;

/// A mistake in a world file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorldError {
    /// Where, from 1.
    pub line: usize,
    /// What, in one sentence.
    pub message: String,
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for WorldError {}

/// The least and the most units of a region's and of a location's side.
const SIDES: RangeInclusive<f32> = 1.0..=8192.0;
/// What any other number of the rules must lie in.
const NUMBERS: RangeInclusive<f32> = 0.0..=10_000.0;
/// The most locations.
const LOCATIONS: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    rules: RawRules,
    classes: RawClasses,
    start: RawStart,
    #[serde(rename = "location")]
    locations: Vec<RawLocation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    region_size: Spanned<f32>,
    max_speed: Spanned<f32>,
    speed_tolerance: Spanned<f32>,
    allowance_s: Spanned<f32>,
    allowance_slack: Spanned<f32>,
    violations: Spanned<u32>,
    violation_window_s: Spanned<f32>,
    exit_reach: Spanned<f32>,
    chat_characters: Spanned<u32>,
    chat_messages: Spanned<u32>,
    chat_window_s: Spanned<f32>,
    characters: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClasses {
    warden: RawVitals,
    mage: RawVitals,
    rogue: RawVitals,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVitals {
    hp: Spanned<u32>,
    mana: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStart {
    location: Spanned<u32>,
    x: Spanned<f32>,
    y: Spanned<f32>,
    width: Spanned<f32>,
    height: Spanned<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLocation {
    id: Spanned<u32>,
    name: Spanned<String>,
    #[serde(default)]
    description: String,
    terrain: Terrain,
    #[serde(default)]
    safe: bool,
    width: Option<Spanned<f32>>,
    height: Option<Spanned<f32>>,
    shard: Option<RawShard>,
    #[serde(default)]
    exits: Vec<RawExit>,
}

/// The side of a location that does not say another, units.
const SIDE: f32 = 256.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShard {
    id: Spanned<u32>,
    name: String,
    at: Spanned<[f32; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExit {
    at: Spanned<[f32; 2]>,
    to: Spanned<u32>,
    there: Spanned<[f32; 2]>,
}

/// Reads and checks a world file.
pub(super) fn parse(text: &str) -> Result<World, WorldError> {
    let raw: RawFile = toml::from_str(text).map_err(|e| WorldError {
        line: line_of(text, e.span().unwrap_or(0..0)),
        message: e.message().to_owned(),
    })?;
    check(&raw).map_err(|Mistake { span, message }| WorldError { line: line_of(text, span), message })
}

fn line_of(text: &str, span: Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count()
}

/// A mistake and the bytes of the file it is made of.
struct Mistake {
    span: Range<usize>,
    message: String,
}

fn mistake<T, V>(at: &Spanned<V>, message: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { span: at.span(), message: message.into() })
}

fn check(raw: &RawFile) -> Result<World, Mistake> {
    let rules = check_rules(&raw.rules)?;
    let numbers = check_numbers(raw)?;
    let locations = check_locations(raw, &rules, &numbers)?;
    let mut world = World {
        start: check_start(&raw.start, &locations, &numbers)?,
        rules,
        classes: check_classes(&raw.classes)?,
        names: locations
            .iter()
            .map(|l| packets::LocationName { id: l.id(), name: l.told.name.clone() })
            .collect(),
        shards: check_shards(raw, &locations)?,
        locations,
    };
    check_start_region(&raw.start, &mut world)?;
    check_reachable(raw, &world)?;
    Ok(world)
}

fn check_rules(raw: &RawRules) -> Result<Rules, Mistake> {
    Ok(Rules {
        region_size: within(&raw.region_size, "region_size", SIDES)?,
        max_speed: within(&raw.max_speed, "max_speed", NUMBERS)?,
        speed_tolerance: within(&raw.speed_tolerance, "speed_tolerance", 1.0..=10.0)?,
        allowance_s: within(&raw.allowance_s, "allowance_s", NUMBERS)?,
        allowance_slack: within(&raw.allowance_slack, "allowance_slack", NUMBERS)?,
        violations: within(&raw.violations, "violations", 1..=1000)?,
        violation_window_s: within(&raw.violation_window_s, "violation_window_s", NUMBERS)?,
        exit_reach: within(&raw.exit_reach, "exit_reach", NUMBERS)?,
        chat_characters: within(&raw.chat_characters, "chat_characters", 1..=4096)? as usize,
        chat_messages: within(&raw.chat_messages, "chat_messages", 1..=1000)?,
        chat_window_s: within(&raw.chat_window_s, "chat_window_s", NUMBERS)?,
        characters: within(&raw.characters, "characters", 1..=100)? as usize,
    })
}

/// By the classes' numbers.
fn check_classes(raw: &RawClasses) -> Result<[Vitals; 3], Mistake> {
    let vitals = |raw: &RawVitals| {
        let (hp, mana) = (within(&raw.hp, "hp", 1..=10_000)?, within(&raw.mana, "mana", 0..=10_000)?);
        Ok(Vitals { hp, mana })
    };
    Ok([vitals(&raw.warden)?, vitals(&raw.mage)?, vitals(&raw.rogue)?])
}

/// The value, where it lies in `range`; what is no number lies in none.
fn within<T>(value: &Spanned<T>, key: &str, range: RangeInclusive<T>) -> Result<T, Mistake>
where
    T: Copy + PartialOrd + fmt::Display,
{
    if range.contains(value.get_ref()) {
        return Ok(*value.get_ref());
    }
    mistake(value, format!("{key} is {} to {}, not {}", range.start(), range.end(), value.get_ref()))
}

/// Which index the location of a number has.
type Numbers = BTreeMap<u32, LocationIndex>;

fn check_numbers(raw: &RawFile) -> Result<Numbers, Mistake> {
    let mut numbers = Numbers::new();
    if let Some(extra) = raw.locations.get(LOCATIONS) {
        return mistake(&extra.id, format!("a world has at most {LOCATIONS} locations"));
    }
    for (index, location) in raw.locations.iter().enumerate() {
        let id = &location.id;
        if *id.get_ref() == 0 {
            return mistake(id, "a location's id is at least 1");
        }
        if numbers.insert(*id.get_ref(), LocationIndex(index as u32)).is_some() {
            return mistake(id, format!("location {} is there twice", id.get_ref()));
        }
        if location.name.get_ref().trim().is_empty() {
            return mistake(&location.name, "a location has a name");
        }
    }
    Ok(numbers)
}

fn find(numbers: &Numbers, id: &Spanned<u32>) -> Result<LocationIndex, Mistake> {
    match numbers.get(id.get_ref()) {
        Some(&index) => Ok(index),
        None => mistake(id, format!("there is no location {}", id.get_ref())),
    }
}

fn check_locations(raw: &RawFile, rules: &Rules, numbers: &Numbers) -> Result<Vec<Location>, Mistake> {
    let bounds = raw.locations.iter().map(bounds_of).collect::<Result<Vec<_>, _>>()?;
    let mut first_region = 0;
    let mut locations = Vec::with_capacity(raw.locations.len());
    for (location, bounds_here) in raw.locations.iter().zip(&bounds) {
        let exits = check_exits(location, *bounds_here, &bounds, numbers)?;
        let cells = |side: f32| (side / rules.region_size).ceil() as u32;
        let grid = Grid { columns: cells(bounds_here.max.x), rows: cells(bounds_here.max.y) };
        let told = tell(location, *bounds_here, rules, raw, &exits).into();
        locations.push(Location { bounds: *bounds_here, exits, told, grid, first_region });
        // At most 8192 x 8192 a location, and the sum stops far below where u32 does.
        first_region += grid.columns * grid.rows;
        if first_region as usize > limits::REGIONS {
            return mistake(&location.id, format!("the map has more than {} regions", limits::REGIONS));
        }
    }
    Ok(locations)
}

fn bounds_of(raw: &RawLocation) -> Result<Rect, Mistake> {
    let side = |value: &Option<Spanned<f32>>, key| match value {
        Some(value) => within(value, key, SIDES),
        None => Ok(SIDE),
    };
    let max = Point::new(side(&raw.width, "width")?, side(&raw.height, "height")?);
    Ok(Rect { min: Point::ZERO, max })
}

fn check_exits(
    raw: &RawLocation,
    here: Rect,
    bounds: &[Rect],
    numbers: &Numbers,
) -> Result<Vec<Exit>, Mistake> {
    let exit = |exit: &RawExit| {
        let to = find(numbers, &exit.to)?;
        if exit.to.get_ref() == raw.id.get_ref() {
            return mistake(&exit.to, "an exit leads to another location");
        }
        let at = point_in(&exit.at, here, raw.name.get_ref())?;
        let there = point_in(&exit.there, bounds[to.0 as usize], &format!("location {}", exit.to.get_ref()))?;
        Ok(Exit { at, to, there })
    };
    raw.exits.iter().map(exit).collect()
}

fn point_in(raw: &Spanned<[f32; 2]>, bounds: Rect, of: &str) -> Result<Point, Mistake> {
    let [x, y] = *raw.get_ref();
    let point = Point::new(x, y);
    if bounds.contains(point) {
        return Ok(point);
    }
    let Point { x: width, y: height } = bounds.max;
    mistake(raw, format!("[{x}, {y}] lies outside {of}, which is {width} x {height}"))
}

fn tell(
    location: &RawLocation,
    bounds: Rect,
    rules: &Rules,
    raw: &RawFile,
    exits: &[Exit],
) -> packets::Location {
    let exit = |exit: &Exit| {
        let to = &raw.locations[exit.to.0 as usize];
        packets::Exit {
            to_location_id: LocationId(*to.id.get_ref()),
            to_name: to.name.get_ref().clone(),
            position: exit.at,
        }
    };
    packets::Location {
        id: LocationId(*location.id.get_ref()),
        name: location.name.get_ref().clone(),
        description: location.description.clone(),
        terrain: location.terrain,
        width: bounds.max.x,
        height: bounds.max.y,
        region_size: rules.region_size,
        safe: location.safe,
        exit_reach: rules.exit_reach,
        exits: exits.iter().map(exit).collect(),
    }
}

fn check_shards(raw: &RawFile, locations: &[Location]) -> Result<Arc<[packets::Shard]>, Mistake> {
    let mut ids = BTreeSet::new();
    let mut shards = Vec::new();
    for (location, checked) in raw.locations.iter().zip(locations) {
        let Some(shard) = &location.shard else { continue };
        if !ids.insert(*shard.id.get_ref()) {
            return mistake(&shard.id, format!("shard {} is there twice", shard.id.get_ref()));
        }
        shards.push(packets::Shard {
            id: *shard.id.get_ref(),
            name: shard.name.clone(),
            location_id: checked.id(),
            position: point_in(&shard.at, checked.bounds, &checked.told.name)?,
            holder: None,
        });
    }
    Ok(shards.into())
}

fn check_start(raw: &RawStart, locations: &[Location], numbers: &Numbers) -> Result<Start, Mistake> {
    let location = find(numbers, &raw.location)?;
    let home = &locations[location.0 as usize];
    if !home.told.safe {
        return mistake(
            &raw.location,
            format!("newcomers appear in a safe location; {} is not", home.told.name),
        );
    }
    let x = within(&raw.x, "x", 0.0..=home.bounds.max.x)?;
    let y = within(&raw.y, "y", 0.0..=home.bounds.max.y)?;
    let width = within(&raw.width, "width", 0.0..=home.bounds.max.x - x)?;
    let height = within(&raw.height, "height", 0.0..=home.bounds.max.y - y)?;
    let within = Rect { min: Point::new(x, y), max: Point::new(x + width, y + height) };
    Ok(Start { location, within })
}

/// Two newcomers see each other at once because they appear in one region.
fn check_start_region(raw: &RawStart, world: &mut World) -> Result<(), Mistake> {
    let Start { location, within } = world.start;
    let region = |at| world.region_at(Spot { location, at });
    if region(within.min) == region(within.max) {
        return Ok(());
    }
    let side = world.rules.region_size;
    mistake(&raw.x, format!("the start is within one region, and a region is {side} x {side}"))
}

fn check_reachable(raw: &RawFile, world: &World) -> Result<(), Mistake> {
    let mut reached = vec![false; world.len()];
    let mut open = vec![world.start.location];
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut reached[index.0 as usize], true) {
            open.extend(world.location(index).exits.iter().map(|exit| exit.to));
        }
    }
    match reached.iter().position(|reached| !reached) {
        Some(lost) => {
            let location = &raw.locations[lost];
            let name = location.name.get_ref();
            mistake(&location.id, format!("no way leads from the start to {name}"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"[rules]
region_size = 32
max_speed = 8
speed_tolerance = 1.15
allowance_s = 2
allowance_slack = 0.5
violations = 20
violation_window_s = 10
exit_reach = 3
chat_characters = 500
chat_messages = 5
chat_window_s = 5
characters = 5
[classes]
warden = { hp = 140, mana = 60 }
mage = { hp = 100, mana = 120 }
rogue = { hp = 100, mana = 60 }
[start]
location = 1
x = 33
y = 33
width = 30
height = 30
[[location]]
id = 1
name = "Home"
terrain = "town"
safe = true
width = 64
height = 64
exits = [
  { at = [2, 32], to = 2, there = [90, 32] },
]
[[location]]
id = 2
name = "Away"
terrain = "meadow"
width = 100
shard = { id = 1, name = "One", at = [50, 50] }
exits = [{ at = [98, 32], to = 1, there = [8, 32] }]
"#;

    #[test]
    fn a_small_world_is_read() {
        let world = World::parse(SMALL).unwrap();
        assert_eq!(world.grids(), [Grid { columns: 2, rows: 2 }, Grid { columns: 4, rows: 8 }]);
        assert_eq!(world.regions(), 36);
        assert_eq!(world.find(LocationId(2)), Some(LocationIndex(1)));
        assert_eq!(world.find(LocationId(3)), None);
        let home = world.location(LocationIndex(0));
        assert_eq!(
            home.exits,
            [Exit { at: Point::new(2.0, 32.0), to: LocationIndex(1), there: Point::new(90.0, 32.0) }]
        );
        assert_eq!(home.told.exits[0].to_name, "Away");
        assert_eq!(world.shards[0].location_id, LocationId(2));
    }

    /// Each mistake is one replacement in the small world; what is told names its line.
    #[test]
    fn mistakes_are_told_with_their_line() {
        let cases: &[(&str, &str, usize, &str)] = &[
            ("max_speed = 8", "max_sped = 8", 3, "unknown field `max_sped`"),
            ("max_speed = 8", "max_speed = -8", 3, "max_speed is 0 to 10000, not -8"),
            ("max_speed = 8", "max_speed = nan", 3, "max_speed is 0 to 10000, not NaN"),
            ("max_speed = 8", "max_speed = \"fast\"", 3, "invalid type"),
            ("max_speed = 8\n", "", 1, "missing field `max_speed`"),
            ("violations = 20", "violations = 0", 7, "violations is 1 to 1000, not 0"),
            ("region_size = 32", "region_size = 0", 2, "region_size is 1 to 8192"),
            ("location = 1", "location = 7", 19, "there is no location 7"),
            ("location = 1", "location = 2", 19, "safe location; Away is not"),
            ("x = 33", "x = 3", 20, "within one region"),
            ("x = 33", "x = 65", 20, "x is 0 to 64"),
            ("width = 30", "width = 40", 22, "width is 0 to 31"),
            ("id = 2", "id = 1", 35, "location 1 is there twice"),
            ("id = 2", "id = 0", 35, "at least 1"),
            ("\"Away\"", "\" \"", 36, "has a name"),
            ("\"meadow\"", "\"moon\"", 37, "unknown variant `moon`"),
            ("height = 64", "height = 9000", 30, "height is 1 to 8192"),
            ("height = 64", "hight = 64", 30, "unknown field `hight`"),
            ("to = 2,", "to = 9,", 32, "there is no location 9"),
            ("at = [2, 32]", "at = [65, 32]", 32, "[65, 32] lies outside Home, which is 64 x 64"),
            ("to = 2,", "to = 1,", 32, "leads to another location"),
            ("there = [90, 32]", "there = [90, -1]", 32, "[90, -1] lies outside location 2"),
            ("there = [90, 32]", "there = [inf, 1]", 32, "[inf, 1] lies outside location 2"),
            ("at = [50, 50]", "at = [50, 257]", 39, "lies outside Away"),
            (
                "exits = [\n  { at = [2, 32], to = 2, there = [90, 32] },\n]\n",
                "",
                32,
                "no way leads from the start to Away",
            ),
            ("[start]", "[start", 18, ""),
            ("\ncharacters = 5", "\ncharacters = 0", 13, "characters is 1 to 100, not 0"),
            ("hp = 140", "hp = 0", 15, "hp is 1 to 10000, not 0"),
            ("rogue = {", "thief = {", 17, "unknown field `thief`"),
        ];
        for (good, bad, line, message) in cases {
            assert!(SMALL.contains(good), "{good}");
            let error = World::parse(&SMALL.replacen(good, bad, 1)).expect_err(bad);
            assert_eq!(error.line, *line, "{bad}: {error}");
            assert!(error.message.contains(message), "{bad}: {error}");
        }
    }

    #[test]
    fn a_map_beyond_the_limit_is_refused() {
        let huge = SMALL.replace("region_size = 32", "region_size = 1").replace("x = 33", "x = 33.5");
        let huge =
            huge.replace("y = 33", "y = 33.5").replace("= 30\n", "= 0.25\n").replace("= 64\n", "= 8192\n");
        let error = World::parse(&huge).expect_err("8192 x 8192 regions");
        assert!(error.message.contains("regions"), "{error}");
    }
}
