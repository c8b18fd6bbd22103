//! The client's end of the contract, without input or output: what any client in Rust stands on.
//!
//! A [`Connection`] does what every client has to do and nothing that only some want: it asks for the upgrade, checks
//! the answer, settles the encoding, writes packets as masked frames with ids, reads batches and holds their numbers
//! against each other, answers pings and the closing handshake. It owns no socket, reads no clock and makes no
//! random numbers: bytes, time and masks are its driver's.
//!
//! # Driving it
//!
//! 1. Connect a socket to [`Settings::host`]; [`Connection::open`] gives the first bytes for it.
//! 2. **After every read, call [`Connection::next`] until it returns `None`, then write what it left in `out`.** The
//!    same `out` takes what [`Connection::send`], [`Connection::ask`] and [`Connection::close`] write; what the socket
//!    does not take at once is the driver's to keep, in order.
//! 3. When the stream ends, call [`Connection::end_of_stream`]; when [`Connection::is_over`], write what is left and
//!    close the socket.
//!
//! ```
//! use evertick::client::{Connection, Event, Settings, ToServer};
//! use evertick::packet::{AuthRequest, ClientControl};
//! use evertick::random::Secrets;
//! # use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Say { Shout { text: String } }
//! #[derive(Deserialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Hear { Shout { from: u32, text: String } }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut secrets = Secrets::new([7; 32]); // 32 bytes of the operating system
//! let mut out = Vec::new(); // what goes to the socket
//! let settings = Settings::new("127.0.0.1:8080", "/ws");
//! let mut client = Connection::<Say, Hear>::open(&settings, &mut secrets, &mut out)?;
//! # let (mut received, mut ask_to_play) = ([0u8; 0], false);
//!
//! let mut input = &mut received[..]; // as it came from the socket
//! while let Some(event) = client.next(&mut input, &mut secrets, &mut out) {
//!     match event {
//!         Event::Open(_encoding) => ask_to_play = true,
//!         Event::Batch(batch) => {
//!             println!("tick {}", batch.head().tick); // costs nothing that grows with the batch
//!             for packet in batch.packets() {
//!                 let _ = packet?; // decoded as they are asked for
//!             }
//!         }
//!         Event::Ping | Event::Pong(_) => {}
//!         Event::Closed { code, reason } => println!("closed: {code:?} {reason}"),
//!         Event::Failed(error) => return Err(error.into()),
//!     }
//! }
//! if ask_to_play {
//!     let who = AuthRequest { version: 1, guest: Some("Ann".to_owned()), ..AuthRequest::default() };
//!     client.ask(ToServer::Control(&ClientControl::AuthRequest(who)), &mut secrets, &mut out)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Coming back
//!
//! With [`Settings::resume`] a connection that was lost ([`Error::Lost`], or a close that leaves the player in the world)
//! is not the end: connect another socket and call [`Connection::resume`], which writes its first bytes and drops what the
//! old one had not taken. From there it is driven as before. The player is the same, batches go on where they stopped and
//! none comes twice, and what the server had not taken of the last messages is sent again, once: of a walk only the last
//! place ([`Settings::newest_only`]), and no faster than a server takes it, which is why **[`Connection::resend`] is to be
//! called after every read and when the time that it returns has come**. Ids go on too, so that the answer to a question
//! from before may come after. How long to wait and how often to try is the driver's to decide; the
//! server keeps the player for as long as its `auth_response` said. Who leaves while the connection is lost is gone once
//! the server has heard of it: see [`Connection::close`].
//!
//! **Invariants:** the events depend on the bytes alone, never on where the reads cut them; a batch is handed out only
//! when its number follows on the last one's; after [`Event::Closed`] and [`Event::Failed`] there is no further event.
//! With nothing unfinished and the handshake done a connection owns no memory.
//!
//! Errors say whose fault they are: [`Error`] the server's or the network's, [`SendError`] and
//! [`InvalidRequest`] the caller's. What a packet means, who one logs in as, and when to come back are not decided
//! here. Read `connection` next, then `resuming`; frames are written in `frames`, batches counted in `numbers`; the packets are in [`packet`](crate::packet).

mod connection;
mod error;
mod frames;
mod numbers;
mod opening;
mod resuming;
#[cfg(test)]
mod tests;

pub use crate::websocket::handshake::InvalidRequest;
pub use connection::{Batch, Connection, Event, ToServer};
pub use error::{Error, Refusal, ResumeError, SendError};
pub use opening::Settings;
