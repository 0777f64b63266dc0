//! Runs cases, several at a time, and turns panics into verdicts.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::case::{Case, Section};
use crate::machine::Machine;
use crate::runtime::Runtime;
use crate::stage::{Stage, Template, World, sweep_parent};
use crate::verdict::{Results, Verdict};

thread_local! {
    /// What the last panic of this thread said.
    static COMPLAINT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The longest reason that results keep.
const REASON_BYTES_MAX: usize = 400;

/// Which cases to run, and how.
pub(crate) struct Options {
    /// A part of a case's name; empty for all.
    pub(crate) filter: String,
    pub(crate) jobs: usize,
    /// Whether every case is told with its time, and not the failed ones alone.
    pub(crate) verbose: bool,
}

/// Runs the chosen cases on one runtime.
pub(crate) fn run(runtime: Runtime, sections: &[Section], options: &Options) -> Results {
    catch_complaints();
    let template = Template::new();
    let machine = Machine::look(template.work());
    let machine_text = machine.describe();
    let world = Arc::new(World { runtime, machine, template });
    let all = sections
        .iter()
        .flat_map(|section| section.cases.iter().map(move |case| (section.name_of(case), case)));
    let chosen: Vec<(String, &Case)> =
        all.filter(|(name, _)| name.contains(&options.filter)).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some((name, case)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begin = Instant::now();
                    let verdict = judge(&world, case);
                    tell(&world.runtime, name, &verdict, options.verbose.then_some(begin));
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((name.clone(), verdict));
                }
            });
        }
    });
    sweep_parent(&world.machine);
    let mut verdicts = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let place = |name: &str| chosen.iter().position(|(known, _)| known == name);
    verdicts.sort_by_key(|(name, _)| place(name));
    Results {
        runtime: world.runtime.name.clone(),
        version: world.runtime.version.clone(),
        spec: world.runtime.spec.0,
        machine: machine_text,
        verdicts,
    }
}

fn judge(world: &Arc<World>, case: &Case) -> Verdict {
    if let Some(reason) = case.lacking(&world.machine) {
        return Verdict::Skip(reason);
    }
    // The stage lies inside: what it leaves behind is removed before the next case, whatever happens.
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut stage = Stage::new(world);
        (case.check)(&mut stage);
    }));
    match outcome {
        Ok(()) => Verdict::Pass,
        Err(_) => Verdict::Fail(COMPLAINT.with_borrow(Clone::clone)),
    }
}

/// Keeps what a panic says instead of printing it.
fn catch_complaints() {
    panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("a panic without words");
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut line = words.join(" ");
        if line.len() > REASON_BYTES_MAX {
            line.truncate(line.floor_char_boundary(REASON_BYTES_MAX));
            line.push('…');
        }
        COMPLAINT.set(line);
    }));
}

fn tell(runtime: &Runtime, name: &str, verdict: &Verdict, begin: Option<Instant>) {
    let time =
        begin.map_or_else(String::new, |begin| format!(" {} ms", begin.elapsed().as_millis()));
    match verdict {
        Verdict::Fail(reason) => eprintln!("{} FAIL {name}{time}: {reason}", runtime.name),
        Verdict::Pass if begin.is_some() => eprintln!("{} ok {name}{time}", runtime.name),
        Verdict::Skip(reason) if begin.is_some() => {
            eprintln!("{} skip {name}: {reason}", runtime.name);
        }
        Verdict::Pass | Verdict::Skip(_) => {}
    }
}
