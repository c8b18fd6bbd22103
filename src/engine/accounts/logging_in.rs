//! Logging in with a name and a password, over REST or on a WebSocket: find the account, compare the password, and over
//! REST open a session.
//!
//! **A name that nobody has costs the same work as a wrong password:** the password is hashed either way. Who is banned
//! is told so only with the right one. On a WebSocket no token is given out: the login is the player's place itself, and
//! ends with it.

use super::{Follows, Step, Trouble, too_many_at_once, too_often, unsent};
use crate::account::{
    Account, Answer, Errand, Hashed, LoginSession, Password, Reply, Request, Token, TokenDigest, Username,
    Work,
};
use crate::address::AddressKey;
use crate::engine::Engine;
use crate::engine::accounts::throttle::Attempt;
use crate::engine::game::Refusal;
use crate::engine::rest;
use crate::http::Response;
use crate::ids::{AccountId, ConnId};
use crate::packet::Code;
use crate::time::Time;
use serde::Serialize;

/// Who logs in, and is told what comes of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum Applicant {
    /// A request.
    Http(ConnId),
    /// An `auth_request`, with its `id`.
    Socket(ConnId, Option<u32>),
}

/// Somebody logs in.
#[derive(Debug)]
pub(in crate::engine) struct LoggingIn {
    applicant: Applicant,
    attempt: Attempt,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Finding(Password),
    Verifying(Option<(AccountId, Username)>),
    /// The session is being kept, and those of the account's that have no place beside it are ended.
    Opening(Token, LoginSession, Vec<TokenDigest>),
}

#[derive(Serialize)]
struct LoggedIn {
    token: String,
    expires_in_s: u64,
    account_id: AccountId,
}

impl Engine {
    /// Begins a login with whatever was sent as name and password; what comes of it is told later.
    pub(in crate::engine) fn log_in(
        &mut self,
        applicant: Applicant,
        address: AddressKey,
        name: &str,
        password: &str,
        now: Time,
    ) -> Result<(), Refusal> {
        self.core.errands.check().map_err(unsent)?;
        let attempt = self.accounts.throttle.begin(name, address, now).map_err(too_often)?;
        // No account has such a name or password: nothing is given away by saying so at once.
        let (Ok(name), Ok(password)) = (Username::new(name), Password::new(password)) else {
            return Err(bad_credentials());
        };
        if !self.accounts.throttle.take_place(address) {
            self.accounts.throttle.forgive(attempt);
            return Err(too_many_at_once());
        }
        let find = Errand::Store(Request::FindAccount { name });
        let stage = Stage::Finding(password);
        self.begin(Step::LoggingIn(Box::new(LoggingIn { applicant, attempt, stage })), find)
    }

    pub(super) fn logging_in(&mut self, logging_in: LoggingIn, answer: Answer, now: Time) -> Follows {
        let LoggingIn { applicant, attempt, stage } = logging_in;
        match (stage, answer) {
            (Stage::Finding(password), Answer::Store(Ok(Reply::Account(account)))) => {
                let (who, against) =
                    account.map(|Account { id, name, password, .. }| ((id, name), password)).unzip();
                let stage = Stage::Verifying(who);
                let step = Step::LoggingIn(Box::new(LoggingIn { applicant, attempt, stage }));
                Follows::Errand(step, Errand::Hash(Work::Verify { password, against }))
            }
            (Stage::Verifying(Some((account, name))), Answer::Hash(Ok(Hashed::Verified(true)))) => {
                self.verified(applicant, attempt, account, name, now)
            }
            (Stage::Verifying(_), Answer::Hash(Ok(Hashed::Verified(_)))) => {
                self.accounts.throttle.give_place(attempt.address());
                self.tell_login(applicant, bad_credentials(), now);
                Follows::Nothing
            }
            (Stage::Opening(token, session, ending), Answer::Store(Ok(Reply::Opened))) => {
                self.logged_in(applicant, attempt, &token, &session, now);
                for digest in ending {
                    self.end_login(digest, Code::SessionExpired, "too many logins of this account", now);
                }
                Follows::Nothing
            }
            (stage, answer) => {
                // Our own trouble, which is no failed login.
                match stage {
                    Stage::Opening(_, session, ending) => {
                        self.accounts.logins.take_back(session.digest, &ending);
                    }
                    _ => self.accounts.throttle.give_place(attempt.address()),
                }
                self.accounts.throttle.forgive(attempt);
                let refusal = self.trouble(Trouble::of(answer));
                self.tell_login(applicant, refusal, now);
                Follows::Nothing
            }
        }
    }

    /// The password is the right one.
    fn verified(
        &mut self,
        applicant: Applicant,
        attempt: Attempt,
        account: AccountId,
        name: Username,
        now: Time,
    ) -> Follows {
        self.accounts.throttle.give_place(attempt.address());
        if let Some(banned) = self.account_ban(&name, now) {
            self.accounts.throttle.forgive(attempt);
            self.tell_login(applicant, banned, now);
            return Follows::Nothing;
        }
        if let Applicant::Socket(conn, id) = applicant {
            self.accounts.throttle.forgive(attempt);
            self.seat_verified(conn, id, account, name, now);
            return Follows::Nothing;
        }
        let token = Token::new(&mut self.accounts.secrets);
        let created = self.core.wall_at(now);
        let expires = self.accounts.logins.expiry(created);
        let digest = token.digest();
        let session = LoginSession { digest, account, created, expires, seen: created };
        let Some(ending) = self.accounts.logins.open(&session, name, created) else {
            self.accounts.throttle.forgive(attempt);
            self.tell_login(applicant, all_are_held(), now);
            return Follows::Nothing;
        };
        let open = Errand::Store(Request::OpenSession { session: session.clone(), ending: ending.clone() });
        let stage = Stage::Opening(token, session, ending);
        Follows::Errand(Step::LoggingIn(Box::new(LoggingIn { applicant, attempt, stage })), open)
    }

    /// The session is kept.
    fn logged_in(
        &mut self,
        applicant: Applicant,
        attempt: Attempt,
        token: &Token,
        session: &LoginSession,
        now: Time,
    ) {
        self.accounts.throttle.forgive(attempt);
        self.accounts.logins.opened(session.digest);
        if let Applicant::Http(conn) = applicant {
            let answer = LoggedIn {
                token: token.expose(),
                expires_in_s: self.core.settings.session_timeout.as_secs(),
                account_id: session.account,
            };
            self.answer_later(conn, Response::new(200).json(&answer), now);
        }
    }

    fn tell_login(&mut self, applicant: Applicant, refusal: Refusal, now: Time) {
        match applicant {
            Applicant::Http(conn) => self.answer_later(conn, rest::refused(&refusal), now),
            Applicant::Socket(conn, id) => self.refuse_login(conn, id, refusal, now),
        }
    }
}

/// A session that somebody in the world holds ends by none but its own logout.
fn all_are_held() -> Refusal {
    Refusal::new(Code::Conflict, "all logins of this account are held by players in the world; log one out")
}

fn bad_credentials() -> Refusal {
    Refusal::new(Code::BadCredentials, "no account has this name and password")
}
