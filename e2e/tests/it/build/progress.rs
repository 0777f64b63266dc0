//! How a build is shown: lines, a picture, documents, or nothing; and what is said at its end.

use std::fs;

use gantry_testkit::Daemon;
use serde_json::Value;

use super::{build, cached, context, run};
use crate::shared::shared;

const DOCKERFILE: &str = "FROM busybox AS app\nENV A=1\nRUN echo from-the-command; echo x > /x\nFROM busybox\nCOPY --from=app /x /y\n";

#[test]
fn lines_tell_of_each_step_its_output_and_its_time() {
    let printed = build(shared(), &["--no-cache", "-t", "lines"], DOCKERFILE, &[]);
    for words in
        ["[app 1/2] FROM busybox AS app", "[app 2/2] RUN echo", "[stage-1 2/2] COPY --from=app"]
    {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    assert!(!printed.contains("ENV A=1"), "it makes nothing: {printed}");
    let line = printed.lines().find(|line| line.ends_with(" from-the-command")).unwrap();
    let seconds: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(seconds < 60.0, "{line}");
    assert_eq!(printed.matches(" DONE ").count(), 5, "{printed}");
    assert!(printed.contains("s in all, 0 of 5 steps cached"), "{printed}");
    let again = build(shared(), &["-t", "lines"], DOCKERFILE, &[]);
    assert_eq!(cached(&again), 2, "{again}");
    shared().ok(&["rmi", "lines"]);
}

#[test]
fn a_terminal_shows_a_picture_that_is_drawn_over() {
    let daemon = Daemon::with_busybox();
    let dockerfile =
        "FROM busybox\nRUN echo $((40+2))-seen; while test ! -e /gate/open; do usleep 20000; done\n"
            .replace("RUN ", "RUN --mount=type=cache,id=gate,target=/gate ");
    let root = context(&daemon, "picture", &[("Dockerfile", &dockerfile)]);
    let words = ["build", "--network", "none", "-t", "picture", root.to_str().unwrap()];
    let mut terminal = daemon.gantry(&words).terminal(30, 80);
    // The latest output stands below its step while that goes on.
    terminal.expect("[2/2] RUN --mount=type=cache");
    terminal.expect("42-seen");
    let mut caches = fs::read_dir(daemon.data_root().join("build-caches")).unwrap();
    let gate = caches.next().unwrap().unwrap().path();
    fs::write(gate.join("open"), "").unwrap();
    assert_eq!(terminal.wait(), 0);
    let screen = terminal.screen();
    let (_, last) = screen.rsplit_once("\x1b[J").expect("it was drawn over");
    assert!(last.starts_with("[+] Building "), "{screen}");
    assert!(last.contains("FINISHED"), "{screen}");
    assert!(!last.contains("42-seen"), "what is over shows no output: {screen}");
    assert!(last.contains("Successfully tagged picture:latest"), "{screen}");
    assert!(last.contains("s in all, 0 of 3 steps cached; the longest:"), "{screen}");
    for line in last.split("\r\n").filter(|line| line.contains(" => ")) {
        let plain = line.trim_end().replace("\x1b[34m", "").replace("\x1b[0m", "");
        assert!(plain.chars().count() < 80, "{line}");
    }
}

#[test]
fn documents_are_what_other_tools_read() {
    let root = context(shared(), "documents", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    let words = ["build", "--network", "none", "--no-cache", "--progress", "rawjson", root];
    let outcome = shared().gantry(&words).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let documents: Vec<Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let vertexes: Vec<&Value> =
        documents.iter().filter_map(|d| d["vertexes"].as_array()).flatten().collect();
    let copied = vertexes.iter().rfind(|v| v["name"].as_str().unwrap().contains("COPY")).unwrap();
    assert!(copied["digest"].as_str().unwrap().starts_with("sha256:"), "{copied}");
    assert!(copied["started"].is_string() && copied["completed"].is_string(), "{copied}");
    let log = documents.iter().find_map(|d| d["logs"].get(0)).expect("a log");
    assert_eq!((&log["stream"], &log["data"]), (&1.into(), &"ZnJvbS10aGUtY29tbWFuZAo=".into()));
}

#[test]
fn quiet_builds_say_the_id_alone() {
    let root = context(shared(), "quiet", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    for flag in ["-q", "--progress=quiet"] {
        let words = ["build", "--network", "none", flag, "-t", "quiet", root];
        let outcome = shared().gantry(&words).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        let id = shared().ok(&["images", "-q", "--no-trunc", "quiet"]);
        assert_eq!(outcome.stdout.trim_end(), id);
    }
    assert_eq!(run(shared(), "quiet", &["cat", "/y"]), "x");
    shared().ok(&["rmi", "quiet"]);
}

#[test]
fn what_cannot_be_shown_so_is_said() {
    let root = context(shared(), "forms", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    let outcome = shared().gantry(&["build", "--progress", "tty", root]).run();
    outcome.exits(1).complains("--progress=tty needs a terminal");
    let outcome = shared().gantry(&["build", "--progress", "fancy", root]).run();
    assert!(outcome.stderr.contains("auto, plain, tty, rawjson, quiet"), "{}", outcome.stderr);
    let outcome = shared().gantry(&["build", root]).env("BUILDKIT_PROGRESS", "wrong").run();
    outcome.exits(1).complains("invalid variable BUILDKIT_PROGRESS");
}

/// More than any buffer between the command and the user.
#[test]
fn a_command_that_writes_a_hundred_megabytes_is_shown_whole_and_kept_in_part() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nRUN echo the-first-line; yes $(head -c 1000 /dev/zero | tr '\\0' x) | head -n 100000; echo the-last-line\n";
    let root = context(&daemon, "loud", &[("Dockerfile", dockerfile)]);
    let log = daemon.scratch("loud.log");
    let host = daemon.host();
    let script = format!(
        "exec \"$0\" -H {host} build --network none --progress plain {} 2> {}",
        root.display(),
        log.display()
    );
    let gantry = gantry_testkit::Binaries::find().path("gantry");
    let outcome = gantry_testkit::Invocation::new("sh")
        .args(["-c", &script, gantry.to_str().unwrap()])
        .timeout(std::time::Duration::from_mins(5))
        .run();
    assert_eq!(outcome.code, 0);
    let shown = fs::read_to_string(&log).unwrap();
    assert_eq!(shown.matches("xxx\n").count(), 100_000);
    assert!(shown.contains(" the-first-line\n") && shown.contains(" the-last-line\n"));
    let kept = daemon.ok(&["builds", "logs", "latest"]);
    assert!(kept.len() < 2 << 20, "{}", kept.len());
    assert!(kept.contains("the-first-line") && kept.contains("the-last-line"));
    let told = kept.lines().find(|line| line.ends_with("bytes were left out ...]")).unwrap();
    let left_out: u64 = told.split(' ').nth(1).unwrap().parse().unwrap();
    let details: Value =
        serde_json::from_str(&daemon.ok(&["builds", "inspect", "--format", "json", "latest"]))
            .unwrap();
    let step = details["Steps"].as_array().unwrap().last().unwrap();
    assert_eq!(step["LogBytes"], 100_000_u64 * 1001 + 15 + 14);
    assert_eq!(step["LogBytesLeftOut"], left_out);
}
