//! One stage: its instructions, one after another.

mod mounts;
mod run;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use gantry_dockerfile::{
    Argument, Dockerfile, Expander, IgnoreFile, Instruction, Source, Step, Transfer,
};
use gantry_oci::image::{History, ImageConfig};
use gantry_types::Timestamp;

use crate::elsewhere::{self, Source as Origin};
use crate::files::{Changes, Files, Modified};
use crate::key::Key;
use crate::select::Tree;
use crate::solve::{Done, Site};
use crate::transfer::{self, Order};
use crate::variables::Scope;
use crate::workshop::{Base, Layer, Told, Workshop};
use crate::{Error, Result, configuration, identity};

/// What a stage is so far, and in the end.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) layers: Vec<Layer>,
    pub(crate) config: ImageConfig,
    pub(crate) scope: Scope,
    /// When its latest layer was made.
    pub(crate) created: Option<Timestamp>,
    /// Layers, and entries of the history, of the image that it all begins with.
    pub(crate) base: (usize, usize),
    /// The stage has said itself what runs.
    has_command: bool,
}

/// A stage that is being built.
pub(crate) struct Builder<'a, W> {
    pub(crate) site: &'a Site<'a, W>,
    pub(crate) number: usize,
    pub(crate) state: State,
    /// The number of the step that is next.
    pub(crate) step: usize,
}

impl State {
    /// Before the first instruction.
    pub(crate) fn new(base: Base) -> Self {
        let created = base.config.created_at();
        let mut base = base;
        // What its own steps gave is no part of what is built on it.
        base.config.build_cache = None;
        let scope = Scope { env: base.config.config.env.clone(), ..Scope::default() };
        let (layers, config) = (base.layers, base.config);
        let base = (layers.len(), config.history.len());
        Self { layers, config, scope, created, base, has_command: false }
    }

    /// The same for a stage that begins from this one: arguments are each stage's own.
    pub(crate) fn inherited(&self) -> Self {
        let mut state = self.clone();
        state.scope.arguments.clear();
        state.has_command = false;
        state
    }
}

impl<W: Workshop> Builder<'_, W> {
    /// Does all instructions.
    pub(crate) fn build(mut self) -> Result<State> {
        let site = self.site;
        let stage = &site.dockerfile().stages[self.number];
        let triggers = std::mem::take(&mut self.state.config.config.on_build);
        for trigger in triggers {
            let statement = Source::parse_trigger(&trigger, '\\')?;
            let step = Step::read(&statement, '\\')?;
            self.execute(&step).map_err(|error| at(&step, error))?;
        }
        for (index, step) in stage.steps.iter().enumerate() {
            self.site.check_wanted()?;
            // What it waits for is no part of its own time.
            self.site.wait_for_sources(self.number, step)?;
            self.step += 1;
            let (number, total) = (self.step, self.site.total);
            let label = self.site.label(self.number, Some(index));
            let label = label.as_str();
            self.site.teller.tell(Told::Began { number, total, text: &step.text, label });
            let before = self.state.layers.len();
            let executed = self.execute(step).map_err(|error| at(step, error));
            executed.inspect_err(|error| self.site.tell_failure(number, error))?;
            let layer = self.state.layers.get(before).map(|layer| &layer.diff_id);
            self.site.teller.tell(Told::Ended { number, layer });
        }
        Ok(self.state)
    }

    pub(crate) fn escape(&self) -> char {
        self.site.dockerfile().escape
    }

    pub(crate) fn word(&self, text: &str) -> Result<String> {
        self.state.scope.word(self.escape(), text)
    }

    fn execute(&mut self, step: &Step) -> Result<()> {
        match &step.instruction {
            Instruction::Run(run) => self.run(run, &step.text),
            Instruction::Copy(transfer) => self.transfer("COPY", transfer, &step.text),
            Instruction::Add(transfer) => self.transfer("ADD", transfer, &step.text),
            Instruction::Workdir(path) => self.workdir(path),
            Instruction::Arg(arguments) => self.arguments(arguments, &step.text),
            Instruction::Env(pairs) => {
                for (key, value) in configuration::pairs(&self.state.scope, self.escape(), pairs)? {
                    self.state.scope.set_env(&key, &value);
                }
                self.state.config.config.env.clone_from(&self.state.scope.env);
                self.note(&step.text)
            }
            other => {
                self.configure(other)?;
                self.note(&step.text)
            }
        }
    }

    /// What changes the configuration alone.
    fn configure(&mut self, instruction: &Instruction) -> Result<()> {
        let words = |words: &[String]| {
            let expander = Expander::new(self.escape(), &self.state.scope);
            let mut all = Vec::new();
            for word in words {
                let words = expander.words(word)?;
                self.state.scope.spend(words.iter().map(String::len).sum())?;
                all.extend(words);
            }
            Ok::<_, Error>(all)
        };
        match instruction {
            Instruction::Cmd(command) => {
                let args = configuration::args(&self.state.config.config, command);
                self.state.config.config.cmd = Some(args);
                self.state.has_command = true;
            }
            Instruction::Entrypoint(command) => {
                let args = configuration::args(&self.state.config.config, command);
                self.state.config.config.entrypoint = Some(args);
                // A command of the base belongs to the base's entrypoint.
                if !self.state.has_command {
                    self.state.config.config.cmd = None;
                }
            }
            Instruction::Label(pairs) => {
                let pairs = configuration::pairs(&self.state.scope, self.escape(), pairs)?;
                self.state.config.config.labels.extend(pairs);
            }
            Instruction::Expose(ports) => {
                let ports = words(ports)?;
                configuration::expose(&mut self.state.config.config, &ports)?;
            }
            Instruction::Volume(paths) => {
                for path in paths {
                    let path = self.word(path)?;
                    self.state.config.config.volumes.insert(path);
                }
            }
            Instruction::User(user) => self.state.config.config.user = self.word(user)?,
            Instruction::StopSignal(signal) => {
                let signal = self.word(signal)?;
                if let Err(error) = signal.parse::<gantry_types::Signal>() {
                    return Err(Error::invalid("stop signal", &signal, error.to_string()));
                }
                self.state.config.config.stop_signal = signal;
            }
            Instruction::Shell(words) => self.state.config.config.shell.clone_from(words),
            Instruction::HealthCheck(check) => {
                let check = configuration::health(&self.state.config.config, check);
                self.state.config.config.healthcheck = Some(check);
            }
            Instruction::OnBuild(text) => {
                self.state.config.config.on_build.push(text.clone());
            }
            Instruction::Maintainer(name) => self.state.config.author.clone_from(name),
            // The others are done elsewhere, and no stage has a second beginning.
            _ => {}
        }
        Ok(())
    }

    fn arguments(&mut self, arguments: &[Argument], text: &str) -> Result<()> {
        let request = &self.site.plan.request;
        for Argument { name, default } in arguments {
            let name = self.word(name)?;
            let given = request.arguments.get(&name).cloned();
            let value = match (given, default) {
                (Some(value), _) => Some(value),
                (None, Some(default)) => Some(self.word(default)?),
                // One above all stages has its value here when it is named again.
                (None, None) => self.site.globals.get(&name).cloned(),
            };
            if let Some(value) = value {
                self.state.scope.arguments.insert(name, value);
            }
        }
        self.note(text)
    }

    fn workdir(&mut self, path: &str) -> Result<()> {
        let path = self.word(path)?;
        let path = transfer::absolute(&self.state.config.config.working_dir, &path);
        let path = cleaned(&path);
        self.state.config.config.working_dir.clone_from(&path);
        let text = format!("WORKDIR {path}");
        let user = self.state.config.config.user.clone();
        let mut key = Key::new("workdir", &self.state.layers);
        key.part(&path);
        key.part(&user);
        self.layer(key, (&text, &text), |builder| {
            let root = builder.site.workshop.view(&builder.state.layers)?;
            let owner = if user.is_empty() {
                (0, 0)
            } else {
                identity::look_up(std::os::fd::AsFd::as_fd(&root), &user)?
            };
            let files =
                transfer::directory(&path, owner, &root, builder.site.plan.request.moment())?;
            builder.write(&files)
        })
    }

    fn transfer(&mut self, name: &'static str, transfer: &Transfer, text: &str) -> Result<()> {
        let root = self.site.workshop.view(&self.state.layers)?;
        let tree = self.tree(transfer.from.as_deref())?;
        // What is linked depends on nothing below it, but for whose names mean whom.
        let below = if transfer.is_linked { &[][..] } else { &self.state.layers };
        let ground = self.site.workshop.view(below)?;
        let files = self.gather((name, transfer), &tree, (&root, &ground))?;
        let mut key = Key::new("files", below);
        files.identify(&mut key, &|| self.site.check_wanted())?;
        self.layer(key, (text, text), |builder| builder.write(&files))
    }

    /// `root` knows the users, and `ground` is what the files come upon.
    fn gather(
        &self,
        (name, transfer): (&'static str, &Transfer),
        tree: &Tree<'_>,
        (root, ground): (&OwnedFd, &OwnedFd),
    ) -> Result<Files> {
        let words =
            |words: &[String]| words.iter().map(|word| self.word(word)).collect::<Result<Vec<_>>>();
        let chown = match &transfer.owner {
            Some(owner) => {
                Some(identity::look_up(std::os::fd::AsFd::as_fd(root), &self.word(owner)?)?)
            }
            None => None,
        };
        let mode = transfer.mode.as_ref().map(|mode| configuration::mode(&self.word(mode)?));
        let mode = mode.transpose()?;
        // Whose the files of a context are, says nothing here.
        let owner = chown.or((transfer.from.is_none()).then_some((0, 0)));
        let exclude = words(&transfer.exclude)?;
        let mut files = Vec::new();
        for file in &transfer.files {
            let content = if file.opening.expands {
                let scope = &self.state.scope;
                let text = Expander::new(self.escape(), scope).content(&file.content)?.text;
                scope.spend(text.len())?;
                text
            } else {
                file.content.clone()
            };
            files.push((file.opening.name.clone(), content));
        }
        let mut sources = words(&transfer.sources)?;
        let check_wanted = || self.site.check_wanted();
        let fetched = if name == "ADD" {
            let checksum = transfer.checksum.as_ref().map(|text| self.word(text)).transpose()?;
            let workshop = self.site.workshop;
            elsewhere::fetch(workshop, &mut sources, transfer, &check_wanted, checksum.as_deref())?
        } else {
            Vec::new()
        };
        let unpacks = transfer.unpacks.unwrap_or(true) && name == "ADD";
        let order = Order {
            name,
            sources: &sources,
            fetched,
            unpacks_fetched: transfer.unpacks == Some(true),
            files,
            destination: &self.word(&transfer.destination)?,
            working_dir: &self.state.config.config.working_dir,
            changes: Changes { owner, mode, ..self.changes(transfer.from.is_none()) },
            unpacked: Changes { owner: chown, mode, ..self.changes(false) },
            keeps_parents: transfer.keeps_parents,
            exclude: IgnoreFile::of_patterns(exclude.iter().map(String::as_str))?,
            unpacks_in: if unpacks { Some(self.site.workshop.scratch()?) } else { None },
            now: self.site.plan.request.moment(),
            check_wanted: &check_wanted,
        };
        transfer::gather(order, tree, ground)
    }

    /// What every file is changed in. When and under which mask somebody has written a context says nothing.
    pub(crate) fn changes(&self, is_context: bool) -> Changes {
        let request = &self.site.plan.request;
        let modified = match request.epoch {
            Some(epoch) if is_context => Modified::At(epoch),
            Some(epoch) => Modified::NotAfter(epoch),
            None => Modified::AsItIs,
        };
        let ignores_mask = request.ignores_masks && is_context;
        Changes { modified, ignores_mask, ..Changes::default() }
    }

    /// The tree that `--from` means.
    pub(crate) fn tree(&self, from: Option<&str>) -> Result<Tree<'_>> {
        let (context, name) = match from {
            None => (&self.site.plan.context, "the build context".to_owned()),
            Some(from) => match self.site.source(self.number, from)? {
                Origin::Files(context) => (context, format!("the context {from:?}")),
                Origin::Stage(layers) | Origin::Image(layers) => {
                    let root = Arc::new(self.site.workshop.view(&layers)?);
                    let name = format!("{from:?}");
                    return Ok(Tree { root, ignore: None, hashes: None, name });
                }
            },
        };
        let root = context.root.try_clone().map_err(|error| Error::read(b"/", error))?;
        let hashes = context.hashes.clone();
        Ok(Tree { root: Arc::new(root), ignore: Some(&context.ignore), hashes, name })
    }

    /// Makes a layer of files.
    fn write(&self, files: &Files) -> Result<Option<Layer>> {
        if files.is_empty() {
            return Ok(None);
        }
        self.site.workshop.layer(&self.state.layers, &mut |output| files.archive(output))
    }

    /// The layer of a step: the remembered one, or a new one. `written` is what the Dockerfile says, `text` what the history says.
    pub(crate) fn layer(
        &mut self,
        key: Key,
        (written, text): (&str, &str),
        make: impl FnOnce(&mut Self) -> Result<Option<Layer>>,
    ) -> Result<()> {
        let mut key = key;
        let request = &self.site.plan.request;
        if let Some(epoch) = request.epoch {
            // What is in the layer says when.
            key.part("epoch");
            key.part(epoch.to_string());
        }
        let key = key.finish();
        let _alone = self.site.claims.claim(&key);
        let remembered = self.site.recall(self.number, &key, &self.state.layers)?;
        let (layer, created) = if let Some(step) = remembered {
            self.site.teller.tell(Told::Cached { number: self.step });
            (step.layer, step.created)
        } else {
            let layer = make(self)?;
            self.site.remember(&key, &self.state.layers, layer.as_ref(), text)?;
            (layer, request.moment())
        };
        // Somebody may have done it at another time.
        let created = request.epoch.unwrap_or(created);
        self.site.note(Done {
            key,
            below: self.state.layers.clone(),
            layer: layer.clone(),
            created,
            text: text.to_owned(),
            written: written.to_owned(),
        });
        let is_empty = layer.is_none();
        self.state.layers.extend(layer);
        self.state.created = Some(created);
        self.history(text, is_empty)
    }

    /// A step without a layer.
    pub(crate) fn note(&mut self, text: &str) -> Result<()> {
        self.history(text, true)
    }

    fn history(&mut self, text: &str, is_empty: bool) -> Result<()> {
        self.state.scope.spend(text.len())?;
        let request = &self.site.plan.request;
        let created = request.epoch.or(self.state.created).unwrap_or(request.now);
        self.state.config.history.push(History {
            created: Some(created.to_string()),
            created_by: text.to_owned(),
            comment: "gantry.build".to_owned(),
            empty_layer: is_empty,
            ..History::default()
        });
        Ok(())
    }
}

/// An absolute path without names that mean nothing.
fn cleaned(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
        if name == ".." {
            names.pop();
        } else {
            names.push(name);
        }
    }
    format!("/{}", names.join("/"))
}

pub(crate) fn at(step: &Step, error: Error) -> Error {
    match error {
        Error::Abandoned | Error::Cancelled | Error::Step { .. } => error,
        error => Error::Step { span: step.span, step: step.text.clone(), source: Box::new(error) },
    }
}

/// The value of every `ARG` above the stages.
pub(crate) fn globals(
    dockerfile: &Dockerfile,
    given: &std::collections::BTreeMap<String, String>,
    platforms: &std::collections::BTreeMap<String, String>,
) -> Result<std::collections::BTreeMap<String, String>> {
    let mut scope = Scope { arguments: platforms.clone(), ..Scope::default() };
    for step in &dockerfile.arguments {
        let Instruction::Arg(arguments) = &step.instruction else { continue };
        for Argument { name, default } in arguments {
            let default = default.as_ref().map(|text| scope.word(dockerfile.escape, text));
            let default = default.transpose().map_err(|error| at(step, error))?;
            if let Some(value) = given.get(name).cloned().or(default) {
                scope.arguments.insert(name.clone(), value);
            }
        }
    }
    Ok(scope.arguments)
}
