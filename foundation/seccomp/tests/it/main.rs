//! Tests of the compiler through its public face: against libseccomp, against the kernel's limits, and with bad profiles.

#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

mod default_profile;
mod interpreter;
mod oracle;
mod refusals;
mod verdicts;
