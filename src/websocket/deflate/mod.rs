//! permessage-deflate (RFC 7692): compressed messages, without input or output.
//!
//! No message refers to one before it, in either direction (both `no_context_takeover`). So a connection has no
//! compressor or decompressor of its own, 300 KiB each in other servers: **one [`Deflater`] and one [`Inflater`] serve
//! all connections of a loop**, and an idle connection owns no more than it did without the extension. What it costs is
//! that small messages compress less.
//!
//! What holds for one connection is an [`Agreed`], from the handshake: [`Offer::deflate`] on the server's side,
//! [`Accepted::deflate`] on the client's. A [`Connection`] that is told of it by [`Connection::agree_on`] takes compressed
//! messages, and [`Connection::next_inflated`] is to be called in place of [`Connection::next`]. Whole messages only
//! are inflated. What they become is bounded **while** they are: a message that grows over the limit is
//! refused at the byte that is too much.
//!
//! Compressed messages are written by [`Deflater::message`], or put together of [`pieces`] that were compressed before,
//! once for many recipients.
//!
//! The LZ77 window of what we send is never asked of zlib, which has none of 8 bits and whose streams are made
//! for one size. Instead the message is cut so that nothing can refer further back than the window:
//! the one compressor serves every peer.
//!
//! Without the feature `deflate` nothing is negotiated, and all of this is there and does nothing. Negotiation is in
//! `negotiation`, the two directions in `codec`; read `negotiation` next.
//!
//! [`Accepted::deflate`]: super::handshake::Accepted::deflate
//! [`Connection`]: super::Connection
//! [`Connection::agree_on`]: super::Connection::agree_on
//! [`Connection::next`]: super::Connection::next
//! [`Connection::next_inflated`]: super::Connection::next_inflated
//! [`Offer::deflate`]: super::handshake::Offer::deflate

#[cfg(not(feature = "deflate"))]
mod absent;
#[cfg(feature = "deflate")]
mod codec;
mod negotiation;
pub mod pieces;

#[cfg(not(feature = "deflate"))]
pub use absent::{Deflater, Inflater};
#[cfg(feature = "deflate")]
pub use codec::{Deflater, Inflater};
pub use negotiation::{Agreed, LEAST_WINDOW_BITS, MOST_WINDOW_BITS, NAME, window_bits_for};
pub(super) use negotiation::{accept, agree, offer};

/// Whether this build can compress at all: the feature `deflate`.
pub const AVAILABLE: bool = cfg!(feature = "deflate");

/// The most bytes that a compressed message of at most `max_message` bytes may have. Whoever compresses badly makes of
/// each byte nine bits at worst (RFC 1951 section 3.2.6), or a stored block; more is somebody who sends blocks of
/// nothing.
pub(super) const fn most_compressed(max_message: usize) -> usize {
    max_message.saturating_add(max_message / 8).saturating_add(64)
}
