//! `features`: the specification's features document.

use super::print_json;
use crate::arguments::Arguments;
use crate::error::Error;

pub(super) fn run(args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("features", &[], args)?;
    if let Some(extra) = args.rest.first() {
        return Err(Error::usage(format!("features takes no arguments, not {extra:?}")));
    }
    print_json(&gantry_runtime::features())
}
