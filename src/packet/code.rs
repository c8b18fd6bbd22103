//! The contract's codes in one table: what the peer is told, in a packet, in a Close frame and over HTTP.
//!
//! Every module has errors of its own; each maps them to a [`Code`] once, and from there this table decides.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Declares [`Code`] and its table, so that no code can be without its row.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal close $close:tt http $http:tt;)*) => {
        /// Why something was refused or ended, as clients are told it: `code` in `error`, `disconnect`,
        /// `invalid_message` and in HTTP's error bodies.
        ///
        /// Codes are only ever appended: postcard carries their place in this list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The code's name in packets and HTTP bodies.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The code of the Close frame that ends a connection for this reason (RFC 6455 section 7.4: 4000-4999
            /// are private use); `None` where the connection goes on.
            ///
            /// [`Code::Malformed`] and [`Code::RateLimited`] close only when repeated
            /// (`limits::MALFORMED`, `limits::RATE_STRIKES`), [`Code::TooLarge`] only where a WebSocket message
            /// is too big.
            pub const fn close_code(self) -> Option<u16> {
                match self { $(Code::$variant => codes!(@number $close),)* }
            }

            /// The status of an HTTP response that refuses for this reason; `None` where HTTP never does.
            pub const fn http_status(self) -> Option<u16> {
                match self { $(Code::$variant => codes!(@number $http),)* }
            }
        }
    };
    (@number -) => { None };
    (@number $n:literal) => { Some($n) };
}

codes! {
    /// The client speaks no protocol version that the server does.
    BadVersion "bad_version" close 4000 http -;
    /// Something was asked for that needs a login first.
    Unauthenticated "unauthenticated" close 4001 http 401;
    /// The username or the password is wrong.
    BadCredentials "bad_credentials" close 4002 http 401;
    /// The token has ended, was spent, or never was.
    SessionExpired "session_expired" close 4003 http 401;
    /// The same player came in over another connection.
    Replaced "replaced" close 4004 http -;
    /// The bytes are no packet, or the body no JSON.
    Malformed "malformed" close 4005 http 400;
    /// No packet of that type, no page of that path.
    UnknownType "unknown_type" close - http 404;
    /// No `auth_request` came in time.
    AuthTimeout "auth_timeout" close 4007 http -;
    /// Too much in too short a time.
    RateLimited "rate_limited" close 4008 http 429;
    /// Nothing was heard of the peer for too long.
    IdleTimeout "idle_timeout" close 4009 http -;
    /// Too many connections from this address.
    TooManyConnections "too_many_connections" close 4010 http 429;
    /// Too many new connections a second from this address.
    ConnectingTooFast "connecting_too_fast" close 4011 http 429;
    /// The account or the address is banned.
    Banned "banned" close 4012 http 403;
    /// As many players as the server takes are in the world.
    WorldFull "world_full" close 4013 http 503;
    /// The server has not finished starting.
    NotReady "not_ready" close 4014 http 503;
    /// The peer does not read as fast as it is told things.
    SlowConsumer "slow_consumer" close 4015 http -;
    /// The rules were broken too often.
    Cheating "cheating" close 4016 http -;
    /// An administrator ended the session.
    Kicked "kicked" close 4017 http -;
    /// The account logged out.
    LoggedOut "logged_out" close 4018 http -;
    /// The world takes no newcomers.
    WorldClosed "world_closed" close 4019 http 503;
    /// The server takes no guests.
    GuestsDisabled "guests_disabled" close 4020 http 403;
    /// The server is going down.
    Shutdown "shutdown" close 1001 http 503;
    /// There is nothing of that id or name.
    NotFound "not_found" close - http 404;
    /// It is there, but not for this player.
    Forbidden "forbidden" close - http 403;
    /// It cannot be done as things stand.
    Conflict "conflict" close - http 409;
    /// A field is missing, of the wrong type or out of its range.
    Invalid "invalid" close - http 400;
    /// More bytes than the server takes in one message or body.
    TooLarge "too_large" close 1009 http 413;
    /// The server has too much to do at the moment; waiting helps.
    Busy "busy" close - http 503;
    /// The server's own fault.
    Internal "internal" close - http 500;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
