//! libFuzzer's entry to `gantry_fuzz::accounts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::accounts::run(data));
