//! `delete [--force] ID`.

use gantry_runtime::{DeleteMode, Error as Runtime};

use crate::arguments::{Arguments, switch};
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("delete", &[switch("force").short("f")], args)?;
    let state_dir = global.state_dir(args.only_id("delete")?)?;
    let force = args.is_set("force");
    let mode = if force { DeleteMode::Force } else { DeleteMode::IfStopped };
    match gantry_runtime::delete(&state_dir, mode) {
        // Whoever forces it wants it gone, and it is.
        Err(Runtime::NotFound { .. }) if force => Ok(0),
        result => {
            result?.iter().for_each(|warning| global.log.warn(warning));
            Ok(0)
        }
    }
}
