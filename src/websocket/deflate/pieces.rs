//! A compressed message put together of pieces: some compressed before, for many messages, the others as they are.
//!
//! A deflate stream is a sequence of blocks, and one that ends at a byte's boundary and refers to nothing in front of it
//! can stand anywhere: that is what [`Deflater::fragment`](super::Deflater::fragment) makes. What is not worth
//! compressing goes between, in *stored* blocks (RFC 1951 section 3.2.4), five bytes and the bytes themselves. So a
//! body is compressed once for all of its recipients, whatever stands around it.

/// The head of a stored block: not the last one, type 0, then the length and its complement.
const STORED_HEAD: usize = 5;
/// The most bytes that a stored block holds.
const STORED: usize = u16::MAX as usize;
/// With what a fragment ends: an empty stored block but for its first bits, which is what a message leaves out
/// (RFC 7692 section 7.2.1).
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Writes one message's payload behind what is in a buffer.
///
/// Invariant: in front of `stored_at`, where it is set, are whole blocks; from there on a stored block whose length is
/// not written yet.
pub struct Pieces<'o> {
    out: &'o mut Vec<u8>,
    stored_at: Option<usize>,
    /// Whether the last piece was a fragment, whose tail is still there.
    tail: bool,
}

impl<'o> Pieces<'o> {
    /// A message without anything in it.
    pub fn new(out: &'o mut Vec<u8>) -> Pieces<'o> {
        Pieces { out, stored_at: None, tail: false }
    }

    /// Appends bytes as they are.
    pub fn store(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = *self.stored_at.get_or_insert(self.out.len());
            if self.out.len() == at {
                self.out.extend_from_slice(&[0; STORED_HEAD]);
            }
            let room = STORED - (self.out.len() - at - STORED_HEAD);
            let Some(part) = bytes.split_off(..room.min(bytes.len())).filter(|part| !part.is_empty()) else {
                self.end_stored();
                continue;
            };
            self.out.extend_from_slice(part);
            self.tail = false;
        }
    }

    /// Appends what [`Deflater::fragment`](super::Deflater::fragment) has made.
    pub fn fragment(&mut self, fragment: &[u8]) {
        debug_assert!(fragment.ends_with(&TAIL), "it ends at a byte's boundary");
        self.end_stored();
        self.out.extend_from_slice(fragment);
        self.tail = true;
    }

    /// Ends the message.
    pub fn finish(mut self) {
        self.end_stored();
        if self.tail {
            self.out.truncate(self.out.len() - TAIL.len());
        } else {
            // The first bits of the empty block, of which the rest is left out.
            self.out.push(0);
        }
    }

    /// Writes the length of the stored block that is open.
    fn end_stored(&mut self) {
        if let Some(at) = self.stored_at.take() {
            let len = (self.out.len() - at - STORED_HEAD) as u16; // `store` keeps it to STORED
            self.out[at + 1..at + 3].copy_from_slice(&len.to_le_bytes());
            self.out[at + 3..at + STORED_HEAD].copy_from_slice(&(!len).to_le_bytes());
        }
    }
}
