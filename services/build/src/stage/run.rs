//! `RUN`.

use gantry_dockerfile::{CacheSharing, Command, Mount, MountKind, Network, Run};

use super::Builder;
use crate::key::Key;
use crate::place;
use crate::transfer::absolute;
use crate::variables::PROXIES;
use crate::workshop::{Execution, RunMount, RunNetwork, Told, Workshop};
use crate::{Error, Result, configuration};

impl<W: Workshop> Builder<'_, W> {
    pub(super) fn run(&mut self, run: &Run, text: &str) -> Result<()> {
        if run.is_insecure || !run.devices.is_empty() {
            let what = "RUN with --security=insecure or --device";
            return Err(Error::NotThereYet(what.to_owned()));
        }
        let args = self.command(run)?;
        let env = self.state.scope.of_command(&self.site.plan.request.arguments);
        let network = match run.network {
            Network::Default => self.site.plan.request.network.clone(),
            Network::None => RunNetwork::None,
            Network::Host => self.host_network()?,
        };
        let mut key = Key::new("run", &self.state.layers);
        for part in args.iter().chain(env.iter().filter(|entry| !is_proxy(entry))) {
            key.part(part);
        }
        let config = &self.state.config.config;
        key.part(&config.working_dir);
        key.part(&config.user);
        key.part(format!("{network:?}"));
        let mounts = self.mounts(run, &mut key)?;
        let execution = Execution {
            args,
            env,
            working_dir: config.working_dir.clone(),
            user: config.user.clone(),
            mounts,
            network,
        };
        let shown = self.shown(text, &execution);
        let number = self.step;
        self.layer(key, &shown, |builder| {
            let teller = builder.site.teller;
            let mut output = |bytes: &[u8]| teller.tell(Told::Output { number, bytes });
            let site = builder.site;
            let wanted = || site.check_wanted();
            site.workshop.run(&builder.state.layers, &execution, &mut output, &wanted)
        })
    }

    /// The host's network is for the user to give: a Dockerfile, or a base image's trigger, cannot take it.
    fn host_network(&self) -> Result<RunNetwork> {
        if self.site.plan.request.network != RunNetwork::Host {
            return Err(Error::invalid(
                "network",
                "host",
                "the host's network was not granted to this build: build with --network host",
            ));
        }
        Ok(RunNetwork::Host)
    }

    /// What is executed. A heredoc alone is a script; beside a command, the shell reads it.
    fn command(&self, run: &Run) -> Result<Vec<String>> {
        let config = &self.state.config.config;
        let (Command::Shell(line), Some(first)) = (&run.command, run.heredocs.first()) else {
            return Ok(configuration::args(config, &run.command));
        };
        if run.heredocs.len() == 1 && line.starts_with("<<") && line.split_whitespace().count() == 1
        {
            if first.content.starts_with("#!") {
                return Err(Error::NotThereYet(
                    "a script with an interpreter of its own in RUN".to_owned(),
                ));
            }
            return Ok(configuration::args(config, &Command::Shell(first.content.clone())));
        }
        let mut script = line.clone();
        for file in &run.heredocs {
            script.push('\n');
            script.push_str(&file.content);
            script.push_str(&file.opening.name);
        }
        Ok(configuration::args(config, &Command::Shell(script)))
    }

    fn mounts(&self, run: &Run, key: &mut Key) -> Result<Vec<RunMount>> {
        let mounts = run.mounts(|text| self.word(text))?;
        let mut all = Vec::with_capacity(mounts.len());
        for mount in mounts {
            // All but what is in caches and secrets: these are no part of what a step depends on.
            key.part(format!("{mount:?}"));
            all.extend(self.mount(mount, key)?);
        }
        Ok(all)
    }

    fn mount(&self, mount: Mount, key: &mut Key) -> Result<Option<RunMount>> {
        let target = |mount: &Mount| {
            let path = mount.target.clone().unwrap_or_default();
            absolute(&self.state.config.config.working_dir, &path)
        };
        match mount.kind {
            MountKind::Bind => self.bind(&mount, target(&mount), key).map(Some),
            MountKind::Tmpfs => {
                Ok(Some(RunMount::Memory { target: target(&mount), size_limit: mount.size_limit }))
            }
            MountKind::Cache => {
                if mount.from.is_some() {
                    return Err(Error::NotThereYet("a cache mount with from".to_owned()));
                }
                let target = target(&mount);
                Ok(Some(RunMount::Cache {
                    id: mount.id.unwrap_or_else(|| target.clone()),
                    target,
                    is_read_only: mount.is_read_only,
                    is_locked: mount.sharing != CacheSharing::Shared,
                    born: owned(mount.uid, mount.gid, mount.mode.unwrap_or(0o755)),
                }))
            }
            MountKind::Secret => self.secret(mount),
            MountKind::Ssh if mount.is_required => {
                Err(Error::NotThereYet("RUN --mount=type=ssh".to_owned()))
            }
            MountKind::Ssh => Ok(None),
        }
    }

    /// Files of the context, as the open place where they lie.
    fn bind(&self, mount: &Mount, target: String, key: &mut Key) -> Result<RunMount> {
        if mount.from.is_some() || !mount.is_read_only {
            return Err(Error::NotThereYet(
                "a bind mount of another stage, or one that can be written".to_owned(),
            ));
        }
        let tree = self.tree(None)?;
        let source = mount.source.as_deref().unwrap_or("/");
        let found = place::resolve(std::os::fd::AsFd::as_fd(&*tree.root), source.as_bytes())?;
        if found.stat.is_none() {
            let place = tree.name.clone();
            return Err(Error::NotFound { path: source.to_owned(), place, hint: "" });
        }
        let changes = crate::files::Changes { owner: Some((0, 0)), mode: None };
        let mut files = crate::files::Files::default();
        if found.is_directory() {
            crate::files::walk(&tree.root, &found.path, &mut |path, kind| {
                place::no_device(path, kind)?;
                self.site.check_wanted()?;
                files.bring(&tree.root, path, path, changes)?;
                Ok(true)
            })?;
        } else {
            files.bring(&tree.root, &found.path, &found.path, changes)?;
        }
        files.identify(key, &|| self.site.check_wanted())?;
        let held = place::hold(std::os::fd::AsFd::as_fd(&*tree.root), &found)?;
        Ok(RunMount::Held { place: std::sync::Arc::new(held), target, is_read_only: true })
    }

    fn secret(&self, mount: Mount) -> Result<Option<RunMount>> {
        if mount.env.is_some() {
            return Err(Error::NotThereYet("a secret as a variable".to_owned()));
        }
        let named = mount.target.as_deref().and_then(|target| target.rsplit('/').next());
        let id = mount.id.or(mount.source).or_else(|| named.map(str::to_owned)).unwrap_or_default();
        let Some(content) = self.site.plan.request.secrets.get(&id) else {
            if mount.is_required {
                return Err(Error::invalid(
                    "secret",
                    &id,
                    "it is required, and the build was given none of that id",
                ));
            }
            return Ok(None);
        };
        let target = mount.target.unwrap_or_else(|| format!("/run/secrets/{id}"));
        let owned = owned(mount.uid, mount.gid, mount.mode.unwrap_or(0o400));
        Ok(Some(RunMount::Secret { content: content.clone(), target, owned }))
    }

    /// What the history says: with the arguments that the command saw.
    fn shown(&self, text: &str, execution: &Execution) -> String {
        let command = execution.args.join(" ");
        let arguments = &self.state.scope.arguments;
        if arguments.is_empty() {
            return if execution.args.is_empty() {
                text.to_owned()
            } else {
                format!("RUN {command}")
            };
        }
        let pairs: Vec<String> =
            arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("RUN |{} {} {command}", pairs.len(), pairs.join(" "))
    }
}

fn owned(uid: Option<u32>, gid: Option<u32>, mode: u32) -> (u32, u32, u32) {
    (uid.unwrap_or(0), gid.unwrap_or(0), mode)
}

/// Through which proxy something was fetched is no part of what a step gives.
fn is_proxy(entry: &str) -> bool {
    entry.split_once('=').is_some_and(|(name, _)| PROXIES.contains(&name))
}
