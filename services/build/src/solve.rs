//! Which stages are built, and when: those that the target needs, each as soon as those it needs are done.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use gantry_dockerfile::{Dockerfile, Instruction, MountKind, Step};
use gantry_oci::image::{ImageConfig, RootFs};
use gantry_types::{Digest, Timestamp};

use crate::memory::{Memory, Remembered};
use crate::request::Plan;
use crate::stage::{Builder, State, globals};
use crate::variables::{Scope, platforms};
use crate::workshop::{Base, Layer, Teller, Told, Workshop};
use crate::{Error, Result};

/// The most stages of one build: each has a thread.
const MAX_STAGES: usize = 200;

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The whole configuration.
    pub config: ImageConfig,
}

/// Where all stages of one build work.
pub(crate) struct Site<'a, W> {
    pub(crate) workshop: &'a W,
    pub(crate) memory: &'a Memory,
    pub(crate) plan: &'a Plan,
    pub(crate) teller: &'a dyn Teller,
    /// `ARG`s above all stages.
    pub(crate) globals: BTreeMap<String, String>,
    pub(crate) total: usize,
    pub(crate) claims: Claims,
    /// The stages that are built.
    needed: BTreeSet<usize>,
    stages: Mutex<Vec<Progress>>,
    changed: Condvar,
}

/// How far a stage is.
#[derive(Debug, Clone)]
enum Progress {
    Waiting,
    Done(Box<State>),
    Failed,
}

/// Builds what the plan asks for.
///
/// # Errors
/// The first failure of any stage; the others end with their present step.
pub fn build<W: Workshop>(
    workshop: &W,
    memory: &Memory,
    plan: &Plan,
    teller: &dyn Teller,
) -> Result<Built> {
    let dockerfile = &plan.dockerfile;
    let request = &plan.request;
    let platforms = platforms(&request.platform, &request.host);
    let globals = globals(dockerfile, &request.arguments, &platforms)?;
    let target = target(dockerfile, request.target.as_deref())?;
    let needed = needed(dockerfile, target, &globals)?;
    if needed.len() > MAX_STAGES {
        return Err(Error::Limit { what: "the number of stages", limit: MAX_STAGES as u64 });
    }
    let total = needed.iter().map(|number| dockerfile.stages[*number].steps.len() + 1).sum();
    let site = Site {
        workshop,
        memory,
        plan,
        teller,
        globals,
        total,
        claims: Claims::default(),
        needed,
        stages: Mutex::new(vec![Progress::Waiting; dockerfile.stages.len()]),
        changed: Condvar::new(),
    };
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let mut first = 0;
        for number in &site.needed {
            let (place, failures, begin) =
                (Place { site: &site, number: *number }, &failures, first);
            first += dockerfile.stages[*number].steps.len() + 1;
            let work = move || {
                // The failure is there before anybody hears that there is one.
                match place.site.stage(place.number, begin + 1) {
                    Ok(state) => {
                        place.site.stages()[place.number] = Progress::Done(Box::new(state));
                    }
                    Err(error) => lock(failures).push(error),
                }
                drop(place);
            };
            let name = format!("build-stage-{number}");
            if let Err(error) = thread::Builder::new().name(name).spawn_scoped(scope, work) {
                // Its place went with its work; the others end.
                lock(failures).push(Error::Thread(error));
            }
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let is_first = |error: &Error| !matches!(error, Error::Abandoned);
    if let Some(error) = failures.into_iter().find(is_first) {
        return Err(error);
    }
    let Some(Progress::Done(state)) = site.stages().get(target).cloned() else {
        return Err(Error::Abandoned);
    };
    Ok(finish(*state, plan))
}

/// The configuration with all that the request adds.
fn finish(state: State, plan: &Plan) -> Built {
    let State { layers, mut config, created, .. } = state;
    config.config.labels.extend(plan.request.labels.clone());
    config.created = Some(created.unwrap_or(plan.request.now).to_string());
    config.platform = plan.request.platform.clone();
    config.rootfs = RootFs {
        diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(),
        ..RootFs::default()
    };
    Built { layers, config }
}

fn target(dockerfile: &Dockerfile, wanted: Option<&str>) -> Result<usize> {
    let last = dockerfile.stages.len() - 1;
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(last) };
    let found = dockerfile.stage_before(last + 1, wanted);
    found.ok_or_else(|| Error::NoTarget(wanted.to_owned()))
}

/// The stages that a stage needs, itself included, in the order of the Dockerfile.
fn needed(
    dockerfile: &Dockerfile,
    target: usize,
    globals: &BTreeMap<String, String>,
) -> Result<BTreeSet<usize>> {
    let mut needed = BTreeSet::new();
    let mut pending = vec![target];
    while let Some(number) = pending.pop() {
        if !needed.insert(number) {
            continue;
        }
        let stage = &dockerfile.stages[number];
        let base = base_name(dockerfile, number, globals)?;
        pending.extend(dockerfile.stage_before(number, &base));
        for word in stage.steps.iter().flat_map(sources) {
            pending.extend(dockerfile.stage_before(number, &word));
        }
    }
    Ok(needed)
}

/// What a step names by `from`.
fn sources(step: &Step) -> Vec<String> {
    match &step.instruction {
        Instruction::Copy(transfer) => transfer.from.iter().cloned().collect(),
        Instruction::Run(run) => {
            let plain = run.mounts(|text| Ok::<_, gantry_dockerfile::Problem>(text.to_owned()));
            let mounts = plain.unwrap_or_default().into_iter();
            let usable = |kind| matches!(kind, MountKind::Bind | MountKind::Cache);
            mounts.filter(|mount| usable(mount.kind)).filter_map(|mount| mount.from).collect()
        }
        _ => Vec::new(),
    }
}

fn base_name(
    dockerfile: &Dockerfile,
    number: usize,
    globals: &BTreeMap<String, String>,
) -> Result<String> {
    let stage = &dockerfile.stages[number];
    let scope = Scope { arguments: globals.clone(), ..Scope::default() };
    let name = scope.word(dockerfile.escape, &stage.from.base)?;
    if name.is_empty() { Err(Error::BlankBase(stage.from.base.clone())) } else { Ok(name) }
}

impl<W: Workshop> Site<'_, W> {
    pub(crate) fn dockerfile(&self) -> &Dockerfile {
        &self.plan.dockerfile
    }

    fn stages(&self) -> MutexGuard<'_, Vec<Progress>> {
        lock(&self.stages)
    }

    /// Fails when nobody waits for the build any more, or another stage has failed.
    pub(crate) fn check_wanted(&self) -> Result<()> {
        if self.teller.is_alone() { Err(Error::Cancelled) } else { self.check_others() }
    }

    /// Fails when another stage has.
    pub(crate) fn check_others(&self) -> Result<()> {
        let failed = self.stages().iter().any(|stage| matches!(stage, Progress::Failed));
        if failed { Err(Error::Abandoned) } else { Ok(()) }
    }

    /// What a stage is in the end, as soon as it is.
    fn wait_for(&self, number: usize) -> Result<State> {
        let mut stages = self.stages();
        loop {
            match &stages[number] {
                Progress::Done(state) => return Ok((**state).clone()),
                Progress::Failed => return Err(Error::Abandoned),
                Progress::Waiting => {
                    stages = self.changed.wait(stages).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Builds one stage; `step` is the number of its beginning.
    fn stage(&self, number: usize, step: usize) -> Result<State> {
        let stage = &self.dockerfile().stages[number];
        let failed = |source: Error| match source {
            Error::Abandoned | Error::Cancelled => source,
            source => {
                Error::Step { span: stage.span, step: stage.text.clone(), source: Box::new(source) }
            }
        };
        let base = base_name(self.dockerfile(), number, &self.globals).map_err(failed)?;
        let earlier = self.dockerfile().stage_before(number, &base);
        // What it waits for has a beginning of its own.
        let state = match earlier {
            Some(earlier) => self.wait_for(earlier)?.inherited(),
            None => State::new(self.base(&base, stage.from.platform.as_deref()).map_err(failed)?),
        };
        self.teller.tell(Told::Began { number: step, total: self.total, text: &stage.text });
        self.teller.tell(Told::Ended { number: step, layer: None });
        let mut state = state;
        state.scope.arguments = BTreeMap::new();
        Builder { site: self, number, state, step }.build()
    }

    fn base(&self, name: &str, platform: Option<&str>) -> Result<Base> {
        if name.eq_ignore_ascii_case("scratch") {
            return Ok(Base { layers: Vec::new(), config: ImageConfig::default() });
        }
        let request = &self.plan.request;
        let platform = match platform {
            None => request.platform.clone(),
            Some(text) => {
                let scope = Scope { arguments: self.globals.clone(), ..Scope::default() };
                let text = scope.word(self.dockerfile().escape, text)?;
                if text == request.host.to_string() {
                    request.host.clone()
                } else if text == request.platform.to_string() {
                    request.platform.clone()
                } else {
                    return Err(Error::NotThereYet(format!("a base image for {text}")));
                }
            }
        };
        self.workshop.image(name, &platform)
    }

    /// The layers that a word after `from` in a stage means.
    pub(crate) fn layers_of(&self, number: usize, word: &str) -> Result<Vec<Layer>> {
        match self.dockerfile().stage_before(number, word) {
            Some(stage) if self.needed.contains(&stage) => Ok(self.wait_for(stage)?.layers),
            // Nobody builds it, and whoever waited for it would wait for ever.
            Some(_) => Err(Error::invalid(
                "source",
                word,
                "it comes from a trigger of the base image and names a stage of this Dockerfile, which is not built for it; name an image",
            )),
            None => Ok(self.workshop.image(word, &self.plan.request.platform)?.layers),
        }
    }

    /// What is remembered under a key, if it counts and is still here.
    pub(crate) fn recall(
        &self,
        stage: usize,
        key: &Digest,
        below: &[Layer],
    ) -> Result<Option<Remembered>> {
        let request = &self.plan.request;
        let name = self.dockerfile().stages[stage].from.name.as_deref().unwrap_or_default();
        if request.ignores_memory || request.forgets_stages.contains(name) {
            return Ok(None);
        }
        let Some(step) = self.memory.recall(key)? else { return Ok(None) };
        if step.layer.as_ref().is_some_and(|layer| !self.workshop.has(below, layer)) {
            return Ok(None);
        }
        self.memory.touch(key, request.now)?;
        Ok(Some(step))
    }

    pub(crate) fn remember(
        &self,
        key: &Digest,
        below: &[Layer],
        layer: Option<&Layer>,
        text: &str,
    ) -> Result<()> {
        let now: Timestamp = self.plan.request.now;
        let step = Remembered {
            below: below.to_vec(),
            layer: layer.cloned(),
            created: now,
            used: now,
            uses: 0,
            text: text.to_owned(),
        };
        self.memory.remember(key, &step)
    }
}

/// A stage's place among the others: whoever leaves it without a result has failed, also one who panics.
struct Place<'a, W> {
    site: &'a Site<'a, W>,
    number: usize,
}

impl<W> Drop for Place<'_, W> {
    fn drop(&mut self) {
        let mut stages = lock(&self.site.stages);
        if matches!(stages[self.number], Progress::Waiting) {
            stages[self.number] = Progress::Failed;
        }
        drop(stages);
        self.site.changed.notify_all();
    }
}

/// The keys of steps that are being done: two stages with the same step do it once.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    claimed: Mutex<HashSet<Digest>>,
    freed: Condvar,
}

/// See [`Claims::claim`].
pub(crate) struct Claim<'a> {
    claims: &'a Claims,
    key: Digest,
}

impl Claims {
    /// Waits until nobody else does this step.
    pub(crate) fn claim(&self, key: &Digest) -> Claim<'_> {
        let mut claimed = lock(&self.claimed);
        while !claimed.insert(key.clone()) {
            claimed = self.freed.wait(claimed).unwrap_or_else(PoisonError::into_inner);
        }
        Claim { claims: self, key: key.clone() }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        lock(&self.claims.claimed).remove(&self.key);
        self.claims.freed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
