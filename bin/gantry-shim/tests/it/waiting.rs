//! What takes its time, another runtime's program and a logger that is not ready, holds up nobody else in
//! the shim, and loses nothing.

use crate::bundle::Bundles;
use crate::caller::{Caller, options};
use crate::container::{is_running, poll, process};
use gantry_shim_protocol::TASK_SERVICE_V3;
use gantry_shim_protocol::rpc::Code;
use gantry_shim_protocol::task::{
    CreateTaskRequest, CreateTaskResponse, KillRequest, RuncOptions, ShutdownRequest, StartRequest,
    StateRequest, WaitRequest, WaitResponse,
};
use gantry_shim_protocol::wire::Message;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A shim for a container `slow`, and the bundle of another, `other`.
struct Rig {
    bundles: Bundles,
    caller: Caller,
    slow: String,
}

fn rig(script: &str) -> Rig {
    let mut bundles = Bundles::new();
    bundles.make("slow", script, |config| config["ociVersion"] = "1.0.2".into());
    bundles.make("other", "exit 6", |_| {});
    let caller = bundles.start("slow");
    Rig { slow: bundles.id("slow"), caller, bundles }
}

impl Rig {
    fn request(&self, name: &str) -> CreateTaskRequest {
        CreateTaskRequest {
            id: self.bundles.id(name),
            bundle: self.bundles.bundle(name).to_str().unwrap().to_owned(),
            ..Default::default()
        }
    }

    /// A program in shell, which finds `$dir`.
    fn program(&self, name: &str, body: &str) -> String {
        let path = self.bundles.path().join(name);
        let dir = self.bundles.path().display();
        let text =
            format!("#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin dir={dir}\n{body}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A request for a container of runc's, which takes its time as `body` says; `$*` are its words.
    fn with_runc(&self, body: &str) -> CreateTaskRequest {
        let binary_name = self.program("runc", body);
        let choice = RuncOptions { binary_name, ..Default::default() };
        CreateTaskRequest { options: Some(options(&choice)), ..self.request("slow") }
    }

    fn allow(&self) {
        fs::write(self.bundles.path().join("go"), "").unwrap();
    }

    fn has(&self, file: &str) -> bool {
        self.bundles.path().join(file).exists()
    }

    fn send(&mut self, method: &str, message: &impl Message) -> u32 {
        self.caller.send(TASK_SERVICE_V3, method, message)
    }

    /// The other container lives its life from begin to end.
    fn other_lives(&mut self) {
        let request = self.request("other");
        assert_eq!(self.caller.run(&request), 6);
    }

    fn delete_killed(&mut self) {
        let id = self.slow.clone();
        self.caller.kill(&id, "", 9).unwrap();
        assert_eq!(self.caller.wait(&id, ""), Ok(137));
        assert_eq!(self.caller.delete(&id, ""), Ok(137));
        self.caller.shutdown(&id);
    }
}

const UNTIL_ALLOWED: &str = "while [ ! -e $dir/go ]; do sleep 0.02; done";

#[test]
fn a_slow_create_holds_up_nobody_and_what_comes_later_waits_for_it() {
    let mut rig = rig("exec sleep 1000");
    let body = format!(
        "case \" $* \" in *' create '*) touch $dir/there; {UNTIL_ALLOWED};; esac\nexec runc \"$@\""
    );
    let request = rig.with_runc(&body);
    let create = rig.send("Create", &request);
    poll("the runtime runs", || rig.has("there"));
    rig.other_lives();
    let id = rig.slow.clone();
    // Nobody knows the container yet, and its place is taken.
    let state = StateRequest { id: id.clone(), exec_id: String::new() };
    assert_eq!(rig.caller.refusal("State", &state).0, Code::NotFound);
    assert_eq!(rig.caller.refusal("Create", &request).0, Code::AlreadyExists);
    let start = rig.send("Start", &StartRequest { id, exec_id: String::new() });
    rig.allow();
    let (first, created) = rig.caller.receive();
    let pid = CreateTaskResponse::decode(&created.unwrap()).unwrap().pid;
    let (second, started) = rig.caller.receive();
    assert_eq!((first, second), (create, start));
    assert!(started.is_ok() && is_running(pid));
    rig.delete_killed();
}

#[test]
fn a_process_may_end_before_the_program_that_made_it() {
    let mut rig = rig("read x; exit 4");
    // The program ends long after the container's process, and a helper of its own after both.
    let body = "case \" $* \" in\n\
        *' start '* | *' exec '*) runc \"$@\"; code=$?; sleep 0.7 & sleep 0.4; exit $code;;\n\
        esac\nexec runc \"$@\"";
    let request = rig.with_runc(body);
    let id = rig.slow.clone();
    rig.caller.create(&request).unwrap();
    // Its end is told after its start, though nobody can wait for that.
    let start = rig.send("Start", &StartRequest { id: id.clone(), exec_id: String::new() });
    let wait = rig.send("Wait", &WaitRequest { id: id.clone(), exec_id: String::new() });
    let (first, started) = rig.caller.receive();
    assert!(first == start && started.is_ok(), "{started:?}");
    let (second, ended) = rig.caller.receive();
    assert_eq!(second, wait);
    assert_eq!(WaitResponse::decode(&ended.unwrap()).unwrap().exit_status, 4);
    assert_eq!(rig.caller.delete(&id, ""), Ok(4));

    rig.bundles.make("slow", "exec sleep 1000", |config| config["ociVersion"] = "1.0.2".into());
    rig.caller.create(&request).unwrap();
    rig.caller.start(&id, "").unwrap();
    for number in 0..3 {
        let name = format!("e{number}");
        rig.caller.exec(&id, &name, &process("exit 5", false).to_string()).unwrap();
        rig.caller.start(&id, &name).unwrap();
        assert_eq!(rig.caller.wait(&id, &name), Ok(5));
    }
    rig.delete_killed();
}

#[test]
fn a_container_can_be_killed_while_its_runtime_hangs() {
    let mut rig = rig("exec sleep 1000");
    let body = format!(
        "case \" $* \" in *' pause '*) touch $dir/there; {UNTIL_ALLOWED};; esac\nexec runc \"$@\""
    );
    let request = rig.with_runc(&body);
    let id = rig.slow.clone();
    rig.caller.create(&request).unwrap();
    rig.caller.start(&id, "").unwrap();
    let pause = rig.send("Pause", &gantry_shim_protocol::task::PauseRequest { id: id.clone() });
    poll("the runtime runs", || rig.has("there"));
    rig.caller.kill(&id, "", 9).unwrap();
    assert_eq!(rig.caller.wait(&id, ""), Ok(137));
    rig.allow();
    let (answered, paused) = rig.caller.receive();
    assert!(answered == pause && paused.is_err(), "{paused:?}");
    assert_eq!(rig.caller.delete(&id, ""), Ok(137));
    rig.caller.shutdown(&id);
}

#[test]
fn a_shim_that_shall_end_waits_for_no_runtime() {
    let mut rig = rig("exec sleep 1000");
    let body =
        "case \" $* \" in *' create '*) touch $dir/there; exec sleep 100;; esac\nexec runc \"$@\"";
    let request = rig.with_runc(body);
    let shim = rig.caller.shim_pid(&rig.slow.clone());
    let create = rig.send("Create", &request);
    poll("the runtime runs", || rig.has("there"));
    let kill = KillRequest { id: rig.slow.clone(), signal: 9, ..Default::default() };
    assert_eq!(rig.caller.refusal("Kill", &kill).0, Code::NotFound);
    let shutdown = rig.send("Shutdown", &ShutdownRequest { id: rig.slow.clone(), now: true });
    let (first, created) = rig.caller.receive();
    assert!(first == create && created.is_err(), "{created:?}");
    assert_eq!(rig.caller.receive().0, shutdown);
    poll("the shim ends", || !is_running(shim));
}

#[test]
fn a_logger_that_is_not_ready_holds_up_nobody() {
    let mut rig = rig("echo out; exit 7");
    let body = format!("touch $dir/there; {UNTIL_ALLOWED}; exec 5>&-; exec cat <&3 >$dir/out");
    let uri = format!("binary://{}", rig.program("logger", &body));
    let request = CreateTaskRequest { stdout: uri, ..rig.request("slow") };
    let create = rig.send("Create", &request);
    poll("the logger runs", || rig.has("there"));
    rig.other_lives();
    assert!(!rig.has("out"));
    rig.allow();
    let (answered, created) = rig.caller.receive();
    assert!(answered == create && created.is_ok(), "{created:?}");
    let id = rig.slow.clone();
    rig.caller.start(&id, "").unwrap();
    assert_eq!(rig.caller.wait(&id, ""), Ok(7));
    assert_eq!(rig.caller.delete(&id, ""), Ok(7));
    assert_eq!(fs::read_to_string(rig.bundles.path().join("out")).unwrap(), "out\n");
    rig.caller.shutdown(&id);
}
