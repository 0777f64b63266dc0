//! `start ID`.

use crate::arguments::Arguments;
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("start", &[], args)?;
    gantry_runtime::start(&global.state_dir(args.only_id("start")?)?)?;
    Ok(0)
}
