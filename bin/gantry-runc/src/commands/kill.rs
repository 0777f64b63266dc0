//! `kill [--all] ID [SIGNAL]`.

use gantry_runtime::KillScope;
use gantry_types::Signal;

use crate::arguments::{Arguments, switch};
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("kill", &[switch("all").short("a")], args)?;
    let (id, signal) = match args.rest.as_slice() {
        [id] => (id, Signal::TERM),
        [id, signal] => (id, parse(signal)?),
        _ => return Err(Error::usage("kill takes a container id and perhaps a signal")),
    };
    let scope = if args.is_set("all") { KillScope::All } else { KillScope::Init };
    gantry_runtime::kill(&global.state_dir(id)?, signal, scope)?;
    Ok(0)
}

fn parse(text: &str) -> Result<Signal, Error> {
    text.parse().map_err(|_| Error::usage(format!("unknown signal {text:?}")))
}
