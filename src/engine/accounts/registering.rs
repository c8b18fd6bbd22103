//! Registering an account: is the name free, hash the password, keep both.

use super::{Follows, Step, Trouble, too_many_at_once, unsent};
use crate::account::{Answer, Errand, Hashed, Password, Refused, Reply, Request, Username, Work};
use crate::address::AddressKey;
use crate::engine::Engine;
use crate::engine::game::Refusal;
use crate::engine::rest;
use crate::http::Response;
use crate::ids::{AccountId, ConnId};
use crate::packet::Code;
use crate::time::Time;
use serde::Serialize;

/// Somebody registers.
#[derive(Debug)]
pub(in crate::engine) struct Registering {
    conn: ConnId,
    address: AddressKey,
    name: Username,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Whether the name is taken; a hash is spared where it is.
    Finding(Password),
    Hashing,
    Keeping,
}

#[derive(Serialize)]
struct Registered<'a> {
    account_id: AccountId,
    username: &'a str,
}

impl Engine {
    /// Begins to register `name`; the answer comes later.
    pub(in crate::engine) fn register(
        &mut self,
        conn: ConnId,
        address: AddressKey,
        name: Username,
        password: Password,
    ) -> Result<(), Refusal> {
        self.core.errands.check().map_err(unsent)?;
        if !self.accounts.throttle.take_place(address) {
            return Err(too_many_at_once());
        }
        let find = Errand::Store(Request::FindAccount { name: name.clone() });
        let stage = Stage::Finding(password);
        self.begin(Step::Registering(Registering { conn, address, name, stage }), find)
    }

    pub(super) fn registering(&mut self, registering: Registering, answer: Answer, now: Time) -> Follows {
        let Registering { conn, address, name, stage } = registering;
        let (stage, errand) = match (stage, answer) {
            (Stage::Finding(password), Answer::Store(Ok(Reply::Account(None)))) => {
                let salt = self.accounts.secrets.bytes();
                (Stage::Hashing, Errand::Hash(Work::Hash { password, salt }))
            }
            (Stage::Hashing, Answer::Hash(Ok(Hashed::Hash(password)))) => {
                let now = self.core.wall_at(now);
                let request = Request::Register { name: name.clone(), password, now };
                (Stage::Keeping, Errand::Store(request))
            }
            (stage, answer) => {
                self.accounts.throttle.give_place(address);
                let response = self.registered(&name, &stage, answer);
                self.answer_later(conn, response, now);
                return Follows::Nothing;
            }
        };
        Follows::Errand(Step::Registering(Registering { conn, address, name, stage }), errand)
    }

    /// What the client is told in the end.
    fn registered(&mut self, name: &Username, stage: &Stage, answer: Answer) -> Response {
        match (stage, answer) {
            (Stage::Keeping, Answer::Store(Ok(Reply::Registered(account_id)))) => {
                Response::new(201).json(&Registered { account_id, username: name.as_str() })
            }
            (Stage::Finding(_), Answer::Store(Ok(Reply::Account(Some(_))))) => {
                let taken = Refusal::new(Code::Conflict, Refused::NameTaken.to_string());
                rest::refused(&taken)
            }
            (_, answer) => rest::refused(&self.trouble(Trouble::of(answer))),
        }
    }
}
