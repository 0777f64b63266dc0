//! libFuzzer's entry to `gantry_fuzz::seccomp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantry_fuzz::seccomp::run(data));
