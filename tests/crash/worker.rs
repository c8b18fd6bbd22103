//! A client that registers, plays with its characters, is banned at times as an account, an address or a network, and remembers what it was told. What it asks of
//! its characters it asks over HTTP or by a packet, as it comes.

use crate::client::{Answer, ask, is_banned};
use crate::ledger::{Account, Given, Operation};
use crate::server::ADMIN;
use crate::socket;
use evertick::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const PASSWORD: &str = "correct horse";
/// As many sessions as an account has before it logs out again; over 16 the server would end the oldest.
const SESSIONS: usize = 6;
/// As many characters as an account may have.
const CHARACTERS: usize = 5;
/// So many of the newest accounts are looked at after every death, and all of them in the end.
const RECENT: usize = 6;

/// The client.
pub(crate) struct Worker {
    number: u64,
    chance: Random,
    accounts: Vec<Account>,
    /// What was asked when the server died, and not answered.
    doubt: Option<Operation>,
    /// Names given out so far, to accounts and characters.
    named: u64,
    /// Operations that were confirmed, and how many of them were asked for by packets.
    pub(crate) confirmed: usize,
    pub(crate) by_packet: usize,
    /// Those of which nobody heard.
    pub(crate) unanswered: usize,
}

/// What the server has of an account.
#[derive(Debug, PartialEq)]
struct Seen {
    characters: BTreeMap<u32, String>,
    selected: Option<u32>,
}

impl Worker {
    pub(crate) fn new(number: u64, chance: Random) -> Worker {
        let (accounts, doubt) = (Vec::new(), None);
        Worker { number, chance, accounts, doubt, named: 0, confirmed: 0, by_packet: 0, unanswered: 0 }
    }

    // ------------------------------------------------------------------------------------------------------- asking

    /// Asks for one thing after the other until the server is gone.
    pub(crate) fn work(&mut self, address: SocketAddr, is_over: impl Fn() -> bool) {
        while !is_over() {
            let operation = self.choose();
            let packet = self.packet(&operation).filter(|_| self.chance.chance(0.5));
            let answer = match &packet {
                Some((token, kind, data)) => socket::ask(address, token, kind, data),
                None => self.request(address, &operation),
            };
            let Some(answer) = answer else {
                self.unanswered += 1;
                self.doubt = Some(operation);
                return;
            };
            match answer.status {
                200..300 => {
                    let given = given(&answer.body);
                    operation.apply(&mut self.accounts, self.number, given);
                    self.confirmed += 1;
                    self.by_packet += usize::from(packet.is_some());
                }
                // It drains or has too much to do, which is no promise.
                429 | 503 => std::thread::sleep(Duration::from_millis(1)),
                status => panic!("{operation:?} was answered {status}: {}", answer.body),
            }
        }
    }

    fn choose(&mut self) -> Operation {
        let count = self.accounts.len();
        if count == 0 || self.chance.chance(0.2) {
            return Operation::Register { name: self.next_name() };
        }
        // Mostly one of the newest, so that much happens to it.
        let back = self.chance.below(count.min(RECENT) as u64) as usize;
        let account = count - 1 - back;
        let of = &self.accounts[account];
        if of.is_banned() || (!of.bans.is_empty() && self.chance.chance(0.3)) {
            return self.lift(account);
        }
        let Account { live, characters, .. } = of;
        let Some(token) = live.first().cloned() else { return Operation::LogIn { account } };
        if live.len() >= SESSIONS {
            return Operation::LogOut { account, token };
        }
        let nth = self.chance.below(characters.len() as u64) as usize;
        let some = characters.keys().nth(nth).copied();
        match (self.chance.below(12), some) {
            (0, _) => Operation::LogIn { account },
            (1, _) => Operation::LogOut { account, token },
            (2, _) => self.ban(account),
            (3..=5, Some(character)) => Operation::Select { account, character },
            (6..=7, Some(character)) => Operation::Delete { account, character },
            (_, Some(character)) if characters.len() >= CHARACTERS => {
                Operation::Delete { account, character }
            }
            _ => Operation::Create { account, name: self.next_name() },
        }
    }

    /// A ban of something of an account's that is not banned yet.
    fn ban(&mut self, account: usize) -> Operation {
        let of = &self.accounts[account];
        let free: Vec<&str> = of.targets().into_iter().filter(|one| !of.bans.contains_key(*one)).collect();
        let target = free[self.chance.below(free.len() as u64) as usize].to_owned();
        Operation::Ban { account, target }
    }

    /// The end of a ban of an account's, of its name first.
    fn lift(&self, account: usize) -> Operation {
        let Account { name, bans, .. } = &self.accounts[account];
        let held = bans.get_key_value(name).or_else(|| bans.first_key_value());
        let (target, ban) = held.expect("something of it is banned");
        Operation::Lift { account, target: target.clone(), ban: *ban }
    }

    fn next_name(&mut self) -> String {
        self.named += 1;
        format!("w{}-{}", self.number, self.named)
    }

    /// The packet that asks for it, and the token to come in with. Whoever comes in plays as the chosen character, which cannot be
    /// deleted meanwhile.
    fn packet(&self, operation: &Operation) -> Option<(String, &'static str, Value)> {
        let account = &self.accounts[operation.account()?];
        let (kind, data) = match operation {
            Operation::Create { name, .. } => {
                ("character_create", json!({ "name": name, "faction": "solari", "class": "rogue" }))
            }
            Operation::Select { character, .. } => ("character_select", json!({ "character_id": character })),
            Operation::Delete { character, .. } if account.selected != Some(*character) => {
                ("character_delete", json!({ "character_id": character }))
            }
            _ => return None,
        };
        account.live.first().map(|token| (token.clone(), kind, data))
    }

    fn request(&self, address: SocketAddr, operation: &Operation) -> Option<Answer> {
        let account = operation.account().map(|place| &self.accounts[place]);
        let name = account.map_or("", |account| account.name.as_str());
        let token = account.and_then(|account| account.live.first()).map(String::as_str);
        match operation {
            Operation::Register { name } => {
                ask(address, ("POST", "/api/auth/register"), None, &credentials(name))
            }
            Operation::LogIn { .. } => ask(address, ("POST", "/api/auth/login"), None, &credentials(name)),
            Operation::LogOut { token, .. } => {
                ask(address, ("POST", "/api/auth/logout"), Some(token), &Value::Null)
            }
            Operation::Create { name, .. } => {
                let wish = json!({ "name": name, "faction": "solari", "class": "rogue" });
                ask(address, ("POST", "/api/characters"), token, &wish)
            }
            Operation::Select { character, .. } => {
                let choice = json!({ "character_id": character });
                ask(address, ("POST", "/api/characters/select"), token, &choice)
            }
            Operation::Delete { character, .. } => {
                ask(address, ("DELETE", &format!("/api/characters/{character}")), token, &Value::Null)
            }
            Operation::Ban { target, .. } => {
                ask(address, ("POST", "/api/admin/bans"), Some(ADMIN), &json!({ "target": target }))
            }
            Operation::Lift { ban, .. } => {
                ask(address, ("DELETE", &format!("/api/admin/bans/{ban}")), Some(ADMIN), &Value::Null)
            }
        }
    }

    // ----------------------------------------------------------------------------------------------------- checking

    /// Finds out what became of what it did not hear about, and looks at its newest accounts.
    pub(crate) fn check_recent(&mut self, address: SocketAddr) {
        self.settle_doubt(address);
        let from = self.accounts.len().saturating_sub(RECENT);
        (from..self.accounts.len()).for_each(|place| self.check(address, place));
    }

    /// Lifts all bans that hold, and looks at everything.
    pub(crate) fn check_all(&mut self, address: SocketAddr) {
        self.settle_doubt(address);
        for place in 0..self.accounts.len() {
            self.check(address, place);
            while !self.accounts[place].bans.is_empty() {
                let lift = self.lift(place);
                assert_eq!(self.request(address, &lift).unwrap().status, 204);
                lift.apply(&mut self.accounts, self.number, Given::default());
                self.check(address, place);
            }
            self.log_in_and_out(address, place);
        }
    }

    /// What was asked last has happened or it has not: nothing in between, and nothing else.
    fn settle_doubt(&mut self, address: SocketAddr) {
        let Some(doubt) = self.doubt.take() else { return };
        let given = match &doubt {
            Operation::Register { name } => {
                let answer = ask(address, ("POST", "/api/auth/login"), None, &credentials(name)).unwrap();
                assert!(matches!(answer.status, 200 | 401), "{doubt:?}: {answer:?}");
                (answer.status == 200).then(Given::default)
            }
            // A token that nobody heard of opens nothing for anybody.
            Operation::LogIn { .. } => None,
            Operation::LogOut { token, .. } => {
                let status = self.list(address, token).status;
                assert!(matches!(status, 200 | 401), "{doubt:?}: {status}");
                (status == 401).then(Given::default)
            }
            Operation::Create { account, name } => {
                let seen = self.look(address, *account);
                let id = seen.characters.iter().find(|(_, have)| *have == name).map(|(id, _)| *id);
                id.map(|id| Given { id: Some(id), token: None })
            }
            Operation::Select { account, character } => {
                (self.look(address, *account).selected == Some(*character)).then(Given::default)
            }
            Operation::Delete { account, character } => {
                (!self.look(address, *account).characters.contains_key(character)).then(Given::default)
            }
            Operation::Ban { account, target } => {
                let id = self.bans_of(address, *account).get(target).copied();
                id.map(|id| Given { id: Some(id), token: None })
            }
            Operation::Lift { account, target, .. } => {
                (!self.bans_of(address, *account).contains_key(target)).then(Given::default)
            }
        };
        if let Some(given) = given {
            doubt.apply(&mut self.accounts, self.number, given);
        }
    }

    /// An account is as it was confirmed to be.
    fn check(&self, address: SocketAddr, place: usize) {
        let account = &self.accounts[place];
        for token in &account.dead {
            assert_eq!(self.list(address, token).status, 401, "a session of {} is back", account.name);
        }
        assert_eq!(self.bans_of(address, place), account.bans, "the bans of {}", account.name);
        for target in [&account.address, &account.network] {
            let from = target.trim_end_matches("/31");
            let expected = account.bans.contains_key(target);
            assert_eq!(is_banned(address, from), Some(expected), "whoever comes from {target}");
        }
        let banned = account.is_banned();
        if banned {
            let answer = ask(address, ("POST", "/api/auth/login"), None, &credentials(&account.name));
            assert_eq!(answer.unwrap().status, 403, "{} is banned", account.name);
        }
        for token in &account.live {
            let expected = if banned { 403 } else { 200 };
            let answer = self.list(address, token);
            assert_eq!(answer.status, expected, "a session of {}: {answer:?}", account.name);
            if !banned {
                let Account { characters, selected, .. } = account.clone();
                assert_eq!(seen(&answer.body), Seen { characters, selected }, "{}", account.name);
            }
        }
    }

    /// Its password still opens it.
    fn log_in_and_out(&mut self, address: SocketAddr, account: usize) {
        let log_in = Operation::LogIn { account };
        let answer = self.request(address, &log_in).unwrap();
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.accounts[account].name);
        log_in.apply(&mut self.accounts, self.number, given(&answer.body));
        let token = self.accounts[account].live.last().unwrap().clone();
        let log_out = Operation::LogOut { account, token };
        assert_eq!(self.request(address, &log_out).unwrap().status, 204);
        log_out.apply(&mut self.accounts, self.number, Given::default());
    }

    /// What the server has of an account that is not banned.
    fn look(&self, address: SocketAddr, place: usize) -> Seen {
        let token = self.accounts[place].live.first().expect("whoever asks for characters is logged in");
        let answer = self.list(address, token);
        assert_eq!(answer.status, 200, "{answer:?}");
        seen(&answer.body)
    }

    fn list(&self, address: SocketAddr, token: &str) -> Answer {
        ask(address, ("GET", "/api/characters"), Some(token), &Value::Null).expect("nobody kills it now")
    }

    /// The bans that hold of what is an account's, as the list has it.
    fn bans_of(&self, address: SocketAddr, place: usize) -> BTreeMap<String, u32> {
        let answer = ask(address, ("GET", "/api/admin/bans"), Some(ADMIN), &Value::Null).unwrap();
        let bans = answer.body["bans"].as_array().unwrap().iter();
        let bans = bans.map(|ban| (ban["target"].as_str().unwrap().to_owned(), id_of(&ban["id"]).unwrap()));
        bans.filter(|(target, _)| self.accounts[place].targets().contains(&target.as_str())).collect()
    }
}

fn credentials(name: &str) -> Value {
    json!({ "username": name, "password": PASSWORD })
}

fn given(answer: &Value) -> Given {
    Given { token: answer["token"].as_str().map(str::to_owned), id: id_of(&answer["id"]) }
}

fn id_of(value: &Value) -> Option<u32> {
    value.as_u64().map(|id| u32::try_from(id).unwrap())
}

fn seen(answer: &Value) -> Seen {
    let listed = answer["characters"].as_array().unwrap().iter();
    let selected = listed.clone().find(|one| one["selected"] == true).and_then(|one| id_of(&one["id"]));
    let named = |one: &Value| (id_of(&one["id"]).unwrap(), one["name"].as_str().unwrap().to_owned());
    Seen { characters: listed.map(named).collect(), selected }
}
