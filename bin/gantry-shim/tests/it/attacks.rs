//! What other users and containers may try with a shim. Each test names the rule that stops it; `SECURITY.md` has the table.

use crate::container::{Container, DEADLINE, Options, created};
use gantry_shim_protocol::{IO_SOCKET, TASK_SOCKET};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const NOBODY: u32 = 65534;

fn sleeping() -> Container {
    created(&Options { script: "exec sleep 1000", ..Options::default() })
}

/// Anybody in the host's network namespace can reach an abstract socket, containers with `--net host` too (CVE-2020-15257). Stopped by: all
/// sockets are paths, for their owner alone.
#[test]
fn sockets_are_paths_of_mode_0600() {
    let container = sleeping();
    for name in [TASK_SOCKET, IO_SOCKET] {
        let mode = fs::metadata(container.bundle.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let inodes: Vec<String> = fs::read_dir(format!("/proc/{}/fd", container.shim_pid()))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| {
            Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    assert!(inodes.len() >= 2, "{inodes:?}");
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [.., inode, name] = fields[..]
            && inodes.iter().any(|ours| ours == inode)
        {
            assert!(!name.starts_with('@'), "an abstract socket: {line}");
        }
    }
}

/// Another user gets at the sockets all the same: a directory on the way was opened up. Stopped by: `SO_PEERCRED`.
#[test]
fn another_user_is_turned_away() {
    let container = sleeping();
    let mut path: &Path = &container.bundle;
    while path != Path::new("/tmp") && path != Path::new("/") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        path = path.parent().unwrap();
    }
    for name in [TASK_SOCKET, IO_SOCKET] {
        let socket = container.bundle.join(name);
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
        // Nothing that this one asks is answered, not even with an error.
        let heard = std::thread::spawn(move || ask_as_nobody(&socket)).join().unwrap();
        assert!(matches!(heard, Ok(0) | Err(_)), "{name} answered: {heard:?}");
    }
    // It still serves its owner.
    assert_eq!(container.shim().identify().unwrap().shim_pid, container.shim_pid());
}

/// In a thread of its own, which alone becomes another user.
fn ask_as_nobody(socket: &PathBuf) -> io::Result<usize> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
    let mut stream = UnixStream::connect(socket).expect("the path is open to all");
    stream.set_read_timeout(Some(DEADLINE))?;
    // Sent to either socket this is answered for an owner: with an error, or with the byte for nonsense.
    stream.write_all(b"\0\0\0\x01\0\0\0\x01\x01\0x")?;
    let length = stream.read(&mut [0; 64])?;
    assert!(stream.peer_addr().is_ok());
    Ok(length)
}

/// A container that gets hold of the shim's program would change it for all others (CVE-2019-5736). Stopped by: it runs from a sealed copy
/// in memory.
#[test]
fn the_program_is_a_sealed_copy() {
    let container = sleeping();
    let program = format!("/proc/{}/exe", container.shim_pid());
    let link = fs::read_link(&program).unwrap();
    assert!(link.to_string_lossy().starts_with("/memfd:"), "{}", link.display());
    let opened = fs::OpenOptions::new().write(true).open(&program);
    let written = opened.and_then(|mut file| file.write_all(b"x"));
    assert!(written.is_err(), "the copy can be written");
}

/// Descriptors of the shim in the container: sockets, logs, the bundle (CVE-2024-21626). Stopped by: `close_range` before the program.
#[test]
fn programs_get_the_standard_streams_only() {
    let list = "cd /proc/self/fd; echo *; exec sleep 1000";
    let container = created(&Options { script: list, ..Options::default() });
    let first = container.attach("");
    container.start();
    let said = crate::container::read_until(&first, "\n");
    check_descriptors(&said);
    container
        .shim()
        .exec("e", &Container::exec_options("cd /proc/self/fd; echo *", false))
        .unwrap();
    let further = container.attach("e");
    container.shim().start("e").unwrap();
    check_descriptors(&crate::container::frames(&further).0);
    container.shim().kill_all(gantry_types::Signal::KILL).unwrap();
    assert_eq!(container.status(""), 137);
}

#[track_caller]
fn check_descriptors(said: &str) {
    // The shell has opened one more to list the directory.
    let text = said.trim_start_matches(|letter: char| letter.is_control() || letter == '\u{1}');
    let numbers: Vec<&str> = text.split_whitespace().collect();
    assert!(numbers.starts_with(&["0", "1"]) && numbers.contains(&"2"), "{said:?}");
    assert!(numbers.len() <= 4, "{said:?}");
}
