//! How numbers are written in JSON: as serde_json writes them, those that games tell most in a third of the instructions.
//!
//! A coordinate that is told in hundredths needs no search for the shortest decimal that reads back as the same f32: of
//! those below `MOST` no two hundredths have the same nearest f32, so that no shorter decimal is any other's.

use serde_json::ser::{CompactFormatter, Formatter};
use std::io::{self, Write};

/// Writes JSON without white space.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers;

impl Formatter for Numbers {
    fn write_f32<W: ?Sized + Write>(&mut self, out: &mut W, value: f32) -> io::Result<()> {
        let Some(hundredths) = hundredths(value.abs()) else {
            return CompactFormatter.write_f32(out, value);
        };
        if value.is_sign_negative() {
            out.write_all(b"-")?;
        }
        let (whole, tenths, rest) = (hundredths / 100, hundredths / 10 % 10, hundredths % 10);
        out.write_all(itoa::Buffer::new().format(whole).as_bytes())?;
        let digit = |digit: u32| b'0' + digit as u8;
        match rest {
            0 => out.write_all(&[b'.', digit(tenths)]),
            _ => out.write_all(&[b'.', digit(tenths), digit(rest)]),
        }
    }
}

/// From here on f32 are more than half a hundredth apart.
const MOST: f32 = 65_536.0;

/// How many hundredths a value is that is not negative; `None` where it is not the nearest f32 to any number of them.
fn hundredths(value: f32) -> Option<u32> {
    let hundredths = (f64::from(value) * 100.0 + 0.5) as u32;
    (value < MOST && hundredths as f32 / 100.0 == value).then_some(hundredths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f32) -> String {
        let mut out = Vec::new();
        Numbers.write_f32(&mut out, value).expect("a Vec takes everything");
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn every_number_is_written_as_serde_json_does() {
        for n in 0..=6_553_700u32 {
            let value = n as f32 / 100.0;
            assert_eq!(hundredths(value).is_some(), value < MOST, "{value}");
            if n < 100_000 || n % 97 == 0 {
                for value in [value, -value, value.next_up(), value.next_down(), value / 1000.0] {
                    assert_eq!(written(value), serde_json::to_string(&value).expect("a number"));
                }
            }
        }
        for value in [f32::MAX, f32::MIN_POSITIVE, 1e16, 1e-5, 123_456.78, 65_535.996] {
            assert_eq!(written(value), serde_json::to_string(&value).expect("a number"));
        }
    }
}
