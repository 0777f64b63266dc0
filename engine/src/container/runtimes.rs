//! Which runtime makes a container: our own, or a program with runc's command line, which our shim runs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::task::{RUNC_OPTIONS_TYPE_URL, RuncOptions};
use gantry_shim_protocol::wire::Message;

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::CgroupPlace;
use crate::record::ContainerRecord;
use crate::settings::{OWN_RUNTIME, RuntimeSettings};

/// The name of the file that runs a program with the words that stand before its own. It is in the container's directory: bundles
/// are below `/run`, where many hosts let nothing be executed.
const WRAPPER: &str = "runtime.sh";

/// What the shim is told of the runtime.
pub(super) fn options(
    engine: &Engine,
    record: &ContainerRecord,
    cgroup: &CgroupPlace,
) -> Result<Option<Any>> {
    let name = record.plan.host_config.runtime.as_str();
    // Records of earlier versions name none.
    if matches!(name, "" | OWN_RUNTIME) {
        return Ok(own_options(cgroup));
    }
    let defaults = &engine.live().containers;
    let Some(settings) = defaults.runtimes.get(name) else {
        return Err(Error::invalid(format!("unknown or invalid runtime name: {name}")));
    };
    let program = if settings.arguments.is_empty() {
        settings.program.clone()
    } else {
        wrap(settings, &engine.settings.container_dir(record.id.as_str()))?
    };
    let options = RuncOptions {
        binary_name: program,
        root: settings.root.clone(),
        no_pivot_root: settings.no_pivot_root,
        no_new_keyring: settings.no_new_keyring,
        systemd_cgroup: cgroup.unit.is_some(),
        ..RuncOptions::default()
    };
    Ok(Some(written(&options)))
}

/// What the shim is told of our own runtime: nothing, unless systemd is to know of the cgroup.
pub(crate) fn own_options(cgroup: &CgroupPlace) -> Option<Any> {
    cgroup.unit.as_ref()?;
    Some(written(&RuncOptions { systemd_cgroup: true, ..RuncOptions::default() }))
}

fn written(options: &RuncOptions) -> Any {
    Any { type_url: RUNC_OPTIONS_TYPE_URL.to_owned(), value: options.encode() }
}

/// A program for whoever gives no words of his own. It stays until the next start, or as long as the container.
fn wrap(settings: &RuntimeSettings, dir: &Path) -> Result<String> {
    let path = dir.join(WRAPPER);
    let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    let words: Vec<String> =
        std::iter::once(&settings.program).chain(&settings.arguments).map(quoted).collect();
    let text = format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::file("remove", &path)(error));
        }
        _ => {}
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::file("write", &path))?;
    Ok(path.to_string_lossy().into_owned())
}
