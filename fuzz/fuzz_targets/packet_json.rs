//! A text message that may be anything.
#![no_main]

mod packets;

libfuzzer_sys::fuzz_target!(|message: &[u8]| packets::check(evertick::packet::Encoding::Json, message));
