//! libFuzzer's entry to `gantry_fuzz::words`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::words::run(data));
