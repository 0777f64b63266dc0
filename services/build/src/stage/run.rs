//! `RUN`.

use gantry_dockerfile::{Command, Network, Run};
use gantry_oci::image::Platform;

use super::Builder;
use crate::key::Key;
use crate::request::Secret;
use crate::variables::PROXIES;
use crate::workshop::{Execution, RunMount, RunNetwork, Told, Workshop};
use crate::{Error, Result, configuration};

/// Where a script with an interpreter of its own appears: below `/dev`, of which nothing is in any layer.
const SCRIPT: &str = "/dev/pipes/script";

impl<W: Workshop> Builder<'_, W> {
    pub(super) fn run(&mut self, run: &Run, text: &str) -> Result<()> {
        self.check_grants(run)?;
        let (args, script) = self.command(run)?;
        let mut env = self.state.scope.of_command(&self.site.plan.request.arguments);
        let network = match run.network {
            Network::Default => self.site.plan.request.network.clone(),
            Network::None => RunNetwork::None,
            Network::Host => RunNetwork::Host,
        };
        let platform = self.platform();
        let devices = self.devices(run)?;
        let mut key = Key::new("run", &self.state.layers);
        key.list(&args);
        key.list(&env.iter().filter(|entry| !is_proxy(entry)).collect::<Vec<_>>());
        let config = &self.state.config.config;
        key.part(&config.working_dir);
        key.part(&config.user);
        key.part(format!("{network:?}"));
        key.part(&self.site.plan.request.surroundings);
        key.part(run.is_insecure.to_string());
        key.list(&devices);
        key.part(platform.to_string());
        let mut seen = self.mounts(run, &mut key)?;
        if let Some(script) = script {
            key.part(script.bytes());
            let target = SCRIPT.to_owned();
            seen.mounts.push(RunMount::Secret { content: script, target, owned: (0, 0, 0o755) });
        }
        let is_named = |entry: &String| {
            let name = entry.split_once('=').map_or(entry.as_str(), |(name, _)| name);
            env.iter().any(|other| other.split_once('=').is_some_and(|(own, _)| own == name))
        };
        seen.env.retain(|entry| !is_named(entry));
        env.append(&mut seen.env);
        let execution = Execution {
            args,
            env,
            secret_env: seen.secret_env,
            working_dir: config.working_dir.clone(),
            user: config.user.clone(),
            mounts: seen.mounts,
            network,
            is_insecure: run.is_insecure,
            devices,
            platform,
        };
        let shown = self.shown(text, &execution);
        let number = self.step;
        self.layer(key, (text, &shown), |builder| {
            let teller = builder.site.teller;
            let mut output = |bytes: &[u8]| teller.tell(Told::Output { number, bytes });
            let site = builder.site;
            let wanted = || site.check_wanted();
            site.workshop.run(&builder.state.layers, &execution, &mut output, &wanted)
        })
    }

    /// What a Dockerfile, or a base image's trigger, cannot take: it is for the user to give.
    fn check_grants(&self, run: &Run) -> Result<()> {
        let request = &self.site.plan.request;
        let grants = request.grants;
        let has_host = grants.host_network || request.network == RunNetwork::Host;
        let refusals = [
            (
                run.network == Network::Host && !has_host,
                ("network", "host"),
                "the host's network was not granted to this build: build with --network host, or with --allow network.host",
            ),
            (
                run.is_insecure && !grants.insecure,
                ("security", "insecure"),
                "a command without restrictions was not granted to this build: build with --allow security.insecure",
            ),
            (
                !run.devices.is_empty() && !grants.devices,
                ("device", run.devices.first().map_or("", String::as_str)),
                "devices were not granted to this build: build with --allow device",
            ),
        ];
        match refusals.into_iter().find(|(is_refused, ..)| *is_refused) {
            Some((_, (what, value), reason)) => Err(Error::invalid(what, value, reason)),
            None => Ok(()),
        }
    }

    /// The names of devices, without what else is said of them.
    fn devices(&self, run: &Run) -> Result<Vec<String>> {
        let name = |text: &String| {
            let text = self.word(text)?;
            let fields = gantry_types::csv::fields(&text)
                .map_err(|reason| Error::invalid("device", &text, reason))?;
            let mut name = None;
            for field in &fields {
                match field.split_once('=') {
                    Some(("name", value)) => name = Some(value.to_owned()),
                    None if field == "required" => {}
                    Some(("required", "true" | "1")) => {}
                    // `vendor.com/class=name` has the sign in it.
                    _ if field.contains('/') && name.is_none() => name = Some(field.clone()),
                    _ => {
                        let reason = format!("{field:?} is unknown: a name and required are known");
                        return Err(Error::invalid("device", &text, reason));
                    }
                }
            }
            name.ok_or_else(|| Error::invalid("device", &text, "a name is needed"))
        };
        run.devices.iter().map(name).collect()
    }

    /// What the stage's image is for.
    fn platform(&self) -> Platform {
        let own = &self.state.config.platform;
        if own.architecture.is_empty() {
            self.site.plan.request.platform.clone()
        } else {
            own.clone()
        }
    }

    /// What is executed. A heredoc alone is a script, for the shell or for the interpreter that it names; beside a command, the
    /// shell reads it.
    fn command(&self, run: &Run) -> Result<(Vec<String>, Option<Secret>)> {
        let config = &self.state.config.config;
        let (Command::Shell(line), Some(first)) = (&run.command, run.heredocs.first()) else {
            return Ok((configuration::args(config, &run.command), None));
        };
        if run.heredocs.len() == 1 && line.starts_with("<<") && line.split_whitespace().count() == 1
        {
            if let Some(rest) = first.content.strip_prefix("#!") {
                // As the kernel does it, and not by it: where scripts lie, nothing can be executed.
                let named = rest.lines().next().unwrap_or_default().trim();
                let (program, argument) = named.split_once([' ', '\t']).unwrap_or((named, ""));
                if program.is_empty() {
                    let reason = "the script names no interpreter behind its #!";
                    return Err(Error::invalid("heredoc", &first.opening.name, reason));
                }
                let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
                let words = [program].into_iter().chain(argument).chain([SCRIPT]);
                let script = Secret::from(first.content.clone().into_bytes());
                return Ok((words.map(str::to_owned).collect(), Some(script)));
            }
            let script = Command::Shell(first.content.clone());
            return Ok((configuration::args(config, &script), None));
        }
        let mut script = line.clone();
        for file in &run.heredocs {
            script.push('\n');
            script.push_str(&file.content);
            script.push_str(&file.opening.name);
        }
        Ok((configuration::args(config, &Command::Shell(script)), None))
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

/// Through which proxy something was fetched is no part of what a step gives.
fn is_proxy(entry: &str) -> bool {
    entry.split_once('=').is_some_and(|(name, _)| PROXIES.contains(&name))
}
