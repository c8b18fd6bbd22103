//! What one client was told is done, and the one thing of which it does not know.
//!
//! A client asks one thing at a time. So when the server dies there is at most one that it did not hear about: what the
//! server has must be what was confirmed, or that and this one thing. Whatever it turns out to be, it stays.

use std::collections::BTreeMap;

/// An account.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Its characters, by their ids.
    pub(crate) characters: BTreeMap<u32, String>,
    pub(crate) selected: Option<u32>,
    /// Tokens that open it.
    pub(crate) live: Vec<String>,
    /// Tokens that no longer do.
    pub(crate) dead: Vec<String>,
    /// The bans that hold of its name, its address and its network, by what is banned.
    pub(crate) bans: BTreeMap<String, u32>,
    /// An address and a network of its own, from which nobody comes but to see whether they are banned.
    pub(crate) address: String,
    pub(crate) network: String,
}

impl Account {
    /// The `place`th of the worker of that number. The addresses are of networks that are nobody's (RFC 1918).
    pub(crate) fn new(name: String, worker: u64, place: usize) -> Account {
        let at = |second: u64, n: usize| format!("10.{second}.{}.{}", n / 256, n % 256);
        let address = at(worker, place);
        let network = format!("{}/31", at(128 + worker, 2 * place));
        Account { name, address, network, ..Account::default() }
    }

    /// What may be banned of it.
    pub(crate) fn targets(&self) -> [&str; 3] {
        [&self.name, &self.address, &self.network]
    }

    pub(crate) fn is_banned(&self) -> bool {
        self.bans.contains_key(&self.name)
    }
}

/// Something that a client asks for; accounts are meant by their place in the list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    Register { name: String },
    LogIn { account: usize },
    LogOut { account: usize, token: String },
    Create { account: usize, name: String },
    Select { account: usize, character: u32 },
    Delete { account: usize, character: u32 },
    Ban { account: usize, target: String },
    Lift { account: usize, target: String, ban: u32 },
}

/// What the server gave to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Given {
    pub(crate) token: Option<String>,
    pub(crate) id: Option<u32>,
}

impl Operation {
    /// Writes down what has happened.
    pub(crate) fn apply(self, accounts: &mut Vec<Account>, worker: u64, given: Given) {
        match self {
            Operation::Register { name } => accounts.push(Account::new(name, worker, accounts.len())),
            Operation::LogIn { account } => accounts[account].live.extend(given.token),
            Operation::LogOut { account, token } => {
                accounts[account].live.retain(|have| *have != token);
                accounts[account].dead.push(token);
            }
            Operation::Create { account, name } => {
                accounts[account].characters.insert(given.id.unwrap(), name);
            }
            Operation::Select { account, character } => accounts[account].selected = Some(character),
            Operation::Delete { account, character } => {
                let account = &mut accounts[account];
                account.characters.remove(&character);
                account.selected = account.selected.filter(|selected| *selected != character);
            }
            Operation::Ban { account, target } => {
                accounts[account].bans.insert(target, given.id.unwrap());
            }
            Operation::Lift { account, target, .. } => {
                accounts[account].bans.remove(&target);
            }
        }
    }

    /// Which account it is about; `None`: one that is not there yet.
    pub(crate) fn account(&self) -> Option<usize> {
        match *self {
            Operation::Register { .. } => None,
            Operation::LogIn { account }
            | Operation::LogOut { account, .. }
            | Operation::Create { account, .. }
            | Operation::Select { account, .. }
            | Operation::Delete { account, .. }
            | Operation::Ban { account, .. }
            | Operation::Lift { account, .. } => Some(account),
        }
    }
}
