//! libFuzzer's entry to `gantry_fuzz::archive_load`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::archive_load::run(data));
