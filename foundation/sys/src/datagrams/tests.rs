//! Datagrams over loopback, many at once.

use std::net::UdpSocket;
use std::os::fd::AsFd;

use super::*;

fn poll(work: impl Fn() -> io::Result<usize>) -> usize {
    let start = std::time::Instant::now();
    loop {
        match work() {
            Ok(count) => return count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                assert!(start.elapsed().as_secs() < 10, "nothing comes");
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A server on every address answers from the one that it was asked at.
fn answers_from_where_it_was_asked(server: &str, asked: &str, client: &str) {
    let server = UdpSocket::bind(server).unwrap();
    report_destinations(server.as_fd(), server.local_addr().unwrap().is_ipv6()).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = UdpSocket::bind(client).unwrap();
    client.connect((asked, port)).unwrap();
    let texts: [&[u8]; 3] = [b"one", b"", b"three"];
    let questions = texts.map(|bytes| Outgoing { bytes, to: None, from: None });
    assert_eq!(send(client.as_fd(), &questions).unwrap(), 3);
    let mut places = vec![Incoming::new(4); 8];
    let cell = std::cell::RefCell::new(&mut places);
    assert_eq!(poll(|| receive(server.as_fd(), &mut cell.borrow_mut())), 3);
    assert_eq!((places[0].bytes(), places[0].is_cut()), (&b"one"[..], false));
    assert_eq!((places[1].bytes(), places[1].is_cut()), (&b""[..], false));
    assert_eq!((places[2].bytes(), places[2].is_cut()), (&b"thre"[..], true));
    let answers: Vec<Outgoing<'_>> = places[..3]
        .iter()
        .map(|it| {
            let local = it.local().unwrap();
            Outgoing { bytes: it.bytes(), to: it.peer(), from: Some(Local { device: 0, ..local }) }
        })
        .collect();
    assert_eq!(send(server.as_fd(), &answers).unwrap(), 3);
    // A connected socket takes answers from there only.
    let mut bytes = [0; 8];
    client.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    assert_eq!(client.recv(&mut bytes).unwrap(), 3);
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    answers_from_where_it_was_asked("0.0.0.0:0", "127.0.0.7", "127.0.0.1:0");
    answers_from_where_it_was_asked("[::]:0", "::1", "[::1]:0");
    // One socket for both families.
    answers_from_where_it_was_asked("[::]:0", "127.0.0.7", "127.0.0.1:0");
}

#[test]
fn nothing_to_take_is_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = receive(socket.as_fd(), &mut [Incoming::new(1)]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(Incoming::new(1).peer(), None);
    assert_eq!(Incoming::new(1).local(), None);
}
