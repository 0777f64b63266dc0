//! libFuzzer's entry to `gantry_fuzz::dockerfile`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::dockerfile::run(data));
