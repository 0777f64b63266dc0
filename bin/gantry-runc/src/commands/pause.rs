//! `pause ID` and `resume ID`.

use crate::arguments::Arguments;
use crate::error::Error;
use crate::global::Global;

pub(super) fn pause(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("pause", &[], args)?;
    gantry_runtime::pause(&global.state_dir(args.only_id("pause")?)?)?;
    Ok(0)
}

pub(super) fn resume(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("resume", &[], args)?;
    gantry_runtime::resume(&global.state_dir(args.only_id("resume")?)?)?;
    Ok(0)
}
