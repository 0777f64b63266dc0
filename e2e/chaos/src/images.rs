//! `kill -9` of the daemon at random moments of pull, push, load, save, rmi, commit and prune, while archives of layers go. The next
//! daemon must find whole images only: every listed one runs, the blobs and layers on the disk are those that images and containers
//! need, `system check` agrees, and the operation succeeds when it is repeated.
//!
//! ```text
//! images/stage.rs      the daemon, the registry, and the images that come and go
//! images/operation.rs  what is interrupted: how it is prepared, done, and judged when repeated
//! images/store.rs      the store's files, seen from the outside
//! ```

mod operation;
mod stage;
mod store;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gantry_testkit::require_root;

use crate::dice::Dice;
use crate::record::{Counts, record_as};
use operation::Operation;
use stage::Stage;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub count: u32,
    pub seed: u64,
    pub record: Option<PathBuf>,
}

/// Every so many kills, all bytes are read.
const DEEP_EVERY: u32 = 10;

pub(crate) fn run(request: &Request) -> ExitCode {
    require_root();
    println!("{} kills, seed {}", request.count, request.seed);
    let begin = Instant::now();
    let mut counts = Counts::new();
    let mut stage = Stage::build();
    let paces = paces(&stage);
    let operations: Vec<Operation> = paces.keys().copied().collect();
    for cycle in 0..request.count {
        let mut dice = Dice::of_cycle(request.seed, cycle);
        let operation = dice.pick(&operations);
        let moment = moment(&mut dice, paces[&operation]);
        let lived = catch_unwind(AssertUnwindSafe(|| {
            one(&stage, operation, &mut dice, moment, cycle % DEEP_EVERY == 0)
        }));
        let Ok(finished) = lived else {
            eprintln!("kill {cycle} of seed {}: {operation:?}, after {moment:?}", request.seed);
            return ExitCode::FAILURE;
        };
        *counts.entry(format!("killed in {operation:?}").to_lowercase()).or_default() += 1;
        *counts.entry("over before the kill came".to_owned()).or_default() += u64::from(finished);
        stage.turn(cycle);
    }
    if catch_unwind(AssertUnwindSafe(|| stage.empty())).is_err() {
        eprintln!("seed {}: at the end", request.seed);
        return ExitCode::FAILURE;
    }
    let title = format!("{} kills of the daemon, seed {}", request.count, request.seed);
    let promise = "every listed image runs, no blob or layer lost or left for ever, every repetition succeeds";
    record_as(&title, promise, &counts, begin.elapsed(), request.record.as_deref());
    ExitCode::SUCCESS
}

/// How long each operation takes here when nobody is killed; those that this Gantry has.
fn paces(stage: &Stage) -> BTreeMap<Operation, Duration> {
    let mut paces = BTreeMap::new();
    for operation in Operation::ALL.into_iter().filter(|operation| operation.is_known(stage)) {
        let target = operation.prepare(stage, 0);
        let begin = Instant::now();
        operation.start(stage, &target).wait().success();
        paces.insert(operation, begin.elapsed());
        operation.judge(stage, &target);
    }
    paces
}

/// A moment within the operation, or a little after it.
fn moment(dice: &mut Dice, pace: Duration) -> Duration {
    let most = u32::try_from(pace.as_micros()).unwrap_or(u32::MAX);
    Duration::from_micros(u64::from(dice.below(most.saturating_add(most / 8).max(1))))
}

/// One kill, and all that has to hold after it. Whether the operation had succeeded before.
fn one(stage: &Stage, operation: Operation, dice: &mut Dice, moment: Duration, deep: bool) -> bool {
    let target = operation.prepare(stage, dice.below(stage::IMAGES));
    let client = operation.start(stage, &target);
    // Not a wait for a state: the moment is what varies.
    std::thread::sleep(moment);
    stage.daemon.kill();
    let finished = client.wait().code == 0;
    stage.daemon.start_again();
    stage.examine(deep);
    let repeated = operation.start(stage, &target).wait();
    operation.accept(&repeated);
    operation.judge(stage, &target);
    stage.examine(false);
    finished
}
