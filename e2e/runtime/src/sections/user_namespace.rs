//! config-linux.md, "User namespace mappings".

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use serde_json::json;

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

/// The host's id of the container's root.
const FIRST: u32 = 100_000;

pub(super) fn section() -> Section {
    let mut cases = mappings();
    cases.extend(borders());
    Section::new("config-linux.md", "User namespace mappings", cases)
}

fn mappings() -> Vec<Case> {
    vec![
        must("new", "A user namespace without a path is a new one.", |stage| {
            let seen = mapped(stage).look();
            let own = fs::read_link("/proc/self/ns/user").expect("our own");
            assert_ne!(seen.namespace("user"), own.to_string_lossy());
        }),
        must("uid-map", "uidMappings is the namespace's map of users.", |stage| {
            assert_eq!(mapped(stage).look().text("/uid_map"), "0 100000 65536");
        }),
        must("gid-map", "gidMappings is the namespace's map of groups.", |stage| {
            assert_eq!(mapped(stage).look().text("/gid_map"), "0 100000 65536");
        }),
        must("several-mappings", "Several mappings are all written.", |stage| {
            mapped(stage);
            let several = json!([{"containerID": 0, "hostID": FIRST, "size": 10},
                {"containerID": 10, "hostID": 5000, "size": 1}, {"containerID": 1000, "hostID": FIRST + 1000, "size": 7}]);
            stage.set("/linux/uidMappings", several);
            assert_eq!(stage.look().text("/uid_map"), "0 100000 10\n10 5000 1\n1000 101000 7");
        }),
        must("host-id", "On the host, the process has the mapped user and group.", |stage| {
            mapped(stage).set("/process/user", json!({"uid": 7, "gid": 8}));
            stage.background();
            let path = format!("/proc/{}", stage.pid());
            let status = fs::read_to_string(format!("{path}/status")).expect("read the status");
            assert!(status.contains("Uid:\t100007\t"), "{status}");
            assert!(status.contains("Gid:\t100008\t"), "{status}");
        }),
        must("root-inside", "The process is root inside, with the listed capabilities.", |stage| {
            let seen = mapped(stage).look();
            assert!(seen.status("Uid").starts_with("0 "), "{}", seen.status("Uid"));
            assert_ne!(seen.capabilities("CapEff"), 0);
        }),
        must("no-power-outside", "Root inside has no power over the host's root.", |stage| {
            let secret = stage.file("secret", "secret");
            fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .expect("close it");
            mapped(stage).bind(&secret, "/secret", &["bind"]);
            let said = stage.sh("cat /secret 2>&1; chown 0 /secret 2>&1; true");
            assert!(said.contains("Permission denied") && !said.contains("secret\n"), "{said}");
        }),
        must("owns-others", "The user namespace owns the container's other namespaces.", |stage| {
            mapped(stage).set("/process/capabilities/effective", json!(["CAP_NET_ADMIN"]));
            for set in ["bounding", "permitted"] {
                stage.set(&format!("/process/capabilities/{set}"), json!(["CAP_NET_ADMIN"]));
            }
            assert_eq!(stage.sh("ip link set lo mtu 1400; cat /sys/class/net/lo/mtu"), "1400");
        }),
    ]
}

fn borders() -> Vec<Case> {
    vec![
        must("joined", "A user namespace with a path is the one at that path.", joined),
        should(
            "ownership-kept",
            "The runtime leaves the owners in the root as they are.",
            |stage| {
                fs::write(stage.rootfs().join("of-root"), "").expect("write a file");
                mapped(stage).sh("true");
                let owner = fs::metadata(stage.rootfs().join("of-root")).expect("stat it").uid();
                assert_eq!(owner, 0);
            },
        ),
        must("devices", "The default devices work in a user namespace.", |stage| {
            assert_eq!(mapped(stage).sh("echo x >/dev/null && head -c 4 /dev/zero | wc -c"), "4");
        }),
        must("groups", "Additional groups work in a user namespace.", |stage| {
            mapped(stage)
                .set("/process/user", json!({"uid": 1, "gid": 1, "additionalGids": [5, 6]}));
            let groups = stage.look().status("Groups").to_owned();
            assert!(groups.contains('5') && groups.contains('6'), "{groups}");
        }),
        must("unmapped-user", "A user without a mapping makes an error.", |stage| {
            mapped(stage).set("/process/user", json!({"uid": 70_000, "gid": 0})).refused();
        }),
        must("overlapping", "Mappings that the kernel refuses make an error.", |stage| {
            mapped(stage);
            let twice = json!([{"containerID": 0, "hostID": FIRST, "size": 10}, {"containerID": 5, "hostID": FIRST, "size": 10}]);
            stage.set("/linux/uidMappings", twice).refused();
        }),
    ]
}

/// Puts the container into a user namespace whose root may use the root file system.
fn mapped(stage: &mut Stage) -> &mut Stage {
    let rootfs = stage.rootfs();
    for name in ["", "tmp", "var", "etc", "dev", "proc", "sys"] {
        chown(rootfs.join(name), Some(FIRST), Some(FIRST)).expect("give the folder away");
    }
    let map = json!([{"containerID": 0, "hostID": FIRST, "size": 65536}]);
    stage.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    stage.push("/linux/namespaces", json!({"type": "user"}))
}

fn joined(stage: &mut Stage) {
    mapped(stage).background();
    let pid = stage.pid();
    let link = fs::read_link(format!("/proc/{pid}/ns/user")).expect("read the namespace");
    // A second container, in the namespace of the first.
    let id = format!("{}-second", stage.id);
    stage.also(&id);
    let mut config = stage.config.clone();
    config["linux"]["cgroupsPath"] = json!(format!("/gantry-conformance/{id}"));
    config["process"]["args"] = json!(["readlink", "/proc/self/ns/user"]);
    for namespace in config["linux"]["namespaces"].as_array_mut().expect("a list") {
        if namespace["type"] == "user" {
            namespace["path"] = json!(format!("/proc/{pid}/ns/user"));
        }
    }
    let linux = config["linux"].as_object_mut().expect("an object");
    linux.remove("uidMappings");
    linux.remove("gidMappings");
    write(&stage.bundle(), &config);
    assert_eq!(stage.call(&["run", &id]).success(), link.to_string_lossy());
}

fn write(bundle: &Path, config: &serde_json::Value) {
    fs::write(bundle.join("config.json"), config.to_string()).expect("write the config");
}
