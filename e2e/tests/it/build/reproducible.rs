//! The same files give the same image, to the last byte: on another daemon, at another time, written in another order under
//! another mask.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gantry_testkit::Daemon;
use serde_json::Value;

const DOCKERFILE: &str = "FROM busybox AS made\nWORKDIR /w\nCOPY src /w/src\nCOPY <<EOF /w/here\nsaid\nEOF\n\
     RUN touch new; mkdir -p d/e; ln new hard; ln -s new soft; hostname > name; chmod 600 new; rm /bin/vi; touch -d @5 old\n\
     FROM busybox\nCOPY --from=made /w /w\nADD archive.tar /a\nENV A=1\nCMD [\"sh\"]\n";

/// The same context, as another machine would have written it.
fn written(daemon: &Daemon, (age, mask): (u64, u32), in_order: bool) -> PathBuf {
    let root = daemon.scratch("context");
    let mut names = vec!["src/a", "src/z", "src/m/deep", "Dockerfile", "archive.tar"];
    if !in_order {
        names.reverse();
    }
    let time = SystemTime::now() - Duration::from_secs(age);
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = match name {
            "Dockerfile" => DOCKERFILE.as_bytes().to_vec(),
            "archive.tar" => gantry_testkit::Tar::new().file("inner", 0o644, b"x").finish(),
            _ => name.as_bytes().to_vec(),
        };
        fs::write(&path, content).unwrap();
        let mode = if name == "src/z" { 0o777 } else { 0o666 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode & !mask)).unwrap();
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
    for folder in ["src", "src/m"] {
        let mode = fs::Permissions::from_mode(0o777 & !mask);
        fs::set_permissions(root.join(folder), mode).unwrap();
    }
    root
}

/// Builds; the digests of the manifest and of the configuration.
#[track_caller]
fn digests(daemon: &Daemon, root: &Path, flags: &[&str]) -> (String, String) {
    let file = daemon.scratch("metadata.json");
    let fixed = ["build", "--network=none", "--no-cache", "-t", "same", "--metadata-file"];
    let words = [&fixed[..], &[file.to_str().unwrap()], flags, &[root.to_str().unwrap()]].concat();
    daemon.ok(&words);
    let metadata: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let text = |name: &str| metadata[name].as_str().unwrap().to_owned();
    (text("containerimage.digest"), text("containerimage.config.digest"))
}

#[test]
fn two_daemons_give_the_same_image() {
    let (one, other) = (Daemon::with_busybox(), Daemon::with_busybox());
    let (first, second) =
        (written(&one, (10, 0o022), true), written(&other, (1_000_000, 0o077), false));
    let same = digests(&one, &first, &["--reproducible"]);
    assert_eq!(same, digests(&other, &second, &["--reproducible"]));
    let epoch = ["--reproducible", "--build-arg", "SOURCE_DATE_EPOCH=1700000000"];
    let at = digests(&one, &first, &epoch);
    assert_eq!(at, digests(&other, &second, &epoch));
    assert_ne!(at, same, "another moment is another image");
    assert_ne!(digests(&one, &first, &[]), digests(&other, &second, &[]), "times differ otherwise");
    // Compressed as well.
    let gzip = ["--reproducible", "-o", "type=image,compression=gzip"];
    assert_eq!(digests(&one, &first, &gzip), digests(&other, &second, &gzip));
}

#[test]
fn all_bears_the_moment_that_was_given() {
    let daemon = Daemon::with_busybox();
    let root = written(&daemon, (10, 0o022), true);
    let words = ["build", "--network=none", "-t", "then", root.to_str().unwrap()];
    let built = daemon.gantry(&words).env("SOURCE_DATE_EPOCH", "1700000000").run();
    built.exits(0);
    let inspected = daemon.http("GET", "/images/then/json", &[]).json();
    assert_eq!(inspected["Created"], "2023-11-14T22:13:20Z");
    let times = super::run(
        &daemon,
        "then",
        &["stat", "-c", "%n %Y", "/w/new", "/w/old", "/w/src/a", "/w/here"],
    );
    assert_eq!(times, "/w/new 1700000000\n/w/old 5\n/w/src/a 1700000000\n/w/here 1700000000");
    // What a build without it made is not taken for it, nor the other way round.
    let now = ["build", "--network=none", "-t", "now", root.to_str().unwrap()];
    daemon.ok(&now);
    let times = super::run(&daemon, "now", &["stat", "-c", "%Y", "/w/new"]);
    assert_ne!(times, "1700000000");
    let wrong = ["build", "--build-arg", "SOURCE_DATE_EPOCH=soon", root.to_str().unwrap()];
    daemon.gantry(&wrong).run().exits(1).complains("seconds since 1970");
}
