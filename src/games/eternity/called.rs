//! What the world answers over HTTP: characters to those who are logged in, the world's state to everybody.

use super::characters::Wish;
use super::effects::Effects;
use super::play::Play;
use crate::account::LogEntry;
use crate::engine::{Asker, Call, NotKept, ReadingId, Refusal, Route};
use crate::http::Method::{Delete, Get, Post};
use crate::ids::{AccountId, PlayerId};
use crate::packet::Code;
use crate::time::Tick;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// All of them.
pub(super) const ROUTES: &[Route] = &[
    Route::account(Get, "/api/characters"),
    Route::account(Post, "/api/characters"),
    Route::account(Post, "/api/characters/select"),
    Route::account(Delete, "/api/characters/{id}"),
    Route::public(Get, "/api/world/state"),
    Route::public(Get, "/api/world/shards"),
    Route::public(Get, "/api/world/events"),
];

/// How many readings of the log may be under way: what anybody may ask for leaves most of storage to those who play.
const READINGS: usize = 8;

/// The most events of one answer, and how many where nobody says.
const EVENTS: std::ops::RangeInclusive<u32> = 1..=100;
const EVENTS_UNASKED: u32 = 20;

/// After how long it is worth asking again where too many read the log, milliseconds.
const READ_AGAIN_MS: u32 = 500;

#[derive(Deserialize)]
struct Choice {
    character_id: u32,
}

impl Play {
    /// Somebody asks.
    pub(super) fn called(&mut self, fx: &mut impl Effects, call: &Call) -> Result<(), Refusal> {
        match (call.method, &call.segments()[1..]) {
            (Get, ["characters"]) => self.answer_list(fx, account_of(call)?),
            (Post, ["characters"]) => return self.create(fx, account_of(call)?, &call.json::<Wish>()?),
            (Post, ["characters", "select"]) => {
                let Choice { character_id } = call.json()?;
                return self.select(fx, account_of(call)?, character_id, None);
            }
            (Delete, ["characters", id]) => {
                // What is no number is nobody's id.
                return self.delete(fx, account_of(call)?, as_number(id).unwrap_or(0));
            }
            (Get, ["world", "state"]) => self.answer_state(fx),
            (Get, ["world", "shards"]) => {
                let shards: Vec<_> = self.state.status().collect();
                let asker = fx.asker();
                fx.answer(asker, 200, &json!({ "shards": shards }));
            }
            (Get, ["world", "events"]) => return self.read_events(fx, call),
            _ => return Err(Refusal::new(Code::NotFound, "there is nothing at this path")),
        }
        Ok(())
    }

    fn answer_list(&mut self, fx: &mut impl Effects, account: AccountId) {
        for character in self.characters.list(account, &self.world) {
            self.remember(PlayerId(character.id));
        }
        let characters = self.characters.list(account, &self.world);
        let asker = fx.asker();
        fx.answer(asker, 200, &json!({ "characters": characters }));
    }

    fn answer_state(&mut self, fx: &mut impl Effects) {
        let tick = fx.clock().tick;
        let body = match &self.census {
            Some((at, body)) if *at == tick => body.clone(),
            _ => Arc::new(self.take_census()),
        };
        let asker = fx.asker();
        fx.answer(asker, 200, &*body);
        self.census = Some((tick, body));
    }

    /// Looks at everybody: once a tick, however many ask.
    fn take_census(&self) -> Value {
        let mut players = vec![0u32; self.world.len()];
        for player in self.players.iter() {
            players[self.world.number_of(player.body.spot.location)] += 1;
        }
        let [solari, umbral, verdant] = self.state.held();
        let of = |(name, players): (&super::packets::LocationName, &u32)| json!({ "id": name.id, "name": name.name, "players": players });
        let locations: Vec<Value> = self.world.names.iter().zip(&players).map(of).collect();
        json!({
            "reality": self.state.reality(),
            "age": self.state.age(),
            "shards": { "solari": solari, "umbral": umbral, "verdant": verdant },
            "players_online": self.players.len(),
            "locations": locations,
        })
    }

    fn read_events(&mut self, fx: &mut impl Effects, call: &Call) -> Result<(), Refusal> {
        let limit = match number::<u32>(call, "limit")? {
            None => EVENTS_UNASKED,
            Some(limit) if EVENTS.contains(&limit) => limit,
            Some(_) => {
                let (least, most) = (EVENTS.start(), EVENTS.end());
                return Err(Refusal::new(Code::Invalid, format!("limit is {least} to {most}")));
            }
        };
        let before = number::<u64>(call, "before")?;
        if self.readings.len() >= READINGS {
            let refusal = Refusal::new(Code::Busy, "too many are reading; try again");
            return Err(refusal.retry_after(READ_AGAIN_MS));
        }
        let asker = fx.asker();
        self.readings.insert(fx.read_log(before, limit), asker);
        Ok(())
    }

    /// The log has been read.
    pub(super) fn answer_events(
        &mut self,
        fx: &mut impl Effects,
        reading: ReadingId,
        outcome: Result<Vec<LogEntry>, NotKept>,
    ) {
        let Some(asker) = self.readings.remove(&reading) else { return };
        match outcome {
            Ok(entries) => tell_events(fx, asker, entries),
            // A world that keeps nothing remembers nothing.
            Err(NotKept::Unavailable) => tell_events(fx, asker, Vec::new()),
            Err(why) => fx.refuse(asker, why.refusal()),
        }
    }
}

fn tell_events(fx: &mut impl Effects, asker: Asker, entries: Vec<LogEntry>) {
    let events: Vec<Value> = entries.into_iter().map(told).collect();
    fx.answer(asker, 200, &json!({ "events": events }));
}

/// An event as lists show it: its number, kind and time among what else there is to it.
fn told(entry: LogEntry) -> Value {
    let mut fields = entry.value.read::<Map<String, Value>>().unwrap_or_default();
    fields.insert("id".to_owned(), entry.id.into());
    fields.insert("kind".to_owned(), entry.kind.into());
    fields.insert("time".to_owned(), json!(entry.time));
    Value::Object(fields)
}

/// Who asks. The engine lets nobody else ask for what is an account's.
fn account_of(call: &Call) -> Result<AccountId, Refusal> {
    call.account.ok_or_else(|| Refusal::new(Code::Unauthenticated, "log in first"))
}

fn number<T: std::str::FromStr>(call: &Call, name: &str) -> Result<Option<T>, Refusal> {
    match call.query(name)?.map(|text| as_number(&text)) {
        Some(None) => Err(Refusal::new(Code::Invalid, format!("{name} is a number"))),
        value => Ok(value.flatten()),
    }
}

/// What [`Play`] remembers of the last census: when it was, and the answer.
pub(super) type Census = Option<(Tick, Arc<Value>)>;

/// What only digits say. (Rust reads a leading `+` too; nobody else's numbers have one.)
fn as_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
