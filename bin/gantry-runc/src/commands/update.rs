//! `update --resources FILE ID`, with `-` for the standard input.

use std::fs;
use std::io::{self, Read};

use gantry_oci::runtime::LinuxResources;

use crate::arguments::{Arguments, value};
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("update", &[value("resources").short("r")], args)?;
    let Some(path) = args.get("resources") else {
        return Err(Error::usage("update needs --resources FILE (or - for standard input)"));
    };
    let failed = |source| Error::File { what: "read", path: path.into(), source };
    let text = if path == "-" {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text).map_err(failed)?;
        text
    } else {
        fs::read(path).map_err(failed)?
    };
    let resources: LinuxResources = serde_json::from_slice(&text)
        .map_err(|source| Error::Parse { path: path.into(), source })?;
    gantry_runtime::update(&global.state_dir(args.only_id("update")?)?, &resources)?;
    Ok(0)
}
