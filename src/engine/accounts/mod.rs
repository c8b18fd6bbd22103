//! Accounts: registering, logging in and out, and who is banned.
//!
//! Each of these is a few errands one after the other under one ticket; a [`Step`] is where it stands. **Nothing changes
//! and nobody is told before storage has it on disk.** Whoever asked may be gone when an answer comes: then what was
//! done is done, and nobody is told. Passwords are in steps and errands only, in a type that never prints itself.
//!
//! How often logins may fail is in `throttle`, login sessions in `logins`, the steps of each kind in `registering`,
//! `logging_in` and `banning`. How a WebSocket comes in is in `auth`.
//!
//! Without storage there are no accounts: whoever asks is told `not_ready`, and games run on.

mod banning;
mod logging_in;
mod logins;
mod registering;
mod throttle;

use self::banning::AccountBans;
use self::logins::Logins;
use self::throttle::Throttle;
use super::Engine;
use super::Settings;
use super::errands::{Pending, Unsent};
use super::game::Refusal;
use super::peer::Peer;
use super::rest;
use crate::account::{
    Answer, BanRecord, Errand, Failure, HashError, Hashed, LoginSession, Reply, Request, StoreError, Ticket,
    TokenDigest, Username,
};
use crate::ids::{AccountId, ConnId};
use crate::packet::Code;
use crate::random::Secrets;
use crate::time::{Time, WallMs};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

pub(super) use logging_in::Applicant;
pub(super) use logins::Login;

/// What the engine knows of accounts.
#[derive(Debug)]
pub(super) struct Accounts {
    pub(super) logins: Logins,
    throttle: Throttle,
    bans: AccountBans,
    /// Tokens and salts come from here: what a game draws does not depend on who logs in.
    secrets: Secrets,
    /// Who has come in already in this run.
    seen: HashSet<AccountId>,
    swept: Option<Time>,
    renewed: Option<Time>,
}

impl Accounts {
    /// Nobody yet. `key` is that of the engine's secrets.
    pub(super) fn new(settings: &Settings, key: [u8; 32]) -> Accounts {
        let own = Sha256::new().chain_update(key).chain_update(b"login sessions").finalize();
        Accounts {
            logins: Logins::new(settings.session_timeout),
            throttle: Throttle::new(),
            bans: AccountBans::default(),
            secrets: Secrets::new(own.into()),
            seen: HashSet::new(),
            swept: None,
            renewed: None,
        }
    }

    /// Whether an account comes in for the first time in this run.
    pub(super) fn is_new(&mut self, account: AccountId) -> bool {
        self.seen.insert(account)
    }
}

/// Where something that was asked of accounts stands: what the next answer is about.
#[derive(Debug)]
pub(super) enum Step {
    Registering(registering::Registering),
    LoggingIn(Box<logging_in::LoggingIn>),
    /// The session of a token is to end; who asked for it.
    LoggingOut(ConnId, TokenDigest),
    /// A ban is to hold.
    Banning(ConnId, BanRecord),
    /// A ban is to be lifted.
    Lifting(ConnId, u32),
    /// What has expired is being swept.
    Sweeping,
    /// An answer is being acted on.
    Ended,
}

/// What follows an answer.
#[derive(Debug)]
enum Follows {
    /// Another errand, under the same ticket.
    Errand(Step, Errand),
    Nothing,
}

/// Why something came to nothing, whosever fault it is.
#[derive(Debug)]
enum Trouble {
    Store(Failure),
    Hash(HashError),
    /// The answer is none to what was asked: a mistake of ours.
    Astray,
}

impl Engine {
    /// Acts on the answer to a step.
    pub(super) fn go_on(&mut self, ticket: Ticket, step: Step, answer: Answer, now: Time) {
        let follows = match step {
            Step::Registering(registering) => self.registering(registering, answer, now),
            Step::LoggingIn(logging_in) => self.logging_in(*logging_in, answer, now),
            Step::LoggingOut(conn, digest) => self.logged_out(conn, digest, answer, now),
            Step::Banning(conn, record) => self.banned(conn, record, answer, now),
            Step::Lifting(conn, id) => self.lifted(conn, id, answer, now),
            Step::Sweeping => self.swept(answer),
            Step::Ended => Follows::Nothing,
        };
        match follows {
            Follows::Errand(step, errand) => self.core.errands.again(ticket, Pending::Account(step), errand),
            Follows::Nothing => self.redeem(ticket),
        }
    }

    /// Sends the first errand of something.
    fn begin(&mut self, step: Step, errand: Errand) -> Result<(), Refusal> {
        self.core.errands.send(Pending::Account(step), errand).map_err(unsent)
    }

    /// What a client is told about trouble; what is our own fault is logged too.
    fn trouble(&mut self, trouble: Trouble) -> Refusal {
        match trouble {
            Trouble::Store(Failure::Refused(refused)) => {
                Refusal::new(Failure::from(refused).code(), refused.to_string())
            }
            Trouble::Store(Failure::Store(StoreError::Busy)) | Trouble::Hash(HashError::Busy) => busy(),
            Trouble::Store(Failure::Store(error)) => self.our_fault(error.code(), &error),
            Trouble::Hash(error) => self.our_fault(error.code(), &error),
            Trouble::Astray => self.our_fault(Code::Internal, &"storage answered what nobody had asked"),
        }
    }

    /// The log has what it is; a client has only what to do about it.
    fn our_fault(&mut self, code: Code, why: &dyn fmt::Display) -> Refusal {
        self.core.fail(format!("accounts: {why}"));
        match code {
            Code::Busy => {
                Refusal::new(code, "the server cannot save anything at the moment").retry_after(DISK_MS)
            }
            _ => Refusal::new(code, "something went wrong here; it was not done"),
        }
    }

    // ------------------------------------------------------------------------------------------------ login sessions

    /// Asks for what is to be loaded before anybody comes: handed to storage in this order, and the replies to
    /// [`Engine::load_accounts`].
    pub fn account_requests(wall: WallMs) -> [Request; 2] {
        [Request::Bans, Request::Sessions { now: wall }]
    }

    /// Takes what storage has of bans and login sessions. False where a reply is none to
    /// [`Engine::account_requests`], or there are more bans than are held.
    pub fn load_accounts(&mut self, replies: Vec<Reply>, now: Time, wall: WallMs) -> bool {
        self.core.set_wall(now, wall);
        replies.into_iter().all(|reply| match reply {
            Reply::Bans(bans) => bans.into_iter().all(|ban| self.hold_ban(ban, now)),
            Reply::Sessions(sessions) => {
                self.load_sessions(sessions);
                true
            }
            _ => false,
        })
    }

    fn load_sessions(&mut self, sessions: Vec<(LoginSession, Username)>) {
        for (session, name) in sessions {
            self.accounts.logins.add(&session, name);
        }
    }

    /// A login session is used, or held; `heard` is when something last came under it.
    pub(super) fn renew(&mut self, digest: TokenDigest, heard: Time, now: Time) {
        let (seen, wall) = (self.core.wall_of(heard, now), self.core.wall_at(now));
        if let Some(renewal) = self.accounts.logins.renew(digest, seen, wall) {
            self.core.errands.renew(renewal);
        }
    }

    /// Ends a login session that storage has ended, and whatever came in with it.
    fn end_login(&mut self, digest: TokenDigest, code: Code, message: &str, now: Time) {
        self.accounts.logins.end(digest);
        let with_it: Vec<ConnId> =
            self.core.peers.iter().filter(|(_, peer)| peer.login() == Some(digest)).map(|(c, _)| c).collect();
        for conn in with_it {
            self.close(conn, code, message, None, now);
        }
    }

    /// Begins to end the session of a token.
    pub(super) fn log_out(&mut self, conn: ConnId, digest: TokenDigest) -> Result<(), Refusal> {
        self.begin(Step::LoggingOut(conn, digest), Errand::Store(Request::EndSessions(vec![digest])))
    }

    fn logged_out(&mut self, conn: ConnId, digest: TokenDigest, answer: Answer, now: Time) -> Follows {
        let response = match answer {
            Answer::Store(Ok(Reply::Ended(_))) => {
                self.end_login(digest, Code::LoggedOut, "you have logged out", now);
                rest::done()
            }
            answer => rest::refused(&self.trouble(Trouble::of(answer))),
        };
        self.answer_later(conn, response, now);
        Follows::Nothing
    }

    /// What is due now and then: held sessions are renewed, expired ones swept.
    pub(super) fn tend_accounts(&mut self, now: Time) {
        let wall = self.core.wall_at(now);
        let due = |last: Option<Time>, every: Duration| last.is_none_or(|at| now.since(at) >= every);
        let settings = &self.core.settings;
        let every = (settings.session_timeout / 4).clamp(Duration::from_secs(1), HELD_RENEWED);
        let sweep_every = settings.session_cleanup;
        if due(self.accounts.renewed, every) {
            self.accounts.renewed = Some(now);
            for (digest, heard) in self.held_logins() {
                self.renew(digest, heard, now);
            }
        }
        if self.core.errands.has_storage() && due(self.accounts.swept, sweep_every) {
            self.accounts.swept = Some(now);
            self.accounts.logins.sweep(wall);
            self.accounts.bans.sweep(wall);
            self.tokens.sweep(wall);
            // What storage knows of renewals is a little old; where all tickets are out, the next sweep will do.
            let lag = self.accounts.logins.lag_ms();
            let before = WallMs(wall.0.saturating_sub(lag));
            let _ = self.begin(Step::Sweeping, Errand::Store(Request::Sweep { now: before }));
        }
    }

    /// Login sessions whose players are in the world, and when something last came from those.
    fn held_logins(&self) -> Vec<(TokenDigest, Time)> {
        let held = |peer: &Peer| Some((peer.login()?, peer.session.heard_at()));
        let in_world = self.core.peers.iter().filter(|(_, peer)| peer.lobby_login().is_none());
        in_world.filter_map(|(_, peer)| held(peer)).collect()
    }

    fn swept(&mut self, answer: Answer) -> Follows {
        match answer {
            Answer::Store(Ok(Reply::Swept { sessions, bans })) => {
                log::debug!("swept {sessions} login sessions and {bans} bans that had expired");
            }
            answer => drop(self.trouble(Trouble::of(answer))),
        }
        Follows::Nothing
    }
}

/// How often, at the least, sessions are renewed whose players are in the world.
const HELD_RENEWED: Duration = Duration::from_secs(60);

impl Trouble {
    /// An answer that is not what was hoped for.
    fn of(answer: Answer) -> Trouble {
        match answer {
            Answer::Store(Err(failure)) => Trouble::Store(failure),
            Answer::Hash(Err(error)) => Trouble::Hash(error),
            Answer::Store(Ok(_)) | Answer::Hash(Ok(Hashed::Hash(_) | Hashed::Verified(_))) => Trouble::Astray,
        }
    }
}

/// What a client is told whose errand could not be sent.
fn unsent(unsent: Unsent) -> Refusal {
    match unsent {
        Unsent::Busy => busy(),
        Unsent::NoStorage => Refusal::new(unsent.code(), "this server keeps no accounts"),
    }
}

fn busy() -> Refusal {
    Refusal::new(Code::Busy, "the server has too much to do at the moment").retry_after(BUSY_MS)
}

/// After how long something may be tried again that found no room, milliseconds.
const BUSY_MS: u32 = 1000;

/// After how long something may be tried again for which the disk had no room, milliseconds.
const DISK_MS: u32 = 10_000;

/// What a client is told that asks too often.
fn too_often(ms: u32) -> Refusal {
    Refusal::new(Code::RateLimited, "too many logins have failed; wait").retry_after(ms)
}

/// What a client is told whose address has as many passwords to hash as it may.
fn too_many_at_once() -> Refusal {
    Refusal::new(Code::RateLimited, "too many logins of your address are under way").retry_after(BUSY_MS)
}
