//! What `ADD` brings from addresses: files of the web, and repositories.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gantry_testkit::{Daemon, MadeRegistry, Reply};

use super::{build, context, run};
use crate::shared::{shared, unique};

const MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

/// A server with a file that it knows again.
fn server() -> MadeRegistry {
    MadeRegistry::new(|request| match request.target.as_str() {
        "/file.txt" if request.header("if-none-match") == Some("\"one\"") => Reply::new(304, ""),
        "/file.txt" => {
            Reply::new(200, "from the web").with("ETag", "\"one\"").with("Last-Modified", MODIFIED)
        }
        "/moved" => Reply::new(302, "").with("Location", "/file.txt"),
        "/round" => Reply::new(302, "").with("Location", "/round"),
        "/short" => Reply::new(200, "x".repeat(1000)).cut_after(10),
        _ => Reply::new(404, ""),
    })
}

#[test]
fn files_of_the_web_come_once_and_as_their_owner_s_alone() {
    let server = server();
    let url = format!("http://{}", server.address());
    let dockerfile = format!(
        "FROM busybox\nADD {url}/file.txt /named\nADD {url}/file.txt /in/\nADD --chmod=644 --chown=3:4 {url}/moved /moved\n"
    );
    build(shared(), &["-t", "web"], &dockerfile, &[]);
    let script = "cat /named /in/file.txt /moved; stat -c ' %a %u:%g %Y' /named /moved";
    let seen = run(shared(), "web", &["sh", "-c", script]);
    assert_eq!(
        seen,
        "from the webfrom the webfrom the web 600 0:0 1445412480\n 644 3:4 1445412480"
    );
    let fetched = || server.requests().len();
    let before = fetched();
    let whole = || {
        let is_whole = |request: &&gantry_testkit::Request| {
            request.target == "/file.txt" && request.header("if-none-match").is_none()
        };
        server.requests().iter().filter(is_whole).count()
    };
    let bodies = whole();
    let printed = build(shared(), &["-t", "web"], &dockerfile, &[]);
    assert!(fetched() > before, "the server is asked");
    assert_eq!(whole(), bodies, "and sends nothing again: {:?}", server.requests());
    assert_eq!(super::cached(&printed), 3, "{printed}");
    shared().ok(&["rmi", "web"]);
}

#[test]
fn a_digest_is_checked_and_spares_the_server() {
    let server = server();
    let url = format!("http://{}/file.txt", server.address());
    let digest = "sha256:e4ec5ff3ffbeb5a7e1b5dc0c4ef9e1d5d1a4e9b7eec4f8e6d1c3d7e2a1b0c9d8";
    let root = context(shared(), &unique("digest"), &[]);
    let build = |digest: &str| {
        let dockerfile = format!("FROM busybox\nADD --checksum={digest} {url} /f\n");
        std::fs::write(root.join("Dockerfile"), dockerfile).unwrap();
        shared().gantry(&["build", "--network", "none", root.to_str().unwrap()]).run()
    };
    let refused = build(digest);
    refused.exits(1).complains("has the digest sha256:");
    let words: Vec<&str> = refused.stderr.split_whitespace().collect();
    let at = words.iter().rposition(|word| *word == "digest").unwrap();
    let right = words[at + 1].trim_end_matches(',').to_owned();
    let before = server.requests().len();
    build(&right).exits(0);
    assert_eq!(server.requests().len(), before, "a file of that digest is here");
}

#[test]
fn what_servers_do_wrong_is_said() {
    let server = server();
    for (path, complaint) in
        [("none", "status 404"), ("round", "leads on and on"), ("short", "broke off")]
    {
        let dockerfile = format!("FROM busybox\nADD http://{}/{path} /f\n", server.address());
        let root = context(shared(), &unique("wrong"), &[("Dockerfile", &dockerfile)]);
        let outcome = shared().gantry(&["build", root.to_str().unwrap()]).run();
        outcome.exits(1).complains(complaint);
    }
}

/// A repository that a plain web server can serve, without what git needs a program for.
fn repository(daemon: &Daemon) -> (MadeRegistry, Arc<AtomicUsize>) {
    repository_for(daemon, None)
}

/// The same for who says who he is, in this way.
fn repository_for(
    daemon: &Daemon,
    login: Option<&'static str>,
) -> (MadeRegistry, Arc<AtomicUsize>) {
    let root = context(daemon, &unique("repository"), &[("file", "one"), ("sub/inner", "two")]);
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-C"])
            .arg(&root)
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "first"]);
    git(&["tag", "v1"]);
    std::fs::write(root.join("file"), "later").unwrap();
    git(&["commit", "-q", "-a", "-m", "second"]);
    git(&["update-server-info"]);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let served = MadeRegistry::new(move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        if login.is_some() && request.header("authorization") != login {
            return Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\"");
        }
        let path = request.target.strip_prefix("/r.git/").unwrap_or("none");
        let path = path.split('?').next().unwrap_or_default();
        match std::fs::read(root.join(".git").join(Path::new(path))) {
            Ok(content) => Reply::new(200, content),
            Err(_) => Reply::new(404, ""),
        }
    });
    (served, count)
}

#[test]
fn repositories_are_added_and_are_contexts() {
    let (server, _) = repository(shared());
    let url = format!("http://{}/r.git", server.address());
    let dockerfile = format!(
        "FROM busybox\nADD {url} /all/\nADD {url}#v1 /old\nADD {url}#main:sub /sub/\nADD --keep-git-dir {url}#v1 /kept\n"
    );
    build(shared(), &["-t", "repositories"], &dockerfile, &[]);
    let script = "cat /all/file /old/file /sub/inner; ls -A /all /sub; cat /kept/.git/HEAD | wc -c";
    let seen = run(shared(), "repositories", &["sh", "-c", script]);
    assert_eq!(seen, "lateronetwo/all:\nfile\nsub\n\n/sub:\ninner\n41");
    // A whole build out of one, and a folder of it under a name.
    let dockerfile = "FROM busybox\nCOPY file /f\nCOPY --from=old file /o\n";
    let named = format!("old={url}#v1");
    let outcome = shared()
        .gantry(&["build", "-t", "from-git", "--build-context", &named, "-f", "-", &url])
        .input(dockerfile)
        .run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(
        run(shared(), "from-git", &["sh", "-c", "cat /f /o; ls /.dockerfile* 2>&1 | wc -l"]),
        "laterone1"
    );
    shared().ok(&["rmi", "repositories", "from-git"]);
}

#[test]
fn passwords_in_addresses_get_nowhere() {
    const LOGIN: &str = "Basic bWU6aGlkZGVu";
    let (server, _) = repository_for(shared(), Some(LOGIN));
    let url = format!("http://$WHO@{}/r.git", server.address());
    let dockerfile = format!(
        "FROM busybox\nARG WHO\nADD --keep-git-dir {url}#v1 /kept\nRUN cat /kept/file && ! grep -r -e hidden -e bWU6 /kept\n"
    );
    let arguments = ["-t", "login", "--build-arg", "WHO=me:hidden"];
    let printed = build(shared(), &arguments, &dockerfile, &[]);
    assert_eq!(super::cached(&printed), 0, "{printed}");
    // What comes is the same each time, git's own directory included.
    let printed = build(shared(), &arguments, &dockerfile, &[]);
    assert_eq!(super::cached(&printed), 2, "{printed}");
    for (name, complaint) in [("none", "status 401"), ("none.git", "none.git")] {
        let dockerfile =
            format!("FROM busybox\nARG WHO\nADD http://$WHO@{}/{name} /f\n", server.address());
        let root = context(shared(), &unique("login"), &[("Dockerfile", &dockerfile)]);
        let words = ["build", "--build-arg", "WHO=you:hidden", root.to_str().unwrap()];
        let outcome = shared().gantry(&words).run();
        outcome.exits(1).complains(complaint);
        assert!(!outcome.stderr.contains("hidden"), "{}", outcome.stderr);
    }
    shared().ok(&["rmi", "login"]);
}
