//! The numbers of batches, held against each other.

use super::error::Error;
use super::resuming::Beginning;

/// Which batch is next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// Whether a numbered batch has come over this connection: from then on every one is.
    pub(super) numbered: bool,
    /// Whether the next number may be any.
    pub(super) any: bool,
    /// The number of the last numbered batch.
    pub(super) seq: u64,
}

impl Numbers {
    /// Somebody was let in.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        match beginning {
            Beginning::AsBefore => {}
            Beginning::Anywhere => self.any = true,
            Beginning::Anew => self.seq = 0,
        }
    }

    pub(super) fn follow(&mut self, seq: u64) -> Result<(), Error> {
        let expected = self.seq.wrapping_add(1);
        match seq {
            // The contract: batches up to the one with `auth_response` belong to the connection.
            0 if !self.numbered => Ok(()),
            next if next == expected || self.any => {
                *self = Numbers { numbered: true, any: false, seq: next };
                Ok(())
            }
            other => Err(Error::OutOfOrder { expected, seq: other }),
        }
    }
}
