//! `-v`, `--mount` and `--tmpfs`.

use std::fs;
use std::process::Command;

use gantry_testkit::SmallDisk;

use crate::shared::{detached, run, shared, unique};

#[test]
fn a_folder_of_the_host() {
    let file = shared().scratch("given");
    fs::write(&file, "from the host").unwrap();
    let folder = file.parent().unwrap().to_str().unwrap();
    assert_eq!(
        run(&["-v", &format!("{folder}:/in")], &["cat", "/in/given"]).success(),
        "from the host"
    );
    run(&["-v", &format!("{folder}:/in")], &["sh", "-c", "echo back >/in/back"]).exits(0);
    assert_eq!(fs::read_to_string(file.with_file_name("back")).unwrap(), "back\n");
    run(&["-v", &format!("{folder}:/in:ro")], &["touch", "/in/no"]).exits(1).complains("Read-only");
    let mount = format!("type=bind,source={folder},target=/in,readonly");
    run(&["--mount", &mount], &["cat", "/in/given"]).exits(0);
    run(&["--mount", &mount], &["touch", "/in/no"]).exits(1);
}

#[test]
fn one_file_of_the_host() {
    let file = shared().scratch("only");
    fs::write(&file, "one file").unwrap();
    let volume = format!("{}:/etc/only", file.display());
    assert_eq!(run(&["-v", &volume], &["cat", "/etc/only"]).success(), "one file");
}

#[test]
fn v_makes_the_folder_and_mount_does_not() {
    let missing = shared().scratch("missing");
    let path = missing.to_str().unwrap();
    run(&["--mount", &format!("type=bind,source={path},target=/in")], &["true"])
        .exits(125)
        .plainly()
        .complains("bind source path does not exist");
    assert!(!missing.exists());
    run(&["-v", &format!("{path}:/in")], &["true"]).exits(0);
    assert!(missing.is_dir());
}

#[test]
fn mounts_come_and_go_only_where_the_host_lets_them() {
    let place = SmallDisk::mount(1 << 20);
    let change = |words: &[&str]| {
        let done = Command::new("mount").args(words).arg(place.path()).status();
        assert!(done.unwrap().success(), "mount {words:?}");
    };
    let source = place.join("given");
    fs::create_dir(&source).unwrap();
    let bind = |propagation: &str| format!("{}:/in:{propagation}", source.display());
    let at = place.path().display();
    for (made, propagation, needed) in [
        ("--make-private", "shared", Some("a shared")),
        ("--make-private", "rslave", Some("a shared or slave")),
        ("--make-private", "rprivate", None),
        ("--make-shared", "rslave", None),
        ("--make-shared", "rshared", None),
    ] {
        change(&[made]);
        let ended = run(&["-v", &bind(propagation)], &["true"]);
        match needed {
            Some(needed) => {
                let path = source.display();
                let says = format!("path {path} is mounted on {at} but it is not {needed} mount");
                ended.exits(125).plainly().complains(&says);
            }
            None => drop(ended.exits(0)),
        }
    }
    let name = unique("rslave");
    detached(&name, &["-v", &bind("rslave")], &["sleep", "1000"]);
    let later = source.join("later");
    fs::create_dir(&later).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "later"]).arg(&later).status();
    assert!(mounted.unwrap().success());
    fs::write(later.join("file"), "come").unwrap();
    assert_eq!(shared().ok(&["exec", &name, "cat", "/in/later/file"]), "come");
    shared().ok(&["rm", "-f", &name]);
}

#[test]
fn memory_as_a_folder() {
    assert_eq!(
        run(
            &["--tmpfs", "/mem:size=1m,mode=700"],
            &["sh", "-c", "stat -c %a /mem; df -k /mem | tail -1 | awk '{print $2}'"]
        )
        .success(),
        "700\n1024"
    );
    assert_eq!(
        run(
            &["--mount", "type=tmpfs,target=/mem,tmpfs-size=2m"],
            &["sh", "-c", "df -k /mem | tail -1 | awk '{print $2}'"]
        )
        .success(),
        "2048"
    );
}

#[test]
fn volumes_that_make_no_sense() {
    for (volume, words) in [
        ("relative/path:/in", "relative/path"),
        ("/a:relative", "relative"),
        ("/a:/b:nonsense", "nonsense"),
    ] {
        run(&["-v", volume], &["true"]).exits(125).plainly().complains(words);
    }
}
