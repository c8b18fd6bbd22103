//! What an embedder can watch. Nobody watching costs one comparison.

use crate::ids::{ConnId, PlayerId};
use crate::packet::Code;
use crate::time::Tick;
use std::net::IpAddr;

/// Something happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The engine accepts connections from here on.
    Started,
    /// The engine has said goodbye to everybody.
    Stopped,
    /// A client spoke a valid handshake and has a session.
    ClientConnected {
        /// Its connection.
        conn: ConnId,
        /// Its address, behind trusted proxies the one they tell.
        address: IpAddr,
        /// The session's name: `{game}-{n}`.
        instance: String,
    },
    /// A client's session is over.
    ClientDisconnected {
        /// Its connection.
        conn: ConnId,
        /// Why, where the server ended it.
        code: Option<Code>,
    },
    /// The first successful auth of a guest or an account in this run.
    Discovered {
        /// Who.
        player: PlayerId,
        /// Under which name.
        name: String,
        /// Whether it is a guest.
        guest: bool,
    },
    /// A packet for a game was taken.
    MessageReceived {
        /// Who sent it.
        player: PlayerId,
        /// Bytes of the message.
        bytes: usize,
    },
    /// A batch, or what a socket took of one, was written.
    MessageSent {
        /// Whose connection.
        conn: ConnId,
        /// Bytes that the socket took.
        bytes: usize,
    },
    /// A tick was measured.
    HealthUpdated {
        /// Which.
        tick: Tick,
        /// Microseconds of its own work.
        work_us: u32,
        /// Players in the world.
        players: usize,
    },
    /// Something went wrong that is nobody's protocol error.
    Error {
        /// One sentence.
        message: String,
    },
}

/// Who is told.
pub type Observer = Box<dyn FnMut(&Event) + Send>;
