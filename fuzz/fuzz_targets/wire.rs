#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pophook::pop3::properties::wire(input));
