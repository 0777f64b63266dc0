//! The image commands beside docker's own command line, word for word and column for column.

mod changes;
mod registries;

use gantry_testkit::{Daemon, Outcome};

/// What an outcome says, but for the program's name.
fn said(outcome: &Outcome) -> (i32, String, String) {
    let errors = outcome.stderr.replace("docker", "gantry");
    (outcome.code, outcome.stdout.trim_end().to_owned(), errors.trim_end().to_owned())
}

/// A text without digests and ids, and a table of images without ages.
fn normal(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let words = words.map(|word| match word.split_once("sha256:") {
            Some((before, digest)) if digest.len() >= 64 => format!("{before}sha256:…"),
            _ if word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                "…".to_owned()
            }
            _ => word.to_owned(),
        });
        let mut words: Vec<String> = words.collect();
        if let Some(at) = words.iter().position(|word| word == "ago").filter(|at| *at > 3) {
            words.drain(3..=at);
        }
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Both command lines on the same daemon say the same and end the same; only the program's name differs.
#[track_caller]
fn same(daemon: &Daemon, words: &[&str]) {
    let both = || {
        // Newer documents leave out what is empty.
        let ours = daemon.gantry(words).env("DOCKER_API_VERSION", "1.50").run();
        let theirs = daemon.docker(words).run();
        (said(&ours), said(&theirs))
    };
    // Between the two a second may have passed, which ages are counted in.
    let (mut ours, mut theirs) = both();
    for _ in 0..4 {
        if ours == theirs {
            return;
        }
        (ours, theirs) = both();
    }
    assert_eq!(ours, theirs, "{words:?}");
}

#[test]
fn lists_and_documents_are_the_same() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["tag", "busybox", "registry.example:5000/team/box:v1"]);
    daemon.ok(&["run", "--name", "box1", "--network", "none", "busybox", "touch", "/a"]);
    daemon.ok(&["commit", "-m", "a <remark>", "-c", "LABEL a=b", "box1", "made:1"]);
    daemon.ok(&["commit", "box1"]);
    let id = daemon.ok(&["images", "-q", "--no-trunc", "made"]);
    for words in [
        &["images"][..],
        &["images", "-a", "--digests"],
        &["images", "-q"],
        &["images", "--no-trunc"],
        &["images", "busybox"],
        &["images", "registry.example:5000/*/*"],
        &["images", "-f", "dangling=true"],
        &["images", "-f", "dangling=false"],
        &["images", "-f", "dangling=perhaps"],
        &["images", "-f", "label=a", "-f", "label=c"],
        &["images", "-f", "before=made:1"],
        &["images", "-f", "since=busybox"],
        &["images", "-f", "since=none"],
        &["images", "-f", "until=1h"],
        &["images", "-f", "reference=[a-c]*"],
        &["images", "-f", "other=x"],
        &["images", "--format", "json"],
        &[
            "images",
            "--format",
            "{{.ID}} {{.Size}} {{.CreatedAt}} {{.SharedSize}} {{.VirtualSize}}",
        ],
        &["images", "--format", "table {{.ID}}\t{{.Repository}}"],
        &["history", "made:1"],
        &["history", "-q", "--no-trunc", "made:1"],
        &["history", "--human=false", "made:1"],
        &["history", "--format", "json", "made:1"],
        &["history", "--platform", "linux/s390x", "made:1"],
        &["history", "none"],
        &["inspect", "made:1"],
        &["inspect", "box1"],
        &["image", "inspect", &id, "none"],
        &["image", "inspect", "-f", "{{.Id}} {{.RepoTags}} {{.Comment}}", "made:1"],
        &["image", "inspect", "--platform", "linux/s390x", "made:1"],
        &["system", "df"],
        &["system", "df", "-v"],
        &["save", "--platform", "linux/s390x", "made:1"],
        &["ps", "-a", "-s"],
    ] {
        same(&daemon, words);
    }
}

#[test]
fn refusals_are_the_same() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "-d", "--name", "up", "--network", "none", "busybox", "sleep", "1000"]);
    daemon.ok(&["create", "--name", "idle", "--network", "none", "busybox"]);
    let id = daemon.ok(&["images", "-q", "--no-trunc", "busybox"]);
    let digest = format!("a@{id}");
    for words in [
        &["rmi", "none"][..],
        &["rmi", "-f", "none"],
        &["rmi", "busybox"],
        &["rmi", &id],
        &["rmi", "-f", &id],
        &["rmi", "UPPER"],
        &["rmi", "--platform", "linux/s390x", "busybox"],
        &["tag", "none", "a:b"],
        &["tag", "busybox", "UPPER"],
        &["tag", "busybox", &digest],
        &["tag", "busybox", "sha256:abc"],
        &["save", "none"],
        &["export", "none"],
        &["diff", "none"],
        &["commit", "none"],
        &["commit", "idle", "UPPER"],
        &["commit", "idle", &digest],
        &["commit", "-c", "FOO x", "idle"],
        &["image", "prune", "-f", "--filter", "x=y"],
        &["container", "prune", "-f", "--filter", "until=soon"],
    ] {
        same(&daemon, words);
    }
    daemon.ok(&["tag", "busybox", "second:1"]);
    daemon.remove(&["up", "idle"]);
    same(&daemon, &["rmi", &id]);
}
