//! config-linux.md, "Default Filesystems".

use crate::case::{Case, Section, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let table = [
        ("/proc", "proc"),
        ("/sys", "sysfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
    ];
    let mut cases: Vec<Case> = table
        .map(|(place, kind)| {
            let rule = format!("{place} is of type {kind} when the config mounts it.");
            should(kind_name(place), rule, move |stage: &mut Stage| {
                assert_eq!(stage.look().mount(place).kind, kind);
            })
        })
        .into();
    cases.extend([
        should("shm-works", "Shared memory can be used by every user.", |stage| {
            assert_eq!(
                stage.sh("stat -c %a /dev/shm; echo x >/dev/shm/file; cat /dev/shm/file"),
                "1777\nx"
            );
        }),
        should("pts-own", "The terminals in /dev/pts are the container's own.", |stage| {
            assert_eq!(stage.sh("ls /dev/pts"), "ptmx");
        }),
        should(
            "sys-network",
            "/sys shows the interfaces of the container's network namespace.",
            |stage| {
                assert_eq!(stage.sh("ls /sys/class/net"), "lo");
            },
        ),
        should("nothing-else", "Nothing is mounted that the config does not list.", nothing_else),
    ]);
    Section::new("config-linux.md", "Default filesystems", cases)
}

fn kind_name(place: &str) -> String {
    place.trim_start_matches('/').replace('/', "-")
}

fn nothing_else(stage: &mut Stage) {
    let mut seen: Vec<String> =
        stage.look().mounts().into_iter().map(|mount| mount.place).collect();
    seen.sort();
    assert_eq!(seen, ["/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/proc", "/sys"]);
}
