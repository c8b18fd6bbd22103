//! Decodes JSON that is plain, as clients usually send it: objects, strings without escapes, numbers without an exponent,
//! `true`, `false` and `null`. It goes through the text once and keeps nothing of where it is in it, for it
//! never says what is wrong.
//!
//! It only ever says yes: **what it does not decode may be JSON all the same**, and whoever is told so asks serde_json.
//! What it does decode serde_json decodes to the same value, and `strict` lets pass.

use super::scan::Cursor;
use crate::limits;
use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use std::fmt;

/// One value, and what has been read of it. No white space comes next where a value, or what it holds, begins.
pub(super) struct Plain<'de> {
    at: Cursor<'de>,
    /// Values that are open around the one being read.
    depth: usize,
}

/// It is not plain, or not what was asked for.
#[derive(Debug)]
pub(super) struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain")
    }
}

impl std::error::Error for NotPlain {}

impl de::Error for NotPlain {
    fn custom<T: fmt::Display>(_: T) -> NotPlain {
        NotPlain
    }
}

impl<'de> Plain<'de> {
    pub(super) fn new(text: &'de str) -> Plain<'de> {
        let mut at = Cursor::new(text);
        at.skip_space();
        Plain { at, depth: 0 }
    }

    /// Whether nothing but white space comes behind the value that was read.
    pub(super) fn ends(mut self) -> bool {
        self.at.skip_space();
        self.at.is_at_end()
    }

    /// Reads something that holds values, unless more are open already than `strict` would allow.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, NotPlain>) -> Result<T, NotPlain> {
        if self.depth == limits::PACKET_DEPTH {
            return Err(NotPlain);
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, NotPlain> {
        self.at.take(b'{').ok_or(NotPlain)?;
        let mut members = Members { plain: self, place: Place::First };
        let value = visitor.visit_map(&mut members)?;
        if members.place == Place::End { Ok(value) } else { Err(NotPlain) }
    }

    fn number<V: Visitor<'de>>(&mut self, float: Float, visitor: V) -> Result<V::Value, NotPlain> {
        let start = self.at;
        let is_negative = self.at.skip(b'-');
        let leads_with_zero = self.at.peek() == Some(b'0');
        let (whole, digits) = self.at.digits(0);
        // RFC 8259 section 6: a number has a digit before its point, and no zeros before that.
        if digits == 0 || (leads_with_zero && digits > 1) {
            return Err(NotPlain);
        }
        let has_decimals = self.at.skip(b'.');
        let (significand, decimals) = if has_decimals { self.at.digits(whole) } else { (whole, 0) };
        let has_exponent = matches!(self.at.peek(), Some(b'e' | b'E'));
        if has_exponent || digits + decimals >= POWERS_OF_TEN.len() || (has_decimals && decimals == 0) {
            return Err(NotPlain);
        }
        if has_decimals {
            let size = significand as f64 / POWERS_OF_TEN[decimals];
            let quotient = if is_negative { -size } else { size };
            let is_nearest = significand <= EXACT && float.takes(quotient);
            let nearest =
                if is_nearest { quotient } else { float.read(self.at.since(start)).ok_or(NotPlain)? };
            return visitor.visit_f64(nearest);
        }
        match i64::try_from(whole) {
            _ if !is_negative => visitor.visit_u64(whole),
            Ok(size @ 1..) => visitor.visit_i64(-size),
            // A negative zero is no integer.
            _ => Err(NotPlain),
        }
    }

    /// Takes a word that stands for a value.
    fn word(&mut self, word: &str) -> Result<(), NotPlain> {
        if self.at.skip_word(word) { Ok(()) } else { Err(NotPlain) }
    }
}

/// Up to that of 19, as many digits as any u64 has room for.
const POWERS_OF_TEN: [f64; 20] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19,
];

/// Up to here every whole number is an f64, so that the quotient of two such is rounded once: it is the nearest f64.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// What a number with decimals is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Float {
    Single,
    Double,
}

impl Float {
    /// Whether a number whose nearest f64 is this has the same nearest float as that. Half way between two f32 it is not
    /// known on which side the number was.
    fn takes(self, nearest: f64) -> bool {
        const SURPLUS: u32 = f64::MANTISSA_DIGITS - f32::MANTISSA_DIGITS;
        self == Float::Double || nearest.to_bits() & ((1 << SURPLUS) - 1) != 1 << (SURPLUS - 1)
    }

    /// The nearest float to a number.
    fn read(self, number: &str) -> Option<f64> {
        match self {
            Float::Single => number.parse::<f32>().ok().map(f64::from),
            Float::Double => number.parse().ok(),
        }
    }
}

impl<'de> Deserializer<'de> for &mut Plain<'de> {
    type Error = NotPlain;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.at.peek().ok_or(NotPlain)? {
            b'{' => self.nested(|plain| plain.object(visitor)),
            b'"' => visitor.visit_borrowed_str(self.at.string().ok_or(NotPlain)?),
            b'-' | b'0'..=b'9' => self.number(Float::Double, visitor),
            b't' => self.word("true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word("false").and_then(|()| visitor.visit_bool(false)),
            b'n' => self.word("null").and_then(|()| visitor.visit_unit()),
            _ => Err(NotPlain),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.at.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(Float::Single, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        if self.at.skip_word("null") {
            return visitor.visit_none();
        }
        self.nested(|plain| visitor.visit_some(plain))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        self.nested(|plain| visitor.visit_newtype_struct(plain))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        // Of a variant that holds something the name alone is not enough: an object, left to serde_json.
        let variant: StrDeserializer<'_, NotPlain> = self.at.string().ok_or(NotPlain)?.into_deserializer();
        self.nested(|_| visitor.visit_enum(variant))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The members of an object.
struct Members<'a, 'de> {
    plain: &'a mut Plain<'de>,
    place: Place,
}

/// Where in an object reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before its first member.
    First,
    /// Behind a member.
    Later,
    End,
}

impl<'de> MapAccess<'de> for &mut Members<'_, 'de> {
    type Error = NotPlain;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, NotPlain> {
        let at = &mut self.plain.at;
        at.skip_space();
        if at.skip(b'}') {
            self.place = Place::End;
            return Ok(None);
        }
        if self.place == Place::Later {
            at.take(b',').ok_or(NotPlain)?;
            at.skip_space();
        }
        self.place = Place::Later;
        let key = at.string().ok_or(NotPlain)?;
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, NotPlain> {
        let at = &mut self.plain.at;
        at.skip_space();
        at.take(b':').ok_or(NotPlain)?;
        at.skip_space();
        seed.deserialize(&mut *self.plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
        let mut plain = Plain::new(text);
        let value = T::deserialize(&mut plain).ok()?;
        plain.ends().then_some(value)
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Which {
        One,
        #[allow(dead_code, reason = "it is never read")]
        Other(u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Fields {
        which: Which,
        text: String,
        maybe: Option<Box<Fields>>,
        is_set: bool,
    }

    #[test]
    fn what_is_plain_is_read() {
        let inner =
            r#"{"is_set":false,"which":"one","unknown":{"a":{},"b":null,"c":-1.5,"d":"e"},"text":"ü"}"#;
        let text =
            format!(" {{ \"which\" : \"one\" ,\n\"text\":\"\",\"maybe\": {inner}\t, \"is_set\":true\r}} ");
        let fields =
            |text: &str, maybe, is_set| Fields { which: Which::One, text: text.into(), maybe, is_set };
        let expected = fields("", Some(Box::new(fields("ü", None, false))), true);
        assert_eq!(read::<Fields>(&text), Some(expected));
        assert_eq!(read::<Option<u8>>("null"), Some(None));
    }

    #[test]
    fn what_is_not_is_left_to_others() {
        let objects =
            ["{,}", r#"{"a":1,}"#, r#"{"a" 1}"#, r#"{"a":1 "b":2}"#, r#"{"a":1}}"#, r#"{"a":1"#, "[]"];
        for text in objects.into_iter().chain([r#""\n""#, "\"\n\"", "nul", "truee", "", r#"{"other":1}"#]) {
            assert!(read::<de::IgnoredAny>(text).is_none() || text == r#"{"other":1}"#, "{text}");
            assert_eq!(read::<Which>(text), None, "{text}");
        }
        let deep = |n: usize| "{\"a\":".repeat(n) + "0" + &"}".repeat(n);
        assert!(read::<de::IgnoredAny>(&deep(limits::PACKET_DEPTH)).is_some());
        assert!(read::<de::IgnoredAny>(&deep(limits::PACKET_DEPTH + 1)).is_none());
    }

    proptest! {
        #[test]
        fn numbers_are_what_serde_json_reads(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9])?") {
            macro_rules! agree {
                ($($ty:ty)*) => { $(if let Some(value) = read::<$ty>(&text) {
                    prop_assert_eq!(Some(value.to_string()), serde_json::from_str::<$ty>(&text).ok().map(|v| v.to_string()));
                })* };
            }
            agree!(f64 f32 u64 i64 u32 u8);
        }
    }

    /// Decimals that lie as near to half way between two f32, or two f64, as they can be written.
    #[test]
    fn the_nearest_float_is_read_and_is_what_serde_json_reads() {
        let mut halves = 0;
        for n in 0..20_000u32 {
            let single = f32::from_bits(0x3f80_0000 + n * 104_729 % 0x0800_0000);
            let half = f64::midpoint(f64::from(single), f64::from(single.next_up()));
            for text in [half, half.next_up(), half.next_down()]
                .iter()
                .flat_map(|near| [format!("{near}"), format!("{near:.12}"), format!("{near:.16}")])
            {
                let (Some(single), Some(double)) = (read::<f32>(&text), read::<f64>(&text)) else { continue };
                assert_eq!((Ok(single), Ok(double)), (text.parse(), text.parse()), "{text}");
                let json = (serde_json::from_str(&text).ok(), serde_json::from_str(&text).ok());
                assert_eq!(json, (Some(single), Some(double)), "{text}");
                halves += u32::from(!Float::Single.takes(double));
            }
        }
        assert!(halves > 1000, "{halves}");
    }

    #[test]
    fn usual_numbers_are_read() {
        for (text, value) in
            [("0", 0.0), ("-1", -1.0), ("12.5", 12.5), ("-0.0", -0.0), ("0.30000000000000004", 0.1 + 0.2)]
        {
            assert_eq!(read::<f64>(text).map(f64::to_bits), Some(f64::to_bits(value)), "{text}");
        }
        for text in ["-", "01", "1.", ".5", "-0", "1e1", "+1", "12345678901234567890"] {
            assert_eq!(read::<f64>(text), None, "{text}");
        }
    }
}
