//! Containers and execs with a terminal: raw output, sizes, echo.

use crate::container::{Container, Options, created, read_until};
use gantry_logs::Stream;
use gantry_shim_protocol::stdio::Input;
use std::io::{Read, Write};
use std::net::Shutdown;

fn shell(script: &'static str) -> Container {
    created(&Options { script, terminal: true, stdin: Input::Relay { once: true } })
}

#[test]
fn a_terminal_is_raw_echoes_and_has_a_size() {
    let container = shell("read line; echo \"size $(stty size)\"; exit 5");
    let mut stream = container.attach("");
    container.shim().resize("", 33, 101).unwrap();
    container.start();
    stream.write_all(b"hello\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("hello\r\n"), "{text:?}");
    assert!(text.ends_with("size 33 101\r\n"), "{text:?}");
    assert_eq!(container.status(""), 5);
    assert_eq!(container.logged(Stream::Stdout), text);
}

#[test]
fn a_terminal_stays_open_when_its_client_ends_its_input() {
    let container = shell("read a; echo \"a=$a\"; read b; echo \"b=$b\"");
    container.start();
    let mut first = container.attach("");
    first.write_all(b"one\n").unwrap();
    read_until(&first, "a=one");
    first.shutdown(Shutdown::Write).unwrap();
    let mut second = container.attach("");
    second.write_all(b"two\n").unwrap();
    // Output goes on to the first, which only ended its input.
    read_until(&first, "b=two");
    read_until(&second, "b=two");
    assert_eq!(container.status(""), 0);
}

#[test]
fn an_exec_may_have_a_terminal_of_its_own() {
    let container = created(&Options { script: "exec sleep 100", ..Default::default() });
    container.start();
    // It has no terminal that could have another size.
    container.shim().resize("", 1, 1).unwrap();
    let options = Container::exec_options("stty size; read line; stty size", true);
    container.shim().exec("e", &options).unwrap();
    let mut stream = container.attach("e");
    container.shim().start("e").unwrap();
    read_until(&stream, "\r\n");
    container.shim().resize("e", 20, 60).unwrap();
    stream.write_all(b"\n").unwrap();
    read_until(&stream, "20 60\r\n");
    assert_eq!(container.status("e"), 0);
}

#[test]
fn control_c_reaches_the_foreground() {
    let container =
        shell("trap 'echo caught; exit 8' INT; echo ready; while :; do sleep 0.05; done");
    let mut stream = container.attach("");
    container.start();
    read_until(&stream, "ready");
    stream.write_all(&[3]).unwrap();
    read_until(&stream, "caught");
    assert_eq!(container.status(""), 8);
}
