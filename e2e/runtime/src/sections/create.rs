//! runtime.md, "Create".

use std::fs;

use serde_json::json;

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases = operation();
    cases.extend(flags());
    cases.extend(["../escape", "with/slash", "", ".", ".."].map(bad_id));
    Section::new("runtime.md", "Create", cases)
}

fn operation() -> Vec<Case> {
    vec![
        must("not-run", "create does not run the process.", |stage| {
            stage.create();
            assert!(!stage.rootfs().join("ran").exists());
            assert_eq!(stage.status(), "created");
        }),
        must(
            "resources-made",
            "create makes the namespaces, the mounts and the cgroups.",
            |stage| {
                stage.mount("tmpfs", "made-at-create", "/t", &[]).create();
                let pid = stage.pid();
                let table =
                    fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("read its mounts");
                assert!(table.contains("made-at-create"), "{table}");
                assert!(stage.configured_cgroup("pids").exists());
                let link =
                    |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).expect("a namespace");
                assert_ne!(link(&pid.to_string()), link("self"));
            },
        ),
        must("no-id", "create without an id makes an error.", |stage| {
            stage.write_config();
            let bundle = stage.bundle().to_string_lossy().into_owned();
            assert_ne!(stage.call(&["create", "--bundle", &bundle]).code, 0);
        }),
        must("no-bundle", "create with a bundle that is not there makes an error.", |stage| {
            let id = stage.id.clone();
            assert_ne!(stage.call(&["create", "--bundle", "/nowhere", &id]).code, 0);
            stage.assert_no_container();
        }),
        must("no-config", "create with a bundle without config.json makes an error.", |stage| {
            let (id, bundle) = (stage.id.clone(), stage.folder("empty"));
            assert_ne!(stage.call(&["create", "--bundle", &bundle, &id]).code, 0);
            stage.assert_no_container();
        }),
        must(
            "taken-id",
            "create with an id that is taken makes an error, and the first container stays.",
            |stage| {
                stage.create();
                let pid = stage.pid();
                assert_ne!(stage.create_outcome().code, 0);
                assert_eq!((stage.status().as_str(), stage.pid()), ("created", pid));
            },
        ),
    ]
}

fn flags() -> Vec<Case> {
    vec![
        should("pid-file", "The pid is written to the file that --pid-file names.", |stage| {
            let path = stage.dir().join("pid").to_string_lossy().into_owned();
            let (id, bundle) = (stage.id.clone(), stage.bundle().to_string_lossy().into_owned());
            stage.write_config();
            stage.call(&["create", "--bundle", &bundle, "--pid-file", &path, &id]).success();
            assert_eq!(
                fs::read_to_string(path).expect("read the file").trim(),
                stage.pid().to_string()
            );
        }),
        should(
            "preserve-fds",
            "Descriptors that --preserve-fds counts reach the process.",
            |stage| {
                let file = stage.file("shared", "through a descriptor\n");
                stage.script("cat <&3").write_config();
                let (id, line) = (
                    stage.id.clone(),
                    stage.command(&["run", "--preserve-fds", "1", &stage.id.clone()]),
                );
                let mut words = vec![line.get_program().to_string_lossy().into_owned()];
                words.extend(line.get_args().map(|word| word.to_string_lossy().into_owned()));
                let mut command = std::process::Command::new("sh");
                command
                    .args(["-c", &format!("exec \"$@\" 3<{file}"), "sh"])
                    .args(words)
                    .current_dir(stage.bundle());
                assert_eq!(stage.call_with(command).success(), "through a descriptor", "{id}");
            },
        ),
        should("two-containers", "Two containers live side by side.", |stage| {
            stage.background();
            let first = stage.pid();
            let id = format!("{}-second", stage.id);
            stage.also(&id);
            stage
                .set("/linux/cgroupsPath", json!(format!("/gantry-conformance/{id}")))
                .write_config();
            stage.call(&["create", &id]).success();
            let second: serde_json::Value =
                serde_json::from_str(&stage.call(&["state", &id]).success()).expect("a state");
            assert_ne!(second["pid"], first);
            assert_eq!(stage.status(), "running");
        }),
    ]
}

fn bad_id(id: &'static str) -> Case {
    let name = match id {
        "../escape" => "id-parent",
        "with/slash" => "id-slash",
        "" => "id-empty",
        "." => "id-dot",
        _ => "id-dots",
    };
    must(name, format!("The id {id:?} is refused."), move |stage: &mut Stage| {
        stage.write_config();
        let bundle = stage.bundle().to_string_lossy().into_owned();
        assert_ne!(stage.call(&["create", "--bundle", &bundle, id]).code, 0);
    })
}
