//! A launch, step by step: bundle, shim, task, attachers, process. Each step registers its undo.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use gantry_layers::{Durability, Recipe, RootfsMount};
use gantry_network::Endpoint;
use gantry_oci::runtime::Spec;
use gantry_shim_protocol::stdio::{Input, LogFormat as StdioFormat, LogTarget, Output};
use gantry_shim_protocol::task::Mount;
use gantry_shims::{CreateOptions, LaunchOptions, Shim};

use super::joined::{self, Joined};
use super::task::{Task, save};
use super::{
    announce, attach, bind_sources, block_devices, cdi, devices, endpoints, etc_files, health,
    leftovers, links, log_delivery, names, realtime, restart_policy, runtimes,
};
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{self, CgroupPlace, LogFormat, Sharing, SpecFacts};
use crate::record::{ContainerRecord, StartFailure, State};
use crate::rollback::Rollback;
use crate::{Result, apparmor, cgroups, selinux, volume};

/// The task's side of a start that somebody asks for: the restart policy begins anew.
pub(super) async fn launch_on_request(task: &mut Task) -> Result<()> {
    if task.record.state.is_paused() {
        return Err(Error::StartPaused);
    }
    if task.record.state.is_active() {
        return Err(Error::AlreadyIn { id: task.record.id.to_string(), state: "started" });
    }
    restart_policy::begin_anew(task);
    launch(task).await
}

/// Runs the container's process. On failure everything is as before, but for the failure in the record.
pub(super) async fn launch(task: &mut Task) -> Result<()> {
    if task.record.state.is_running() {
        return Err(Error::AlreadyIn { id: task.record.id.to_string(), state: "started" });
    }
    let mut rollback = Rollback::new();
    match steps(task, &mut rollback).await {
        Ok(()) => {
            rollback.keep();
            Ok(())
        }
        Err(error) => {
            task.shim = None;
            task.pending.clear();
            rollback.undo().await;
            task.record = without_endpoints(&task.record);
            record_failure(task, &error).await;
            Err(Error::Container {
                action: "start",
                id: task.record.id.to_string(),
                source: Box::new(error),
            })
        }
    }
}

/// What the undo gave back.
fn without_endpoints(record: &ContainerRecord) -> Arc<ContainerRecord> {
    Arc::new(ContainerRecord { endpoints: Vec::new(), ..ContainerRecord::clone(record) })
}

async fn steps(task: &mut Task, rollback: &mut Rollback) -> Result<()> {
    let _room = task.engine.rooms.enter(&task.record.id).await;
    let engine = task.engine.clone();
    let record = ContainerRecord {
        // The settings may be others than at its last start.
        cgroup: Some(cgroups::place_now(&engine, &task.record)?),
        ..ContainerRecord::clone(&task.record)
    };
    let record = Arc::new(record);
    task.record = Arc::clone(&record);
    let taken = std::mem::take(rollback);
    let (taken, created) = block(move || {
        let mut rollback = taken;
        let created = create_task(&engine, &record, None, &mut rollback);
        (rollback, created)
    })
    .await;
    *rollback = taken;
    let Waiting { shim, pid, endpoints } = created?;
    task.record = Arc::new(ContainerRecord {
        earlier_endpoints: ContainerRecord::remembered(&endpoints),
        endpoints,
        ..ContainerRecord::clone(&task.record)
    });
    task.run += 1;
    task.keep_once = false;
    task.expects_end = false;
    task.engine.failpoint("start-attach")?;
    // Before it says anything: clients ask for what it has said since then.
    let started_at = gantry_sys::clock::now();
    let record = ContainerRecord {
        state: State::Running { pid, started_at, paused: false },
        // Whatever started it: from now on only a new end is one that somebody wants.
        manually_stopped: false,
        health: health::at_start(&task.record),
        ..ContainerRecord::clone(&task.record)
    };
    // Before it runs: whoever finds the process shall know whose it is, and what it has.
    let before_start = Some(task.record.state.clone());
    let noted = Arc::new(ContainerRecord { before_start, ..record.clone() });
    let engine = task.engine.clone();
    let (noted, ()) = tokio::join!(save(&engine, &noted), attach::connect_pending(task, &shim));
    noted?;
    shim.on_exit("", task.exit_listener());
    task.engine.failpoint("start-process")?;
    let running = Arc::clone(&shim);
    block(move || running.start("")).await?;
    task.engine.failpoint("start-record")?;
    task.shim = Some(shim);
    task.show(Arc::new(record), false);
    let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
    block(move || names::tell_linked(&engine, &record)).await;
    announce::tell(&task.engine, &task.record, "start");
    log_delivery::begin(&task.engine, &task.record, task.snapshots());
    health::begin(task);
    Ok(())
}

/// A task whose process waits at its gate.
pub(crate) struct Waiting {
    pub(crate) shim: Arc<Shim>,
    pub(crate) pid: u32,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// Finds the shim in which a container is a guest.
pub(crate) type Host<'a> = &'a (dyn Fn() -> Result<Arc<Shim>> + Sync);

/// Bundle, shim and task; the process waits at its gate afterwards. Without a host the container gets a shim of its own.
pub(crate) fn create_task(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    host: Option<Host<'_>>,
    rollback: &mut Rollback,
) -> Result<Waiting> {
    log_delivery::prepare(engine, record, rollback)?;
    bind_sources::prepare(&record.plan)?;
    // Held until the process has entered it.
    let joined = joined::find(engine, record)?;
    let found = Arc::new(volume::take(engine, record, rollback)?);
    let cgroup = cgroups::place_of(engine, record)?;
    let facts = spec_facts(engine, record, &joined)?;
    let environment = links::environment(engine, record)?;
    let facts = SpecFacts { sources: found.sources.clone(), environment, ..facts };
    realtime::provide(engine, record)?;
    let mut spec = plan::to_spec(&record.plan, &facts);
    if let Some(process) = &mut spec.process {
        apparmor::provide(&engine.host, process)?;
        selinux::provide(process);
    }
    // Undone after the shim: one that is slow to answer may still be at work on the mounts.
    let held = Arc::clone(&found);
    rollback.on_failure(move || drop(held));
    engine.failpoint("start-network")?;
    let (places, Launched { shim, bundle, recipe }) =
        place_and_launch(engine, record, (&spec, &cgroup, host), rollback)?;
    engine.failpoint("start-task")?;
    let options = runtimes::options(engine, record, &cgroup)?;
    let staged = joined.stage(&bundle)?;
    let (stdin, stdout, stderr) = stdio(engine, record);
    let label = selinux::mount_label(&record.plan);
    let pid = shim.create(&CreateOptions {
        rootfs: recipe.iter().map(|it| mount(it, label)).collect(),
        terminal: record.plan.tty(),
        stdin: stdin.to_string(),
        stdout: stdout.to_string(),
        stderr: stderr.to_string(),
        options,
    })?;
    engine.failpoint("start-plug")?;
    let undo = (engine.clone(), Arc::clone(record));
    rollback.on_failure(move || undo.0.dns.stop(undo.1.id.as_str()));
    endpoints::plug_in(engine, record, (&places, pid), rollback)?;
    drop((staged, joined, found));
    Ok(Waiting { shim, pid, endpoints: places })
}

/// A shim that has no task yet.
struct Launched {
    shim: Arc<Shim>,
    bundle: PathBuf,
    recipe: Arc<Recipe>,
}

/// The container's places in its networks, and its shim: neither has to wait for the other.
fn place_and_launch(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    container: (&Spec, &CgroupPlace, Option<Host<'_>>),
    rollback: &mut Rollback,
) -> Result<(Vec<Endpoint>, Launched)> {
    let mut steps = Rollback::new();
    let (placed, launched) = thread::scope(|scope| {
        let placing = thread::Builder::new().name("place".to_owned()).spawn_scoped(scope, || {
            let mut taken = Rollback::new();
            (place(engine, record, &mut taken), taken)
        });
        let placing = placing.map_err(Error::file("start a thread for", "addresses and ports"))?;
        // Here and not there: it waits for the shim most of the time, and where both are on one processor that is the other's time.
        let launched = launch_shim(engine, record, container, &mut steps);
        let placed = placing.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok::<_, Error>((placed, launched))
    })?;
    let (places, taken) = placed;
    rollback.append(taken);
    // The shim goes before what its container has.
    rollback.append(steps);
    Ok((places?, launched?))
}

fn place(
    engine: &Engine,
    record: &ContainerRecord,
    rollback: &mut Rollback,
) -> Result<Vec<Endpoint>> {
    let places = endpoints::take(engine, record, rollback)?;
    // What is mounted into the container has to be there before it is.
    let placed = ContainerRecord { endpoints: places.clone(), ..record.clone() };
    etc_files::refresh(engine, &placed)?;
    Ok(places)
}

fn launch_shim(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    (spec, cgroup, host): (&Spec, &CgroupPlace, Option<Host<'_>>),
    rollback: &mut Rollback,
) -> Result<Launched> {
    engine.failpoint("start-bundle")?;
    let id = record.id.as_str();
    leftovers::clear(engine, id, &cgroup.path);
    let bundle = engine.settings.bundle(id);
    write_bundle(&bundle, spec, rollback)?;
    engine.failpoint("start-shim")?;
    let recipe = Arc::new(recipe(engine, record)?);
    let held = Arc::clone(&recipe);
    rollback.on_failure(move || drop(held));
    let shim = match host {
        Some(find) => find()?.guest(&bundle, id),
        None => engine.shims.launch(&LaunchOptions {
            binary: engine.settings.shim.clone(),
            bundle: bundle.clone(),
            id: id.to_owned(),
        })?,
    };
    let shim = Arc::new(shim);
    let undo = (engine.clone(), Arc::clone(&shim), Arc::clone(record));
    rollback.on_failure(move || leftovers::take_down(&undo.0, &undo.1, &undo.2));
    Ok(Launched { shim, bundle, recipe })
}

pub(crate) fn write_bundle(bundle: &Path, spec: &Spec, rollback: &mut Rollback) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(bundle)
        .map_err(Error::file("create directory", bundle))?;
    let undo = bundle.to_owned();
    // A shim that was killed leaves the container's root mounted in there.
    rollback.on_failure(move || leftovers::remove_bundle(&undo));
    let path = bundle.join("config.json");
    let text = serde_json::to_vec(spec).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(&path, text)).map_err(Error::file("write", path))
}

/// Where the process's streams go, as the shim is told.
fn stdio(engine: &Engine, record: &ContainerRecord) -> (Input, Output, Output) {
    let config = &record.plan.config;
    let stdin =
        if config.open_stdin { Input::Relay { once: config.stdin_once } } else { Input::Null };
    let dir = engine.settings.container_dir(record.id.as_str());
    let log = record.plan.log.as_ref().map(|log| LogTarget {
        format: match log.format {
            LogFormat::JsonFile => StdioFormat::JsonFile,
            LogFormat::Local => StdioFormat::Local,
        },
        path: log.path(&dir),
        max_size_bytes: (log.max_size_bytes < u64::MAX).then_some(log.max_size_bytes),
        max_files: log.max_files,
    });
    let output = Output::Relay(log);
    let stderr = if config.tty { Output::Null } else { output.clone() };
    (stdin, output, stderr)
}

fn spec_facts(engine: &Engine, record: &ContainerRecord, joined: &Joined) -> Result<SpecFacts> {
    let host = &record.plan.host_config;
    let defaults = &engine.live().containers;
    // Beside processes that are not its own, an init would neither be the first nor get their orphans.
    let wants_init = host.init.unwrap_or(defaults.init) && record.plan.pid == Sharing::Own;
    Ok(SpecFacts {
        container_dir: engine
            .settings
            .container_dir(joined.container.as_deref().unwrap_or(record.id.as_str())),
        joined: joined.paths(),
        init: wants_init.then(|| engine.settings.init.clone()),
        devices: devices::given(host)?,
        host_queues: Path::new("/dev/mqueue").exists(),
        block_io: block_devices::limits(host)?,
        edits: cdi::edits_for(&host.device_requests, defaults)?,
        cgroup_path: cgroups::place_of(engine, record)?.document_path().to_owned(),
        mount_label: selinux::mount_label(&record.plan).unwrap_or_default().to_owned(),
        recursive_read_only: engine.host.recursive_read_only,
        network_sysctls: engine.host.network_sysctls,
        sources: BTreeMap::new(),
        environment: Vec::new(),
    })
}

/// The mounts that make the container's root, for the shim to make.
fn recipe(engine: &Engine, record: &ContainerRecord) -> Result<Recipe> {
    let durability = if record.plan.host_config.auto_remove {
        Durability::Volatile
    } else {
        Durability::Durable
    };
    if let Some(label) = selinux::mount_label(&record.plan) {
        // Files that were put there while nothing was mounted, and all of them when the host has labelled its files anew.
        let upper = engine.layers.directories(record.id.as_str(), &record.image.chain)?.upper;
        selinux::relabel_once(&upper, label)?;
    }
    let namespace = record.plan.user_namespace.as_ref();
    let namespace = namespace.map(|wanted| engine.user_namespaces.get(wanted)).transpose()?;
    let namespace = namespace.as_deref().map(AsFd::as_fd);
    Ok(engine.layers.recipe_with(record.id.as_str(), &record.image.chain, durability, namespace)?)
}

/// With SELinux all of the root's files have one label, whatever the layers' own is.
fn mount(mount: &RootfsMount, label: Option<&str>) -> Mount {
    let RootfsMount { kind, source, mut options } = mount.clone();
    options.extend(label.map(|label| format!("context=\"{label}\"")));
    Mount { kind, source, options, ..Mount::default() }
}

/// Keeps the failure for `inspect`, with the exit code that a shell would give.
async fn record_failure(task: &mut Task, error: &Error) {
    let message = gantry_types::error_chain(error);
    let failure = Some(StartFailure { code: failure_code(&message), message });
    let state = match task.record.state.clone() {
        State::Exited { code, started_at, finished_at, oom_killed, restarting, .. } => {
            State::Exited { code, started_at, finished_at, oom_killed, failure, restarting }
        }
        _ => State::Created { failure },
    };
    if let Err(error) = task.enter(state).await {
        tracing::warn!(error = gantry_types::error_chain(&error), id = %task.record.id, "cannot record a failed start");
    }
}

/// 127 when the program is not there, 126 when it cannot be run, else 128: told by the runtime's words, which are
/// contract (the docker command line reads them the same way).
fn failure_code(message: &str) -> u8 {
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if says(&["executable file not found", "no such file or directory"]) {
        127
    } else if says(&["permission denied", "is a directory", "exec format error"]) {
        126
    } else {
        128
    }
}
