//! `import` of an archive that the daemon fetches.

use gantry_testkit::{Daemon, MadeRegistry, Reply, busybox_layer};

#[test]
fn an_archive_by_url() {
    let server = MadeRegistry::new(|request| match request.target.as_str() {
        "/root.tar" => Reply::new(200, busybox_layer()),
        "/moved.tar" => Reply::new(302, "").with("Location", "/root.tar"),
        "/around.tar" => Reply::new(302, "").with("Location", "/around.tar"),
        "/file.tar" => Reply::new(302, "").with("Location", "file:///etc/passwd"),
        "/cut.tar" => Reply::new(200, busybox_layer()).cut_after(10_000),
        "/page.tar" => Reply::new(200, "<html>please log in</html>"),
        _ => Reply::new(404, "no such file"),
    });
    let daemon = Daemon::start();
    let url = |path: &str| format!("http://{}{path}", server.address());
    let said =
        daemon.ok(&["import", "-c", "CMD [\"echo\", \"fetched\"]", &url("/moved.tar"), "web:1"]);
    assert!(said.contains("Downloading from") && said.contains("sha256:"), "{said}");
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", "web:1"]), "fetched");
    let history = daemon.ok(&["history", "--no-trunc", "--format", "{{.Comment}}", "web:1"]);
    assert!(history.contains(&format!("Imported from {}", url("/moved.tar"))), "{history}");

    let before = daemon.snapshot();
    for (path, reason) in [
        ("/around.tar", "leads on and on"),
        ("/file.tar", "only http and https"),
        ("/absent.tar", "the server answered with status 404"),
        ("/cut.tar", ""),
        ("/page.tar", ""),
    ] {
        daemon.gantry(&["import", &url(path), "bad:1"]).run().exits(1).plainly().complains(reason);
        assert_eq!(daemon.ok(&["images", "-q", "bad"]), "", "{path}");
    }
    before.assert_restored(&daemon);
    daemon.gantry(&["system", "check", "--deep"]).run().exits(0);

    // What has no scheme is meant for the web, as in Docker.
    let bare = format!("{}/root.tar", server.address());
    let target = format!("/images/create?fromSrc={bare}&repo=bare&tag=1");
    let reply = daemon.http("POST", &target, b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(!daemon.ok(&["images", "-q", "bare"]).is_empty());
}

#[test]
fn what_is_here_for_which_platform() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "--name", "user", "--network", "none", "busybox", "true"]);
    let id = daemon.inspect("user")["Id"].as_str().unwrap()[..12].to_owned();
    let tree = daemon.ok(&["images", "--tree"]);
    let lines: Vec<&str> = tree.lines().collect();
    assert!(lines[0].starts_with("IMAGE ") && lines[0].ends_with("CONTAINERS"), "{tree}");
    let at = lines.iter().position(|line| line.starts_with("busybox:latest")).unwrap();
    assert!(lines[at].ends_with('1'), "{tree}");
    assert!(lines[at + 1].starts_with("└─ linux/") && lines[at + 1].ends_with(&id), "{tree}");
    daemon.remove(&["user"]);
}

#[test]
fn what_happens_to_images_is_told() {
    let daemon = Daemon::with_busybox();
    let began = daemon.ok(&["info", "--format", "{{.SystemTime}}"]);
    daemon.ok(&["tag", "busybox", "told:1"]);
    daemon.ok(&["rmi", "told:1"]);
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("busybox.tar").display().to_string();
    daemon.ok(&["save", "-o", &archive, "busybox"]);
    let words = ["events", "--since", &began, "--until", "0s", "--format", "{{.Type}} {{.Action}}"];
    let told = daemon.ok(&words);
    let images: Vec<&str> = told.lines().filter(|line| line.starts_with("image ")).collect();
    assert_eq!(images, ["image tag", "image untag", "image save"], "{told}");
}
