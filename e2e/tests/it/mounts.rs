//! `-v`, `--mount` and `--tmpfs`.

use std::fs;

use crate::shared::{run, shared};

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
