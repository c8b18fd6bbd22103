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
    /// The ban of it that holds.
    pub(crate) ban: Option<u32>,
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
    Ban { account: usize },
    Lift { account: usize, ban: u32 },
}

/// What the server gave to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Given {
    pub(crate) token: Option<String>,
    pub(crate) id: Option<u32>,
}

impl Operation {
    /// Writes down what has happened.
    pub(crate) fn apply(self, accounts: &mut Vec<Account>, given: Given) {
        match self {
            Operation::Register { name } => accounts.push(Account { name, ..Account::default() }),
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
            Operation::Ban { account } => accounts[account].ban = given.id,
            Operation::Lift { account, .. } => accounts[account].ban = None,
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
            | Operation::Ban { account }
            | Operation::Lift { account, .. } => Some(account),
        }
    }
}
