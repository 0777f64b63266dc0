//! Fuzz targets: what reads bytes that somebody hostile may have written. Each takes any bytes and panics when a promise is broken.
//!
//! libFuzzer's entries are in `fuzz_targets/`; `tests/replay.rs` runs the same functions over the seeds, what was found before and
//! mutations of both, with nothing but a stable compiler. `run.sh` builds and runs the fuzzer and writes `RESULTS.md`.

pub mod accounts;
pub mod archive_load;
pub mod bootstrap;
pub mod config;
pub mod dns;
pub mod dockerfile;
pub mod frames;
pub mod image_config;
pub mod layer_forms;
pub mod log_line;
pub mod manifest;
mod pen;
pub mod record;
pub mod reference;
pub mod seccomp;
pub mod split;
pub mod tar_apply;
pub mod words;

// What the crates do not show, straight from their sources.
#[path = "../../foundation/seccomp/src/architecture.rs"]
#[allow(dead_code, unreachable_pub, reason = "another crate's module, of which a part is needed")]
mod architecture;
#[path = "../../bin/gantry-shim/src/flags.rs"]
#[allow(dead_code, reason = "another crate's module, of which a part is needed")]
mod flags;
#[path = "../../foundation/seccomp/src/multiplex.rs"]
mod multiplex;
#[path = "../../foundation/seccomp/src/syscalls.rs"]
mod syscalls;

/// The one error of the shim that its flags need.
mod error {
    #[derive(Debug)]
    pub(crate) enum Error {
        Usage { reason: String },
    }

    impl std::fmt::Display for Error {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let Self::Usage { reason } = self;
            f.write_str(reason)
        }
    }
}

/// A target: any bytes in, a panic when a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 17] = [
    ("config", config::run),
    ("dns", dns::run),
    ("seccomp", seccomp::run),
    ("bootstrap", bootstrap::run),
    ("frames", frames::run),
    ("accounts", accounts::run),
    ("words", words::run),
    ("log_line", log_line::run),
    ("record", record::run),
    ("image_config", image_config::run),
    ("reference", reference::run),
    ("manifest", manifest::run),
    ("tar_apply", tar_apply::run),
    ("archive_load", archive_load::run),
    ("layer_forms", layer_forms::run),
    ("split", split::run),
    ("dockerfile", dockerfile::run),
];
