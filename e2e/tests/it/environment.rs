//! What the process inside finds: variables, directory, user, names, arguments.

use std::fs;

use gantry_testkit::{Image, busybox};
use serde_json::json;

use crate::shared::{run, shared};

fn shell(flags: &[&str], script: &str) -> String {
    run(flags, &["sh", "-c", script]).success()
}

#[test]
fn variables() {
    assert_eq!(
        shell(&["-e", "A=1", "--env", "B=two words", "-e", "A=2"], "echo $A $B"),
        "2 two words"
    );
    assert_eq!(shell(&["-e", "EMPTY="], "echo ${EMPTY-unset}."), ".");
    let told = shared()
        .gantry(&[
            "run",
            "--rm",
            "--network",
            "none",
            "-e",
            "TOLD",
            "-e",
            "UNTOLD",
            "busybox",
            "env",
        ])
        .env("TOLD", "by the client")
        .run()
        .success();
    assert!(told.contains("TOLD=by the client") && !told.contains("UNTOLD"), "{told}");
}

#[test]
fn the_usual_variables_are_there() {
    let inside = shell(&["--hostname", "box"], "env");
    for line in ["PATH=/usr/local/sbin:", "HOSTNAME=box", "HOME=/root"] {
        assert!(inside.contains(line), "{line} is missing:\n{inside}");
    }
    assert!(!inside.contains("TERM="), "TERM is for terminals:\n{inside}");
}

#[test]
fn a_file_of_variables() {
    let file = shared().scratch("env");
    fs::write(&file, "# a comment\n\nPLAIN=1\nSPACED= kept \nOVER=file\n").unwrap();
    let path = file.to_str().unwrap();
    let inside = shell(&["--env-file", path, "-e", "OVER=flag"], "echo \"$PLAIN/$SPACED/$OVER\"");
    assert_eq!(inside, "1/ kept /flag");
    run(&["--env-file", "/no/such/file"], &["true"])
        .exits(125)
        .plainly()
        .complains("/no/such/file");
}

#[test]
fn working_directory() {
    assert_eq!(run(&[], &["pwd"]).success(), "/");
    assert_eq!(run(&["-w", "/tmp"], &["pwd"]).success(), "/tmp");
    assert_eq!(run(&["-w", "/made/on/the/way"], &["pwd"]).success(), "/made/on/the/way");
    run(&["-w", "relative"], &["pwd"]).exits(125).plainly();
}

#[test]
fn users_and_groups() {
    let ids = "echo $(id -u):$(id -g):$(id -G):$HOME";
    for (user, expected) in [
        ("root", "0:0:0:/root"),
        ("app", "1000:1001:1001 50:/home/app"),
        ("1000", "1000:1001:1001 50:/home/app"),
        ("1000:50", "1000:50:50:/home/app"),
        ("app:staff", "1000:50:50:/home/app"),
        ("4242", "4242:0:0:/"),
        ("4242:4343", "4242:4343:4343:/"),
    ] {
        assert_eq!(shell(&["-u", user], ids), expected, "-u {user}");
    }
    assert_eq!(shell(&["-u", "app", "--group-add", "1"], "id -G"), "1001 1 50");
    for (user, words) in [
        ("ghost", "unable to find user ghost: no matching entries in passwd file"),
        ("app:ghosts", "unable to find group ghosts: no matching entries in group file"),
    ] {
        run(&["-u", user], &["true"]).exits(125).complains(words);
    }
}

#[test]
fn host_and_domain_name() {
    assert_eq!(shell(&["--hostname", "box"], "hostname; cat /etc/hostname"), "box\nbox");
    let id = shell(&[], "hostname");
    assert_eq!(id.len(), 12, "the short id is the host name: {id}");
    assert!(shell(&["--hostname", "box"], "cat /etc/hosts").contains("localhost"));
    assert!(shell(&["--add-host", "db:10.1.2.3"], "cat /etc/hosts").contains("10.1.2.3\tdb"));
}

#[test]
fn entrypoint_and_command() {
    let image = Image {
        name: "entry:1".to_owned(),
        config: json!({"Entrypoint": ["/bin/echo", "entry"], "Cmd": ["default"], "Env": ["FROM=image"], "WorkingDir": "/tmp", "User": "app", "Labels": {"from": "image"}}),
        ..busybox()
    };
    shared().load(&image);
    let run = |flags: &[&str], command: &[&str]| {
        let words = [&["run", "--rm", "--network", "none"], flags, &["entry:1"], command].concat();
        shared().gantry(&words).run()
    };
    assert_eq!(run(&[], &[]).success(), "entry default");
    assert_eq!(run(&[], &["given"]).success(), "entry given");
    assert_eq!(run(&["--entrypoint", "/bin/id"], &["-u"]).success(), "1000");
    let inside = run(&["--entrypoint", "sh"], &["-c", "echo $FROM $(pwd) $(id -un)"]).success();
    assert_eq!(inside, "image /tmp app");
    // A new entrypoint drops the image's command.
    assert_eq!(run(&["--entrypoint", "/bin/echo"], &[]).success(), "");
}

#[test]
fn arguments_arrive_as_they_are() {
    let odd = ["a b", "", "*", "$HOME", "-x", "--", "ümläut", "new\nline"];
    let command = [&["printf", "[%s]"], &odd[..]].concat();
    let expected: String = odd.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!(run(&[], &command).success(), expected);
}
