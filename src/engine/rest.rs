//! Requests whose answers come later: out of a tick, or when storage has answered.
//!
//! Such a request waits in its session, with what has to be known to answer it; its connection is not read meanwhile, so that
//! pipelined requests are answered in their order and nobody has two under way. Whoever finds out the answer calls
//! [`Engine::answer_later`]; where the peer has gone, or waited too long and was told so, nothing happens.
//!
//! Here is also what requests about accounts and bans say: their bodies and tokens become what `accounts` works with.

use super::Engine;
use super::accounts::{Applicant, Login};
use super::game::Refusal;
use super::routes;
use crate::account::{BanTarget, Password, Token, Username};
use crate::address::AddressKey;
use crate::http::{Exchange, Request, Response};
use crate::ids::ConnId;
use crate::limits;
use crate::packet::Code;
use crate::session::{Phase, Unanswered};
use crate::time::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;

impl Engine {
    /// The answer to this request comes later.
    pub(super) fn expect_answer(&mut self, conn: ConnId, request: &Request, exchange: Exchange) {
        let leave = self.origins.leave(request);
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.answer_later(Unanswered { exchange, leave });
        }
    }

    /// Keeps what came behind a request that is not answered yet. False where there is none such.
    pub(super) fn keep_for_later(&mut self, conn: ConnId, rest: &[u8]) -> bool {
        let Some(peer) = self.core.peers.get_mut(conn) else { return false };
        let waits = peer.session.is_unanswered();
        if waits {
            peer.session.put_back(rest);
        }
        waits
    }

    /// Answers the request that a connection waits for.
    pub(super) fn answer_later(&mut self, conn: ConnId, response: Response, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if peer.session.phase() != Phase::Http {
            return;
        }
        let Some(Unanswered { exchange, leave }) = peer.session.take_unanswered() else { return };
        peer.session.request_moved_on(now);
        let exchange = Exchange { wall: self.core.wall_at(now), ..exchange };
        self.answer(conn, exchange, &leave.give(response), now);
        self.core.account(conn);
        self.core.call_attention(conn);
    }

    /// Tells a peer whose answer takes too long that it does. It is the connection's last, so that the answer cannot come
    /// behind it as that of another request.
    pub(super) fn give_up_answer(&mut self, conn: ConnId, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        if let Some(unanswered) = peer.session.unanswered() {
            unanswered.exchange = unanswered.exchange.closing();
        }
        let refusal = Refusal::new(Code::Busy, "the answer takes too long").retry_after(routes::BUSY_MS);
        self.answer_later(conn, routes::response_of(&refusal), now);
    }

    // ------------------------------------------------------------------------------------------------------ accounts

    /// Whose request it is, by its token, whose session it renews.
    pub(super) fn login(&mut self, request: &Request, now: Time) -> Result<Login, Refusal> {
        let Some(token) = request.bearer() else {
            return Err(Refusal::new(Code::Unauthenticated, "this needs Authorization: Bearer TOKEN"));
        };
        let login = self.login_of(token, now)?;
        self.renew(login.digest, now, now);
        Ok(login)
    }

    /// Who a token stands for, where its account is not banned.
    pub(super) fn login_of(&self, token: &str, now: Time) -> Result<Login, Refusal> {
        let wall = self.core.wall_at(now);
        let login = Token::parse(token).ok().and_then(|t| self.accounts.logins.find(t.digest(), wall));
        let login =
            login.ok_or_else(|| Refusal::new(Code::SessionExpired, "this session is over; log in again"))?;
        self.account_ban(&login.name, now).map_or(Ok(login), Err)
    }

    /// `POST /api/auth/register`.
    pub(super) fn post_register(
        &mut self,
        conn: ConnId,
        address: AddressKey,
        request: &Request,
    ) -> Result<(), Refusal> {
        let NameAndPassword { username, password } = read_body(request)?;
        let invalid = |why: String| Refusal::new(Code::Invalid, why);
        let name = Username::new(&username).map_err(|bad| invalid(bad.to_string()))?;
        let password = Password::new(&password).map_err(|bad| invalid(bad.to_string()))?;
        self.register(conn, address, name, password)
    }

    /// `POST /api/auth/login`.
    pub(super) fn post_login(
        &mut self,
        conn: ConnId,
        address: AddressKey,
        request: &Request,
        now: Time,
    ) -> Result<(), Refusal> {
        let NameAndPassword { username, password } = read_body(request)?;
        self.log_in(Applicant::Http(conn), address, &username, &password, now)
    }

    /// `POST /api/auth/logout`.
    pub(super) fn post_logout(&mut self, conn: ConnId, request: &Request, now: Time) -> Result<(), Refusal> {
        let login = self.login(request, now)?;
        self.log_out(conn, login.digest)
    }

    // ---------------------------------------------------------------------------------------------------------- bans

    /// Whether a request carries the administrator's token.
    pub(super) fn admit_admin(&self, request: &Request) -> Result<(), Refusal> {
        match request.bearer() {
            Some(token) if self.core.settings.admin_token.is(token) => Ok(()),
            _ => Err(Refusal::new(Code::Unauthenticated, "this needs the administrator's token")),
        }
    }

    /// `POST /api/admin/bans`.
    pub(super) fn post_ban(
        &mut self,
        conn: ConnId,
        ip: IpAddr,
        request: &Request,
        now: Time,
    ) -> Result<(), Refusal> {
        let NewBan { target, seconds, reason } = read_body(request)?;
        let invalid = |why: &str| Refusal::new(Code::Invalid, why);
        let target = BanTarget::parse(&target)
            .ok_or_else(|| invalid("target must be an address, a network or an account's name"))?;
        if seconds == Some(0) {
            return Err(invalid("seconds must be at least 1"));
        }
        if reason.chars().count() > limits::BAN_REASON {
            return Err(invalid(&format!("reason has at most {} characters", limits::BAN_REASON)));
        }
        Engine::check_ban(&target, ip)?;
        self.add_ban(conn, target, seconds, reason, now)
    }

    /// `DELETE /api/admin/bans/{id}`.
    pub(super) fn delete_ban(&mut self, conn: ConnId, id: &str) -> Result<(), Refusal> {
        // `parse` alone would take a sign.
        let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        match id.parse().ok().filter(|_| digits) {
            Some(id) => self.remove_ban(conn, id),
            None => Err(Refusal::new(Code::NotFound, "there is no ban of that id")),
        }
    }
}

#[derive(Deserialize)]
struct NameAndPassword {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct NewBan {
    target: String,
    #[serde(default)]
    seconds: Option<u64>,
    #[serde(default)]
    reason: String,
}

/// A request's body as `T`. What is told of a wrong one does not repeat it: there may be a password in it.
fn read_body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Refusal::new(Code::Invalid, "a field is missing or of the wrong type")
        }
        _ => Refusal::new(Code::Malformed, "the body is not JSON"),
    })
}

/// The answer where something is done and there is nothing to say.
pub(super) fn done() -> Response {
    Response::new(204)
}

/// The answer to a refusal.
pub(super) fn refused(refusal: &Refusal) -> Response {
    routes::response_of(refusal)
}
