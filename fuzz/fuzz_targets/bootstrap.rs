//! libFuzzer's entry to `gantry_fuzz::bootstrap`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::bootstrap::run(data));
