//! What passes between the caller and the container besides the three streams: descriptors, sockets, readiness, numbers.

use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::Stdio;
use std::time::Duration;

use gantry_sys::{pidfd, unix_socket};
use serde_json::{Value, json};

use crate::bed::{Bed, text};

#[test]
fn the_pidfd_goes_to_a_socket() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").write_config();
    let listener = UnixListener::bind(bed.dir.path().join("s")).unwrap();
    let path = bed.dir.path().join("s").to_str().unwrap().to_owned();
    bed.ok(&["create", "--pidfd-socket", &path, &bed.id]);
    let (socket, _) = listener.accept().unwrap();
    let mut name = [0; 64];
    let (length, fd) = unix_socket::receive_with_fd(socket.as_fd(), &mut name).unwrap();
    assert_eq!(&name[..length], b"pidfd");
    let process = fd.unwrap();
    assert!(!pidfd::has_ended(process.as_fd()).unwrap());
    bed.ok(&["kill", &bed.id, "KILL"]);
    assert!(pidfd::wait_ended(process.as_fd(), Some(Duration::from_secs(10))).unwrap());
}

#[test]
fn sockets_of_an_activation_pass_through_before_preserved_descriptors() {
    let mut bed = Bed::new();
    bed.script("echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4; ls /proc/self/fd | wc -l");
    bed.write_config();
    for name in ["first", "second"] {
        std::fs::write(bed.dir.path().join(name), format!("{name}\n")).unwrap();
    }
    // A shell opens the files and becomes the runtime: its pid stays, as with a service manager.
    let script = "exec 3<$0/first 4<$0/second; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let inner = bed.command(&["run", "--preserve-fds", "1", &bed.id]);
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(script).arg(bed.dir.path()).arg(inner.get_program());
    let output =
        command.args(inner.get_args()).current_dir(bed.bundle()).stdin(Stdio::null()).output();
    let output = output.unwrap();
    // Three streams, the two files, and the directory that `ls` reads.
    assert_eq!(text(&output.stdout), "1 1\nfirst\nsecond\n6\n", "{}", text(&output.stderr));
}

#[test]
fn a_descriptor_that_is_not_there_is_named_and_never_replaced_by_one_of_ours() {
    let bed = Bed::new();
    bed.write_config();
    for count in ["1", "4294967295"] {
        let message = bed.err(&["run", "--preserve-fds", count, &bed.id]);
        assert!(message.contains("descriptor 3 is not open"), "{message}");
    }
    bed.check_nothing_left();
}

/// What the service manager heard until the readiness.
fn heard(manager: &UnixDatagram) -> String {
    manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut buffer = [0; 256];
    let length = manager.recv(&mut buffer).unwrap();
    text(&buffer[..length])
}

#[test]
fn readiness_reaches_the_service_manager() {
    let mut bed = Bed::new();
    // Busybox has no tool that sends datagrams to a path: the test does it, in the container's place.
    bed.script("echo $NOTIFY_SOCKET > /said; ls /run/notify >> /said; exec sleep 1000");
    bed.write_config();
    let manager = UnixDatagram::bind(bed.dir.path().join("m")).unwrap();
    bed.ok_with(&["create", &bed.id], "NOTIFY_SOCKET", &bed.dir.path().join("m"));
    let mut start = bed
        .command(&["start", &bed.id])
        .env("NOTIFY_SOCKET", bed.dir.path().join("m"))
        .spawn()
        .unwrap();
    let said = bed.rootfs().join("said");
    let read = || std::fs::read_to_string(&said).unwrap_or_default();
    crate::bed::wait_until("the program runs", || read().lines().count() == 2);
    assert_eq!(read(), "/run/notify/notify.sock\nnotify.sock\n");
    assert!(start.try_wait().unwrap().is_none(), "start did not wait for the readiness");
    let container = unix_socket::connect_datagram(&bed.state_dir().join("notify/notify.sock"));
    let container = container.unwrap();
    container.send(b"STATUS=still at it").unwrap();
    container.send(b"STATUS=done\nREADY=1\nMAINPID=1").unwrap();
    assert_eq!(heard(&manager), format!("MAINPID={}\nREADY=1", bed.state()["pid"]));
    assert_eq!(heard(&manager), "BARRIER=1");
    assert!(start.wait().unwrap().success());
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}

#[test]
fn a_foreground_run_is_itself_the_main_process_and_a_program_that_ends_silently_holds_nobody_up() {
    let mut bed = Bed::new();
    bed.script("touch /up; cat").write_config();
    let name = format!("gantry-runc-test-{}", bed.id);
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut run = bed
        .command(&["run", &bed.id])
        .env("NOTIFY_SOCKET", format!("@{name}"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    crate::bed::wait_until("the program runs", || bed.rootfs().join("up").exists());
    let socket = bed.state_dir().join("notify/notify.sock");
    unix_socket::connect_datagram(&socket).unwrap().send(b"READY=1").unwrap();
    assert_eq!(heard(&manager), format!("MAINPID={}\nREADY=1", run.id()));
    assert_eq!(heard(&manager), "BARRIER=1");
    drop(run.stdin.take());
    assert!(run.wait().unwrap().success());
    bed.check_nothing_left();

    bed.script("exit 0").write_config();
    bed.ok_with(&["run", "-d", &bed.id], "NOTIFY_SOCKET", std::path::Path::new("/nonexistent"));
    bed.wait_for_status("stopped");
}

#[test]
fn events_tell_numbers_until_the_end() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").set("/linux/resources", json!({"pids": {"limit": 44}}));
    bed.start();
    let once: Value = serde_json::from_str(&bed.ok(&["events", "--stats", &bed.id])).unwrap();
    assert_eq!((&once["type"], &once["id"]), (&json!("stats"), &json!(bed.id)));
    assert_eq!(once["data"]["pids"], json!({"current": 1, "limit": 44}));
    assert!(once["data"]["memory"]["usage"]["usage"].as_u64().unwrap() > 0);
    let mut events = bed.command(&["events", "--interval", "10ms", &bed.id]);
    let mut events = events.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line["data"]["pids"]["current"], 1);
    }
    bed.ok(&["kill", &bed.id, "KILL"]);
    let rest: io::Result<Vec<String>> = lines.collect();
    rest.unwrap();
    assert!(events.wait().unwrap().success());
    bed.wait_for_status("stopped");
    assert!(bed.err(&["events", "--stats", &bed.id]).contains("is not running"));
}

#[test]
fn a_kill_for_want_of_memory_is_an_event() {
    let mut bed = Bed::new();
    bed.set("/linux/resources", json!({"memory": {"limit": 16 << 20, "swap": 16 << 20}}));
    bed.script("mkfifo /go; cat /go > /dev/null; dd if=/dev/zero of=/dev/null bs=64M count=1");
    bed.start();
    let mut events = bed.command(&["events", "--interval", "10ms", &bed.id]);
    let mut events = events.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
    // It watches.
    lines.next().unwrap().unwrap();
    std::fs::write(bed.rootfs().join("go"), "").unwrap();
    let oom = json!({"type": "oom", "id": bed.id}).to_string();
    assert!(lines.any(|line| line.unwrap() == oom), "no word of the kill");
    events.wait().unwrap();
}

/// What an agent gets for one process. It lets go of the descriptor, so that the system call fails with ENOSYS.
fn serve_agent(listener: &UnixListener) -> Value {
    let (socket, _) = listener.accept().unwrap();
    let mut message = [0; 4096];
    let (length, fd) = unix_socket::receive_with_fd(socket.as_fd(), &mut message).unwrap();
    let fd = fd.unwrap();
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
    assert!(std::fs::read_link(link).unwrap().to_str().unwrap().contains("seccomp notify"));
    serde_json::from_slice(&message[..length]).unwrap()
}

#[test]
fn the_seccomp_agent_gets_a_descriptor_for_each_process() {
    for no_new_privileges in [true, false] {
        let mut bed = Bed::new();
        let path = bed.dir.path().join("agent");
        bed.set("/process/noNewPrivileges", no_new_privileges.into());
        bed.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path, "listenerMetadata": "mine",
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}),
        );
        bed.script("mkdir /made 2> /said; exec sleep 1000").write_config();
        let message = bed.run_err();
        assert!(message.contains("connect to the seccomp agent"), "{message}");
        bed.check_nothing_left();

        let listener = UnixListener::bind(&path).unwrap();
        let agent = std::thread::spawn(move || [serve_agent(&listener), serve_agent(&listener)]);
        bed.start();
        let pid = bed.state()["pid"].clone();
        let said = bed.rootfs().join("said");
        let read = || std::fs::read_to_string(&said).unwrap_or_default();
        crate::bed::wait_until("the call has failed", || !read().is_empty());
        assert!(read().contains("not implemented"), "{}", read());
        assert!(bed.err(&["exec", &bed.id, "mkdir", "/made"]).contains("not implemented"));
        let [first, second] = agent.join().unwrap();
        assert_eq!((&first["fds"], &first["metadata"]), (&json!(["seccompFd"]), &json!("mine")));
        assert_eq!((&first["pid"], &first["state"]["pid"]), (&pid, &pid));
        assert_eq!(first["state"]["id"], bed.id.as_str());
        assert_eq!(second["state"]["pid"], pid);
        assert_ne!(second["pid"], pid);
        bed.ok(&["delete", "--force", &bed.id]);
        bed.check_nothing_left();
    }
}
