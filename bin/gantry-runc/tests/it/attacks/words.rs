//! Hostile documents, names and messages. The rules: every size has a limit; every text is one line in a log, and plain on a terminal; a
//! record is believed only as far as the kernel confirms it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::bed::{Bed, poll, text};

#[track_caller]
fn check_refused(bed: &Bed, words: &str) {
    let started = Instant::now();
    let message = bed.err(&["run", &bed.id]);
    assert!(message.contains(words), "{message:?} does not say {words:?}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.len() < 4096, "{} bytes", message.len());
    assert!(started.elapsed().as_secs() < 5);
    bed.check_nothing_left();
}

/// A document without end, or so deep that a parser's stack overflows. Stopped by: a limit of size, and one of depth.
#[test]
fn documents_have_limits() {
    let bed = Bed::new();
    let path = bed.bundle().join("config.json");
    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    check_refused(&bed, "larger than");
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        fs::write(&path, format!("{{\"x\":{}{}", open.repeat(100_000), close.repeat(100_000)))
            .unwrap();
        check_refused(&bed, "config.json");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    check_refused(&bed, "config.json");
}

/// NUL bytes, at which C and the kernel would end a text early. Stopped by: they are refused where texts are parsed.
#[test]
fn nul_bytes_are_refused() {
    let set = |pointer: &str, value: Value| {
        let mut bed = Bed::new();
        bed.set(pointer, value).write_config();
        bed
    };
    for (pointer, value) in [
        ("/process/args", json!(["true\0x"])),
        ("/process/env", json!(["PATH=/bin\0x"])),
        ("/process/cwd", json!("/\0")),
        ("/process/user", json!({"username": "root\0"})),
        ("/root/path", json!("rootfs\0")),
        ("/linux/maskedPaths", json!(["/proc/keys\0"])),
        ("/linux/cgroupsPath", json!("/a\0b")),
        ("/linux/devices", json!([{"path": "/dev/x\0y", "type": "c", "major": 1, "minor": 3}])),
    ] {
        let bed = set(pointer, value);
        check_refused(&bed, "");
    }
    let mut bed = Bed::new();
    bed.push("/mounts", json!({"destination": "/a\0b", "type": "tmpfs", "source": "x"}));
    bed.write_config();
    check_refused(&bed, "");
}

/// A text of the document's becomes lines of its own in the log, which callers believe. Stopped by: both formats escape.
#[test]
fn a_message_is_one_line_of_the_log() {
    for format in ["json", "text"] {
        let mut bed = Bed::new();
        let evil = "no\n{\"level\":\"error\",\"msg\":\"forged\"}\nlevel=error msg=\"forged\" \"";
        bed.set("/process/args", json!([evil])).write_config();
        let log = bed.dir.path().join("log");
        bed.err(&["--log", log.to_str().unwrap(), "--log-format", format, "run", &bed.id]);
        let log = fs::read_to_string(log).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        if format == "json" {
            let line: Value = serde_json::from_str(&log).unwrap();
            assert_eq!(line["level"], "error");
            assert!(line["msg"].as_str().unwrap().contains("forged"), "{line}");
        }
    }
}

/// An image's or document's text drives the terminal of who reads the message. Stopped by: control characters are escaped on the way out.
#[test]
fn messages_do_not_drive_terminals() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m";
    let cases: [(&str, Value); 5] = [
        ("/process/args", json!([evil])),
        ("/process/user", json!({"username": evil})),
        ("/process/cwd", json!(format!("/bin/sh/{evil}"))),
        ("/linux/cgroupsPath", json!(format!("/../{evil}"))),
        ("/linux/rootfsPropagation", json!(evil)),
    ];
    for (pointer, value) in cases {
        let mut bed = Bed::new();
        bed.set(pointer, value);
        let message = bed.run_err();
        assert!(!message.trim_end().contains(char::is_control), "{message:?}");
    }
    let mut bed = Bed::new();
    let hook = json!([{"path": "/bin/busybox", "args": ["sh", "-c", "printf '\\033[2Jgone\\n\\033[0m' >&2; exit 1"]}]);
    bed.config["hooks"] = json!({ "createRuntime": hook });
    let message = bed.run_err();
    assert!(message.contains("gone"), "{message:?}");
    assert!(!message.trim_end().contains(char::is_control), "{message:?}");
}

/// A hook that never ends, and holds its standard error open. Stopped by: its timeout.
#[test]
fn a_hook_ends_in_time() {
    let mut bed = Bed::new();
    bed.config["hooks"] = json!({"createRuntime": [
        {"path": "/bin/busybox", "args": ["sleep", "100"], "timeout": 1}
    ]});
    let started = Instant::now();
    let message = bed.run_err();
    assert!(message.contains("within 1 s"), "{message}");
    assert!(started.elapsed().as_secs() < 10);
    bed.check_nothing_left();
}

/// A console socket that is none: a file that would be written to, nothing, or a name that is too long for a socket's address. Stopped by:
/// the runtime connects before it makes anything, and says what is wrong.
#[test]
fn a_false_console_socket_is_refused() {
    let mut bed = Bed::new();
    bed.set("/process/terminal", json!(true)).write_config();
    let file = bed.dir.path().join("file");
    fs::write(&file, "untouched").unwrap();
    let link = bed.dir.path().join("link");
    symlink(&file, &link).unwrap();
    let long = bed.dir.path().join("n".repeat(200));
    let absent = bed.dir.path().join("absent");
    let directory = bed.dir.path();
    for path in [&file, &link, &long, &absent, directory] {
        let message = bed.err(&["create", "--console-socket", path.to_str().unwrap(), &bed.id]);
        assert!(message.contains(path.to_str().unwrap()), "{message}");
        bed.check_nothing_left();
    }
    assert_eq!(fs::read(&file).unwrap(), b"untouched");
}

/// Ids that are paths or options, and a state directory that is a link. Stopped by: an id is checked before it becomes a name.
#[test]
fn hostile_ids_name_nothing() {
    let bed = Bed::new();
    bed.write_config();
    let outside = bed.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("state.json"), "{}").unwrap();
    for id in ["../outside", "..", ".", "", "a/b", "a\nb", "\u{1b}[2J", &"x".repeat(5000)] {
        for command in ["state", "kill", "delete", "start", "exec", "run"] {
            let output = bed.call(&[command, "--", id, "x"]);
            assert!(!output.status.success(), "{command} {id:?}");
        }
    }
    drop(bed.call(&["delete", "--force", "../outside"]));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "something outside was removed");
}

/// A record that names a process of somebody else's: the pid was given again, or the record was changed. Stopped by: pidfd, and the
/// process's start time must agree.
#[test]
fn a_pid_that_was_given_again_is_left_alone() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").start();
    let path = bed.state_dir().join("state.json");
    let text = fs::read_to_string(&path).unwrap();
    // The last line counts.
    let mut record: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let real = record.clone();
    let write = |record: &Value| fs::write(&path, format!("{record}\n")).unwrap();
    // The kernel tells starts apart by hundredths of a second, and gives no pid again within one.
    let mut other = poll("another process starts later", || {
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        if started(&json!(other.id())) != started(&real["pid"]) {
            return Some(other);
        }
        other.kill().unwrap();
        other.wait().unwrap();
        None
    });
    record["pid"] = json!(other.id());
    write(&record);
    assert_eq!(bed.status(), "stopped");
    let message = bed.err(&["kill", &bed.id, "KILL"]);
    assert!(message.contains("container not running"), "{message}");
    let message = bed.err(&["exec", &bed.id, "true"]);
    assert!(message.contains("container not running"), "{message}");
    assert!(Path::new(&format!("/proc/{}", other.id())).exists());
    assert!(other.try_wait().unwrap().is_none(), "another process was ended");
    // The same pid and start time of another boot are another process, too.
    let mut of_another_boot = real.clone();
    of_another_boot["bootId"] = json!("00000000-0000-0000-0000-000000000000");
    write(&of_another_boot);
    assert_eq!(bed.status(), "stopped");
    write(&real);
    assert_eq!(bed.status(), "running");
    other.kill().unwrap();
    other.wait().unwrap();
}

/// When a process was started, in the kernel's words (proc(5)).
fn started(pid: &Value) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(19).unwrap().to_owned()
}

/// The container's first process dies while others are brought in: nobody may land in a namespace without its guard, or in another
/// container's. Stopped by: the pidfd stands for the process, and its end is seen.
#[test]
fn an_exec_into_what_has_died_is_refused() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").start();
    let pid = bed.state()["pid"].as_i64().unwrap();
    let execs: Vec<_> = (0..8)
        .map(|number| {
            let mut exec = bed.command(&["exec", &bed.id, "sleep", "1000"]);
            if number == 4 {
                bed.ok(&["kill", &bed.id, "KILL"]);
            }
            exec.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for exec in execs {
        let output = exec.wait_with_output().unwrap();
        assert!(!output.status.success(), "{}", text(&output.stderr));
    }
    crate::bed::wait_until("the first process is gone", || bed.status() == "stopped");
    let output = bed.call(&["exec", &bed.id, "true"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("container not running"), "{}", text(&output.stderr));
    assert!(pid > 0);
    bed.ok(&["delete", &bed.id]);
    bed.check_nothing_left();
}

/// A record that is damaged, endless or no record at all. Stopped by: a limit, and a message that names the file; `delete --force` still
/// works.
#[test]
fn damaged_records_are_named() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").start();
    let path = bed.state_dir().join("state.json");
    let real = fs::read(&path).unwrap();
    let endless = |path: &Path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    let deep = |path: &Path| fs::write(path, "[".repeat(1 << 20) + "\n").unwrap();
    let cut = |path: &Path| fs::write(path, [&real[..real.len() / 4], b"\n"].concat()).unwrap();
    let damages: [&dyn Fn(&Path); 3] = [&endless, &deep, &cut];
    for damage in damages {
        damage(&path);
        for command in ["state", "start", "pause"] {
            let message = bed.err(&[command, &bed.id]);
            assert!(message.contains("state.json"), "{message}");
            assert!(message.len() < 1024);
        }
    }
    fs::write(&path, real).unwrap();
    assert_eq!(bed.status(), "running");
}

/// A compiled filter that was kept and has been damaged, or opened to others, since. Stopped by: it is used only when its sum, its owner and
/// its mode are right; else the profile is compiled.
#[test]
fn a_kept_filter_is_used_only_when_it_is_whole() {
    let mut bed = Bed::new();
    bed.set(
        "/linux/seccomp",
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
        ]}),
    );
    bed.script("mkdir /tmp/x 2>/dev/null || echo refused");
    assert_eq!(bed.run(), "refused\n");
    let directory = bed.dir.path().join("root/filters~");
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|it| it.unwrap().path()).collect();
    let [kept] = &files[..] else { panic!("{files:?}") };
    let mut bytes = fs::read(kept).unwrap();
    assert_eq!(bed.run(), "refused\n", "by the kept one");
    let middle = bytes.len() - 24;
    bytes[middle..].fill(0);
    fs::write(kept, &bytes).unwrap();
    assert_eq!(bed.run(), "refused\n", "by a new one");
    assert_ne!(fs::read(kept).unwrap(), bytes, "it was written anew");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(kept, "").unwrap();
    assert_eq!(bed.run(), "refused\n");
    assert_eq!(fs::read(kept).unwrap(), b"", "a directory that is open to others is left alone");
}
