//! commit, diff and export: what a container wrote, as an image, as a list and as an archive.

use std::fs;

use gantry_testkit::{Daemon, Invocation, poll};
use serde_json::{Value, json};

use crate::shared::{detached, shared, unique};

/// Changes of every kind, below directories that a runtime mounts in, too.
const WORK: &str = "echo new >/root/new; rm /etc/passwd; mkdir -p /srv/deep; echo x >/srv/deep/x; chmod 711 /home; \
     rm -r /tmp; mkdir -m 1777 /tmp; ln -s /etc/shadow /srv/link; mkfifo /srv/pipe";

#[test]
fn what_a_container_wrote_becomes_an_image() {
    let daemon = Daemon::with_busybox();
    // A layer that was looked at once may stay mounted for the next time.
    daemon.ok(&["run", "--name", "first", "--network", "none", "busybox", "true"]);
    daemon.ok(&["diff", "first"]);
    daemon.ok(&["rm", "first"]);
    let before = daemon.snapshot();
    daemon.ok(&[
        "run",
        "--name",
        "writer",
        "--network",
        "none",
        "-e",
        "KEPT=1",
        "-l",
        "own=label",
        "-w",
        "/srv",
        "busybox",
        "sh",
        "-c",
        WORK,
    ]);
    let words = ["commit", "-a", "An Author", "-m", "a remark", "-c", "ENV ADDED=2"];
    let id = daemon.ok(&[&words[..], &["-c", "CMD cat /root/new", "writer", "made:1"]].concat());
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", "made:1"]), "new");
    let script = "env | grep -E '^(KEPT|ADDED)' | sort; pwd; ls /etc; stat -c '%a %F' /home /tmp /srv/pipe; \
         readlink /srv/link; cat /srv/deep/x";
    assert_eq!(
        daemon.ok(&["run", "--rm", "--network", "none", "made:1", "sh", "-c", script]),
        "ADDED=2\nKEPT=1\n/srv\ngroup\nhostname\nhosts\nresolv.conf\n711 directory\n1777 directory\n644 fifo\n\
         /etc/shadow\nx"
    );
    let document = daemon.ok(&["image", "inspect", "made:1"]);
    let document: Value = serde_json::from_str(&document).unwrap();
    let document = &document[0];
    assert_eq!(
        (&document["Author"], &document["Comment"]),
        (&json!("An Author"), &json!("a remark"))
    );
    assert_eq!(document["Config"]["Labels"], json!({"own": "label"}));
    assert_eq!(document["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    let history =
        daemon.ok(&["history", "--format", "{{.CreatedBy}}|{{.Comment}}", "--no-trunc", "made:1"]);
    assert!(history.starts_with(&format!("sh -c {WORK}|a remark\n")), "{history}");

    daemon.ok(&["rm", "writer"]);
    daemon.ok(&["rmi", "made:1"]);
    before.assert_restored(&daemon);
}

#[test]
fn what_is_only_mounted_is_not_written() {
    let name = unique("commit-mounts");
    let volume = shared().scratch("mounted");
    fs::create_dir(&volume).unwrap();
    let bind = format!("{}:/data/in/it", volume.display());
    shared().ok(&["run", "--name", &name, "--network", "none", "-v", &bind, "busybox", "true"]);
    assert_eq!(shared().ok(&["diff", &name]), "");
    let id = shared().ok(&["commit", &name]);
    let layers = shared().ok(&["image", "inspect", "-f", "{{len .RootFS.Layers}}", &id]);
    assert_eq!(layers, "1", "there is nothing to make a layer of");
    let history = shared().ok(&["history", "--format", "{{.Size}}", &id]);
    assert!(history.starts_with("0B\n"), "{history}");
    shared().ok(&["rmi", &id]);
    shared().remove(&[&name]);
}

#[test]
fn a_running_container_stands_still_and_goes_on() {
    let name = unique("commit-running");
    let script = "i=0; while :; do i=$((i+1)); echo $i >/first.new; mv /first.new /first; \
         echo $i >/second.new; mv /second.new /second; done";
    detached(&name, &[], &["sh", "-c", script]);
    let written = || shared().gantry(&["exec", &name, "cat", "/second"]).run().stdout;
    poll("it to write", || (!written().is_empty()).then_some(()));
    for _ in 0..3 {
        let id = shared().ok(&["commit", &name]);
        let image = ["run", "--rm", "--network", "none", &id, "cat", "/first", "/second"];
        let seen = shared().ok(&image);
        let numbers: Vec<u64> = seen.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers[0] == numbers[1] || numbers[0] == numbers[1] + 1, "{numbers:?}");
        shared().ok(&["rmi", &id]);
    }
    let stopped_at = written();
    poll("it to go on", || (written() != stopped_at).then_some(()));
    assert_eq!(shared().ok(&["inspect", "-f", "{{.State.Status}}", &name]), "running");
    // Without a pause it is read as it runs.
    let id = shared().ok(&["commit", "--pause=false", &name]);
    shared().ok(&["rmi", &id]);
    shared().remove(&[&name]);
}

#[test]
fn an_image_on_top_of_an_image_on_top_of_an_image() {
    let daemon = Daemon::with_busybox();
    let mut image = "busybox".to_owned();
    for level in 0..4 {
        let (name, next) = (format!("box{level}"), format!("level:{level}"));
        let script =
            format!("echo {level} >/own; echo {level} >/level{level}; rm -f /level{}", level - 1);
        daemon.ok(&["run", "--name", &name, "--network", "none", &image, "sh", "-c", &script]);
        daemon.ok(&["commit", &name, &next]);
        daemon.ok(&["rm", &name]);
        image = next;
    }
    let seen = ["run", "--rm", "--network", "none", &image, "sh", "-c", "cat /own; echo /level*"];
    assert_eq!(daemon.ok(&seen), "3\n/level3");
    // It is whole for others, too.
    let file = daemon.scratch("image.tar");
    daemon.ok(&["save", "-o", file.to_str().unwrap(), &image]);
    let elsewhere = Daemon::start();
    elsewhere.ok(&["load", "-i", file.to_str().unwrap()]);
    assert_eq!(elsewhere.ok(&seen), "3\n/level3");
    let source = format!("oci-archive:{}", file.display());
    Invocation::new("skopeo").args(["inspect", &source]).run().success();
}

#[test]
fn what_cannot_be_committed_is_said_and_leaves_nothing() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&[
        "run",
        "--name",
        "box1",
        "--network",
        "none",
        "busybox",
        "touch",
        "/etc/.wh.passwd",
    ]);
    daemon.ok(&["diff", "box1"]);
    let before = daemon.snapshot();
    for (words, text) in [
        (&["commit", "none"][..], "No such container: none"),
        (&["commit", "box1", "UPPER"], "must be lowercase"),
        (&["commit", "-c", "RUN make", "box1"], "RUN is not a valid change command"),
        (&["commit", "box1"], "has a name that layers reserve for deletions"),
    ] {
        daemon.gantry(words).run().exits(1).plainly().complains(text);
    }
    let digest = format!("c@sha256:{}", "a".repeat(64));
    daemon.gantry(&["commit", "box1", &digest]).run().exits(1).complains("digest reference");
    before.assert_restored(&daemon);
    let reply = daemon.http("POST", "/commit?container=box1&changes=FROM%20x", b"");
    assert_eq!(reply.status, 400, "{:?}", String::from_utf8_lossy(&reply.body));
}

#[test]
fn diff_is_dockers() {
    let name = unique("diff");
    shared().ok(&["create", "--name", &name, "--network", "none", "busybox", "sh", "-c", WORK]);
    assert_eq!(shared().ok(&["diff", &name]), "");
    shared().ok(&["start", "-a", &name]);
    let expected = "C /etc\nD /etc/passwd\nC /home\nC /root\nA /root/new\nA /srv\nA /srv/deep\nA /srv/deep/x\n\
         A /srv/link\nA /srv/pipe";
    assert_eq!(shared().ok(&["diff", &name]), expected);
    assert_eq!(shared().docker(&["diff", &name]).run().success(), expected);
    assert_eq!(shared().docker(&["container", "diff", &name]).run().success(), expected);
    shared().gantry(&["diff", "none"]).run().exits(1).complains("No such container: none");
    shared().remove(&[&name]);
}

#[test]
fn an_export_is_what_the_container_sees_and_nothing_of_the_host() {
    let name = unique("export");
    // Whoever follows one of these on the host reads its files, or never ends.
    let script = "ln -s / /host; ln -s /proc/1/root /way; ln -s ../../../../etc /out; mkfifo /pipe; \
         mknod /dev/x c 1 5; i=0; p=/deep; while [ $i -lt 60 ]; do p=$p/d; i=$((i+1)); done; mkdir -p $p; touch $p/end; \
         touch /ready; sleep 1000";
    detached(&name, &["--cap-add", "MKNOD"], &["sh", "-c", script]);
    poll("it to be ready", || {
        (shared().gantry(&["exec", &name, "test", "-e", "/ready"]).run().code == 0).then_some(())
    });
    let file = shared().scratch("export.tar");
    let path = file.to_str().unwrap();
    shared().ok(&["export", "-o", path, &name]);
    let listed = Invocation::new("tar").args(["-tvf", path]).run().success();
    for line in [" host -> /", " way -> /proc/1/root", " out -> ../../../../etc", " pipe"] {
        assert!(listed.lines().any(|found| found.ends_with(line)), "{line:?} is not in\n{listed}");
    }
    let end = format!(" deep/{}end", "d/".repeat(60));
    assert!(listed.contains(&end), "{listed}");
    assert!(!listed.contains("shadow") && !listed.contains(" proc/1/"), "{listed}");
    let other = shared().scratch("docker.tar");
    shared().docker(&["export", "-o", other.to_str().unwrap(), &name]).run().exits(0);
    assert!(fs::read(&file).unwrap() == fs::read(&other).unwrap(), "the same bytes");
    shared().remove(&[&name]);

    let image = unique("exported");
    shared().ok(&["import", path, &image]);
    let seen = ["run", "--rm", "--network", "none", &image, "/bin/busybox", "ls", "/bin/busybox"];
    assert_eq!(shared().ok(&seen), "/bin/busybox");
    shared().ok(&["rmi", &image]);
    shared().gantry(&["export", "none"]).run().exits(1).complains("No such container: none");
    shared().gantry(&["export", &name]).terminal(24, 80).expect("cowardly refusing to save");
}
