//! The first thing a newcomer does.

use gantry_testkit::{Daemon, Invocation, docker_cli};

#[test]
fn hello_world_runs_on_a_fresh_daemon_without_a_network() {
    let daemon = Daemon::start();
    let before = daemon.snapshot();
    let said = daemon.ok(&["run", "--rm", "hello-world"]);
    assert!(said.contains("Gantry"), "{said}");
    before.assert_restored(&daemon);
}

#[test]
fn without_rm_the_container_stays_and_can_be_started_again() {
    let daemon = Daemon::start();
    daemon.ok(&["run", "--name", "greeter", "hello-world"]);
    let listed = daemon.ok(&["ps", "-a"]);
    assert!(listed.contains("greeter") && listed.contains("Exited (0)"), "{listed}");
    let said = daemon.ok(&["start", "-a", "greeter"]);
    assert!(said.contains("Gantry"), "{said}");
    daemon.ok(&["rm", "greeter"]);
    assert_eq!(daemon.ok(&["ps", "-aq"]), "");
}

#[test]
fn the_image_survives_a_restart_and_stays_removed_when_removed() {
    let daemon = Daemon::start();
    daemon.stop();
    daemon.start_again();
    daemon.ok(&["run", "--rm", "hello-world"]);
    daemon.ok(&["rmi", "hello-world"]);
    daemon.stop();
    daemon.start_again();
    let listed = daemon.ok(&["images"]);
    assert!(!listed.contains("hello-world"), "a removed image came back: {listed}");
}

#[test]
fn the_docker_command_line_runs_it_too() {
    let daemon = Daemon::start();
    let said = daemon.docker(&["run", "--rm", "hello-world"]).run().success();
    assert!(said.contains("Gantry"), "{said}");
}

#[test]
fn both_command_lines_tell_their_version() {
    let daemon = Daemon::start();
    assert!(daemon.ok(&["--version"]).starts_with("Gantry version "));
    let version = daemon.ok(&["version"]);
    assert!(version.contains("API version"), "{version}");
    Invocation::new(docker_cli())
        .env("DOCKER_HOST", daemon.host())
        .args(["version"])
        .run()
        .success();
    Invocation::new(docker_cli()).env("DOCKER_HOST", daemon.host()).args(["info"]).run().success();
}
