//! Contexts on another machine, of which only what changed is sent.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::UNIX_EPOCH;

use gantry_testkit::{Binaries, Daemon, Invocation, Options, Outcome, busybox};

use super::{cached, context, run};

/// A daemon that others reach over the network, and its address there.
fn far() -> (Daemon, String) {
    let flags = ["--tls=false", "--host=tcp://127.0.0.1:0"].map(str::to_owned).into();
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    let host = daemon.tcp_host();
    (daemon, host)
}

fn build(daemon: &Daemon, host: &str, root: &Path) -> Outcome {
    Invocation::new(Binaries::find().path("gantry"))
        .env("DOCKER_HOST", host)
        .env("DOCKER_CONFIG", daemon.folder().join("docker-config"))
        .env("GANTRY_AUTOSTART", "0")
        .args(["build", "--network", "none", "--progress", "plain", "-t", "far"])
        .args([root.to_str().unwrap()])
        .run()
}

#[track_caller]
fn built(daemon: &Daemon, host: &str, root: &Path) -> usize {
    let outcome = build(daemon, host, root);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    cached(&outcome.stderr)
}

/// What is new is not trusted for two seconds: its next change could leave no trace.
fn wait_until_settled(path: &Path) {
    gantry_testkit::poll("the files are older than a moment", || {
        let changed = fs::symlink_metadata(path).unwrap().modified().unwrap();
        (changed.elapsed().unwrap_or_default() > std::time::Duration::from_millis(2200))
            .then_some(())
    });
}

/// What the daemon keeps of the files: the inode of each and when that was made, for a new file may get the number of one
/// that is gone.
fn kept(daemon: &Daemon) -> Vec<(String, u64, u128)> {
    use std::os::unix::fs::MetadataExt;
    let mut mirrors = fs::read_dir(daemon.data_root().join("build-mirrors")).unwrap();
    let files = mirrors.next().unwrap().unwrap().path().join("files");
    let mut all = Vec::new();
    let mut pending = vec![files.clone()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            if found.is_dir() {
                pending.push(path.clone());
            }
            let name = path.strip_prefix(&files).unwrap().to_str().unwrap().to_owned();
            // Not every file system remembers it.
            let born = found.created().unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap();
            all.push((name, found.ino(), born.as_nanos()));
        }
    }
    all.sort();
    all
}

const DOCKERFILE: &str = "FROM busybox\nCOPY . /all\nRUN cd /all; find . | sort > /seen; cat a d/b >> /seen; readlink link >> /seen; stat -c %a a >> /seen\n";

#[test]
fn only_what_changed_is_sent_again() {
    let (daemon, host) = far();
    let files = [
        ("Dockerfile", DOCKERFILE),
        ("a", "one\n"),
        ("d/b", "two\n"),
        ("out/x", "never"),
        (".dockerignore", "out\n"),
    ];
    let root = context(&daemon, "far", &files);
    symlink("a", root.join("link")).unwrap();
    wait_until_settled(&root.join("link"));
    assert_eq!(built(&daemon, &host, &root), 0);
    let seen = || run(&daemon, "far", &["cat", "/seen"]);
    let listed = ".\n./.dockerignore\n./Dockerfile\n./a\n./d\n./d/b\n./link";
    assert_eq!(seen(), format!("{listed}\none\ntwo\na\n644"));
    let before = kept(&daemon);
    assert_eq!(before.len(), 6, "{before:?}");
    assert_eq!(built(&daemon, &host, &root), 2);
    assert_eq!(kept(&daemon), before, "nothing was sent");
    // A file with the same length and the same time; only its inode's stamp tells.
    let modified = fs::metadata(root.join("a")).unwrap().modified().unwrap();
    fs::write(root.join("a"), "ONE\n").unwrap();
    let file = fs::File::options().write(true).open(root.join("a")).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(built(&daemon, &host, &root), 0);
    assert_eq!(seen(), format!("{listed}\nONE\ntwo\na\n644"));
    let after = kept(&daemon);
    let changed: Vec<&str> = before
        .iter()
        .zip(&after)
        .filter(|(one, other)| one != other)
        .map(|(one, _)| one.0.as_str())
        .collect();
    assert_eq!(changed, ["a"], "one file was sent");
    // Rights alone; a file that becomes a directory; one that goes; one that comes.
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(root.join("link")).unwrap();
    fs::create_dir(root.join("link")).unwrap();
    fs::write(root.join("link/in"), "").unwrap();
    fs::remove_dir_all(root.join("d")).unwrap();
    fs::write(root.join("d"), "file\n").unwrap();
    assert_eq!(built(&daemon, &host, &root), 0);
    let listed = ".\n./.dockerignore\n./Dockerfile\n./a\n./d\n./link\n./link/in";
    assert_eq!(seen(), format!("{listed}\nONE\n600"));
    // The daemon may start anew, and may have lost what it had.
    daemon.kill();
    daemon.start_again();
    let host = daemon.tcp_host();
    assert_eq!(built(&daemon, &host, &root), 2);
    fs::remove_dir_all(daemon.data_root().join("build-mirrors")).unwrap();
    assert_eq!(built(&daemon, &host, &root), 2);
    daemon.ok(&["builder", "prune", "-af"]);
    assert_eq!(fs::read_dir(daemon.data_root().join("build-mirrors")).unwrap().count(), 0);
    assert_eq!(built(&daemon, &host, &root), 0);
    assert_eq!(fs::read_dir(daemon.data_root().join("builds")).unwrap().count(), 0);
    daemon.ok(&["system", "check"]);
}

#[test]
fn a_failed_build_keeps_what_was_sent() {
    let (daemon, host) = far();
    let files = [("Dockerfile", "FROM busybox\nCOPY a /\nRUN false\n"), ("a", "one")];
    let root = context(&daemon, "failing", &files);
    wait_until_settled(&root.join("a"));
    assert_eq!(build(&daemon, &host, &root).code, 1);
    let before = kept(&daemon);
    assert_eq!(build(&daemon, &host, &root).code, 1);
    assert_eq!(kept(&daemon), before);
}

#[test]
fn what_a_listing_cannot_say_is_refused() {
    let (daemon, _) = far();
    for (query, said) in [
        ("mirrored=x", "it goes with exchange=1"),
        ("mirrored=x&exchange=1", "64 hexadecimal digits"),
        ("mirrored=x&exchange=1&remote=https://a/b.git", "without directory and remote"),
    ] {
        let reply = daemon.http("POST", &format!("/v1.51/build?{query}"), b"");
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(body.contains(said), "{query}: {body}");
    }
}
