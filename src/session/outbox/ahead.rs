//! What a flush will read, fetched before its turn comes.

use super::Outbox;
use crate::prefetch::prefetch;

/// Packets of one outbox of which something is fetched, at most.
const PACKETS: usize = 4;

/// What is fetched, each known from what comes before it. The outbox itself is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The queue, and what is kept for a resume.
    Queue,
    /// The bodies in it, and where they will be kept.
    Bodies,
    /// Their bytes.
    Bytes,
}

impl Outbox {
    /// Has one step of what a flush needs fetched; what the step before it names is to be there by now.
    #[inline]
    pub fn prefetch(&self, step: Ahead) {
        match step {
            Ahead::Queue => {
                self.queue.front().inspect(|first| prefetch(*first));
                self.kept.replay().inspect(|replay| prefetch(*replay));
            }
            Ahead::Bodies => {
                self.queue.iter().take(PACKETS).for_each(|packet| packet.body.prefetch());
                self.kept.replay().inspect(|replay| replay.prefetch());
            }
            Ahead::Bytes => self.queue.iter().take(PACKETS).for_each(|packet| packet.body.prefetch_bytes()),
        }
    }
}
