//! One frame header: what is read is what would be written, and a verdict once given does not change with more bytes.
//!
//! Input: a byte of flags (1: masked, 2: within a message, 4: compression agreed on), two bytes of room, then the header and its payload.

#![no_main]

use evertick::websocket::frame::{Expected, Incoming};
use evertick::websocket::{Header, unmask};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [flags, high, low, bytes @ ..] = data else {
        return;
    };
    let room = usize::from(u16::from_be_bytes([*high, *low])) << 8;
    let compressed_room = (flags & 4 != 0).then_some(room + room / 8);
    let expected = Expected { masked: flags & 1 != 0, in_message: flags & 2 != 0, room, compressed_room };
    let verdict = Incoming::read(bytes, expected);

    let first = (0..=bytes.len().min(Header::MAX))
        .map(|end| Incoming::read(&bytes[..end], expected))
        .find(|verdict| *verdict != Ok(None));
    assert_eq!(first.unwrap_or(Ok(None)), verdict, "the first verdict is the last");

    let Ok(Some(header)) = verdict else {
        return;
    };
    assert_eq!(header.mask.is_some(), expected.masked);
    let most = compressed_room.filter(|_| header.compressed).unwrap_or(room);
    assert!(header.payload_len <= most.max(125));
    let written = Header::new(header.opcode, header.fin, header.payload_len, header.mask);
    let written = if header.compressed { written.compressed() } else { written };
    assert_eq!(written.as_slice(), &bytes[..header.size]);

    if let Some(mask) = header.mask {
        let payload = &bytes[header.size..];
        let mut whole = payload.to_vec();
        unmask(&mut whole, mask, 0);
        assert!(whole.iter().zip(payload).enumerate().all(|(i, (a, b))| a ^ b == mask[i % 4]));
        let cut = payload.len() / 3;
        let mut parts = payload.to_vec();
        unmask(&mut parts[..cut], mask, 0);
        unmask(&mut parts[cut..], mask, cut);
        assert_eq!(parts, whole);
    }
});
