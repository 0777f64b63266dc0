//! config-linux.md, "Default Devices".

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

const DEVICES: [(&str, &str); 6] = [
    ("null", "1:3"),
    ("zero", "1:5"),
    ("full", "1:7"),
    ("random", "1:8"),
    ("urandom", "1:9"),
    ("tty", "5:0"),
];

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> = DEVICES
        .map(|(name, numbers)| {
            must(name, format!("/dev/{name} is there, for everybody."), move |stage: &mut Stage| {
                let seen = stage.sh(&format!("stat -c '%t:%T %a' /dev/{name}"));
                assert_eq!(seen, format!("{numbers} 666"));
            })
        })
        .into();
    cases.extend([
        must("ptmx", "/dev/ptmx is that of the container's /dev/pts.", |stage| {
            let seen = stage.sh("readlink /dev/ptmx; stat -L -c %t:%T /dev/ptmx");
            assert!(seen.ends_with("5:2"), "{seen}");
            assert!(seen.contains("pts/ptmx\n") || seen == "5:2", "{seen}");
        }),
        must("usable", "The default devices can be read and written.", |stage| {
            let script = "echo x >/dev/null && head -c 2 /dev/zero | wc -c && head -c 3 /dev/urandom | wc -c; \
                          echo x 2>/dev/null >/dev/full || echo full";
            assert_eq!(stage.sh(script), "2\n3\nfull");
        }),
        should("links", "The links of a usual /dev are there.", |stage| {
            let seen = stage.sh("for l in fd stdin stdout stderr; do readlink /dev/$l; done");
            assert_eq!(seen, "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2");
        }),
        must("no-console", "Without a terminal, there is no terminal at /dev/console.", |stage| {
            assert_eq!(stage.sh("test -e /dev/console && echo there; true"), "");
        }),
        must("others-hidden", "No other device of the machine is there.", |stage| {
            let seen = stage.sh("find /dev -type c -o -type b | sort | tr '\\n' ' '");
            let expected = "/dev/full /dev/null /dev/ptmx /dev/pts/ptmx /dev/random /dev/tty /dev/urandom /dev/zero";
            let seen: Vec<&str> = seen.split_whitespace().collect();
            assert!(seen.iter().all(|path| expected.split(' ').any(|known| known == *path)), "{seen:?}");
        }),
    ]);
    Section::new("config-linux.md", "Default devices", cases)
}
