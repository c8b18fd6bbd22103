//! A game that uses every verb there is: regions of two grids, walking between them, words to those around and to
//! all, positions that newer ones replace.

#[cfg(feature = "storage")]
use crate::member::Member;
#[cfg(feature = "storage")]
use evertick::account::{Hasher, Store};
use evertick::engine::{Context, Departure, Game, Grid, Input, Refusal, To};
use evertick::ids::{PlayerId, RegionId};
use evertick::packet::{Code, Priority, ServerPacket};
use evertick::random::Random;
#[cfg(feature = "storage")]
use evertick::sim::{Caller, Who};
use evertick::sim::{Conduct, Scenario, Script, World};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const GRIDS: [Grid; 2] = [Grid { columns: 4, rows: 3 }, Grid { columns: 1, rows: 2 }];
const REGIONS: u32 = 14;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum In {
    Walk { to: RegionId },
    Hide,
    Say { n: u32, text: String },
    Shout { n: u32, text: String },
    Look,
    Misbehave,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Out {
    Welcome {
        who: PlayerId,
    },
    Positions {
        region: RegionId,
        steps: Vec<(PlayerId, u32)>,
    },
    Said {
        from: PlayerId,
        n: u32,
        region: RegionId,
        text: String,
    },
    Shouted {
        from: PlayerId,
        n: u32,
        text: String,
    },
    Here {
        region: Option<RegionId>,
        players: Vec<PlayerId>,
    },
    /// Everything there is to know: where one stands, and who has taken how many steps there.
    Afresh {
        place: Option<RegionId>,
        steps: Vec<(PlayerId, u32)>,
    },
}

/// Somebody in the paddock.
#[derive(Debug, Default)]
struct Walker {
    place: Option<RegionId>,
    bound_for: Option<RegionId>,
    hides: bool,
    steps: u32,
}

/// How often anybody had been behind and was told everything afresh, in all runs.
pub(crate) static CAUGHT_UP: AtomicU64 = AtomicU64::new(0);

/// How often anybody was told everything afresh that had come back, in all runs.
pub(crate) static AFRESH: AtomicU64 = AtomicU64::new(0);

type Places = Arc<Mutex<BTreeMap<PlayerId, Option<RegionId>>>>;

/// The rules. Who is where changes at the end of a tick only.
#[derive(Default)]
pub(crate) struct Rules {
    walkers: BTreeMap<PlayerId, Walker>,
    behind: BTreeSet<PlayerId>,
    afresh: BTreeSet<PlayerId>,
    places: Places,
}

impl Game for Rules {
    type In = In;
    type Out = Out;
    const NAME: &'static str = "paddock";

    fn grids(&self) -> Vec<Grid> {
        GRIDS.to_vec()
    }

    fn priority(packet: &Out) -> Priority {
        match packet {
            Out::Positions { .. } => Priority::Low,
            Out::Said { .. } | Out::Shouted { .. } => Priority::Normal,
            Out::Here { .. } | Out::Afresh { .. } => Priority::High,
            Out::Welcome { .. } => Priority::Critical,
        }
    }

    fn supersedes(packet: &Out) -> Option<u32> {
        match packet {
            Out::Positions { region, .. } => Some(region.0),
            _ => None,
        }
    }

    fn is_stream(packet: &In) -> bool {
        matches!(packet, In::Walk { .. })
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<In>) -> Result<(), Refusal> {
        match input {
            Input::Joined { player, .. } => {
                let start = RegionId(ctx.random().below(u64::from(REGIONS)) as u32);
                self.walkers.insert(player, Walker { bound_for: Some(start), ..Walker::default() });
                ctx.send(To::Player(player), &Out::Welcome { who: player });
            }
            Input::Left { player, departure } => {
                assert!(ctx.region_of(player).is_none(), "the engine has taken it out");
                assert!(departure != Departure::Closed(Code::Internal));
                self.walkers.remove(&player).expect("whoever leaves was there");
                self.behind.remove(&player);
                self.afresh.remove(&player);
            }
            Input::Resumed { player, full_state: true } => {
                assert!(self.walkers.contains_key(&player), "whoever comes back is there");
                self.afresh.insert(player);
            }
            Input::CaughtUp { player } => {
                assert!(self.walkers.contains_key(&player), "whoever catches up is there");
                self.behind.insert(player);
                CAUGHT_UP.fetch_add(1, Ordering::Relaxed);
            }
            Input::Packet { player, packet } => return self.packet(ctx, player, packet),
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context<'_, Self>) {
        let mut moved: BTreeMap<RegionId, Vec<(PlayerId, u32)>> = BTreeMap::new();
        for (player, walker) in &mut self.walkers {
            if std::mem::take(&mut walker.hides) {
                (walker.place, walker.bound_for) = (None, None);
                ctx.leave_region(*player);
            }
            if let Some(to) = walker.bound_for.take() {
                walker.steps += 1;
                walker.place = Some(to);
                ctx.enter(*player, to);
                moved.entry(to).or_default().push((*player, walker.steps));
            }
        }
        for (region, steps) in moved {
            ctx.send(To::Around(region), &Out::Positions { region, steps });
        }
        for player in std::mem::take(&mut self.behind) {
            self.tell_all(ctx, player);
        }
        for player in std::mem::take(&mut self.afresh) {
            let place = self.walkers.get(&player).and_then(|walker| walker.place);
            ctx.send(To::Player(player), &Out::Afresh { place, steps: self.steps_at(place) });
            AFRESH.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(ctx.online(), self.walkers.len());
        let places = self.walkers.iter().map(|(player, walker)| (*player, walker.place)).collect();
        *self.places.lock().expect("nobody panics while holding it") = places;
    }
}

impl Rules {
    fn packet(&mut self, ctx: &mut Context<'_, Self>, player: PlayerId, packet: In) -> Result<(), Refusal> {
        let walker = self.walkers.get_mut(&player).expect("only who is there sends packets");
        match packet {
            In::Walk { to } if to.0 < REGIONS => walker.bound_for = Some(to),
            In::Walk { .. } => return Err(Refusal::new(Code::NotFound, "there is no such region")),
            In::Hide => walker.hides = true,
            In::Say { n, text } => {
                let Some(region) = walker.place else {
                    return Err(Refusal::new(Code::Conflict, "nobody hears you").retry_after(50));
                };
                ctx.send(To::Around(region), &Out::Said { from: player, n, region, text });
            }
            In::Shout { n, text } => ctx.send(To::Everyone, &Out::Shouted { from: player, n, text }),
            In::Look => {
                let region = walker.place;
                let players = region.into_iter().flat_map(|region| ctx.members(region)).collect();
                ctx.reply(&Out::Here { region, players });
            }
            In::Misbehave => ctx.kick(player, Code::Cheating, "that is not done"),
        }
        Ok(())
    }

    /// Tells somebody who had been behind where everybody around is.
    fn tell_all(&self, ctx: &mut Context<'_, Self>, player: PlayerId) {
        let Some(here) = self.walkers.get(&player).and_then(|walker| walker.place) else { return };
        let steps = self.steps_at(Some(here));
        ctx.send(To::Player(player), &Out::Positions { region: here, steps });
    }

    /// Who stands there, or nowhere, and how many steps each has taken.
    fn steps_at(&self, place: Option<RegionId>) -> Vec<(PlayerId, u32)> {
        let inside = self.walkers.iter().filter(|(_, walker)| walker.place == place);
        inside.map(|(player, walker)| (*player, walker.steps)).collect()
    }
}

/// The rules, watched.
#[derive(Default)]
pub(crate) struct Paddock {
    places: Places,
    /// Whether nobody does what one is sent away for.
    is_polite: bool,
    /// Where everybody stood a tick ago.
    before: BTreeMap<PlayerId, Option<RegionId>>,
}

impl Paddock {
    /// One in which nobody is sent away.
    pub(crate) fn polite() -> Paddock {
        Paddock { is_polite: true, ..Paddock::default() }
    }
}

impl Scenario for Paddock {
    type Game = Rules;
    type Script = Person;

    fn game(&mut self) -> Rules {
        self.places = Places::default();
        Rules { places: self.places.clone(), ..Rules::default() }
    }

    fn script(&mut self, conduct: Conduct, chance: &mut Random) -> Person {
        let unreliable = conduct != Conduct::Honest;
        let wordy = !unreliable && chance.chance(0.3);
        Person { unreliable, wordy, misbehaves: wordy && !self.is_polite, ..Person::default() }
    }

    #[cfg(feature = "storage")]
    fn storage(&mut self) -> Option<(Box<dyn Store>, Box<dyn Hasher>)> {
        Some(crate::member::storage())
    }

    #[cfg(feature = "storage")]
    fn who(&mut self, number: usize) -> Who {
        crate::resident::who(number)
    }

    #[cfg(feature = "storage")]
    fn caller(&mut self, number: usize) -> Option<Box<dyn Caller>> {
        Some(Box::new(Member::new(number, None)))
    }

    fn tick_over(&mut self, world: &World<'_, Rules>) -> Result<(), String> {
        let places = self.places.lock().expect("nobody panics while holding it").clone();
        let members: BTreeMap<PlayerId, Option<RegionId>> = world.engine.members(world.game).collect();
        if members != places {
            return Err(format!("members {members:?} stand elsewhere: {places:?}"));
        }
        let before = std::mem::replace(&mut self.before, places.clone());
        let mut words: BTreeMap<(PlayerId, u32), (RegionId, BTreeSet<PlayerId>)> = BTreeMap::new();
        let sees = |places: &BTreeMap<PlayerId, Option<RegionId>>, player, region| {
            let place = places.get(&player).copied().flatten();
            place.is_some_and(|place| world.engine.around(world.game, region).any(|near| near == place))
        };
        for told in world.told {
            let may_hear = match &told.packet {
                ServerPacket::Game(Out::Said { from, n, region, .. }) => {
                    words.entry((*from, *n)).or_insert((*region, BTreeSet::new())).1.insert(told.player);
                    sees(&before, told.player, *region)
                }
                ServerPacket::Game(Out::Positions { region, .. }) => sees(&places, told.player, *region),
                ServerPacket::Game(Out::Here { region, .. }) => {
                    before.get(&told.player).copied().flatten() == *region
                }
                ServerPacket::Game(Out::Welcome { who }) => *who == told.player,
                ServerPacket::Game(Out::Afresh { place, steps }) => {
                    let there = places.iter().filter(|(_, there)| *there == place).map(|(player, _)| *player);
                    places.get(&told.player) == Some(place)
                        && there.eq(steps.iter().map(|(player, _)| *player))
                }
                ServerPacket::Game(Out::Shouted { .. }) | ServerPacket::Control(_) => true,
            };
            if !may_hear {
                return Err(format!("{} may not hear {:?}", told.player, told.packet));
            }
        }
        for ((from, n), (region, heard)) in words {
            let stayed = places.keys().copied().filter(|player| sees(&before, *player, region));
            if let Some(deaf) = { stayed }.find(|player| !heard.contains(player)) {
                return Err(format!("{deaf} does not hear word {n} of {from}"));
            }
        }
        Ok(())
    }
}

/// What unreliable words begin with: enough of it is left, whatever becomes of them.
const UNRELIABLE: &str = "????????????????????????????????";

/// One simulated person.
#[derive(Default)]
pub(crate) struct Person {
    said: u32,
    /// Its words may be changed on their way; it says so in all of them.
    unreliable: bool,
    /// It says long things.
    wordy: bool,
    /// At times it does what one is sent away for.
    misbehaves: bool,
    welcomed: bool,
    /// The last word heard of everybody, and the last step.
    words: BTreeMap<PlayerId, u32>,
    steps: BTreeMap<PlayerId, u32>,
}

impl Script<Rules> for Person {
    fn act(&mut self, chance: &mut Random) -> Option<In> {
        let length = if self.wordy { 8000 } else { 40 };
        let mut word = |chance: &mut Random| {
            self.said += 1;
            let prefix = if self.unreliable { UNRELIABLE } else { "" };
            (prefix.to_owned() + &"word ".repeat(chance.below(length) as usize / 5), self.said)
        };
        Some(match chance.below(300) {
            0..40 => return None,
            40..90 => {
                let (text, n) = word(chance);
                In::Say { n, text }
            }
            90..110 => {
                let (text, n) = word(chance);
                In::Shout { n, text }
            }
            110..150 => In::Look,
            150..160 => In::Hide,
            160 if self.misbehaves => In::Misbehave,
            160..170 => In::Walk { to: RegionId(u32::MAX) },
            _ => In::Walk { to: RegionId(chance.below(u64::from(REGIONS)) as u32) },
        })
    }

    fn hear(&mut self, me: PlayerId, packet: &Out) -> Result<(), String> {
        if !self.welcomed && !matches!(packet, Out::Welcome { .. }) {
            return Err("the welcome comes first".to_owned());
        }
        match packet {
            Out::Welcome { who } => {
                if std::mem::replace(&mut self.welcomed, true) || *who != me {
                    return Err(format!("{me} is welcomed as {who}, again"));
                }
            }
            Out::Said { text, .. } | Out::Shouted { text, .. } if text.contains("????") => {}
            Out::Said { from, n, .. } | Out::Shouted { from, n, .. } => {
                let last = self.words.insert(*from, *n).unwrap_or(0);
                if last >= *n {
                    return Err(format!("word {n} of {from} comes behind its word {last}"));
                }
            }
            Out::Positions { steps, .. } | Out::Afresh { steps, .. } => {
                for (player, step) in steps {
                    let last = self.steps.insert(*player, *step).unwrap_or(0);
                    if last > *step {
                        return Err(format!("step {step} of {player} comes behind its step {last}"));
                    }
                }
            }
            Out::Here { .. } => {}
        }
        Ok(())
    }

    /// Who was lost at once is not told that it is welcome.
    fn is_told_afresh(&mut self) {
        self.welcomed = true;
    }
}
