//! `COPY` and `ADD`: which files come where, and as whose.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{build, context, run};
use crate::shared::shared;

#[test]
fn files_come_where_the_dockerfile_says() {
    let files = [
        ("a.txt", "a"),
        ("b.txt", "b"),
        ("dir/c", "c"),
        ("dir/deep/d", "d"),
        ("out/no", "n"),
        ("out/yes", "y"),
        (".dockerignore", "out/*\n!out/yes\n"),
    ];
    let dockerfile = "FROM busybox\nWORKDIR /w\nCOPY a.txt named\nCOPY a.txt b.txt /two/\nCOPY *.txt /glob/\nCOPY dir /dir\n\
        COPY dir /existing/\nCOPY --chown=1:2 --chmod=640 a.txt /owned\nCOPY --exclude=deep dir /without\n\
        COPY --parents dir/deep/d /parents/\nCOPY out /out\nRUN ln -s /real /link && mkdir /real\nCOPY a.txt /link/\n";
    build(shared(), &["-t", "files"], dockerfile, &files);
    let script = "cat /w/named; ls /two /glob; find /dir /existing /without /parents /out /real -type f | sort; stat -c '%u:%g %a' /owned";
    let seen = run(shared(), "files", &["sh", "-c", script]);
    assert_eq!(
        seen,
        "a/glob:\na.txt\nb.txt\n\n/two:\na.txt\nb.txt\n/dir/c\n/dir/deep/d\n/existing/c\n/existing/deep/d\n/out/yes\n\
         /parents/dir/deep/d\n/real/a.txt\n/without/c\n1:2 640"
    );
    shared().ok(&["rmi", "files"]);
}

#[test]
fn archives_are_taken_apart_by_add_alone() {
    let root = context(shared(), "archives", &[("x/one", "1"), ("x/two", "2")]);
    let tar = std::process::Command::new("tar")
        .args(["--owner=5", "--group=6", "-czf", "x.tgz", "x"])
        .current_dir(&root)
        .status();
    assert!(tar.unwrap().success());
    let dockerfile =
        "FROM busybox\nADD x.tgz /added/\nADD --unpack=false x.tgz /kept/\nCOPY x.tgz /copied/\n";
    fs::write(root.join("Dockerfile"), dockerfile).unwrap();
    shared().ok(&["build", "-t", "archives", root.to_str().unwrap()]);
    let script = "cat /added/x/one /added/x/two; stat -c %u:%g /added/x/one; ls /kept /copied";
    let seen = run(shared(), "archives", &["sh", "-c", script]);
    assert_eq!(seen, "125:6\n/copied:\nx.tgz\n\n/kept:\nx.tgz");
    shared().ok(&["rmi", "archives"]);
}

#[test]
fn nothing_leads_out_of_the_context() {
    let root = context(shared(), "escapes", &[("in", "inside")]);
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("../../../../../../etc/passwd", root.join("upwards")).unwrap();
    for (source, complaint) in [
        ("absolute", "is not there in the build context"),
        ("upwards", "is not there in the build context"),
        ("../../../etc/hostname", "is not there in the build context"),
    ] {
        fs::write(root.join("Dockerfile"), format!("FROM scratch\nCOPY {source} /x\n")).unwrap();
        let outcome = shared().gantry(&["build", root.to_str().unwrap()]).run();
        outcome.exits(1).complains(complaint);
    }
    // In a directory, a link is a link.
    fs::create_dir(root.join("links")).unwrap();
    symlink("/etc/passwd", root.join("links/l")).unwrap();
    fs::write(root.join("Dockerfile"), "FROM busybox\nCOPY links /links\n").unwrap();
    shared().ok(&["build", "-t", "links", root.to_str().unwrap()]);
    assert_eq!(run(shared(), "links", &["readlink", "/links/l"]), "/etc/passwd");
    shared().ok(&["rmi", "links"]);
}

/// As text, the directory's name is that of the link to the host's root.
#[test]
fn a_mount_of_the_context_never_leads_to_the_host() {
    let root = context(shared(), "lossy", &[]);
    let directory = OsStr::from_bytes(b"d\xff");
    fs::create_dir(root.join(directory)).unwrap();
    fs::write(root.join(directory).join("mine"), "in the context").unwrap();
    symlink(directory, root.join("l")).unwrap();
    symlink("/", root.join("d\u{fffd}")).unwrap();
    let dockerfile = "FROM busybox\nRUN --mount=type=bind,source=l,target=/m ls -A /m > /seen\n\
        RUN --mount=type=bind,source=l/mine,target=/f cat /f >> /seen\n";
    fs::write(root.join("Dockerfile"), dockerfile).unwrap();
    let words = ["build", "--network", "none", "-t", "lossy", root.to_str().unwrap()];
    shared().ok(&words);
    assert_eq!(run(shared(), "lossy", &["cat", "/seen"]), "mine\nin the context");
    shared().ok(&["rmi", "lossy"]);
}

#[test]
fn modes_and_empty_directories_come_along() {
    let root = context(
        shared(),
        "modes",
        &[("run.sh", "#!/bin/sh\necho ran\n"), ("Dockerfile", "FROM busybox\nCOPY . /all\n")],
    );
    fs::set_permissions(root.join("run.sh"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    shared().ok(&["build", "-t", "modes", root.to_str().unwrap()]);
    let seen = run(
        shared(),
        "modes",
        &["sh", "-c", "/all/run.sh; stat -c '%a %u' /all/run.sh; ls -d /all/empty"],
    );
    assert_eq!(seen, "ran\n751 0\n/all/empty");
    shared().ok(&["rmi", "modes"]);
}
