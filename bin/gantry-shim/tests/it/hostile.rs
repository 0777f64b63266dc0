//! Clients that mean no good, or make no sense: everyone gets an answer or loses a connection, and the
//! container goes on.

use crate::bundle::Bundles;
use crate::caller::Caller;
use crate::container::{numbers, poll, process};
use gantry_shim_protocol::TASK_SERVICE_V3;
use gantry_shim_protocol::rpc::{Any, Code, Empty, Request};
use gantry_shim_protocol::task::{
    CloseIoRequest, CreateTaskRequest, DeleteRequest, ExecProcessRequest, KillRequest,
    PauseRequest, PidsRequest, ResizePtyRequest, ResumeRequest, StartRequest, StateRequest,
    StatsRequest, UpdateTaskRequest, WaitRequest,
};
use gantry_shim_protocol::wire::Message;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

struct Rig {
    bundles: Bundles,
    caller: Caller,
    id: String,
}

fn rig(script: &str) -> Rig {
    let mut bundles = Bundles::new();
    bundles.make("c", script, |_| {});
    let caller = bundles.start("c");
    Rig { id: bundles.id("c"), bundles, caller }
}

impl Rig {
    fn socket(&self) -> PathBuf {
        self.bundles.bundle("c").join("task.sock")
    }

    fn create(&mut self) {
        let bundle = self.bundles.bundle("c").to_str().unwrap().to_owned();
        let request = CreateTaskRequest { id: self.id.clone(), bundle, ..Default::default() };
        self.caller.create(&request).unwrap();
    }

    fn running(script: &str) -> Self {
        let mut rig = rig(script);
        rig.create();
        rig.caller.start(&rig.id, "").unwrap();
        rig
    }

    fn end(&mut self) {
        self.caller.kill(&self.id, "", 9).unwrap();
        assert_eq!(self.caller.wait(&self.id, ""), Ok(137));
        assert_eq!(self.caller.delete(&self.id, ""), Ok(137));
        self.caller.shutdown(&self.id);
    }

    /// Resident memory of the shim.
    fn resident_bytes(&mut self) -> usize {
        let pid = self.caller.shim_pid(&self.id);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }
}

/// Every call about one process, as (method, encoded argument).
fn calls(id: &str, exec_id: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (id, exec_id) = (id.to_owned(), exec_id.to_owned());
    let resources = Some(Any { type_url: String::new(), value: b"{}".to_vec() });
    vec![
        ("Start", StartRequest { id: id.clone(), exec_id: exec_id.clone() }.encode()),
        ("State", StateRequest { id: id.clone(), exec_id: exec_id.clone() }.encode()),
        ("Wait", WaitRequest { id: id.clone(), exec_id: exec_id.clone() }.encode()),
        (
            "Kill",
            KillRequest { id: id.clone(), exec_id: exec_id.clone(), signal: 15, all: false }
                .encode(),
        ),
        (
            "ResizePty",
            ResizePtyRequest { id: id.clone(), exec_id: exec_id.clone(), width: 1, height: 1 }
                .encode(),
        ),
        (
            "CloseIO",
            CloseIoRequest { id: id.clone(), exec_id: exec_id.clone(), stdin: true }.encode(),
        ),
        ("Delete", DeleteRequest { id: id.clone(), exec_id }.encode()),
        ("Pids", PidsRequest { id: id.clone() }.encode()),
        ("Pause", PauseRequest { id: id.clone() }.encode()),
        ("Resume", ResumeRequest { id: id.clone() }.encode()),
        ("Stats", StatsRequest { id: id.clone() }.encode()),
        ("Update", UpdateTaskRequest { id, resources, ..Default::default() }.encode()),
    ]
}

/// An argument that is encoded already.
#[derive(Default)]
struct Raw(Vec<u8>);

impl Message for Raw {
    fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        _field: &gantry_shim_protocol::wire::Field<'_>,
    ) -> Result<(), gantry_shim_protocol::wire::Error> {
        Ok(())
    }
}

#[test]
fn calls_out_of_their_time_get_a_status() {
    let mut rig = rig("exec sleep 100");
    let id = rig.id.clone();
    let check = |rig: &mut Rig, exec_id: &str, allowed: &[&str], code: Code| {
        for (method, argument) in calls(&id, exec_id) {
            if !allowed.contains(&method) {
                let (refused, words) = rig.caller.refusal(method, &Raw(argument));
                assert_eq!(refused, code, "{method} of {exec_id:?}: {words}");
                assert!(!words.is_empty());
            }
        }
    };
    // Nothing is there.
    check(&mut rig, "", &[], Code::NotFound);
    rig.create();
    let container = ["Pids", "Pause", "Resume", "Stats", "Update"];
    // No such exec.
    check(&mut rig, "e", &container, Code::NotFound);
    // Created, not started. (Wait would wait; without a terminal a size changes nothing.)
    let fits = [
        "Start",
        "State",
        "Wait",
        "Kill",
        "CloseIO",
        "Delete",
        "Pids",
        "Stats",
        "Update",
        "ResizePty",
    ];
    check(&mut rig, "", &fits, Code::FailedPrecondition);
    let exec = ExecProcessRequest {
        id: id.clone(),
        exec_id: "e".to_owned(),
        spec: Some(Any {
            type_url: String::new(),
            value: process("exit 1", false).to_string().into(),
        }),
        ..Default::default()
    };
    assert_eq!(rig.caller.refusal("Exec", &exec).0, Code::FailedPrecondition);
    rig.caller.start(&id, "").unwrap();
    // Running.
    assert_eq!(
        rig.caller.refusal("Start", &StartRequest { id: id.clone(), exec_id: String::new() }).0,
        Code::FailedPrecondition
    );
    let _: Empty = rig.caller.call("Exec", &exec).unwrap();
    assert_eq!(rig.caller.refusal("Exec", &exec).0, Code::AlreadyExists);
    assert_eq!(rig.caller.delete(&id, "e"), Ok(0));
    let spec = Any { type_url: "some.other/Type".to_owned(), value: b"{}".to_vec() };
    let strange = ExecProcessRequest { spec: Some(spec.clone()), ..exec };
    assert_eq!(rig.caller.refusal("Exec", &strange).0, Code::InvalidArgument);
    let update = UpdateTaskRequest { id: id.clone(), resources: Some(spec), ..Default::default() };
    assert_eq!(rig.caller.refusal("Update", &update).0, Code::InvalidArgument);
    let kill = KillRequest { id: id.clone(), signal: 4000, ..Default::default() };
    assert_eq!(rig.caller.refusal("Kill", &kill).0, Code::InvalidArgument);
    // Over.
    rig.caller.kill(&id, "", 9).unwrap();
    assert_eq!(rig.caller.wait(&id, ""), Ok(137));
    let fits = ["State", "Wait", "CloseIO", "Delete", "Pids", "Stats", "ResizePty"];
    check(&mut rig, "", &fits, Code::NotFound);
    assert_eq!(rig.caller.delete(&id, ""), Ok(137));
    check(&mut rig, "", &[], Code::NotFound);
    rig.caller.shutdown(&id);
}

#[test]
fn unknown_services_and_methods_are_refused_by_name() {
    let mut rig = rig("exit 1");
    for (service, method) in [
        (TASK_SERVICE_V3, "Destroy"),
        (TASK_SERVICE_V3, ""),
        ("", "State"),
        ("containerd.task.v4.Task", "State"),
        ("gantry.shim.v1.Group", "Leave"),
    ] {
        rig.caller.send(service, method, &Empty);
        let status = rig.caller.receive().1.unwrap_err();
        assert_eq!(Code::from_number(status.code), Code::Unimplemented);
        assert!(status.message.contains("is not there yet"), "{}", status.message);
    }
    // Arguments that are no message at all.
    let (code, _) = rig.caller.refusal("State", &Raw(vec![0xff; 100]));
    assert_eq!(code, Code::InvalidArgument);
    rig.caller.shutdown(&rig.id);
}

#[test]
fn ids_are_names_and_never_paths() {
    let mut rig = Rig::running("exec sleep 100");
    let id = rig.id.clone();
    for exec_id in ["../../escaped", "/etc/passwd", ".", "a\nb", &"x".repeat(255)] {
        rig.caller.exec(&id, exec_id, &process("exit 3", false).to_string()).unwrap();
        rig.caller.start(&id, exec_id).unwrap();
        assert_eq!(rig.caller.wait(&id, exec_id), Ok(3));
        assert_eq!(rig.caller.delete(&id, exec_id), Ok(3));
    }
    let long = rig.caller.exec(&id, &"x".repeat(256), "{}").unwrap_err();
    assert_eq!(Code::from_number(long.code), Code::InvalidArgument);
    let exits = std::fs::read_to_string(rig.bundles.bundle("c").join("exits")).unwrap();
    assert_eq!(exits.lines().count(), 5);
    // A container of such a name is the runtime's to refuse, and nothing is left of it.
    rig.bundles.make("other", "exit 1", |_| {});
    for id in ["../escaped", "/abs", "..", "a b", "", &"x".repeat(256)] {
        let bundle = rig.bundles.bundle("other").to_str().unwrap().to_owned();
        let request = CreateTaskRequest { id: id.to_owned(), bundle, ..Default::default() };
        assert_eq!(rig.caller.refusal("Create", &request).0, Code::InvalidArgument, "{id:?}");
    }
    assert!(!rig.bundles.bundle("other").join("io.sock").exists());
    assert!(!rig.bundles.bundle("other").join("runtime").exists());
    rig.end();
}

#[test]
fn silent_connections_lock_nobody_out() {
    let mut rig = Rig::running("exec sleep 100");
    let silent: Vec<_> = (0..2000).map(|_| Caller::connect(&rig.socket())).collect();
    // Old ones are still served, and new ones too.
    assert!(rig.caller.state(&rig.id, "").unwrap().pid > 0);
    let mut caller = Caller::connect(&rig.socket());
    assert!(caller.state(&rig.id, "").unwrap().pid > 0);
    drop(silent);
    rig.end();
}

#[test]
fn half_calls_cost_a_limited_amount_of_memory() {
    let mut rig = Rig::running("exec sleep 100");
    let before = rig.resident_bytes();
    let mut senders = Vec::new();
    for _ in 0..40 {
        let mut socket = Caller::connect(&rig.socket()).socket;
        socket.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut bytes = vec![0x41; 4_000_000];
        bytes[..10].copy_from_slice(&[0, 0x3f, 0xff, 0xff, 0, 0, 0, 1, 1, 0]);
        // Those who go over the limit are disconnected in the middle of it.
        drop(socket.write_all(&bytes));
        senders.push(socket);
    }
    let after = rig.resident_bytes();
    assert!(after < before + (40 << 20), "{before} bytes became {after}");
    drop(senders);
    rig.end();
}

#[test]
fn a_client_that_never_reads_is_disconnected() {
    let mut rig = Rig::running("exec sleep 100");
    let mut greedy = Caller::connect(&rig.socket());
    greedy.socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = Request {
        service: TASK_SERVICE_V3.to_owned(),
        method: "State".to_owned(),
        payload: StateRequest { id: rig.id.clone(), exec_id: String::new() }.encode(),
        ..Default::default()
    };
    let mut bytes = Vec::new();
    for stream_id in 0..10_000 {
        request.put(stream_id * 2 + 1, &mut bytes).unwrap();
    }
    let sent = (0..40).all(|_| greedy.socket.write_all(&bytes).is_ok());
    assert!(!sent, "400,000 answers were kept");
    assert!(rig.caller.state(&rig.id, "").unwrap().pid > 0);
    rig.end();
}

#[test]
fn so_many_may_wait_and_no_more() {
    let mut rig = Rig::running("exec sleep 100");
    let request = WaitRequest { id: rig.id.clone(), exec_id: String::new() };
    let mut waiting = Caller::connect(&rig.socket());
    for _ in 0..1024 {
        waiting.send(TASK_SERVICE_V3, "Wait", &request);
    }
    poll("all of them wait", || {
        // A call behind theirs is answered when they are noted.
        waiting.send(
            TASK_SERVICE_V3,
            "State",
            &StateRequest { id: request.id.clone(), ..Default::default() },
        );
        waiting.receive().1.is_ok()
    });
    let (code, words) = rig.caller.refusal("Wait", &request);
    assert_eq!(code, Code::ResourceExhausted, "{words}");
    rig.caller.kill(&rig.id, "", 9).unwrap();
    for _ in 0..1024 {
        assert!(waiting.receive().1.is_ok());
    }
    assert_eq!(rig.caller.delete(&rig.id, ""), Ok(137));
    rig.caller.shutdown(&rig.id);
}

#[test]
fn noise_changes_nothing() {
    let mut rig = rig("seq 1 20000; read x; exit 3");
    let bundle = rig.bundles.bundle("c");
    let request = CreateTaskRequest {
        id: rig.id.clone(),
        bundle: bundle.to_str().unwrap().to_owned(),
        stdout: format!("file://{}", bundle.join("output").display()),
        ..Default::default()
    };
    rig.caller.create(&request).unwrap();
    // Always the same noise: xorshift.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut good = Vec::new();
    for (method, payload) in calls("another container", "e") {
        let service = TASK_SERVICE_V3.to_owned();
        let request = Request { service, method: method.to_owned(), payload, ..Default::default() };
        request.put(1, &mut good).unwrap();
    }
    for round in 0..400 {
        let mut socket = Caller::connect(&rig.socket()).socket;
        let mut bytes = good.clone();
        if round % 4 == 0 {
            bytes = (0..200).flat_map(|_| random().to_le_bytes()).collect();
        }
        for _ in 0..=random() % 8 {
            let length = bytes.len() as u64;
            let at = usize::try_from(random() % length).unwrap();
            bytes[at] = random().to_le_bytes()[0];
        }
        // The connection may end in the middle of it.
        drop(socket.write_all(&bytes));
        drop(socket.shutdown(std::net::Shutdown::Write));
        drop(socket.read_to_end(&mut Vec::new()));
    }
    rig.caller.start(&rig.id, "").unwrap();
    assert_eq!(rig.caller.wait(&rig.id, ""), Ok(3));
    assert!(std::fs::read_to_string(bundle.join("output")).unwrap() == numbers(20_000));
    assert_eq!(rig.caller.delete(&rig.id, ""), Ok(3));
    rig.caller.shutdown(&rig.id);
}

#[test]
fn other_users_are_turned_away_by_their_credentials() {
    let mut rig = Rig::running("exec sleep 100");
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let io_socket = rig.bundles.bundle("c").join("io.sock");
    assert_eq!((mode(&rig.socket()), mode(&io_socket)), (0o600, 0o600));
    // Somebody opened the way to the sockets.
    let mut path = rig.bundles.path().to_owned();
    let open = |path: &PathBuf| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    };
    open(&path);
    for name in ["state", "c"] {
        path.push(name);
        open(&path);
    }
    for socket in [rig.socket(), io_socket] {
        open(&socket);
        // Reads until the end; a shim that serves it would wait for its words.
        let script = "use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or die; \
                      connect(S, sockaddr_un($ARGV[0])) or die \"connect: $!\"; \
                      $n = sysread(S, $x, 1); print defined $n ? $n : \"reset\";";
        let output = Command::new("perl")
            .args(["-e", script, socket.to_str().unwrap()])
            .uid(65534)
            .gid(65534)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text == "0" || text == "reset", "{text:?} {:?}", output.stderr);
    }
    rig.end();
}
