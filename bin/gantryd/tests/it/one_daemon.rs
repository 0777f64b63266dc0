//! One daemon for each data root, exec root and pidfile; and nothing but a running daemon keeps another away.

use std::path::Path;

use tempfile::TempDir;

use crate::daemon::{Places, answers};

/// What is below a directory, in order.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn each_place_has_one_daemon() {
    let dir = TempDir::new().unwrap();
    let first = Places::below(&dir, "first");
    let daemon = first.start();
    // Nothing but a record tells this bundle from a leftover, and the second daemon has no records.
    let bundle = first.exec_root.join("containers").join("a".repeat(64));
    std::fs::create_dir(&bundle).unwrap();
    let own = Places::below(&dir, "second");
    for (flag, path, second) in [
        (
            "exec-root",
            &first.exec_root,
            Places { exec_root: first.exec_root.clone(), ..own.clone() },
        ),
        (
            "data-root",
            &first.data_root,
            Places { data_root: first.data_root.clone(), ..own.clone() },
        ),
        ("pidfile", &first.pidfile, Places { pidfile: first.pidfile.clone(), ..own.clone() }),
        // What is one daemon's exec root cannot be another's data root.
        (
            "data-root",
            &first.exec_root,
            Places { data_root: first.exec_root.clone(), ..own.clone() },
        ),
    ] {
        let expected = format!(
            "gantryd: the {flag} {} is in use by another gantryd (process {}); end that daemon, or start this one with \
             another --{flag}\n",
            path.display(),
            daemon.pid()
        );
        assert_eq!(second.refused(), expected);
        assert!(!dir.path().join("second").exists(), "a refused start left something");
    }
    let same_socket =
        Places { host: first.host.clone(), socket: first.socket.clone(), ..own.clone() };
    assert!(same_socket.refused().contains("a daemon answers there already"));
    assert!(!dir.path().join("second").exists(), "a refused start left something");
    assert!(bundle.is_dir());
    assert!(answers(&first.socket));
    let pid = std::fs::read_to_string(&first.pidfile).unwrap();
    assert_eq!(pid, format!("{}\n", daemon.pid()));
    own.start().end();
    daemon.end();
    assert_eq!(names(&first.exec_root), ["build-sandboxes", "build-secrets", "containers"]);
    assert_eq!(names(first.pidfile.parent().unwrap()), [""; 0]);
}

#[test]
fn a_daemon_that_was_killed_keeps_nobody_away() {
    let dir = TempDir::new().unwrap();
    let places = Places::below(&dir, "killed");
    let mut killed = places.start();
    killed.become_zombie();
    assert!(places.pidfile.exists());
    places.start().end();
    drop(killed);
    // The number belongs to another daemon by now.
    let other = Places::below(&dir, "other").start();
    std::fs::write(&places.pidfile, format!("{}\n", other.pid())).unwrap();
    places.start().end();
    other.end();
}

#[test]
fn one_directory_is_not_both_roots() {
    let dir = TempDir::new().unwrap();
    let own = Places::below(&dir, "both");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&own.exec_root, &link).unwrap();
    std::fs::create_dir_all(&own.exec_root).unwrap();
    for data_root in [own.exec_root.clone(), link] {
        let said = Places { data_root: data_root.clone(), ..own.clone() }.refused();
        let expected = format!(
            "gantryd: --data-root and --exec-root both lead to {}; start the daemon with a different path for each\n",
            data_root.display()
        );
        assert_eq!(said, expected);
    }
    assert_eq!(names(&own.exec_root), [""; 0]);
}
