//! Containers as scopes of systemd's, with a bus that the test plays.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::iter;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use crate::bed::{Bed, text, wait_until};

/// The bus's methods that the runtime calls.
const METHODS: [&str; 8] = [
    "Hello",
    "AddMatch",
    "Subscribe",
    "Get",
    "StartTransientUnit",
    "SetUnitProperties",
    "StopUnit",
    "ResetFailedUnit",
];
const JOB: &str = "/org/freedesktop/systemd1/job/7";

/// A message of the bus: header fields are codes with texts, the body is texts, perhaps after a number.
fn message(kind: u8, fields: &[(u8, &str)], reply_to: Option<u32>, body: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    let pad = |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(8), 0);
    for (code, value) in fields {
        pad(&mut header);
        if *code == 8 {
            header.extend([8, 1, b'g', 0, u8::try_from(value.len()).unwrap()]);
            header.extend(value.bytes().chain([0]));
        } else {
            header.extend([*code, 1, if *code == 1 { b'o' } else { b's' }, 0]);
            header.extend(string(value));
        }
    }
    if let Some(serial) = reply_to {
        pad(&mut header);
        header.extend([5, 1, b'u', 0]);
        header.extend(serial.to_le_bytes());
    }
    let mut bytes = vec![b'l', kind, 0, 1];
    for number in [body.len(), 99, header.len()] {
        bytes.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    bytes.extend(header);
    pad(&mut bytes);
    bytes.extend(body);
    bytes
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(text.bytes().chain([0]));
    bytes
}

/// Number, job, unit, result: each text begins at four bytes.
fn job_removed(result: &str) -> Vec<u8> {
    let mut body = 7_u32.to_le_bytes().to_vec();
    for word in [JOB, "some.scope", result] {
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(string(word));
    }
    message(4, &[(1, "/org/freedesktop/systemd1"), (3, "JobRemoved"), (8, "uoss")], None, &body)
}

/// How the manager behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Its jobs end so.
    Result(&'static str),
    /// A failed unit of the name is still known at first.
    Exists,
    /// Jobs are accepted, and nothing is heard of them but of others.
    Silent,
    /// Jobs end when there is a file of the socket's name with `.go`.
    Waits,
}

/// Serves one connection, and tells of each call its method and its bytes.
fn serve(mut stream: UnixStream, manner: Manner, calls: &mpsc::Sender<(&'static str, Vec<u8>)>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "\0AUTH EXTERNAL 30\r\n");
    stream.write_all(b"OK 0123\r\n").unwrap();
    line.clear();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "BEGIN\r\n");
    let mut exists = manner == Manner::Exists;
    let mut fixed = [0; 16];
    while reader.read_exact(&mut fixed).is_ok() {
        let number = |at: usize| u32::from_le_bytes(fixed[at..at + 4].try_into().unwrap());
        let length = (number(12).next_multiple_of(8) + number(4)) as usize;
        let mut rest = vec![0; length];
        reader.read_exact(&mut rest).unwrap();
        let held = |name: &&&str| text(&rest).contains(&format!("\0{name}\0"));
        let method = *METHODS.iter().find(held).expect("an unknown call");
        let is_job = matches!(method, "StartTransientUnit" | "StopUnit");
        let refused = method == "StartTransientUnit" && exists;
        let reply = if refused {
            exists = false;
            let name = "org.freedesktop.systemd1.UnitExists";
            message(3, &[(4, name), (8, "s")], Some(number(8)), &string("it is there"))
        } else {
            // The signal may come before the answer.
            if let (true, Manner::Result(result)) = (is_job, manner) {
                stream.write_all(&job_removed(result)).unwrap();
            }
            let body = string(if method == "Hello" { ":1.5" } else { JOB });
            message(2, &[(8, "s")], Some(number(8)), &body)
        };
        stream.write_all(&reply).unwrap();
        calls.send((method, rest)).unwrap();
        // Or after it.
        if is_job && matches!(manner, Manner::Exists | Manner::Waits) && !refused {
            let address = stream.local_addr().unwrap();
            let go = address.as_pathname().unwrap().with_extension("go");
            wait_until("it may go on", || manner != Manner::Waits || go.exists());
            stream.write_all(&job_removed("done")).unwrap();
        }
        if is_job && manner == Manner::Silent {
            return;
        }
    }
}

struct Systemd {
    bed: Bed,
    socket: PathBuf,
    scope: String,
    calls: mpsc::Receiver<(&'static str, Vec<u8>)>,
}

fn systemd(manner: Manner) -> Systemd {
    let mut bed = Bed::new();
    let slice = format!("gantryrunctest{}.slice", bed.id.replace('-', "_"));
    bed.set("/linux/cgroupsPath", json!(format!("{slice}:test:{}", bed.id)));
    bed.set("/linux/resources", json!({"pids": {"limit": 33}}));
    bed.cgroup = format!("/{slice}");
    let socket = bed.dir.path().join("bus");
    let listener = UnixListener::bind(&socket).unwrap();
    let (sender, calls) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), manner, &sender);
        }
    });
    let scope = format!("test-{}.scope", bed.id);
    Systemd { bed, socket, scope, calls }
}

impl Systemd {
    fn command(&self, args: &[&str]) -> Command {
        let mut all = vec!["--systemd-cgroup"];
        all.extend(args);
        let mut command = self.bed.command(&all);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", self.socket.display()));
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn scope_dir(&self) -> PathBuf {
        format!("/sys/fs/cgroup/pids{}/{}", self.bed.cgroup, self.scope).into()
    }

    /// The next call of this method.
    fn called(&self, method: &str) -> Vec<u8> {
        self.calls.try_iter().find(|(called, _)| *called == method).expect(method).1
    }
}

#[test]
fn a_container_lives_in_a_scope_of_its_slice() {
    let mut systemd = systemd(Manner::Result("done"));
    systemd.bed.script("cat /proc/self/cgroup; echo end; cat").set(
        "/linux/namespaces",
        json!([{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}]),
    );
    systemd.bed.write_config();
    let id = systemd.bed.id.clone();
    let mut run = systemd.command(&["run", &id]);
    run.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut run = run.spawn().unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let cgroups: Vec<String> = lines.map(Result::unwrap).take_while(|line| line != "end").collect();
    let place = format!("pids:{}/{}", systemd.bed.cgroup, systemd.scope);
    assert!(cgroups.iter().any(|line| line.ends_with(&place)), "{cgroups:?}");
    assert_eq!(fs::read_to_string(systemd.scope_dir().join("pids.max")).unwrap(), "33\n");
    let started = text(&systemd.called("StartTransientUnit"));
    for words in [systemd.scope.as_str(), &systemd.bed.cgroup[1..], "Delegate", "PIDs", "TasksMax"]
    {
        assert!(started.contains(words), "{words} is missing in {started:?}");
    }
    // The placeholder is gone: the container's process is alone there.
    let alone = || fs::read_to_string(systemd.scope_dir().join("cgroup.procs")).unwrap();
    wait_until("the placeholder has gone", || alone().lines().count() <= 2);
    drop(run.stdin.take());
    assert!(run.wait().unwrap().success());
    assert!(text(&systemd.called("StopUnit")).contains(&systemd.scope));
    assert!(text(&systemd.called("ResetFailedUnit")).contains(&systemd.scope));
    assert!(!systemd.scope_dir().exists());
    systemd.bed.check_nothing_left();
}

#[test]
fn a_scope_that_does_not_start_leaves_nothing() {
    let mut systemd = systemd(Manner::Result("failed"));
    systemd.bed.script("true").write_config();
    let id = systemd.bed.id.clone();
    let message = text(&systemd.output(&["run", &id]).stderr);
    assert!(message.contains("systemd unit"), "{message}");
    assert!(message.contains(&format!("{}: failed", systemd.scope)), "{message}");
    assert!(!systemd.scope_dir().exists());
    systemd.bed.check_nothing_left();

    systemd.bed.set("/linux/cgroupsPath", json!("/not/systemds")).write_config();
    let message = text(&systemd.output(&["run", &id]).stderr);
    assert!(message.contains("slice:prefix:name"), "{message}");
    systemd.bed.set("/linux/cgroupsPath", json!(":a:b")).write_config();
    fs::remove_file(&systemd.socket).unwrap();
    let message = text(&systemd.output(&["run", &id]).stderr);
    assert!(message.contains("connect to the bus"), "{message}");
    systemd.bed.check_nothing_left();
}

#[test]
fn what_was_left_of_a_unit_is_forgotten_first() {
    let mut systemd = systemd(Manner::Exists);
    systemd.bed.script("true").write_config();
    let id = systemd.bed.id.clone();
    let output = systemd.output(&["run", &id]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let methods: Vec<&str> = systemd.calls.try_iter().map(|(method, _)| method).collect();
    let of_units: Vec<&str> =
        methods.into_iter().filter(|method| method.contains("Unit")).collect();
    let begin = ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"];
    let end = ["StopUnit", "ResetFailedUnit"];
    assert_eq!(of_units, [&begin[..], &end].concat());
    systemd.bed.check_nothing_left();
}

#[test]
fn a_manager_that_goes_away_is_an_error_that_leaves_nothing() {
    let mut systemd = systemd(Manner::Silent);
    systemd.bed.script("true").write_config();
    let id = systemd.bed.id.clone();
    let message = text(&systemd.output(&["run", &id]).stderr);
    assert!(message.contains("start the container's systemd unit"), "{message}");
    assert!(!systemd.scope_dir().exists());
    systemd.bed.check_nothing_left();
}

/// The process that keeps the scope lives until the program runs. Had it a copy of the lock on the record, the container would be
/// "creating" for as long.
#[test]
fn who_keeps_the_scope_does_not_hold_the_record() {
    let mut systemd = systemd(Manner::Waits);
    systemd.bed.script("true").write_config();
    let mut run = systemd.command(&["run", &systemd.bed.id]).spawn().unwrap();
    let mut calls = iter::from_fn(|| systemd.calls.recv_timeout(Duration::from_secs(10)).ok());
    assert!(calls.any(|(called, _)| called == "StartTransientUnit"));
    let record = fs::File::open(systemd.bed.state_dir().join("state.json")).unwrap();
    let locked = record.try_lock();
    drop(record);
    fs::write(systemd.socket.with_extension("go"), "").unwrap();
    assert!(run.wait().unwrap().success());
    assert!(locked.is_ok(), "{locked:?}");
    systemd.bed.check_nothing_left();
}

#[test]
fn limits_and_annotations_are_the_units_properties() {
    let mut systemd = systemd(Manner::Result("done"));
    systemd.bed.script("sleep 100");
    systemd.bed.set(
        "/linux/resources",
        json!({
            "pids": {"limit": 33}, "memory": {"limit": 33_554_432}, "cpu": {"shares": 512},
            "devices": [{"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"}]
        }),
    );
    let annotations = json!({
        "org.systemd.property.CollectMode": "'inactive-or-failed'",
        "org.systemd.property.TimeoutStopSec": "uint64 5"
    });
    systemd.bed.set("/annotations", annotations).write_config();
    let id = systemd.bed.id.clone();
    assert!(systemd.command(&["run", "-d", &id]).stdout(Stdio::null()).status().unwrap().success());
    let started = text(&systemd.called("StartTransientUnit"));
    for words in [
        "TasksMax",
        "MemoryLimit",
        "CPUShares",
        "DevicePolicy",
        "strict",
        "DeviceAllow",
        "/dev/char/1:3",
        "CollectMode",
        "inactive-or-failed",
        "TimeoutStopUSec",
        "BlockIOAccounting",
        "DefaultDependencies",
    ] {
        assert!(started.contains(words), "{words} is missing in {started:?}");
    }
    let update = ["update", "--memory", "64m", "--pids-limit", "44", &id];
    let output = systemd.output(&update);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let changed = text(&systemd.called("SetUnitProperties"));
    for words in [systemd.scope.as_str(), "MemoryLimit", "TasksMax"] {
        assert!(changed.contains(words), "{words} is missing in {changed:?}");
    }
    let limit = fs::read_to_string(systemd.scope_dir().join("pids.max")).unwrap();
    assert_eq!(limit, "44\n");
    assert!(systemd.output(&["delete", "--force", &id]).status.success());
    systemd.bed.check_nothing_left();

    let bad = json!({"org.systemd.property.Nice": "five"});
    systemd.bed.set("/annotations", bad).write_config();
    let message = text(&systemd.output(&["run", &id]).stderr);
    assert!(message.contains("org.systemd.property.Nice"), "{message}");
}

#[test]
fn a_container_may_be_a_slice() {
    let mut systemd = systemd(Manner::Result("done"));
    let parent = systemd.bed.cgroup.trim_start_matches('/').trim_end_matches(".slice").to_owned();
    let unit = format!("{parent}-own.slice");
    systemd.bed.set("/linux/cgroupsPath", json!(format!("{parent}.slice:ignored:{unit}")));
    systemd.bed.script("cat /proc/self/cgroup").set(
        "/linux/namespaces",
        json!([{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}]),
    );
    systemd.bed.write_config();
    let id = systemd.bed.id.clone();
    let output = systemd.output(&["run", &id]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let place = format!("pids:/{parent}.slice/{unit}");
    assert!(text(&output.stdout).lines().any(|line| line.ends_with(&place)), "{output:?}");
    let started = text(&systemd.called("StartTransientUnit"));
    assert!(started.contains("Wants") && !started.contains("PIDs"), "{started:?}");
    systemd.bed.check_nothing_left();
}
