#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pophook::deliver::payload::properties::letter(input));
