//! What becomes of a packet when its recipient cannot keep up.

use serde::{Deserialize, Serialize};

/// How dear a packet is to its recipient.
///
/// Only packets that wait unsealed in an outbox are ever dropped or replaced; see `session`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Dropped for a peer that is slow, and replaced by what supersedes it: positions. Once the peer has caught up it is
    /// told afresh what it missed.
    Low,
    /// Not dropped: a peer that cannot take it is closed. Chat.
    #[default]
    Normal,
    /// Not dropped either: party, combat, quest, who came and who left.
    High,
    /// Not dropped either: trade, shards, announcements, control.
    Critical,
}
