//! What a peer can do wrong after the handshake, each mapped once to the close code it is told.
//!
//! Every variant is the peer's fault; nothing of our own can fail in this module.

use super::close::CloseCode;
use super::utf8::InvalidUtf8;
use std::fmt;

/// Why a connection is failed (RFC 6455 section 7.1.7). After one of these nothing more is read from the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// RSV1, RSV2 or RSV3 is set and no extension gives it a meaning there (section 5.2, RFC 7692 section 6).
    ReservedBits,
    /// An opcode that the RFC keeps for later: 3-7 or 11-15 (section 5.2).
    ReservedOpCode(u8),
    /// A control frame without FIN (section 5.5).
    FragmentedControl,
    /// A control frame of more than 125 bytes (section 5.5).
    ControlTooLong,
    /// A client's frame without a mask (section 5.1).
    Unmasked,
    /// A server's frame with a mask (section 5.1).
    Masked,
    /// A payload length that fits a shorter form (section 5.2).
    NonMinimalLength,
    /// A 64-bit payload length with its highest bit set (section 5.2).
    LengthOverflow,
    /// A continuation frame while no message is open (section 5.4).
    NothingToContinue,
    /// A new text or binary frame while a fragmented message is open (section 5.4).
    MessageInMessage,
    /// A Close frame with a body of one byte, too short for its code (section 5.5.1).
    CloseTooShort,
    /// A Close frame with a code that may not be sent (section 7.4).
    BadCloseCode(u16),
    /// Text, or a close reason, that is not UTF-8 (section 8.1).
    InvalidUtf8,
    /// A compressed message that does not inflate, or is not whole (RFC 7692 section 7.2.2).
    BadDeflate,
    /// A message larger than this side takes, as it came or inflated (section 10.4).
    TooBig,
    /// More than [`MESSAGE_FRAGMENTS`](crate::limits::MESSAGE_FRAGMENTS) empty fragments in one message
    /// (section 10.4 leaves the bound to the implementation).
    TooManyFragments,
}

impl Error {
    /// The code that the Close frame to this peer carries (section 7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            // 1007: "data within a message that was not consistent with the type of the message" (section 7.4.1).
            Error::InvalidUtf8 | Error::BadDeflate => CloseCode::INVALID_PAYLOAD,
            Error::TooBig => CloseCode::TOO_BIG,
            Error::TooManyFragments => CloseCode::TOO_BIG,
            Error::ReservedBits
            | Error::ReservedOpCode(_)
            | Error::FragmentedControl
            | Error::ControlTooLong
            | Error::Unmasked
            | Error::Masked
            | Error::NonMinimalLength
            | Error::LengthOverflow
            | Error::NothingToContinue
            | Error::MessageInMessage
            | Error::CloseTooShort
            | Error::BadCloseCode(_) => CloseCode::PROTOCOL,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::ReservedBits => "a reserved bit is set",
            Error::ReservedOpCode(code) => return write!(f, "opcode {code} is reserved"),
            Error::FragmentedControl => "a control frame is fragmented",
            Error::ControlTooLong => "a control frame is longer than 125 bytes",
            Error::Unmasked => "a client's frame is not masked",
            Error::Masked => "a server's frame is masked",
            Error::NonMinimalLength => "a payload length is not in its shortest form",
            Error::LengthOverflow => "a payload length has its highest bit set",
            Error::NothingToContinue => "a continuation frame has no message to continue",
            Error::MessageInMessage => "a message begins before the last one ended",
            Error::CloseTooShort => "a close frame holds half a code",
            Error::BadCloseCode(code) => return write!(f, "close code {code} may not be sent"),
            Error::InvalidUtf8 => "text is not UTF-8",
            Error::BadDeflate => "a compressed message does not inflate",
            Error::TooBig => "a message is too big",
            Error::TooManyFragments => "a message has too many empty fragments",
        })
    }
}

impl std::error::Error for Error {}

impl From<InvalidUtf8> for Error {
    fn from(_: InvalidUtf8) -> Error {
        Error::InvalidUtf8
    }
}
