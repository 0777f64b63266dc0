//! `state ID`: the specification's document and the fields that runc adds.

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
    pub owner: String,
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
        owner: "root".to_owned(),
        state,
    })
}
