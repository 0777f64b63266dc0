//! The real docker command line against our daemon: what works with ours works with theirs.

use gantry_testkit::{Daemon, busybox, poll};

mod beside_dockerd;
mod every_command;
mod refusals;
mod seen_inside;

use crate::shared::{shared, unique};

fn docker(arguments: &[&str]) -> gantry_testkit::Outcome {
    shared().docker(arguments).run()
}

#[test]
fn run_and_its_exit_codes() {
    let run = ["run", "--rm", "--network", "none", "busybox"];
    docker(&[&run[..], &["echo", "hi"]].concat()).exits(0).prints("hi\n");
    docker(&[&run[..], &["sh", "-c", "exit 42"]].concat()).exits(42);
    docker(&[&run[..], &["nope"]].concat()).exits(127);
    docker(&[&run[..], &["/etc"]].concat()).exits(126);
    docker(&["run", "--rm", "127.0.0.1:1/no-such-image"])
        .exits(125)
        .complains("Unable to find image '127.0.0.1:1/no-such-image:latest' locally");
    docker(&["run", "--rm", "--network", "none", "-u", "ghost", "busybox", "true"])
        .exits(125)
        .complains("unable to find user ghost");
}

#[test]
fn pipes_and_streams() {
    let words =
        ["run", "-i", "--rm", "--network", "none", "busybox", "sh", "-c", "cat; echo err >&2"];
    let outcome = shared().docker(&words).input("through\n").run();
    outcome.exits(0).prints("through\n").complains("err");
}

#[test]
fn a_terminal() {
    let words = ["run", "-it", "--rm", "--network", "none", "busybox", "sh"];
    let mut terminal = shared().docker(&words).terminal(31, 97);
    terminal.expect("# ");
    terminal.send("echo $((40+2))\r");
    terminal.expect("42\r\n");
    for _ in 0..50 {
        terminal.send("stty size; echo asked\r");
        terminal.expect("asked\r\n");
        if terminal.screen().contains("31 97") {
            break;
        }
    }
    assert!(terminal.screen().contains("31 97"), "{}", terminal.screen());
    terminal.send("exit 6\r");
    assert_eq!(terminal.wait(), 6);
}

#[test]
fn a_life_in_commands() {
    let name = unique("docker-life");
    let id = docker(&[
        "create",
        "--network",
        "none",
        "--name",
        &name,
        "busybox",
        "sh",
        "-c",
        "echo up; sleep 1000",
    ])
    .success();
    docker(&["start", &name]).exits(0);
    poll("it to be up", || (docker(&["logs", &name]).stdout == "up\n").then_some(()));
    assert!(docker(&["ps"]).success().contains(&name));
    docker(&["exec", &name, "echo", "inside"]).exits(0).prints("inside\n");
    docker(&["exec", &name, "sh", "-c", "exit 5"]).exits(5);
    assert_eq!(
        docker(&["inspect", "-f", "{{.State.Status}} {{.Id}}", &name]).success(),
        format!("running {id}")
    );
    let other = unique("docker-renamed");
    docker(&["rename", &name, &other]).exits(0);
    docker(&["restart", "-t", "0", &other]).exits(0);
    docker(&["stop", "-t", "0", &other]).exits(0);
    assert_eq!(docker(&["wait", &other]).success(), "137");
    assert!(
        docker(&["ps", "-a", "--filter", &format!("name={other}")])
            .success()
            .contains("Exited (137)")
    );
    docker(&["rm", &other]).exits(0);
    docker(&["inspect", &other]).exits(1).complains("No such object");
}

#[test]
fn images_in_commands() {
    let daemon = Daemon::start();
    let docker = |arguments: &[&str]| daemon.docker(arguments).run();
    let outcome = daemon.docker(&["load"]).input(busybox().docker_archive()).run();
    outcome.exits(0).prints("Loaded image: busybox:latest\n");
    docker(&["tag", "busybox", "mine:1"]).exits(0);
    let listed = docker(&["images"]).success();
    assert!(listed.contains("mine") && listed.contains("busybox"), "{listed}");
    assert_eq!(docker(&["image", "inspect", "-f", "{{.Id}}", "mine:1"]).success(), busybox().id());
    docker(&["rmi", "mine:1"]).exits(0);
    let removed = docker(&["rmi", "busybox"]).success();
    assert!(removed.contains("Deleted: sha256:"), "{removed}");
    docker(&["rmi", "busybox"]).exits(1).complains("No such image");
}

#[test]
fn attach() {
    let name = unique("docker-attach");
    docker(&["run", "-d", "-i", "--network", "none", "--name", &name, "busybox", "cat"]).exits(0);
    let mut attached = shared().docker(&["attach", &name]).spawn_fed();
    attached.write("echoed\n");
    attached.until("echoed");
    docker(&["rm", "-f", &name]).exits(0);
    attached.wait();
}

#[test]
fn what_is_not_there_yet_is_told() {
    let outcome = docker(&["swarm", "init"]);
    outcome.exits(1).complains("not there yet");
    docker(&["info"]).exits(0);
    docker(&["version"]).exits(0);
}
