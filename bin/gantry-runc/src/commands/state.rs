//! `state ID`: the specification's document and the fields that runc adds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gantry_oci::runtime::State;
use serde::Serialize;

use super::print_json;
use crate::arguments::Arguments;
use crate::commands::create::read_spec;
use crate::error::Error;
use crate::global::Global;

/// A container as `state` and `list` print it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub state: State,
    pub rootfs: String,
    pub created: String,
    /// Who made it.
    pub owner: String,
    /// Null when its owner may make none.
    pub cgroup: Option<String>,
}

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("state", &[], args)?;
    print_json(&report(&global.state_dir(args.only_id("state")?)?)?)
}

pub(super) fn report(state_dir: &Path) -> Result<Report, Error> {
    let state = gantry_runtime::state(state_dir)?;
    let bundle = Path::new(&state.bundle);
    // The bundle may be gone; the container is still there.
    let root = read_spec(bundle).ok().and_then(|spec| spec.root).map(|root| bundle.join(root.path));
    Ok(Report {
        rootfs: root.map(|root| root.to_string_lossy().into_owned()).unwrap_or_default(),
        created: gantry_runtime::created_at(state_dir)?,
        owner: owner(state_dir),
        cgroup: gantry_runtime::cgroup_path(state_dir)?,
        state,
    })
}

/// The name of the record's owner, or his number when nobody has noted a name down.
fn owner(state_dir: &Path) -> String {
    let Ok(found) = fs::metadata(state_dir) else { return String::new() };
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(found.uid(), &users).map_or_else(|| found.uid().to_string(), str::to_owned)
}

fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_named_by_the_table_of_users() {
        let users = "root:x:0:0::/root:/bin/sh\nbroken\nmara:x:1001:1001::/:\n";
        for (uid, name) in [(0, Some("root")), (1001, Some("mara")), (7, None)] {
            assert_eq!(name_of(uid, users), name);
        }
    }
}
