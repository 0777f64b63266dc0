//! libFuzzer's entry to `gantry_fuzz::frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::frames::run(data));
