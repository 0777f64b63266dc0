//! Each package manager's own files.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gantry_inventory::{Inventory, spdx, take};
use gantry_types::Timestamp;

pub(crate) fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn of(root: &Path) -> Inventory {
    take(fs::File::open(root).unwrap().as_fd(), &|| Ok(())).unwrap()
}

fn urls(root: &Path) -> Vec<String> {
    let inventory = of(root);
    let distribution = inventory.distribution.as_ref();
    inventory.packages.iter().map(|package| package.url(distribution)).collect()
}

#[test]
fn dpkg_lists_what_is_installed() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "etc/os-release", "NAME=x\nID=debian\nVERSION_ID=\"12\"\n");
    write(
        root.path(),
        "var/lib/dpkg/status",
        "Package: bash\nStatus: install ok installed\nMaintainer: M <m@x>\nArchitecture: amd64\nVersion: 5.2-1\nDescription: a\n Package: no\n\n\
         Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
    );
    write(root.path(), "var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2024a\n");
    write(root.path(), "var/lib/dpkg/status.d/tzdata.md5sums", "Package: sum\nVersion: 1\n");
    assert_eq!(
        urls(root.path()),
        [
            "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-12",
            "pkg:deb/debian/tzdata@2024a?distro=debian-12"
        ]
    );
}

#[test]
fn apk_lists_what_is_installed() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n");
    let database = "C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\nF:lib\n\nP:busybox\nV:1.36-r1\nA:x86_64\nL:GPL-2.0-only\n\n";
    write(root.path(), "lib/apk/db/installed", database);
    let found = urls(root.path());
    assert_eq!(found[1], "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1");
    let inventory = of(root.path());
    let document = spdx::document(&inventory, "x", Timestamp { seconds: 0, nanos: 5 });
    let packages = document["packages"].as_array().unwrap();
    let musl = packages.iter().find(|package| package["name"] == "musl").unwrap();
    assert_eq!(musl["licenseDeclared"], "MIT");
    assert_eq!(document["creationInfo"]["created"], "1970-01-01T00:00:00Z");
    assert_eq!(document, spdx::document(&of(root.path()), "x", Timestamp { seconds: 0, nanos: 0 }));
}

#[test]
fn languages_are_looked_for_everywhere() {
    let root = tempfile::tempdir().unwrap();
    let site = "usr/lib/python3/dist-packages";
    write(
        root.path(),
        &format!("{site}/Flask-2.0.dist-info/METADATA"),
        "Name: Flask\nVersion: 2.0\nLicense: BSD\n\nName: other\n",
    );
    write(root.path(), &format!("{site}/old.egg-info/PKG-INFO"), "Name: old\nVersion: 1\n");
    write(root.path(), "srv/METADATA", "Name: stray\nVersion: 1\n");
    let node = "app/node_modules";
    write(
        root.path(),
        &format!("{node}/left-pad/package.json"),
        r#"{"name":"left-pad","version":"1.3.0","license":"WTFPL"}"#,
    );
    write(
        root.path(),
        &format!("{node}/@s/p/package.json"),
        r#"{"name":"@s/p","version":"2.0.0"}"#,
    );
    write(root.path(), "app/package.json", r#"{"name":"app","version":"0.0.1"}"#);
    write(
        root.path(),
        "app/package-lock.json",
        r#"{"packages":{"":{"name":"app","version":"0.0.1"},"node_modules/left-pad":{"version":"1.3.0"},"node_modules/a/node_modules/b":{"version":"3.0.0"}}}"#,
    );
    write(
        root.path(),
        "src/Cargo.lock",
        "version = 3\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.1\"\n",
    );
    let found = urls(root.path());
    for wanted in [
        "pkg:pypi/flask@2.0",
        "pkg:pypi/old@1",
        "pkg:npm/left-pad@1.3.0",
        "pkg:npm/%40s/p@2.0.0",
        "pkg:npm/b@3.0.0",
        "pkg:cargo/serde@1.0.1",
    ] {
        assert!(found.iter().any(|url| url == wanted), "{wanted}: {found:?}");
    }
    assert!(!found.iter().any(|url| url.contains("stray") || url.contains("/app@")), "{found:?}");
}

#[test]
fn programs_say_what_they_are_made_of() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "bin/program", program(br#"{"packages":[{"name":"rand","version":"0.8.5"},{"name":"cc","version":"1.0.0","kind":"build"}]}"#));
    assert!(urls(root.path()).is_empty(), "it cannot be executed");
    let path = root.path().join("bin/program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(urls(root.path()), ["pkg:cargo/rand@0.8.5"]);
}

/// A program with nothing but the section.
pub(crate) fn program(document: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(document).unwrap();
    let packed = packed.finish().unwrap();
    let names = b"\0.dep-v0\0";
    let mut file = vec![0_u8; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let names_at = file.len() as u64;
    file.extend_from_slice(names);
    let packed_at = file.len() as u64;
    file.extend_from_slice(&packed);
    let sections_at = file.len() as u64;
    for (name, place, length) in [(0_u32, names_at, names.len()), (1, packed_at, packed.len())] {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&name.to_le_bytes());
        header[24..32].copy_from_slice(&place.to_le_bytes());
        header[32..40].copy_from_slice(&(length as u64).to_le_bytes());
        file.extend_from_slice(&header);
    }
    file[40..48].copy_from_slice(&sections_at.to_le_bytes());
    file[60..62].copy_from_slice(&2_u16.to_le_bytes());
    file
}
