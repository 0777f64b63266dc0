//! One build as its history will have it, while it goes on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gantry_build::Told;
use gantry_types::{Digest, error_chain};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::step_log::StepLog;
use super::{Kept, Status, StepTaken};
use crate::error::Error;
use crate::{Result, random};

/// Letters of an id.
const ID_LETTERS: usize = 24;
/// The most bytes of all logs of one build.
const MAX_LOG_BYTES: u64 = 16 << 20;
/// Parts of which no Dockerfile speaks have numbers from here on.
const PARTS: usize = 1 << 30;
/// The most bytes of a step's name.
const MAX_NAME: usize = 512;

/// What was to be built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// The client's own name for the build; empty where it has none.
    #[serde(default)]
    pub(crate) called: String,
    pub(crate) tags: Vec<String>,
    pub(crate) dockerfile: String,
    pub(crate) target: String,
    pub(crate) platform: String,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Chronicle {
    id: String,
    folder: PathBuf,
    is_cancelled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    kept: Kept,
    logs: HashMap<usize, StepLog>,
    /// How much the logs of later steps may take.
    bytes_left: u64,
}

impl Chronicle {
    pub(super) fn begin(subject: Subject, folder: &Path) -> Result<Self> {
        let id = random::hex(&random::bytes()?)[..ID_LETTERS].to_owned();
        let kept = Kept {
            id: id.clone(),
            subject,
            status: Status::Running,
            error: String::new(),
            began: gantry_sys::clock::now(),
            ended: None,
            image: None,
            steps: Vec::new(),
        };
        let state = State { kept, logs: HashMap::new(), bytes_left: MAX_LOG_BYTES };
        Ok(Self {
            folder: folder.join(&id),
            id,
            is_cancelled: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn kept(&self) -> Kept {
        self.state().kept.clone()
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.id == name || (!name.is_empty() && self.state().kept.subject.called == name)
    }

    /// Asks the build to end.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for a step that no other build's step has.
    pub(crate) fn digest_of(&self, number: usize) -> String {
        let text = format!("{}/{number}", self.id);
        Digest::sha256(Sha256::digest(text).into()).to_string()
    }

    /// Looks at a step.
    pub(crate) fn with_step<T>(
        &self,
        number: usize,
        look: impl FnOnce(&StepTaken) -> T,
    ) -> Option<T> {
        self.state().kept.steps.iter().find(|step| step.key == number).map(look)
    }

    /// The first step that failed.
    pub(crate) fn failed_step(&self) -> Option<usize> {
        let state = self.state();
        state.kept.steps.iter().find(|step| !step.error.is_empty()).map(|step| step.key)
    }

    /// A part begins of which no Dockerfile speaks; its number.
    pub(crate) fn begin_part(&self, name: &str) -> usize {
        let mut state = self.state();
        let number = PARTS + state.kept.steps.len();
        state.begin(number, name.to_owned());
        number
    }

    pub(crate) fn end_part(&self, number: usize) {
        self.state().end(number, "");
    }

    /// Writes down what is told; whether it is about a step that makes something.
    pub(crate) fn note(&self, told: Told<'_>) -> bool {
        let mut state = self.state();
        match told {
            Told::Began { label: "", .. } => return false,
            Told::Began { number, text, label, .. } => {
                state.begin(number, format!("[{label}] {text}"));
            }
            Told::Cached { number } => state.change(number, |step| step.is_cached = true),
            Told::Output { number, bytes } => state.log(number, bytes, &self.folder),
            Told::Ended { number, .. } => state.end(number, ""),
            Told::Failed { number, error } => state.end(number, error),
        }
        let (Told::Began { number, .. }
        | Told::Cached { number }
        | Told::Output { number, .. }
        | Told::Ended { number, .. }
        | Told::Failed { number, .. }) = told;
        state.kept.steps.iter().any(|step| step.key == number)
    }

    /// The build is over.
    pub(super) fn end(&self, result: Result<&Digest, &Error>) -> Kept {
        let mut state = self.state();
        let open: Vec<usize> = state
            .kept
            .steps
            .iter()
            .filter(|step| step.ended.is_none())
            .map(|step| step.key)
            .collect();
        let (status, error) = match result {
            Ok(image) => {
                state.kept.image = Some(image.clone());
                (Status::Completed, String::new())
            }
            Err(Error::Build(gantry_build::Error::Cancelled)) => {
                (Status::Canceled, "the build was canceled".to_owned())
            }
            Err(error) => (Status::Error, error_chain(error)),
        };
        for number in open {
            state.end(number, if error.is_empty() { "" } else { "canceled" });
        }
        state.kept.ended = Some(gantry_sys::clock::now());
        (state.kept.status, state.kept.error) = (status, error);
        state.kept.clone()
    }
}

impl State {
    fn begin(&mut self, number: usize, mut name: String) {
        if name.len() > MAX_NAME {
            let end = (0..=MAX_NAME).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
            name.truncate(end);
            name.push('…');
        }
        self.kept.steps.push(StepTaken {
            key: number,
            // A heredoc's lines would be many.
            name: name.replace('\n', " "),
            started: gantry_sys::clock::now(),
            ended: None,
            is_cached: false,
            error: String::new(),
            log_bytes: 0,
            kept_bytes: 0,
        });
    }

    fn change(&mut self, number: usize, change: impl FnOnce(&mut StepTaken)) {
        if let Some(step) = self.kept.steps.iter_mut().find(|step| step.key == number) {
            change(step);
        }
    }

    fn log(&mut self, number: usize, bytes: &[u8], folder: &Path) {
        self.change(number, |step| step.log_bytes += bytes.len() as u64);
        let limit = self.bytes_left;
        let path = || folder.join(number.to_string());
        self.logs.entry(number).or_insert_with(|| StepLog::new(path(), limit)).add(bytes);
    }

    fn end(&mut self, number: usize, error: &str) {
        let kept = self.logs.remove(&number).map_or(0, StepLog::finish);
        self.bytes_left = self.bytes_left.saturating_sub(kept);
        let now = gantry_sys::clock::now();
        self.change(number, |step| {
            step.ended = Some(now);
            error.clone_into(&mut step.error);
            step.kept_bytes = kept;
        });
    }
}
