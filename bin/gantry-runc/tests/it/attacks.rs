//! Images, documents and neighbours that try to get out, or to make the runtime do something to the host. Each is a known way in other
//! runtimes; each test names the rule that stops it. `SECURITY.md` has the table of classes, instances and tests.

mod accounts;
mod cgroups;
mod descriptors;
mod procfs;
mod program;
mod race;
mod rootfs;
mod words;

use std::process::Child;

use crate::bed::{Bed, wait_until};

/// Runs a container in the background, whose output is a pipe, and returns when its program runs.
fn run_in_background(bed: &Bed) -> Child {
    bed.write_config();
    let mut command = bed.command(&["run", &bed.id]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("the container runs", || {
        let state = bed.call(&["state", &bed.id]);
        crate::bed::text(&state.stdout).contains("\"running\"")
    });
    child
}
