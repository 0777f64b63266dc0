//! Checkpoint and restore: with the program `criu` as far as it knows the kernel, and with a fake of it that speaks its side of the
//! protocol. The real one on a kernel that it knows is the virtual machine's matter (`e2e/vm`).

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use gantry_sys::unix_socket::receive_with_fd;
use serde_json::{Value, json};

use crate::bed::{Bed, text, wait_until};

const FAKE: &str = include_str!("checkpoint/fake_criu.py");

/// A bed whose container a fake criu can make: with little mounted, and a bind.
struct Rig {
    bed: Bed,
    criu: String,
    images: PathBuf,
}

impl Rig {
    fn new() -> Self {
        let mut bed = Bed::new();
        bed.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
        fs::create_dir(bed.dir.path().join("data")).unwrap();
        fs::write(bed.dir.path().join("data/file"), "from the host").unwrap();
        fs::write(bed.dir.path().join("one"), "alone").unwrap();
        let bind = |at: &str, source: &str| {
            json!({"destination": at, "type": "bind",
            "source": bed.dir.path().join(source), "options": ["rbind", "ro"]})
        };
        let binds = [bind("/data", "data"), bind("/var/one", "one")];
        for bind in binds {
            bed.push("/mounts", bind);
        }
        bed.script("sleep 1000");
        let criu = bed.dir.path().join("fake-criu");
        fs::write(&criu, FAKE).unwrap();
        fs::set_permissions(&criu, fs::Permissions::from_mode(0o755)).unwrap();
        let images = bed.dir.path().join("images");
        let criu = criu.to_str().unwrap().to_owned();
        let rig = Self { bed, criu, images };
        rig.manner("good");
        rig
    }

    /// What the fake does wrong.
    fn manner(&self, word: &str) {
        fs::write(self.bed.dir.path().join("manner"), word).unwrap();
    }

    fn args<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let first = ["--criu", &self.criu, command, "--image-path", self.images.to_str().unwrap()];
        [&first, more, &[self.bed.id.as_str()]].concat()
    }

    fn checkpoint(&self, more: &[&str]) -> String {
        self.bed.ok(&self.args("checkpoint", more))
    }

    /// The images of a container that ran, and is gone.
    fn dumped() -> Self {
        let rig = Self::new();
        rig.bed.start();
        rig.checkpoint(&[]);
        rig.bed.check_nothing_left();
        rig
    }

    fn restore(&self) -> Result<(), String> {
        let mut command = self.bed.command(&self.args("restore", &["-d"]));
        let errors = self.bed.dir.path().join("stderr");
        command.stdout(Stdio::null()).stderr(File::create(&errors).unwrap());
        let status = command.status().unwrap();
        let said = fs::read_to_string(errors).unwrap();
        if status.success() { Ok(()) } else { Err(said) }
    }

    fn request(&self) -> Value {
        serde_json::from_slice(&fs::read(self.images.join("request.json")).unwrap()).unwrap()
    }

    fn has_run(&self) -> bool {
        self.bed.rootfs().join("tmp/ran").exists()
    }
}

#[test]
fn a_container_goes_and_comes_back_with_a_fake_criu() {
    let rig = Rig::dumped();
    rig.restore().unwrap();
    assert_eq!(rig.bed.status(), "running");
    wait_until("the restored program runs", || rig.has_run());
    assert_eq!(rig.bed.ok(&["exec", &rig.bed.id, "cat", "/data/file"]), "from the host");
    assert_eq!(rig.bed.ok(&["exec", &rig.bed.id, "cat", "/var/one"]), "alone");
    // It is frozen, signalled and removed like any other.
    rig.bed.ok(&["pause", &rig.bed.id]);
    assert_eq!(rig.bed.status(), "paused");
    rig.bed.ok(&["resume", &rig.bed.id]);
    let left: Vec<_> = fs::read_dir(rig.bed.state_dir()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "beside state.json: {left:?}");
    rig.bed.ok(&["kill", &rig.bed.id, "KILL"]);
    rig.bed.wait_for_status("stopped");
    rig.bed.ok(&["delete", &rig.bed.id]);
    rig.bed.check_nothing_left();
}

#[test]
fn a_fake_criu_is_told_what_is_the_hosts() {
    let mut rig = Rig::new();
    rig.bed.set("/linux/maskedPaths", json!(["/proc/keys", "/sys/firmware", "/no/such"]));
    symlink("../var", rig.bed.rootfs().join("etc/link")).unwrap();
    let bind = json!({"destination": "/etc/link/linked", "type": "bind",
        "source": rig.bed.dir.path().join("one"), "options": ["bind"]});
    rig.bed.push("/mounts", bind).write_config();
    rig.bed.start();
    let more = ["--leave-running", "--shell-job", "--manage-cgroups-mode", "ignore"];
    rig.checkpoint(&more);
    assert_eq!(rig.bed.status(), "running");
    let request = rig.request();
    for (place, name) in [
        ("/data", "/data"),
        ("/var/one", "/var/one"),
        // The place is where the mount is, the name is the bundle's.
        ("/var/linked", "/etc/link/linked"),
        ("/proc/keys", "/dev/null"),
    ] {
        let told = request["ext_mnt"].as_array().unwrap().contains(&json!([place, name]));
        assert!(told, "{place} is missing in {request}");
    }
    assert_eq!(request["ext_mnt"].as_array().unwrap().len(), 4, "{request}");
    assert_eq!(request["pid"], rig.bed.state()["pid"]);
    assert_eq!((&request["shell_job"], &request["leave_running"]), (&json!(1), &json!(1)));
    assert_eq!(request["manage_cgroups_mode"], 0);
    let freezer = format!("/sys/fs/cgroup/freezer{}/{}", rig.bed.cgroup, rig.bed.id);
    assert_eq!(request["freeze_cgroup"], json!(freezer));
    let descriptors = fs::read_to_string(rig.images.join("descriptors.json")).unwrap();
    let descriptors: Vec<String> = serde_json::from_str(&descriptors).unwrap();
    assert_eq!(descriptors[..2], ["/dev/null"; 2]);
}

#[test]
fn a_fake_criu_inherits_nothing_of_ours() {
    let rig = Rig::new();
    rig.bed.start();
    let whole = rig.bed.command(&rig.args("checkpoint", &["--leave-running"]));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec 7</ 8</dev/null; exec \"$@\"", "sh"]).arg(whole.get_program());
    let status = command.args(whole.get_args()).env("SECRET", "word").status().unwrap();
    assert!(status.success());
    let request = rig.request();
    let names: Vec<&str> =
        request["environment"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    // Python adds one of its own.
    assert!(names.iter().all(|name| ["PATH", "LC_CTYPE"].contains(name)), "{names:?}");
    let socket = request["own_socket"].as_u64().unwrap();
    let others = request["descriptors"].as_array().unwrap().iter().filter_map(Value::as_u64);
    // The last one is Python's way to list them.
    let others: Vec<u64> = others.filter(|number| *number > 2 && *number != socket).collect();
    assert!(others.len() <= 1, "{request}");
}

#[test]
fn a_pre_dump_and_its_successor_are_asked_for_with_a_fake_criu() {
    let rig = Rig::new();
    rig.bed.start();
    rig.checkpoint(&["--pre-dump"]);
    assert_eq!(rig.bed.status(), "running");
    assert_eq!(rig.request()["track_mem"], 1);
    rig.checkpoint(&["--parent-path", "../before", "--leave-running"]);
    assert_eq!(rig.request()["parent_img"], "../before");
    let message = rig.bed.err(&rig.args("checkpoint", &["--parent-path", "/before"]));
    assert!(message.contains("not relative"), "{message}");
}

#[test]
fn a_failing_dump_with_a_fake_criu_leaves_the_container_and_the_log() {
    let rig = Rig::new();
    rig.bed.start();
    rig.manner("fails");
    let message = rig.bed.err(&rig.args("checkpoint", &[]));
    assert!(
        message
            .contains("criu failed to checkpoint the container: criu 3.99.0: one thing; another"),
        "{message}"
    );
    assert_eq!(rig.bed.status(), "running");
    let left: Vec<_> =
        fs::read_dir(&rig.images).unwrap().flatten().map(|it| it.file_name()).collect();
    assert_eq!(left, ["dump.log"]);
}

#[test]
fn what_does_not_fit_the_bundle_never_runs() {
    let rig = Rig::dumped();
    for (manner, words) in [
        ("network", "host's net namespace"),
        ("capabilities", "capabilities that the bundle does not give"),
        ("thread", "has capabilities that the bundle does not give"),
        ("mount", "mounted on /tmp, and not by the bundle"),
        ("loose", "mounted on /dev, and not by the bundle"),
        ("dies", "ended without a word"),
    ] {
        rig.manner(manner);
        let message = rig.restore().unwrap_err();
        assert!(message.contains(words), "{manner}: {message}");
        assert!(!rig.has_run(), "{manner}: it ran");
        rig.bed.check_nothing_left();
    }
}

#[test]
fn what_the_bundle_masks_must_be_masked() {
    let mut rig = Rig::dumped();
    for (pointer, words) in [
        ("/linux/maskedPaths", "/proc/uptime is not masked"),
        ("/linux/readonlyPaths", "/proc/uptime can be written"),
    ] {
        rig.bed.set(pointer, json!(["/proc/uptime", "/no/such"])).write_config();
        let message = rig.restore().unwrap_err();
        assert!(message.contains(words), "{message}");
        assert!(!rig.has_run());
        rig.bed.set(pointer, json!([]));
        rig.bed.check_nothing_left();
    }
    rig.bed.set("/process/noNewPrivileges", json!(true)).write_config();
    rig.restore().expect("what criu does not restore is inherited");
}

#[test]
fn images_without_the_bundles_filter_never_run() {
    let mut rig = Rig::dumped();
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}]});
    rig.bed.set("/linux/seccomp", profile).write_config();
    let message = rig.restore().unwrap_err();
    assert!(message.contains("do not have the seccomp filter"), "{message}");
    assert!(!rig.has_run());
    rig.bed.check_nothing_left();
}

#[test]
fn the_limit_that_comes_last_comes_with_a_fake_criu_too() {
    let mut rig = Rig::dumped();
    rig.bed.set("/linux/resources", json!({"pids": {"limit": 0}})).write_config();
    rig.restore().unwrap();
    let pid = rig.bed.state()["pid"].to_string();
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let place = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let root = match controllers {
            "pids" => "/sys/fs/cgroup/pids",
            "" => "/sys/fs/cgroup",
            _ => return None,
        };
        fs::read_to_string(format!("{root}{path}/pids.max")).ok()
    };
    assert_eq!(cgroups.lines().find_map(place).expect("a pids cgroup").trim(), "0");
    rig.bed.ok(&["delete", "-f", &rig.bed.id]);
    rig.bed.check_nothing_left();
}

/// CVE class: a checkpoint from an archive writes outside of its directory.
#[test]
fn images_with_links_are_refused_before_criu_starts() {
    let rig = Rig::dumped();
    let victim = rig.bed.dir.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    for name in ["restore.log", "core-1.img", "descriptors.json"] {
        let path = rig.images.join(name);
        drop(fs::remove_file(&path));
        symlink(&victim, &path).unwrap();
        let message = rig.restore().unwrap_err();
        assert!(message.contains(&format!("{name:?} in it is not a regular file")), "{message}");
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    fs::remove_file(rig.images.join("inventory.img")).unwrap();
    let message = rig.restore().unwrap_err();
    assert!(message.contains("no inventory.img"), "{message}");
    rig.bed.check_nothing_left();
}

#[test]
fn a_terminal_comes_back_through_the_console_socket_with_a_fake_criu() {
    let mut rig = Rig::dumped();
    rig.manner("terminal");
    rig.bed.set("/process/terminal", json!(true)).write_config();
    let path = rig.bed.dir.path().join("console.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let args = rig.args("restore", &["-d", "--console-socket", path.to_str().unwrap()]);
    assert!(rig.bed.command(&args).status().unwrap().success());
    let (socket, _) = listener.accept().unwrap();
    let (_, fd) = receive_with_fd(socket.as_fd(), &mut [0; 64]).unwrap();
    assert!(rustix::termios::isatty(fd.unwrap()));
}

#[test]
fn a_restore_in_the_foreground_gives_the_exit_code_with_a_fake_criu() {
    let rig = Rig::dumped();
    let pid_file = rig.bed.dir.path().join("pid");
    let args = rig.args("restore", &["--pid-file", pid_file.to_str().unwrap()]);
    let mut restored = rig.bed.command(&args).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the restored program runs", || rig.has_run());
    wait_until("the pid is told", || pid_file.exists());
    assert_eq!(fs::read_to_string(pid_file).unwrap(), rig.bed.state()["pid"].to_string());
    rig.bed.ok(&["kill", &rig.bed.id, "KILL"]);
    assert_eq!(restored.wait().unwrap().code(), Some(137));
    rig.bed.check_nothing_left();
}

#[test]
fn mistakes_are_named_before_anything_happens() {
    let rig = Rig::new();
    let message = rig.bed.err(&rig.args("checkpoint", &[]));
    assert!(message.contains("does not exist"), "{message}");
    rig.bed.write_config();
    rig.bed.ok(&["create", &rig.bed.id]);
    for (flags, words) in [
        (&[][..], "container cannot be checkpointed in created state"),
        (&["--page-server", "here"], "ADDRESS:PORT"),
        (&["--empty-ns", "pid"], "--empty-ns is network, not \"pid\""),
        (&["--manage-cgroups-mode", "hard"], "soft, full, strict or ignore"),
        (&["--status-fd", "99"], "--status-fd 99 is not open"),
    ] {
        let message = rig.bed.err(&rig.args("checkpoint", flags));
        assert!(message.contains(words), "{message}");
    }
    let mut command = rig.bed.command(&["checkpoint", &rig.bed.id]);
    let message = text(&command.env("PATH", "/nonexistent").output().unwrap().stderr);
    assert!(message.contains("install the package criu"), "{message}");
    let message = rig.bed.err(&["--criu", "/no/such", "checkpoint", &rig.bed.id]);
    assert!(message.contains("--criu \"/no/such\" is no program"), "{message}");
}

/// Debian's criu knows kernels up to 6.12: beyond, it must be said why nothing was written.
#[test]
fn the_real_criu_works_or_says_why_not() {
    let mut bed = Bed::new();
    bed.script("i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.1; done").write_config();
    bed.start();
    wait_until("it counts", || bed.rootfs().join("tmp/n").exists());
    let images = bed.dir.path().join("images");
    let images = images.to_str().unwrap();
    let can = Command::new("criu").arg("check").output().expect("install criu").status.success();
    if !can {
        let message = bed.err(&["checkpoint", "--image-path", images, &bed.id]);
        assert!(message.contains("criu failed to checkpoint the container: criu "), "{message}");
        assert!(message.contains(" ("), "no advice: {message}");
        assert_eq!(bed.status(), "running");
        return;
    }
    bed.ok(&["checkpoint", "--image-path", images, &bed.id]);
    bed.check_nothing_left();
    let args = ["restore", "-d", "--image-path", images, &bed.id];
    assert!(bed.command(&args).stdout(Stdio::null()).status().unwrap().success());
    let count = || fs::read_to_string(bed.rootfs().join("tmp/n")).unwrap_or_default();
    let before = count();
    wait_until("it counts on", || count() != before);
}

#[test]
fn a_status_descriptor_is_written_when_pages_can_be_fetched_or_closed() {
    let rig = Rig::new();
    rig.bed.start();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command =
        rig.bed.command(&rig.args("checkpoint", &["--status-fd", "1", "--leave-running"]));
    assert!(command.stdout(writer).status().unwrap().success());
    drop(command);
    let mut said = Vec::new();
    reader.read_to_end(&mut said).unwrap();
    assert!(said.is_empty(), "no page server was ready: {said:?}");
}
