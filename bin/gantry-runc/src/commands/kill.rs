//! `kill [--all] ID [SIGNAL]`.

use std::path::Path;

use gantry_runtime::KillScope;
use gantry_types::Signal;

use crate::arguments::{Arguments, switch};
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("kill", &[switch("all").short("a")], args)?;
    let (id, signal) = match args.rest.as_slice() {
        [id] => (id, Some(Signal::TERM)),
        [id, signal] => (id, parse(signal)?),
        _ => return Err(Error::usage("kill takes a container id and perhaps a signal")),
    };
    let scope = if args.is_set("all") { KillScope::All } else { KillScope::Init };
    let state_dir = global.state_dir(id)?;
    match signal {
        Some(signal) => gantry_runtime::kill(&state_dir, signal, scope)?,
        None => look(&state_dir, scope)?,
    }
    Ok(0)
}

/// `None` for the number 0, which sends nothing and asks whether somebody is there (`kill(2)`).
fn parse(text: &str) -> Result<Option<Signal>, Error> {
    if text.parse() == Ok(0) {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Error::usage(format!("unknown signal {text:?}")))
}

/// Fails when nobody is there.
fn look(state_dir: &Path, scope: KillScope) -> Result<(), gantry_runtime::Error> {
    let lives = match scope {
        KillScope::Init => gantry_runtime::state(state_dir)?.pid.is_some(),
        KillScope::All => !gantry_runtime::processes(state_dir)?.is_empty(),
    };
    if lives { Ok(()) } else { Err(gantry_runtime::Error::NotRunning) }
}
