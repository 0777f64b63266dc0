//! End-to-end tests live in `tests/it` (Rust, the `gantry` and `docker` command lines, raw HTTP) and in `python`
//! (docker-py). What the tests share is in `testkit`; here is what the plugins share that they bring (`bin/`).

pub mod plugin_socket;
