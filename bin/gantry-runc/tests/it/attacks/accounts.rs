//! Account files, ids and capabilities. The rules: `passwd` and `group` are read through the root's descriptor, up to a limit, and only when
//! they are ordinary files; ids are 32 bits and never the one that means "no change"; nothing is inheritable unless the document says so.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bed::Bed;

/// Account files of any size or kind must neither fill the memory nor stop the runtime. Stopped by: a limit, `O_NONBLOCK`, and a look at
/// what was opened.
#[test]
fn strange_account_files_are_refused_quickly() {
    let fifo: fn(&std::path::Path) = |path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let huge: fn(&std::path::Path) =
        |path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    let directory: fn(&std::path::Path) = |path| fs::create_dir(path).unwrap();
    let zeroes: fn(&std::path::Path) = |path| {
        let (mode, number) = (rustix::fs::Mode::from_raw_mode(0o600), rustix::fs::makedev(1, 5));
        let kind = rustix::fs::FileType::CharacterDevice;
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, number).unwrap();
    };
    for (make, words) in [
        (fifo, "not a regular file"),
        (huge, "larger than"),
        (directory, "not a regular file"),
        (zeroes, "not a regular file"),
    ] {
        let mut bed = Bed::new();
        make(&bed.rootfs().join("etc/passwd"));
        bed.set("/process/user", json!({"username": "web"}));
        let message = bed.run_err();
        assert!(message.contains("read the container's /etc/passwd"), "{message}");
        assert!(message.contains(words), "{message}");
        bed.check_nothing_left();
    }
    // A link out of the root finds the root's own file, which is not there.
    let mut bed = Bed::new();
    symlink("../../../../../../../etc/passwd", bed.rootfs().join("etc/passwd")).unwrap();
    bed.set("/process/user", json!({"username": "root"}));
    bed.run_err();
}

/// Ids that wrap around to root (CVE-2026-30892 and its kin). Stopped by: ids are parsed as 32 bits, and the highest is refused wherever it
/// comes from.
#[test]
fn ids_that_would_become_root_are_refused() {
    let passwd = "far:x:4294967295:0::/:/bin/sh\nover:x:4294967296:0::/:/bin/sh\nminus:x:-1:0::/:/bin/sh\n\
                  group:x:1:4294967295::/:/bin/sh\n";
    for user in [
        "far",
        "over",
        "minus",
        "group",
        "4294967295",
        "4294967296",
        "-1",
        "0:4294967295",
        "1:-1",
        "0x0",
    ] {
        let mut bed = Bed::new();
        fs::write(bed.rootfs().join("etc/passwd"), passwd).unwrap();
        bed.set("/process/user", json!({"username": user}));
        bed.run_err();
        bed.check_nothing_left();
    }
    for document in [
        json!({"uid": u32::MAX, "gid": 0}),
        json!({"uid": 0, "gid": u32::MAX}),
        json!({"uid": 1, "gid": 1, "additionalGids": [u32::MAX]}),
        json!({"uid": -1, "gid": 0}),
        json!({"uid": 4_294_967_296_u64, "gid": 0}),
    ] {
        let mut bed = Bed::new();
        bed.set("/process/user", document);
        bed.run_err();
        bed.check_nothing_left();
    }
}

/// Inheritable capabilities let a program gain rights by an exec (CVE-2022-24769, CVE-2022-27650; by `exec --cap` CVE-2022-29162). Stopped
/// by: the inheritable set is the document's, and empty without one; ambient ones need it.
#[test]
fn nothing_is_inheritable_unasked() {
    let mut bed = Bed::new();
    bed.set("/process/capabilities/ambient", json!(["CAP_CHOWN"]));
    bed.script("grep -E 'CapInh|CapAmb' /proc/self/status; exec sleep 1000");
    let none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n";
    bed.start();
    let shown = ["grep", "-E", "CapInh|CapAmb", "/proc/self/status"];
    assert_eq!(bed.ok(&[&["exec", &bed.id], &shown[..]].concat()), none);
    assert_eq!(bed.ok(&[&["exec", "--cap", "CAP_NET_RAW", &bed.id], &shown[..]].concat()), none);
    let first = ["exec", &bed.id, "grep", "-E", "CapInh|CapAmb", "/proc/1/status"];
    assert_eq!(bed.ok(&first), none);
}
