//! Images and documents that try to get out, or to make the runtime do something to the host. Each is a known way in other runtimes.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bed::{Bed, text};

/// The image's `/proc` is a symbolic link: procfs would land elsewhere, and later writes to it with it (CVE-2019-19921).
#[test]
fn a_linked_proc_is_refused() {
    let bed = Bed::new();
    fs::create_dir(bed.rootfs().join("elsewhere")).unwrap();
    symlink("/elsewhere", bed.rootfs().join("proc")).unwrap();
    let message = bed.run_err();
    assert!(message.contains("must be mounted on an ordinary directory"), "{message}");
    bed.check_nothing_left();
}

/// A mount's destination goes through links that point out of the root (CVE-2021-30465).
#[test]
fn linked_destinations_stay_in_the_root() {
    let mut bed = Bed::new();
    let target = bed.dir.path().join("host");
    fs::create_dir(&target).unwrap();
    let up = "../".repeat(20);
    symlink(format!("{up}{}", target.display()), bed.rootfs().join("up")).unwrap();
    symlink(&target, bed.rootfs().join("absolute")).unwrap();
    symlink(format!("{up}dev2"), bed.rootfs().join("dev")).unwrap();
    for at in ["/up/a", "/absolute/b", "/../../../c"] {
        bed.push("/mounts", json!({"destination": at, "type": "tmpfs", "source": "x"}));
    }
    bed.script("cut -d' ' -f2 /proc/mounts | sort | tr '\\n' ' '");
    let output = bed.run();
    let inside = target.to_str().unwrap();
    for expected in [&format!("{inside}/a "), &format!("{inside}/b "), " /c ", " /dev2 "] {
        assert!(output.contains(expected), "{expected}: {output}");
    }
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "something was made on the host");
    bed.check_nothing_left();
}

/// A mount over a part of `/proc` redirects what the runtime writes there (CVE-2019-16884).
#[test]
fn nothing_can_be_mounted_inside_proc() {
    for at in ["/proc/self/attr", "/proc/sys", "/proc/../proc/version", "/tmp/link/sys"] {
        let mut bed = Bed::new();
        symlink("/proc", bed.rootfs().join("tmp/link")).unwrap();
        let source = bed.dir.path().join(if at.ends_with("version") { "file" } else { "dir" });
        if at.ends_with("version") {
            fs::write(&source, "").unwrap();
        } else {
            fs::create_dir(&source).unwrap();
        }
        bed.push(
            "/mounts",
            json!({"destination": at, "type": "bind", "source": source,
            "options": ["bind"]}),
        );
        let message = bed.run_err();
        assert!(message.contains("cannot be mounted because it is inside /proc"), "{message}");
        bed.check_nothing_left();
    }
    let mut bed = Bed::new();
    bed.config["mounts"][0] = json!({"destination": "/proc", "type": "tmpfs", "source": "x"});
    assert!(bed.run_err().contains("only a procfs"));
}

/// A file that tools are known to cover there is fine.
#[test]
fn known_files_of_proc_can_be_covered() {
    let mut bed = Bed::new();
    fs::write(bed.dir.path().join("uptime"), "42\n").unwrap();
    bed.push(
        "/mounts",
        json!({"destination": "/proc/uptime", "type": "bind",
        "source": bed.dir.path().join("uptime"), "options": ["bind"]}),
    );
    bed.script("cat /proc/uptime");
    assert_eq!(bed.run(), "42\n");
}

/// A working directory that is a descriptor of the runtime leads to the host (CVE-2024-21626).
#[test]
fn the_working_directory_cannot_be_a_leaked_descriptor() {
    for number in 3..20 {
        let mut bed = Bed::new();
        bed.set("/process/cwd", json!(format!("/proc/self/fd/{number}")));
        bed.script("pwd; ls /proc/1/root/../../../etc/hostname");
        let message = bed.run_err();
        assert!(message.contains("enter the working directory"), "{message}");
    }
}

/// The mask over `/proc/keys` must be the null device, whatever the image calls `/dev/null` (CVE-2025-31133).
#[test]
fn an_images_own_null_is_not_used_as_a_mask() {
    let mut bed = Bed::new();
    fs::create_dir(bed.rootfs().join("dev")).unwrap();
    symlink("/proc/sys/kernel/core_pattern", bed.rootfs().join("dev/null")).unwrap();
    bed.script("stat -c '%t:%T' /proc/keys");
    assert_eq!(bed.run(), "1:3\n");
}

/// The image's `/dev/console` and `/dev/pts` are links into `/proc` (CVE-2025-52565).
#[test]
fn a_terminal_needs_a_real_devpts() {
    let mut bed = Bed::new();
    bed.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "devpts");
    fs::create_dir_all(bed.rootfs().join("dev/pts")).unwrap();
    fs::write(bed.rootfs().join("dev/pts/ptmx"), "").unwrap();
    bed.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/dev");
    bed.set("/process/terminal", json!(true));
    let message = bed.run_err();
    assert!(message.contains("devpts"), "{message}");
    bed.check_nothing_left();
}

/// Account files of any size or kind must neither fill the memory nor stop the runtime.
#[test]
fn strange_account_files_are_refused_quickly() {
    let fifo: fn(&std::path::Path) = |path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let huge: fn(&std::path::Path) =
        |path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    let directory: fn(&std::path::Path) = |path| fs::create_dir(path).unwrap();
    for (make, words) in
        [(fifo, "not a regular file"), (huge, "larger than"), (directory, "not a regular file")]
    {
        let mut bed = Bed::new();
        make(&bed.rootfs().join("etc/passwd"));
        bed.set("/process/user", json!({"username": "web"}));
        let message = bed.run_err();
        assert!(message.contains("read the container's /etc/passwd"), "{message}");
        assert!(message.contains(words), "{message}");
        bed.check_nothing_left();
    }
    // A link out of the root finds the root's own file, which is not there.
    let mut bed = Bed::new();
    symlink("../../../../../../../etc/passwd", bed.rootfs().join("etc/passwd")).unwrap();
    bed.set("/process/user", json!({"username": "root"}));
    bed.run_err();
}

/// A container cannot get at the runtime's program (CVE-2019-5736).
#[test]
fn the_program_on_disk_is_out_of_reach() {
    let mut bed = Bed::new();
    // The entry point executes whatever it was started from, and tells what that is.
    bed.set("/process/args", json!(["/proc/self/exe", "--version"]));
    bed.write_config();
    let output = bed.call(&["run", &bed.id]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    // A sealed copy may be executed; a file that can be opened for writing may not.
    assert!(stdout.contains("gantry-runc version") || stderr.contains("exec"), "{stdout}{stderr}");
    bed.set("/process/args", json!(["sh", "-c", "exec sleep 1000"]));
    bed.start();
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_gantry-runc"));
    let before = fs::metadata(path).unwrap().modified().unwrap();
    let script = "for i in $(seq 200); do for e in /proc/[0-9]*/exe; do \
                  case $(readlink $e) in *gantry*) (echo x > $e) 2>/dev/null && echo written;; esac; done; done";
    let mut attacker = bed.command(&["exec", &bed.id, "sh", "-c", script]);
    let attacker = attacker.stdout(std::process::Stdio::piped()).spawn().unwrap();
    for _ in 0..20 {
        bed.ok(&["exec", &bed.id, "true"]);
    }
    bed.ok(&["kill", &bed.id, "KILL"]);
    let output = attacker.wait_with_output().unwrap();
    assert!(!text(&output.stdout).contains("written"));
    assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), before);
}

/// While a container waits for its start, another process in it must not see into the runtime.
#[test]
fn a_waiting_process_cannot_be_looked_into() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").write_config();
    bed.ok(&["create", &bed.id]);
    let output = bed.call(&[
        "exec",
        &bed.id,
        "sh",
        "-c",
        "readlink /proc/1/exe; cat /proc/1/fd/5 /proc/1/environ",
    ]);
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("Permission denied"), "{}", text(&output.stderr));
}

/// A runtime that is killed midway leaves no process waiting for it.
#[test]
fn a_runtime_that_is_killed_takes_its_child_along() {
    let mut bed = Bed::new();
    let started = bed.dir.path().join("started");
    let hook = format!("echo > {}; exec sleep 5", started.display());
    bed.config["hooks"] = json!({
        "createRuntime": [{"path": "/bin/busybox", "args": ["sh", "-c", hook]}]
    });
    bed.write_config();
    let mut runtime = bed.command(&["run", &bed.id]).spawn().unwrap();
    crate::bed::wait_until("the hook runs", || started.exists());
    runtime.kill().unwrap();
    runtime.wait().unwrap();
    let procs = format!("/sys/fs/cgroup/pids{}/{}/cgroup.procs", bed.cgroup, bed.id);
    crate::bed::wait_until("the container's process ends", || {
        fs::read_to_string(&procs).unwrap_or_default().is_empty()
    });
    assert_eq!(bed.status(), "creating");
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}
