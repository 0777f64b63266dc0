//! What a container sees of an image is what GNU tar lays down, file by file: owners, modes, links, capabilities and other attributes,
//! times, devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gantry_testkit::{
    Daemon, Image, Invocation, Layer, Tree, busybox_layer, checkout, debian_archive,
};
use serde_json::json;

/// What containers get besides their image: mounts, and the mount points and files that the runtime makes for them.
const OURS: [&str; 6] = ["dev", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// For a whole distribution on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// The tree as GNU tar extracts it.
fn by_gnu_tar(daemon: &Daemon, archives: &[&Path]) -> Tree {
    let folder = daemon.scratch("by-tar");
    fs::create_dir_all(&folder).unwrap();
    for archive in archives {
        let outcome = Invocation::new("tar")
            .args([
                "--numeric-owner",
                "--absolute-names",
                "--delay-directory-restore",
                "--xattrs",
                "--xattrs-include=*",
                "-C",
            ])
            .args([folder.as_os_str(), "-xpf".as_ref(), archive.as_os_str()])
            .timeout(PATIENCE)
            .run();
        outcome.exits(0);
    }
    Tree::read(&folder, &OURS).unwrap().without_time_of("etc")
}

/// The tree as a container of this image has it.
fn by_us(daemon: &Daemon, image: &str, command: &[&str]) -> Tree {
    let words = ["run", "-d", "--name", "seen", "--network", "none", image];
    daemon.ok(&[&words, command].concat());
    let pid = daemon.inspect("seen")["State"]["Pid"].as_u64().unwrap();
    let tree = Tree::read(&PathBuf::from(format!("/proc/{pid}/root")), &OURS).unwrap();
    daemon.remove(&["seen"]);
    // The runtime has made mount points in it.
    tree.without_time_of("etc")
}

#[track_caller]
fn same(ours: &Tree, theirs: &Tree) {
    let differences = theirs.differences(ours);
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {} differ:\n{shown}", differences.len(), theirs.len());
}

/// The one layer of `debian:stable`.
fn debian_layer() -> PathBuf {
    let folder = checkout().join("target/testdata");
    let (archive, layer) = (debian_archive(), folder.join("debian-layer.tar"));
    let lock = fs::File::create(folder.join("debian-layer.lock")).unwrap();
    lock.lock().unwrap();
    if !layer.exists() {
        let listed = Invocation::new("tar").args(["-tf", archive.to_str().unwrap()]).run();
        let member =
            listed.success().lines().find(|name| name.ends_with("/layer.tar")).unwrap().to_owned();
        let partial = folder.join("debian-layer.partial");
        let out = fs::File::create(&partial).unwrap();
        let words = ["-xOf", archive.to_str().unwrap(), &member];
        assert!(Command::new("tar").args(words).stdout(out).status().unwrap().success());
        fs::rename(&partial, &layer).unwrap();
    }
    layer
}

#[test]
fn a_distribution_is_what_gnu_tar_makes_of_it_and_runs() {
    let daemon = Daemon::start();
    let load = daemon.gantry(&["load", "-q", "-i", debian_archive().to_str().unwrap()]);
    load.timeout(PATIENCE).run().success();
    let run = |words: &[&str]| {
        daemon.ok(&[&["run", "--rm", "--network", "none", "debian:stable"], words].concat())
    };
    assert!(run(&["apt-get", "--version"]).starts_with("apt "));
    assert!(run(&["perl", "-v"]).contains("This is perl 5"));
    assert_eq!(run(&["bash", "-l", "-c", "true"]), "");
    let theirs = by_gnu_tar(&daemon, &[&debian_layer()]);
    assert!(theirs.len() > 3000, "a distribution has more than {} files", theirs.len());
    assert!(theirs.count(|mode, _| mode & 0o6000 != 0) > 5, "set-user-id programs are part of it");
    same(&by_us(&daemon, "debian:stable", &["sleep", "1000"]), &theirs);
}

/// Everything that an archive can say of a file, made by GNU tar itself.
const MAKE: &str = r#"set -e
mkdir -p d/deep/er sticky sgid dev opaque; chmod 1777 sticky; chmod 2750 sgid; chown 1000:70000 sgid
echo one >d/f; ln d/f d/hard; ln d/f z-hard; ln -s ../nowhere d/link; ln d/link d/link-hard 2>/dev/null || true
echo cap >ping; chown 12:34 ping; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 ping
chmod 6755 ping; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 ping
echo x >attributes; setfattr -n user.one -v 1 attributes; setfattr -n trusted.two -v 2 attributes; setfattr -n user.dir -v d d
mknod dev-null c 1 3; mknod dev-disk b 8 17; mkfifo fifo; chmod 600 dev-disk; chown 5:6 fifo
truncate -s 3M sparse; printf data | dd of=sparse bs=1 seek=1000000 conv=notrunc 2>/dev/null
: >empty; printf 'a\nb' >"strange
name"; echo u >"$(printf 'not\377text')"; echo long >"$(printf 'n%.0s' $(seq 200))"; mkdir "$(printf 'm%.0s' $(seq 120))"; echo e >"$(printf 'm%.0s' $(seq 120))/$(printf 'k%.0s' $(seq 120))"
touch -d '1969-12-31 23:00:00.5 UTC' d/f; touch -d '2040-02-03 04:05:06.789012345 UTC' empty; touch -h -d '2001-01-01 UTC' d/link
chown -h 7:8 d/link; chmod 000 attributes; touch -d '2011-11-11 11:11:11.25 UTC' d sgid
"#;

#[test]
fn every_kind_of_file_in_every_format() {
    let daemon = Daemon::start();
    let source = daemon.scratch("source");
    fs::create_dir_all(&source).unwrap();
    Invocation::new("sh").current_dir(&source).args(["-c", MAKE]).run().exits(0);
    let base = daemon.scratch("busybox.tar");
    fs::write(&base, busybox_layer()).unwrap();
    for (name, flags) in [
        ("pax", &["--format=posix", "--xattrs", "--xattrs-include=*"][..]),
        ("pax-sparse", &["--format=posix", "--sparse", "--xattrs", "--xattrs-include=*"]),
        ("pax-sparse-0", &["--format=posix", "--sparse", "--sparse-version=0.1"]),
        ("gnu", &["--format=gnu"]),
        ("gnu-sparse", &["--format=gnu", "--sparse"]),
        ("oldgnu", &["--format=oldgnu"]),
    ] {
        let archive = daemon.scratch("layer.tar");
        let made = Invocation::new("tar")
            .current_dir(&source)
            .args(flags)
            .args(["--numeric-owner", "-cf", archive.to_str().unwrap(), "."])
            .run();
        made.exits(0);
        let layer = |tar| Layer { tar, gzip: false };
        let name = format!("{name}:1");
        daemon.load(&Image {
            name: name.clone(),
            layers: vec![layer(busybox_layer()), layer(fs::read(&archive).unwrap())],
            config: json!({"Cmd": ["sleep", "1000"]}),
        });
        let theirs = by_gnu_tar(&daemon, &[&base, &archive]);
        let ours = by_us(&daemon, &name, &[]);
        same(&ours, &theirs);
    }
}
