//! Several containers in one shim.

use crate::bundle::Bundles;
use crate::caller::Caller;
use crate::container::{DEADLINE, binary, frames, is_running, poll};
use gantry_shim_protocol::TASK_SERVICE_V3;
use gantry_shim_protocol::attach::{AttachHeader, Streams};
use gantry_shim_protocol::bootstrap::BootstrapParams;
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::rpc::Code;
use gantry_shim_protocol::stdio::{Input, Output};
use gantry_shim_protocol::task::{CreateTaskRequest, ShutdownRequest, StateRequest, WaitRequest};
use gantry_shim_protocol::wire::Message;
use gantry_shims::{CreateOptions, ExitNotice, LaunchOptions, Shims};
use gantry_types::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const RUNC: &str = "io.containerd.runc.v2.group";
const KUBERNETES: &str = "io.kubernetes.cri.sandbox-id";

fn in_group(annotation: &'static str, group: &'static str) -> impl FnOnce(&mut Value) {
    move |config| config["annotations"] = serde_json::json!({ annotation: group })
}

fn request(bundles: &Bundles, name: &str) -> CreateTaskRequest {
    let bundle = bundles.bundle(name);
    CreateTaskRequest {
        id: bundles.id(name),
        stdout: format!("file://{}/output", bundle.display()),
        bundle: bundle.to_str().unwrap().to_owned(),
        ..Default::default()
    }
}

fn group_files(bundles: &Bundles) -> Vec<PathBuf> {
    let entries = fs::read_dir(bundles.path().join("s")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_group_has_one_shim_and_nobody_hears_of_the_others() {
    let mut bundles = Bundles::new();
    let names = ["a", "b", "c"];
    for name in names {
        let script = "echo $$ of me > /dev/stderr; read x; exit 3";
        let script = if name == "b" { "echo b; exec sleep 100" } else { script };
        bundles.make(name, script, in_group(RUNC, "pod"));
    }
    bundles.make("alone", "exec sleep 100", |_| {});
    bundles.make("elsewhere", "exec sleep 100", in_group(KUBERNETES, "another pod"));
    let mut callers: Vec<Caller> = names.iter().map(|name| bundles.start(name)).collect();
    let mut shims: Vec<u32> = names
        .iter()
        .zip(&mut callers)
        .map(|(name, caller)| caller.shim_pid(&bundles.id(name)))
        .collect();
    shims.dedup();
    assert_eq!(shims.len(), 1);
    let mut others = [bundles.start("alone"), bundles.start("elsewhere")];
    let others: Vec<u32> = ["alone", "elsewhere"]
        .iter()
        .zip(&mut others)
        .map(|(name, caller)| {
            let pid = caller.shim_pid(&bundles.id(name));
            caller.shutdown(&bundles.id(name));
            pid
        })
        .collect();
    assert!(others[0] != others[1] && !others.contains(&shims[0]));

    // Execs of the same name, ends in any order, exit records in the right bundle.
    for (name, caller) in names.iter().zip(&mut callers) {
        let id = bundles.id(name);
        let pid = caller.create(&request(&bundles, name)).unwrap();
        assert_eq!(caller.start(&id, ""), Ok(pid));
    }
    let b = bundles.id("b");
    let process = crate::container::process("exec sleep 100", false).to_string();
    callers[1].exec(&b, "e", &process).unwrap();
    callers[1].start(&b, "e").unwrap();
    let a = bundles.id("a");
    let state =
        |id: &str, exec_id: &str| StateRequest { id: id.to_owned(), exec_id: exec_id.to_owned() };
    assert_eq!(callers[0].refusal("State", &state(&a, "e")).0, Code::NotFound);
    // Any connection reaches all of them, as containerd's does.
    assert_eq!(callers[0].wait(&a, ""), Ok(3));
    assert_eq!(callers[0].wait(&bundles.id("c"), ""), Ok(3));
    callers[2].kill(&b, "e", 9).unwrap();
    assert_eq!(callers[0].wait(&b, "e"), Ok(137));
    assert!(callers[0].state(&b, "").unwrap().exit_status == 0);
    for (name, expected) in [("a", Some(3)), ("b", None), ("c", Some(3))] {
        let exits = fs::read_to_string(bundles.bundle(name).join("exits")).unwrap_or_default();
        assert_eq!(ExitRecord::find(&exits, "").map(|record| record.status), expected, "{name}");
        let record = ExitRecord::find(&exits, "e").map(|record| record.id);
        assert_eq!(record, (name == "b").then(|| b.clone()));
    }
    assert_eq!(fs::read_to_string(bundles.bundle("b").join("output")).unwrap(), "b\n");

    // The first may go while others live; its bundle as well.
    assert_eq!(callers[0].delete(&a, ""), Ok(3));
    callers[0].shutdown(&a);
    fs::remove_dir_all(bundles.bundle("a")).unwrap();
    assert!(is_running(shims[0]));
    // A restarted daemon finds it by the bundle of another.
    let address = fs::read_to_string(bundles.bundle("b").join("address")).unwrap();
    let mut again = Caller::connect(Path::new(address.strip_prefix("unix://").unwrap()));
    again.kill(&b, "", 9).unwrap();
    assert_eq!(again.wait(&b, ""), Ok(137));
    again.delete(&b, "").unwrap();
    again.shutdown(&b);
    assert!(is_running(shims[0]));
    again.delete(&bundles.id("c"), "").unwrap();
    again.shutdown(&bundles.id("c"));
    poll("the shim ends with its last container", || !is_running(shims[0]));
    assert_eq!(group_files(&bundles), Vec::<PathBuf>::new());
}

#[test]
fn a_container_that_is_about_to_come_keeps_the_shim() {
    let mut bundles = Bundles::new();
    bundles.make("a", "exit 1", in_group(RUNC, "pod"));
    bundles.make("b", "exit 2", in_group(RUNC, "pod"));
    let mut caller = bundles.start("a");
    assert_eq!(caller.run(&request(&bundles, "a")), 1);
    // `start` of the second comes between the Delete and the Shutdown of the first.
    let mut second = bundles.start("b");
    caller.shutdown(&bundles.id("a"));
    assert_eq!(second.run(&request(&bundles, "b")), 2);
    second.shutdown(&bundles.id("b"));
}

#[test]
fn a_group_whose_shim_died_gets_another() {
    let mut bundles = Bundles::new();
    bundles.make("a", "exec sleep 100", in_group(RUNC, "pod"));
    bundles.make("b", "exit 2", in_group(RUNC, "pod"));
    let mut caller = bundles.start("a");
    let pid = caller.create(&request(&bundles, "a")).unwrap();
    caller.start(&bundles.id("a"), "").unwrap();
    let shim = caller.shim_pid(&bundles.id("a"));
    crate::survival::send(shim, Signal::KILL);
    poll("the shim is gone", || !is_running(shim));
    let mut second = bundles.start("b");
    assert_ne!(second.shim_pid(&bundles.id("b")), shim);
    // What is left of the first is taken down without harm to the second.
    let output = bundles.delete("a");
    assert!(output.status.success(), "{output:?}");
    poll("its process ends", || !is_running(pid));
    assert_eq!(second.run(&request(&bundles, "b")), 2);
    second.shutdown(&bundles.id("b"));
    poll("nothing is left", || group_files(&bundles).is_empty());
}

#[test]
fn the_last_delete_of_a_dead_group_leaves_nothing() {
    let mut bundles = Bundles::new();
    bundles.make("a", "exec sleep 100", in_group(RUNC, "pod"));
    let mut caller = bundles.start("a");
    caller.create(&request(&bundles, "a")).unwrap();
    let shim = caller.shim_pid(&bundles.id("a"));
    crate::survival::send(shim, Signal::KILL);
    poll("the shim is gone", || !is_running(shim));
    assert!(!group_files(&bundles).is_empty());
    assert!(bundles.delete("a").status.success());
    assert_eq!(group_files(&bundles), Vec::<PathBuf>::new());
}

#[test]
fn many_starts_of_a_group_at_once_make_one_shim() {
    let bundles = Bundles::new();
    let names: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    for name in &names {
        bundles.make(name, "exit 4", in_group(KUBERNETES, "pod/with a \u{fc}nusual name"));
    }
    let address = bundles.path().join("c.sock");
    let start = |name: &String| {
        let id = bundles.id(name);
        let flags = ["-namespace", "tests", "-address", address.to_str().unwrap(), "-id", &id];
        let result = crate::caller::start(&bundles.bundle(name), &flags, b"", &[]);
        result.socket_path().to_owned()
    };
    let mut sockets: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = names.iter().map(|name| scope.spawn(move || start(name))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    sockets.dedup();
    assert_eq!(sockets.len(), 1);
    let mut caller = Caller::connect(Path::new(&sockets[0]));
    let shim = caller.shim_pid(&bundles.id("c0"));
    for name in &names {
        assert_eq!(caller.run(&request(&bundles, name)), 4);
        caller.shutdown(&bundles.id(name));
    }
    poll("the shim ends", || !is_running(shim));
    poll("nothing is left", || group_files(&bundles).is_empty());
}

#[test]
fn attachers_reach_their_own_container_of_a_group() {
    // By the daemon's library, whose sockets lie in the bundles.
    let mut bundles = Bundles::new();
    let shims = Shims::new().unwrap();
    let launched: Vec<_> = ["a", "b"]
        .iter()
        .map(|name| {
            let script = format!("read x; echo \"$x in {name}\"; exit 3");
            let bundle = bundles.make(name, &script, in_group(RUNC, "pod"));
            let id = bundles.id(name);
            let shim = shims.launch(&LaunchOptions { binary: binary(), bundle, id }).unwrap();
            let options = CreateOptions {
                stdin: Input::Relay { once: true }.to_string(),
                stdout: Output::Relay(None).to_string(),
                ..Default::default()
            };
            shim.create(&options).unwrap();
            let streams = Streams { stdin: true, stdout: true, stderr: true };
            let stream = shim.attach(&AttachHeader { exec_id: String::new(), streams }).unwrap();
            (shim, stream)
        })
        .collect();
    let pids: Vec<u32> =
        launched.iter().map(|(shim, _)| shim.identify().unwrap().shim_pid).collect();
    assert_eq!(pids[0], pids[1]);
    bundles.expect_end_of(pids[0]);
    for (name, (shim, stream)) in ["a", "b"].iter().zip(&launched) {
        shim.start("").unwrap();
        let mut writer = stream;
        writer.write_all(b"hello\n").unwrap();
        assert_eq!(frames(stream).0, format!("hello in {name}\n"));
        // A daemon that was restarted.
        let again = shims.connect(&bundles.bundle(name), &bundles.id(name)).unwrap();
        let ended = again.wait("", DEADLINE);
        assert!(matches!(ended, Some(ExitNotice::Exited { status: 3, .. })), "{ended:?}");
        again.dismiss();
        assert!(!bundles.bundle(name).join("io.sock").exists());
    }
}

#[test]
fn a_sandboxs_containers_come_without_a_start() {
    // containerd 2.x runs `start` for the sandbox only, with the parameters in protobuf.
    let mut bundles = Bundles::new();
    let sandbox = bundles.make("pause", "exec sleep 100", |_| {});
    bundles.make("app", "exit 6", |_| {});
    let id = bundles.id("pause");
    let params = BootstrapParams {
        instance_id: id.clone(),
        namespace: "tests".to_owned(),
        containerd_grpc_address: bundles.path().join("c.sock").to_str().unwrap().to_owned(),
        ..Default::default()
    };
    let result = crate::caller::start(&sandbox, &[], &params.encode(), &[]);
    assert_eq!((result.version, result.protocol.as_str()), (3, "ttrpc"));
    let mut caller = Caller::connect(Path::new(result.socket_path()));
    let shim = caller.shim_pid(&id);
    bundles.expect_end_of(shim);
    caller.create(&request(&bundles, "pause")).unwrap();
    caller.start(&id, "").unwrap();
    assert_eq!(caller.run(&request(&bundles, "app")), 6);
    caller.shutdown(&bundles.id("app"));
    // Not a bundle, not absolute, another container's.
    for bundle in ["/", "relative", "", &sandbox.display().to_string()] {
        let request = CreateTaskRequest {
            id: id.clone() + "x",
            bundle: bundle.to_owned(),
            ..Default::default()
        };
        let (code, words) = caller.refusal("Create", &request);
        assert!(matches!(code, Code::InvalidArgument | Code::FailedPrecondition), "{words}");
    }
    assert_eq!(caller.state(&id, "").unwrap().exit_status, 0);
    caller.kill(&id, "", 9).unwrap();
    assert_eq!(caller.wait(&id, ""), Ok(137));
    caller.delete(&id, "").unwrap();
    caller.shutdown(&id);
}

#[test]
fn now_does_not_end_a_shim_that_has_other_containers() {
    let mut bundles = Bundles::new();
    for name in ["a", "b"] {
        bundles.make(name, "exec sleep 100", in_group(RUNC, "pod"));
    }
    let mut caller = bundles.start("a");
    bundles.start("b");
    for name in ["a", "b"] {
        caller.create(&request(&bundles, name)).unwrap();
        caller.start(&bundles.id(name), "").unwrap();
    }
    let (a, b) = (bundles.id("a"), bundles.id("b"));
    let waits =
        caller.send(TASK_SERVICE_V3, "Wait", &WaitRequest { id: b.clone(), ..Default::default() });
    let mut second = bundles.start("a");
    let now = ShutdownRequest { id: a.clone(), now: true };
    let _: gantry_shim_protocol::rpc::Empty = second.call("Shutdown", &now).unwrap();
    assert_eq!(second.state(&b, "").unwrap().exit_status, 0);
    for id in [&a, &b] {
        second.kill(id, "", 9).unwrap();
        assert_eq!(second.wait(id, ""), Ok(137));
        second.delete(id, "").unwrap();
        second.shutdown(id);
    }
    assert_eq!(caller.receive().0, waits);
}
