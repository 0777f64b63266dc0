//! libFuzzer's entry to `gantry_fuzz::reference`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::reference::run(data));
