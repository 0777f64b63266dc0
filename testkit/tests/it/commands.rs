//! Commands, their output and their deadlines.

use std::panic::catch_unwind;
use std::time::Duration;

use gantry_testkit::{Invocation, Outcome, poll_for};

fn sh(script: &str) -> Invocation {
    Invocation::new("/bin/sh").args(["-c", script])
}

#[test]
fn exit_codes_and_streams() {
    let outcome = sh("echo out; echo err >&2; exit 3").run();
    outcome.exits(3).prints("out\n").complains("err");
    assert_eq!(sh("kill -TERM $$").run().code, 143);
}

#[test]
fn input_and_its_end() {
    sh("cat").input("fed").run().exits(0).prints("fed");
    sh("cat").run().exits(0).prints("");
    let mut talk = sh("while read line; do echo \"<$line>\"; done").spawn_fed();
    talk.write("one\n");
    talk.until("<one>");
    talk.end_input();
    talk.wait().exits(0);
}

#[test]
fn the_environment_is_its_own() {
    sh("echo ${CARGO_MANIFEST_DIR-none} $A").env("A", "1").run().prints("none 1\n");
}

#[test]
fn too_long_is_a_failure() {
    let slow = catch_unwind(|| sh("sleep 30").timeout(Duration::from_millis(50)).run());
    assert!(slow.is_err());
    let missing = catch_unwind(|| sh("echo other").spawn().until("this"));
    assert!(missing.is_err());
}

#[test]
fn assertions_can_fail() {
    let outcome = |stderr: &str| Outcome {
        command: "x".to_owned(),
        code: 1,
        stdout: "out".to_owned(),
        stderr: stderr.to_owned(),
    };
    let fails = |check: fn(&Outcome)| {
        let subject = outcome("thread 'main' panicked at src/main.rs");
        catch_unwind(move || check(&subject)).is_err()
    };
    assert!(fails(|it| drop(it.success())));
    assert!(fails(|it| _ = it.exits(0)));
    assert!(fails(|it| _ = it.prints("other")));
    assert!(fails(|it| _ = it.complains("other")));
    assert!(fails(|it| _ = it.plainly()));
    outcome("gantry: no such thing: x").plainly();
}

#[test]
fn polling_gives_up() {
    let mut looks = 0;
    let found = poll_for(Duration::from_millis(20), || {
        looks += 1;
        None::<()>
    });
    assert!(found.is_none() && looks > 1);
}
