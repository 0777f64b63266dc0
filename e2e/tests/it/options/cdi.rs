//! Devices by specification (CDI), and requests for GPUs.

use std::fs;
use std::path::Path;

use gantry_testkit::{Daemon, Options, busybox};

fn daemon(specs: &Path) -> Daemon {
    let flags = vec!["--cdi-spec-dir".to_owned(), specs.display().to_string()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    daemon
}

fn inside(daemon: &Daemon, flags: &[&str], script: &str) -> String {
    let words =
        [&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat();
    daemon.ok(&words)
}

/// Two devices; `{shown}` is mounted, and `{told}` is where the hook writes.
const TWO_DEVICES: &str = r#"
cdiVersion: "1.0.0"
kind: vendor.com/thing
containerEdits:
  env:
    - FOR_ALL=1
devices:
  - name: one
    containerEdits:
      env:
        - DEVICE=one
      deviceNodes:
        - path: /dev/thing
          hostPath: /dev/fuse
          permissions: rw
      mounts:
        - hostPath: {shown}
          containerPath: /shown
          options: [ro, bind]
      hooks:
        - hookName: createRuntime
          path: /bin/sh
          args: [sh, -c, "echo called > {told}"]
      additionalGids: [4711]
  - name: two
    containerEdits:
      env: [SECOND=2]
"#;

#[test]
fn every_edit_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, told) = (folder.path().join("shown"), folder.path().join("told"));
    fs::write(&shown, "of the host\n").unwrap();
    let specs = folder.path().join("cdi");
    fs::create_dir(&specs).unwrap();
    let text = TWO_DEVICES
        .replace("{shown}", shown.to_str().unwrap())
        .replace("{told}", told.to_str().unwrap());
    fs::write(specs.join("vendor.yaml"), text).unwrap();
    let daemon = daemon(&specs);
    let flags = ["--device", "vendor.com/thing=one", "--device", "vendor.com/thing=two"];
    let script = "echo $FOR_ALL $DEVICE $SECOND; stat -c %t:%T /dev/thing; cat /shown; id -G; \
                  exec 3</dev/thing && echo opened";
    let said = inside(&daemon, &flags, script);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], ["1 one 2", "a:e5", "of the host"], "{said}");
    assert!(lines[3].split(' ').any(|group| group == "4711"), "{said}");
    assert_eq!(lines[4], "opened");
    assert_eq!(fs::read_to_string(told).unwrap(), "called\n");
    refused(
        &daemon,
        &["--device", "vendor.com/thing=three"],
        "CDI device injection failed: unresolvable CDI devices vendor.com/thing=three",
    );
    let info = daemon.http("GET", "/info", &[]).json();
    assert_eq!(info["CDISpecDirs"], serde_json::json!([specs.display().to_string()]));
    assert_eq!(info["DiscoveredDevices"][0]["ID"], "vendor.com/thing=one");
    assert_eq!(info["DiscoveredDevices"][1]["Source"], "cdi");
}

#[track_caller]
fn refused(daemon: &Daemon, flags: &[&str], words: &str) {
    let words_of = [&["run", "--rm", "--network", "none"], flags, &["busybox", "true"]].concat();
    daemon.gantry(&words_of).run().exits(125).plainly().complains(words);
}

#[test]
fn gpus_are_there_when_somebody_announces_them() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path());
    let nobody = "could not select device driver \"\" with capabilities: [[gpu]]";
    refused(&daemon, &["--gpus", "all"], nobody);
    // One that is announced later is there without a restart.
    let spec = r#"{"cdiVersion":"0.6.0","kind":"nvidia.com/gpu","devices":[
        {"name":"0","containerEdits":{"env":["GPU=0"]}},{"name":"all","containerEdits":{"env":["GPU=all"]}}]}"#;
    fs::write(folder.path().join("nvidia.json"), spec).unwrap();
    assert_eq!(inside(&daemon, &["--gpus", "all"], "echo $GPU"), "all");
    assert_eq!(inside(&daemon, &["--gpus", "1"], "echo $GPU"), "0");
    assert_eq!(inside(&daemon, &["--gpus", "device=0"], "echo $GPU"), "0");
}

#[test]
fn it_can_be_turned_off() {
    let flags = vec!["--feature".to_owned(), "cdi=false".to_owned()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    assert_eq!(daemon.http("GET", "/info", &[]).json()["CDISpecDirs"], serde_json::json!([]));
    daemon
        .gantry(&["run", "--rm", "--device", "vendor.com/thing=one", "busybox", "true"])
        .run()
        .exits(125)
        .plainly()
        .complains("could not select device driver \"cdi\" with capabilities: []");
}
