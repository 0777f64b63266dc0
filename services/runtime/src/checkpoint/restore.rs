//! `restore`: a container made again from image files.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use gantry_cgroup::Cgroup;
use gantry_oci::runtime::{State, Status};
use gantry_sys::clone::Namespaces;
use gantry_sys::pidfd;

use super::dialogue::{Birth, Criu, version};
use super::dump::{CONFIG_FILE, LOG_LEVEL, explain, refused};
use super::examine::{self, Expectation};
use super::external::{NETWORK_KEY, PID_KEY};
use super::filters;
use super::images::{ImageDir, is_pipe};
use super::options::RestoreOptions;
use super::rpc::{
    CgroupRoot, InheritFd, JoinNamespace, NETWORK, NOTIFY, Notify, Options, RESTORE, Request,
    cgroup_mode,
};
use super::stage::Stage;
use crate::create::leave_program_file;
use crate::error::Error;
use crate::failure::{During, Failure};
use crate::groundwork::{Draft, late_limits, settle};
use crate::init::join_cgroup;
use crate::options::{CreateOptions, Created, Stdio};
use crate::plan::Plan;
use crate::prepare::{Sources, prepare};
use crate::program::place_stdio;
use crate::rollback::Rollback;
use crate::{hooks, resctrl};

const LOG: &str = "restore.log";
const WORK_DIR: &str = "criu";

/// Makes a container from a bundle and the images of a checkpoint. Its processes run on from where they were; the first is a child of
/// the caller, which must have one thread.
///
/// The images are not trusted with the host: what was made from them must live in the namespaces and the cgroup, with the mounts, and
/// within the rights, that the bundle gives; else it never runs. When anything fails nothing is left.
pub fn restore(
    options: &CreateOptions<'_>,
    restore: &RestoreOptions<'_>,
) -> Result<Created, Error> {
    let version = version(restore.criu.program)?.to_string();
    let images = ImageDir::open(restore.criu.image_dir)?;
    images.check_complete()?;
    let draft = Draft::new(options)?;
    draft.filter.as_ref().map_or(Ok(()), |filter| filters::check(&images, filter))?;
    let mut rollback = Rollback::new();
    draft.make_state_dir(options, &mut rollback)?;
    let mut record = draft.record(options)?;
    let (cgroup, placeholder) = draft.make_cgroup(options, &mut record, &mut rollback)?;
    let cgroup = cgroup.ok_or_else(|| Error::Unsupported {
        what: "restoring a container without a cgroup".to_owned(),
    })?;
    record.resctrl = draft.join_resctrl(options, &mut rollback)?;
    let sources =
        Sources { bundle: &draft.bundle, rootfs: options.rootfs, cgroups: &cgroup.mounts() };
    // Processes of ours enter namespaces with which the container's have something in common.
    leave_program_file(options)?;
    let prepared = prepare(&draft.plan, &sources)?;
    let own_work = options.state_dir.join(WORK_DIR);
    let work = ImageDir::make(restore.criu.work_dir.unwrap_or(&own_work))?;
    let needed = [images.path.as_path(), &work.path, restore.criu.program];
    let stage = Stage::new(&draft.plan, &prepared, options.state_dir, &needed)?;

    let killed = record.clone();
    rollback.on_failure(move || {
        drop(killed.open_cgroup().map(|cgroup| cgroup.kill_except(&killed.other_cgroups)));
    });
    let mut revival = Revival {
        options,
        restore,
        plan: &draft.plan,
        cgroup: (&cgroup, &record.cgroup),
        resctrl: record.resctrl.as_ref(),
        images: &images,
        work: &work,
        stage: &stage,
        state: record.state(Status::Creating),
        terminal: None,
    };
    let revived = revival.run(&mut rollback);
    let created = revived.map_err(|error| explain(error, &work, LOG, &version))?;
    drop(placeholder);
    stage.clear()?;
    if restore.criu.work_dir.is_none() {
        fs::remove_dir_all(&own_work).map_err(|source| Error::Write { path: own_work, source })?;
    }
    // CRIU gives every process that it makes a time namespace, so that its clocks go on from where they were.
    record.time_namespace = examine::has_own_namespace(created.pid, "time");
    settle(&mut record, created.pid, options.state_dir)?;
    rollback.keep();
    Ok(created)
}

struct Revival<'a> {
    options: &'a CreateOptions<'a>,
    restore: &'a RestoreOptions<'a>,
    plan: &'a Plan,
    /// The cgroup, and its path in the hierarchies.
    cgroup: (&'a Cgroup, &'a str),
    resctrl: Option<&'a resctrl::Group>,
    images: &'a ImageDir,
    work: &'a ImageDir,
    stage: &'a Stage<'a>,
    state: State,
    /// Comes when a terminal's other end was outside.
    terminal: Option<OwnedFd>,
}

/// The first process, as soon as there is one.
struct Revived {
    pid: i32,
    pidfd: OwnedFd,
}

impl Revival<'_> {
    fn run(&mut self, rollback: &mut Rollback) -> Result<Created, Error> {
        let join = self.cgroup.0.join_handle().map_err(Error::Cgroup)?;
        let keep: Vec<i32> = self.inherited().iter().map(|(_, fd)| *fd).collect();
        let stdio = match &self.options.stdio {
            // The terminal comes from the images.
            Stdio::Terminal => &Stdio::Inherit,
            other => other,
        };
        let (stage, forbidden) = (self.stage, self.plan.process.no_new_privileges);
        let prepare = || -> Result<(), Failure> {
            join_cgroup(&join)?;
            stage.set()?;
            if forbidden {
                // Before 3.18 CRIU did not write it down. What it makes inherits it.
                rustix::thread::set_no_new_privs(true).during("set no_new_privs")?;
            }
            place_stdio(stdio, None)
        };
        let birth = Birth {
            namespaces: Namespaces::MOUNT,
            cgroup: join.unified(),
            prepare: &prepare,
            keep: &keep,
        };
        let criu = Criu::start_with(self.restore.criu.program, &birth)?;
        let expectation = Expectation::of(
            (self.plan, self.cgroup.1.to_owned()),
            &criu,
            self.stage,
            self.restore.lsm_profile,
        )?;
        let dirs = (self.images.as_seen_by(criu.pid())?, self.work.as_seen_by(criu.pid())?);
        let request = self.request(&expectation, &dirs)?;
        criu.send(&Request { kind: RESTORE, options: Some(request), ..Request::default() })?;
        let revived = self.listen(&criu, &expectation, rollback)?;
        criu.finish()?;
        Ok(Created { pid: revived.pid, pidfd: revived.pidfd, terminal: self.terminal.take() })
    }

    /// Serves CRIU until the processes run.
    fn listen(
        &mut self,
        criu: &Criu,
        expectation: &Expectation<'_>,
        rollback: &mut Rollback,
    ) -> Result<Revived, Error> {
        let mut revived = None;
        let mut examined = false;
        loop {
            let mut heard = criu.hear()?;
            match heard.response.kind {
                NOTIFY if heard.response.success => {
                    let notify = heard.response.notify.take().unwrap_or_default();
                    match notify.script.as_str() {
                        "setup-namespaces" => self.run_hooks(&notify)?,
                        "orphan-pts-master" => self.terminal = heard.fd.take(),
                        "post-restore" => revived = Some(adopt(notify.pid, rollback)?),
                        // The processes stand still, complete, with the rights that they will have.
                        "pre-resume" => {
                            self.examine(revived.as_ref(), expectation)?;
                            examined = true;
                        }
                        _ => {}
                    }
                    criu.send(&Request {
                        kind: NOTIFY,
                        notify_success: true,
                        ..Request::default()
                    })?;
                }
                RESTORE if heard.response.success => {
                    if !examined {
                        self.examine(revived.as_ref(), expectation)?;
                    }
                    return revived.ok_or_else(|| Error::Criu {
                        what: "restore",
                        reason: "it does not tell which process it made".to_owned(),
                    });
                }
                _ => return Err(refused("restore", &heard.response)),
            }
        }
    }

    /// Ends what is not what the bundle asks for, before it has run.
    fn examine(
        &self,
        revived: Option<&Revived>,
        expectation: &Expectation<'_>,
    ) -> Result<(), Error> {
        let Some(revived) = revived else { return Ok(()) };
        let pid = revived.pid;
        let unfit = |reason| self.images.unusable(format!("it does not fit the bundle: {reason}"));
        let examined = expectation
            .check_namespaces_of_first(pid)
            .map_err(unfit)
            .and_then(|()| self.stage.protect(pid).map_err(Error::from))
            .and_then(|()| expectation.check(pid).map_err(unfit));
        examined.and_then(|()| self.place(pid)).inspect_err(|_| {
            examine::end(revived.pid, revived.pidfd.as_fd());
        })
    }

    /// Puts the processes, now that all are there, where they could not be born.
    fn place(&self, pid: i32) -> Result<(), Error> {
        if let Some(limits) = late_limits(self.plan.linux.resources.as_ref()) {
            self.cgroup.0.apply(&limits).map_err(Error::Cgroup)?;
        }
        let Some(group) = self.resctrl else { return Ok(()) };
        let failed = |source| Error::System { what: "find the restored threads", source };
        for thread in examine::threads(pid).map_err(failed)? {
            group.add(thread)?;
        }
        Ok(())
    }

    fn request(
        &self,
        expectation: &Expectation<'_>,
        (images, work): &(ImageDir, ImageDir),
    ) -> Result<Options, Error> {
        let criu = &self.restore.criu;
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let mut request = Options {
            images_dir_fd: images.number(),
            work_dir_fd: work.number(),
            root: self.stage.root().to_string_lossy().into_owned(),
            log_level: LOG_LEVEL,
            log_file: LOG.to_owned(),
            notify_scripts: true,
            rst_sibling: true,
            evasive_devices: true,
            manage_cgroups: true,
            manage_cgroups_mode: Some(cgroup_mode(criu.cgroups)),
            orphan_pts_master: true,
            empty_ns: if criu.empty_network { NETWORK } else { 0 },
            config_file: CONFIG_FILE.to_owned(),
            ext_mnt: [self.stage.mounts(), self.stage.submounts(&expectation.staged)].concat(),
            cg_root: cgroup_roots(expectation),
            join_ns: self.joined()?,
            lsm_profile: text(self.restore.lsm_profile),
            lsm_mount_context: text(self.restore.lsm_mount_context),
            ..Options::default()
        };
        request.switch_on(criu.switches);
        let namespaces = self.inherited();
        let descriptors = self.images.read_descriptors()?;
        let streams = descriptors.into_iter().zip(0..).filter(|(name, _)| is_pipe(name));
        let all = streams.chain(namespaces.into_iter().map(|(key, fd)| (key.to_owned(), fd)));
        request.inherit_fd =
            all.map(|(key, fd)| InheritFd { key, fd: Some(fd.unsigned_abs()) }).collect();
        Ok(request)
    }

    /// Namespaces that CRIU takes as open files.
    fn inherited(&self) -> Vec<(&'static str, i32)> {
        let namespaces = &self.plan.namespaces;
        let network = namespaces.join.iter().find(|(kind, _)| *kind == Namespaces::NETWORK);
        let network = network.map(|(_, file)| (NETWORK_KEY, file.as_raw_fd()));
        let pid = namespaces.join_pid.as_ref().map(|file| (PID_KEY, file.as_raw_fd()));
        network.into_iter().chain(pid).collect()
    }

    /// Namespaces that CRIU takes by path: through our own descriptors, so that they are those that were checked.
    fn joined(&self) -> Result<Vec<JoinNamespace>, Error> {
        let mut joined = Vec::new();
        for (kind, file) in &self.plan.namespaces.join {
            let name = match *kind {
                Namespaces::NETWORK => continue,
                Namespaces::IPC => "ipc",
                Namespaces::UTS => "uts",
                Namespaces::USER => "user",
                Namespaces::TIME => "time",
                _ => {
                    let what = "restoring into a cgroup namespace given by path".to_owned();
                    return Err(Error::Unsupported { what });
                }
            };
            let own = gantry_sys::process::pid();
            let file = format!("/proc/{own}/fd/{}", file.as_raw_fd());
            joined.push(JoinNamespace { kind: name.to_owned(), file });
        }
        Ok(joined)
    }

    /// The hooks that find the namespaces made, as at a `create`.
    fn run_hooks(&mut self, notify: &Notify) -> Result<(), Error> {
        self.state.pid = Some(notify.pid);
        let hooks = &self.plan.hooks;
        hooks::run("prestart", &hooks.prestart, &self.state)?;
        Ok(hooks::run("createRuntime", &hooks.create_runtime, &self.state)?)
    }
}

/// Takes the first process over from CRIU: it is our child.
fn adopt(pid: i32, rollback: &mut Rollback) -> Result<Revived, Error> {
    let system = |source| Error::System { what: "open the restored process", source };
    let pidfd = pidfd::open(pid).map_err(system)?;
    let handle = pidfd.try_clone().map_err(system)?;
    rollback.on_failure(move || {
        drop(pidfd::send_signal(handle.as_fd(), gantry_types::Signal::KILL));
        drop(pidfd::wait(handle.as_fd()));
    });
    Ok(Revived { pid, pidfd })
}

/// Where CRIU itself is, the processes shall be. A hierarchy with controllers is named, v2 stands for the rest.
fn cgroup_roots(expectation: &Expectation<'_>) -> Vec<CgroupRoot> {
    let roots = expectation.cgroups.iter().flat_map(|(controllers, path)| {
        controllers
            .split(',')
            .map(|controller| CgroupRoot { controller: controller.to_owned(), path: path.clone() })
    });
    roots.collect()
}
