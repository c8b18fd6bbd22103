//! What becomes of a packet when its recipient cannot keep up.

use serde::{Deserialize, Serialize};

/// How dear a packet is to its recipient, from the first to be dropped to the last.
///
/// Only packets that wait unsealed in an outbox are ever dropped or replaced; see `session`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Dropped first, and replaced by what supersedes it: positions.
    Low,
    /// Dropped when dropping all that is low was not enough: chat.
    #[default]
    Normal,
    /// Never dropped: party, combat, quest, who came and who left.
    High,
    /// Never dropped: trade, shards, announcements, control.
    Critical,
}

impl Priority {
    /// Whether a full outbox may drop such a packet; a peer that cannot take the others is closed.
    pub fn may_drop(self) -> bool {
        self <= Priority::Normal
    }
}
