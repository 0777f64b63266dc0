//! libFuzzer's entry to `gantry_fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::config::run(data));
