//! What the shim says about itself: `-v` and `-info`.

use crate::error::Error;
use gantry_shim_protocol::bootstrap::MAX_BYTES;
use gantry_shim_protocol::info::{FEATURES_TYPE_URL, RuntimeInfo, RuntimeVersion};
use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::task::{RUNC_OPTIONS_TYPE_URL, RuncOptions};
use gantry_shim_protocol::wire::Message;
use std::io::{IsTerminal, Read, Write};
use std::process::{Command, Stdio};

/// The runtime's name for containerd.
const NAME: &str = "io.containerd.gantry.v2";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints the version in containerd's form.
pub(crate) fn print_version() -> Result<(), Error> {
    write_out(format!("gantry-shim:\n  Version:  {VERSION}\n\n").as_bytes())
}

/// Prints the runtime's description as protobuf: of the one inside the shim, or of the one that the
/// options on stdin name.
pub(crate) fn print_info() -> Result<(), Error> {
    let options = Any::decode(&read_stdin()?).ok().filter(|any| !any.type_url.is_empty());
    let binary = match &options {
        Some(any) if any.type_url == RUNC_OPTIONS_TYPE_URL => {
            RuncOptions::decode(&any.value)?.binary_name
        }
        _ => String::new(),
    };
    let features = if binary.is_empty() {
        Some(gantry_runtime::features().to_string().into_bytes())
    } else {
        features_of(&binary)?
    };
    let info = RuntimeInfo {
        name: NAME.to_owned(),
        version: Some(RuntimeVersion { version: VERSION.to_owned(), revision: String::new() }),
        options,
        features: features.map(|value| Any { type_url: FEATURES_TYPE_URL.to_owned(), value }),
        ..Default::default()
    };
    write_out(&info.encode())
}

/// What another runtime prints; `None` when it has no such command, as those of before 2023.
fn features_of(binary: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = crate::child::find(binary)?;
    let output = Command::new(&path)
        .arg("features")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::file("run", path))?;
    let document = serde_json::from_slice::<serde_json::Value>(&output.stdout);
    let is_there = output.status.success() && document.is_ok_and(|value| value.is_object());
    Ok(is_there.then_some(output.stdout))
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
