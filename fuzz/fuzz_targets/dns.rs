//! libFuzzer's entry to `gantry_fuzz::dns`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::dns::run(data));
