//! runtime.md, "Lifecycle": what the failure of a hook does.

use std::fs;

use crate::case::{Case, Section, must};
use crate::sections::hooks::{hook, version_of};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> =
        ["prestart", "createRuntime", "createContainer"].map(at_create).into();
    cases.extend([
        must(
            "startContainer",
            "A startContainer hook that fails makes start fail, and the process never runs.",
            |stage| {
                hook(stage, "startContainer", "exit 7");
                stage.create();
                let id = stage.id.clone();
                let code = stage.call(&["start", &id]).code;
                // The hook runs in the container: some learn of its failure by the end of the container alone.
                if code == 0 {
                    stage.until_status("stopped");
                    panic!("start told of success");
                }
                assert!(!stage.rootfs().join("ran").exists(), "the process ran");
            },
        )
        .since(1),
        must(
            "poststart",
            "A poststart hook that fails makes start fail and ends the container.",
            |stage| {
                hook(stage, "poststart", "exit 7");
                stage.args(&["sleep", "1000"]).create();
                let id = stage.id.clone();
                assert_ne!(stage.call(&["start", &id]).code, 0, "start told of success");
                let state = stage.call(&["state", &id]);
                assert!(state.code != 0 || state.stdout.contains("stopped"), "{state}");
            },
        )
        .since(1),
        must(
            "poststop-warned",
            "A poststop hook that fails is a warning; the container is deleted.",
            |stage| {
                hook(stage, "poststop", "exit 7");
                stage.args(&["true"]).create();
                stage.start();
                stage.until_status("stopped");
                stage.delete();
                assert!(stage.log().contains("hook"), "no warning: {}", stage.log());
            },
        ),
        must("poststop-rest", "The poststop hooks after one that failed are called.", |stage| {
            let list = stage.file("list", "");
            hook(stage, "poststop", "exit 7");
            hook(stage, "poststop", &format!("echo called >>{list}"));
            stage.args(&["true"]).create();
            stage.start();
            stage.until_status("stopped");
            stage.delete();
            assert_eq!(fs::read_to_string(list).expect("read the list"), "called\n");
        }),
        must(
            "poststop-after-failure",
            "When a hook of create fails, the poststop hooks are called.",
            |stage| {
                let list = stage.file("list", "");
                hook(stage, "prestart", "exit 7");
                hook(stage, "poststop", &format!("echo called >>{list}"));
                assert_ne!(stage.create_outcome().code, 0);
                assert_eq!(fs::read_to_string(list).expect("read the list"), "called\n");
            },
        ),
    ]);
    Section::new("runtime.md", "Failing hooks", cases)
}

fn at_create(kind: &'static str) -> Case {
    let rule = format!("A {kind} hook that fails makes create fail, and nothing is left.");
    must(kind, rule, move |stage: &mut Stage| {
        let list = stage.file("list", "");
        hook(stage, kind, "exit 7");
        hook(stage, kind, &format!("echo called >>{list}"));
        assert_ne!(stage.create_outcome().code, 0, "create told of success");
        stage.assert_no_container();
        assert!(!stage.configured_cgroup("pids").exists(), "a cgroup is left");
        assert_eq!(
            fs::read_to_string(list).expect("read the list"),
            "",
            "the next hook was called"
        );
    })
    .since(version_of(kind))
}
