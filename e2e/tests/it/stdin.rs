//! Input and output through pipes.

use crate::shared::{invocation, run, shared};

#[test]
fn input_flows_in_and_its_end_is_told() {
    invocation(&["-i"], &["cat"]).input("hello\n").run().exits(0).prints("hello\n");
    invocation(&["-i"], &["wc", "-c"]).input("").run().exits(0).prints("0\n");
}

#[test]
fn output_goes_on_after_the_end_of_input() {
    let script = "cat; echo after the end; echo to stderr >&2";
    let outcome = invocation(&["-i"], &["sh", "-c", script]).input("input\n").run();
    outcome.exits(0).prints("input\nafter the end\n").complains("to stderr");
}

#[test]
fn without_i_there_is_no_input() {
    invocation(&[], &["cat"]).input("not for you").run().exits(0).prints("");
}

#[test]
fn streams_stay_apart() {
    let outcome = run(&[], &["sh", "-c", "echo out; echo err >&2; exit 3"]);
    outcome.exits(3).prints("out\n");
    assert_eq!(outcome.stderr, "err\n");
}

#[test]
fn much_data_comes_through_whole() {
    let text: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
    let outcome = invocation(&["-i"], &["cat"]).input(text.clone()).run();
    outcome.exits(0);
    assert!(
        outcome.stdout == text,
        "{} of {} bytes came back, or not the same",
        outcome.stdout.len(),
        text.len()
    );
}

#[test]
fn bytes_are_not_text() {
    let outcome = invocation(&["-i"], &["md5sum"])
        .input((0..=255).cycle().take(70_000).collect::<Vec<u8>>())
        .run();
    outcome.exits(0).prints("bd6270ad16e95c85d32f9a518e1f76e7  -\n");
}

#[test]
fn a_conversation_is_not_held_up_by_buffers() {
    let mut talk =
        invocation(&["-i"], &["sh", "-c", "while read line; do echo \"you said $line\"; done"])
            .spawn_fed();
    for word in ["one", "two", "three"] {
        talk.write(&format!("{word}\n"));
        talk.until(&format!("you said {word}"));
    }
    talk.end_input();
    talk.wait().exits(0);
}

#[test]
fn a_program_that_stops_reading_ends_the_client() {
    let text = "x".repeat(4 << 20);
    invocation(&["-i"], &["head", "-c", "1"]).input(text).run().exits(0).prints("x");
}

#[test]
fn a_client_that_goes_away_leaves_the_container_running() {
    let daemon = shared();
    let name = crate::shared::unique("left-alone");
    let words = [
        "run",
        "-i",
        "--network",
        "none",
        "--name",
        &name,
        "busybox",
        "sh",
        "-c",
        "echo up; sleep 1000",
    ];
    let mut client = daemon.gantry(&words).spawn_fed();
    client.until("up");
    drop(client);
    daemon.await_status(&name, "running");
    daemon.remove(&[&name]);
}
