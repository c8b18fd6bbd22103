//! Stand-in until the packet branch is merged: the two enums that games name.

use serde::{Deserialize, Serialize};

/// Stand-in.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Cheating,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
}

/// Stand-in.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Low,
    Normal,
    High,
    Critical,
}
