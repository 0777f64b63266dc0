//! Roots whose makers mean harm: nothing outside is read, and nothing takes for ever.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};

use gantry_inventory::{Error, take};

use crate::databases::{of, program, write};

/// What this thread has read so far, from whatever it was (`proc_pid_io(5)`).
pub(crate) fn bytes_read() -> u64 {
    let all = fs::read_to_string("/proc/thread-self/io").unwrap();
    let read = all.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.unwrap().parse().unwrap()
}

#[test]
fn links_do_not_lead_out() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let status = "Package: secret\nStatus: install ok installed\nVersion: 1\n";
    write(outside.path(), "status", status);
    write(outside.path(), "x.dist-info/METADATA", "Name: secret\nVersion: 1\n");
    fs::create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
    symlink(outside.path().join("status"), root.path().join("var/lib/dpkg/status")).unwrap();
    symlink(outside.path(), root.path().join("lib")).unwrap();
    assert!(of(root.path()).packages.is_empty());
    // Within the root they lead where they say.
    write(root.path(), "elsewhere/status", status);
    fs::remove_file(root.path().join("var/lib/dpkg/status")).unwrap();
    symlink("/elsewhere/status", root.path().join("var/lib/dpkg/status")).unwrap();
    assert_eq!(of(root.path()).packages.len(), 1);
}

#[test]
fn what_makes_no_sense_says_nothing() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "var/lib/dpkg/status", [0xff_u8; 100]);
    write(root.path(), "lib/apk/db/installed", "P:\nV:\n\n\n\nV:1\n");
    write(root.path(), "app/node_modules/x/package.json", "[");
    write(root.path(), "app/package-lock.json", r#"{"packages":[1],"dependencies":7}"#);
    write(root.path(), "Cargo.lock", "[[package]]\nname\n[[package]]\n");
    let whole = program(br#"{"packages":[{"name":"x"}]}"#);
    for cut in [6, 63, 70, whole.len() - 1] {
        write(root.path(), &format!("bin/{cut}"), &whole[..cut]);
    }
    let mut far = whole.clone();
    far[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    write(root.path(), "bin/far", far);
    for entry in fs::read_dir(root.path().join("bin")).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    assert!(of(root.path()).packages.is_empty());
}

#[test]
fn it_ends_when_nobody_wants_it() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a", "x");
    let opened = fs::File::open(root.path()).unwrap();
    let error = take(opened.as_fd(), &|| Err(Error::Unwanted)).unwrap_err();
    assert!(matches!(error, Error::Unwanted));
}

#[test]
fn too_many_packages_are_refused_before_they_take_all_memory() {
    let root = tempfile::tempdir().unwrap();
    let stanzas = |from: u32| {
        let stanza = |number| format!("Package:p{number}\nVersion:1\n\n");
        (from..from + 60_000).map(stanza).collect::<String>()
    };
    write(root.path(), "var/lib/dpkg/status.d/a", stanzas(0));
    assert_eq!(of(root.path()).packages.len(), 60_000);
    write(root.path(), "var/lib/dpkg/status.d/b", stanzas(60_000));
    let asked = std::cell::Cell::new(0);
    let wanted = || {
        asked.set(asked.get() + 1);
        Ok(())
    };
    // The last one is not even opened.
    write(root.path(), "var/lib/dpkg/status.d/c", stanzas(0));
    let opened = fs::File::open(root.path()).unwrap();
    let error = take(opened.as_fd(), &wanted).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    assert_eq!(asked.get(), 3);
}

#[test]
fn packages_of_which_too_much_is_said_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let license = "x".repeat(20 << 20);
    for name in ["a", "b", "c", "d"] {
        let text = format!("Name: {name}\nVersion: 1\nLicense: {license}\n");
        write(root.path(), &format!("app/{name}.dist-info/METADATA"), text);
    }
    let opened = fs::File::open(root.path()).unwrap();
    let error = take(opened.as_fd(), &|| Ok(())).unwrap_err();
    assert!(matches!(error, Error::Limit { what: "bytes of packages", .. }), "{error}");
    fs::remove_dir_all(root.path().join("app/d.dist-info")).unwrap();
    assert_eq!(of(root.path()).packages.len(), 3);
}

#[test]
fn names_of_very_many_sections_are_looked_at_quickly() {
    let root = tempfile::tempdir().unwrap();
    // 65,535 sections whose names all begin at the start of a megabyte without an end.
    let (count, names) = (0xffff_u64, 1_u64 << 20);
    let start = 64 + names;
    let mut bytes = vec![0_u8; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[40..48].copy_from_slice(&start.to_le_bytes());
    bytes[60..62].copy_from_slice(&0xffff_u16.to_le_bytes());
    bytes.resize(usize::try_from(start).unwrap(), b'x');
    let mut section = [0_u8; 64];
    section[24..32].copy_from_slice(&64_u64.to_le_bytes());
    section[32..40].copy_from_slice(&names.to_le_bytes());
    for _ in 0..count {
        bytes.extend_from_slice(&section);
    }
    write(root.path(), "bin/many", &bytes);
    let path = root.path().join("bin/many");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let before = bytes_read();
    assert!(of(root.path()).packages.is_empty());
    // Reading each name to its end would be 64 GiB.
    let read = bytes_read() - before;
    assert!(read < 3 * bytes.len() as u64, "{read}");
}
