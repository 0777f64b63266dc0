//! Links in the root file system that lead out of it. The rule: the root is one descriptor, and every path of a document is resolved below
//! it (`openat2` with `RESOLVE_IN_ROOT`); mounts land on descriptors, never on paths.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::json;

use crate::bed::Bed;

/// A directory of the host with a secret, and how a link of the image would have to read to get there.
fn host(bed: &Bed) -> (PathBuf, String) {
    let path = bed.dir.path().join("host");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("secret"), "of the host").unwrap();
    let link = format!("{}{}", "../".repeat(20), path.display());
    (path, link)
}

#[track_caller]
fn check_untouched(host: &std::path::Path) {
    let names: Vec<_> = fs::read_dir(host).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"], "something was made on the host");
    assert_eq!(fs::read(host.join("secret")).unwrap(), b"of the host");
}

/// The image's `/proc` is a symbolic link: procfs would land elsewhere, and later writes to it with it (CVE-2019-19921, CVE-2023-27561).
/// Stopped by: procfs and sysfs need a way without links.
#[test]
fn a_linked_proc_is_refused() {
    let bed = Bed::new();
    fs::create_dir(bed.rootfs().join("elsewhere")).unwrap();
    symlink("/elsewhere", bed.rootfs().join("proc")).unwrap();
    let message = bed.run_err();
    assert!(message.contains("must be mounted on an ordinary directory"), "{message}");
    bed.check_nothing_left();
}

/// The same of `/sys` (CVE-2023-28642). Stopped by the same.
#[test]
fn a_linked_sys_is_refused() {
    let bed = Bed::new();
    symlink("/tmp", bed.rootfs().join("sys")).unwrap();
    let message = bed.run_err();
    assert!(message.contains("must be mounted on an ordinary directory"), "{message}");
    bed.check_nothing_left();
}

/// A mount's destination goes through links that point out of the root (CVE-2021-30465, CVE-2024-45310). Stopped by: `RESOLVE_IN_ROOT`
/// and `mkdirat` below it.
#[test]
fn linked_destinations_stay_in_the_root() {
    let mut bed = Bed::new();
    let target = bed.dir.path().join("host");
    fs::create_dir(&target).unwrap();
    let up = "../".repeat(20);
    symlink(format!("{up}{}", target.display()), bed.rootfs().join("up")).unwrap();
    symlink(&target, bed.rootfs().join("absolute")).unwrap();
    symlink(format!("{up}dev2"), bed.rootfs().join("dev")).unwrap();
    for at in ["/up/a", "/absolute/b", "/../../../c"] {
        bed.push("/mounts", json!({"destination": at, "type": "tmpfs", "source": "x"}));
    }
    bed.script("cut -d' ' -f2 /proc/mounts | sort | tr '\\n' ' '");
    let output = bed.run();
    let inside = target.to_str().unwrap();
    for expected in [&format!("{inside}/a "), &format!("{inside}/b "), " /c ", " /dev2 "] {
        assert!(output.contains(expected), "{expected}: {output}");
    }
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "something was made on the host");
    bed.check_nothing_left();
}

/// The image's `/dev` is a link out of the root: nodes and links would be made on the host. Stopped by: `RESOLVE_IN_ROOT`.
#[test]
fn devices_are_made_in_the_root() {
    let mut bed = Bed::new();
    bed.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] == "proc");
    let (path, link) = host(&bed);
    symlink(link, bed.rootfs().join("dev")).unwrap();
    bed.push("/linux/maskedPaths", json!("/dev/secret"));
    bed.config["linux"]["devices"] =
        json!([{"path": "/dev/sub/zero", "type": "c", "major": 1, "minor": 5}]);
    bed.script("ls /dev/sub");
    assert_eq!(bed.run(), "zero\n");
    check_untouched(&path);
    bed.check_nothing_left();
}

/// Masked and read-only paths that are links out of the root. Stopped by: `RESOLVE_IN_ROOT`: what lies there inside is covered.
#[test]
fn linked_masks_cover_what_is_inside() {
    let mut bed = Bed::new();
    let (path, link) = host(&bed);
    let inside = bed.rootfs().join(path.strip_prefix("/").unwrap());
    fs::create_dir_all(&inside).unwrap();
    fs::write(inside.join("inner"), "").unwrap();
    symlink(&link, bed.rootfs().join("masked")).unwrap();
    fs::create_dir(bed.rootfs().join("plain")).unwrap();
    symlink("/../../plain", bed.rootfs().join("readonly")).unwrap();
    bed.set("/linux/maskedPaths", json!(["/masked"]));
    bed.set("/linux/readonlyPaths", json!(["/readonly"]));
    bed.script(&format!("ls {}; touch /plain/x 2>/dev/null || echo readonly", path.display()));
    assert_eq!(bed.run(), "readonly\n");
    check_untouched(&path);
}

/// The mask over `/proc/keys` must be the null device, whatever the image calls `/dev/null` (CVE-2025-31133). Stopped by: the mask is the
/// host's null device, opened by the runtime and checked for its number.
#[test]
fn an_images_own_null_is_not_used_as_a_mask() {
    let linked = |bed: &mut Bed| {
        fs::create_dir(bed.rootfs().join("dev")).unwrap();
        symlink("/proc/sys/kernel/core_pattern", bed.rootfs().join("dev/null")).unwrap();
    };
    let bound = |bed: &mut Bed| {
        let fake = bed.dir.path().join("fake");
        fs::write(&fake, "fake").unwrap();
        bed.push(
            "/mounts",
            json!({"destination": "/dev/null", "type": "bind", "source": fake, "options": ["bind"]}),
        );
        // The runtime refuses to leave it for the null device unless the document brings its own.
        bed.config["linux"]["devices"] = json!([]);
    };
    let mut bed = Bed::new();
    linked(&mut bed);
    bed.script("stat -c '%t:%T' /proc/keys");
    assert_eq!(bed.run(), "1:3\n");

    let mut bed = Bed::new();
    bound(&mut bed);
    let message = bed.run_err();
    assert!(message.contains("in the place of the device null"), "{message}");
    bed.check_nothing_left();
}

/// The image's `/dev/pts` is no devpts (CVE-2025-52565). Stopped by: the multiplexer's number and its file system are checked, and the
/// other end comes from `TIOCGPTPEER`, not from a path.
#[test]
fn a_terminal_needs_a_real_devpts() {
    let mut bed = Bed::new();
    bed.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "devpts");
    fs::create_dir_all(bed.rootfs().join("dev/pts")).unwrap();
    fs::write(bed.rootfs().join("dev/pts/ptmx"), "").unwrap();
    bed.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/dev");
    bed.set("/process/terminal", json!(true));
    let message = bed.run_err();
    assert!(message.contains("devpts"), "{message}");
    bed.check_nothing_left();
}

/// The image's `/dev/console` leads to a file of the kernel or the host, over which the terminal would be mounted (CVE-2025-52565). Stopped
/// by: no link is followed to the console.
#[test]
fn a_console_that_is_a_link_is_refused() {
    for target in ["/proc/sysrq-trigger", "../../../../host-file"] {
        let mut bed = Bed::new();
        bed.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/dev");
        fs::create_dir_all(bed.rootfs().join("dev/pts")).unwrap();
        symlink(target, bed.rootfs().join("dev/console")).unwrap();
        bed.set("/process/terminal", json!(true));
        let message = bed.run_err();
        assert!(message.contains("/dev/console"), "{message}");
        bed.check_nothing_left();
    }
}

/// What a tmpfs covers is copied into it; the image made that a link to the host's files, and so are files in it (CVE-2022-23648).
/// Stopped by: the copy begins at a descriptor inside the root and follows nothing.
#[test]
fn nothing_of_the_host_is_copied_up() {
    let mut bed = Bed::new();
    let (path, link) = host(&bed);
    fs::create_dir(bed.rootfs().join("data")).unwrap();
    symlink(&link, bed.rootfs().join("data/inner")).unwrap();
    symlink(&link, bed.rootfs().join("linked")).unwrap();
    for at in ["/data", "/linked"] {
        bed.push(
            "/mounts",
            json!({"destination": at, "type": "tmpfs", "source": "x", "options": ["tmpcopyup"]}),
        );
    }
    bed.script("readlink /data/inner; find /linked/ /data/ -name secret");
    assert_eq!(bed.run(), format!("{link}\n"));
    check_untouched(&path);
}
