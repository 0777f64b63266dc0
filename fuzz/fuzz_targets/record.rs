//! libFuzzer's entry to `gantry_fuzz::record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::record::run(data));
