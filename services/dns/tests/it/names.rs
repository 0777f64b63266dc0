//! Names of containers, and who may bind the port of names.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use crate::place::{A, AAAA, ask, ask_here, dns, inside, namespace, place, view};

#[test]
fn answers_follow_every_change() {
    let (dns, one, two) = (dns(), namespace(), namespace());
    dns.serve("one", one.as_fd(), view(&[])).unwrap();
    dns.serve("two", two.as_fd(), gantry_dns::View::default()).unwrap();
    assert_eq!(ask(&one, "web", A), (vec![], 2), "nobody has it, and there is nobody to ask");
    dns.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    assert_eq!(ask(&one, "web", A), (vec![1], 0));
    assert_eq!(ask(&one, "WEB.lan", A), (vec![1], 0));
    assert_eq!(ask(&one, "web", AAAA), (vec![], 0), "it has no such address");
    assert_eq!(ask(&two, "web", A), (vec![], 2), "not its network");
    dns.set_places("web", vec![place(&["shop"], "10.0.0.2")]);
    assert_eq!(ask(&one, "web", A).1, 2);
    assert_eq!(ask(&one, "shop", A), (vec![2], 0));
    dns.serve("two", two.as_fd(), view(&[])).unwrap();
    assert_eq!(ask(&two, "shop", A), (vec![2], 0), "it joined the network");
    dns.stop("web");
    assert_eq!(ask(&one, "shop", A).1, 2);
}

#[test]
fn those_with_one_name_take_turns() {
    let (dns, one) = (dns(), namespace());
    dns.serve("one", one.as_fd(), view(&[])).unwrap();
    for number in 1..=3 {
        dns.set_places(&number.to_string(), vec![place(&["all"], &format!("10.0.0.{number}"))]);
    }
    let mut firsts: Vec<u8> = (0..3).map(|_| ask(&one, "all", A).0[0]).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, [1, 2, 3]);
}

#[test]
fn a_server_of_the_container_can_have_the_port() {
    let (dns, one) = (dns(), namespace());
    dns.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    let before = inside(&one, || UdpSocket::bind("0.0.0.0:53").unwrap());
    dns.serve("one", one.as_fd(), view(&[])).unwrap();
    let listener = inside(&one, || TcpListener::bind("0.0.0.0:53").unwrap());
    assert_eq!(ask(&one, "web", A), (vec![1], 0));
    // Its own clients still reach it, by every other address.
    let heard = inside(&one, || {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", "127.0.0.1:53").unwrap();
        let mut room = [0; 16];
        let length = before.recv(&mut room).unwrap();
        room[..length].to_vec()
    });
    assert_eq!(heard, b"hello");
    drop(listener);
}

#[test]
fn another_daemon_takes_over() {
    let one = namespace();
    let first = dns();
    first.serve("one", one.as_fd(), view(&[])).unwrap();
    drop(first);
    let second = dns();
    second.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    second.serve("one", one.as_fd(), view(&[])).unwrap();
    assert_eq!(ask(&one, "web", A), (vec![1], 0));
    // And once more after a stop, as when the container has another namespace.
    second.stop("one");
    let two = namespace();
    second.serve("one", two.as_fd(), view(&[])).unwrap();
    assert_eq!(ask(&two, "web", A), (vec![1], 0));
}

#[test]
fn hostile_packets_get_an_error_or_nothing_and_the_server_goes_on() {
    let (dns, one) = (dns(), namespace());
    dns.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    dns.serve("one", one.as_fd(), view(&[])).unwrap();
    let header =
        |counts: [u8; 4]| vec![1, 2, 1, 0, 0, counts[0], 0, counts[1], 0, counts[2], 0, counts[3]];
    for (bytes, code) in [
        (header([255, 255, 255, 255]), 1),
        ([header([1, 0, 0, 0]), b"\xc0\x0c\0\x01\0\x01".to_vec()].concat(), 1),
        ([header([1, 0, 0, 0]), vec![0x3f; 3000]].concat(), 1),
        ([header([1, 0, 0, 0]), b"\x03web\0\0\x01\0\x03".to_vec()].concat(), 5),
    ] {
        let answer = inside(&one, || ask_here(&bytes));
        assert_eq!((&answer[..2], crate::place::code(&answer)), (&[1, 2][..], code));
    }
    inside(&one, || {
        let socket = crate::place::client();
        for silent in [&b"x"[..], b"", &[0xff; 40]] {
            socket.send(silent).unwrap();
        }
    });
    assert_eq!(ask(&one, "web", A), (vec![1], 0));
}

#[test]
fn a_storm_in_one_container_disturbs_no_other() {
    let (dns, one, two) = (dns(), Arc::new(namespace()), namespace());
    dns.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    dns.serve("one", one.as_fd(), view(&["127.0.0.9"])).unwrap();
    dns.serve("two", two.as_fd(), view(&[])).unwrap();
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (storm, end) = (Arc::clone(&one), Arc::clone(&ended));
    let storm = std::thread::spawn(move || {
        inside(&storm, || {
            let socket = crate::place::client();
            let question = crate::place::question(1, "nobody.example", A);
            let mut count = 0_u32;
            while !end.load(std::sync::atomic::Ordering::Relaxed) {
                drop(socket.send(&question));
                count += 1;
            }
            count
        })
    });
    for _ in 0..200 {
        assert_eq!(ask(&two, "web", A), (vec![1], 0));
    }
    ended.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(storm.join().unwrap() > 1000);
}
