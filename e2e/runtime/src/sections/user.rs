//! config.md, "POSIX-platform User".

use serde_json::{Value, json};

use crate::case::{Case, Section, must, should};
use crate::stage::{Seen, Stage};

pub(super) fn section() -> Section {
    let mut cases = ids();
    cases.extend(borders());
    Section::new("config.md", "User", cases)
}

fn ids() -> Vec<Case> {
    vec![
        must("uid", "All four user ids are the given one.", |stage| {
            assert_eq!(
                as_user(stage, json!({"uid": 1234, "gid": 0})).status("Uid"),
                "1234 1234 1234 1234"
            );
        }),
        must("gid", "All four group ids are the given one.", |stage| {
            assert_eq!(
                as_user(stage, json!({"uid": 0, "gid": 4321})).status("Gid"),
                "4321 4321 4321 4321"
            );
        }),
        must("largest-id", "The largest id works.", |stage| {
            let seen = as_user(stage, json!({"uid": 4_294_967_294_u32, "gid": 1}));
            assert!(seen.status("Uid").starts_with("4294967294"), "{}", seen.status("Uid"));
        }),
        must("additional-groups", "The additional groups are the listed ones.", |stage| {
            let seen =
                as_user(stage, json!({"uid": 1000, "gid": 1000, "additionalGids": [5, 6, 70000]}));
            let mut groups: Vec<u32> =
                seen.status("Groups").split(' ').map(|g| g.parse().expect("a number")).collect();
            groups.retain(|group| *group != 1000);
            groups.sort_unstable();
            assert_eq!(groups, [5, 6, 70000]);
        }),
        must(
            "no-additional-groups",
            "Without a list, nothing of the runtime's groups comes along.",
            |stage| {
                let seen = as_user(stage, json!({"uid": 1000, "gid": 1000}));
                assert!(["", "1000"].contains(&seen.status("Groups")), "{}", seen.status("Groups"));
            },
        ),
        must("umask", "The umask is the given one.", |stage| {
            assert_eq!(
                as_user(stage, json!({"uid": 0, "gid": 0, "umask": 0o27})).status("Umask"),
                "0027"
            );
        })
        .since(1),
        must("umask-zero", "A umask of 0 is one, too.", |stage| {
            assert_eq!(
                as_user(stage, json!({"uid": 0, "gid": 0, "umask": 0})).status("Umask"),
                "0000"
            );
        })
        .since(1),
    ]
}

fn borders() -> Vec<Case> {
    vec![
        must("negative-id", "An id below 0 is refused.", |stage| {
            stage.set("/process/user", json!({"uid": -1, "gid": 0})).refused();
        }),
        must("id-too-large", "An id that does not fit in 32 bits is refused.", |stage| {
            stage.set("/process/user", json!({"uid": 4_294_967_296_u64, "gid": 0})).refused();
        }),
        must("unknown-user", "A user needs no entry in the container's passwd.", |stage| {
            assert!(
                as_user(stage, json!({"uid": 54321, "gid": 54321}))
                    .status("Uid")
                    .starts_with("54321")
            );
        }),
        should("home", "HOME is the user's directory in the container's passwd.", |stage| {
            let path = stage.rootfs().join("etc/passwd");
            std::fs::write(path, "web:x:33:33::/var:/bin/sh\n").expect("write passwd");
            assert_eq!(as_user(stage, json!({"uid": 33, "gid": 33})).text("/env/HOME"), "/var");
        }),
        should("home-kept", "A HOME in the environment stays as it is.", |stage| {
            stage.set("/process/env", json!(["PATH=/bin", "HOME=/mine"]));
            assert_eq!(as_user(stage, json!({"uid": 0, "gid": 0})).text("/env/HOME"), "/mine");
        }),
    ]
}

fn as_user(stage: &mut Stage, user: Value) -> Seen {
    stage.set("/process/user", user);
    stage.look()
}
