//! What can go wrong with a server, and with what one asks to be sent to it.

use crate::packet::resumption::Miscounted;
use crate::packet::{Code, EncodeError, Unreadable};
use crate::websocket::handshake::{InvalidRequest, ResponseError};
use crate::websocket::{self, CloseCode};
use std::fmt;

/// Why a connection is of no more use. Each is the server's fault or the network's, never the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The server refuses by HTTP, before there is a WebSocket.
    Refused(Box<Refusal>),
    /// The answer to the handshake breaks a rule (RFC 6455 section 4.1).
    Handshake(ResponseError),
    /// The server settled on no encoding: it is none of ours.
    NoSubprotocol,
    /// A frame breaks the protocol.
    WebSocket(websocket::Error),
    /// A text frame where the encoding is binary, or the other way round.
    WrongKind,
    /// A message is no batch.
    Unreadable(Box<Unreadable>),
    /// A batch is missing, comes twice or too early.
    OutOfOrder {
        /// The number that was to come.
        expected: u64,
        /// The number that came.
        seq: u64,
    },
    /// The server says that it has taken more messages of the player than were sent.
    Miscounted(Miscounted),
    /// The stream ended without a closing handshake: the connection was lost, and may be resumed.
    Lost,
}

impl Error {
    /// The code of the Close frame that tells the server of it; `None` where there is no WebSocket, or no stream any
    /// more, to tell it over.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Error::Refused(_) | Error::Handshake(_) | Error::NoSubprotocol | Error::Lost => None,
            Error::WebSocket(error) => Some(error.close_code()),
            Error::WrongKind => Some(CloseCode::UNSUPPORTED),
            Error::Unreadable(_) => Some(CloseCode::INVALID_PAYLOAD),
            // The frames are in order, what they say is not: section 7.4.1, "when there is no other more suitable
            // status code".
            Error::OutOfOrder { .. } | Error::Miscounted(_) => Some(CloseCode::POLICY),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(refusal) => refusal.fmt(f),
            Error::Handshake(error) => error.fmt(f),
            Error::NoSubprotocol => f.write_str("the server speaks none of Evertick's encodings"),
            Error::WebSocket(error) => error.fmt(f),
            Error::WrongKind => f.write_str("the wrong kind of frame for the encoding"),
            Error::Unreadable(unreadable) => write!(f, "a message is no batch: {unreadable}"),
            Error::OutOfOrder { expected, seq } => {
                write!(f, "batch {seq} came where {expected} was to come")
            }
            Error::Miscounted(Miscounted { received, sent }) => {
                write!(f, "the server has taken {received} messages of the {sent} that were sent")
            }
            Error::Lost => f.write_str("the connection was lost"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a player cannot be resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResumeError {
    /// The connection is not over: it was not lost.
    NotLost,
    /// There is no player to come back to: none had come in, it has left or was sent away, the server keeps nobody, or
    /// [`Settings::resume`](super::Settings::resume) was not set.
    NoPlayer,
    /// The settings do not fit into an HTTP request.
    Request(InvalidRequest),
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResumeError::NotLost => f.write_str("the connection was not lost"),
            ResumeError::NoPlayer => f.write_str("there is no player to come back to"),
            ResumeError::Request(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ResumeError {}

/// What the server answers by HTTP instead of opening a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Why; `None` where the answer does not say it as the contract has it.
    pub code: Option<Code>,
    /// The same for a person; may be empty.
    pub message: String,
    /// When it may work, milliseconds from now, where waiting helps.
    pub retry_after_ms: Option<u32>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refuses with HTTP status {}", self.status)?;
        if let Some(code) = self.code {
            write!(f, " ({code})")?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

/// Why a packet was not written. Nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The WebSocket is not open, or not any more.
    NotOpen,
    /// The packet's type cannot be encoded.
    Encode(EncodeError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::NotOpen => f.write_str("the connection is not open"),
            SendError::Encode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}
