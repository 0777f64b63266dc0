//! The terminal: keys, screen, size, modes.

use gantry_testkit::Invocation;
use rustix::termios::LocalModes;

fn shell(script: &str) -> gantry_testkit::Terminal {
    Invocation::new("/bin/sh").args(["-c", script]).terminal(24, 80)
}

#[test]
fn keys_go_in_and_the_screen_comes_out() {
    let mut terminal = shell("read word; echo \"[$word]\"; exit 4");
    terminal.send("hello\r");
    terminal.expect("[hello]");
    assert_eq!(terminal.wait(), 4);
}

#[test]
fn it_is_the_controlling_terminal() {
    let mut terminal = shell("echo ready >/dev/tty; cat");
    terminal.expect("ready");
    terminal.send("\x03");
    assert_eq!(terminal.wait(), 130, "ctrl-c is a signal");
}

#[test]
fn size_and_modes() {
    let mut terminal = shell(
        "trap 'stty size' WINCH; stty size; stty raw -echo; echo raw; while :; do sleep 0.05; done",
    );
    terminal.expect("24 80");
    terminal.expect("raw");
    assert!(!terminal.modes().local_modes.contains(LocalModes::ECHO));
    terminal.resize(40, 100);
    terminal.expect("40 100");
}

#[test]
fn what_never_shows_is_a_failure() {
    let outcome = std::panic::catch_unwind(|| {
        let mut terminal = shell("echo one");
        terminal.expect("one");
        terminal.wait();
        terminal.screen().contains("two")
    });
    assert!(matches!(outcome, Ok(false)));
}
