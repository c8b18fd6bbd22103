//! Masking (RFC 6455 section 5.3): every payload byte is XORed with one of the four bytes of the frame's key.
//!
//! Masking and unmasking are the same. Words of eight bytes are what the compiler turns into vector instructions on
//! every target; `benches/unmask.rs` has the figures.

/// Masks or unmasks `payload` in place. `offset` is the position of its first byte in the frame's payload: only
/// `offset % 4` matters.
///
/// "Octet i of the transformed data is the XOR of octet i of the original data with octet at index i modulo 4 of the
/// masking key."
#[inline]
pub fn unmask(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    let key = u32::from_ne_bytes(turned(mask, offset));
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    // Eight bytes are two rounds of the key: it stands again as at the start.
    for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// The same from the payload's first byte on, for text: tells whether what comes out is all ASCII.
///
/// Most text is, and the XOR has every byte in hand anyway: ASCII costs no second pass.
#[inline]
pub(super) fn unmask_is_ascii(payload: &mut [u8], mask: [u8; 4]) -> bool {
    let key = u32::from_ne_bytes(mask);
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, rest) = payload.as_chunks_mut::<8>();
    let mut bits = 0;
    for word in words {
        let plain = u64::from_ne_bytes(*word) ^ wide;
        bits |= plain;
        *word = plain.to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
        bits |= u64::from(*byte);
    }
    bits & 0x8080_8080_8080_8080 == 0
}

/// The key as it stands for a payload whose first `taken` bytes are done.
#[inline]
pub(super) fn turned(mut mask: [u8; 4], taken: usize) -> [u8; 4] {
    mask.rotate_left(taken & 3);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// The definition, word for word.
    fn defined(payload: &[u8], offset: usize) -> Vec<u8> {
        payload.iter().enumerate().map(|(i, byte)| byte ^ KEY[(i + offset) % 4]).collect()
    }

    #[test]
    fn is_what_the_rfc_defines_at_every_length_and_offset() {
        let plain: Vec<u8> = (0..=200).collect();
        for len in 0..plain.len() {
            for offset in 0..5 {
                let mut bytes = plain[..len].to_vec();
                unmask(&mut bytes, KEY, offset);
                assert_eq!(bytes, defined(&plain[..len], offset), "{len} bytes at {offset}");
            }
        }
    }

    #[test]
    fn is_what_the_rfc_defines_at_every_alignment() {
        let plain: Vec<u8> = (0..=255).collect();
        for start in 0..32 {
            let mut bytes = plain.clone();
            unmask(&mut bytes[start..], KEY, 0);
            assert_eq!(bytes[start..], defined(&plain[start..], 0), "from {start}");
        }
    }

    #[test]
    fn text_is_unmasked_alike_and_ascii_told_from_the_rest() {
        for len in 0..100 {
            for odd in 0..=len {
                let mut plain = vec![b'~'; len];
                if let Some(byte) = plain.get_mut(odd) {
                    *byte = 0x80;
                }
                let mut bytes = plain.clone();
                unmask(&mut bytes, KEY, 0);
                assert_eq!(unmask_is_ascii(&mut bytes, KEY), odd == len, "{len} bytes, one odd at {odd}");
                assert_eq!(bytes, plain);
            }
        }
    }

    #[test]
    fn a_turned_key_goes_on_where_a_part_ended() {
        let plain: Vec<u8> = (0..100).collect();
        for cut in 0..plain.len() {
            let mut bytes = plain.clone();
            unmask(&mut bytes[..cut], KEY, 0);
            unmask(&mut bytes[cut..], turned(KEY, cut), 0);
            assert_eq!(bytes, defined(&plain, 0), "cut at {cut}");
        }
    }
}
