//! Reads a number of a packet so that the rules can refuse it. In JSON a client may write -1, 3.0 or 1e12 where a column
//! is meant, or nothing at all: all of that is a number that the match does not have, no packet that cannot be read, and it
//! is told after whose turn it is. It becomes [`NO_SUCH`], which no rule takes.
//!
//! Use it by `#[serde(default = "no_such", deserialize_with = "read")]`. What is no number at all stays unreadable.

use serde::Deserializer;
use serde::de::{Deserialize, Error, Visitor};
use std::fmt;

/// Stands for every number that a `u32` cannot hold, and for none.
pub(super) const NO_SUCH: u32 = u32::MAX;

/// The number of a field that is not there.
pub(super) fn no_such() -> u32 {
    NO_SUCH
}

/// Reads a field: from JSON any number or null, from postcard a `u32`.
pub(super) fn read<'de, D: Deserializer<'de>>(field: D) -> Result<u32, D::Error> {
    if field.is_human_readable() { field.deserialize_any(AnyNumber) } else { u32::deserialize(field) }
}

struct AnyNumber;

impl Visitor<'_> for AnyNumber {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        Ok(u32::try_from(number).unwrap_or(NO_SUCH))
    }

    /// Below 0.
    fn visit_i64<E: Error>(self, _: i64) -> Result<u32, E> {
        Ok(NO_SUCH)
    }

    /// With a point, with an exponent, or larger than an integer can be.
    fn visit_f64<E: Error>(self, _: f64) -> Result<u32, E> {
        Ok(NO_SUCH)
    }

    fn visit_unit<E: Error>(self) -> Result<u32, E> {
        Ok(NO_SUCH)
    }
}
