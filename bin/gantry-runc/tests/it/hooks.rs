//! Hooks: what each is told, where it runs, and what its failure means.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::bed::{Bed, wait_until};

const STAGES: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

fn hook(script: &str) -> Value {
    json!([{"path": "/bin/busybox", "args": ["sh", "-c", script]}])
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn each_hook_is_told_the_state_and_runs_where_the_specification_says() {
    let mut bed = Bed::new();
    bed.config["annotations"] = json!({"a.b": "c"});
    bed.config["hooks"] = json!({});
    for stage in STAGES {
        // The container's own root for the one that runs in it.
        let at = if stage == "startContainer" { "" } else { bed.dir.path().to_str().unwrap() };
        let script = format!(
            "cat > {at}/{stage}.json; for n in mnt uts; do readlink /proc/self/ns/$n; done > {at}/{stage}.ns"
        );
        bed.config["hooks"][stage] = hook(&script);
    }
    bed.script("exec sleep 1000");
    bed.write_config();
    bed.ok(&["create", &bed.id]);
    let pid = bed.state()["pid"].as_i64().unwrap();
    let own = |pid: &str, kind: &str| {
        fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string()
    };
    let of = |pid: &str| format!("{}\n{}\n", own(pid, "mnt"), own(pid, "uts"));
    let (host, inside) = (of("self"), of(&pid.to_string()));
    bed.ok(&["start", &bed.id]);
    bed.ok(&["delete", "--force", &bed.id]);
    for (stage, status, told, namespaces) in [
        ("prestart", "creating", Some(pid), &host),
        ("createRuntime", "creating", Some(pid), &host),
        ("createContainer", "creating", Some(1), &inside),
        ("startContainer", "created", Some(1), &inside),
        ("poststart", "running", Some(pid), &host),
        ("poststop", "stopped", None, &host),
    ] {
        let dir = if stage == "startContainer" { bed.rootfs() } else { bed.dir.path().to_owned() };
        let state: Value = serde_json::from_str(&read(&dir.join(format!("{stage}.json")))).unwrap();
        assert_eq!(state["status"], status, "{stage}");
        assert_eq!(state["pid"].as_i64(), told, "{stage}");
        assert_eq!(state["id"], bed.id, "{stage}");
        assert_eq!(state["bundle"], bed.bundle().to_str().unwrap(), "{stage}");
        assert_eq!(state["annotations"]["a.b"], "c", "{stage}");
        assert_eq!(&read(&dir.join(format!("{stage}.ns"))), namespaces, "{stage}");
    }
    bed.check_nothing_left();
}

#[test]
fn a_failing_hook_of_create_undoes_the_container_and_the_last_hooks_run() {
    for stage in ["prestart", "createRuntime", "createContainer"] {
        let mut bed = Bed::new();
        let ended = bed.dir.path().join("ended");
        bed.config["hooks"] =
            json!({stage: hook("exit 7"), "poststop": hook(&format!("cat > {}", ended.display()))});
        bed.write_config();
        let message = bed.err(&["create", &bed.id]);
        assert!(message.contains(&format!("error running {stage} hook")), "{message}");
        assert!(message.contains('7'), "{message}");
        bed.check_nothing_left();
        let state: Value = serde_json::from_str(&read(&ended)).unwrap();
        assert_eq!(state["status"], "stopped", "{stage}");
    }
}

#[test]
fn a_failing_hook_of_start_stops_the_container() {
    for (stage, runs) in [("startContainer", false), ("poststart", true)] {
        let mut bed = Bed::new();
        let ran = bed.rootfs().join("ran");
        bed.config["hooks"] = json!({stage: hook("exit 7")});
        bed.script("touch /ran; exec sleep 1000");
        bed.write_config();
        bed.ok(&["create", &bed.id]);
        let message = bed.err(&["start", &bed.id]);
        assert!(message.contains(&format!("error running {stage} hook")), "{message}");
        if runs {
            assert_eq!(bed.status(), "stopped");
        } else {
            bed.wait_for_status("stopped");
            assert!(!ran.exists(), "the program ran");
        }
        bed.ok(&["delete", &bed.id]);
        bed.check_nothing_left();
    }
}

#[test]
fn a_failing_hook_after_the_end_is_a_warning_and_the_others_run() {
    let mut bed = Bed::new();
    let ran = bed.dir.path().join("ran");
    let mut hooks = hook("exit 7").as_array().unwrap().clone();
    hooks.extend(hook(&format!("touch {}", ran.display())).as_array().unwrap().clone());
    bed.config["hooks"] = json!({"poststop": hooks});
    bed.write_config();
    let output = bed.call(&["run", &bed.id]);
    assert!(output.status.success());
    let said = crate::bed::text(&output.stderr);
    assert!(said.contains("warning") && said.contains("poststop hook"), "{said}");
    assert!(ran.exists());
    bed.check_nothing_left();
}

#[test]
fn a_hook_past_its_time_is_ended_and_fails() {
    let mut bed = Bed::new();
    let pid = bed.dir.path().join("pid");
    let mut slow = hook(&format!("echo $$ > {}; exec sleep 1000", pid.display()));
    slow[0]["timeout"] = json!(1);
    bed.config["hooks"] = json!({"createRuntime": slow});
    assert!(bed.run_err().contains("within 1 s"));
    let pid = read(&pid).trim().to_owned();
    wait_until("the hook is gone", || !Path::new(&format!("/proc/{pid}")).exists());
    bed.check_nothing_left();
}

#[test]
fn hooks_that_can_never_run_are_refused_before_anything_is_made() {
    for (bad, words) in [
        (json!([{"path": "bin/true"}]), "its path is not absolute"),
        (json!([{"path": "/bin/true", "timeout": 0}]), "timeout of 0 s"),
    ] {
        let mut bed = Bed::new();
        let ran = bed.dir.path().join("ran");
        bed.config["hooks"] =
            json!({"prestart": hook(&format!("touch {}", ran.display())), "poststop": bad});
        assert!(bed.run_err().contains(words));
        assert!(!ran.exists());
        bed.check_nothing_left();
    }
}
