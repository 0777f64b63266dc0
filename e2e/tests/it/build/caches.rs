//! What steps gave, brought to another daemon: by a registry, by a folder of the client's, in the image itself.

use std::fs;
use std::path::Path;

use gantry_testkit::{Daemon, Registry};

use super::{context, run};

const DOCKERFILE: &str = "FROM busybox AS one\nCOPY a /a\nRUN cat /a > /one; cat /proc/sys/kernel/random/uuid > /when\n\
     FROM busybox\nCOPY b /b\nRUN cat /b > /two\nCOPY --from=one /one /when /\n";

/// Builds in a directory with these two files; how many steps were remembered, and what was said.
#[track_caller]
fn build(
    daemon: &Daemon,
    flags: &[&str],
    dockerfile: &str,
    (a, b): (&str, &str),
) -> (usize, String) {
    let files = [("Dockerfile", dockerfile), ("a", a), ("b", b)];
    let root = context(daemon, &crate::shared::unique("context"), &files);
    let fixed = ["build", "--network=none", "--progress=plain"];
    let outcome = daemon.gantry(&[&fixed[..], flags, &[root.to_str().unwrap()]].concat()).run();
    outcome.exits(0);
    (outcome.stderr.matches(" CACHED").count(), outcome.stderr)
}

fn when(daemon: &Daemon, image: &str) -> String {
    run(daemon, image, &["cat", "/when"])
}

/// Builds here, writes the steps to `to`, and builds there with what `from` has: only what changed is done again there.
#[track_caller]
fn goes_on(to: &str, from: &str) {
    let (here, there) = (Daemon::with_busybox(), Daemon::with_busybox());
    let (cached, _) = build(&here, &["-t", "x", "--cache-to", to], DOCKERFILE, ("1", "2"));
    assert_eq!(cached, 0);
    let made = when(&here, "x");
    let import = ["-t", "x", "--cache-from", from];
    let (cached, said) = build(&there, &import, DOCKERFILE, ("1", "other"));
    assert_eq!(cached, 2, "the first stage: {said}");
    assert_eq!(run(&there, "x", &["cat", "/two"]), "other");
    assert_eq!(when(&there, "x"), made);
    let (cached, said) = build(&there, &import, DOCKERFILE, ("1", "2"));
    assert_eq!(cached, 5, "{said}");
    assert_eq!(when(&there, "x"), made);
    let (cached, _) =
        build(&there, &[&import[..], &["--no-cache"]].concat(), DOCKERFILE, ("1", "2"));
    assert_eq!(cached, 0, "nothing remembered counts, wherever it lies");
    assert_ne!(when(&there, "x"), made);
    for daemon in [&here, &there] {
        daemon.ok(&["system", "check"]);
    }
}

#[test]
fn steps_of_all_stages_go_by_a_registry() {
    let registry = Registry::open();
    let name = format!("type=registry,ref={}/cache:steps", registry.address());
    goes_on(&format!("{name},mode=max"), &name);
}

#[test]
fn steps_of_all_stages_go_by_a_folder() {
    let holder = tempfile::tempdir().unwrap();
    let folder = holder.path().join("cache");
    let (to, from) = (format!("dest={}", folder.display()), format!("src={}", folder.display()));
    goes_on(&format!("type=local,mode=max,{to}"), &format!("type=local,{from}"));
    assert!(folder.join("oci-layout").exists());
}

const SINGLE: &str =
    "FROM busybox\nCOPY a /a\nRUN cat /proc/sys/kernel/random/uuid > /when\nRUN true\nCOPY b /b\n";

#[test]
fn an_image_brings_its_own_steps() {
    let registry = Registry::open();
    let (here, there) = (Daemon::with_busybox(), Daemon::with_busybox());
    let name = format!("{}/app:1", registry.address());
    build(&here, &["-t", &name, "--cache-to", "type=inline", "--push"], SINGLE, ("1", "2"));
    let (cached, said) = build(&there, &["-t", "x", "--cache-from", &name], SINGLE, ("1", "other"));
    assert_eq!(cached, 3, "{said}");
    assert_eq!(when(&there, "x"), when(&here, &name));
    // What is built on it has none of its steps in it.
    let on_top = format!("FROM {name}\nCOPY b /c\n");
    build(&here, &["-t", "top"], &on_top, ("1", "2"));
    let inspected = here.http("GET", "/images/top/json", &[]);
    assert_eq!(inspected.status, 200);
    let saved = here.scratch("top.tar");
    here.ok(&["save", "-o", saved.to_str().unwrap(), "top"]);
    let text = String::from_utf8_lossy(&fs::read(&saved).unwrap()).into_owned();
    assert!(!text.contains("gantry.build-cache"), "the child's configuration has no steps");
}

#[test]
fn the_least_is_what_the_image_has() {
    let registry = Registry::open();
    let (here, there) = (Daemon::with_busybox(), Daemon::with_busybox());
    let name = format!("type=registry,ref={}/cache:least", registry.address());
    build(&here, &["--cache-to", &name], DOCKERFILE, ("1", "2"));
    // The first stage's steps are not there, so that it is done again, and its result is another one.
    let (cached, said) = build(&there, &["--cache-from", &name], DOCKERFILE, ("1", "2"));
    assert_eq!(cached, 2, "{said}");
}

#[test]
fn a_cache_that_is_damaged_or_not_there_keeps_no_build_from_its_end() {
    let (here, there) = (Daemon::with_busybox(), Daemon::with_busybox());
    let holder = tempfile::tempdir().unwrap();
    let folder = holder.path().join("cache");
    let (to, from) = (
        format!("type=local,mode=max,dest={}", folder.display()),
        format!("type=local,src={}", folder.display()),
    );
    // Of other files: no layer of it is one that the cache has.
    let (_, said) = build(&there, &["--cache-from", &from], DOCKERFILE, ("8", "9"));
    assert!(said.contains("is not used"), "{said}");
    build(&here, &["--cache-to", &to], DOCKERFILE, ("1", "2"));
    damage_layers(&folder);
    let (cached, _) = build(&there, &["-t", "x", "--cache-from", &from], DOCKERFILE, ("1", "2"));
    assert_eq!(cached, 0, "no layer is what it should be");
    assert_eq!(run(&there, "x", &["cat", "/one", "/two"]), "12");
    there.ok(&["system", "check"]);
}

/// Changes a byte in each blob that is no document.
fn damage_layers(folder: &Path) {
    for entry in fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes.first() != Some(&b'{') {
            bytes[300] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
}
