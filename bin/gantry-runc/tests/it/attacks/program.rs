//! Overwriting the runtime's program. The rules: it runs from a sealed copy in memory; while one of its processes is in a container nobody
//! there may trace it (dumpable is 0 until the program runs); it is static, so that nothing of an image is loaded into it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::bed::{Bed, text, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gantry-runc");

/// Its contents: what an attacker would change.
fn program() -> Vec<u8> {
    fs::read(PROGRAM).unwrap()
}

/// A container that executes its way into the runtime, and one that writes to every program that it sees (CVE-2019-5736). Stopped by: what
/// `/proc/<pid>/exe` leads to is a sealed copy, in which nothing can be written.
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
    let before = program();
    let script = "for i in $(seq 200); do for e in /proc/[0-9]*/exe; do \
                  case $(readlink $e) in *gantry*) (echo x > $e) 2>/dev/null && echo written;; esac; done; done";
    let mut attacker = bed.command(&["exec", &bed.id, "sh", "-c", script]);
    let attacker = attacker.stdout(Stdio::piped()).spawn().unwrap();
    for _ in 0..20 {
        bed.ok(&["exec", &bed.id, "true"]);
    }
    bed.ok(&["kill", &bed.id, "KILL"]);
    let output = attacker.wait_with_output().unwrap();
    assert!(!text(&output.stdout).contains("written"));
    assert!(program() == before, "the program was changed");
}

/// A page of the program's file in a process of the container would be a way to it. Stopped by: who goes into a container has left the
/// file for the copy, with all that it has in memory.
#[test]
fn nothing_of_the_file_is_in_a_process_that_waits() {
    let mut bed = Bed::new();
    bed.script("true").write_config();
    bed.ok(&["create", &bed.id]);
    let process = format!("/proc/{}", bed.state()["pid"]);
    let exe = fs::read_link(format!("{process}/exe")).unwrap();
    let maps = fs::read_to_string(format!("{process}/maps")).unwrap();
    // Of a file system that is mounted nowhere.
    assert_eq!(exe, Path::new("/gantry (deleted)"));
    assert!(maps.contains("/gantry (deleted)") && !maps.contains(PROGRAM), "{maps}");
    for entry in fs::read_dir(format!("{process}/fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        assert!(target != Path::new(PROGRAM) && target != exe, "{}", target.display());
    }
}

/// A script of the image names the runtime as its interpreter: the runtime would run as the container's program, with a path to itself
/// (CVE-2019-5736). Stopped by: the same, for the first process and for an exec.
#[test]
fn a_script_that_names_the_runtime_gets_a_sealed_copy() {
    let mut bed = Bed::new();
    let script = bed.rootfs().join("bin/evil");
    fs::write(&script, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let before = program();
    bed.set("/process/args", json!(["/bin/evil"]));
    bed.write_config();
    drop(bed.call(&["run", &bed.id]));
    bed.ok(&["delete", "--force", &bed.id]);
    // A copy that runs may be kept open, and written to when it has ended.
    bed.script("while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *memfd*|*gantry*) \
                (exec 9<$p/exe; sleep 0.05; echo x > /proc/self/fd/9) 2>/dev/null && echo written;; esac; done; done");
    let mut container = super::run_in_background(&bed);
    for _ in 0..20 {
        drop(bed.call(&["exec", &bed.id, "/bin/evil"]));
    }
    fs::write(bed.rootfs().join("tmp/stop"), "").unwrap();
    wait_until("the attacker ends", || container.try_wait().unwrap().is_some());
    let output = container.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "");
    assert!(program() == before, "the program was changed");
}

/// The image brings what a dynamic program would load. Stopped by: the runtime that is shipped is static; this tells of the one under
/// test at least that nothing of the image was loaded.
#[test]
fn nothing_of_the_image_is_loaded() {
    let mut bed = Bed::new();
    for name in
        ["lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libnss_files.so.2", "lib/libc.so.6"]
    {
        let path = bed.rootfs().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "not a library").unwrap();
    }
    fs::write(bed.rootfs().join("etc/passwd"), "web:x:33:33::/:/bin/sh\n").unwrap();
    fs::write(bed.rootfs().join("etc/nsswitch.conf"), "passwd: files evil\n").unwrap();
    fs::write(bed.rootfs().join("etc/ld.so.preload"), "/lib/evil.so\n").unwrap();
    bed.set("/process/user", json!({"username": "web"}));
    bed.script("id -u");
    assert_eq!(bed.run(), "33\n");
}

/// While a container waits for its start, another process in it must not see into the runtime. Stopped by: dumpable is 0.
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

/// A neighbour in the same pid namespace (a pod) sees a container being made, and looks into the runtime's process. Stopped by: dumpable is
/// 0, and a process with more rights cannot be traced without `CAP_SYS_PTRACE`.
#[test]
fn a_neighbour_cannot_look_into_one_that_is_being_made() {
    let mut attacker = Bed::new();
    attacker.script(
        "while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do case $p in /proc/1) continue;; esac; \
         case $(readlink $p/exe 2>/dev/null) in ''|/bin/busybox) ;; *) echo seen;; esac; \
         [ -e $p/root/etc/hostname ] && echo root; done; done; echo end",
    );
    let mut container = super::run_in_background(&attacker);
    let namespace = format!("/proc/{}/ns/pid", attacker.state()["pid"]);
    assert!(Path::new(&namespace).exists());
    for _ in 0..15 {
        let mut victim = Bed::new();
        victim.config["linux"]["namespaces"][0] = json!({"type": "pid", "path": namespace});
        victim.run();
    }
    fs::write(attacker.rootfs().join("tmp/stop"), "").unwrap();
    wait_until("the attacker ends", || container.try_wait().unwrap().is_some());
    let output = container.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "end\n");
}

/// A container that sees the host's processes owns, as root without a user namespace, every user namespace that root makes, and has all
/// rights in there. Stopped by: dumpable is 0 before a process is born in one, so that the rights of the host's count.
#[test]
fn a_process_in_a_new_user_namespace_leads_nobody_to_the_host() {
    let mut attacker = Bed::new();
    let secret = attacker.dir.path().join("secret");
    fs::write(&secret, "").unwrap();
    let namespaces = attacker.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "pid");
    attacker.script(&format!(
        "while [ ! -e /tmp/stop ]; do read a b c d last < /proc/loadavg; \
         [ -e /proc/$last/root{} ] && echo root $last; done; echo end",
        secret.display()
    ));
    let mut container = super::run_in_background(&attacker);
    for _ in 0..5 {
        let mut victim = Bed::new();
        let ids = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        for number in 0..20 {
            let mount = json!({
                "destination": format!("/mnt{number}"), "type": "bind", "source": victim.dir.path(),
                "options": ["bind"], "uidMappings": ids, "gidMappings": ids
            });
            victim.config["mounts"].as_array_mut().unwrap().push(mount);
        }
        victim.run();
    }
    fs::write(attacker.rootfs().join("tmp/stop"), "").unwrap();
    wait_until("the attacker ends", || container.try_wait().unwrap().is_some());
    let output = container.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "end\n");
}

/// The record names the process of a `run` before that has left the program's file, and the process holds the record for as long. Who
/// joins it then would meet a process of the runtime's. Stopped by: `exec` is refused, and nobody is told the pid.
#[test]
fn nobody_joins_a_container_that_is_being_made() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").start();
    let hold = fs::File::open(bed.state_dir().join("state.json")).unwrap();
    hold.lock().unwrap();
    let refusal = bed.err(&["exec", &bed.id, "true"]);
    assert!(refusal.contains("is being created"), "{refusal}");
    let state = bed.state();
    assert_eq!((&state["status"], state["pid"].as_i64().unwrap_or(0)), (&json!("creating"), 0));
    assert_eq!(bed.ok(&["ps", "--format", "json", &bed.id]).trim(), "[]");
    // Not by closing: a process that another test is just making has the descriptor too.
    hold.unlock().unwrap();
    bed.ok(&["exec", &bed.id, "true"]);
    assert_eq!(bed.status(), "running");
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
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
    wait_until("the hook runs", || started.exists());
    runtime.kill().unwrap();
    runtime.wait().unwrap();
    let procs = format!("/sys/fs/cgroup/pids{}/{}/cgroup.procs", bed.cgroup, bed.id);
    wait_until("the container's process ends", || {
        fs::read_to_string(&procs).unwrap_or_default().is_empty()
    });
    assert_eq!(bed.status(), "creating");
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}
