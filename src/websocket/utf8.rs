//! UTF-8 that arrives in pieces (RFC 3629, RFC 6455 section 8.1).
//!
//! [`Utf8`] is one byte of state: where in a character the text so far ends. It refuses a text at the piece that holds
//! the first byte that cannot be right, however the text is cut: no later byte can mend it. Whole characters are
//! checked in bulk by `simdutf8`; only a character cut by the end of a piece goes through the table.

use std::fmt;

/// The text is not UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text is not UTF-8")
    }
}

impl std::error::Error for InvalidUtf8 {}

/// Where in a character the text read so far ends, after the grammar of RFC 3629 section 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Utf8 {
    /// Between two characters.
    #[default]
    Boundary,
    /// One more `UTF8-tail` (80-BF) is due.
    Tail1,
    /// Two more.
    Tail2,
    /// Three more.
    Tail3,
    /// After E0: A0-BF, for less would be an overlong form; then one tail.
    AfterE0,
    /// After ED: 80-9F, for more would be a surrogate; then one tail.
    AfterEd,
    /// After F0: 90-BF, for less would be an overlong form; then two tails.
    AfterF0,
    /// After F4: 80-8F, for more would be beyond U+10FFFF; then two tails.
    AfterF4,
}

impl Utf8 {
    /// Takes the next piece of the text.
    ///
    /// # Errors
    /// The text, with this piece, cannot become UTF-8 whatever follows. The state means nothing after that.
    #[inline]
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while *self != Utf8::Boundary {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            *self = self.after(byte).ok_or(InvalidUtf8)?;
            piece = rest;
        }
        let (whole, cut) = piece.split_at(whole_characters(piece));
        simdutf8::basic::from_utf8(whole).map_err(|_| InvalidUtf8)?;
        for &byte in cut {
            *self = self.after(byte).ok_or(InvalidUtf8)?;
        }
        Ok(())
    }

    /// Says that the text ends here.
    ///
    /// # Errors
    /// It ends within a character.
    #[inline]
    pub fn finish(self) -> Result<(), InvalidUtf8> {
        if self == Utf8::Boundary { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// The state after one more byte; `None` where the grammar has no such byte here.
    fn after(self, byte: u8) -> Option<Utf8> {
        Some(match (self, byte) {
            (Utf8::Boundary, 0x00..=0x7f) => Utf8::Boundary,
            (Utf8::Boundary, 0xc2..=0xdf) => Utf8::Tail1,
            (Utf8::Boundary, 0xe0) => Utf8::AfterE0,
            (Utf8::Boundary, 0xed) => Utf8::AfterEd,
            (Utf8::Boundary, 0xe1..=0xef) => Utf8::Tail2,
            (Utf8::Boundary, 0xf0) => Utf8::AfterF0,
            (Utf8::Boundary, 0xf1..=0xf3) => Utf8::Tail3,
            (Utf8::Boundary, 0xf4) => Utf8::AfterF4,
            (Utf8::Tail1, 0x80..=0xbf) => Utf8::Boundary,
            (Utf8::Tail2, 0x80..=0xbf) | (Utf8::AfterE0, 0xa0..=0xbf) | (Utf8::AfterEd, 0x80..=0x9f) => {
                Utf8::Tail1
            }
            (Utf8::Tail3, 0x80..=0xbf) | (Utf8::AfterF0, 0x90..=0xbf) | (Utf8::AfterF4, 0x80..=0x8f) => {
                Utf8::Tail2
            }
            _ => return None,
        })
    }
}

/// How many bytes of `piece` come before a character that its end may have cut. Invalid bytes are left to whoever
/// looks at them.
#[inline]
fn whole_characters(piece: &[u8]) -> usize {
    // A character has at most four bytes: a lead further back than three is complete.
    for (back, &byte) in (1..=3).zip(piece.iter().rev()) {
        let needed = match byte {
            0x80..=0xbf => continue,
            0x00..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
        };
        return if needed > back { piece.len() - back } else { piece.len() };
    }
    piece.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the standard library says of a text so far: `Err` once no continuation can be right.
    fn standard(text: &[u8]) -> Result<bool, InvalidUtf8> {
        match std::str::from_utf8(text) {
            Ok(_) => Ok(true),
            Err(e) if e.error_len().is_none() => Ok(false),
            Err(_) => Err(InvalidUtf8),
        }
    }

    /// Feeds byte by byte and compares with the standard library after every byte.
    fn agrees_at_every_byte(text: &[u8]) {
        let mut utf8 = Utf8::default();
        for end in 1..=text.len() {
            let fed = utf8.feed(&text[end - 1..end]).map(|()| utf8.finish().is_ok());
            assert_eq!(fed, standard(&text[..end]), "{:x?}", &text[..end]);
            if fed.is_err() {
                return;
            }
        }
    }

    #[test]
    fn every_lead_with_every_second_byte_is_judged_at_once() {
        for lead in 0..=255 {
            for second in 0..=255 {
                agrees_at_every_byte(&[lead, second, 0x80, 0x80, b'.']);
                agrees_at_every_byte(&[lead, second, 0xbf, 0xbf, 0xbf]);
            }
        }
    }

    #[test]
    fn every_character_passes_cut_anywhere() {
        for c in ('\0'..=char::MAX).step_by(7) {
            let mut bytes = [0; 4];
            agrees_at_every_byte(c.encode_utf8(&mut bytes).as_bytes());
        }
    }

    #[test]
    fn a_wrong_byte_is_found_in_the_middle_of_a_long_piece() {
        let mut text = vec![b'a'; 10_000];
        text[5_000] = 0xff;
        assert_eq!(Utf8::default().feed(&text), Err(InvalidUtf8));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            text in "\\PC{0,80}",
            noise in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut bytes = text.into_bytes();
            if let (Some((at, byte)), false) = (noise, bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let (mut utf8, mut from) = (Utf8::default(), 0);
            for cut in cuts {
                let fed = utf8.feed(&bytes[from..cut]).map(|()| utf8.finish().is_ok());
                prop_assert_eq!(fed, standard(&bytes[..cut]));
                if fed.is_err() {
                    return Ok(());
                }
                from = cut;
            }
        }
    }
}
