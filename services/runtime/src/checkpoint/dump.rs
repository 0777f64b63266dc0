//! `checkpoint`: a running container, written to image files.

use std::os::fd::AsRawFd;
use std::path::Path;

use gantry_oci::runtime::Status;
use rustix::fs::OFlags;

use super::dialogue::{Criu, version};
use super::external::{self, Seen};
use super::images::{self, ImageDir};
use super::log;
use super::options::{AfterDump, CheckpointOptions, Switch};
use super::rpc::{
    DUMP, FEATURE_CHECK, Features, NETWORK, NOTIFY, Options, PRE_DUMP, PageServerInfo, Request,
    Response, cgroup_mode,
};
use crate::error::Error;
use crate::groundwork::read_config;
use crate::plan::Plan;
use crate::record::Record;

const LOG: &str = "dump.log";
/// CRIU's most talkative level: what it says is kept in its log only.
pub(super) const LOG_LEVEL: u32 = 4;
/// The administrator's settings for all container runtimes. No bundle can name another file: one may hold commands for the host.
pub(super) const CONFIG_FILE: &str = "/etc/criu/runc.conf";

/// Writes a container that runs, or is paused, to files.
///
/// On failure the container goes on as before, and of what was written only CRIU's log is left. After a success with
/// [`AfterDump::Kill`] the container is stopped; its record stays until [`delete`](crate::delete()).
///
/// The images of a container with a user namespace are given to its root: at a restore CRIU reads some of them with no other rights.
pub fn checkpoint(state_dir: &Path, options: &CheckpointOptions<'_>) -> Result<(), Error> {
    let record = Record::read(state_dir)?;
    let status = record.status(state_dir)?;
    if !matches!(status, Status::Running | Status::Paused) {
        return Err(Error::CheckpointStatus { status });
    }
    if let Some(parent) = options.parent {
        images::check_parent(parent)?;
    }
    check_status_fd(options)?;
    let version = version(options.criu.program)?;
    check_features(options, &version.to_string())?;
    let images = ImageDir::make(options.criu.image_dir)?;
    let work = options.criu.work_dir.map(ImageDir::make).transpose()?;
    let before = images.inventory();
    let root = images::root_of(record.pid);
    let dump = Dump { record: &record, options, images: &images, work: work.as_ref() };
    let result = dump.run();
    if let Err(error) = result {
        images.remove_since(&before, LOG);
        // CRIU lets the processes go again; should it have died it could not.
        if status == Status::Running {
            drop(record.open_cgroup().and_then(|cgroup| cgroup.thaw().map_err(Error::Cgroup)));
        }
        return Err(dump.explain(error, &version.to_string()));
    }
    match root {
        Some((uid, gid)) => images.give_to((uid, gid), &before),
        None => Ok(()),
    }
}

struct Dump<'a> {
    record: &'a Record,
    options: &'a CheckpointOptions<'a>,
    images: &'a ImageDir,
    work: Option<&'a ImageDir>,
}

impl Dump<'_> {
    fn run(&self) -> Result<(), Error> {
        let pre_dump = self.options.after == AfterDump::PreDump;
        let mut request = self.request()?;
        if !pre_dump {
            self.describe(&mut request)?;
            self.images.write_descriptors(&images::descriptors_of(self.record.pid))?;
        }
        let kind = if pre_dump { PRE_DUMP } else { DUMP };
        let criu = Criu::start(self.options.criu.program)?;
        criu.send(&Request { kind, options: Some(request), ..Request::default() })?;
        loop {
            let response = criu.hear()?.response;
            match response.kind {
                NOTIFY if response.success => {
                    if response.notify.is_some_and(|notify| notify.script == "status-ready") {
                        self.tell_ready();
                    }
                    let answer =
                        Request { kind: NOTIFY, notify_success: true, ..Request::default() };
                    criu.send(&answer)?;
                }
                answered if answered == kind && response.success => break,
                _ => return Err(refused("checkpoint", &response)),
            }
        }
        criu.finish()
    }

    fn request(&self) -> Result<Options, Error> {
        let Self { options, record, .. } = self;
        let mut request = Options {
            images_dir_fd: self.images.number(),
            work_dir_fd: self.work.unwrap_or(self.images).number(),
            pid: record.pid.unsigned_abs(),
            leave_running: options.after == AfterDump::LeaveRunning,
            log_level: LOG_LEVEL,
            log_file: LOG.to_owned(),
            notify_scripts: true,
            manage_cgroups: true,
            manage_cgroups_mode: Some(cgroup_mode(options.criu.cgroups)),
            orphan_pts_master: true,
            empty_ns: if options.criu.empty_network { NETWORK } else { 0 },
            config_file: CONFIG_FILE.to_owned(),
            freeze_cgroup: self.freezer()?,
            ..Options::default()
        };
        request.switch_on(options.criu.switches);
        if let Some(parent) = options.parent {
            request.parent_img = parent.to_string_lossy().into_owned();
        }
        // What changes until the next one is only known when somebody keeps watch.
        request.track_mem = options.parent.is_some() || options.after == AfterDump::PreDump;
        request.page_server = options.page_server.map(|server| PageServerInfo {
            address: server.address.to_owned(),
            port: server.port.into(),
        });
        Ok(request)
    }

    /// What belongs to the host.
    fn describe(&self, request: &mut Options) -> Result<(), Error> {
        let plan = Plan::new(read_config(&self.record.bundle)?).map_err(Error::refused)?;
        let cgroup = self.record.open_cgroup()?;
        let cgroups: Vec<String> = cgroup.mounts().into_iter().map(|mount| mount.name).collect();
        request.ext_mnt = Seen::of(self.record.pid)?.external(&plan, &cgroups);
        request.external = external::namespaces(&plan, self.record.pid)?;
        Ok(())
    }

    /// The directory whose freezer holds the container's processes.
    fn freezer(&self) -> Result<String, Error> {
        let cgroup = self.record.open_cgroup()?;
        let found = cgroup.directories().find(|directory| {
            directory.join("freezer.state").exists() || directory.join("cgroup.freeze").exists()
        });
        Ok(found.map(|directory| directory.to_string_lossy().into_owned()).unwrap_or_default())
    }

    /// A page server waits for whoever fetches.
    fn tell_ready(&self) {
        if let Some(fd) = self.options.status_fd {
            // Nobody listening any more is no reason to fail.
            rustix::io::write(fd, &[0]).ok();
        }
    }

    /// Adds what the log says.
    fn explain(&self, error: Error, version: &str) -> Error {
        let directory = self.work.unwrap_or(self.images);
        explain(error, directory, LOG, version)
    }
}

fn check_status_fd(options: &CheckpointOptions<'_>) -> Result<(), Error> {
    let Some(fd) = options.status_fd else { return Ok(()) };
    let writable = |flags: OFlags| flags.intersects(OFlags::WRONLY | OFlags::RDWR);
    if rustix::fs::fcntl_getfl(fd).is_ok_and(writable) {
        return Ok(());
    }
    let reason = format!("--status-fd {} is not open for writing", fd.as_raw_fd());
    Err(Error::InvalidConfig { reason })
}

/// Some things depend on the kernel; CRIU knows.
fn check_features(options: &CheckpointOptions<'_>, version: &str) -> Result<(), Error> {
    let wanted = Features {
        mem_track: options.after == AfterDump::PreDump,
        lazy_pages: options.criu.has(Switch::LazyPages),
    };
    if wanted == Features::default() {
        return Ok(());
    }
    let criu = Criu::start(options.criu.program)?;
    let request =
        Request { kind: FEATURE_CHECK, features: Some(wanted.clone()), ..Request::default() };
    criu.send(&request)?;
    let response = criu.hear()?.response;
    criu.finish()?;
    let has = response.features.unwrap_or_default();
    let lacks = [
        (wanted.mem_track && !has.mem_track, "tracking of memory (--pre-dump)"),
        (wanted.lazy_pages && !has.lazy_pages, "lazy pages (--lazy-pages)"),
    ];
    match lacks.iter().find(|(lacks, _)| *lacks) {
        None => Ok(()),
        Some((_, what)) => {
            Err(Error::Unsupported { what: format!("{what} by criu {version} on this kernel") })
        }
    }
}

/// CRIU said no.
pub(super) fn refused(what: &'static str, response: &Response) -> Error {
    let reason = match response.message.as_str() {
        "" if response.errno == 0 => "it gives no reason".to_owned(),
        "" => std::io::Error::from_raw_os_error(response.errno).to_string(),
        message => message.to_owned(),
    };
    Error::Criu { what, reason }
}

/// The errors of CRIU's log, and what one can do.
pub(super) fn explain(error: Error, directory: &ImageDir, name: &str, version: &str) -> Error {
    let Error::Criu { what, reason } = error else { return error };
    let said = log::errors(directory.as_fd(), name);
    let said = if said.is_empty() { reason } else { said };
    let advice = if said.contains("vDSO") || said.contains("vdso") {
        "this version does not know this kernel: a newer one is needed"
    } else {
        "\"criu check\" tells what it can do on this machine"
    };
    Error::Criu { what, reason: format!("criu {version}: {said} ({advice})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_words_that_there_are() {
        let said = |errno: i32, message: &str| {
            let response = Response { errno, message: message.to_owned(), ..Response::default() };
            refused("restore", &response).to_string()
        };
        assert!(said(0, "").ends_with("it gives no reason"));
        assert!(said(3, "").contains("No such process"));
        assert!(said(3, "mine").ends_with("mine"));
    }
}
