//! libFuzzer's entry to `gantry_fuzz::layer_forms`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::layer_forms::run(data));
