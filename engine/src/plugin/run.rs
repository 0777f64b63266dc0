//! A plugin's run: its shim and process, from the first step until it listens, and its end.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gantry_plugins::Running;
use gantry_plugins::managed::{Record, kinds};
use gantry_shim_protocol::stdio::{Input, LogFormat, LogTarget, Output};
use gantry_shim_protocol::task::Mount;
use gantry_shims::{CreateOptions, LaunchOptions, Shim};
use gantry_types::{Signal, error_chain};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};

use super::enable::patience;
use super::spec;
use crate::Result;
use crate::blocking::block;
use crate::cgroups;
use crate::container::launch::write_bundle;
use crate::container::{leftovers, own_runtime_options};
use crate::engine::Engine;
use crate::error::Error;
use crate::rollback::Rollback;

/// How long a plugin may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks for its socket.
const PAUSE: Duration = Duration::from_millis(10);
/// What is kept of what a plugin says.
const LOG_BYTES: u64 = 1 << 20;
/// How much of that an error tells.
const TOLD_BYTES: usize = 2000;

/// The plugins that run, by id.
#[derive(Default)]
pub(crate) struct Runs(Mutex<Table>);

#[derive(Default)]
struct Table {
    runs: HashMap<String, Run>,
    count: u64,
}

/// One run of a plugin.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) shim: Arc<Shim>,
    began: Instant,
}

impl Run {
    /// For how long it went on, when it has just ended.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, id: &str, shim: Shim) -> Run {
        let mut table = self.lock();
        table.count += 1;
        let run = Run { number: table.count, shim: Arc::new(shim), began: Instant::now() };
        table.runs.insert(id.to_owned(), run.clone());
        run
    }

    pub(super) fn take(&self, id: &str) -> Option<Run> {
        self.lock().runs.remove(id)
    }

    /// The number of the plugin's latest run; nothing when it has none, or was ended on purpose.
    pub(super) fn latest(&self, id: &str) -> Option<u64> {
        self.lock().runs.get(id).map(|run| run.number)
    }
}

/// Runs a plugin and waits until it listens, or `is_given_up`; from then on it is found. Nothing is left after a failure.
pub(super) async fn start(
    engine: &Engine,
    record: &Record,
    is_given_up: impl Fn() -> bool + Send + 'static,
) -> Result<Run> {
    let (engine, record) = (engine.clone(), record.clone());
    block(move || {
        let mut rollback = Rollback::new();
        let shim = steps((&engine, &record), &is_given_up, &mut rollback)?;
        rollback.keep();
        let run = engine.plugin_runs.add(&record.id, shim);
        found(&engine, &record);
        Ok(run)
    })
    .await
}

/// Lets a plugin that runs be found.
pub(super) fn found(engine: &Engine, record: &Record) {
    engine.plugins.add(Running {
        name: record.name.clone(),
        socket: engine.settings.plugin_sockets(&record.id).join(&record.config.interface.socket),
        kinds: kinds(&record.config),
    });
}

fn steps(
    (engine, record): (&Engine, &Record),
    is_given_up: &dyn Fn() -> bool,
    rollback: &mut Rollback,
) -> Result<Shim> {
    let container = spec::container(engine, record)?;
    clear(engine, record);
    let undo = (engine.clone(), record.clone());
    rollback.on_failure(move || clear(&undo.0, &undo.1));
    for dir in
        [engine.settings.plugin_sockets(&record.id), engine.settings.plugin_logging(&record.id)]
    {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(Error::file("create directory", &dir))?;
    }
    if !record.config.propagated_mount.is_empty() {
        share(&engine.managed_plugins.propagated(&record.id))?;
    }
    let spec = spec::spec(engine, record, &container)?;
    let bundle = engine.settings.plugin_bundle(&record.id);
    write_bundle(&bundle, &spec, rollback)?;
    engine.failpoint("plugin-shim")?;
    let shim = engine.shims.launch(&LaunchOptions {
        binary: engine.settings.shim.clone(),
        bundle,
        id: record.id.clone(),
    })?;
    let output = Output::Relay(Some(LogTarget {
        format: LogFormat::JsonFile,
        path: log_path(engine, record),
        max_size_bytes: Some(LOG_BYTES),
        max_files: 2,
    }));
    let created = shim.create(&CreateOptions {
        rootfs: vec![Mount {
            kind: "bind".to_owned(),
            source: engine.managed_plugins.rootfs(&record.id).to_string_lossy().into_owned(),
            options: vec!["rbind".to_owned(), "rw".to_owned()],
            ..Mount::default()
        }],
        terminal: false,
        stdin: Input::Null.to_string(),
        stdout: output.to_string(),
        stderr: output.to_string(),
        options: own_runtime_options(&cgroups::place_of(engine, &container)?),
    });
    let begun = created.and_then(|_| shim.start("")).map_err(Error::from);
    let begun = begun.and_then(|_| wait(engine, record, &shim, is_given_up));
    if let Err(error) = begun {
        shim.dismiss();
        cgroups::reap(engine, &cgroups::path_of(engine, &container));
        return Err(error);
    }
    Ok(shim)
}

fn log_path(engine: &Engine, record: &Record) -> std::path::PathBuf {
    engine.managed_plugins.dir(&record.id).join("plugin.log")
}

/// A directory whose mounts go to and fro between the plugin and the host.
fn share(dir: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(dir);
    made.map_err(Error::file("create directory", dir))?;
    let failed = |errno: rustix::io::Errno| Error::file("share the mounts of", dir)(errno.into());
    mount_bind(dir, dir).map_err(failed)?;
    let flags = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    mount_change(dir, flags).map_err(failed)
}

/// Until somebody listens at the plugin's socket.
fn wait(
    engine: &Engine,
    record: &Record,
    shim: &Shim,
    is_given_up: &dyn Fn() -> bool,
) -> Result<()> {
    let socket = engine.settings.plugin_sockets(&record.id).join(&record.config.interface.socket);
    let limit = patience(record);
    // None for more seconds than there will be.
    let deadline = Instant::now().checked_add(limit);
    let (sender, ended) = std::sync::mpsc::sync_channel(1);
    shim.on_exit("", move |notice| sender.try_send(notice).unwrap_or_default());
    let failed = |reason: String| Error::PluginStart {
        name: record.familiar(),
        reason: format!("{reason}{}", last_words(engine, record)),
    };
    loop {
        let is_there = fs::symlink_metadata(&socket).is_ok_and(|it| it.file_type().is_socket());
        if is_there && gantry_plugins::listens(&socket) {
            return Ok(());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let socket = &record.config.interface.socket;
            return Err(failed(format!(
                "it does not listen at {socket} after {} s",
                limit.as_secs()
            )));
        }
        if is_given_up() {
            return Err(failed("somebody ends it while it starts".to_owned()));
        }
        match ended.recv_timeout(PAUSE) {
            Ok(notice) => return Err(failed(format!("it has ended at once ({notice:?})"))),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(PAUSE),
        }
    }
}

/// The end of what it said, for whoever looks for the reason.
fn last_words(engine: &Engine, record: &Record) -> String {
    let text = fs::read_to_string(log_path(engine, record)).unwrap_or_default();
    let said: Vec<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|line| Some(line.get("log")?.as_str()?.to_owned()))
        .collect();
    let said = said.concat();
    let said: Vec<char> = said.trim().chars().collect();
    let said: String = said[said.len().saturating_sub(TOLD_BYTES)..].iter().collect();
    if said.is_empty() { said } else { format!("; it said: {said}") }
}

/// Ends a plugin's run, which is not found any more. What cannot be ended is told in the log.
pub(super) async fn stop(engine: &Engine, record: &Record) {
    let (engine, record) = (engine.clone(), record.clone());
    block(move || {
        engine.plugins.take_away(&record.name);
        if let Some(run) = engine.plugin_runs.take(&record.id) {
            if heeds_term(&run.shim) {
                match run.shim.kill("", Signal::TERM) {
                    Ok(()) => drop(run.shim.wait("", GRACE)),
                    Err(error) => {
                        tracing::debug!(error = error_chain(&error), "a plugin has ended already");
                    }
                }
            }
            run.shim.dismiss();
        }
        clear(&engine, &record);
    })
    .await;
}

/// Whether the plugin does something on SIGTERM. The first process of a pid namespace that has no handler never hears of it, and
/// waiting for its end would be in vain.
fn heeds_term(shim: &Shim) -> bool {
    const TERM_BIT: u64 = 1 << 14;
    let status = shim
        .identify()
        .ok()
        .and_then(|pids| fs::read_to_string(format!("/proc/{}/status", pids.task_pid)).ok());
    let caught = status.as_deref().and_then(|text| {
        let digits = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(digits.trim(), 16).ok()
    });
    caught.is_none_or(|mask| mask & TERM_BIT != 0)
}

/// Takes away whatever a run has left: its shim, processes, bundle, sockets and mounts. Blocks.
pub(super) fn clear(engine: &Engine, record: &Record) {
    clear_run(engine, &record.id);
    drop(fs::remove_file(log_path(engine, record)));
}

/// [`clear`] for what may belong to no plugin any more.
pub(super) fn clear_run(engine: &Engine, id: &str) {
    let bundle = engine.settings.plugin_bundle(id);
    if bundle.exists() {
        if let Some(shim) = leftovers::find_shim(&engine.shims, &bundle, id) {
            shim.dismiss();
        }
        match cgroups::by_settings(engine, id) {
            Ok(cgroup) => cgroups::reap(engine, &cgroup.path),
            Err(error) => {
                tracing::warn!(error = error_chain(&error), id, "cannot tell a plugin's cgroup");
            }
        }
        leftovers::unmount(&bundle);
    }
    leftovers::unmount_all(&engine.managed_plugins.propagated(id));
    let dir = engine.settings.plugin_dir(id);
    if let Err(error) = fs::remove_dir_all(&dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(error = error_chain(&error), path = %dir.display(), "cannot remove what a plugin left");
    }
}
