//! What a container uses, as containerd reads it from the `stats` of a Stats response: one message for
//! version 1 of cgroups and one for version 2. Who measures is the shim.

pub mod v1;
pub mod v2;
