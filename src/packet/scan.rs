//! Finds the members of a JSON envelope as clients usually write it, in one pass and without serde.
//!
//! It answers only where there can be no doubt: `type`, the number and an object as `data`, in any order, without
//! escapes in names. All else is `None` and left to `json`, which reads anything that is JSON. What is inside `data` is
//! not validated here but where it is decoded: **the end found is right if the inside turns out to be JSON, and
//! whoever finds that it is not starts over with `json`.**
//!
//! [`usual`] goes further: it takes `data` to be the last member and does not look for its end at all. So what it says is
//! right only if the packet decodes and ends where the message does.

/// What an envelope holds.
pub(super) struct Scanned<'a> {
    pub(super) number: Option<u32>,
    pub(super) name: &'a str,
    pub(super) data: Option<&'a str>,
}

/// Scans `message`, in which the number is called `key`.
pub(super) fn scan<'a>(message: &'a str, key: &str) -> Option<Scanned<'a>> {
    let mut at = Cursor::new(message);
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
            // Of two only the last is decoded, and nobody would find out that the first is no JSON.
            "data" if data.is_none() => data = Some(at.object()?),
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
    at.is_at_end().then_some(Scanned { number, name: name?, data })
}

/// Scans a message that has `type` first, `data` last, and between them no more than an `id`.
/// `None` too where its name is not `wanted`.
pub(super) fn usual(message: &str, wanted: impl Fn(&str) -> bool) -> Option<Scanned<'_>> {
    let mut at = Cursor::new(message);
    at.skip_space();
    at.take(b'{')?;
    at.skip_space();
    at.member("\"type\"")?;
    let name = at.string().filter(|name| wanted(name))?;
    at.next_member()?;
    let mut number = None;
    if !at.rest().starts_with(b"\"data\"") {
        at.member("\"id\"")?;
        number = Some(at.number()?);
        at.next_member()?;
    }
    at.member("\"data\"")?;
    // RFC 8259 section 2: these four are white space, and a form feed is not.
    let data = message.get(at.next..)?.trim_end_matches([' ', '\n', '\r', '\t']).strip_suffix('}')?;
    data.starts_with('{').then_some(Scanned { number, name, data: Some(data) })
}

/// A place in JSON.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    next: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of a text.
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, next: 0 }
    }

    /// Whether nothing comes any more.
    pub(super) fn is_at_end(&self) -> bool {
        self.next == self.text.len()
    }

    /// What stands between an earlier place and this.
    pub(super) fn since(&self, earlier: Cursor<'a>) -> &'a str {
        self.text.get(earlier.next..self.next).unwrap_or_default()
    }

    /// The byte that comes next.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.next).copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.next += 1;
        Some(byte)
    }

    /// Goes past a byte, which has to be this.
    pub(super) fn take(&mut self, expected: u8) -> Option<()> {
        (self.byte()? == expected).then_some(())
    }

    /// Goes past a byte if it is this; whether it was.
    pub(super) fn skip(&mut self, wanted: u8) -> bool {
        let is_it = self.peek() == Some(wanted);
        self.next += usize::from(is_it);
        is_it
    }

    /// Goes past a word if it is this; whether it was.
    pub(super) fn skip_word(&mut self, wanted: &str) -> bool {
        let is_it = self.rest().starts_with(wanted.as_bytes());
        self.next += if is_it { wanted.len() } else { 0 };
        is_it
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.next..]
    }

    /// A member's name, which has to be this in its quotes, up to its value.
    fn member(&mut self, quoted: &str) -> Option<()> {
        self.skip_word(quoted).then_some(())?;
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

    /// Goes past white space.
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.next += 1;
        }
    }

    /// A string without escapes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        // RFC 8259 section 7: control characters must be escaped.
        let len = self.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
        let string = self.text.get(self.next..self.next + len);
        self.next += len;
        self.take(b'"')?;
        string
    }

    /// Goes past digits: the number that they make behind the digits of `number`, as long as it is one of u64, and how
    /// many they are.
    pub(super) fn digits(&mut self, mut number: u64) -> (u64, usize) {
        let digits = self.rest().iter().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit < 10);
        let mut count = 0;
        for digit in digits {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            count += 1;
        }
        self.next += count;
        (number, count)
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
                b'{' | b'[' => depth += 1,
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
}
