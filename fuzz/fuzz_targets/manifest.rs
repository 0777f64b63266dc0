//! libFuzzer's entry to `gantry_fuzz::manifest`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::manifest::run(data));
