//! The WebSocket protocol, RFC 6455 and RFC 7692, without input or output: bytes in, messages out, and back.
//!
//! A [`Connection`] reads one peer's frames, in the server's role or the client's. It owns no socket, reads no clock
//! and makes no random numbers: bytes and masking keys are arguments. **After every read, call
//! [`Connection::next`] until it returns `None`**:
//!
//! ```
//! use evertick::websocket::{Connection, Event, OpCode, Role, encode};
//!
//! let mut connection = Connection::new(Role::Server, 64 * 1024);
//! let mut received = *b"\x81\x82\x00\x00\x00\x00Hi"; // as it came from the socket
//! let mut out = Vec::new(); // what goes to the socket
//!
//! let mut input = &mut received[..];
//! while let Some(event) = connection.next(&mut input) {
//!     match event {
//!         Event::Text(text) => encode(&mut out, OpCode::Text, text),
//!         Event::Binary(bytes) => encode(&mut out, OpCode::Binary, bytes),
//!         Event::Ping(payload) => encode(&mut out, OpCode::Pong, payload),
//!         Event::Pong(_) => {}
//!         // The last event of a connection: answer it, write what `out` holds, close the socket.
//!         Event::Close(_) | Event::Error(_) => connection.answer_close(None, &mut out),
//!     }
//! }
//! assert_eq!(out, b"\x81\x02Hi");
//! ```
//!
//! Events lend from the received bytes where a frame came whole, and from the connection's own memory where it came
//! in parts; nothing is queued. A connection with nothing unfinished owns no memory.
//!
//! **Invariant:** the events depend on the bytes alone, never on where the reads cut them.
//!
//! Whatever the peer does wrong is an [`Error`] with its close code; no input panics, and memory never runs ahead of
//! what was received. Nothing here decides policy: deadlines, rates and what to do with a message are the owner's.
//!
//! Frames are in [`frame`], the state table and the reading in `connection`, the opening handshake in [`handshake`],
//! compressed messages in [`deflate`].
//! Read `connection` next.

mod close;
mod connection;
pub mod deflate;
mod error;
pub mod frame;
pub mod handshake;
mod mask;
mod message;
mod utf8;

pub use close::CloseCode;
pub use connection::{Connection, Declined, Role, State};
pub use error::Error;
pub use frame::{Header, OpCode, encode, encode_masked};
pub use mask::unmask;
pub use message::Event;
pub use utf8::{InvalidUtf8, Utf8};
