//! Finds the end of a request head as its bytes come, and refuses what no head can become.
//!
//! The scan looks at every byte once, whichever pieces the head arrives in, so that where a head fails and
//! why never depends on how it was cut. It knows lines and lengths only; what the lines say is read by
//! `httparse` in [`request`](super::request), which is more lenient about line ends than a server behind a
//! proxy may be: two readers that disagree on where a line ends disagree on where a request ends (RFC 9112
//! section 11.2).

use super::error::Error;
use crate::limits;

/// How far the scan of one head has come.
///
/// Invariant: `length` counts the bytes of the head seen so far and stays below [`limits::HTTP_HEAD`] between
/// calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    /// Bytes of this head.
    length: usize,
    /// Bytes of the present part: the method, the target, or (behind them) the line, without its end.
    part_length: usize,
    part: Part,
    /// A CR was seen, so an LF must be next.
    after_cr: bool,
    /// The one empty line that may come before a request has come.
    empty_line: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Method,
    Target,
    Version,
    Field,
}

/// What the scan found; the number is how many bytes of the input it looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// No end yet: all of the input belongs to the head.
    Nothing,
    /// The empty line before a request: everything up to here is to be forgotten.
    EmptyLine(usize),
    /// The head ends here.
    End(usize),
}

impl Scan {
    /// Before the first byte of a request.
    pub(super) fn new() -> Scan {
        Scan { length: 0, part_length: 0, part: Part::Method, after_cr: false, empty_line: false }
    }

    /// Looks at `input`, which follows what was looked at before.
    pub(super) fn advance(&mut self, input: &[u8]) -> Result<Found, Error> {
        for (index, &byte) in input.iter().enumerate() {
            self.length += 1;
            if self.after_cr {
                // RFC 9112 section 2.2: "A recipient of such a bare CR MUST consider that element to be
                // invalid or replace each bare CR with SP".
                if byte != b'\n' {
                    return Err(Error::Malformed("a CR without its LF"));
                }
                if let Some(found) = self.line_ended(index + 1)? {
                    return Ok(found);
                }
            } else {
                self.byte_of_line(byte)?;
            }
            if self.length >= limits::HTTP_HEAD {
                return Err(Error::HeadTooLarge);
            }
        }
        Ok(Found::Nothing)
    }

    fn line_ended(&mut self, seen: usize) -> Result<Option<Found>, Error> {
        let empty = self.part_length == 0;
        self.after_cr = false;
        self.part_length = 0;
        match self.part {
            Part::Field if empty => Ok(Some(Found::End(seen))),
            // RFC 9112 section 2.2: "a server that is expecting to receive and parse a request-line SHOULD
            // ignore at least one empty line (CRLF) received prior to the request-line." One, so that nobody
            // sends them for ever.
            Part::Method if empty && !self.empty_line => {
                *self = Scan { empty_line: true, ..Scan::new() };
                Ok(Some(Found::EmptyLine(seen)))
            }
            Part::Method | Part::Target => Err(Error::Malformed("the request line is not complete")),
            Part::Version | Part::Field => {
                self.part = Part::Field;
                Ok(None)
            }
        }
    }

    fn byte_of_line(&mut self, byte: u8) -> Result<(), Error> {
        match byte {
            b'\r' => {
                self.after_cr = true;
                return Ok(());
            }
            // RFC 9112 section 2.2 lets a recipient take a single LF for a line's end ("MAY"). Not here: a
            // proxy that does not would see another request.
            b'\n' => return Err(Error::Malformed("an LF without its CR")),
            b'\t' => {}
            // RFC 9110 section 5.5: "Field values containing CR, LF, or NUL characters are invalid and
            // dangerous"; the other controls are allowed nowhere in a head either, and tell TLS and binary
            // protocols at once.
            0..=0x1f | 0x7f => return Err(Error::Malformed("a control character in the head")),
            _ => {}
        }
        self.part_length += 1;
        match self.part {
            Part::Method => self.byte_of_method(byte),
            Part::Target => self.byte_of_target(byte),
            Part::Version | Part::Field => Ok(()),
        }
    }

    fn byte_of_method(&mut self, byte: u8) -> Result<(), Error> {
        if byte == b' ' && self.part_length > 1 {
            (self.part, self.part_length) = (Part::Target, 0);
            return Ok(());
        }
        if !is_token(byte) {
            return Err(Error::Malformed("the method is not a token"));
        }
        // RFC 9112 section 3: "A server that receives a method longer than any that it implements SHOULD
        // respond with a 501 (Not Implemented) status code."
        if self.part_length > super::Method::LONGEST { Err(Error::UnknownMethod) } else { Ok(()) }
    }

    fn byte_of_target(&mut self, byte: u8) -> Result<(), Error> {
        if byte == b' ' {
            (self.part, self.part_length) = (Part::Version, 0);
            return Ok(());
        }
        // RFC 9112 section 3: "A server that receives a request-target longer than any URI it wishes to parse
        // MUST respond with a 414 (URI Too Long) status code".
        if self.part_length > limits::HTTP_TARGET { Err(Error::TargetTooLong) } else { Ok(()) }
    }

    /// Whether nothing of a request has come, not even the beginning of an empty line.
    pub(super) fn is_untouched(&self) -> bool {
        self.length == 0
    }
}

/// RFC 9110 section 5.6.2, `tchar`.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_head_is_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore";
        let end = head.len() - 4;
        assert_eq!(Scan::new().advance(head), Ok(Found::End(end)));
        for cut in 0..end {
            let mut scan = Scan::new();
            assert_eq!(scan.advance(&head[..cut]), Ok(Found::Nothing));
            assert_eq!(scan.advance(&head[cut..]), Ok(Found::End(end - cut)));
        }
    }

    #[test]
    fn one_empty_line_is_forgotten_and_a_second_is_not() {
        let mut scan = Scan::new();
        assert_eq!(scan.advance(b"\r\nGET"), Ok(Found::EmptyLine(2)));
        assert!(scan.is_untouched());
        assert_eq!(scan.advance(b"\r\n"), Err(Error::Malformed("the request line is not complete")));
    }

    #[test]
    fn what_cannot_become_a_head_fails_at_its_first_wrong_byte() {
        // The first bytes of a TLS ClientHello, and of an SSH client.
        assert!(Scan::new().advance(b"\x16").is_err());
        assert_eq!(Scan::new().advance(b"SSH-2.0-"), Err(Error::UnknownMethod));
        assert!(Scan::new().advance(b" ").is_err());
        assert!(Scan::new().advance(b"G{").is_err());
    }
}
