//! config-linux.md, "Readonly Paths".

use serde_json::json;

use crate::case::{Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases = vec![
        must("directory", "Nothing can be written below a read-only directory.", |stage| {
            let said = readonly(stage, "/var", "touch /var/new 2>&1; true");
            assert!(said.contains("Read-only"), "{said}");
        }),
        must("file", "A read-only file cannot be written.", |stage| {
            let said = readonly(stage, "/marker", "(echo x >/marker) 2>&1; cat /marker");
            assert!(said.contains("Read-only") && said.ends_with("the root"), "{said}");
        }),
        must("readable", "What lies below can be read.", |stage| {
            assert_eq!(readonly(stage, "/etc", "cut -d: -f1 /etc/passwd"), "root");
        }),
        must("proc-sys", "A read-only /proc/sys takes no values.", |stage| {
            let said =
                readonly(stage, "/proc/sys", "(echo 1 >/proc/sys/net/ipv4/ip_forward) 2>&1; true");
            assert!(said.contains("Read-only"), "{said}");
        }),
        must(
            "mounts-below",
            "Mounts below a read-only path are read-only, or stay as they are listed.",
            |stage| {
                stage.mount("tmpfs", "tmpfs", "/var/m", &[]);
                assert_eq!(readonly(stage, "/var", "ls -d /var/m"), "/var/m");
            },
        ),
        must("flags-kept", "A read-only path keeps the other options of its mount.", |stage| {
            stage.mount("tmpfs", "tmpfs", "/m", &["nosuid", "nodev", "noexec"]);
            stage.set("/linux/readonlyPaths", json!(["/m"]));
            let mount = stage.look().mount("/m");
            assert!(
                ["ro", "nosuid", "nodev", "noexec"].iter().all(|word| mount.has(word)),
                "{mount:?}"
            );
        }),
        should("missing", "A path that is not there is no error.", |stage| {
            assert_eq!(readonly(stage, "/no/such/path", "echo ran"), "ran");
        }),
        must("relative", "A path that is not absolute is refused.", |stage| {
            stage.set("/linux/readonlyPaths", json!(["var"])).refused();
        }),
    ];
    Section::new("config-linux.md", "Readonly paths", cases)
}

fn readonly(stage: &mut Stage, path: &str, script: &str) -> String {
    stage.set("/linux/readonlyPaths", json!([path]));
    stage.sh(script)
}
