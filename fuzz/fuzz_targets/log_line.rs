//! libFuzzer's entry to `gantry_fuzz::log_line`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::log_line::run(data));
