//! Every rule is shown to fail: a small clean workspace, one planted violation, the file and rule named.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod planted;
mod workspace;
