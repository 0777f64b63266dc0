//! The stage of one case: a bundle of its own with a small root, the calls of the runtime on it, and looks at what
//! came of them. Everything goes when the stage is dropped.
//!
//! All methods panic, with a sentence, when something is not as the case says: the runner turns that into a verdict.

mod base;
mod call;
mod cgroup;
mod console;
mod seen;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gantry_testkit::{Outcome, poll_for};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::machine::Machine;
use crate::runtime::Runtime;

pub(crate) use base::Template;
pub(crate) use call::DEADLINE;
pub(crate) use cgroup::sweep_parent;
pub(crate) use console::{Console, read_until, type_in};
pub(crate) use seen::{Mount, Seen};

/// The cgroup under which all containers of the suite lie.
pub(crate) const CGROUP: &str = "/gantry-conformance";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What all stages share.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) machine: Machine,
    pub(crate) template: Template,
}

pub(crate) struct Stage {
    world: Arc<World>,
    dir: TempDir,
    /// The container's id.
    pub(crate) id: String,
    /// What will be `config.json`.
    pub(crate) config: Value,
    calls: u32,
    /// Containers besides the first.
    others: Vec<String>,
}

impl Stage {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("c{}-{number}", std::process::id());
        let dir = world.template.new_folder();
        let stage = Self {
            config: base::config(&format!("{CGROUP}/{id}")),
            world: Arc::clone(world),
            dir,
            id,
            calls: 0,
            others: Vec::new(),
        };
        world.template.fill(&stage.rootfs());
        stage
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.world.machine
    }

    /// A folder of the case's own on the host.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.bundle().join("rootfs")
    }

    /// Makes a folder beside the bundle, open to everybody, and gives its path.
    pub(crate) fn folder(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).expect("make a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("open the folder");
        path.to_string_lossy().into_owned()
    }

    /// Writes a file beside the bundle and gives its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("write a file");
        path.to_string_lossy().into_owned()
    }

    // --- the config

    /// Sets a field by its JSON pointer; objects on the way are made.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) -> &mut Self {
        let mut at = &mut self.config;
        for name in pointer.split('/').skip(1) {
            let list = at.is_array().then(|| name.parse::<usize>().expect("an index"));
            at = match list {
                Some(index) => at.get_mut(index).expect("the element is there"),
                None => &mut at[name],
            };
        }
        *at = value;
        self
    }

    /// Removes a field.
    pub(crate) fn remove(&mut self, pointer: &str) -> &mut Self {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let parent = self.config.pointer_mut(parent).and_then(Value::as_object_mut);
        parent.expect("the parent is an object").remove(name);
        self
    }

    /// Appends to a list, which is made when missing.
    pub(crate) fn push(&mut self, pointer: &str, value: Value) -> &mut Self {
        if self.config.pointer(pointer).is_none_or(Value::is_null) {
            self.set(pointer, json!([]));
        }
        let list = self.config.pointer_mut(pointer).and_then(Value::as_array_mut);
        list.expect("it is a list").push(value);
        self
    }

    /// Adds a mount.
    pub(crate) fn mount(
        &mut self,
        kind: &str,
        source: &str,
        to: &str,
        options: &[&str],
    ) -> &mut Self {
        let mount = json!({"destination": to, "type": kind, "source": source, "options": options});
        self.push("/mounts", mount)
    }

    /// Adds a bind mount.
    pub(crate) fn bind(&mut self, source: &str, to: &str, options: &[&str]) -> &mut Self {
        self.mount("none", source, to, options)
    }

    /// Removes a namespace, so that the container has the runtime's.
    pub(crate) fn without_namespace(&mut self, kind: &str) -> &mut Self {
        let list = self.config.pointer_mut("/linux/namespaces").and_then(Value::as_array_mut);
        list.expect("there are namespaces").retain(|namespace| namespace["type"] != kind);
        self
    }

    /// What the process is: these words.
    pub(crate) fn args(&mut self, words: &[&str]) -> &mut Self {
        self.set("/process/args", json!(words))
    }

    /// What the process is: a shell script.
    pub(crate) fn script(&mut self, script: &str) -> &mut Self {
        self.args(&["sh", "-c", script])
    }

    // --- the calls

    /// The runtime's command line up to the subcommand.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.world.runtime.path);
        command.arg("--root").arg(self.dir.path().join("state"));
        command.arg("--log").arg(self.dir.path().join("log")).args(["--log-format", "json"]);
        command.args(words).current_dir(self.bundle()).stdin(Stdio::null());
        command
    }

    /// Calls the runtime.
    pub(crate) fn call(&mut self, words: &[&str]) -> Outcome {
        self.call_with(self.command(words))
    }

    /// Calls a command line that [`Stage::command`] began.
    pub(crate) fn call_with(&mut self, command: Command) -> Outcome {
        self.calls += 1;
        let mut outcome = call::run(command, self.dir.path(), self.calls);
        // Some say it in the log alone.
        outcome.stderr.push_str(&self.log());
        outcome
    }

    /// What the runtime has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn write_config(&self) {
        fs::write(self.bundle().join("config.json"), self.config.to_string()).expect("write it");
    }

    /// Runs the container to its end.
    pub(crate) fn run(&mut self) -> Outcome {
        self.write_config();
        let id = self.id.clone();
        self.call(&["run", &id])
    }

    /// Runs a shell script in the container and gives what it printed.
    pub(crate) fn sh(&mut self, script: &str) -> String {
        self.script(script).run().success()
    }

    /// Runs the probe in the container and gives what it saw.
    pub(crate) fn look(&mut self) -> Seen {
        let text = self.args(&["/bin/probe"]).run().success();
        Seen::parse(&text)
    }

    /// Expects that no container comes of the config: an error, no process run, nothing left. Gives the complaint.
    pub(crate) fn refused(&mut self) -> String {
        let outcome = self.run();
        assert_ne!(outcome.code, 0, "the runtime took it: {outcome}");
        self.assert_no_container();
        outcome.stderr
    }

    /// Expects that there is no container with our id, and that its process never ran.
    pub(crate) fn assert_no_container(&mut self) {
        assert!(!self.rootfs().join("ran").exists(), "the process ran in spite of the error");
        let id = self.id.clone();
        let state = self.call(&["state", &id]);
        assert_ne!(state.code, 0, "a container is left after the error: {}", state.stdout);
    }

    pub(crate) fn create(&mut self) {
        self.create_outcome().success();
    }

    pub(crate) fn create_outcome(&mut self) -> Outcome {
        self.write_config();
        let bundle = self.bundle().to_string_lossy().into_owned();
        let id = self.id.clone();
        self.call(&["create", "--bundle", &bundle, &id])
    }

    pub(crate) fn start(&mut self) {
        let id = self.id.clone();
        self.call(&["start", &id]).success();
    }

    pub(crate) fn kill(&mut self, signal: &str) {
        let id = self.id.clone();
        self.call(&["kill", &id, signal]).success();
    }

    pub(crate) fn delete(&mut self) {
        let id = self.id.clone();
        self.call(&["delete", &id]).success();
    }

    /// A container that waits, in the background.
    pub(crate) fn background(&mut self) {
        self.args(&["sleep", "1000"]);
        self.create();
        self.start();
    }

    /// Runs words in the running container and gives what they printed.
    pub(crate) fn exec(&mut self, words: &[&str]) -> String {
        let id = self.id.clone();
        let all: Vec<&str> = ["exec", &id].into_iter().chain(words.iter().copied()).collect();
        self.call(&all).success()
    }

    /// The state as the runtime tells it.
    pub(crate) fn state(&mut self) -> Value {
        let id = self.id.clone();
        let text = self.call(&["state", &id]).success();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("state: {error}: {text}"))
    }

    pub(crate) fn status(&mut self) -> String {
        self.state()["status"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn pid(&mut self) -> i64 {
        let state = self.state();
        state["pid"].as_i64().filter(|pid| *pid > 0).unwrap_or_else(|| panic!("no pid: {state}"))
    }

    /// Waits until the container has this status.
    pub(crate) fn until_status(&mut self, status: &str) {
        let came = poll_for(DEADLINE, || (self.status() == status).then_some(()));
        assert!(came.is_some(), "the status did not become {status}: {}", self.state());
    }

    /// Waits until a file on the host holds `words`, and gives its content.
    pub(crate) fn until_file(path: &Path, words: &str) -> String {
        let read = || fs::read_to_string(path).ok().filter(|text| text.contains(words));
        poll_for(DEADLINE, read).unwrap_or_else(|| {
            panic!("{} does not hold {words:?}", path.display());
        })
    }

    /// Makes another container of this stage known, for the end.
    pub(crate) fn also(&mut self, id: &str) {
        self.others.push(id.to_owned());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A runtime with an empty folder has no containers.
        let left = fs::read_dir(self.dir.path().join("state")).map_or(0, Iterator::count);
        let ids = std::iter::once(&self.id).chain(&self.others).filter(|_| left > 0);
        for id in ids {
            let mut child = call::spawn(self.command(&["delete", "--force", id]));
            if call::wait(&mut child, DEADLINE).is_none() {
                eprintln!("the runtime does not come back from deleting {id}");
            }
        }
        cgroup::sweep(&self.world.machine, &self.id);
        base::unmount_under(self.dir.path());
    }
}
