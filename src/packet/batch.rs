//! Puts a batch's numbers around packets that are already bytes.
//!
//! A batch is never serialised: it is `begin`, the bodies with [`separator`] between them, and [`end`], all of
//! known length, so that its frame header can be written first and the whole sent from where the bodies lie.

use super::encoding::Encoding;

/// The numbers at the head of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchHead {
    /// The player's batches, counted from 1 without gaps; 0 for those that belong to the connection.
    pub seq: u64,
    /// The tick in which the batch was sealed.
    pub tick: u64,
    /// When that was, Unix milliseconds.
    pub time: u64,
}

impl BatchHead {
    /// The most bytes that [`BatchHead::begin`] appends, whatever the numbers.
    pub const MAX_LEN: usize = KEYS.0.len() + KEYS.1.len() + KEYS.2.len() + KEYS.3.len() + 3 * 20;

    /// Bytes of the whole message: `packets` in so many `bodies` of `bodies_len` bytes together, and what stands around
    /// them. A body may be several packets, with the separators between them in it.
    pub fn message_len(&self, encoding: Encoding, packets: usize, bodies: usize, bodies_len: usize) -> usize {
        let separators = bodies.saturating_sub(1) * separator(encoding).len();
        self.begin_len(encoding, packets) + bodies_len + separators + end(encoding).len()
    }

    /// Appends what stands before the first body of a batch of so many packets.
    pub fn begin(&self, encoding: Encoding, packets: usize, out: &mut Vec<u8>) {
        match encoding {
            Encoding::Json => self.begin_json(out),
            Encoding::Postcard => {
                for n in [self.seq, self.tick, self.time, packets as u64] {
                    push_varint(n, out);
                }
            }
        }
    }

    /// How many bytes [`BatchHead::begin`] appends.
    fn begin_len(&self, encoding: Encoding, packets: usize) -> usize {
        let numbers = [self.seq, self.tick, self.time];
        match encoding {
            Encoding::Json => {
                let keys = KEYS.0.len() + KEYS.1.len() + KEYS.2.len() + KEYS.3.len();
                keys + numbers.into_iter().map(decimal_len).sum::<usize>()
            }
            Encoding::Postcard => numbers.into_iter().chain([packets as u64]).map(varint_len).sum(),
        }
    }

    fn begin_json(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        for (key, number) in [(KEYS.0, self.seq), (KEYS.1, self.tick), (KEYS.2, self.time)] {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(digits.format(number).as_bytes());
        }
        out.extend_from_slice(KEYS.3.as_bytes());
    }
}

/// What stands before `seq`, `tick`, `time` and the first packet in JSON.
pub(super) const KEYS: (&str, &str, &str, &str) = ("{\"seq\":", ",\"tick\":", ",\"time\":", ",\"packets\":[");

/// What stands between two bodies.
pub const fn separator(encoding: Encoding) -> &'static [u8] {
    match encoding {
        Encoding::Json => b",",
        Encoding::Postcard => b"",
    }
}

/// What stands after the last body.
pub const fn end(encoding: Encoding) -> &'static [u8] {
    match encoding {
        Encoding::Json => b"]}",
        Encoding::Postcard => b"",
    }
}

/// Digits of `n` in decimal.
fn decimal_len(n: u64) -> usize {
    n.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Bytes of `n` as postcard's varint: seven bits each, the least first.
fn varint_len(n: u64) -> usize {
    (n | 1).ilog2() as usize / 7 + 1
}

/// Appends `n` as postcard's varint.
fn push_varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
