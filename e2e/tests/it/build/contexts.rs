//! Where a context comes from: a folder, standard input, an address; and others under names.

use std::process::Command;

use gantry_testkit::{MadeRegistry, Reply};

use super::{build, context, run};
use crate::shared::{shared, unique};

/// An archive of a folder, compressed as the flag says.
fn archive(root: &std::path::Path, flag: &str) -> Vec<u8> {
    let output = Command::new("tar").args([flag, "-c", "-C"]).arg(root).arg(".").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn an_archive_on_standard_input_is_a_context() {
    let files = [
        ("Dockerfile", "FROM busybox\nCOPY a /a\n"),
        ("other", "FROM busybox\nCOPY a /b\n"),
        ("a", "A"),
    ];
    let root = context(shared(), &unique("archived"), &files);
    for (name, flag) in [("plain", "--format=gnu"), ("gzip", "-z"), ("xz", "-J"), ("bzip2", "-j")] {
        let words = ["build", "--network", "none", "-t", "archived", "-"];
        let outcome = shared().gantry(&words).input(archive(&root, flag)).run();
        assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
        assert_eq!(run(shared(), "archived", &["cat", "/a"]), "A", "{name}");
    }
    let words = ["build", "--network", "none", "-t", "archived", "-f", "other", "-"];
    let outcome = shared().gantry(&words).input(archive(&root, "-z")).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(run(shared(), "archived", &["cat", "/b"]), "A");
    shared().ok(&["rmi", "archived"]);
}

#[test]
fn the_dockerfile_may_be_somewhere_else() {
    let files = [("a", "A"), ("secret", "s"), (".dockerignore", "secret\n")];
    let root = context(shared(), &unique("elsewhere"), &files);
    let beside =
        context(shared(), &unique("beside"), &[("my.dockerfile", "FROM busybox\nCOPY . /all/\n")]);
    let path = beside.join("my.dockerfile");
    let build = |file: &str, input: &str| {
        let words = ["build", "-t", "elsewhere", "-f", file, root.to_str().unwrap()];
        let outcome = shared().gantry(&words).input(input).run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        run(shared(), "elsewhere", &["ls", "-A", "/all"])
    };
    assert_eq!(build(path.to_str().unwrap(), ""), ".dockerignore\na");
    assert_eq!(build("-", "FROM busybox\nCOPY . /all/\n"), ".dockerignore\na");
    // Its own ignore file lies beside it.
    std::fs::write(beside.join("my.dockerfile.dockerignore"), "*\n!secret\n").unwrap();
    assert_eq!(build(path.to_str().unwrap(), ""), "secret");
    shared().ok(&["rmi", "elsewhere"]);
}

#[test]
fn contexts_have_names() {
    let more = context(
        shared(),
        &unique("more"),
        &[("x/y", "more"), ("no", "n"), (".dockerignore", "no\n")],
    );
    let more = format!("more={}", more.display());
    let dockerfile = "FROM base\nCOPY a /a\nCOPY --from=more . /m/\nRUN --mount=from=more,target=/mnt cat /mnt/x/y > /seen\n";
    let flags =
        ["-t", "named", "--build-context", &more, "--build-context", "base=docker-image://busybox"];
    build(shared(), &flags, dockerfile, &[("a", "A")]);
    let seen = run(
        shared(),
        "named",
        &["sh", "-c", "cat /a /m/x/y /seen; ls -A /m; ls -A / | grep context || true"],
    );
    assert_eq!(seen, "Amoremore.dockerignore\nx");
    shared().ok(&["rmi", "named"]);
    let root = context(shared(), &unique("nameless"), &[("Dockerfile", "FROM busybox\n")]);
    let root = root.to_str().unwrap();
    for (value, complaint) in [
        ("x", "name=context is needed"),
        ("x=/nowhere", "find the named context"),
        ("x=oci-layout:///a", "is no image layout: it has no index.json"),
        ("x=oci-archive:///a", "oci-archive:// is not known"),
    ] {
        let outcome = shared().gantry(&["build", "--build-context", value, root]).run();
        outcome.exits(1).complains(complaint);
    }
}

#[test]
fn a_context_may_be_an_address() {
    let files = [("Dockerfile", "FROM busybox\nCOPY a /a\n"), ("a", "A")];
    let root = context(shared(), &unique("addressed"), &files);
    let packed = archive(&root, "-z");
    let server = MadeRegistry::new(move |request| match request.target.as_str() {
        "/context.tgz" => Reply::new(200, packed.clone()),
        "/Dockerfile" => Reply::new(200, "FROM busybox\nRUN echo alone > /a\n"),
        _ => Reply::new(404, ""),
    });
    for (path, content) in [("context.tgz", "A"), ("Dockerfile", "alone")] {
        let url = format!("http://{}/{path}", server.address());
        let outcome =
            shared().gantry(&["build", "--network", "none", "-t", "addressed", &url]).run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(run(shared(), "addressed", &["cat", "/a"]), content);
        // And Docker's command line asks the daemon for it, too.
        let words = ["build", "--network", "none", "-q", "-t", "addressed", &url];
        shared().docker(&words).env("DOCKER_BUILDKIT", "0").run().success();
    }
    let url = format!("http://{}/none", server.address());
    shared().gantry(&["build", &url]).run().exits(1).complains("status 404");
    shared().ok(&["rmi", "addressed"]);
}

#[test]
fn steps_have_the_hosts_and_limits_that_the_build_has() {
    let dockerfile = "FROM busybox\nRUN grep -q '10.9.8.7.*friend' /etc/hosts && df -k /dev/shm | tail -1 > /shm && ulimit -n > /files\n";
    let root = context(shared(), &unique("limits"), &[("Dockerfile", dockerfile)]);
    let flags = ["--add-host", "friend:10.9.8.7", "--shm-size", "32m", "--ulimit", "nofile=77:99"];
    let words = [&["build", "-t", "limits"], &flags[..], &[root.to_str().unwrap()]].concat();
    let outcome = shared().gantry(&words).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let seen = run(shared(), "limits", &["sh", "-c", "cat /shm /files"]);
    assert!(seen.contains(" 32768 ") && seen.ends_with("77"), "{seen}");
    shared().ok(&["rmi", "limits"]);
}
