//! Where a runtime is tried: a process in a mount namespace of its own. Mounts that a case or a runtime forgets go
//! with the namespace.

use std::fs;
use std::path::Path;

use gantry_testkit::private_mounts;
use serde_json::Value;

use crate::arguments::RunArguments;
use crate::runtime::Runtime;
use crate::verdict::Results;

/// Runs this program again on one runtime, in a private mount namespace, and reads its verdicts.
pub(crate) fn run_in_private_namespace(
    runtime: &Runtime,
    arguments: &RunArguments,
) -> Result<Results, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
    let json = folder.path().join("results.json");
    let mut command = private_mounts(runtime.refuses_hybrid());
    command.args(["run", "--inside", "--runtime"]).arg(&runtime.path);
    command.args(["--filter", &arguments.filter, "--jobs", &arguments.jobs.to_string()]);
    command.arg("--json").arg(&json);
    if arguments.verbose {
        command.arg("--verbose");
    }
    let status = command.status().map_err(|error| format!("run unshare: {error}"))?;
    read(&json)
        .ok_or_else(|| format!("the suite ended with {status} on {}", runtime.path.display()))
}

fn read(path: &Path) -> Option<Results> {
    let value: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    Results::from_json(value.get(0)?)
}
