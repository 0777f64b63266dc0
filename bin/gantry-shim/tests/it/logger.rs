//! Loggers (`binary://`): real programs that read a container's output, and what becomes of the container
//! when they behave badly.

use crate::bundle::Bundles;
use crate::caller::Caller;
use crate::container::{is_running, numbers, poll};
use gantry_shim_protocol::rpc::Code;
use gantry_shim_protocol::task::CreateTaskRequest;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A logger in Python, written to the protocol of containerd's `runtime/v2/logging`.
const PYTHON: &str = r#"#!/usr/bin/env python3
import os, sys, threading
def copy(fd, path):
    with os.fdopen(fd, "rb") as stream, open(path, "wb") as out:
        while block := stream.read1(65536):
            out.write(block)
directory = sys.argv[sys.argv.index("dir") + 1]
names = sorted(name for name in os.environ if name != "LC_CTYPE")
with open(directory + "/facts", "w") as facts:
    print([os.environ[name] for name in names], names, sys.argv[1:], file=facts)
    print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:7], file=facts)
threads = [threading.Thread(target=copy, args=(fd, directory + name)) for fd, name in ((3, "/out"), (4, "/err"))]
for thread in threads:
    thread.start()
os.close(5)
for thread in threads:
    thread.join()
"#;

struct Rig {
    bundles: Bundles,
    caller: Caller,
    id: String,
    directory: PathBuf,
}

/// A shim for `script`, and a logger to write.
fn rig(script: &str) -> Rig {
    let mut bundles = Bundles::new();
    bundles.make("c", script, |_| {});
    let directory = bundles.path().join("logger output");
    fs::create_dir(&directory).unwrap();
    let caller = bundles.start("c");
    Rig { id: bundles.id("c"), bundles, caller, directory }
}

impl Rig {
    /// A create request whose output goes to a logger made of this text.
    fn request(&self, logger: &str, options: &str) -> CreateTaskRequest {
        let path = self.bundles.path().join("logger");
        fs::write(&path, logger).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.request_of(&path, options)
    }

    fn request_of(&self, program: &Path, options: &str) -> CreateTaskRequest {
        let directory = self.directory.to_str().unwrap().replace(' ', "+");
        let uri = format!("binary://{}?dir={directory}{options}", program.display());
        CreateTaskRequest {
            id: self.id.clone(),
            bundle: self.bundles.bundle("c").to_str().unwrap().to_owned(),
            stdout: uri.clone(),
            stderr: uri,
            ..Default::default()
        }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u32 {
        poll(name, || self.text(name).ends_with('\n'));
        self.text(name).trim().parse().unwrap()
    }
}

/// A logger in shell.
fn shell(body: &str) -> String {
    format!("#!/bin/sh\nexport PATH=/usr/bin:/bin\ncd \"$2\"\necho $$ > pid\n{body}\n")
}

#[test]
fn a_logger_gets_every_byte_and_is_awaited() {
    let mut rig = rig("echo err >&2; seq 1 200000; exit 3");
    let request = rig.request(PYTHON, "&flag&env.COLOR=blue%26green&env.CONTAINER_ID=forged");
    assert_eq!(rig.caller.run(&request), 3);
    // Delete is answered when the logger has ended: nothing has to be waited for.
    assert!(rig.text("out") == numbers(200_000));
    assert_eq!(rig.text("err"), "err\n");
    let facts = rig.text("facts");
    let directory = rig.directory.to_str().unwrap();
    let expected = format!(
        "['blue&green', '{}', 'tests'] ['COLOR', 'CONTAINER_ID', 'CONTAINER_NAMESPACE'] \
         ['dir', '{directory}', 'flag', '']\n",
        rig.id
    );
    assert!(facts.starts_with(&expected), "{facts}");
    // Its own file and the directory it lists follow behind the three of the protocol.
    assert!(facts.contains("[0, 1, 2, 3, 4, 5, 6]"), "{facts}");
    rig.caller.shutdown(&rig.id);
}

#[test]
fn an_exec_may_have_a_logger() {
    let mut rig = rig("exec sleep 100");
    let plain = CreateTaskRequest {
        id: rig.id.clone(),
        bundle: rig.bundles.bundle("c").to_str().unwrap().to_owned(),
        ..Default::default()
    };
    rig.caller.create(&plain).unwrap();
    rig.caller.start(&rig.id, "").unwrap();
    let uri = rig.request(PYTHON, "").stdout;
    let process = crate::container::process("echo out; echo err >&2; exit 4", false);
    let exec = gantry_shim_protocol::task::ExecProcessRequest {
        id: rig.id.clone(),
        exec_id: "e".to_owned(),
        stdout: uri,
        spec: Some(gantry_shim_protocol::rpc::Any {
            type_url: String::new(),
            value: process.to_string().into_bytes(),
        }),
        ..Default::default()
    };
    let _: gantry_shim_protocol::rpc::Empty = rig.caller.call("Exec", &exec).unwrap();
    rig.caller.start(&rig.id, "e").unwrap();
    assert_eq!(rig.caller.wait(&rig.id, "e"), Ok(4));
    assert_eq!(rig.caller.delete(&rig.id, "e"), Ok(4));
    assert_eq!((rig.text("out").as_str(), rig.text("err").as_str()), ("out\n", "err\n"));
    rig.caller.kill(&rig.id, "", 9).unwrap();
    assert_eq!(rig.caller.wait(&rig.id, ""), Ok(137));
    rig.caller.delete(&rig.id, "").unwrap();
    rig.caller.shutdown(&rig.id);
}

#[test]
fn a_terminals_output_goes_to_the_logger() {
    let mut rig = rig("unused");
    let id = rig.id.clone();
    rig.bundles.make("c", "[ -t 1 ] && [ -t 2 ] && echo on a terminal", |config| {
        config["process"]["terminal"] = true.into();
    });
    let request = CreateTaskRequest { terminal: true, ..rig.request(PYTHON, "") };
    assert_eq!(rig.caller.run(&request), 0);
    assert_eq!(rig.text("out"), "on a terminal\r\n");
    rig.caller.shutdown(&id);
}

#[test]
fn a_logger_that_dies_neither_ends_nor_stops_its_container() {
    let mut rig = rig("seq 1 1000000; echo over >&2; exit 5");
    // Reads a little, and leaves.
    let request = rig.request(&shell("exec 5>&-; head -c 10 <&3 > out; exit 1"), "");
    assert_eq!(rig.caller.run(&request), 5);
    assert_eq!(rig.text("out"), "1\n2\n3\n4\n5\n");
    rig.caller.shutdown(&rig.id);
}

#[test]
fn a_logger_that_is_killed_while_the_container_writes_loses_only_output() {
    let mut rig = rig("while [ ! -e /tmp/go ]; do echo line; done; exit 6");
    let request = rig.request(&shell("exec 5>&-; exec cat <&3 > out"), "");
    rig.caller.create(&request).unwrap();
    rig.caller.start(&rig.id, "").unwrap();
    let logger = rig.number("pid");
    poll("lines come", || rig.text("out").len() > 100_000);
    crate::survival::send(logger, gantry_types::Signal::KILL);
    poll("the logger is gone", || !is_running(logger));
    fs::write(rig.bundles.path().join("rootfs/tmp/go"), "").unwrap();
    assert_eq!(rig.caller.wait(&rig.id, ""), Ok(6));
    assert_eq!(rig.caller.delete(&rig.id, ""), Ok(6));
    rig.caller.shutdown(&rig.id);
}

#[test]
fn a_logger_that_does_not_end_is_ended() {
    let mut rig = rig("echo out");
    let request = rig.request(
        &shell("exec 5>&-; trap 'echo asked > asked' TERM\nwhile :; do sleep 0.1; done"),
        "",
    );
    rig.caller.create(&request).unwrap();
    rig.caller.start(&rig.id, "").unwrap();
    let logger = rig.number("pid");
    // The container's own end is not held up by it.
    let begin = Instant::now();
    assert_eq!(rig.caller.wait(&rig.id, ""), Ok(0));
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(rig.caller.delete(&rig.id, ""), Ok(0));
    let took = begin.elapsed();
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(20), "{took:?}");
    assert!(!is_running(logger));
    assert_eq!(rig.text("asked"), "asked\n");
    rig.caller.shutdown(&rig.id);
}

#[test]
fn a_logger_that_cannot_start_is_refused_with_its_reason() {
    let mut rig = rig("exit 3");
    let request = rig.request_of(Path::new("/no/such/logger"), "");
    let (_, words) = rig.caller.refusal("Create", &request);
    assert!(words.contains("/no/such/logger") && words.contains("No such file"), "{words}");
    let request = rig.request(&shell("exit 7"), "");
    let (code, words) = rig.caller.refusal("Create", &request);
    let ended = words.contains("ended before it was ready");
    assert!(ended && code == Code::InvalidArgument, "{words}");
    let request = CreateTaskRequest { stderr: "/a/fifo".to_owned(), ..request };
    let (_, words) = rig.caller.refusal("Create", &request);
    assert!(words.contains("is named by stdout"), "{words}");
    let request =
        CreateTaskRequest { stderr: request.stdout.clone(), stdout: String::new(), ..request };
    let (_, words) = rig.caller.refusal("Create", &request);
    assert!(words.contains("is named by stdout"), "{words}");
    // After all that the container can be made.
    let request = rig.request(PYTHON, "");
    assert_eq!(rig.caller.run(&request), 3);
    rig.caller.shutdown(&rig.id);
}

#[test]
fn a_logger_that_is_never_ready_is_ended() {
    let mut rig = rig("exit 3");
    let request = rig.request(&shell("exec sleep 1000"), "");
    let begin = Instant::now();
    let (_, words) = rig.caller.refusal("Create", &request);
    assert!(words.contains("not ready within 10 seconds"), "{words}");
    assert!(begin.elapsed() < Duration::from_secs(15));
    assert!(!is_running(rig.number("pid")));
    rig.caller.shutdown(&rig.id);
}

#[test]
fn delete_of_an_exec_does_not_wait_for_those_it_left_behind() {
    let mut rig = rig("exec sleep 1000");
    let id = rig.id.clone();
    let plain = CreateTaskRequest { stdout: String::new(), ..rig.request(PYTHON, "") };
    let exec = gantry_shim_protocol::task::ExecProcessRequest {
        id: id.clone(),
        exec_id: "e".to_owned(),
        stdout: plain.stderr.clone(),
        spec: Some(gantry_shim_protocol::rpc::Any {
            type_url: String::new(),
            value: crate::container::process("echo out; sleep 1000 &", false)
                .to_string()
                .into_bytes(),
        }),
        ..Default::default()
    };
    rig.caller.create(&CreateTaskRequest { stderr: String::new(), ..plain }).unwrap();
    rig.caller.start(&id, "").unwrap();
    let _: gantry_shim_protocol::rpc::Empty = rig.caller.call("Exec", &exec).unwrap();
    rig.caller.start(&id, "e").unwrap();
    assert_eq!(rig.caller.wait(&id, "e"), Ok(0));
    let begin = Instant::now();
    assert_eq!(rig.caller.delete(&id, "e"), Ok(0));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(rig.text("out"), "out\n");
    rig.caller.kill(&id, "", 9).unwrap();
    assert_eq!(rig.caller.wait(&id, ""), Ok(137));
    rig.caller.delete(&id, "").unwrap();
    rig.caller.shutdown(&id);
}

#[test]
fn delete_does_not_wait_for_a_logger_that_is_stuck_with_output() {
    // More than the logger's pipe and the shim's buffer take, and less than would stop the container.
    let mut rig = rig("head -c 150000 /dev/zero; exit 3");
    let request = rig.request(&shell("exec 5>&-; kill -STOP $$"), "");
    rig.caller.create(&request).unwrap();
    rig.caller.start(&rig.id, "").unwrap();
    assert_eq!(rig.caller.wait(&rig.id, ""), Ok(3));
    let logger = rig.number("pid");
    let begin = Instant::now();
    assert_eq!(rig.caller.delete(&rig.id, ""), Ok(3));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(!is_running(logger));
    rig.caller.shutdown(&rig.id);
}
