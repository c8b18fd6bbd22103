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
        self.begin_len(encoding, packets) + bodies_len + around_bodies(encoding, bodies)
    }

    /// Appends what stands before the first body of a batch of so many packets.
    pub fn begin(&self, encoding: Encoding, packets: usize, out: &mut Vec<u8>) {
        push_number(KEYS.0, self.seq, encoding, out);
        self.push_moment(encoding, out);
        push_count(packets, encoding, out);
    }

    /// How many bytes [`BatchHead::begin`] appends.
    fn begin_len(&self, encoding: Encoding, packets: usize) -> usize {
        let moment = match encoding {
            Encoding::Json => {
                KEYS.1.len() + decimal_len(self.tick) + KEYS.2.len() + decimal_len(self.time) + KEYS.3.len()
            }
            Encoding::Postcard => varint_len(self.tick) + varint_len(self.time),
        };
        self.around_moment(encoding, packets) + moment
    }

    /// Bytes of the head without those of [`BatchHead::push_moment`].
    fn around_moment(&self, encoding: Encoding, packets: usize) -> usize {
        match encoding {
            Encoding::Json => KEYS.0.len() + decimal_len(self.seq),
            Encoding::Postcard => varint_len(self.seq) + varint_len(packets as u64),
        }
    }

    /// Appends what stands behind `seq` and is the same in all batches of one moment.
    fn push_moment(&self, encoding: Encoding, out: &mut Vec<u8>) {
        push_number(KEYS.1, self.tick, encoding, out);
        push_number(KEYS.2, self.time, encoding, out);
        if encoding == Encoding::Json {
            out.extend_from_slice(KEYS.3.as_bytes());
        }
    }
}

/// Writes heads of batches: what those of one moment have in common is kept from one to the next.
#[derive(Debug, Default)]
pub struct Heads {
    tick: u64,
    time: u64,
    /// By encoding; empty where no head of that moment was written yet.
    moment: [Vec<u8>; 2],
}

impl Heads {
    /// [`BatchHead::message_len`].
    pub fn message_len(
        &mut self,
        head: &BatchHead,
        encoding: Encoding,
        packets: usize,
        bodies: usize,
        bodies_len: usize,
    ) -> usize {
        let begin = head.around_moment(encoding, packets) + self.moment(head, encoding).len();
        begin + bodies_len + around_bodies(encoding, bodies)
    }

    /// [`BatchHead::begin`].
    pub fn begin(&mut self, head: &BatchHead, encoding: Encoding, packets: usize, out: &mut Vec<u8>) {
        push_number(KEYS.0, head.seq, encoding, out);
        out.extend_from_slice(self.moment(head, encoding));
        push_count(packets, encoding, out);
    }

    fn moment(&mut self, head: &BatchHead, encoding: Encoding) -> &[u8] {
        if (self.tick, self.time) != (head.tick, head.time) {
            (self.tick, self.time) = (head.tick, head.time);
            self.moment.iter_mut().for_each(Vec::clear);
        }
        let moment = &mut self.moment[encoding as usize];
        if moment.is_empty() {
            head.push_moment(encoding, moment);
        }
        moment
    }
}

/// Bytes of what stands between so many bodies and behind the last.
fn around_bodies(encoding: Encoding, bodies: usize) -> usize {
    bodies.saturating_sub(1) * separator(encoding).len() + end(encoding).len()
}

/// Appends one number of the head, with its key where it has one.
fn push_number(key: &str, number: u64, encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Json => {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        Encoding::Postcard => push_varint(number, out),
    }
}

/// Appends how many packets come, where the encoding says so beforehand.
fn push_count(packets: usize, encoding: Encoding, out: &mut Vec<u8>) {
    if encoding == Encoding::Postcard {
        push_varint(packets as u64, out);
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
