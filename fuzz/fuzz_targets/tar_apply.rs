//! libFuzzer's entry to `gantry_fuzz::tar_apply`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::tar_apply::run(data));
