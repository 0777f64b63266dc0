//! `check`: everything that is kept on the disk, examined without disturbing anybody.

mod containers;

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::system::{CheckReport, Examined};
use gantry_types::{Digest, Fault, error_chain};

use crate::Result;
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};

/// A fault is one when it is there every time. What others are in the middle of is soon over: none of it waits for a
/// client or for the network.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);

const GET_AGAIN: &str = "pull or load the image again";

/// How thoroughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckOptions {
    /// Read every blob and compare it with its digest.
    pub deep: bool,
}

/// Examines the database, images, layers and containers. Nothing is changed, and nothing has to wait for it.
///
/// It ends with whoever waits for it. One deep check runs at a time: each reads all that the disk gives.
pub async fn check(engine: &Engine, options: CheckOptions) -> Result<CheckReport> {
    let turn =
        if options.deep { Some(Arc::clone(&engine.deep_check).lock_owned().await) } else { None };
    let waits = Arc::new(());
    let wanted = Arc::downgrade(&waits);
    let engine = engine.clone();
    let report = block(move || {
        let report = examine(&engine, options, || wanted.strong_count() > 0);
        drop(turn);
        report
    })
    .await;
    drop(waits);
    report
}

/// `is_wanted` is asked from time to time; what is told when nobody wants it any more is not all.
fn examine(
    engine: &Engine,
    options: CheckOptions,
    is_wanted: impl Fn() -> bool,
) -> Result<CheckReport> {
    let mut report = look(engine)?;
    for _ in 1..LOOKS {
        if report.faults.is_empty() || !is_wanted() {
            break;
        }
        std::thread::sleep(PAUSE);
        let again = look(engine)?;
        let lasting = |fault: &Fault| again.faults.contains(fault);
        report.faults.retain(lasting);
        report.examined = again.examined;
    }
    if options.deep {
        report.deep = true;
        report.faults.extend(engine.images.check_content(|_| is_wanted())?);
        report.faults.extend(engine.layers.check_content(&is_wanted));
    }
    report
        .faults
        .sort_by(|one, other| (one.severity, &one.object).cmp(&(other.severity, &other.object)));
    Ok(report)
}

fn look(engine: &Engine) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    database(engine, &mut report);
    match engine.images.check() {
        Ok(checked) => {
            report.add("images", checked.images, None);
            report.add("names of images", checked.names, None);
            report.add("blobs", checked.blobs.count, Some(checked.blobs.bytes));
            let elsewhere = checked.elsewhere;
            report.add("blobs kept as layers", elsewhere.count, Some(elsewhere.bytes));
            report.add("blobs coming in", checked.coming.count, Some(checked.coming.bytes));
            report.add("blobs being removed", checked.going.count, Some(checked.going.bytes));
            report.faults.extend(checked.faults);
        }
        Err(error) => report.unreadable("images", &error),
    }
    match engine.layers.check() {
        Ok(checked) => {
            report.add("layers", checked.layers, Some(checked.bytes));
            report.add("layers not flushed yet", checked.unsynced, None);
            report.add("layers coming in", checked.coming, None);
            report.add("layers being removed", checked.going, None);
            report.add("writable layers", checked.writable, None);
            report.faults.extend(checked.faults);
        }
        Err(error) => report.unreadable("layers", &error),
    }
    let live = chains(engine, &mut report)?;
    containers::look(engine, &mut report)?;
    // As long as somebody's needs cannot be read, nothing is unneeded.
    for (diff_id, _) in live.map(|live| engine.layers.unneeded(&live)).unwrap_or_default() {
        let problem = "no image and no container has it";
        report.faults.push(Fault::waste(
            format!("layer {diff_id}"),
            problem,
            "it goes with the next image that is removed",
        ));
    }
    Ok(report)
}

fn database(engine: &Engine, report: &mut CheckReport) {
    let path = engine.db.path();
    report.add("database", 1, fs::metadata(path).ok().map(|found| found.len()));
    let object = format!("database {}", path.display());
    let remedy = "stop the daemon and put a copy of the data root back";
    match engine.db.check() {
        Ok(told) => report
            .faults
            .extend(told.into_iter().map(|line| Fault::damage(object.clone(), line, remedy))),
        Err(error) => report.faults.push(Fault::damage(object, error_chain(&error), remedy)),
    }
}

/// The layers of all images, which must be there; and of all that need layers, for the search for those nobody needs:
/// nothing when a record cannot be read, which is told elsewhere.
fn chains(engine: &Engine, report: &mut CheckReport) -> Result<Option<HashSet<Vec<Digest>>>> {
    let mut live = HashSet::new();
    // Those on their way first: their images are recorded before they are let go.
    live.extend(engine.image_changes.pinned());
    let images = engine.images.readable_chains()?;
    let mut is_all = images.is_all;
    for (id, chain) in images.readable {
        missing(engine, &format!("image {id}"), &chain, GET_AGAIN, report)?;
        live.insert(chain);
    }
    // What builds remember needs its layers, too.
    match crate::build::chains(engine) {
        Ok(chains) => live.extend(chains),
        Err(error) => {
            report.unreadable("what builds remember", &error);
            is_all = false;
        }
    }
    engine.db.read(|tx| {
        for id in CONTAINERS.keys_with_prefix(tx, "", usize::MAX)? {
            match CONTAINERS.get(tx, &id) {
                Ok(record) => live.extend(record.into_iter().flat_map(|record| record.chains())),
                Err(_) => is_all = false,
            }
        }
        Ok::<_, gantry_db::Error>(())
    })?;
    Ok(is_all.then_some(live))
}

/// Tells of the layers of a chain that are not here.
fn missing(
    engine: &Engine,
    object: &str,
    chain: &[Digest],
    remedy: &str,
    report: &mut CheckReport,
) -> Result<()> {
    for (depth, diff_id) in chain.iter().enumerate() {
        if engine.layers.find(diff_id, &chain[..depth])?.is_none() {
            report.faults.push(Fault::damage(
                object,
                format!("its layer {diff_id} is not there"),
                remedy,
            ));
        }
    }
    Ok(())
}

/// What the parts add to a report.
trait Tell {
    fn add(&mut self, what: &str, count: u64, bytes: Option<u64>);
    fn unreadable(&mut self, what: &str, error: &dyn std::error::Error);
}

impl Tell for CheckReport {
    fn add(&mut self, what: &str, count: u64, bytes: Option<u64>) {
        self.examined.push(Examined { what: what.to_owned(), count, bytes });
    }

    fn unreadable(&mut self, what: &str, error: &dyn std::error::Error) {
        let remedy = "see the daemon's log; put a copy of the data root back if it lasts";
        self.faults.push(Fault::damage(what, error_chain(error), remedy));
    }
}
