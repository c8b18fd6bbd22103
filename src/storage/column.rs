//! How our types stand in columns, and how they are read back: a value that cannot be is damage, not a panic.

use crate::account::{Json, StoreError, Username};
use crate::time::WallMs;
use std::fmt::Display;

/// Unix milliseconds as SQLite's signed integer; what is beyond it is the end of time.
pub(super) fn millis(at: WallMs) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// And back; before 1970 is 1970.
pub(super) fn wall(millis: i64) -> WallMs {
    WallMs(u64::try_from(millis).unwrap_or(0))
}

/// An id or a count that fits `T`.
pub(super) fn number<T: TryFrom<i64>>(value: i64, what: &str) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| damage(format_args!("{what} {value} is out of range")))
}

pub(super) fn username(text: &str) -> Result<Username, StoreError> {
    Username::new(text).map_err(|_| damage(format_args!("no account can be called {text:?}")))
}

pub(super) fn json(text: String, place: impl Display) -> Result<Json, StoreError> {
    Json::parse(text).map_err(|error| damage(format_args!("{place} is no JSON: {error}")))
}

/// A value in the file that our own types do not take.
pub(super) fn damage(what: impl Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
