//! What the shim says about itself: `-v` and `-info`.

use crate::error::Error;
use gantry_shim_protocol::bootstrap::MAX_BYTES;
use gantry_shim_protocol::info::{RuntimeInfo, RuntimeVersion};
use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::wire::Message;
use std::io::{IsTerminal, Read, Write};

/// The runtime's name for containerd.
const NAME: &str = "io.containerd.gantry.v2";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints the version in containerd's form.
pub(crate) fn print_version() -> Result<(), Error> {
    write_out(format!("gantry-shim:\n  Version:  {VERSION}\n\n").as_bytes())
}

/// Prints the runtime's description as protobuf.
pub(crate) fn print_info() -> Result<(), Error> {
    let options = Any::decode(&read_stdin()?).ok().filter(|any| !any.type_url.is_empty());
    let info = RuntimeInfo {
        name: NAME.to_owned(),
        version: Some(RuntimeVersion { version: VERSION.to_owned(), revision: String::new() }),
        options,
        ..Default::default()
    };
    write_out(&info.encode())
}

/// What the caller wrote to stdin; nothing when that is a terminal.
pub(crate) fn read_stdin() -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin
            .take(MAX_BYTES as u64)
            .read_to_end(&mut bytes)
            .map_err(Error::system("read parameters from stdin"))?;
    }
    Ok(bytes)
}

pub(crate) fn write_out(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(Error::system("write the answer to stdout"))
}
