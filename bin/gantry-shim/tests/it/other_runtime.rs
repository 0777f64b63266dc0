//! `Options.BinaryName`: the shim with runc and crun of Debian instead of the runtime inside it.

use crate::bundle::Bundles;
use crate::caller::{Caller, options};
use crate::container::{is_running, poll};
use gantry_shim_protocol::metrics::v1;
use gantry_shim_protocol::rpc::{Any, Code, Empty};
use gantry_shim_protocol::task::{
    CreateTaskRequest, Mount, PauseRequest, PidsRequest, PidsResponse, ProcessDetails,
    RESOURCES_TYPE_URL, ResumeRequest, RuncOptions, StatsRequest, StatsResponse, TaskStatus,
    UpdateTaskRequest,
};
use gantry_shim_protocol::wire::Message;
use gantry_types::Signal;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

struct Rig {
    bundles: Bundles,
    caller: Caller,
    id: String,
    program: String,
}

/// Debian's crun refuses a machine with an empty version 2 hierarchy beside version 1: it gets to see none.
const CRUN_WITHOUT_UNIFIED: &str = "#!/bin/sh
if [ -e /sys/fs/cgroup/unified ]; then
    exec unshare --mount sh -c 'mount -t tmpfs tmpfs /sys/fs/cgroup/unified && exec crun \"$@\"' crun \"$@\"
fi
exec crun \"$@\"
";

fn program(bundles: &Bundles, name: &str) -> String {
    if name != "crun" {
        return name.to_owned();
    }
    let path = bundles.path().join("crun");
    fs::write(&path, CRUN_WITHOUT_UNIFIED).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn rig(name: &str, script: &str, terminal: bool) -> Rig {
    let mut bundles = Bundles::new();
    bundles.make("c", script, |config| {
        config["process"]["terminal"] = terminal.into();
        config["ociVersion"] = "1.0.2".into();
    });
    let caller = bundles.start("c");
    Rig { id: bundles.id("c"), program: program(&bundles, name), caller, bundles }
}

impl Rig {
    fn request(&self) -> CreateTaskRequest {
        let binary_name = self.program.clone();
        CreateTaskRequest {
            id: self.id.clone(),
            bundle: self.bundles.bundle("c").to_str().unwrap().to_owned(),
            stdout: format!("file://{}", self.output().display()),
            options: Some(options(&RuncOptions { binary_name, ..Default::default() })),
            ..Default::default()
        }
    }

    fn output(&self) -> PathBuf {
        self.bundles.path().join("output")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.output()).unwrap_or_default()
    }

    fn end(mut self) {
        self.caller.shutdown(&self.id);
        let left: Vec<_> = fs::read_dir(self.bundles.bundle("c"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".gantry"))
            .collect();
        assert!(left.is_empty(), "{left:?} are left");
    }
}

fn lives_its_whole_life(name: &str) {
    let mut rig = rig(name, "echo out; trap 'exit 9' TERM; while :; do sleep 0.05; done", false);
    let id = rig.id.clone();
    let request = rig.request();
    let pid = rig.caller.create(&request).unwrap();
    assert_eq!(rig.caller.state(&id, "").unwrap().status, TaskStatus::Created);
    assert_eq!(rig.caller.start(&id, "").unwrap(), pid);
    poll("it writes", || rig.text() == "out\n");

    let process = crate::container::process("exit 4", false).to_string();
    rig.caller.exec(&id, "e1", &process).unwrap();
    rig.caller.start(&id, "e1").unwrap();
    assert_eq!(rig.caller.wait(&id, "e1"), Ok(4));
    assert_eq!(rig.caller.delete(&id, "e1"), Ok(4));
    let process = crate::container::process("exec sleep 100", false).to_string();
    rig.caller.exec(&id, "e2", &process).unwrap();
    let exec = rig.caller.start(&id, "e2").unwrap();
    let pids: PidsResponse = rig.caller.call("Pids", &PidsRequest { id: id.clone() }).unwrap();
    let info = |pid| pids.processes.iter().find(|process| process.pid == pid).unwrap().info.clone();
    assert_eq!(info(pid), None);
    let details = info(exec).unwrap();
    assert_eq!(ProcessDetails::decode(&details.value).unwrap().exec_id, "e2");
    rig.caller.kill(&id, "e2", 9).unwrap();
    assert_eq!(rig.caller.wait(&id, "e2"), Ok(137));

    let _: Empty = rig.caller.call("Pause", &PauseRequest { id: id.clone() }).unwrap();
    assert_eq!(rig.caller.state(&id, "").unwrap().status, TaskStatus::Paused);
    let _: Empty = rig.caller.call("Resume", &ResumeRequest { id: id.clone() }).unwrap();
    let resources = json!({ "pids": { "limit": 77 } }).to_string().into_bytes();
    let resources = Some(Any { type_url: RESOURCES_TYPE_URL.to_owned(), value: resources });
    let update = UpdateTaskRequest { id: id.clone(), resources, ..Default::default() };
    let _: Empty = rig.caller.call("Update", &update).unwrap();
    let stats: StatsResponse = rig.caller.call("Stats", &StatsRequest { id: id.clone() }).unwrap();
    let stats = v1::Metrics::decode(&stats.stats.unwrap().value).unwrap();
    assert_eq!(stats.pids.unwrap().limit, 77);
    assert_eq!(stats.memory_oom_control.unwrap().oom_kill, 0);

    assert_eq!(rig.caller.refusal("Delete", &delete(&id)).0, Code::FailedPrecondition);
    rig.caller.kill(&id, "", 15).unwrap();
    assert_eq!(rig.caller.wait(&id, ""), Ok(9));
    assert_eq!(Code::from_number(rig.caller.kill(&id, "", 15).unwrap_err().code), Code::NotFound);
    assert_eq!(rig.caller.delete(&id, ""), Ok(9));
    rig.end();
}

fn delete(id: &str) -> gantry_shim_protocol::task::DeleteRequest {
    gantry_shim_protocol::task::DeleteRequest { id: id.to_owned(), exec_id: String::new() }
}

fn has_a_terminal(name: &str) {
    let mut rig = rig(name, "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal", true);
    let stdin = rig.bundles.path().join("in");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &stdin, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let request = CreateTaskRequest {
        terminal: true,
        stdin: stdin.to_str().unwrap().to_owned(),
        ..rig.request()
    };
    assert_eq!(rig.caller.run(&request), 0);
    assert_eq!(rig.text(), "terminal\r\n");
    rig.end();
}

fn says_why_it_cannot(name: &str) {
    let mut rig = rig(name, "exit 3", false);
    let config = rig.bundles.bundle("c").join("config.json");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, good.replace("[\"sh\",", "[\"no-such-program\",")).unwrap();
    let request = rig.request();
    let (code, words) = match rig.caller.create(&request) {
        Err(status) => (Code::from_number(status.code), status.message),
        Ok(_) => rig.caller.refusal(
            "Start",
            &gantry_shim_protocol::task::StartRequest {
                id: rig.id.clone(),
                exec_id: String::new(),
            },
        ),
    };
    assert!(words.contains("no-such-program") && code == Code::Unknown, "{code:?}: {words}");
    // Nothing is in the way of the next attempt.
    fs::write(&config, good).unwrap();
    assert_eq!(rig.caller.run(&request), 3);
    rig.end();
}

fn is_cleaned_up_after_a_dead_shim(name: &str) {
    let mut rig = rig(name, "exec sleep 100", false);
    let root = rig.bundles.path().join("records");
    // The root comes as a mount, and the records have a place of their own.
    let request = CreateTaskRequest {
        rootfs: vec![Mount {
            kind: "bind".to_owned(),
            source: rig.bundles.path().join("rootfs").to_str().unwrap().to_owned(),
            target: String::new(),
            options: vec!["rbind".to_owned(), "ro".to_owned()],
        }],
        options: Some(options(&RuncOptions {
            binary_name: rig.program.clone(),
            root: root.to_str().unwrap().to_owned(),
            ..Default::default()
        })),
        ..rig.request()
    };
    let bundle = rig.bundles.bundle("c");
    let config = bundle.join("config.json");
    let mut spec: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&config).unwrap()).unwrap();
    spec["root"]["path"] = "rootfs".into();
    fs::write(&config, spec.to_string()).unwrap();
    let pid = rig.caller.create(&request).unwrap();
    rig.caller.start(&rig.id, "").unwrap();
    assert!(root.join("tests").join(&rig.id).is_dir());
    assert!(bundle.join("rootfs/bin/sh").exists());
    let shim = rig.caller.shim_pid(&rig.id);
    crate::survival::send(shim, Signal::KILL);
    poll("the shim is gone", || !is_running(shim));
    let output = rig.bundles.delete("c");
    assert!(output.status.success(), "{output:?}");
    poll("its process ends", || !is_running(pid));
    assert!(!bundle.join("rootfs/bin").exists(), "the root is still mounted");
    assert!(!root.join("tests").join(&rig.id).exists());
}

#[test]
fn runc_runs_a_container() {
    lives_its_whole_life("runc");
    has_a_terminal("runc");
}

#[test]
fn crun_runs_a_container() {
    lives_its_whole_life("crun");
    has_a_terminal("crun");
}

#[test]
fn another_runtimes_words_come_through() {
    says_why_it_cannot("runc");
    says_why_it_cannot("crun");
}

#[test]
fn what_another_runtime_made_goes_when_its_shim_died() {
    is_cleaned_up_after_a_dead_shim("runc");
    is_cleaned_up_after_a_dead_shim("crun");
}

#[test]
fn a_runtime_that_is_not_there_is_named() {
    let mut rig = rig("no-such-runtime", "exit 3", false);
    let request = rig.request();
    let (code, words) = rig.caller.refusal("Create", &request);
    assert!(code == Code::InvalidArgument && words.contains("no-such-runtime"), "{words}");
    for (root, id) in [("relative", None), ("/tmp", Some(".."))] {
        let options = RuncOptions { root: root.to_owned(), ..Default::default() };
        let mut request = rig.request();
        request.options = Some(crate::caller::options(&options));
        if let Some(id) = id {
            request.id = id.to_owned();
            let other = rig.bundles.make("other", "exit 1", |_| {});
            request.bundle = other.to_str().unwrap().to_owned();
        }
        let (code, words) = rig.caller.refusal("Create", &request);
        assert_eq!(code, Code::InvalidArgument, "{words}");
    }
    rig.end();
}

#[test]
fn the_own_runtime_keeps_its_records_where_it_is_told() {
    let mut rig = rig("", "exec sleep 100", false);
    let root = rig.bundles.path().join("records");
    let mut request = rig.request();
    let options = RuncOptions { root: root.to_str().unwrap().to_owned(), ..Default::default() };
    request.options = Some(crate::caller::options(&options));
    let pid = rig.caller.create(&request).unwrap();
    rig.caller.start(&rig.id, "").unwrap();
    let state = root.join("tests").join(&rig.id).join("state.json");
    let mut text = String::new();
    fs::File::open(&state).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains(&pid.to_string()), "{text}");
    let shim = rig.caller.shim_pid(&rig.id);
    crate::survival::send(shim, Signal::KILL);
    poll("the shim is gone", || !is_running(shim));
    let output = rig.bundles.delete("c");
    assert!(output.status.success(), "{output:?}");
    poll("its process ends", || !is_running(pid));
    assert!(!state.exists());
    assert!(!Path::new(&root.join("tests").join(&rig.id)).exists());
}
