//! Why a connection stops being read: what the peer did, and the status that tells it so.
//!
//! Every one of these is the peer's fault. After any of them the end of the request is not known for certain,
//! so nothing that follows on the connection is read as another one: it is answered and closed.

use std::fmt;

/// A request that is not read further. The connection closes behind the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// 400: not a message as RFC 9112 writes it, or one that two readers could read differently; says what.
    Malformed(&'static str),
    /// 408: the head or the body did not arrive in time. Never raised here, where there is no clock: whoever
    /// sweeps the deadlines raises it (see [`Phase`](super::Phase)).
    Timeout,
    /// 413: the body is longer than [`HTTP_BODY`](crate::limits::HTTP_BODY), or is wrapped in more chunk
    /// extensions than [`HTTP_CHUNK_EXTENSIONS`](crate::limits::HTTP_CHUNK_EXTENSIONS).
    BodyTooLarge,
    /// 414: the target is longer than [`HTTP_TARGET`](crate::limits::HTTP_TARGET).
    TargetTooLong,
    /// 417: `Expect` asks for something else than `100-continue`.
    ExpectationFailed,
    /// 431: the head (or the trailer section) is longer than [`HTTP_HEAD`](crate::limits::HTTP_HEAD), or has
    /// more fields than [`HTTP_HEADERS`](crate::limits::HTTP_HEADERS).
    HeadTooLarge,
    /// 501: a method that no route of this server has.
    UnknownMethod,
    /// 501: a transfer coding besides `chunked`.
    UnknownCoding,
    /// 505: a version that is neither 1.0 nor 1.1.
    UnsupportedVersion,
}

impl Error {
    /// The status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Error::Malformed(_) => 400,
            Error::Timeout => 408,
            Error::BodyTooLarge => 413,
            Error::TargetTooLong => 414,
            Error::ExpectationFailed => 417,
            Error::HeadTooLarge => 431,
            Error::UnknownMethod | Error::UnknownCoding => 501,
            Error::UnsupportedVersion => 505,
        }
    }

    /// The `code` of the JSON answer.
    pub fn code(self) -> &'static str {
        match self {
            Error::Malformed(_) => "malformed",
            Error::Timeout => "request_timeout",
            Error::BodyTooLarge | Error::TargetTooLong | Error::HeadTooLarge => "too_large",
            Error::ExpectationFailed => "expectation_failed",
            Error::UnknownMethod | Error::UnknownCoding => "not_implemented",
            Error::UnsupportedVersion => "unsupported_version",
        }
    }

    /// What a person is told.
    pub fn message(self) -> &'static str {
        match self {
            Error::Malformed(what) => what,
            Error::Timeout => "the request did not arrive in time",
            Error::BodyTooLarge => "the body is too large",
            Error::TargetTooLong => "the request target is too long",
            Error::ExpectationFailed => "no expectation but 100-continue is met here",
            Error::HeadTooLarge => "the header fields are too large",
            Error::UnknownMethod => "the method is not known here",
            Error::UnknownCoding => "no transfer coding but chunked is known here",
            Error::UnsupportedVersion => "HTTP/1.1 and HTTP/1.0 are spoken here",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status(), self.message())
    }
}

impl std::error::Error for Error {}
