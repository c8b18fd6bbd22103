//! Turns messages into packets and packets into messages, in two encodings, and does nothing else.
//!
//! A client sends one packet a message: [`open`] reads its envelope, [`Envelope::control`] and [`Envelope::game`]
//! decode what is inside. The server sends one batch a message: [`encode`] makes the bytes of one packet, which all
//! its recipients share as a [`Body`] that [`Bodies`] makes, and [`BatchHead`] puts a batch's numbers around them, so that a packet is
//! serialised once however many hear it.
//!
//! Packets are plainly derived enums. What serde calls the variant is the packet's `type` in JSON and its number in
//! postcard; nothing else is written by hand. This module owns no socket, session or clock, and no input panics:
//! what cannot be read is an [`Unreadable`], always the peer's fault, which says what to tell the peer.
//!
//! [`Code`] is the contract's one table of error codes, close codes and HTTP statuses. The other direction, as a
//! client or a test needs it, is in [`client`], and what a client keeps to come back in [`resumption`]. Read on in
//! [`envelope`].

pub mod batch;
pub mod body;
pub mod client;
pub mod client_time;
pub mod code;
pub mod control;
pub mod encoding;
pub mod envelope;
#[cfg(test)]
pub(crate) mod golden;
mod json;
mod numbers;
mod plain;
mod postcard;
pub mod priority;
pub mod resumption;
mod scan;
mod strict;
pub mod variant;

pub use batch::{BatchHead, Heads, end, separator};
pub use body::{Bodies, Body};
pub use client::{Batch, Packet, Packets, ServerPacket, encode_client, read_batch};
pub use client_time::ClientTime;
pub use code::Code;
pub use control::{
    AuthRequest, AuthResponse, Character, ClientControl, Credentials, Resume, ServerControl, Versions,
};
pub use encoding::{EncodeError, Encoding, Kind, encode};
pub use envelope::{Envelope, Unreadable, open, open_usual};
pub use priority::Priority;
pub use resumption::Resumption;
pub use variant::{Variant, variant_of, variants};

#[cfg(test)]
mod tests;
