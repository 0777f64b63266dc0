//! config.md, "Linux mount options": each option of the table, on a new mount and on a bind.

use std::process::Command;

use crate::case::{Case, Section, must, should};
use crate::machine::Need;
use crate::stage::{Mount, Stage};

/// An option, and what the mount table shows of it: `+word` must be there, `-word` must not.
type Row = (&'static str, &'static str);

const ON_TMPFS: &[Row] = &[
    ("ro", "+ro"),
    ("rw", "+rw"),
    ("nosuid", "+nosuid"),
    ("suid", "-nosuid"),
    ("nodev", "+nodev"),
    ("dev", "-nodev"),
    ("noexec", "+noexec"),
    ("exec", "-noexec"),
    ("noatime", "+noatime"),
    ("atime", "-noatime"),
    ("nodiratime", "+nodiratime"),
    ("diratime", "-nodiratime"),
    ("relatime", "+relatime"),
    ("norelatime", "-noatime"),
    ("strictatime", "-relatime -noatime"),
    ("nostrictatime", "+relatime"),
    ("sync", "+sync"),
    ("async", "-sync"),
    ("dirsync", "+dirsync"),
    ("lazytime", "+lazytime"),
    ("nolazytime", "-lazytime"),
    ("iversion", "+rw"),
    ("noiversion", "+rw"),
    ("defaults", "+rw"),
    ("silent", "+rw"),
    ("loud", "+rw"),
    ("shared", "+shared"),
    ("rshared", "+shared"),
    ("private", "-shared"),
    ("rprivate", "-shared"),
    ("unbindable", "+unbindable"),
    ("runbindable", "+unbindable"),
];

const ON_BIND: &[Row] = &[
    ("ro", "+ro"),
    ("nosuid", "+nosuid"),
    ("nodev", "+nodev"),
    ("noexec", "+noexec"),
    ("noatime", "+noatime"),
    ("nodiratime", "+nodiratime"),
    ("strictatime", "-relatime -noatime"),
    ("shared", "+shared"),
    ("rshared", "+shared"),
    ("slave", "+master -shared"),
    ("rslave", "+master -shared"),
    ("private", "-shared -master"),
    ("rprivate", "-shared -master"),
    ("unbindable", "+unbindable"),
    ("runbindable", "+unbindable"),
];

/// Options for all mounts of a bound tree; what the mount below has before; what the table shows of it then.
const RECURSIVE: &[(&str, &str, &str)] = &[
    ("rro", "rw", "+ro"),
    ("rrw", "ro", "+rw"),
    ("rnosuid", "suid", "+nosuid"),
    ("rsuid", "nosuid", "-nosuid"),
    ("rnodev", "dev", "+nodev"),
    ("rdev", "nodev", "-nodev"),
    ("rnoexec", "exec", "+noexec"),
    ("rexec", "noexec", "-noexec"),
    ("rnodiratime", "diratime", "+nodiratime"),
    ("rdiratime", "nodiratime", "-nodiratime"),
    ("rnoatime", "relatime", "+noatime"),
    ("ratime", "noatime", "-noatime"),
    ("rrelatime", "noatime", "+relatime"),
    ("rnorelatime", "relatime", "-noatime"),
    ("rstrictatime", "relatime", "-relatime -noatime"),
    ("rnostrictatime", "strictatime", "+relatime"),
    ("rnosymfollow", "symfollow", "+nosymfollow"),
    ("rsymfollow", "nosymfollow", "-nosymfollow"),
];

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> = Vec::new();
    for &(option, shown) in ON_TMPFS {
        let rule = format!("{option} works on a new mount.");
        cases.push(must(option, rule, move |stage: &mut Stage| on_tmpfs(stage, option, shown)));
    }
    cases.push(should("nosymfollow", "nosymfollow forbids to follow links.", no_links).since(1));
    cases.push(
        should("symfollow", "symfollow allows to follow links.", |stage: &mut Stage| {
            on_tmpfs(stage, "symfollow", "-nosymfollow");
        })
        .since(1),
    );
    cases.push(must("remount", "remount changes a mount that is there.", remount));
    for &(option, shown) in ON_BIND {
        let rule = format!("{option} works on a bind mount.");
        let check = move |stage: &mut Stage| on_bind(stage, option, shown);
        cases.push(must(format!("bind-{option}"), rule, check));
    }
    cases.push(must(
        "bind-keeps-source",
        "The options of a bind leave the source as it is.",
        source_stays,
    ));
    for &(option, before, shown) in RECURSIVE {
        let rule = format!("{option} reaches the mounts below.");
        let check = move |stage: &mut Stage| recursive(stage, option, before, shown);
        cases.push(should(option, rule, check).since(1).needs(Need::Kernel(5, 12)));
    }
    Section::new("config.md", "Linux mount options", cases)
}

/// Mounts something on the host: in the suite's private namespace, so that it goes with it.
pub(super) fn host_mount(words: &[&str]) {
    let output = Command::new("mount").args(words).output().expect("run mount");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "mount {}: {said}", words.join(" "));
}

fn check_shown(mount: &Mount, shown: &str) {
    let all: Vec<&str> = mount
        .options
        .iter()
        .chain(&mount.super_options)
        .chain(&mount.propagation)
        .map(|word| word.split(':').next().unwrap_or_default())
        .collect();
    // A mount that is writable shows `rw` for itself, and its file system shows another.
    let own = |word: &str| match word {
        "ro" | "rw" => mount.has(word),
        _ => all.contains(&word),
    };
    for word in shown.split(' ') {
        let (wanted, name) = (word.starts_with('+'), &word[1..]);
        assert_eq!(own(name), wanted, "{name} in the mount table, {mount:?}");
    }
}

fn on_tmpfs(stage: &mut Stage, option: &str, shown: &str) {
    stage.mount("tmpfs", "tmpfs", "/t", &[option]);
    check_shown(&stage.look().mount("/t"), shown);
}

fn on_bind(stage: &mut Stage, option: &str, shown: &str) {
    let source = stage.folder("source");
    host_mount(&["-t", "tmpfs", "tmpfs", &source]);
    host_mount(&["--make-shared", &source]);
    stage.bind(&source, "/t", &["bind", option]);
    check_shown(&stage.look().mount("/t"), shown);
}

fn recursive(stage: &mut Stage, option: &str, before: &str, shown: &str) {
    let source = stage.folder("source");
    let inner = stage.folder("source/inner");
    // busybox' mount does not know this word, and the kernel wants to hear it on its own.
    host_mount(&["-t", "tmpfs", "tmpfs", &inner]);
    if before == "nosymfollow" {
        host_mount(&["-i", "-o", "remount,bind,nosymfollow", &inner]);
    } else if before != "symfollow" {
        host_mount(&["-o", &format!("remount,bind,{before}"), &inner]);
    }
    stage.bind(&source, "/t", &["rbind", option]);
    check_shown(&stage.look().mount("/t/inner"), shown);
}

fn no_links(stage: &mut Stage) {
    stage.mount("tmpfs", "tmpfs", "/t", &["nosymfollow"]);
    let said = stage.sh("ln -s /marker /t/link; cat /t/link 2>&1; true");
    assert!(said.contains("symbolic links"), "{said}");
}

fn remount(stage: &mut Stage) {
    stage.mount("tmpfs", "tmpfs", "/t", &[]);
    stage.mount("tmpfs", "tmpfs", "/t", &["remount", "ro"]);
    let said = stage.sh("touch /t/file 2>&1; true");
    assert!(said.contains("Read-only"), "{said}");
}

fn source_stays(stage: &mut Stage) {
    let source = stage.folder("source");
    host_mount(&["-t", "tmpfs", "tmpfs", &source]);
    stage.bind(&source, "/t", &["bind", "ro", "noexec"]);
    stage.sh("true");
    std::fs::write(format!("{source}/file"), "").expect("the source is still writable");
}
