//! What the other files leave out of Docker's command line, and a count: every command that it has for one host is run somewhere.

use std::collections::BTreeSet;
use std::fs;

use gantry_testkit::{Daemon, Registry, docker_cli};

use super::beside_dockerd::{CONTAINERS, REST};

/// Runs Docker's command line against a daemon, with the classic builder, which speaks to the daemon alone.
fn docker(daemon: &Daemon, words: &[&str]) -> gantry_testkit::Outcome {
    daemon.docker(words).env("DOCKER_BUILDKIT", "0").run()
}

#[track_caller]
fn ok(daemon: &Daemon, words: &[&str]) -> String {
    docker(daemon, words).success()
}

#[test]
fn files_and_images_go_in_and_out() {
    let daemon = Daemon::with_busybox();
    let folder = daemon.scratch("files");
    fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("in"), "from the host\n").unwrap();
    ok(
        &daemon,
        &["container", "create", "--name", "box", "--network", "none", "busybox", "cat", "/in"],
    );
    ok(&daemon, &["container", "cp", &path("in"), "box:/in"]);
    ok(&daemon, &["cp", "box:/in", &path("out")]);
    assert_eq!(fs::read_to_string(path("out")).unwrap(), "from the host\n");
    assert_eq!(ok(&daemon, &["container", "start", "-a", "box"]), "from the host");
    assert_eq!(ok(&daemon, &["container", "diff", "box"]), "A /in");
    ok(&daemon, &["container", "commit", "box", "made:1"]);
    ok(&daemon, &["container", "export", "-o", &path("root.tar"), "box"]);
    ok(
        &daemon,
        &["image", "import", "-c", "CMD [\"cat\", \"/in\"]", &path("root.tar"), "imported:1"],
    );
    ok(&daemon, &["import", &path("root.tar"), "imported:2"]);
    let run = ["container", "run", "--rm", "--network", "none"];
    assert_eq!(ok(&daemon, &[&run[..], &["imported:1"]].concat()), "from the host");
    ok(&daemon, &["image", "save", "-o", &path("saved.tar"), "made:1", "imported:1"]);
    ok(&daemon, &["image", "rm", "made:1", "imported:1"]);
    let loaded = ok(&daemon, &["image", "load", "-i", &path("saved.tar")]);
    assert_eq!(loaded, "Loaded image: made:1\nLoaded image: imported:1");
    ok(&daemon, &["image", "tag", "made:1", "made:2"]);
    assert_eq!(ok(&daemon, &["image", "ls", "-q", "made"]).lines().count(), 2);
    assert!(ok(&daemon, &["image", "history", "made:1"]).contains("cat /in"));
    assert_eq!(ok(&daemon, &["image", "inspect", "-f", "{{.Os}}", "made:1"]), "linux");
    ok(&daemon, &["container", "rm", "-v", "box"]);
    assert!(ok(&daemon, &["image", "prune", "-af"]).contains("untagged: made:2"));
}

#[test]
fn builds() {
    let daemon = Daemon::with_busybox();
    let folder = daemon.scratch("context");
    fs::create_dir(&folder).unwrap();
    let context = folder.display().to_string();
    let dockerfile =
        "FROM busybox\nARG WORD\nCOPY file /\nRUN echo $WORD >> /file\nCMD [\"cat\", \"/file\"]\n";
    fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
    fs::write(folder.join("file"), "copied\n").unwrap();
    let flags = ["--network", "none", "--build-arg", "WORD=given"];
    for (number, command) in
        [&["build"][..], &["image", "build"], &["builder", "build"]].iter().enumerate()
    {
        let tag = format!("built:{number}");
        let said = ok(&daemon, &[command, &flags[..], &["-t", &tag, &context]].concat());
        assert!(said.contains(&format!("Successfully tagged {tag}")), "{said}");
        assert_eq!(said.contains("Using cache"), number > 0, "{said}");
        let run = ["run", "--rm", "--network", "none", &tag];
        assert_eq!(ok(&daemon, &run), "copied\ngiven");
    }
    let quiet = ok(&daemon, &[&["build", "-q"], &flags[..], &[&context]].concat());
    assert!(quiet.starts_with("sha256:") && quiet.len() == 71, "{quiet}");
    // Docker's command line ends as the command that failed did.
    fs::write(folder.join("Dockerfile"), "FROM busybox\nRUN exit 9\n").unwrap();
    let failed = docker(&daemon, &["build", "--network", "none", &context]);
    failed.exits(9).complains("returned a non-zero code: 9");
    assert!(ok(&daemon, &["builder", "prune", "-f"]).contains("Total"));
}

#[test]
fn registries_and_manifests() {
    let (registry, daemon) = (Registry::with_password(), Daemon::with_busybox());
    let name = |rest: &str| format!("{}/{rest}", registry.address());
    let (box_, list) = (name("box:1"), name("list:1"));
    ok(&daemon, &["tag", "busybox", &box_]);
    docker(&daemon, &["push", &box_]).exits(1).complains("denied");
    let login = ["login", "-u", "ann", "--password-stdin", registry.address()];
    daemon.docker(&login).input("wrong").run().exits(1).complains("unauthorized");
    let said = daemon.docker(&login).input("secret").run().success();
    assert!(said.contains("Login Succeeded"), "{said}");
    assert!(ok(&daemon, &["image", "push", &box_]).contains("digest: sha256:"));
    ok(&daemon, &["push", &box_]);
    ok(&daemon, &["rmi", &box_]);
    let pulled = ok(&daemon, &["pull", &box_]);
    assert!(
        pulled.contains("Status: Downloaded newer image") && pulled.ends_with(&box_),
        "{pulled}"
    );
    let again = ok(&daemon, &["image", "pull", &box_]);
    assert!(again.contains("Status: Image is up to date"), "{again}");
    ok(&daemon, &["manifest", "create", "--insecure", &list, &box_]);
    ok(&daemon, &["manifest", "annotate", "--variant", "v2", &list, &box_]);
    assert!(
        ok(&daemon, &["manifest", "inspect", "--insecure", &list]).contains("\"variant\": \"v2\"")
    );
    assert!(ok(&daemon, &["manifest", "push", "--insecure", &list]).contains("sha256:"));
    ok(&daemon, &["manifest", "create", "--insecure", &name("other:1"), &box_]);
    ok(&daemon, &["manifest", "rm", &name("other:1")]);
    docker(&daemon, &["search", "--limit", "1", &name("box")]).exits(1);
    ok(&daemon, &["logout", registry.address()]);
    docker(&daemon, &["pull", &list]).exits(1).complains("denied");
}

#[test]
fn contexts() {
    let daemon = Daemon::start();
    let host = format!("host={}", daemon.host());
    let file = daemon.scratch("context.tar").display().to_string();
    ok(&daemon, &["context", "create", "mine", "--docker", &host, "--description", "words"]);
    ok(&daemon, &["--context", "mine", "ps"]);
    assert!(ok(&daemon, &["context", "ls"]).contains("mine"));
    assert!(ok(&daemon, &["context", "inspect", "mine"]).contains(&daemon.host()));
    ok(&daemon, &["context", "update", "mine", "--description", "others"]);
    ok(&daemon, &["context", "export", "mine", &file]);
    ok(&daemon, &["context", "import", "copy", &file]);
    ok(&daemon, &["--context", "copy", "version"]);
    ok(&daemon, &["context", "show"]);
    ok(&daemon, &["context", "use", "copy"]);
    ok(&daemon, &["context", "use", "default"]);
    ok(&daemon, &["context", "rm", "mine", "copy"]);
}

/// Of commands with an alias among the groups, the group's own; and what says that it is not there.
#[test]
fn groups_say_the_same() {
    let daemon = Daemon::with_busybox();
    let flags = ["run", "-d", "--name", "box", "--init", "--network", "none", "busybox"];
    ok(&daemon, &[&flags[..], &["sh", "-c", "echo out; exec sleep 1000"]].concat());
    for words in [
        &["container", "ls"][..],
        &["container", "logs", "box"],
        &["container", "top", "box"],
        &["container", "port", "box"],
        &["container", "stats", "--no-stream", "box"],
        &["container", "exec", "box", "true"],
        &["container", "update", "--restart", "no", "box"],
        &["container", "pause", "box"],
        &["container", "unpause", "box"],
        &["container", "restart", "-t", "0", "box"],
        &["container", "rename", "box", "other"],
        &["container", "kill", "other"],
        &["container", "wait", "other"],
        &["container", "start", "other"],
        &["container", "stop", "-t", "0", "other"],
        &["system", "info"],
        &["system", "events", "--since", "1h", "--until", "0s"],
    ] {
        ok(&daemon, words);
    }
    docker(&daemon, &["container", "attach", "other"]).exits(1).complains("stopped container");
    docker(&daemon, &["volume", "update", "none"]).exits(1);
    for words in [
        &["checkpoint", "create", "other", "one"][..],
        &["checkpoint", "ls", "other"],
        &["checkpoint", "rm", "other", "one"],
    ] {
        docker(&daemon, words).exits(1).complains("experimental");
    }
}

/// Groups of clusters, and of a service of Docker's own.
const OTHERS: &[&str] = &["swarm", "node", "service", "stack", "secret", "config", "trust"];

/// Where else commands are run: in `docker_cli.rs`, and the tests of plugins.
const ELSEWHERE: &[&str] = &["plugin"];

/// The commands that a help page lists.
fn listed(words: &[&str]) -> Vec<String> {
    let help = gantry_testkit::Invocation::new(docker_cli()).args(words).args(["--help"]).run();
    let text = format!("{}{}", help.stdout, help.stderr);
    let mut lists = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        lists = line.ends_with("Commands:") || (lists && !line.ends_with(':'));
        let name = line.strip_prefix("  ").and_then(|line| line.split_whitespace().next());
        if let Some(name) = name.filter(|name| lists && !name.starts_with('-')) {
            commands.push(name.trim_end_matches('*').to_owned());
        }
    }
    commands
}

#[test]
fn every_command_is_run_somewhere() {
    let sources = [include_str!("every_command.rs"), include_str!("../docker_cli.rs")].concat();
    let compared: BTreeSet<String> = [CONTAINERS, REST]
        .concat()
        .iter()
        .flat_map(|(_, words)| [words[0].to_owned(), words.get(..2).unwrap_or(words).join(" ")])
        .collect();
    let is_run = |words: &[&str]| {
        let quoted = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        compared.contains(&words.join(" ")) || sources.contains(&format!("[{quoted}"))
    };
    let mut missing = Vec::new();
    for name in listed(&[]) {
        if OTHERS.contains(&name.as_str()) || ELSEWHERE.contains(&name.as_str()) {
            continue;
        }
        let within = listed(&[&name]);
        if within.is_empty() && !is_run(&[&name]) {
            missing.push(name.clone());
        }
        for command in within {
            if !is_run(&[&name, &command]) {
                missing.push(format!("{name} {command}"));
            }
        }
    }
    assert!(missing.is_empty(), "nobody runs {missing:?}");
}
