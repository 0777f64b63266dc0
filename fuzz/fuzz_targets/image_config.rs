//! libFuzzer's entry to `gantry_fuzz::image_config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::image_config::run(data));
