//! Images that are mounted by the kernel and looked at; it needs root, and a kernel that mounts erofs
//! from a file (Linux 6.12).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;
mod images;
mod property;
