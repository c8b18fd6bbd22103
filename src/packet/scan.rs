//! Finds the members of a JSON envelope as clients usually write it, in one pass and without serde.
//!
//! It answers only where there can be no doubt: `type`, the number and an object as `data`, in any order, without
//! escapes in names. All else is `None` and left to `json`, which reads anything that is JSON. What is inside `data` is
//! not validated here but where it is decoded: **the end found is right if the inside turns out to be JSON, and
//! whoever finds that it is not starts over with `json`.**
//!
//! [`usual`] goes further: it takes `data` to be the last member and does not look for its end at all. So what it says is
//! right only if the packet decodes and ends where the message does.

use crate::limits;

/// What an envelope holds.
pub(super) struct Scanned<'a> {
    pub(super) number: Option<u32>,
    pub(super) name: &'a str,
    pub(super) data: Option<&'a str>,
    /// Whether `data` has no array, no number that an f32 may not hold, and is nested no deeper than a packet may be:
    /// then serde_json decodes it as strictly as `strict` would.
    pub(super) plain: bool,
}

/// Scans `message`, in which the number is called `key`.
pub(super) fn scan<'a>(message: &'a str, key: &str) -> Option<Scanned<'a>> {
    let mut at = Cursor { text: message, next: 0, plain: true };
    let (mut number, mut name, mut data) = (None, None, None);
    at.skip_space();
    at.take(b'{')?;
    loop {
        at.skip_space();
        let member = at.string()?;
        at.skip_space();
        at.take(b':')?;
        at.skip_space();
        match member {
            "type" => name = Some(at.string()?),
            "data" => data = Some(at.object()?),
            member if member == key => number = Some(at.number()?),
            _ => return None,
        }
        at.skip_space();
        match at.byte()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    at.skip_space();
    (at.next == message.len()).then_some(Scanned { number, name: name?, data, plain: at.plain })
}

/// Scans a short message that has `type` first, `data` last, and between them no more than the number.
/// `None` too where its name is not `wanted`.
pub(super) fn usual<'a>(message: &'a str, key: &str, wanted: impl Fn(&str) -> bool) -> Option<Scanned<'a>> {
    let mut at = Cursor { text: message, next: 0, plain: true };
    at.skip_space();
    at.take(b'{')?;
    at.member("type")?;
    let name = at.string().filter(|name| wanted(name))?;
    let mut number = None;
    at.next_member()?;
    if at.rest().starts_with(b"\"data\"") {
        at.member("data")?;
    } else {
        at.member(key)?;
        number = Some(at.number()?);
        at.next_member()?;
        at.member("data")?;
    }
    let data = message.get(at.next..)?.trim_ascii_end().strip_suffix('}')?;
    (data.starts_with('{')).then(|| Scanned {
        number,
        name,
        data: Some(data),
        plain: is_plain(data.as_bytes()),
    })
}

/// Whether it is short and has no array and no number that an f32 may not hold: then nothing in it is nested deeper than
/// a packet may be either, for an object within an object takes five bytes. Without branches, so that it is compiled to
/// vector instructions: it costs a fraction of a way through byte by byte.
fn is_plain(data: &[u8]) -> bool {
    const SHORT: usize = 4 * limits::PACKET_DEPTH;
    let (Some(followers), true) = (data.get(1..), data.len() <= SHORT) else { return false };
    let odd = data.iter().zip(followers).fold(0, |odd, (&byte, &next)| {
        let exponent = u8::from(byte.wrapping_sub(b'0') < 10) & u8::from(next | 0x20 == b'e');
        odd | u8::from(next == b'[') | exponent
    });
    // A number of 39 digits covers two of these whole.
    let digits =
        |chunk: &[u8]| chunk.iter().fold(1, |all, &byte| all & u8::from(byte.wrapping_sub(b'0') < 10));
    odd == 0 && data.chunks_exact(DIGITS).all(|chunk| digits(chunk) == 0)
}

/// An f32 holds any number of twice as many digits that has no exponent.
const DIGITS: usize = 16;

/// A place in the message.
struct Cursor<'a> {
    text: &'a str,
    next: usize,
    plain: bool,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.next).copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.next += 1;
        Some(byte)
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.byte()? == expected).then_some(())
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.next..]
    }

    /// A member's name, which has to be this, up to its value.
    fn member(&mut self, name: &str) -> Option<()> {
        (self.string()? == name).then_some(())?;
        self.skip_space();
        self.take(b':')?;
        self.skip_space();
        Some(())
    }

    /// What stands between two members.
    fn next_member(&mut self) -> Option<()> {
        self.skip_space();
        self.take(b',')?;
        self.skip_space();
        Some(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.next += 1;
        }
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.next;
        loop {
            match self.byte()? {
                b'"' => return self.text.get(start..self.next - 1),
                // RFC 8259 section 7: control characters must be escaped.
                b'\\' | 0..=0x1f => return None,
                _ => {}
            }
        }
    }

    /// A number that is written as a u32 is.
    fn number(&mut self) -> Option<u32> {
        let start = self.next;
        while let Some(b'0'..=b'9') = self.peek() {
            self.next += 1;
        }
        let digits = self.text.get(start..self.next)?;
        // RFC 8259 section 6: leading zeros are not allowed.
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        digits.parse().ok()
    }

    /// An object, as far as the brackets and strings in it tell.
    fn object(&mut self) -> Option<&'a str> {
        let start = self.next;
        if self.peek()? != b'{' {
            return None;
        }
        let mut depth = 0usize;
        loop {
            match self.byte()? {
                b'"' => self.skip_string()?,
                b'0'..=b'9' => self.skip_number(),
                open @ (b'{' | b'[') => {
                    depth += 1;
                    self.plain &= open == b'{' && depth < limits::PACKET_DEPTH;
                }
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return self.text.get(start..self.next);
                    }
                }
                _ => {}
            }
        }
    }

    /// The rest of a string whose opening quote was read.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => drop(self.byte()?),
                _ => {}
            }
        }
    }

    /// The rest of a number whose first digit was read. An f32 holds any number below 10^38 that has no exponent.
    fn skip_number(&mut self) {
        let start = self.next - 1;
        while let Some(byte @ (b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) = self.peek() {
            self.plain &= !matches!(byte, b'e' | b'E');
            self.next += 1;
        }
        self.plain &= self.next - start <= 38;
    }
}
