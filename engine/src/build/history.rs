//! The history of builds: what each of them did, how long its steps took, and what their commands wrote. Bounded: the oldest go when
//! there are too many, or their logs take too much of the disk. No build fails because its history cannot be written.

mod chronicle;
mod step_log;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_api::build::{BuildDetails, BuildHistoryPruned, BuildStep, BuildSummary};
use gantry_db::{Db, Table};
use gantry_types::{Digest, Timestamp, error_chain};
use serde::{Deserialize, Serialize};

use super::caches::remove_tree;
use crate::archive_stream::Pieces;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, archive_stream};

pub(super) use chronicle::{Chronicle, Subject};

const BUILDS: Table<Kept> = Table::new("build-history");
/// The folder of logs, below the data root.
const FOLDER: &str = "build-history";
/// So many builds are kept.
const MAX_BUILDS: usize = 200;
/// So many bytes of their logs, together.
const MAX_BYTES: u64 = 256 << 20;

/// What is kept of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) subject: Subject,
    pub(super) status: Status,
    #[serde(default)]
    pub(super) error: String,
    pub(super) began: Timestamp,
    #[serde(default)]
    pub(super) ended: Option<Timestamp>,
    #[serde(default)]
    pub(super) image: Option<Digest>,
    /// How many there are in all, as far as they make something.
    #[serde(default)]
    pub(super) steps: Vec<StepTaken>,
}

/// How a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Running,
    Completed,
    Error,
    Canceled,
    Interrupted,
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepTaken {
    /// Its number in the Dockerfile, or that of a part of which no Dockerfile speaks.
    pub(super) key: usize,
    pub(super) name: String,
    pub(super) started: Timestamp,
    #[serde(default)]
    pub(super) ended: Option<Timestamp>,
    #[serde(default)]
    pub(super) is_cached: bool,
    #[serde(default)]
    pub(super) error: String,
    /// Bytes that its command wrote.
    #[serde(default)]
    pub(super) log_bytes: u64,
    /// So many of them are kept.
    #[serde(default)]
    pub(super) kept_bytes: u64,
}

/// The builds that go on, and those that were.
#[derive(Debug)]
pub(crate) struct History {
    db: Arc<Db>,
    folder: PathBuf,
    running: Mutex<HashMap<String, Arc<Chronicle>>>,
}

impl History {
    /// Over a database and a data root.
    pub(crate) fn new(db: Arc<Db>, data_root: &Path) -> Self {
        Self { db, folder: data_root.join(FOLDER), running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Chronicle>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A build begins.
    pub(super) fn begin(&self, subject: Subject) -> Result<Arc<Chronicle>> {
        let chronicle = Arc::new(Chronicle::begin(subject, &self.folder)?);
        self.write(&chronicle.kept());
        self.running().insert(chronicle.id().to_owned(), Arc::clone(&chronicle));
        Ok(chronicle)
    }

    /// A build that goes on: however it ends, its history has an end.
    pub(super) fn unended<'h>(&'h self, chronicle: &'h Chronicle) -> Unended<'h> {
        Unended { history: self, chronicle, is_over: false }
    }

    /// A build is over.
    fn end(&self, chronicle: &Chronicle, result: Result<&Digest, &Error>) {
        let kept = chronicle.end(result);
        self.write(&kept);
        self.running().remove(&kept.id);
        if let Err(error) = self.keep_within(MAX_BUILDS, MAX_BYTES) {
            tracing::warn!(error = error_chain(&error), "cannot shorten the history of builds");
        }
    }

    fn write(&self, kept: &Kept) {
        if let Err(error) = self.db.write(|tx| BUILDS.put(tx, &kept.id, kept)) {
            tracing::warn!(error = error_chain(&error), "cannot write the history of a build");
        }
    }

    /// All builds, the latest first.
    fn all(&self) -> Result<Vec<Kept>> {
        let rows = self.db.read(|tx| BUILDS.list(tx))?;
        let running = self.running();
        let now = |(id, kept)| {
            running.get(&id).map_or(kept, |chronicle: &Arc<Chronicle>| chronicle.kept())
        };
        let mut all: Vec<Kept> = rows.into_iter().map(now).collect();
        all.sort_by(|one, other| other.began.cmp(&one.began).then(other.id.cmp(&one.id)));
        Ok(all)
    }

    /// The build that a text means: an id, the unique beginning of one, or `latest`.
    fn find(&self, wanted: &str) -> Result<Kept> {
        let mut all = self.all()?;
        if wanted == "latest" && !all.is_empty() {
            return Ok(all.swap_remove(0));
        }
        let mut fit =
            all.into_iter().filter(|kept| !wanted.is_empty() && kept.id.starts_with(wanted));
        match (fit.next(), fit.next()) {
            (Some(found), None) => Ok(found),
            (Some(found), Some(_)) if found.id == wanted => Ok(found),
            (Some(_), Some(_)) => Err(Error::AmbiguousId(wanted.to_owned())),
            (None, _) => Err(Error::NoSuchBuild(wanted.to_owned())),
        }
    }

    fn remove(&self, kept: &[Kept]) -> Result<()> {
        self.db
            .write(|tx| kept.iter().try_for_each(|kept| BUILDS.remove(tx, &kept.id).map(drop)))?;
        kept.iter().try_for_each(|kept| match fs::exists(self.folder.join(&kept.id)) {
            Ok(true) => remove_tree(&self.folder, &kept.id),
            _ => Ok(()),
        })
    }

    fn keep_within(&self, count: usize, bytes: u64) -> Result<()> {
        let mut sum = 0_u64;
        let mut number = 0_usize;
        let mut too_many = self.all()?;
        too_many.retain(|kept| {
            number += 1;
            sum = sum.saturating_add(bytes_of(kept));
            kept.status != Status::Running && (number > count || sum > bytes)
        });
        if too_many.is_empty() { Ok(()) } else { self.remove(&too_many) }
    }

    /// After a start: builds that the daemon's end interrupted, and logs that belong to none.
    pub(super) fn reconcile(&self) -> Result<()> {
        for mut kept in self.all()? {
            if kept.status == Status::Running {
                kept.status = Status::Interrupted;
                "the daemon ended meanwhile".clone_into(&mut kept.error);
                self.write(&kept);
            }
        }
        let known: Vec<String> = self.all()?.into_iter().map(|kept| kept.id).collect();
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if !known.contains(&name) {
                remove_tree(&self.folder, &name)?;
            }
        }
        Ok(())
    }

    /// Ends the build that the user called by this name; whether there is one.
    fn cancel(&self, name: &str) -> bool {
        let running = self.running();
        let mut called = running.values().filter(|chronicle| chronicle.is_called(name)).peekable();
        let found = called.peek().is_some();
        called.for_each(|chronicle| chronicle.cancel());
        found
    }
}

/// See [`History::unended`].
pub(super) struct Unended<'h> {
    history: &'h History,
    chronicle: &'h Chronicle,
    is_over: bool,
}

impl Unended<'_> {
    /// It has ended so.
    pub(super) fn end(mut self, result: Result<&Digest, &Error>) {
        self.is_over = true;
        self.history.end(self.chronicle, result);
    }
}

impl Drop for Unended<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let reason = "it broke off in the middle: the daemon's log says why";
            self.history.end(self.chronicle, Err(&Error::invalid(reason)));
        }
    }
}

/// All builds that are known, the latest first.
pub async fn list(engine: &Engine) -> Result<Vec<BuildSummary>> {
    let engine = engine.clone();
    block(move || Ok(engine.build_history.all()?.iter().map(summary).collect())).await
}

/// One of them with its steps.
pub async fn inspect(engine: &Engine, id: String) -> Result<BuildDetails> {
    let engine = engine.clone();
    block(move || {
        let kept = engine.build_history.find(&id)?;
        let steps =
            kept.steps.iter().enumerate().map(|(index, step)| to_api(index, step)).collect();
        Ok(BuildDetails { summary: summary(&kept), steps })
    })
    .await
}

/// What its commands wrote, as far as it is kept: each step's name, its output, and why it failed.
pub async fn logs(engine: &Engine, id: String) -> Result<Pieces> {
    let engine = engine.clone();
    archive_stream::start("build-logs", move |opening| {
        let history = &engine.build_history;
        let kept = history.find(&id)?;
        let mut output = opening.begin();
        let failed = Error::file("send", "the log of a build");
        let mut write = || -> io::Result<()> {
            for (index, step) in kept.steps.iter().enumerate() {
                output.write_all(heading(index, step).as_bytes())?;
                let log = history.folder.join(&kept.id).join(step.key.to_string());
                if let Ok(mut log) = File::open(&log) {
                    io::copy(&mut log, &mut output)?;
                }
                if !step.error.is_empty() {
                    writeln!(output, "#{} ERROR: {}", index + 1, step.error)?;
                }
            }
            output.flush()
        };
        write().map_err(failed)
    })
    .await
}

fn heading(index: usize, step: &StepTaken) -> String {
    let took = match step.ended {
        Some(_) if step.is_cached => "CACHED".to_owned(),
        Some(ended) => {
            format!("{:.1}s", ended.since(step.started).as_secs_f64())
        }
        None => "...".to_owned(),
    };
    format!("#{} {} {took}\n", index + 1, step.name)
}

/// Forgets builds that are over.
pub async fn remove(engine: &Engine, id: String) -> Result<()> {
    let engine = engine.clone();
    block(move || {
        let kept = engine.build_history.find(&id)?;
        if kept.status == Status::Running {
            return Err(Error::BuildGoesOn(kept.id));
        }
        engine.build_history.remove(&[kept])
    })
    .await
}

/// Forgets all builds that are over.
pub async fn prune_history(engine: &Engine) -> Result<BuildHistoryPruned> {
    let engine = engine.clone();
    block(move || {
        let mut over = engine.build_history.all()?;
        over.retain(|kept| kept.status != Status::Running);
        engine.build_history.remove(&over)?;
        let space_reclaimed = over.iter().map(bytes_of).sum();
        let builds_deleted = over.into_iter().map(|kept| kept.id).collect();
        Ok(BuildHistoryPruned { builds_deleted, space_reclaimed })
    })
    .await
}

/// Ends a build that goes on, by the name that its client gave it or by its id; one that does not is no failure.
pub fn cancel(engine: &Engine, name: &str) {
    if !engine.build_history.cancel(name) {
        tracing::debug!(name, "no build of that name goes on");
    }
}

fn bytes_of(kept: &Kept) -> u64 {
    kept.steps.iter().map(|step| step.kept_bytes).sum()
}

fn summary(kept: &Kept) -> BuildSummary {
    let Subject { tags, dockerfile, target, platform, .. } = kept.subject.clone();
    let ended = kept.ended.unwrap_or_else(gantry_sys::clock::now);
    let count = |fits: &dyn Fn(&StepTaken) -> bool| {
        kept.steps.iter().filter(|step| fits(step)).count() as u64
    };
    let name = tags.first().cloned().unwrap_or_else(|| dockerfile.clone());
    BuildSummary {
        id: kept.id.clone(),
        name,
        tags,
        dockerfile,
        target,
        platform,
        status: match kept.status {
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Error => "error",
            Status::Canceled => "canceled",
            Status::Interrupted => "interrupted",
        }
        .to_owned(),
        error: kept.error.clone(),
        created_at: kept.began.to_string(),
        completed_at: kept.ended.map(|ended| ended.to_string()).unwrap_or_default(),
        duration: nanos(kept.began, ended),
        completed_steps: count(&|step| step.ended.is_some() && step.error.is_empty()),
        cached_steps: count(&|step| step.is_cached),
        total_steps: kept.steps.len() as u64,
        image_id: kept.image.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn to_api(index: usize, step: &StepTaken) -> BuildStep {
    let ended = step.ended.unwrap_or_else(gantry_sys::clock::now);
    BuildStep {
        number: index as u64 + 1,
        name: step.name.clone(),
        started_at: step.started.to_string(),
        completed_at: step.ended.map(|ended| ended.to_string()).unwrap_or_default(),
        duration: nanos(step.started, ended),
        cached: step.is_cached,
        error: step.error.clone(),
        log_bytes: step.log_bytes,
        log_bytes_left_out: step.log_bytes.saturating_sub(step.kept_bytes),
    }
}

fn nanos(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.since(from).as_nanos()).unwrap_or(i64::MAX)
}
