//! A game of one's own in one file: a meadow to walk on, flowers to pick that grow again, and a highscore that is kept.
//!
//! ```sh
//! cargo run --example meadow
//! ```
//!
//! To play before there is a client, open <http://127.0.0.1:8090/healthz> in a browser and type into its console (F12):
//!
//! ```js
//! ws = new WebSocket('ws://127.0.0.1:8090/ws'); ws.onmessage = (message) => console.log(message.data)
//! say = (type, data) => ws.send(JSON.stringify({ type, data }))
//! say('auth_request', { version: 1, guest: 'Ada' })
//! say('walk', { dx: 1, dy: 0 })
//! say('pick')
//! say('highscore')
//! ```
//!
//! The highscore is in `meadow-data`, and there again after a restart. A second tab is a second player. Another address goes behind `--`, such as `cargo run --example meadow -- 0.0.0.0:80`.
//! `docs/your-own-game.md` goes through this file line by line.

use evertick::engine::{Context, Game, Input, Refusal, To};
use evertick::ids::PlayerId;
use evertick::packet::Code;
use evertick::server::{Server, Settings};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const SIZE: i32 = 16;
const FLOWERS: usize = 24;
const GROWN_A_SECOND: f32 = 2.0;
const NAMES: usize = 100;

/// Column and row, from the top left.
type Place = (i32, i32);
const MIDDLE: Place = (SIZE / 2, SIZE / 2);

/// What players may do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum In {
    Walk { dx: i32, dy: i32 },
    Pick,
    Highscore,
}

/// What players are told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Out {
    Meadow { players: Vec<(String, Place)>, flowers: BTreeSet<Place> },
    Highscore { picked: BTreeMap<String, u32> },
}

#[derive(Default)]
pub(crate) struct Meadow {
    players: BTreeMap<PlayerId, (String, Place)>,
    flowers: BTreeSet<Place>,
    picked: BTreeMap<String, u32>,
    changed: bool,
}

impl Game for Meadow {
    type In = In;
    type Out = Out;
    const NAME: &'static str = "meadow";
    const COLLECTIONS: &'static [&'static str] = &["highscore"];

    /// Two steps to the right are two steps, not one that was sent twice.
    fn is_stream(packet: &In) -> bool {
        matches!(packet, In::Walk { .. })
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<In>) -> Result<(), Refusal> {
        self.changed = true;
        match input {
            Input::Loaded { records } => {
                self.picked = records.first().and_then(|kept| kept.read().ok()).unwrap_or_default();
            }
            Input::Joined { player, name, .. } => _ = self.players.insert(player, (name, MIDDLE)),
            Input::Left { player, .. } => _ = self.players.remove(&player),
            Input::Packet { player, packet } => {
                let Some((name, place)) = self.players.get_mut(&player) else { return Ok(()) };
                let step = |from: i32, by: i32| (from + by.clamp(-1, 1)).clamp(0, SIZE - 1);
                match packet {
                    In::Walk { dx, dy } => *place = (step(place.0, dx), step(place.1, dy)),
                    In::Pick if self.flowers.remove(place) => {
                        *self.picked.entry(name.clone()).or_default() += 1;
                        while self.picked.len() > NAMES {
                            let least = self.picked.iter().min_by_key(|(_, picked)| **picked);
                            least.map(|(name, _)| name.clone()).map(|name| self.picked.remove(&name));
                        }
                        ctx.save("highscore", "picked", 1, &self.picked);
                    }
                    In::Pick => return Err(Refusal::new(Code::NotFound, "no flower grows here")),
                    In::Highscore => ctx.reply(&Out::Highscore { picked: self.picked.clone() }),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context<'_, Self>) {
        let chance = GROWN_A_SECOND / ctx.rate().hz() as f32;
        if self.flowers.len() < FLOWERS && ctx.random().chance(chance) {
            let anywhere = [(); 2].map(|()| ctx.random().below(SIZE as u64) as i32);
            self.changed |= self.flowers.insert(anywhere.into());
        }
        if std::mem::take(&mut self.changed) {
            let players = self.players.values().cloned().collect();
            ctx.send(To::Everyone, &Out::Meadow { players, flowers: self.flowers.clone() });
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).unwrap_or("127.0.0.1:8090".to_owned()).parse()?;
    let settings = Settings { listen, data_dir: Some("meadow-data".into()), ..Settings::default() };
    Server::new(settings).game("/ws", Meadow::default()).run()
}
