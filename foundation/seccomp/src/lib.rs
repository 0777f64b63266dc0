//! Seccomp: a profile of the runtime specification becomes a balanced BPF program, and Docker's default profile as a table.
//!
//! ```text
//! from_oci ─→ Profile ─→ resolve (numbers, per architecture) ─→ emit (trees) ─→ assemble ─→ Program
//! ```
//!
//! Loading a program into the kernel is not done here: that is one raw call in `gantry_sys`. Nor does anything here know
//! libseccomp; the tests use it as the oracle.
//!
//! The default profile's programs for the usual sets of capabilities are compiled when this crate is built (`build.rs`
//! includes the same modules), and [`compile`] recognises such a profile by comparing it rule by rule, so that a usual
//! start compiles nothing.

mod action;
mod architecture;
mod assemble;
mod default_profile;
mod emit;
mod error;
mod from_oci;
mod instruction;
mod multiplex;
mod partition;
mod precompiled;
mod program;
mod resolve;
mod rule;
mod syscalls;

pub use architecture::Machine;
pub use error::Error;
pub use from_oci::{
    COMPILER_VERSION, compile, compile_for, default_profile, default_profile_for, ready,
};
pub use instruction::Instruction;
pub use program::{Flags, Program};
