//! Answers that come although somebody else is stuck, gone, or has nothing left: nothing holds up a shim.

use crate::bundle::Bundles;
use crate::caller::{Caller, options};
use crate::container::{is_running, poll};
use gantry_shim_protocol::rpc::{Any, Code, Empty};
use gantry_shim_protocol::task::{
    CreateTaskRequest, PROCESS_TYPE_URL, PidsRequest, RuncOptions, ShutdownRequest, StatsRequest,
    WaitRequest,
};
use gantry_shim_protocol::{IO_SOCKET, TASK_SERVICE_V3, TASK_SOCKET};
use gantry_types::Signal;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

fn rig(script: &str) -> (Bundles, Caller, CreateTaskRequest) {
    let mut bundles = Bundles::new();
    bundles.make("c", script, |_| {});
    let caller = bundles.start("c");
    let request = CreateTaskRequest {
        id: bundles.id("c"),
        bundle: bundles.bundle("c").to_str().unwrap().to_owned(),
        ..Default::default()
    };
    (bundles, caller, request)
}

fn end(mut caller: Caller, id: &str) {
    caller.kill(id, "", 9).unwrap();
    assert_eq!(caller.wait(id, ""), Ok(137));
    caller.delete(id, "").unwrap();
    caller.shutdown(id);
}

#[test]
fn shutdown_now_does_not_wait_for_execs_of_a_pid_namespace() {
    let (_bundles, mut caller, request) = rig("exec sleep 1000");
    let id = request.id.clone();
    caller.create(&request).unwrap();
    let first = caller.start(&id, "").unwrap();
    let process = crate::container::process("exec sleep 1000", false).to_string();
    caller.exec(&id, "e", &process).unwrap();
    let exec = caller.start(&id, "e").unwrap();
    let begin = Instant::now();
    let _: Empty = caller.call("Shutdown", &ShutdownRequest { id, now: true }).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert!(!is_running(first) && !is_running(exec));
}

#[test]
fn who_waits_for_an_exec_that_is_deleted_unstarted_is_told() {
    let (_bundles, mut caller, request) = rig("exec sleep 1000");
    let id = request.id.clone();
    caller.create(&request).unwrap();
    caller.start(&id, "").unwrap();
    let process = crate::container::process("exit 4", false).to_string();
    caller.exec(&id, "e", &process).unwrap();
    let wait = WaitRequest { id: id.clone(), exec_id: "e".to_owned() };
    let waits = caller.send(TASK_SERVICE_V3, "Wait", &wait);
    let delete = gantry_shim_protocol::task::DeleteRequest { id: id.clone(), exec_id: "e".into() };
    let deletes = caller.send(TASK_SERVICE_V3, "Delete", &delete);
    let mut answered: Vec<u32> = (0..2).map(|_| caller.receive().0).collect();
    answered.sort_unstable();
    assert_eq!(answered, [waits, deletes]);
    end(caller, &id);
}

#[test]
fn a_pipe_that_is_called_a_file_is_refused() {
    let (bundles, mut caller, request) = rig("exit 3");
    let path = bundles.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let bad = CreateTaskRequest { stdout: format!("file://{}", path.display()), ..request.clone() };
    // Without a reader, and with one.
    assert!(caller.refusal("Create", &bad).1.contains(path.to_str().unwrap()));
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (code, words) = caller.refusal("Create", &bad);
    assert!(code == Code::InvalidArgument && words.contains("neither a file"), "{words}");
    assert_eq!(caller.run(&request), 3);
    caller.shutdown(&request.id);
}

#[test]
fn delete_without_the_runtimes_program_says_so_and_leaves_no_socket() {
    let (bundles, mut caller, mut request) = rig("exec sleep 1000");
    let program = bundles.path().join("runtime");
    std::os::unix::fs::symlink("/usr/sbin/runc", &program).unwrap();
    let binary_name = program.to_str().unwrap().to_owned();
    request.options = Some(options(&RuncOptions { binary_name, ..Default::default() }));
    let pid = caller.create(&request).unwrap();
    let shim = caller.shim_pid(&request.id);
    crate::survival::send(shim, Signal::KILL);
    poll("the shim is gone", || !is_running(shim));
    fs::remove_file(&program).unwrap();
    let output = bundles.delete("c");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("runtime"), "{output:?}");
    for name in [TASK_SOCKET, IO_SOCKET] {
        assert!(!bundles.bundle("c").join(name).exists(), "{name}");
    }
    // With the program it can be taken down.
    std::os::unix::fs::symlink("/usr/sbin/runc", &program).unwrap();
    assert!(bundles.delete("c").status.success());
    poll("its process ends", || !is_running(pid));
}

#[test]
fn numbers_of_another_runtimes_ended_container_are_refused() {
    let (_bundles, mut caller, mut request) = rig("exit 3");
    let id = request.id.clone();
    let binary_name = "runc".to_owned();
    request.options = Some(options(&RuncOptions { binary_name, ..Default::default() }));
    caller.create(&request).unwrap();
    caller.start(&id, "").unwrap();
    assert_eq!(caller.wait(&id, ""), Ok(3));
    assert_eq!(caller.refusal("Stats", &StatsRequest { id: id.clone() }).0, Code::NotFound);
    assert_eq!(caller.refusal("Pids", &PidsRequest { id: id.clone() }).0, Code::NotFound);
    assert_eq!(caller.delete(&id, ""), Ok(3));
    caller.shutdown(&id);
}

#[test]
fn a_shim_without_descriptors_does_not_spin() {
    let (bundles, mut caller, request) = rig("exec sleep 1000");
    let id = request.id.clone();
    caller.create(&request).unwrap();
    caller.start(&id, "").unwrap();
    let shim = caller.shim_pid(&id);
    let limit = |number: usize| {
        let words = [format!("--pid={shim}"), format!("--nofile={number}:4096")];
        assert!(Command::new("prlimit").args(words).status().unwrap().success());
    };
    let highest = fs::read_dir(format!("/proc/{shim}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<usize>().unwrap())
        .max()
        .unwrap();
    limit(highest + 1);
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{shim}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let path = bundles.bundle("c").join(IO_SOCKET);
    // More than there can be holes below the highest.
    let clients: Vec<_> =
        (0..=highest + 8).map(|_| gantry_sys::unix_socket::connect(&path).unwrap()).collect();
    let before = ticks();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        // The loop still serves those who are there.
        caller.state(&id, "").unwrap();
        std::thread::park_timeout(Duration::from_millis(100));
    }
    // A hundred would be one processor's whole second.
    assert!(ticks() - before < 30, "{} ticks", ticks() - before);
    limit(1024);
    drop(clients);
    end(caller, &id);
}

#[test]
fn checkpoints_that_cannot_be_restored_are_refused_in_create() {
    let (_bundles, mut caller, request) = rig("exit 3");
    let case = |checkpoint: &str, runc: RuncOptions| CreateTaskRequest {
        checkpoint: checkpoint.to_owned(),
        options: Some(options(&runc)),
        ..request.clone()
    };
    let other = RuncOptions { binary_name: "runc".to_owned(), ..Default::default() };
    let work = RuncOptions { criu_work_path: "here".to_owned(), ..Default::default() };
    for (request, expected) in [
        (case("images", RuncOptions::default()), "\"images\" is not absolute"),
        (case("/images", work), "\"here\" is not absolute"),
        (case("/images", other), "another runtime"),
    ] {
        let (_, words) = caller.refusal("Create", &request);
        assert!(words.contains(expected), "{words}");
    }
    assert_eq!(caller.run(&request), 3);
    caller.shutdown(&request.id);
}

#[test]
fn an_execs_name_is_free_when_it_was_deleted() {
    let (bundles, mut caller, request) = rig("exec sleep 1000");
    let id = request.id.clone();
    caller.create(&request).unwrap();
    caller.start(&id, "").unwrap();
    let spec = |script: &str| {
        let value = crate::container::process(script, false).to_string().into_bytes();
        Some(Any { type_url: PROCESS_TYPE_URL.to_owned(), value })
    };
    // Its output is held open by one who lives longer.
    let exec = gantry_shim_protocol::task::ExecProcessRequest {
        id: id.clone(),
        exec_id: "e".to_owned(),
        stdout: format!("file://{}/out", bundles.path().display()),
        spec: spec("sleep 1000 & exit 4"),
        ..Default::default()
    };
    let _: Empty = caller.call("Exec", &exec).unwrap();
    caller.start(&id, "e").unwrap();
    assert_eq!(caller.wait(&id, "e"), Ok(4));
    assert_eq!(caller.delete(&id, "e"), Ok(4));
    caller.exec(&id, "e", &crate::container::process("exit 5", false).to_string()).unwrap();
    caller.start(&id, "e").unwrap();
    assert_eq!(caller.wait(&id, "e"), Ok(5));
    end(caller, &id);
}

/// A runtime that forgets the terminal of an exec.
const WITHOUT_TERMINAL: &str = r#"#!/bin/sh
for word; do
    case $before in --pid-file) file=$word ;; esac
    case $word in exec) is_exec=1 ;; esac
    before=$word
done
[ "$is_exec" ] || exec runc "$@"
sleep 1000 >/dev/null 2>&1 &
echo $! >"$file"
echo $! >"${0%/*}/pid"
"#;

#[test]
fn an_exec_that_another_runtime_made_and_nobody_can_use_is_ended() {
    let (bundles, mut caller, mut request) = rig("exec sleep 1000");
    let id = request.id.clone();
    let program = bundles.path().join("runtime");
    fs::write(&program, WITHOUT_TERMINAL).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let binary_name = program.to_str().unwrap().to_owned();
    request.options = Some(options(&RuncOptions { binary_name, ..Default::default() }));
    caller.create(&request).unwrap();
    caller.start(&id, "").unwrap();
    let value = crate::container::process("exit 4", true).to_string().into_bytes();
    let exec = gantry_shim_protocol::task::ExecProcessRequest {
        id: id.clone(),
        exec_id: "e".to_owned(),
        terminal: true,
        spec: Some(Any { type_url: PROCESS_TYPE_URL.to_owned(), value }),
        ..Default::default()
    };
    let _: Empty = caller.call("Exec", &exec).unwrap();
    let refused = caller.start(&id, "e").unwrap_err();
    assert!(refused.message.contains("terminal"), "{}", refused.message);
    let pid = fs::read_to_string(bundles.path().join("pid")).unwrap().trim().parse().unwrap();
    poll("it is ended", || !is_running(pid));
    end(caller, &id);
}
