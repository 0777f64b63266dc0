//! Contexts that the daemon reads where they are: what it reads of them, and what it remembers.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use gantry_testkit::Daemon;

use super::{build, cached, context, run};

/// As if all of it were older than the build by more than a moment: what is not, is read again each time.
fn wait_until_settled(root: &Path) {
    let path = root.join("Dockerfile");
    gantry_testkit::poll("the files are older than a moment", || {
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        (SystemTime::now().duration_since(changed).unwrap_or_default()
            > Duration::from_millis(1200))
        .then_some(())
    });
}

fn build_in(daemon: &Daemon, root: &Path, flags: &[&str]) -> usize {
    let words = [&["build", "--network", "none", "-t", "placed"], flags, &[root.to_str().unwrap()]];
    let outcome = daemon.gantry(&words.concat()).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    cached(&outcome.stderr)
}

#[test]
fn what_changed_is_seen_whatever_its_times_say() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nCOPY files /files\nRUN cat /files/a /files/b > /seen\n";
    let files = [("Dockerfile", dockerfile), ("files/a", "one\n"), ("files/b", "two\n")];
    let root = context(&daemon, "changes", &files);
    wait_until_settled(&root);
    assert_eq!(build_in(&daemon, &root, &[]), 0);
    let known = || fs::read_dir(daemon.data_root().join("build-contexts")).unwrap().count();
    assert_eq!(known(), 1, "its digests are kept");
    assert_eq!(build_in(&daemon, &root, &[]), 2);
    // The same length and the same time of the last change; only the kernel's own stamp tells.
    let path = root.join("files/b");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "TWO\n").unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(build_in(&daemon, &root, &[]), 0);
    assert_eq!(run(&daemon, "placed", &["cat", "/seen"]), "one\nTWO");
    // Only its permissions.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(build_in(&daemon, &root, &[]), 0);
    // A new one, and one fewer.
    fs::write(root.join("files/c"), "three").unwrap();
    assert_eq!(build_in(&daemon, &root, &[]), 0);
    fs::remove_file(root.join("files/c")).unwrap();
    assert_eq!(build_in(&daemon, &root, &[]), 2);
    // Nothing is unpacked anywhere.
    assert_eq!(fs::read_dir(daemon.data_root().join("builds")).unwrap().count(), 0);
}

#[test]
fn what_is_ignored_is_neither_copied_nor_mounted() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nCOPY . /all\nRUN --mount=type=bind,target=/ctx cp -a /ctx /mounted && ! touch /ctx/x\n";
    let files = [
        ("kept", "kept"),
        ("secret/key", "hidden"),
        ("out/a", "a"),
        ("out/b", "b"),
        (".dockerignore", "secret\nout/*\n!out/b\n"),
    ];
    build(&daemon, &["-t", "placed"], dockerfile, &files);
    for folder in ["/all", "/mounted"] {
        let script = format!("cd {folder}; find . -type f | sort");
        let seen = run(&daemon, "placed", &["sh", "-c", &script]);
        assert_eq!(seen, "./.dockerignore\n./Dockerfile\n./kept\n./out/b", "{folder}");
    }
    let seen = run(&daemon, "placed", &["stat", "-c", "%u:%g", "/mounted/kept"]);
    assert_eq!(seen, "0:0");
}

#[test]
fn nothing_leads_out_of_a_directory_that_is_read_in_place() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "escapes", &[("in/file", "inside")]);
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("../../../../etc/passwd", root.join("upwards")).unwrap();
    symlink("/etc", root.join("folder")).unwrap();
    for source in ["absolute", "upwards", "folder/passwd", "../../etc/passwd"] {
        fs::write(root.join("Dockerfile"), format!("FROM scratch\nCOPY {source} /x\n")).unwrap();
        let outcome = daemon.gantry(&["build", root.to_str().unwrap()]).run();
        outcome.exits(1).complains("is not there in the build context");
    }
}

#[test]
fn a_directory_that_is_not_the_clients_is_refused() {
    let daemon = Daemon::with_busybox();
    for (value, status) in [("3:1:1", 409), ("0:0:0", 409), ("x", 400), ("1:2", 400)] {
        let target = format!("/v1.51/build?directory={value}");
        let reply = daemon.http("POST", &target, b"");
        reply.error(status);
    }
}
