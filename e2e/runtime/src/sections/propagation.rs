//! config-linux.md, "Rootfs Mount Propagation".

use std::fs;

use serde_json::json;

use crate::case::{Section, must, should};
use crate::sections::mount_options::host_mount;
use crate::stage::{Mount, Stage};

pub(super) fn section() -> Section {
    let cases = vec![
        must("shared", "A shared root is of a peer group of its own.", |stage| {
            let root = root_with(stage, "shared");
            assert!(root.propagation.iter().any(|tag| tag.starts_with("shared:")), "{root:?}");
            assert!(!root.propagation.iter().any(|tag| tag.starts_with("master:")), "{root:?}");
        }),
        must("slave", "A slave root is told of mounts by the host.", |stage| {
            let root = root_with(stage, "slave");
            assert!(root.propagation.iter().any(|tag| tag.starts_with("master:")), "{root:?}");
        }),
        should("rslave", "The recursive form, which engines write, does the same.", |stage| {
            let root = root_with(stage, "rslave");
            assert!(root.propagation.iter().any(|tag| tag.starts_with("master:")), "{root:?}");
        }),
        should("rshared", "So does that of shared.", |stage| {
            let root = root_with(stage, "rshared");
            assert!(root.propagation.iter().any(|tag| tag.starts_with("shared:")), "{root:?}");
        }),
        must("private", "A private root has no peers.", |stage| {
            assert_eq!(root_with(stage, "private").propagation, Vec::<String>::new());
        }),
        must("unbindable", "An unbindable root cannot be bound.", |stage| {
            assert_eq!(root_with(stage, "unbindable").propagation, ["unbindable"]);
        }),
        must("unknown", "A word that does not exist is refused.", |stage| {
            stage.set("/linux/rootfsPropagation", json!("teapot")).refused();
        }),
        must(
            "slave-receives",
            "What the host mounts in a slave root appears in the container.",
            |stage| {
                appears(stage, "slave", true);
            },
        ),
        should("rslave-receives", "So it does with the recursive form.", |stage| {
            appears(stage, "rslave", true);
        }),
        must(
            "private-receives-not",
            "What the host mounts in a private root does not appear.",
            |stage| {
                appears(stage, "private", false);
            },
        ),
        must(
            "slave-tells-not",
            "What the container mounts in a slave root does not appear on the host.",
            |stage| {
                shared_root(stage);
                stage.set("/linux/rootfsPropagation", json!("slave"));
                for set in ["bounding", "effective", "permitted"] {
                    stage.set(&format!("/process/capabilities/{set}"), json!(["CAP_SYS_ADMIN"]));
                }
                stage.background();
                stage.exec(&["mount", "-t", "tmpfs", "from-inside", "/var"]);
                let table = fs::read_to_string("/proc/self/mountinfo").expect("read our mounts");
                assert!(!table.contains("from-inside"), "it is mounted here");
            },
        ),
    ];
    Section::new("config-linux.md", "Rootfs mount propagation", cases)
}

/// Lets the root lie in a mount that is shared on the host, as it does on ordinary machines.
fn shared_root(stage: &mut Stage) {
    let bundle = stage.bundle().to_string_lossy().into_owned();
    host_mount(&["--bind", &bundle, &bundle]);
    host_mount(&["--make-shared", &bundle]);
}

fn root_with(stage: &mut Stage, word: &str) -> Mount {
    shared_root(stage);
    stage.set("/linux/rootfsPropagation", json!(word));
    stage.look().mount("/")
}

fn appears(stage: &mut Stage, word: &str, expected: bool) {
    shared_root(stage);
    stage.set("/linux/rootfsPropagation", json!(word));
    stage.background();
    let place = stage.rootfs().join("var").to_string_lossy().into_owned();
    host_mount(&["-t", "tmpfs", "from-outside", &place]);
    let table = stage.exec(&["cat", "/proc/self/mountinfo"]);
    assert_eq!(table.contains("from-outside"), expected, "{table}");
}
