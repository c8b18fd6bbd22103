//! Close codes and the body of a Close frame (RFC 6455 sections 5.5.1 and 7.4).
//!
//! A [`CloseCode`] can only hold what may stand on the wire: 1005, 1006 and 1015, which the RFC gives to interfaces
//! and not to frames, cannot be written by mistake.

use super::error::Error;
use crate::limits::CONTROL_PAYLOAD;
use std::fmt;
use std::num::NonZeroU16;

/// Bytes of a close reason at most: a control frame's payload without the two bytes of the code.
const REASON_BYTES: usize = CONTROL_PAYLOAD - 2;

/// Why a connection ends: a status code that may stand in a Close frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(NonZeroU16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: CloseCode = known(1000);
    /// 1001: the endpoint goes away: a server stops, a page is left.
    pub const AWAY: CloseCode = known(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL: CloseCode = known(1002);
    /// 1003: a kind of data that this endpoint cannot take.
    pub const UNSUPPORTED: CloseCode = known(1003);
    /// 1007: data that is not what its message type says, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: CloseCode = known(1007);
    /// 1008: a policy is violated, and no other code fits.
    pub const POLICY: CloseCode = known(1008);
    /// 1009: a message is too big.
    pub const TOO_BIG: CloseCode = known(1009);
    /// 1010: a client misses an extension it needs.
    pub const MANDATORY_EXTENSION: CloseCode = known(1010);
    /// 1011: an unexpected condition at the server.
    pub const INTERNAL: CloseCode = known(1011);

    /// The code, where it may stand in a Close frame.
    ///
    /// Those are 1000-1003 and 1007-1011 of section 7.4.1, 1012-1014 that IANA has registered since, and 3000-4999 of
    /// section 7.4.2. `None` for all others: "1004 Reserved"; 1005, 1006 and 1015 "MUST NOT be set as a status code in
    /// a Close control frame by an endpoint"; "0-999 are not used"; the rest of 1000-2999 is for the RFC's future.
    pub const fn new(code: u16) -> Option<CloseCode> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => match NonZeroU16::new(code) {
                Some(code) => Some(CloseCode(code)),
                None => None,
            },
            _ => None,
        }
    }

    /// The number as it stands on the wire.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// A code of the table above; anything else does not compile.
const fn known(code: u16) -> CloseCode {
    match CloseCode::new(code) {
        Some(code) => code,
        None => panic!("not a code that may be sent"),
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> u16 {
        code.get()
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads the body of a Close frame: nothing, or a code in network byte order and a reason.
///
/// # Errors
/// A body of one byte, a code that may not be sent, a reason that is not UTF-8.
pub(super) fn read_body(body: &[u8]) -> Result<Option<(CloseCode, &str)>, Error> {
    // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer" (section 5.5.1).
    let (code, reason) = match body {
        [] => return Ok(None),
        [_] => return Err(Error::CloseTooShort),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    let code = CloseCode::new(code).ok_or(Error::BadCloseCode(code))?;
    // "the body MAY contain UTF-8-encoded data" (section 5.5.1); other bytes fail the connection (section 8.1).
    let reason = std::str::from_utf8(reason).map_err(|_| Error::InvalidUtf8)?;
    Ok(Some((code, reason)))
}

/// Writes the body of a Close frame to the front of `body`; returns its length. A reason that does not fit is cut
/// between characters.
pub(super) fn write_body(code: CloseCode, reason: &str, body: &mut [u8; CONTROL_PAYLOAD]) -> usize {
    let reason = fit_reason(reason).as_bytes();
    let len = 2 + reason.len();
    body[..2].copy_from_slice(&code.get().to_be_bytes());
    body[2..len].copy_from_slice(reason);
    len
}

/// The part of `reason` that fits a Close frame, cut between characters.
fn fit_reason(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_the_wire_exist() {
        let allowed = |code: u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        for code in 0..=u16::MAX {
            assert_eq!(CloseCode::new(code).map(CloseCode::get), allowed(code).then_some(code), "{code}");
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(fit_reason("short"), "short");
        let long = "é".repeat(100);
        assert_eq!(fit_reason(&long).len(), 122, "123 would halve a character");
        assert_eq!(fit_reason(&"x".repeat(123)).len(), REASON_BYTES);
        assert_eq!(fit_reason(&"x".repeat(124)).len(), REASON_BYTES);
    }

    #[test]
    fn bodies() {
        assert_eq!(read_body(b""), Ok(None));
        assert_eq!(read_body(b"\x03"), Err(Error::CloseTooShort));
        assert_eq!(read_body(b"\x03\xe8"), Ok(Some((CloseCode::NORMAL, ""))));
        assert_eq!(read_body(b"\x03\xe9bye"), Ok(Some((CloseCode::AWAY, "bye"))));
        assert_eq!(read_body(b"\x03\xed"), Err(Error::BadCloseCode(1005)));
        assert_eq!(read_body(b"\x03\xe8\xff"), Err(Error::InvalidUtf8));
        assert_eq!(read_body(b"\x00\x00\xff"), Err(Error::BadCloseCode(0)), "the code comes first");
    }
}
