//! Which stages are built, and when: those that the target needs, each as soon as those it needs are done.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use gantry_dockerfile::{Dockerfile, Instruction, Step};
use gantry_oci::image::{ImageConfig, RootFs};
use gantry_types::{Digest, Timestamp};

use crate::elsewhere::Source;
use crate::memory::{Memory, Remembered};
use crate::request::{Context, NamedContext, Plan};
use crate::stage::{Builder, State, globals};
use crate::variables::{Scope, platforms};
use crate::workshop::{Base, Imported, Layer, Teller, Told, Workshop};
use crate::{Error, Result};

/// The most stages of one build: each has a thread.
const MAX_STAGES: usize = 200;

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
    /// How many of them are of the image that it all begins with.
    pub base_layers: usize,
    /// The whole configuration.
    pub config: ImageConfig,
    /// How many entries of its history are of that image.
    pub base_history: usize,
    /// What steps of all stages gave, remembered or not, in no order.
    pub steps: Vec<Done>,
}

/// What a step gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The digest of all that it depends on.
    pub key: Digest,
    /// The layers that it lies on, the lowest first.
    pub below: Vec<Layer>,
    /// The layer that it made, if any.
    pub layer: Option<Layer>,
    /// When it was made.
    pub created: Timestamp,
    /// What it says, with the values of arguments that its command saw.
    pub text: String,
    /// What it says in the Dockerfile.
    pub written: String,
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
    done: Mutex<Vec<Done>>,
    /// Copies of the user's own directories, for commands that have them mounted.
    copies: Mutex<BTreeMap<String, Arc<OwnedFd>>>,
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
    let needed = needed(plan, target, &globals)?;
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
        done: Mutex::default(),
        copies: Mutex::default(),
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
    let steps = std::mem::take(&mut *lock(&site.done));
    Ok(finish(*state, plan, steps))
}

/// The configuration with all that the request adds.
fn finish(state: State, plan: &Plan, steps: Vec<Done>) -> Built {
    let State { layers, mut config, created, base: (base_layers, base_history), .. } = state;
    config.config.labels.extend(plan.request.labels.clone());
    let created = plan.request.epoch.or(created).unwrap_or(plan.request.now);
    config.created = Some(created.to_string());
    config.platform = plan.request.platform.clone();
    config.rootfs = RootFs {
        diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(),
        ..RootFs::default()
    };
    Built { layers, base_layers, config, base_history, steps }
}

fn target(dockerfile: &Dockerfile, wanted: Option<&str>) -> Result<usize> {
    let last = dockerfile.stages.len() - 1;
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(last) };
    let found = dockerfile.stage_before(last + 1, wanted);
    found.ok_or_else(|| Error::NoTarget(wanted.to_owned()))
}

/// The stages that a stage needs, itself included, in the order of the Dockerfile.
fn needed(
    plan: &Plan,
    target: usize,
    globals: &BTreeMap<String, String>,
) -> Result<BTreeSet<usize>> {
    let dockerfile = &plan.dockerfile;
    let mut needed = BTreeSet::new();
    let mut pending = vec![target];
    while let Some(number) = pending.pop() {
        if !needed.insert(number) {
            continue;
        }
        let stage = &dockerfile.stages[number];
        let base = base_name(dockerfile, number, globals)?;
        pending.extend(stage_meant(plan, number, &base));
        for word in stage.steps.iter().flat_map(|step| step.instruction.sources()) {
            pending.extend(stage_meant(plan, number, &word));
        }
    }
    Ok(needed)
}

/// The stage that a word in another one means. What the user gives a name comes first.
fn stage_meant(plan: &Plan, before: usize, word: &str) -> Option<usize> {
    let is_given = plan.context_named(word).is_some();
    plan.dockerfile.stage_before(before, word).filter(|_| !is_given)
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

    pub(crate) fn copies(&self) -> MutexGuard<'_, BTreeMap<String, Arc<OwnedFd>>> {
        lock(&self.copies)
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

    /// What people know a step by, or the beginning of a stage: see [`Told::Began`].
    pub(crate) fn label(&self, number: usize, step: Option<usize>) -> String {
        let makes = |step: &Step| {
            use Instruction::{Add, Copy, Run, Workdir};
            matches!(step.instruction, Run(_) | Copy(_) | Add(_) | Workdir(_))
        };
        let dockerfile = self.dockerfile();
        let stage = &dockerfile.stages[number];
        if step.is_some_and(|step| !makes(&stage.steps[step])) {
            return String::new();
        }
        let before =
            step.map_or(0, |step| stage.steps[..=step].iter().filter(|step| makes(step)).count());
        let all = stage.steps.iter().filter(|step| makes(step)).count() + 1;
        let place = format!("{}/{all}", before + 1);
        match &stage.from.name {
            _ if dockerfile.stages.len() == 1 => place,
            Some(name) => format!("{name} {place}"),
            None => format!("stage-{number} {place}"),
        }
    }

    /// Says that a step is not done.
    pub(crate) fn tell_failure(&self, number: usize, error: &Error) {
        self.teller.tell(Told::Failed { number, error: &gantry_types::error_chain(error) });
    }

    /// Waits for the stages that a step names.
    pub(crate) fn wait_for_sources(&self, number: usize, step: &Step) -> Result<()> {
        for word in step.instruction.sources() {
            let stage = self.dockerfile().stage_before(number, &word);
            if let Some(stage) = stage.filter(|stage| self.needed.contains(stage)) {
                self.wait_for(stage)?;
            }
        }
        Ok(())
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
        let earlier = stage_meant(self.plan, number, &base);
        let label = self.label(number, None);
        let (text, label) = (stage.text.as_str(), label.as_str());
        let begin =
            || self.teller.tell(Told::Began { number: step, total: self.total, text, label });
        // What it waits for has a beginning of its own.
        let state = if let Some(earlier) = earlier {
            self.wait_for(earlier)?.inherited()
        } else {
            begin();
            let base = self.base(&base, stage.from.platform.as_deref()).map_err(failed);
            State::new(base.inspect_err(|error| self.tell_failure(step, error))?)
        };
        if earlier.is_some() {
            begin();
        }
        self.teller.tell(Told::Ended { number: step, layer: None });
        let mut state = state;
        state.scope.arguments = BTreeMap::new();
        Builder { site: self, number, state, step }.build()
    }

    fn base(&self, name: &str, platform: Option<&str>) -> Result<Base> {
        if name.eq_ignore_ascii_case("scratch") {
            return Ok(Base { layers: Vec::new(), config: ImageConfig::default() });
        }
        let platform = match platform {
            None => self.plan.request.platform.clone(),
            Some(text) => {
                let scope = Scope { arguments: self.globals.clone(), ..Scope::default() };
                scope.word(self.dockerfile().escape, text)?.parse()?
            }
        };
        match self.plan.context_named(name) {
            Some(NamedContext::Files(context)) => self.base_of_files(context),
            Some(NamedContext::Image(image)) => self.workshop.image(image, &platform),
            None => self.workshop.image(name, &platform),
        }
    }

    /// A stage may begin with a folder of files: they are its only layer.
    fn base_of_files(&self, context: &Context) -> Result<Base> {
        let files = crate::transfer::all_of(context, &|| self.check_wanted())?;
        let layer = self.workshop.layer(&[], &mut |output| files.archive(output))?;
        Ok(Base { layers: layer.into_iter().collect(), config: ImageConfig::default() })
    }

    /// What a word after `from` in a stage means.
    pub(crate) fn source(&self, number: usize, word: &str) -> Result<Source<'_>> {
        let platform = &self.plan.request.platform;
        match self.plan.context_named(word) {
            Some(NamedContext::Files(context)) => return Ok(Source::Files(context)),
            Some(NamedContext::Image(image)) => {
                return Ok(Source::Image(self.workshop.image(image, platform)?.layers));
            }
            None => {}
        }
        match self.dockerfile().stage_before(number, word) {
            Some(stage) if self.needed.contains(&stage) => {
                Ok(Source::Stage(self.wait_for(stage)?.layers))
            }
            // Nobody builds it, and whoever waited for it would wait for ever.
            Some(_) => Err(Error::invalid(
                "source",
                word,
                "it comes from a trigger of the base image and names a stage of this Dockerfile, which is not built for it; name an image",
            )),
            None => Ok(Source::Image(self.workshop.image(word, platform)?.layers)),
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
        let is_here = |step: &Remembered| {
            step.layer.as_ref().is_none_or(|layer| self.workshop.has(below, layer))
        };
        if let Some(step) = self.memory.recall(key)?.filter(is_here) {
            self.memory.touch(key, request.now)?;
            return Ok(Some(step));
        }
        let Some(imported) = self.workshop.imported(key, below)? else { return Ok(None) };
        let (below, now) = (below.to_vec(), request.now);
        let Imported { layer, created, text } = imported;
        let step = Remembered { below, layer, created, used: now, uses: 1, text };
        self.memory.remember(key, &step)?;
        Ok(Some(step))
    }

    /// Notes what a step gave.
    pub(crate) fn note(&self, done: Done) {
        lock(&self.done).push(done);
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
            created: self.plan.request.moment(),
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
