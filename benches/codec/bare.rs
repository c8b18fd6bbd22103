//! The limit: the checks that a server must make of a header, and an XOR of words in place; a header and a copy.

pub(crate) fn xor(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (i, byte) in rest.iter_mut().enumerate() {
        *byte ^= mask[i & 3];
    }
}

/// Unmasks the whole frames at the front of `bytes` and returns how many bytes they have.
#[inline]
pub(crate) fn decode(bytes: &mut [u8], mut each: impl FnMut(u8, &[u8])) -> usize {
    let mut at = 0;
    loop {
        let frame = &mut bytes[at..];
        if frame.len() < 6 {
            return at;
        }
        let (first, second) = (frame[0], frame[1]);
        let opcode = first & 15;
        let control = opcode >= 8;
        if first & 0x70 != 0
            || second & 0x80 == 0
            || (3..8).contains(&opcode)
            || opcode > 10
            || (control && (first & 0x80 == 0 || second & 127 > 125))
        {
            return at;
        }
        let (size, len) = match second & 127 {
            126 if frame.len() >= 8 => (8, usize::from(u16::from_be_bytes([frame[2], frame[3]]))),
            127 if frame.len() >= 14 => {
                let len = frame[2..10].try_into().expect("eight bytes");
                (14, u64::from_be_bytes(len) as usize)
            }
            len @ 0..=125 => (6, usize::from(len)),
            _ => return at,
        };
        if frame.len() < size + len {
            return at;
        }
        let mask = frame[size - 4..size].try_into().expect("four bytes");
        xor(&mut frame[size..size + len], mask);
        each(first, &frame[size..size + len]);
        at += size + len;
    }
}

/// Writes a header to the front of `out` and returns its length.
#[inline]
pub(crate) fn header(out: &mut [u8], len: usize) -> usize {
    out[0] = 0x82;
    match len {
        0..=125 => {
            out[1] = len as u8;
            2
        }
        126..=0xffff => {
            out[1] = 126;
            out[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        _ => {
            out[1] = 127;
            out[2..10].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    }
}
