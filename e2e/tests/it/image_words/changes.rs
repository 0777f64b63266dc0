//! Commands that change something: each line is run by both command lines, from the same state.

use std::fs;

use gantry_testkit::{Daemon, Image, Layer, Outcome, Tar, busybox, busybox_layer, gzip};
use serde_json::json;

use super::{normal, said};

/// A daemon, and archives in a folder.
struct Desk {
    daemon: Daemon,
    folder: String,
}

impl Desk {
    fn new() -> Self {
        let daemon = Daemon::with_busybox();
        let folder = daemon.scratch("archives");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, bytes: Vec<u8>| fs::write(folder.join(name), bytes).unwrap();
        let one = image("one:1", "1");
        write("one.tar", one.docker_archive());
        write("one.tar.gz", gzip(&one.oci_layout()));
        write("root.tar", busybox_layer());
        write("no.tar", b"this is no archive".to_vec());
        let folder = folder.display().to_string();
        Self { daemon, folder }
    }

    /// `@` stands for the folder.
    fn words(&self, line: &[&str]) -> Vec<String> {
        line.iter().map(|word| word.replace('@', &self.folder)).collect()
    }

    fn ours(&self, line: &[&str]) -> Outcome {
        let words = self.words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.daemon.gantry(&words).env("DOCKER_API_VERSION", "1.50").run()
    }

    fn theirs(&self, line: &[&str]) -> Outcome {
        let words = self.words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.daemon.docker(&words).run()
    }

    /// Both say the same of `line`, each after `before` and with `after` behind it. What an image has of the moment in
    /// which it was made is left out.
    #[track_caller]
    fn alike(&self, before: &[&[&str]], line: &[&str], after: &[&[&str]]) {
        let state = || {
            for line in before {
                self.ours(line).exits(0);
            }
        };
        let end = || {
            for line in after {
                // What did not come about cannot be taken away.
                self.ours(line);
            }
            normal(&self.daemon.ok(&["images", "-a"]))
        };
        state();
        let ours = normal_said(&self.ours(line));
        let (ours_left, ()) = (end(), state());
        let theirs = normal_said(&self.theirs(line));
        assert_eq!(ours, theirs, "{line:?}");
        assert_eq!(ours_left, end(), "what {line:?} leaves");
    }
}

fn normal_said(outcome: &Outcome) -> (i32, String, String) {
    let (code, stdout, stderr) = said(outcome);
    (code, normal(&stdout), normal(&stderr))
}

fn image(name: &str, own: &str) -> Image {
    let own = Tar::new().file("own", 0o644, own.as_bytes()).finish();
    let layer = |tar| Layer { tar, gzip: true };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer()), layer(own)],
        config: json!({"Cmd": ["cat", "/own"], "Labels": {"kind": "made"}}),
    }
}

#[test]
fn names_and_removals() {
    let desk = Desk::new();
    let id = busybox().id();
    let digits = &id[7..];
    let tag: &[&[&str]] = &[&["tag", "busybox", "t:1"], &["tag", "busybox", "t:2"]];
    let untag: &[&[&str]] = &[&["rmi", "t:1"], &["rmi", "t:2"], &["rmi", "r.example:5000/t/u:v"]];
    let load: &[&[&str]] = &[&["load", "-q", "-i", "@/one.tar"]];
    let unload: &[&[&str]] = &[&["rmi", "one:1"]];
    for line in [
        &["tag", "busybox", "t:1"][..],
        &["tag", digits, "r.example:5000/t/u:v"],
        &["image", "tag", &digits[..12], "t:2"],
        &["tag", "busybox:none", "t:1"],
        &["tag", "busybox", ""],
        &["tag", "busybox"],
    ] {
        desk.alike(&[], line, untag);
    }
    for line in [
        &["rmi", "t:1"][..],
        &["rmi", "t:1", "t:2"],
        &["rmi", "t:1", "none", "t:2"],
        &["rmi", "-f", "t:1", "none"],
        &["image", "rm", "t:2"],
        &["image", "remove", "--no-prune", "t:2"],
        &["rmi", "t"],
    ] {
        desk.alike(tag, line, untag);
    }
    for line in [
        &["rmi", "one:1"][..],
        &["rmi", "-f", "one:1"],
        &["rmi", "--no-prune", "one:1"],
        &["rmi", "--platform", "linux/amd64", "one:1"],
    ] {
        desk.alike(load, line, unload);
    }
}

#[test]
fn archives_in() {
    let desk = Desk::new();
    for line in [
        &["load", "-i", "@/one.tar"][..],
        &["load", "-q", "-i", "@/one.tar"],
        &["load", "-i", "@/one.tar.gz"],
        &["image", "load", "--input", "@/one.tar"],
        &["load", "--platform", "linux/amd64", "-i", "@/one.tar.gz"],
    ] {
        desk.alike(&[], line, &[&["rmi", "one:1"]]);
    }
    for line in [
        &["import", "@/root.tar", "i:1"][..],
        &["import", "-m", "a remark", "-c", "CMD [\"sh\"]", "-c", "ENV A=b", "@/root.tar", "i:1"],
        &["image", "import", "--platform", "linux/arm64", "@/root.tar", "i:1"],
        &["import", "@/root.tar", "I:1"],
        &["import", "-c", "FOO x", "@/root.tar", "i:1"],
    ] {
        desk.alike(&[], line, &[&["rmi", "i:1"]]);
    }
    // What cannot be read is said in other words, and leaves as little.
    for line in [
        &["load", "-i", "@/no.tar"][..],
        &["load", "-i", "@/none.tar"],
        &["import", "@/none.tar", "i:1"],
    ] {
        let before = desk.daemon.ok(&["images", "-a"]);
        assert_eq!(desk.ours(line).code, desk.theirs(line).code, "{line:?}");
        assert_eq!(desk.daemon.ok(&["images", "-a"]), before);
    }
}

#[test]
fn archives_out() {
    let desk = Desk::new();
    desk.ours(&["load", "-q", "-i", "@/one.tar"]).exits(0);
    desk.ours(&["tag", "one:1", "one:2"]).exits(0);
    let words = ["create", "--name", "cc", "--network", "none", "one:1"];
    desk.daemon.ok(&words);
    let file = |name: &str| fs::read(format!("{}/{name}", desk.folder)).unwrap();
    for line in [
        &["save", "one:1"][..],
        &["save", "one"],
        &["save", "one:2", "busybox", "one:1"],
        &["image", "save", "busybox"],
        &["save", "--platform", "linux/amd64", "one:1"],
        &["export", "cc"],
        &["container", "export", "cc"],
    ] {
        let (ours, theirs) = ([line, &["-o", "@/ours.tar"]], [line, &["-o", "@/theirs.tar"]]);
        desk.ours(&ours.concat()).exits(0);
        desk.theirs(&theirs.concat()).exits(0);
        assert!(file("ours.tar") == file("theirs.tar"), "{line:?} gives other bytes");
        let (ours, theirs) = (desk.ours(line), desk.theirs(line));
        assert!(ours.code == 0 && ours.stdout == theirs.stdout, "{line:?} to a pipe");
    }
    for line in [&["save", "one:1", "none"][..], &["save", "-o", "/proc/none/x.tar", "one:1"]] {
        assert_eq!(desk.ours(line).code, desk.theirs(line).code, "{line:?}");
    }
    desk.daemon.ok(&["rm", "cc"]);
}

#[test]
fn commits_and_prunes() {
    let desk = Desk::new();
    let words = ["run", "-d", "--name", "cc", "--network", "none", "busybox", "sleep", "1000"];
    desk.daemon.ok(&words);
    let away: &[&[&str]] = &[&["rmi", "made:1"], &["image", "prune", "-f"]];
    for line in [
        &["commit", "cc"][..],
        &["commit", "cc", "made:1"],
        &["commit", "-a", "Ann", "-m", "a remark", "cc", "made:1"],
        &["commit", "-c", "CMD [\"sh\"]", "-c", "LABEL a=b", "cc", "made:1"],
        &["commit", "--pause=false", "cc", "made:1"],
        &["container", "commit", "-p", "cc", "made:1"],
        &["commit", "cc", "made:1:2"],
        &["commit"],
    ] {
        desk.alike(&[], line, away);
    }
    let dangling: &[&[&str]] = &[
        &["load", "-q", "-i", "@/one.tar"],
        &["tag", "busybox", "one:1"],
        &["tag", "busybox", "two:1"],
    ];
    desk.ours(&["rmi", "hello-world"]).exits(0);
    for line in [
        &["image", "prune", "-f"][..],
        &["image", "prune", "-a", "-f"],
        &["image", "prune", "-a", "-f", "--filter", "label=kind"],
        &["image", "prune", "-a", "-f", "--filter", "label!=kind"],
        &["image", "prune", "-a", "-f", "--filter", "until=10m"],
        &["image", "prune", "-a", "-f", "--filter", "label=kind=other"],
    ] {
        desk.alike(dangling, line, &[&["rmi", "-f", "one:1", "two:1"], &["image", "prune", "-f"]]);
    }
    desk.daemon.remove(&["cc"]);
}
