//! The Linux calls that neither the standard library nor rustix gives as safe functions; the only crate with `unsafe`.
//!
//! Each function is one thin step with a safe signature and an `io::Result`. Policy, that is which step comes when and what a failure
//! means, lives in the crates above.

#![allow(unsafe_code, reason = "this crate is the one place for it: one call and one reason each")]

mod aside;
pub mod boot_id;
pub mod bpf;
pub mod clock;
pub mod clone;
pub mod datagrams;
pub mod descriptors;
pub mod exec;
pub mod fds;
pub mod file_system;
pub mod heap;
pub mod heaps;
pub mod identity;
pub mod keyring;
pub mod memory;
pub mod mount;
pub mod mountinfo;
pub mod net;
pub mod new_session;
pub mod parent_death;
pub mod pidfd;
pub mod process;
pub mod quota;
pub mod resident;
pub mod schedule;
pub mod seccomp;
pub mod self_copy;
pub mod selinux;
pub mod signalfd;
pub mod signals;
pub mod uncached;
pub mod unix_socket;
pub mod user_namespace;

use std::io;

/// Turns the result of a raw system call into an `io::Result`.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
