//! How a shim is started: its flags, the parameters on its standard input, and its answer as a daemon reads it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use gantry_shim_protocol::bootstrap::{BootstrapParams, BootstrapResult};
use gantry_shim_protocol::wire::Message;

use crate::flags::Flags;

/// The first byte chooses the reader; flags are parted by NUL bytes, as in `/proc/<pid>/cmdline`.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice % 3 {
        0 => drop(Flags::parse(
            rest.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())),
        )),
        1 => {
            if let Some(params) = BootstrapParams::from_stdin(rest, "c1") {
                assert_eq!(params.instance_id, "c1");
                assert_eq!(BootstrapParams::decode(&params.encode()).as_ref(), Ok(&params));
            }
            drop(BootstrapParams::from_stdin(rest, ""));
        }
        _ => {
            if let Ok(result) = BootstrapResult::parse(rest) {
                assert!(result.socket_path().starts_with('/'));
                let again = BootstrapResult::parse(&result.encode());
                // An address that looks like one of the other forms is read as that.
                if let Ok(again) = again {
                    assert_eq!(again.address, result.address);
                }
            }
        }
    }
}
