//! Somebody with an account: it registers, logs in and out, is banned, makes characters where the game has any, and holds
//! every answer against what is on the disk at that moment. **What it is told is done is there, and what failed is not.**
//!
//! It asks one thing at a time and nobody else touches what is its own, so that it knows all of it.

use crate::resident;
use evertick::account::{
    HashError, Hashed, Hasher, PasswordHash, Record, Reply, Request, Store, Token, Username, Work,
};
use evertick::ids::AccountId;
use evertick::random::Random;
use evertick::sim::Caller;
use evertick::storage::Database;
use evertick::time::WallMs;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What opens `/api/admin` in every run.
pub(crate) const ADMIN: &str = "administrator";

const PASSWORD: &str = "correct horse";
/// As many characters as an account may have.
const CHARACTERS: usize = 5;

/// A hasher without the work.
struct Quick;

impl Hasher for Quick {
    fn work(&mut self, work: &Work) -> Result<Hashed, HashError> {
        let hash = |password: &[u8]| PasswordHash::new(String::from_utf8_lossy(password).into_owned());
        Ok(match work {
            Work::Hash { password, .. } => Hashed::Hash(hash(password.expose())),
            Work::Verify { password, against } => {
                Hashed::Verified(against.as_ref() == Some(&hash(password.expose())))
            }
        })
    }
}

/// What a run keeps things with, with its residents.
pub(crate) fn storage() -> (Box<dyn Store>, Box<dyn Hasher>) {
    let mut store = Box::new(Database::in_memory().expect("there is memory"));
    resident::settle(&mut *store);
    (store, Box::new(Quick))
}

/// The member.
pub(crate) struct Member {
    name: String,
    /// The game whose characters it has.
    game: Option<&'static str>,
    account: Option<AccountId>,
    token: Option<String>,
    /// Tokens that open nothing any more.
    dead: Vec<String>,
    ban: Option<u32>,
    characters: BTreeMap<u32, String>,
    selected: Option<u32>,
    /// Names of characters so far.
    named: u32,
    asked: Asked,
}

/// What it asked last.
#[derive(Clone, Debug, PartialEq)]
enum Asked {
    Register,
    LogIn,
    LogOut,
    /// With a token that is over.
    Return,
    List,
    Create(String),
    Select(u32),
    Delete(u32),
    Ban,
    Lift(u32),
}

impl Member {
    pub(crate) fn new(number: usize, game: Option<&'static str>) -> Member {
        Member {
            name: format!("member{number}"),
            game,
            account: None,
            token: None,
            dead: Vec::new(),
            ban: None,
            characters: BTreeMap::new(),
            selected: None,
            named: 0,
            asked: Asked::Register,
        }
    }

    fn choose(&mut self, chance: &mut Random) -> Asked {
        if self.account.is_none() {
            return Asked::Register;
        }
        if let Some(ban) = self.ban {
            return if chance.chance(0.5) { Asked::List } else { Asked::Lift(ban) };
        }
        if self.token.is_none() {
            return if self.dead.is_empty() || chance.chance(0.5) { Asked::LogIn } else { Asked::Return };
        }
        let nth = chance.below(self.characters.len() as u64) as usize;
        let some = self.characters.keys().nth(nth).copied();
        match (chance.below(10), some) {
            (0, _) => Asked::LogOut,
            (1, _) => Asked::Ban,
            _ if self.game.is_none() => Asked::List,
            (2..=3, Some(id)) => Asked::Select(id),
            (4, Some(id)) => Asked::Delete(id),
            (5..=7, _) if self.characters.len() < CHARACTERS => {
                self.named += 1;
                Asked::Create(format!("{}-{}", self.name, self.named))
            }
            _ => Asked::List,
        }
    }

    fn request(&self) -> Vec<u8> {
        let token = self.token.as_deref();
        let credentials = json!({ "username": self.name, "password": PASSWORD });
        match &self.asked {
            Asked::Register => request("POST", "/api/auth/register", None, &credentials),
            Asked::LogIn => request("POST", "/api/auth/login", None, &credentials),
            Asked::LogOut => request("POST", "/api/auth/logout", token, &Value::Null),
            Asked::Return => {
                request("POST", "/api/auth/logout", self.dead.last().map(String::as_str), &Value::Null)
            }
            // Without characters any request will do that wants a token; that one changes nothing while it is banned.
            Asked::List if self.game.is_none() => request("GET", "/api/status", None, &Value::Null),
            Asked::List => request("GET", "/api/characters", token, &Value::Null),
            Asked::Create(name) => {
                let wish = json!({ "name": name, "faction": "umbral", "class": "warden" });
                request("POST", "/api/characters", token, &wish)
            }
            Asked::Select(id) => {
                request("POST", "/api/characters/select", token, &json!({ "character_id": id }))
            }
            Asked::Delete(id) => request("DELETE", &format!("/api/characters/{id}"), token, &Value::Null),
            Asked::Ban => request("POST", "/api/admin/bans", Some(ADMIN), &json!({ "target": self.name })),
            Asked::Lift(id) => request("DELETE", &format!("/api/admin/bans/{id}"), Some(ADMIN), &Value::Null),
        }
    }

    /// What the member has from here on, as it was told.
    fn apply(&mut self, answer: &Value) -> Result<(), String> {
        let id = || answer["id"].as_u64().map(|id| id as u32).ok_or(format!("{answer} has no id"));
        match self.asked.clone() {
            Asked::Register => self.account = answer["account_id"].as_u64().map(|id| AccountId(id as u32)),
            Asked::LogIn => self.token = answer["token"].as_str().map(str::to_owned),
            Asked::LogOut => self.dead.extend(self.token.take()),
            Asked::Return => return Err("a token that was over is accepted".to_owned()),
            Asked::List => {}
            Asked::Create(name) => drop(self.characters.insert(id()?, name)),
            Asked::Select(id) => self.selected = Some(id),
            Asked::Delete(id) => {
                self.characters.remove(&id);
                self.selected = self.selected.filter(|selected| *selected != id);
            }
            Asked::Ban => self.ban = Some(id()?),
            Asked::Lift(_) => self.ban = None,
        }
        Ok(())
    }

    /// What the list of characters shows is what it was told.
    fn compare(&self, answer: &Value) -> Result<(), String> {
        let listed = answer["characters"].as_array().ok_or(format!("{answer} is no list"))?;
        let of = |one: &Value| Some((one["id"].as_u64()? as u32, one["name"].as_str()?.to_owned()));
        let shown: Option<BTreeMap<u32, String>> = listed.iter().map(of).collect();
        let selected = listed.iter().find(|one| one["selected"] == true).and_then(of).map(|(id, _)| id);
        match shown.as_ref() == Some(&self.characters) && selected == self.selected {
            true => Ok(()),
            false => Err(format!("{answer} is shown of {:?}, {:?}", self.characters, self.selected)),
        }
    }

    /// The disk has what the member was told it has, and nothing of what failed.
    fn check(&self, store: &mut dyn Store) -> Result<(), String> {
        self.check_account(store)?;
        self.check_sessions(store)?;
        self.check_ban(store)?;
        self.game.map_or(Ok(()), |game| self.check_characters(game, store))
    }

    fn check_account(&self, store: &mut dyn Store) -> Result<(), String> {
        let name = Username::new(&self.name).expect("members have proper names");
        let reply = read(store, Request::FindAccount { name })?;
        let Reply::Account(found) = reply else { return Err(format!("{reply:?}")) };
        let found = found.map(|account| account.id);
        agree("account", found == self.account, (&found, &self.account))
    }

    fn check_sessions(&self, store: &mut dyn Store) -> Result<(), String> {
        let reply = read(store, Request::Sessions { now: WallMs(0) })?;
        let Reply::Sessions(sessions) = reply else { return Err(format!("{reply:?}")) };
        let mine: Vec<_> = sessions.iter().filter(|(_, name)| name.as_str() == self.name).collect();
        let digest = |token: &String| Token::parse(token).ok().map(|token| token.digest());
        let token = self.token.as_ref().and_then(digest);
        let found = mine.first().map(|(session, _)| session.digest);
        agree("login session", mine.len() < 2 && found == token, (&mine, &token))
    }

    fn check_ban(&self, store: &mut dyn Store) -> Result<(), String> {
        let reply = read(store, Request::Bans)?;
        let Reply::Bans(bans) = reply else { return Err(format!("{reply:?}")) };
        let mine: Vec<u32> =
            bans.iter().filter(|ban| ban.target.to_string() == self.name).map(|ban| ban.id).collect();
        agree("ban", mine == self.ban.into_iter().collect::<Vec<u32>>(), (&mine, &self.ban))
    }

    fn check_characters(&self, game: &'static str, store: &mut dyn Store) -> Result<(), String> {
        let Some(account) = self.account else { return Ok(()) };
        let own = |value: &Value| value["account"] == account.0;
        let found: BTreeMap<u32, String> = records(store, game, "character")?
            .iter()
            .filter_map(|record| Some((record.key.parse().ok()?, record.value.read::<Value>().ok()?)))
            .filter(|(_, value)| own(value))
            .map(|(id, value)| (id, value["name"].as_str().unwrap_or_default().to_owned()))
            .collect();
        agree("characters", found == self.characters, (&found, &self.characters))?;
        let choices = records(store, game, "account")?;
        let choice = choices.iter().find(|record| record.key == account.0.to_string());
        let selected = choice.and_then(|record| record.value.read::<Value>().ok()?["selected"].as_u64());
        // What is chosen and then deleted is chosen no more, and stays written down.
        let selected = selected.map(|id| id as u32).filter(|id| self.characters.contains_key(id));
        agree("choice", selected == self.selected, (&selected, &self.selected))
    }
}

impl Caller for Member {
    fn ask(&mut self, chance: &mut Random) -> Vec<u8> {
        self.asked = self.choose(chance);
        self.request()
    }

    fn answered(&mut self, status: u16, body: &[u8], store: &mut dyn Store) -> Result<(), String> {
        let answer: Value = match body {
            [] => Value::Null,
            body => serde_json::from_slice(body).map_err(|error| error.to_string())?,
        };
        let code = answer["error"]["code"].as_str().unwrap_or_default();
        let outcome = match (status, code) {
            (200..300, _) if self.asked == Asked::List && self.game.is_some() => self.compare(&answer),
            (200..300, _) => self.apply(&answer),
            // What has failed or found no room is not done.
            (500, "internal") | (503, "busy") | (429, "rate_limited") => Ok(()),
            (401, "session_expired") if self.asked == Asked::Return => Ok(()),
            (403, "banned") if self.ban.is_some() => Ok(()),
            _ => Err(format!("the answer is {status} {answer}")),
        };
        let asked = &self.asked;
        outcome.and_then(|()| self.check(store)).map_err(|why| format!("{}, {asked:?}: {why}", self.name))
    }
}

fn request(method: &str, path: &str, token: Option<&str>, body: &Value) -> Vec<u8> {
    let bearer = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{bearer}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn read(store: &mut dyn Store, request: Request) -> Result<Reply, String> {
    let replies = store.commit(&[request]).map_err(|error| error.to_string())?;
    let reply = replies.into_iter().next().ok_or("no reply")?;
    reply.map_err(|refused| refused.to_string())
}

pub(crate) fn records(
    store: &mut dyn Store,
    game: &'static str,
    collection: &str,
) -> Result<Vec<Record>, String> {
    let (collection, prefix) = (collection.to_owned(), String::new());
    match read(store, Request::Records { game, collection, prefix })? {
        Reply::Records(records) => Ok(records),
        other => Err(format!("{other:?}")),
    }
}

fn agree(
    what: &str,
    do_they: bool,
    (found, told): (impl std::fmt::Debug, impl std::fmt::Debug),
) -> Result<(), String> {
    match do_they {
        true => Ok(()),
        false => Err(format!("{what}: the disk has {found:?}, it was told {told:?}")),
    }
}
