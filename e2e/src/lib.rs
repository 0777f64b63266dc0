//! End-to-end tests live in `tests/it` (Rust, the `gantry` and `docker` command lines, raw HTTP) and in `python`
//! (docker-py). There is no code here: what the tests share is in `testkit`.
