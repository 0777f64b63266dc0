//! `-t` and `-it`: a shell in a terminal, as a person uses it.

use rustix::termios::LocalModes;

use crate::shared::{detached, run, shared, unique};

const SHELL: [&str; 6] = ["run", "--rm", "-it", "--network", "none", "busybox"];

fn shell() -> gantry_testkit::Terminal {
    let mut terminal = shared().gantry(&[&SHELL[..], &["sh"]].concat()).terminal(24, 80);
    terminal.expect("# ");
    terminal
}

#[test]
fn a_shell_answers_and_hands_over_its_exit_code() {
    let mut terminal = shell();
    terminal.send("echo $((6*7))\r");
    terminal.expect("42\r\n");
    terminal.expect("# ");
    terminal.send("exit 7\r");
    assert_eq!(terminal.wait(), 7);
}

#[test]
fn keys_are_echoed_once_by_the_container() {
    let mut terminal = shell();
    terminal.send("true unusualword\r");
    terminal.expect("unusualword");
    terminal.expect("# ");
    assert_eq!(terminal.screen().matches("unusualword").count(), 1, "{}", terminal.screen());
    terminal.send("exit\r");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn ctrl_c_interrupts_the_program_not_the_client() {
    let mut terminal = shell();
    // Quoted, so that the echo of the keys is not the answer.
    terminal.send("echo sta''rted; sleep 1000\r");
    terminal.expect("started");
    terminal.send("\x03");
    terminal.expect("# ");
    terminal.send("echo $?\r");
    terminal.expect("130");
    terminal.send("exit 0\r");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn ctrl_d_ends_the_shell() {
    let mut terminal = shell();
    terminal.send("\x04");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn the_size_is_ours_from_the_start_and_follows_the_window() {
    let mut terminal = shell();
    terminal.send("stty size\r");
    terminal.expect("24 80");
    terminal.resize(50, 132);
    // The shell hears of it a moment later: ask until the answer is new.
    for _ in 0..50 {
        terminal.send("stty size; echo asked\r");
        terminal.expect("asked\r\n");
        if terminal.screen().contains("50 132") {
            break;
        }
    }
    assert!(terminal.screen().contains("50 132"), "{}", terminal.screen());
    terminal.send("exit\r");
    terminal.wait();
}

#[test]
fn the_terminal_gets_its_modes_back() {
    let mut terminal = shell();
    assert!(!terminal.modes().local_modes.contains(LocalModes::ICANON), "raw while attached");
    terminal.send("exit\r");
    terminal.wait();
    let modes = terminal.modes().local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
}

#[test]
fn it_is_a_terminal_inside() {
    let mut terminal = shared()
        .gantry(&[&SHELL[..], &["sh", "-c", "tty; echo $TERM; ls -l /dev/console"]].concat())
        .terminal(24, 80);
    terminal.expect("/dev/pts/0");
    terminal.expect("xterm");
    terminal.expect("/dev/console");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn detach_keys_leave_the_container_running_and_attach_comes_back() {
    let name = unique("detach");
    let words = ["run", "-it", "--network", "none", "--name", &name, "busybox", "sh"];
    let mut terminal = shared().gantry(&words).terminal(24, 80);
    terminal.expect("# ");
    terminal.send("kept=here\r");
    terminal.expect("# ");
    terminal.send("\x10\x11");
    assert_eq!(terminal.wait(), 0);
    assert_eq!(shared().inspect(&name)["State"]["Status"], "running");

    let mut terminal = shared().gantry(&["attach", &name]).terminal(30, 90);
    terminal.send("echo still $kept\r");
    terminal.expect("still here");
    terminal.send("exit 5\r");
    assert_eq!(terminal.wait(), 5);
    shared().remove(&[&name]);
}

#[test]
fn other_detach_keys() {
    let name = unique("detach-keys");
    let words = [
        "run",
        "-it",
        "--detach-keys",
        "ctrl-x,q",
        "--network",
        "none",
        "--name",
        &name,
        "busybox",
        "sh",
    ];
    let mut terminal = shared().gantry(&words).terminal(24, 80);
    terminal.expect("# ");
    terminal.send("\x18q");
    assert_eq!(terminal.wait(), 0);
    assert_eq!(shared().inspect(&name)["State"]["Status"], "running");
    shared().remove(&[&name]);
}

#[test]
fn exec_opens_a_second_shell() {
    let name = unique("exec-tty");
    detached(&name, &[], &["sleep", "1000"]);
    let mut terminal = shared().gantry(&["exec", "-it", &name, "sh"]).terminal(33, 99);
    terminal.expect("# ");
    terminal.send("stty size\r");
    terminal.expect("33 99");
    terminal.send("exit 9\r");
    assert_eq!(terminal.wait(), 9);
    shared().remove(&[&name]);
}

#[test]
fn a_pipe_is_no_terminal() {
    shared()
        .gantry(&[&SHELL[..], &["sh"]].concat())
        .input("exit\n")
        .run()
        .complains("the input device is not a TTY");
}

#[test]
fn t_alone_gives_a_terminal_without_input() {
    let outcome = run(&["-t"], &["sh", "-c", "tty; echo err >&2"]);
    // One stream, with the line ends of a terminal.
    outcome.exits(0).prints("/dev/pts/0\r\nerr\r\n");
}
