//! What a build says of itself: in the words of Docker's builder, which clients look for, or step by step; and to its history.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_api::build::progress::{self, BuildFailure, BuildStatus, Vertex, VertexLog};
use gantry_api::image::ProgressMessage;
use gantry_build::{Teller, Told};
use gantry_types::Digest;
use tokio::sync::mpsc;

use super::history::Chronicle;
use crate::Result;
use crate::error::Error;

/// Letters of a digest that people read.
const SHORT: usize = 12;
/// Lines of a Dockerfile that are shown above and below a step that failed.
const AROUND: usize = 2;

/// No Dockerfile has so many steps, as a power of two: its length is limited.
const STEP_BITS: u32 = 24;

/// How long somebody waits before asking whether a build was called off.
const PAUSE: Duration = Duration::from_millis(200);

/// How a client wants to hear of a build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Telling {
    /// Lines to be printed, as Docker's builder writes them.
    #[default]
    Lines,
    /// The image's id at the end, and nothing else.
    Quiet,
    /// Each step with its times.
    Steps,
}

/// Whoever waits for a build: its client, as long as nobody has called the build off.
#[derive(Clone)]
pub(super) struct Listener {
    messages: mpsc::Sender<ProgressMessage>,
    chronicle: Arc<Chronicle>,
}

impl Listener {
    pub(super) fn new(messages: mpsc::Sender<ProgressMessage>, chronicle: Arc<Chronicle>) -> Self {
        Self { messages, chronicle }
    }

    /// Returns when nobody waits any more.
    pub(super) async fn gone(&self) {
        while !self.chronicle.is_cancelled() {
            tokio::select! {
                () = self.messages.closed() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.messages.is_closed() || self.chronicle.is_cancelled()
    }

    /// Fails when nobody waits any more.
    pub(super) fn check(&self) -> gantry_build::Result<()> {
        if self.is_gone() { Err(gantry_build::Error::Cancelled) } else { Ok(()) }
    }

    /// The result of what was done for whoever waits: where nobody does any more, that is why it failed.
    pub(super) fn judge<T>(&self, result: Result<T>) -> Result<T> {
        result.or_else(|error| self.check().map_err(Error::Build).and(Err(error)))
    }

    /// Says one thing; waits for a client that is slow. One that has gone is seen by `is_gone`.
    pub(super) async fn tell(&self, message: ProgressMessage) {
        drop(self.messages.send(message).await);
    }

    /// The same, on a thread that may block.
    pub(super) fn say(&self, message: ProgressMessage) {
        drop(self.messages.blocking_send(message));
    }
}

/// Says how a build goes to one client, and writes it down.
pub(super) struct Report<'a> {
    listener: &'a Listener,
    telling: Telling,
}

impl<'a> Report<'a> {
    pub(super) fn new(listener: &'a Listener, telling: Telling) -> Self {
        Self { listener, telling }
    }

    /// A part of the build that no Dockerfile speaks of begins; it ends with what is returned.
    pub(super) fn part(&self, name: &str) -> Part<'_, 'a> {
        let number = self.listener.chronicle.begin_part(name);
        self.say(self.vertex(number));
        Part { report: self, number }
    }

    /// Shows where in the Dockerfile a build failed.
    pub(super) fn failed(
        &self,
        error: &gantry_build::Error,
        dockerfile: &str,
        kept: Option<&Digest>,
    ) {
        let gantry_build::Error::Step { span, source, .. } = error else { return };
        if self.telling != Telling::Steps {
            return;
        }
        let exit_code = match &**source {
            gantry_build::Error::Command { code, .. } => i64::from(*code),
            _ => 0,
        };
        let lines = dockerfile.lines().enumerate().map(|(index, line)| (index + 1, line));
        let near = lines
            .filter(|(number, _)| number + AROUND >= span.first && *number <= span.last + AROUND);
        let failure = BuildFailure {
            first_line: span.first as u64,
            last_line: span.last as u64,
            source: near.map(|(number, line)| (number as u64, line.to_owned())).collect(),
            exit_code,
            image: kept.map(ToString::to_string).unwrap_or_default(),
            vertex: self.listener.chronicle.failed_step().map(|number| self.name_of(number)),
        };
        self.send(progress::FAILURE_ID, serde_json::to_value(failure));
    }

    fn name_of(&self, number: usize) -> String {
        self.listener.chronicle.digest_of(number)
    }

    /// A step as it is now.
    fn vertex(&self, number: usize) -> BuildStatus {
        let vertexes = self.listener.chronicle.with_step(number, |step| Vertex {
            digest: self.name_of(number),
            name: step.name.clone(),
            started: Some(step.started.to_string()),
            completed: step.ended.map(|ended| ended.to_string()),
            cached: step.is_cached,
            error: step.error.clone(),
        });
        BuildStatus { vertexes: vertexes.into_iter().collect(), ..BuildStatus::default() }
    }

    fn say(&self, status: BuildStatus) {
        if self.telling == Telling::Steps {
            self.send(progress::ID, serde_json::to_value(status));
        }
    }

    fn send(&self, id: &str, document: serde_json::Result<serde_json::Value>) {
        // Made of texts and numbers alone: it can be written.
        let Ok(document) = document else { return };
        let message = ProgressMessage {
            id: id.to_owned(),
            aux: Some(document),
            ..ProgressMessage::default()
        };
        self.listener.say(message);
    }

    /// How the build for one platform goes, of several where it has a name.
    pub(super) fn course(&self, index: usize, platform: Option<String>) -> Course<'_, 'a> {
        Course { report: self, first: index << STEP_BITS, platform }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.listener.is_gone()
    }
}

/// What a build for one platform says: its steps have numbers of their own, and its name where there are several.
pub(super) struct Course<'r, 'a> {
    report: &'r Report<'a>,
    /// What numbers begin from.
    first: usize,
    platform: Option<String>,
}

impl Course<'_, '_> {
    /// A step's label after the platform's name, or alone.
    fn with_platform<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.platform {
            None => Cow::Borrowed(text),
            Some(platform) => Cow::Owned(format!("{platform} {text}")),
        }
    }

    /// The same by the number that no other platform's step has.
    fn numbered<'t>(&self, told: Told<'t>, name: &'t str) -> Told<'t> {
        let first = self.first;
        match told {
            Told::Began { number, total, text, .. } => {
                Told::Began { number: first + number, total, text, label: name }
            }
            Told::Cached { number } => Told::Cached { number: first + number },
            Told::Output { number, bytes } => Told::Output { number: first + number, bytes },
            Told::Ended { number, layer } => Told::Ended { number: first + number, layer },
            Told::Failed { number, error } => Told::Failed { number: first + number, error },
        }
    }

    fn line(&self, told: Told<'_>) {
        let line: Cow<'_, str> = match told {
            Told::Began { number, total, text, .. } => {
                let number = number - self.first;
                let platform = self.platform.iter().map(|name| format!("[{name}] "));
                let platform: String = platform.collect();
                format!("Step {number}/{total} : {platform}{text}\n").into()
            }
            Told::Cached { .. } => " ---> Using cache\n".into(),
            Told::Output { bytes, .. } => String::from_utf8_lossy(bytes),
            Told::Ended { layer: Some(layer), .. } => {
                format!(" ---> {}\n", &layer.hex()[..SHORT]).into()
            }
            Told::Ended { layer: None, .. } | Told::Failed { .. } => return,
        };
        self.report.listener.say(ProgressMessage::stream(line.into_owned()));
    }
}

fn number_of(told: &Told<'_>) -> usize {
    match told {
        Told::Began { number, .. }
        | Told::Cached { number }
        | Told::Output { number, .. }
        | Told::Ended { number, .. }
        | Told::Failed { number, .. } => *number,
    }
}

impl Teller for Course<'_, '_> {
    fn tell(&self, told: Told<'_>) {
        let label = match told {
            Told::Began { label, .. } if !label.is_empty() => self.with_platform(label),
            _ => Cow::Borrowed(""),
        };
        let told = self.numbered(told, &label);
        let number = number_of(&told);
        let report = self.report;
        let is_known = report.listener.chronicle.note(told);
        match report.telling {
            Telling::Quiet => {}
            Telling::Lines => self.line(told),
            // What makes nothing takes no time, and nobody wants to read of it.
            Telling::Steps if !is_known => {}
            Telling::Steps => match told {
                Told::Output { bytes, .. } => {
                    let log = VertexLog {
                        vertex: report.name_of(number),
                        stream: 1,
                        data: STANDARD.encode(bytes),
                        timestamp: gantry_sys::clock::now().to_string(),
                    };
                    report.say(BuildStatus { logs: vec![log], ..BuildStatus::default() });
                }
                _ => report.say(report.vertex(number)),
            },
        }
    }

    fn is_alone(&self) -> bool {
        self.report.is_alone()
    }
}

/// A part that goes on; dropped, it has ended.
pub(super) struct Part<'r, 'a> {
    report: &'r Report<'a>,
    number: usize,
}

impl Drop for Part<'_, '_> {
    fn drop(&mut self) {
        self.report.listener.chronicle.end_part(self.number);
        self.report.say(self.report.vertex(self.number));
    }
}

/// What is said at the end.
pub(super) fn of_result(id: &Digest, names: &[String], telling: Telling) -> Vec<ProgressMessage> {
    if telling == Telling::Quiet {
        return vec![ProgressMessage::stream(format!("{id}\n"))];
    }
    let aux = ProgressMessage {
        aux: Some(serde_json::json!({ "ID": id.to_string() })),
        ..ProgressMessage::default()
    };
    let built = ProgressMessage::stream(format!("Successfully built {}\n", &id.hex()[..SHORT]));
    let tagged =
        names.iter().map(|name| ProgressMessage::stream(format!("Successfully tagged {name}\n")));
    [aux, built].into_iter().chain(tagged).collect()
}
