//! Where a request body ends: by its length or by chunks, decided once from the head and then followed byte
//! by byte.
//!
//! **Every message has exactly one reading.** Whatever could be framed in two ways (RFC 9112 section 11.2,
//! "request smuggling") is an error, and memory grows with the bytes that came, never with a length that was
//! announced.

use super::error::Error;
use super::head::is_token;
use super::request::Request;
use crate::limits;

/// How the rest of a body is told from what follows it.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are to come.
    Length(usize),
    /// Chunks are to come.
    Chunked(Chunked),
}

impl Framing {
    /// Reads the framing out of a head; `None` where the request announces no body, which is then empty.
    ///
    /// RFC 9112 section 6.3 item 7: "If this is a request message and none of the above are true, then the
    /// message body length is zero (no message body is present)." So a POST without `Content-Length` is one
    /// with an empty body, as curl sends it for a logout; a route that needs a body may answer 411.
    pub(super) fn of(request: &Request) -> Result<Option<Framing>, Error> {
        let mut codings = request.list("transfer-encoding").peekable();
        let coded = request.header("transfer-encoding").is_some();
        let length = content_length(request)?;
        if !coded {
            return Ok(length.map(Framing::Length));
        }
        // RFC 9112 section 6.1: "A server or client that receives an HTTP/1.0 message containing a
        // Transfer-Encoding header field MUST treat the message as if the framing is faulty".
        if !request.version_1_1 {
            return Err(Error::Malformed("Transfer-Encoding in HTTP/1.0"));
        }
        // RFC 9112 section 6.3 item 3: "Such a message might indicate an attempt to perform request smuggling
        // [...] and ought to be handled as an error."
        if length.is_some() {
            return Err(Error::Malformed("both Content-Length and Transfer-Encoding"));
        }
        let mut foreign = false;
        while let Some(coding) = codings.next() {
            let last = codings.peek().is_none();
            match (coding.eq_ignore_ascii_case(b"chunked"), last) {
                (true, true) if foreign => return Err(Error::UnknownCoding),
                (true, true) => return Ok(Some(Framing::Chunked(Chunked::new()))),
                // RFC 9112 section 6.1: "A sender MUST NOT apply the chunked transfer coding more than once".
                (true, false) => return Err(Error::Malformed("chunked is not the last transfer coding")),
                (false, _) => foreign = true,
            }
        }
        // RFC 9112 section 6.3 item 4: "If a Transfer-Encoding header field is present in a request and the
        // chunked transfer coding is not the final encoding, the message body length cannot be determined
        // reliably; the server MUST respond with the 400 (Bad Request) status code and then close the
        // connection."
        Err(Error::Malformed("chunked is not the last transfer coding"))
    }

    /// Whether nothing more is to come.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Framing::Length(missing) => *missing == 0,
            Framing::Chunked(chunked) => chunked.at == At::Done,
        }
    }

    /// Takes what belongs to the body off the front of `input` and appends its content to `body`.
    pub(super) fn take(&mut self, input: &mut &[u8], body: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Framing::Length(missing) => take_content(missing, input, body),
            Framing::Chunked(chunked) => chunked.take(input, body)?,
        }
        debug_assert!(body.len() <= limits::HTTP_BODY);
        debug_assert!(input.is_empty() || self.is_done());
        Ok(())
    }
}

fn take_content(missing: &mut usize, input: &mut &[u8], body: &mut Vec<u8>) {
    let (content, rest) = input.split_at(input.len().min(*missing));
    body.extend_from_slice(content);
    *missing -= content.len();
    *input = rest;
}

fn content_length(request: &Request) -> Result<Option<usize>, Error> {
    let mut lengths = request.headers().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let Some((_, first)) = lengths.next() else { return Ok(None) };
    // RFC 9112 section 6.3 item 5 lets a list of identical lengths pass as one; several fields that are the
    // same to the byte do, a list in one field does not: it is no number.
    if lengths.any(|(_, other)| other != first) {
        return Err(Error::Malformed("several different Content-Lengths"));
    }
    // RFC 9110 section 8.6: Content-Length = 1*DIGIT. No sign, no space, no other base.
    if first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
        return Err(Error::Malformed("Content-Length is not a number"));
    }
    // RFC 9110 section 8.6: "a recipient MUST anticipate potentially large decimal numerals and prevent
    // parsing errors due to integer conversion overflows".
    let length = first
        .iter()
        .fold(0usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    if length > limits::HTTP_BODY { Err(Error::BodyTooLarge) } else { Ok(Some(length)) }
}

/// The place within a chunked body (RFC 9112 section 7.1).
///
/// Invariant: `size` is the size being read, then the bytes of the present chunk that are still to come; with
/// what the body already holds it is never more than [`limits::HTTP_BODY`] once the size has been read.
#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    size: usize,
    /// Hexadecimal digits of the present size.
    digits: u8,
    /// Bytes of extensions in all chunks so far.
    extensions: usize,
    /// Bytes of the trailer section so far.
    trailer: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Size,
    /// Behind the size: blanks, which only an extension may follow.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Done,
}

impl Chunked {
    /// Digits of a chunk's size; more would be leading zeros, sent to make somebody's counter overflow.
    const DIGITS: u8 = 8;

    fn new() -> Chunked {
        Chunked { at: At::Size, size: 0, digits: 0, extensions: 0, trailer: 0 }
    }

    fn take(&mut self, input: &mut &[u8], body: &mut Vec<u8>) -> Result<(), Error> {
        while self.at != At::Done {
            if self.at == At::Data {
                take_content(&mut self.size, input, body);
                if self.size > 0 {
                    return Ok(());
                }
                self.at = At::DataCr;
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(()) };
            *input = rest;
            self.at = self.after(byte, body.len())?;
        }
        Ok(())
    }

    /// Where `byte`, which is no chunk data, leads. `have` is how long the body is so far.
    fn after(&mut self, byte: u8, have: usize) -> Result<At, Error> {
        match (self.at, byte) {
            (At::Size, _) if byte.is_ascii_hexdigit() => self.digit(byte, have),
            (At::Size, b'\r') if self.digits > 0 => Ok(At::SizeLf),
            (At::Size, b';' | b' ' | b'\t') if self.digits > 0 => self.extension(byte),
            // RFC 9112 section 7.1.1 allows blanks around the semicolon of an extension, and nowhere else.
            (At::Blank, b';' | b' ' | b'\t') => self.extension(byte),
            (At::Extension, b'\r') => Ok(At::SizeLf),
            (At::Extension, b'\t' | 0x20..=0x7e | 0x80..) => self.extension(byte),
            (At::SizeLf, b'\n') => Ok(self.size_read()),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Size),
            (At::Size | At::Blank | At::Extension | At::SizeLf, _) => {
                Err(Error::Malformed("a chunk's size line is not well formed"))
            }
            (At::DataCr | At::DataLf, _) => Err(Error::Malformed("a chunk is not as long as it says")),
            _ => self.trailer(byte),
        }
    }

    fn digit(&mut self, byte: u8, have: usize) -> Result<At, Error> {
        self.digits += 1;
        if self.digits > Self::DIGITS {
            return Err(Error::Malformed("a chunk's size has too many digits"));
        }
        let value = char::from(byte).to_digit(16).unwrap_or(0);
        self.size = self.size * 16 + value as usize;
        if self.size > limits::HTTP_BODY - have { Err(Error::BodyTooLarge) } else { Ok(At::Size) }
    }

    /// RFC 9112 section 7.1.1: "A recipient MUST ignore unrecognized chunk extensions. A server ought to
    /// limit the total length of chunk extensions received in a request [...] and generate an appropriate 4xx
    /// (Client Error) response if that amount is exceeded."
    fn extension(&mut self, byte: u8) -> Result<At, Error> {
        self.extensions += 1;
        if self.extensions > limits::HTTP_CHUNK_EXTENSIONS {
            return Err(Error::BodyTooLarge);
        }
        Ok(if self.at == At::Extension || byte == b';' { At::Extension } else { At::Blank })
    }

    fn size_read(&mut self) -> At {
        self.digits = 0;
        if self.size == 0 { At::TrailerStart } else { At::Data }
    }

    /// Trailer fields are read for their shape and dropped: RFC 9112 section 7.1.2 lets a recipient discard
    /// them, and merging them into the head is how framing gets forged afterwards.
    fn trailer(&mut self, byte: u8) -> Result<At, Error> {
        self.trailer += 1;
        if self.trailer > limits::HTTP_HEAD {
            return Err(Error::HeadTooLarge);
        }
        match (self.at, byte) {
            (At::TrailerStart, b'\r') => Ok(At::LastLf),
            (At::LastLf, b'\n') => Ok(At::Done),
            (At::TrailerStart | At::TrailerName, _) if is_token(byte) => Ok(At::TrailerName),
            (At::TrailerName, b':') => Ok(At::TrailerValue),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, b'\t' | 0x20..=0x7e | 0x80..) => Ok(At::TrailerValue),
            (At::TrailerLf, b'\n') => Ok(At::TrailerStart),
            _ => Err(Error::Malformed("the trailer section is not well formed")),
        }
    }
}
