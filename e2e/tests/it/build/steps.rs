//! Instructions and what they make of an image.

use gantry_testkit::Daemon;
use serde_json::{Value, json};

use super::{build, context, run};
use crate::shared::shared;

#[test]
fn a_dockerfile_becomes_an_image() {
    let dockerfile = "FROM busybox AS base\nARG WORD=nothing\nENV GREETING=\"hello $WORD\" LANG=C\nWORKDIR /srv/app\n\
        RUN echo \"$GREETING\" > said && id -u > who\nLABEL one=1 two=\"2 $WORD\"\nEXPOSE 80 90/udp\nVOLUME /data\n\
        USER 7:8\nSTOPSIGNAL SIGINT\nHEALTHCHECK --interval=5s CMD true\nENTRYPOINT [\"cat\"]\nCMD [\"said\"]\n";
    let printed = build(
        shared(),
        &["-t", "steps:1", "-t", "steps:2", "--build-arg", "WORD=world", "--label", "three=3"],
        dockerfile,
        &[],
    );
    assert!(printed.contains("[1/3] FROM busybox AS base"), "{printed}");
    assert!(printed.contains("Successfully built "), "{printed}");
    let tagged = "Successfully tagged steps:1\nSuccessfully tagged steps:2";
    assert!(printed.contains(tagged), "{printed}");
    assert_eq!(shared().ok(&["run", "--rm", "--network", "none", "steps:2"]), "hello world");
    let document: Value =
        serde_json::from_str(&shared().ok(&["image", "inspect", "steps:1"])).unwrap();
    let config = &document[0]["Config"];
    assert_eq!(config["Labels"], json!({"one": "1", "two": "2 world", "three": "3"}));
    assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}, "90/udp": {}}));
    assert_eq!(config["Volumes"], json!({"/data": {}}));
    assert_eq!((&config["User"], &config["WorkingDir"]), (&json!("7:8"), &json!("/srv/app")));
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD-SHELL", "true"]));
    assert_eq!(config["Entrypoint"], json!(["cat"]));
    assert_eq!(document[0]["RootFS"]["Layers"].as_array().unwrap().len(), 3);
    let history = shared().ok(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", "steps:1"]);
    assert!(history.contains("RUN |1 WORD=world /bin/sh -c echo \"$GREETING\""), "{history}");
    shared().ok(&["rmi", "steps:1", "steps:2"]);
}

#[test]
fn stages_are_built_when_they_are_needed() {
    let dockerfile = "ARG BASE=busybox\nFROM $BASE AS one\nRUN echo one > /one\nFROM busybox AS never\nRUN exit 9\n\
        FROM busybox AS two\nRUN echo two > /two\nFROM scratch AS files\nCOPY --from=one /one /from/\nCOPY --from=2 /two /from/\n\
        FROM one\nCOPY --from=files / /all/\nCOPY --from=busybox /bin/busybox /copied\n";
    let printed = build(shared(), &["-t", "stages"], dockerfile, &[]);
    assert!(!printed.contains("exit 9"), "nobody needs that stage: {printed}");
    let seen = run(
        shared(),
        "stages",
        &["sh", "-c", "cat /all/from/one /all/from/two; stat -c %a /copied"],
    );
    assert_eq!(seen, "one\ntwo\n755");
    build(shared(), &["-t", "target", "--target", "TWO"], dockerfile, &[]);
    assert_eq!(run(shared(), "target", &["cat", "/two"]), "two");
    shared().ok(&["rmi", "stages", "target"]);
}

#[test]
fn scripts_may_stand_in_the_dockerfile() {
    let dockerfile = "FROM busybox\nARG WORD=expanded\nCOPY <<a <<\"b\" /files/\n$WORD\na\n$WORD\nb\n\
        RUN <<EOF\nset -e\necho one > /one\necho two > /two\nEOF\nRUN cat > /three <<X\nthree\nX\nONBUILD RUN echo later > /later\n";
    build(shared(), &["-t", "heredocs"], dockerfile, &[]);
    let seen = run(shared(), "heredocs", &["sh", "-c", "cat /files/a /files/b /one /two /three"]);
    assert_eq!(seen, "expanded\n$WORD\none\ntwo\nthree");
    build(shared(), &["-t", "triggered"], "FROM heredocs\n", &[]);
    assert_eq!(run(shared(), "triggered", &["cat", "/later"]), "later");
    shared().ok(&["rmi", "triggered", "heredocs"]);
}

#[test]
fn steps_see_what_is_mounted_and_leave_none_of_it() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nRUN --mount=type=bind,target=/ctx,source=in cat /ctx/file > /bound\n\
        RUN --mount=type=cache,id=kept,target=/cache echo x >> /cache/count; wc -l < /cache/count > /count\n\
        RUN --mount=type=tmpfs,target=/mem touch /mem/x && ls /mem > /listed\n\
        RUN --mount=type=secret,id=token wc -c < /run/secrets/token > /length && grep -q /build-secrets/ /proc/self/mountinfo\n";
    let root = context(&daemon, "mounts", &[("Dockerfile", dockerfile), ("in/file", "bound")]);
    let secret = daemon.scratch("token");
    std::fs::write(&secret, "hidden-from-all").unwrap();
    let secret = format!("id=token,src={}", secret.display());
    let root = root.to_str().unwrap();
    let words = ["build", "--network", "none", "-t", "mounts", "--secret", &secret];
    let printed = daemon.ok(&[&words[..], &[root]].concat());
    assert!(!printed.contains("hidden-from-all"), "{printed}");
    let script = "cat /bound /count /listed /length; ls -d /ctx /cache /mem /run/secrets 2>&1";
    let seen =
        daemon.gantry(&["run", "--rm", "--network", "none", "mounts", "sh", "-c", script]).run();
    assert!(seen.stdout.starts_with("bound1\nx\n15\n"), "{}", seen.stdout);
    // The cache is there the next time; nothing of it is in the image.
    daemon.ok(&[&words[..], &["--no-cache", root]].concat());
    assert_eq!(run(&daemon, "mounts", &["cat", "/count"]), "2");
    // While the command ran, the secret was below the exec root; now it is nowhere.
    let mut grep = std::process::Command::new("grep");
    grep.args(["-rl", "hidden-from-all"]).arg(daemon.data_root()).arg(daemon.exec_root());
    let found = grep.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the secret was kept");
}

#[test]
fn the_docker_command_line_builds_too() {
    let root =
        context(shared(), "docker-build", &[("Dockerfile", "FROM busybox\nRUN echo hi > /hi\n")]);
    let words = ["build", "--network", "none", "-q", "-t", "by-docker", root.to_str().unwrap()];
    let built = shared().docker(&words).env("DOCKER_BUILDKIT", "0").run().success();
    assert!(built.starts_with("sha256:"), "{built}");
    assert_eq!(run(shared(), "by-docker", &["cat", "/hi"]), "hi");
    shared().ok(&["rmi", "by-docker"]);
}
