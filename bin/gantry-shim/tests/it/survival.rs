//! Deaths: of the daemon, of the shim, and clients that speak nonsense.

use crate::container::{Options, created, is_running, launched, poll, read_until};
use gantry_logs::Stream;
use gantry_shim_protocol::TASK_SOCKET;
use gantry_shim_protocol::stdio::Input;
use gantry_shims::{ExitNotice, LaunchOptions, Shims};
use gantry_types::Signal;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;

pub(crate) fn send(pid: u32, signal: Signal) {
    let pidfd = gantry_sys::pidfd::open(pid.cast_signed()).unwrap();
    gantry_sys::pidfd::send_signal(pidfd.as_fd(), signal).unwrap();
}

fn connect(path: &Path) -> UnixStream {
    gantry_sys::unix_socket::connect(path).unwrap()
}

#[test]
fn a_container_outlives_the_daemon_and_is_found_again() {
    let script = "echo before; read x; echo \"after $x\"; exit 6";
    let input = Input::Relay { once: false };
    let mut container = created(&Options { script, stdin: input, ..Default::default() });
    container.start();
    poll("the first line is logged", || container.logged(Stream::Stdout) == "before\n");
    container.reconnect();
    let mut stream = container.attach("");
    stream.write_all(b"death\n").unwrap();
    read_until(&stream, "after death");
    assert_eq!(container.status(""), 6);
    container.reconnect();
    assert_eq!(container.status(""), 6);
    assert_eq!(container.logged(Stream::Stdout), "before\nafter death\n");
}

#[test]
fn polite_signals_do_not_end_a_shim() {
    let container = created(&Options { script: "exec sleep 100", ..Default::default() });
    container.start();
    let pid = container.shim_pid();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        send(pid, signal);
    }
    assert_eq!(container.shim_pid(), pid);
}

#[test]
fn a_shim_runs_from_a_copy_that_nobody_can_write() {
    // Somebody forgot to mark this descriptor; the shim must not keep it.
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
    let container = created(&Options { script: "exec sleep 100", ..Default::default() });
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::CLOEXEC).unwrap();
    container.start();
    let process = format!("/proc/{}", container.shim_pid());
    let program = std::fs::read_link(format!("{process}/exe")).unwrap();
    assert!(program.to_str().unwrap().starts_with("/memfd:"), "{}", program.display());
    let opened = std::fs::OpenOptions::new().write(true).open(format!("{process}/exe"));
    let written = opened.and_then(|mut file| file.write_all(b"x"));
    assert!(written.is_err());
    assert_eq!(std::fs::read_to_string(format!("{process}/comm")).unwrap(), "gantry-shim\n");
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the shim holds the pipe open");
}

#[test]
fn a_shim_that_is_killed_is_noticed_and_cleaned_up_after() {
    let container = created(&Options { script: "exec sleep 100", ..Default::default() });
    let pid = container.start();
    let (sender, receiver) = mpsc::sync_channel(1);
    container.shim().on_exit("", move |notice| sender.send(notice).unwrap());
    let shim = container.shim_pid();
    send(shim, Signal::KILL);
    assert_eq!(receiver.recv_timeout(crate::container::DEADLINE), Ok(ExitNotice::ShimDied));
    assert!(container.shim().start("").is_err());
    poll("the shim is gone", || !is_running(shim));
    assert!(container.shims.connect(&container.bundle, &container.id).is_err());

    let output = container.delete();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    poll("the container's process ends", || !is_running(pid));
    assert!(!container.bundle.join(TASK_SOCKET).exists());
}

#[test]
fn the_record_speaks_for_a_shim_that_died_after_the_end() {
    let container = created(&Options { script: "exit 5", ..Default::default() });
    container.start();
    assert_eq!(container.status(""), 5);
    let shim = container.shim_pid();
    send(shim, Signal::KILL);
    poll("the shim is gone", || !is_running(shim));
    assert_eq!(container.status(""), 5);
}

#[test]
fn nonsense_ends_a_connection_and_nothing_else() {
    let container = launched("exit 1", false);
    let nonsense: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff\0\0\0\x01\x01\0",
        b"\0\0\0\x02\0\0\0\x01\x02\0hi",
        b"\0\0\0\0\0\0\0\0\x63\0",
    ];
    for bytes in nonsense {
        let mut socket = connect(&container.bundle.join(TASK_SOCKET));
        socket.write_all(bytes).unwrap();
        assert_eq!(socket.read(&mut [0; 64]).unwrap_or(0), 0, "{bytes:?}");
        let mut socket = connect(&container.bundle.join("io.sock"));
        socket.write_all(bytes).unwrap();
        let mut reply = Vec::new();
        // An error is an end as well: what was sent was not read.
        drop(socket.read_to_end(&mut reply));
        assert!(reply.is_empty() || reply == [4], "{reply:?}");
    }
    // A request that is no message is answered, with an error.
    let mut socket = connect(&container.bundle.join(TASK_SOCKET));
    socket.write_all(b"\0\0\0\x02\0\0\0\x07\x01\x01\xff\xff").unwrap();
    let mut answer = [0; 10];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(answer[4..9], *b"\0\0\0\x07\x02");
    assert!(container.shim().identify().is_ok());
}

#[test]
fn a_bundle_has_one_shim() {
    let container = launched("exit 1", false);
    let (bundle, id) = (container.bundle.clone(), container.id.clone());
    let options = LaunchOptions { binary: crate::container::binary(), bundle, id };
    let error = container.shims.launch(&options).unwrap_err();
    assert!(error.to_string().contains("runs for this bundle already"), "{error}");
    assert!(container.shim().identify().is_ok());
}

#[test]
fn a_shim_that_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let shims = Shims::new().unwrap();
    let launch = |binary: &str, id: &str| {
        let bundle = directory.path().to_owned();
        let options = LaunchOptions { binary: binary.into(), bundle, id: id.to_owned() };
        shims.launch(&options).unwrap_err().to_string()
    };
    assert!(launch("/no/such/shim", "c").contains("/no/such/shim"));
    assert!(launch("/bin/false", "c").contains("did not start"));
    assert!(launch("/bin/echo", "c").contains("bootstrap"));
    let own = crate::container::binary();
    let words = launch(own.to_str().unwrap(), &"x".repeat(300));
    assert!(words.contains("-id is missing, or longer"), "{words}");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}
