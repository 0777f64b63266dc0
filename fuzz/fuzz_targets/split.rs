//! libFuzzer's entry to `gantry_fuzz::split`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::split::run(data));
