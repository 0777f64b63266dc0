//! A command of a build: a container that nobody lists, from its beginning to what it has written.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gantry_api::container::{Config, CreateRequest, DeviceRequest, HostConfig};
use gantry_api::image::ImageConfig;
use gantry_build::{Execution, RunNetwork};
use gantry_layers::Outlined;
use gantry_shim_protocol::attach::{AttachHeader, Streams};
use gantry_shims::{ExitNotice, Shim};
use gantry_types::{ContainerId, Digest, ErrorKind, Timestamp};

use super::emulation;
use super::full;
use super::mounts::{self, LaidOut};
use super::secrets::Secrets;
use super::workshop::Bench;
use crate::container::{create, launch};
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{self, ContainerPlan, Surroundings};
use crate::record::{ContainerRecord, ImageUsed};
use crate::rollback::Rollback;
use crate::{Result, random, selinux};

/// How long a command is waited for before asking whether it is still wanted.
const PAUSE: Duration = Duration::from_millis(200);
/// A frame's header.
const HEADER: usize = 8;

/// A command that has ended.
pub(super) struct Ran {
    engine: Engine,
    record: Arc<ContainerRecord>,
    pub(super) code: u8,
    /// Takes the container's files away when it is dropped.
    _files: Rollback,
}

impl Ran {
    /// Writes what the command has written, with nothing in it that is later than `latest`.
    pub(super) fn archive(&self, output: &mut dyn Write, latest: Option<Timestamp>) -> Result<()> {
        let points = plan::mount_points(&self.record.plan);
        let points = points.iter().map(String::as_bytes);
        let chain = &self.record.image.chain;
        let written = self.engine.layers.look_at_written(self.record.id.as_str(), chain, points)?;
        Ok(written.archive_as_of(output, latest)?)
    }

    /// The same, told in a way that lets it become a layer where it lies; none when nothing is written.
    pub(super) fn outline(&self, output: &mut dyn Write) -> Result<Option<Outlined>> {
        let points = plan::mount_points(&self.record.plan);
        let points = points.iter().map(String::as_bytes);
        let (id, chain) = (self.record.id.as_str(), &self.record.image.chain);
        if self.engine.selinux.is_on() {
            self.engine.selinux.label_layer(&self.engine.layers.directories(id, chain)?.upper)?;
        }
        Ok(self.engine.layers.outline_written(id, chain, points, output)?)
    }
}

/// What a command's output goes to, and whether the command is still wanted: an error ends it.
pub(super) struct Audience<'a> {
    pub(super) output: &'a mut dyn FnMut(&[u8]),
    pub(super) wanted: &'a dyn Fn() -> gantry_build::Result<()>,
}

/// Executes a command above these layers.
pub(super) fn run(
    bench: &Bench<'_>,
    chain: &[Digest],
    execution: &Execution,
    mut audience: Audience<'_>,
) -> Result<Ran> {
    let engine = bench.engine;
    let id = ContainerId::from_bytes(random::bytes()?);
    let caches = engine.build_caches.take(&execution.mounts, audience.wanted)?;
    // They go when the command has ended, whatever happens.
    let _secrets = Secrets::of(engine, &id);
    emulation::check(&execution.platform)?;
    let laid_out = mounts::lay_out(bench, &id, &execution.mounts, &caches)?;
    let request = request(bench, execution, &laid_out);
    let live = engine.live();
    let logs = &engine.settings.logs;
    let cgroup_driver = engine.settings.cgroup_driver;
    let around =
        Surroundings { host: &engine.host, defaults: &live.containers, logs, cgroup_driver };
    let (mut plan, _) = ContainerPlan::resolve(&id, request, &ImageConfig::default(), around)?;
    laid_out.complete(&mut plan);
    let mut files = Rollback::new();
    selinux::label(engine, &mut plan, &mut files)?;
    mounts::label(engine, &id, &plan)?;
    let image = ImageUsed { id: Digest::sha256([0; 32]), chain: chain.to_vec() };
    let name = format!("build-{}", &id.as_str()[..12]);
    let name = name.parse().map_err(|error| Error::invalid(format!("{error}")))?;
    let record = Arc::new(create::new_record((id, name), image, plan));
    create::make_files(engine, &record, &mut files)?;
    let code = execute(bench, &record, &mut audience)?;
    drop(caches);
    Ok(Ran { engine: engine.clone(), record, code, _files: files })
}

fn execute(
    bench: &Bench<'_>,
    record: &Arc<ContainerRecord>,
    audience: &mut Audience<'_>,
) -> Result<u8> {
    let engine = bench.engine;
    // It goes, too, when what ran in it did not end in order.
    let sandbox = OnceLock::new();
    let host = || {
        let taken = bench.sandboxes.take(engine)?;
        Ok(Arc::clone(&sandbox.get_or_init(|| taken).shim))
    };
    // Whatever happens, all of it goes again.
    let mut running = Rollback::new();
    let created = launch::create_task(engine, record, Some(&host), &mut running);
    let launch::Waiting { shim, .. } = full::named(engine, created)?;
    let streams = Streams { stdin: false, stdout: true, stderr: true };
    let stream = shim.attach(&AttachHeader { exec_id: String::new(), streams })?;
    full::named(engine, shim.start("").map_err(Error::from))?;
    let mut stream = Watched::new(stream, audience.wanted)?;
    frames(&mut stream, audience.output);
    let code = end(&shim, audience.wanted)?;
    drop(running);
    let is_over = shim.state("").is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if let Some(sandbox) = sandbox.into_inner().filter(|_| is_over) {
        bench.sandboxes.give_back(sandbox);
    }
    Ok(code)
}

/// Waits for the end: a command may go on when its output has ended.
fn end(shim: &Arc<Shim>, wanted: &dyn Fn() -> gantry_build::Result<()>) -> Result<u8> {
    const KILLED: u8 = 137;
    let (sender, ended) = mpsc::sync_channel(1);
    shim.on_exit("", move |notice| sender.try_send(notice).unwrap_or_default());
    loop {
        wanted()?;
        let status = match ended.recv_timeout(PAUSE) {
            Ok(ExitNotice::Exited { status, .. }) => status,
            Ok(ExitNotice::ShimDied) | Err(RecvTimeoutError::Disconnected) => return Ok(KILLED),
            Err(RecvTimeoutError::Timeout) => continue,
        };
        return Ok(u8::try_from(status & 0xff).unwrap_or(KILLED));
    }
}

/// A stream that ends when nobody wants any more of it.
struct Watched<'a> {
    stream: UnixStream,
    wanted: &'a dyn Fn() -> gantry_build::Result<()>,
}

impl<'a> Watched<'a> {
    fn new(stream: UnixStream, wanted: &'a dyn Fn() -> gantry_build::Result<()>) -> Result<Self> {
        let failed = Error::file("set a time limit on", "a command's output");
        stream.set_read_timeout(Some(PAUSE)).map_err(failed)?;
        Ok(Self { stream, wanted })
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Also between pieces: there may be no end of them.
            (self.wanted)().map_err(io::Error::other)?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }
}

/// Hands on what comes in frames, until its end or the shim's.
fn frames(stream: &mut impl Read, output: &mut dyn FnMut(&[u8])) {
    let mut header = [0; HEADER];
    let mut piece = vec![0; 32 << 10];
    while stream.read_exact(&mut header).is_ok() {
        let [.., a, b, c, d] = header;
        let mut left = u64::from(u32::from_be_bytes([a, b, c, d]));
        while left > 0 {
            let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match stream.read(&mut piece[..length]) {
                Ok(count) if count > 0 => {
                    output(&piece[..count]);
                    left -= count as u64;
                }
                _ => return,
            }
        }
    }
}

fn request(bench: &Bench<'_>, execution: &Execution, laid_out: &LaidOut) -> CreateRequest {
    let devices = DeviceRequest {
        driver: "cdi".to_owned(),
        device_ids: execution.devices.clone(),
        ..DeviceRequest::default()
    };
    let host_config = HostConfig {
        // Its log is the build's output.
        log_config: gantry_api::container::LogConfig {
            r#type: "none".to_owned(),
            ..Default::default()
        },
        network_mode: match &execution.network {
            RunNetwork::Default => String::new(),
            RunNetwork::None => "none".to_owned(),
            RunNetwork::Host => "host".to_owned(),
            RunNetwork::Named(name) => name.clone(),
        },
        auto_remove: true,
        // Caches, secrets and the context are the host's files.
        userns_mode: "host".to_owned(),
        privileged: execution.is_insecure,
        device_requests: if execution.devices.is_empty() { Vec::new() } else { vec![devices] },
        mounts: laid_out.mounts.clone(),
        ..bench.request.around.clone()
    };
    let secrets = execution.secret_env.iter();
    let secrets =
        secrets.map(|(name, secret)| format!("{name}={}", String::from_utf8_lossy(secret.bytes())));
    CreateRequest {
        config: Config {
            entrypoint: Some(Vec::new()),
            cmd: Some(execution.args.clone()),
            env: execution.env.iter().cloned().chain(secrets).collect(),
            user: execution.user.clone(),
            working_dir: execution.working_dir.clone(),
            // What containers are called by is no part of what a step depends on.
            hostname: "buildkitsandbox".to_owned(),
            ..Config::default()
        },
        host_config,
        ..CreateRequest::default()
    }
}
