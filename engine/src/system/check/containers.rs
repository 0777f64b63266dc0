//! The containers' part: records against writable layers, directories and bundles.

use std::collections::HashSet;

use gantry_api::system::CheckReport;
use gantry_types::{Fault, error_chain};

use super::{Tell, missing};
use crate::Result;
use crate::engine::{CONTAINERS, Engine, names_in};

const REMOVE: &str = "remove the container and make it again";
const RESTART: &str = "it goes when the daemon is started again";

pub(super) fn look(engine: &Engine, report: &mut CheckReport) -> Result<()> {
    let ids = engine.db.read(|tx| CONTAINERS.keys_with_prefix(tx, "", usize::MAX))?;
    report.add("containers", ids.len() as u64, None);
    for id in &ids {
        one(engine, id, report)?;
    }
    let known: HashSet<String> = ids.into_iter().collect();
    let places = [engine.settings.container_dir(""), engine.settings.bundle("")];
    for place in places {
        for name in names_in(&place).into_iter().filter(|name| !known.contains(name)) {
            let object = place.join(name).display().to_string();
            report.faults.push(Fault::waste(object, "belongs to no container", RESTART));
        }
    }
    for id in engine.layers.containers().into_iter().filter(|id| !known.contains(id)) {
        report.faults.push(Fault::waste(
            format!("writable layer {id}"),
            "belongs to no container",
            RESTART,
        ));
    }
    Ok(())
}

fn one(engine: &Engine, id: &str, report: &mut CheckReport) -> Result<()> {
    let object = format!("container {id}");
    let record = match engine.db.read(|tx| CONTAINERS.get(tx, id)) {
        Ok(Some(record)) => record,
        // Removed meanwhile.
        Ok(None) => return Ok(()),
        Err(error) => {
            report.faults.push(Fault::damage(object, error_chain(&error), "see the daemon's log"));
            return Ok(());
        }
    };
    let mut damage =
        |problem: &str, remedy| report.faults.push(Fault::damage(object.clone(), problem, remedy));
    if !engine.layers.container_exists(id) {
        damage("its writable layer is not there", REMOVE);
    }
    if !engine.settings.container_dir(id).is_dir() {
        damage("its directory with log and host files is not there", REMOVE);
    }
    let has_bundle = engine.settings.bundle(id).is_dir();
    if record.state.is_running() && !has_bundle {
        damage("it is said to run, and its bundle is not there", "restart the daemon");
    }
    match engine.container(id) {
        Ok(handle) if handle.snapshot().record.state.is_running() == record.state.is_running() => {}
        Ok(_) => {
            damage("its record and the daemon disagree on whether it runs", "restart the daemon");
        }
        Err(_) => {
            damage("the daemon could not bring it back", "see the daemon's log, and restart it");
        }
    }
    missing(engine, &object, &record.image.chain, "pull or load its image again", report)
}
