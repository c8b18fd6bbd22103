//! The control packets: what a client and the server say to each other whatever the game.
//!
//! Their fields are the contract's. Field order is the postcard encoding and never changes; a packet that needs
//! another field becomes another packet.

use super::client_time::ClientTime;
use super::code::Code;
use crate::ids::{AccountId, PlayerId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Control packets that a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientControl {
    /// Who the client is: the first packet of every connection.
    AuthRequest(AuthRequest),
    /// Asks for a `pong`.
    Ping {
        /// Whatever the client wants to read again in the answer, usually its own clock.
        time: Option<ClientTime>,
    },
    /// The client leaves; its player is gone at once.
    Disconnect {
        /// Why, for the server's log. JSON clients may leave it out.
        #[serde(default)]
        reason: String,
    },
}

/// Control packets that the server sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerControl {
    /// The first packet of every connection.
    Connected {
        /// This connection's name in the server's log, such as `eternity-17`.
        instance: String,
        /// The server's name and version, such as `evertick/0.1.0`.
        server: String,
        /// The protocol versions that the server speaks.
        protocol: Versions,
        /// Ticks a second.
        tick_rate: u32,
        /// The server pings a peer that was quiet for so long, in milliseconds.
        heartbeat_interval_ms: u32,
        /// The server closes a peer that was silent for so long, in milliseconds.
        timeout_ms: u32,
    },
    /// The answer to an `auth_request` that was let in.
    AuthResponse(Box<AuthResponse>),
    /// The answer to a `ping`.
    Pong {
        /// The `ping`'s time, unread.
        time: Option<ClientTime>,
        /// The server's wall clock, Unix milliseconds.
        server_time: u64,
        /// The current tick.
        tick: u64,
    },
    /// The connection is about to be closed with this code's close code.
    Disconnect {
        /// Why.
        code: Code,
        /// The same for a person.
        message: String,
        /// When it may work again, milliseconds from now, where waiting helps.
        retry_after_ms: Option<u32>,
    },
    /// A packet with an `id` was done, and nothing else answers it.
    Ok,
    /// A packet was understood and refused.
    Error {
        /// Why.
        code: Code,
        /// The same for a person.
        message: String,
        /// When it may work, milliseconds from now, where waiting helps.
        retry_after_ms: Option<u32>,
    },
    /// A packet could not be read.
    InvalidMessage {
        /// `malformed`, `unknown_type` or `invalid`.
        code: Code,
        /// The same for a person.
        message: String,
        /// The field that is missing or wrong, such as `position.x`.
        field: Option<String>,
    },
}

/// The protocol versions that a server speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

/// Who a client is. Exactly one way of saying so may be set: see [`AuthRequest::credentials`].
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuthRequest {
    /// The protocol version that the client speaks: 1.
    pub version: u32,
    /// A token from `POST /api/auth/login`.
    pub token: Option<String>,
    /// An account's name, together with `password`.
    pub username: Option<String>,
    /// The account's password.
    pub password: Option<String>,
    /// The name that a guest would like to be shown under.
    pub guest: Option<String>,
    /// The player of a connection that was lost.
    pub resume: Option<Resume>,
}

/// The way back to a player whose connection was lost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The newest `resume_token` that the client was given.
    pub token: String,
    /// The `seq` of the last batch that the client has seen.
    pub seq: u64,
}

/// The one way in which an `auth_request` says who the client is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// A login session's token.
    Token(&'a str),
    /// An account's name and password.
    Password {
        /// The account's name.
        username: &'a str,
        /// Its password.
        password: &'a str,
    },
    /// Nobody the server knows, under this name.
    Guest(&'a str),
    /// The player of a lost connection.
    Resume(&'a Resume),
}

impl AuthRequest {
    /// The one way that is set. `Err` is the name of the field at fault: `invalid`.
    pub fn credentials(&self) -> Result<Credentials<'_>, &'static str> {
        let Self { token, username, password, guest, resume, .. } = self;
        match (token, username, password, guest, resume) {
            (Some(token), None, None, None, None) => Ok(Credentials::Token(token)),
            (None, Some(username), Some(password), None, None) => {
                Ok(Credentials::Password { username, password })
            }
            (None, None, None, Some(name), None) => Ok(Credentials::Guest(name)),
            (None, None, None, None, Some(resume)) => Ok(Credentials::Resume(resume)),
            (None, Some(_), None, None, None) => Err("password"),
            (None, None, Some(_), None, None) => Err("username"),
            (None, None, None, None, None) => Err("token"),
            // Two ways at once: the later of them is the one too many.
            (.., Some(_)) => Err("resume"),
            (.., Some(_), None) => Err("guest"),
            (Some(_), Some(_), ..) => Err("username"),
            (Some(_), None, Some(_), ..) => Err("password"),
        }
    }
}

/// What a client that was let in is told about itself.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuthResponse {
    /// The player that the client is from now on; null until a character is in the world.
    pub player_id: Option<PlayerId>,
    /// The account; null for a guest.
    pub account_id: Option<AccountId>,
    /// The name that others see; for a guest perhaps not quite the one asked for.
    pub username: String,
    /// Whether nobody will remember this player.
    pub guest: bool,
    /// The account's characters, or whatever the game's roster has.
    pub characters: Vec<Character>,
    /// What brings the player back after a lost connection; null where the server keeps nobody.
    pub resume_token: Option<String>,
    /// For how long after the connection was lost, milliseconds.
    pub resume_grace_ms: u32,
    /// Whether this connection took over a player that was there.
    pub resumed: bool,
    /// How many batches follow that were sent before.
    pub replayed: u32,
    /// Whether everything is told afresh because batches were lost.
    pub full_state: bool,
    /// How many messages of this player the server has taken.
    pub received: u64,
}

/// One character of an account, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Character {
    /// The character's id, from 1, which is its player's.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its faction's name.
    pub faction: String,
    /// Its class's name.
    pub class: String,
    /// Its level, from 1.
    pub level: u32,
    /// The location that it is or was last in.
    pub location_id: u32,
    /// Whether it is the one that enters the world.
    pub selected: bool,
}

/// What stands in a log in the place of something that grants access.
const SECRET: &str = "...";

impl fmt::Debug for AuthRequest {
    /// Never shows a token or a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRequest")
            .field("version", &self.version)
            .field("token", &self.token.as_ref().map(|_| SECRET))
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| SECRET))
            .field("guest", &self.guest)
            .field("resume", &self.resume)
            .finish()
    }
}

impl fmt::Debug for Resume {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("token", &SECRET).field("seq", &self.seq).finish()
    }
}

impl fmt::Debug for Credentials<'_> {
    /// Never shows a token or a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Token(_) => f.write_str("Token"),
            Credentials::Password { username, .. } => write!(f, "Password({username:?})"),
            Credentials::Guest(name) => write!(f, "Guest({name:?})"),
            Credentials::Resume(resume) => resume.fmt(f),
        }
    }
}

impl fmt::Debug for AuthResponse {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthResponse")
            .field("player_id", &self.player_id)
            .field("account_id", &self.account_id)
            .field("username", &self.username)
            .field("guest", &self.guest)
            .field("characters", &self.characters.len())
            .field("resume_token", &self.resume_token.as_ref().map(|_| SECRET))
            .field("resumed", &self.resumed)
            .field("replayed", &self.replayed)
            .field("full_state", &self.full_state)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
