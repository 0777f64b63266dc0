//! config.md, "Mounts", without the options that every mount may have.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::case::{Case, Section, must, should};
use crate::machine::Need;
use crate::sections::mount_options::host_mount;
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases = order_and_destination();
    cases.extend(binds());
    cases.extend(file_systems());
    cases.extend(id_maps());
    Section::new("config.md", "Mounts", cases)
}

fn order_and_destination() -> Vec<Case> {
    vec![
        must(
            "listed-order",
            "Mounts are made in the listed order: the later one is on top.",
            order,
        ),
        must("order-hides", "A later mount hides an earlier one below it.", |stage| {
            let source = stage.folder("source");
            stage.bind(&source, "/over/inner", &["bind"]);
            stage.mount("tmpfs", "tmpfs", "/over", &[]);
            assert_eq!(stage.sh("ls /over | wc -l"), "0");
        }),
        must("destination-made", "A destination that is missing is made.", |stage| {
            stage.mount("tmpfs", "tmpfs", "/a/b/c", &[]);
            assert_eq!(stage.look().mount("/a/b/c").kind, "tmpfs");
        }),
        must("relative-destination", "A relative destination starts at /.", |stage| {
            stage.mount("tmpfs", "tmpfs", "a/relative", &[]);
            assert_eq!(stage.look().mount("/a/relative").kind, "tmpfs");
        })
        .since(2),
        must(
            "destination-in-root",
            "A destination lies inside the root, whatever links lead to.",
            links,
        ),
        must(
            "destination-dots",
            "Parent folders in a destination do not lead out of the root.",
            |stage| {
                stage.mount("tmpfs", "tmpfs", "/var/../../../../dots", &[]);
                assert_eq!(stage.look().mount("/dots").kind, "tmpfs");
            },
        ),
        must("destination-required", "A mount without a destination is refused.", |stage| {
            stage.push("/mounts", json!({"type": "tmpfs", "source": "tmpfs"})).refused();
        }),
    ]
}

fn binds() -> Vec<Case> {
    vec![
        must("bind-directory", "A directory of the host is bound, with its content.", |stage| {
            let source = stage.folder("source");
            fs::write(format!("{source}/file"), "content").expect("write a file");
            stage.bind(&source, "/data", &["bind"]);
            assert_eq!(stage.sh("cat /data/file; echo new >/data/new"), "content");
            assert!(fs::exists(format!("{source}/new")).is_ok_and(|there| there), "not the same");
        }),
        must("bind-file", "A file of the host is bound.", |stage| {
            let source = stage.file("source", "content");
            stage.bind(&source, "/etc/config", &["bind"]);
            assert_eq!(stage.sh("cat /etc/config"), "content");
        }),
        must("bind-relative", "A relative source of a bind starts at the bundle.", |stage| {
            fs::write(stage.bundle().join("beside"), "content").expect("write a file");
            stage.bind("beside", "/etc/config", &["bind"]);
            assert_eq!(stage.sh("cat /etc/config"), "content");
        }),
        must(
            "bind-any-type",
            "An option bind makes it a bind mount, whatever the type says.",
            |stage| {
                let source = stage.file("source", "content");
                stage.mount("tmpfs", &source, "/etc/config", &["bind"]);
                assert_eq!(stage.sh("cat /etc/config"), "content");
            },
        ),
        must("bind-no-type", "A bind mount needs no type.", |stage| {
            let source = stage.file("source", "content");
            let mount = json!({"destination": "/c", "source": source, "options": ["rbind"]});
            stage.push("/mounts", mount);
            assert_eq!(stage.sh("cat /c"), "content");
        }),
        must("bind-flat", "bind does not bring the mounts below its source.", |stage| {
            bound_tree(stage, "bind");
            assert_eq!(stage.sh("ls /tree/inner"), "");
        }),
        must("rbind", "rbind brings the mounts below its source.", |stage| {
            bound_tree(stage, "rbind");
            assert_eq!(stage.sh("ls /tree/inner"), "deep");
        }),
        must("bind-missing-source", "A bind of what is not there makes an error.", |stage| {
            stage.bind("/nowhere/at/all", "/data", &["bind"]).refused();
        }),
    ]
}

fn file_systems() -> Vec<Case> {
    vec![
        must("tmpfs", "A tmpfs takes its size, mode and owner.", |stage| {
            stage.mount("tmpfs", "x", "/t", &["size=1024k", "mode=1750", "uid=5", "gid=6"]);
            let seen = stage.sh("stat -c '%a %u %g' /t; df -k /t | tail -n 1 | awk '{print $2}'");
            assert_eq!(seen, "1750 5 6\n1024");
        }),
        should(
            "unknown-option",
            "Options unknown to the runtime go to the file system.",
            |stage| {
                stage.mount("tmpfs", "tmpfs", "/t", &["nr_inodes=77"]);
                let options = stage.look().mount("/t").super_options;
                assert!(options.iter().any(|option| option == "nr_inodes=77"), "{options:?}");
            },
        ),
        must("bad-option", "An option that the file system refuses makes an error.", |stage| {
            stage.mount("tmpfs", "tmpfs", "/t", &["no_such_option=1"]).refused();
        }),
        must("unknown-type", "A file system that the kernel lacks makes an error.", |stage| {
            stage.mount("no-such-fs", "none", "/t", &[]).refused();
        }),
        must("proc", "The proc file system is that of the container's own processes.", |stage| {
            assert_eq!(stage.sh("cat /proc/1/comm"), "cat");
        }),
        must("source-name", "The source of a mount is told in the mount table.", |stage| {
            stage.mount("tmpfs", "a-name", "/t", &[]);
            assert_eq!(stage.look().mount("/t").source, "a-name");
        }),
        must("cgroup", "A mount of type cgroup shows the container's cgroups.", |stage| {
            let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
            stage.mount("cgroup", "cgroup", "/sys/fs/cgroup", &options);
            let file = if stage.machine().is_pure_v2() { "" } else { "pids/" };
            let folder = format!("/sys/fs/cgroup/{file}");
            let script = format!("grep -c . {folder}cgroup.procs; mkdir {folder}x 2>&1");
            let seen = stage.script(&script).run().stdout;
            assert!(seen.starts_with(['1', '2', '3']) && seen.contains("Read-only"), "{seen}");
        }),
        should("tmpcopyup", "tmpcopyup copies what the tmpfs would hide.", |stage| {
            stage.mount("tmpfs", "tmpfs", "/etc", &["tmpcopyup"]);
            assert_eq!(stage.sh("cut -d: -f1 /etc/passwd; touch /etc/new"), "root");
            assert!(!stage.rootfs().join("etc/new").exists(), "it is not a tmpfs");
        }),
    ]
}

fn id_maps() -> Vec<Case> {
    let shift = || json!([{"containerID": 0, "hostID": 1000, "size": 100}]);
    let mapped = move |option: &'static str| {
        move |stage: &mut Stage| {
            let source = stage.folder("source");
            fs::write(format!("{source}/file"), "").expect("write a file");
            let mount = json!({"destination": "/m", "source": source, "options": ["rbind", option],
            "uidMappings": shift(), "gidMappings": shift()});
            stage.push("/mounts", mount);
            assert_eq!(stage.sh("stat -c %u:%g /m/file"), "1000:1000");
        }
    };
    let lonely = |missing: &'static str| {
        move |stage: &mut Stage| {
            let source = stage.folder("source");
            let mut mount = json!({"destination": "/m", "source": source, "options": ["bind", "idmap"],
            "uidMappings": shift(), "gidMappings": shift()});
            mount.as_object_mut().expect("an object").remove(missing);
            stage.push("/mounts", mount).refused();
        }
    };
    vec![
        should("idmap", "idmap shows owners by the mount's own mappings.", mapped("idmap"))
            .since(2)
            .needs(Need::IdMappedFolder),
        should("ridmap", "ridmap does the same, recursively.", mapped("ridmap"))
            .since(2)
            .needs(Need::IdMappedFolder),
        must(
            "idmap-no-mapping",
            "idmap without any mappings, and without a user namespace, makes an error.",
            |stage| {
                let source = stage.folder("source");
                stage.bind(&source, "/m", &["bind", "idmap"]).refused();
            },
        )
        .since(2),
        must(
            "idmap-no-gids",
            "Mappings of users without mappings of groups make an error.",
            lonely("gidMappings"),
        )
        .since(1),
        must(
            "idmap-no-uids",
            "Mappings of groups without mappings of users make an error.",
            lonely("uidMappings"),
        )
        .since(1),
    ]
}

fn order(stage: &mut Stage) {
    let file = stage.file("file", "on top");
    stage.mount("tmpfs", "tmpfs", "/over", &[]);
    stage.bind(&file, "/over/file", &["bind"]);
    stage.mount("tmpfs", "tmpfs", "/over/inner", &[]);
    assert_eq!(stage.sh("cat /over/file; ls /over"), "on topfile\ninner");
}

fn links(stage: &mut Stage) {
    let outside = stage.folder("outside");
    symlink(&outside, stage.rootfs().join("absolute")).expect("make a link");
    symlink("../../../../../../var", stage.rootfs().join("relative")).expect("make a link");
    stage.mount("tmpfs", "tmpfs", "/absolute/one", &[]);
    stage.mount("tmpfs", "tmpfs", "/relative/two", &[]);
    // Refusing such a root is as good.
    let outcome = stage.args(&["ls", "/var"]).run();
    assert!(outcome.code != 0 || outcome.stdout.contains("two"), "{outcome}");
    let entries = fs::read_dir(&outside).expect("list the folder").count();
    assert_eq!(entries, 0, "the runtime wrote to {outside}");
}

/// Binds a folder that has a tmpfs at `inner`.
fn bound_tree(stage: &mut Stage, option: &str) {
    let source = stage.folder("source");
    let inner = stage.folder("source/inner");
    host_mount(&["-t", "tmpfs", "tmpfs", &inner]);
    fs::write(format!("{inner}/deep"), "").expect("write a file");
    stage.bind(&source, "/tree", &[option]);
}
