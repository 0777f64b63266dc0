//! config.md, "Process": the terminal and its size.

use std::os::unix::fs::MetadataExt;

use rustix::termios::{Winsize, tcgetwinsize};
use serde_json::json;

use crate::case::{Case, Section, must, should};
use crate::stage::{Console, Stage, read_until, type_in};

pub(super) fn section() -> Section {
    let mut cases = terminal();
    cases.extend(size_and_socket());
    Section::new("config.md", "Terminal", cases)
}

fn terminal() -> Vec<Case> {
    vec![
        must("terminal", "With terminal, all three streams are one terminal.", |stage| {
            let seen =
                on_terminal(stage, "for n in 0 1 2; do readlink /proc/self/fd/$n; done; echo end");
            assert_eq!(seen.matches("/dev/pts/0").count(), 3, "{seen}");
        }),
        must("terminal-session", "The terminal controls the session of the process.", |stage| {
            let seen =
                on_terminal(stage, "echo x >/dev/tty; ps -o pid,tty,args | head -n 2; echo end");
            assert!(seen.contains("x\r\n") && seen.contains("136,0"), "{seen}");
        }),
        must("terminal-works", "What is typed arrives, what is printed comes back.", |stage| {
            let terminal =
                begin(stage, "stty -echo; echo ready; read line; echo got $line; sleep 1000");
            read_until(&terminal, "ready");
            type_in(&terminal, "words\n");
            read_until(&terminal, "got words");
        }),
        must("terminal-signal", "Ctrl-C on the terminal becomes a signal.", |stage| {
            let terminal = begin(
                stage,
                "trap 'echo caught; sleep 1000' INT; echo ready; while :; do sleep 1; done",
            );
            read_until(&terminal, "ready");
            type_in(&terminal, "\x03");
            read_until(&terminal, "caught");
        }),
        must("console-device", "With terminal, /dev/console is that terminal.", |stage| {
            let seen =
                on_terminal(stage, "stat -c %t:%T /dev/console; echo into >/dev/console; echo end");
            assert!(seen.contains("88:0") && seen.contains("into"), "{seen}");
        }),
        must("terminal-owner", "The terminal belongs to the user of the process.", |stage| {
            stage.set("/process/user", json!({"uid": 1000, "gid": 1000}));
            let seen = on_terminal(stage, "stat -c 'owner %u' /dev/pts/0; echo end");
            assert!(seen.contains("owner 1000"), "{seen}");
        }),
    ]
}

fn size_and_socket() -> Vec<Case> {
    vec![
        must("size", "consoleSize is the size of the terminal.", |stage| {
            stage.set("/process/consoleSize", json!({"height": 11, "width": 99}));
            let terminal = begin(stage, "stty size; echo end; sleep 1000");
            assert!(read_until(&terminal, "end").contains("11 99"));
            let Winsize { ws_row, ws_col, .. } = tcgetwinsize(&terminal).expect("ask the terminal");
            assert_eq!((ws_row, ws_col), (11, 99));
        }),
        must("size-ignored", "consoleSize without a terminal is ignored.", |stage| {
            stage.set("/process/consoleSize", json!({"height": 11, "width": 99}));
            assert_eq!(stage.sh("tty; true"), "not a tty");
        }),
        should(
            "socket-descriptor",
            "The console socket receives exactly one descriptor, a terminal's.",
            |stage| {
                let received = start_with_console(stage, "sleep 1000").received();
                assert_eq!(received.1.len(), 1, "descriptors");
                let terminal =
                    std::fs::File::from(received.1.into_iter().next().expect("it is there"));
                let number = terminal.metadata().expect("stat the terminal").rdev();
                assert_eq!(rustix::fs::major(number), 5, "the master of a terminal");
            },
        ),
        should(
            "no-socket",
            "create with a terminal and no console socket makes an error.",
            |stage| {
                stage.set("/process/terminal", json!(true));
                assert_ne!(stage.create_outcome().code, 0);
                stage.assert_no_container();
            },
        ),
    ]
}

/// Creates and starts the container with a console socket.
fn start_with_console(stage: &mut Stage, script: &str) -> Console {
    let console = Console::listen(&stage.dir().join("console"));
    stage.set("/process/terminal", json!(true)).script(script).write_config();
    let (id, bundle) = (stage.id.clone(), stage.bundle().to_string_lossy().into_owned());
    stage
        .call(&["create", "--bundle", &bundle, "--console-socket", &console.path(), &id])
        .success();
    stage.start();
    console
}

fn begin(stage: &mut Stage, script: &str) -> std::fs::File {
    start_with_console(stage, script).terminal()
}

/// What a script shows on its terminal, up to the word `end`.
fn on_terminal(stage: &mut Stage, script: &str) -> String {
    let terminal = begin(stage, &format!("{script}; sleep 1000"));
    read_until(&terminal, "end\r\n")
}
