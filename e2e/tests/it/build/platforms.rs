//! Builds for several platforms at once, and devices by specification.

use std::fs;

use gantry_testkit::{Daemon, Options, Tar, busybox};
use serde_json::Value;

use super::{build, context, run};
use crate::shared::shared;

const PLATFORMS: &str = "linux/amd64,linux/arm64";
const DOCKERFILE: &str = "FROM --platform=$BUILDPLATFORM busybox AS made\nARG TARGETARCH\nRUN echo for-$TARGETARCH | tee /for\n\
    FROM scratch\nCOPY --from=made /for /for\n";

#[test]
fn steps_of_several_platforms_are_told_apart_in_lines() {
    let printed =
        build(shared(), &["--no-cache", "--platform", PLATFORMS, "-t", "apart"], DOCKERFILE, &[]);
    for platform in ["linux/amd64", "linux/arm64"] {
        let architecture = platform.split_once('/').unwrap().1;
        let begin =
            printed.lines().find(|line| line.contains(&format!("[{platform} made 2/2] RUN echo")));
        let number = begin.unwrap_or_else(|| panic!("{printed}")).split(' ').next().unwrap();
        // What it wrote, and that it ended, stand under its number.
        let own: Vec<&str> =
            printed.lines().filter(|line| line.split(' ').next() == Some(number)).collect();
        assert!(own.iter().any(|line| line.ends_with(&format!("for-{architecture}"))), "{own:?}");
        assert!(own.iter().any(|line| line.contains(" DONE ")), "{own:?}");
        assert!(
            printed.contains(&format!("[{platform} stage-1 2/2] COPY --from=made")),
            "{printed}"
        );
    }
    // The history has both, each with its own output.
    let id = shared().ok(&["builds", "ls", "-q"]).lines().next().unwrap().to_owned();
    let logs = shared().ok(&["builds", "logs", &id]);
    assert!(logs.contains("for-amd64") && logs.contains("for-arm64"), "{logs}");
    shared().ok(&["rmi", "apart"]);
}

#[test]
fn steps_of_several_platforms_are_told_apart_in_documents_and_pictures() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "documents", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    let words = ["build", "--network=none", "--no-cache", "--platform", PLATFORMS];
    let outcome = daemon.gantry(&[&words[..], &["--progress", "rawjson", root]].concat()).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let mut names = std::collections::BTreeMap::new();
    for line in outcome.stderr.lines() {
        let Ok(document) = serde_json::from_str::<Value>(line) else { continue };
        for vertex in document["vertexes"].as_array().into_iter().flatten() {
            let ended = !vertex["completed"].is_null();
            let digest = vertex["digest"].as_str().unwrap().to_owned();
            names.insert(digest, (vertex["name"].as_str().unwrap().to_owned(), ended));
        }
    }
    let runs: Vec<_> = names.values().filter(|(name, _)| name.contains("RUN echo")).collect();
    assert_eq!(runs.len(), 2, "{names:?}");
    assert!(names.values().all(|(_, ended)| *ended), "{names:?}");
    let mut terminal = daemon.gantry(&[&words[..], &[root]].concat()).terminal(40, 120);
    assert_eq!(terminal.wait(), 0);
    let screen = terminal.screen();
    let last = screen.rsplit("\x1b[J").next().unwrap();
    assert!(
        last.contains("[linux/amd64 made 2/2]") && last.contains("[linux/arm64 made 2/2]"),
        "{screen}"
    );
    // And in the lines of Docker's own builder.
    let archive = Tar::new().file("Dockerfile", 0o644, DOCKERFILE.as_bytes()).finish();
    let reply = daemon.http(
        "POST",
        "/v1.51/build?networkmode=none&nocache=1&platform=linux/amd64,linux/arm64",
        &archive,
    );
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(
        body.contains("Step 3/5 : [linux/arm64] ARG TARGETARCH")
            || body.contains(": [linux/arm64] RUN echo"),
        "{body}"
    );
}

#[test]
fn commands_have_devices_that_a_specification_names() {
    let folder = tempfile::tempdir().unwrap();
    let spec = r#"{"cdiVersion":"0.6.0","kind":"vendor.com/thing","devices":[{"name":"one","containerEdits":{
        "env":["DEVICE=one"],"deviceNodes":[{"path":"/dev/thing","hostPath":"/dev/fuse"}]}}]}"#;
    fs::write(folder.path().join("vendor.json"), spec).unwrap();
    let flags = vec!["--cdi-spec-dir".to_owned(), folder.path().display().to_string()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    let dockerfile = "FROM busybox\nRUN --device=vendor.com/thing=one,required echo $DEVICE > /said && stat -c %t:%T /dev/thing >> /said && exec 3</dev/thing && echo opened >> /said\n\
        RUN test ! -e /dev/thing && test -z \"$DEVICE\" && echo gone >> /said\n";
    let root = context(&daemon, "devices", &[("Dockerfile", dockerfile)]);
    let root = root.to_str().unwrap();
    let words = ["build", "--network=none", "-t", "devices"];
    let refused = daemon.gantry(&[&words[..], &[root]].concat()).run();
    refused.exits(1).complains("--allow device");
    daemon.ok(&[&words[..], &["--allow", "device", root]].concat());
    assert_eq!(run(&daemon, "devices", &["cat", "/said"]), "one\na:e5\nopened\ngone");
    fs::write(
        format!("{root}/Dockerfile"),
        "FROM busybox\nRUN --device=vendor.com/thing=two true\n",
    )
    .unwrap();
    let unknown = daemon.gantry(&[&words[..], &["--allow", "device", root]].concat()).run();
    unknown.exits(1).complains("vendor.com/thing=two");
}
