//! Questions by TCP, and long answers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;

use crate::place::{
    A, PATIENCE, SERVER, answer, code, dns, inside, namespace, place, question, view,
};

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect(SERVER).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn a_long_answer_comes_whole_by_tcp() {
    let (dns, one) = (dns(), namespace());
    for number in 0..200 {
        dns.set_places(&number.to_string(), vec![place(&["all"], &format!("10.0.0.{number}"))]);
    }
    dns.serve("one", one.as_fd(), view(&[])).unwrap();
    inside(&one, || {
        let short = crate::place::ask_here(&question(1, "all", A));
        assert!(short.len() <= 512 && short[2] & 2 != 0, "it is truncated");
        let mut stream = connect();
        // In pieces, and two at once.
        let both = [framed(&question(1, "all", A)), framed(&question(2, "all", A))].concat();
        for piece in both.chunks(5) {
            stream.write_all(piece).unwrap();
        }
        for number in [1, 2] {
            let whole = read(&mut stream);
            assert_eq!((whole[1], whole[7], whole[2] & 2), (number, 200, 0));
        }
        stream.write_all(&framed(&[0; 5])).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "what is no question ends it");
    });
}

#[test]
fn a_connection_is_asked_outside_by_a_connection() {
    let (dns, one) = (dns(), namespace());
    let listener = inside(&one, || TcpListener::bind("127.0.0.2:53").unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let bytes = read(&mut stream);
            let mut long = answer(&bytes, 0, 4);
            long.resize(9000, 0);
            stream.write_all(&framed(&long)).unwrap();
        }
    });
    // .3 is not there.
    dns.serve("one", one.as_fd(), view(&["127.0.0.3", "127.0.0.2"])).unwrap();
    inside(&one, || {
        let mut stream = connect();
        for number in 1..4 {
            stream.write_all(&framed(&question(number, "a.example", A))).unwrap();
            let whole = read(&mut stream);
            assert_eq!((whole[1], whole.len(), code(&whole)), (number.to_be_bytes()[1], 9000, 0));
        }
        dns.serve("one", one.as_fd(), view(&["127.0.0.3"])).unwrap();
        stream.write_all(&framed(&question(5, "a.example", A))).unwrap();
        assert_eq!(code(&read(&mut stream)), 2);
    });
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let (dns, one) = (dns(), namespace());
    dns.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    dns.serve("one", one.as_fd(), view(&[])).unwrap();
    inside(&one, || {
        let mut open: Vec<TcpStream> = (0..64).map(|_| connect()).collect();
        let last = open.last_mut().unwrap();
        last.write_all(&framed(&question(1, "web", A))).unwrap();
        assert_eq!(code(&read(last)), 0);
        assert_eq!(connect().read(&mut [0; 8]).unwrap_or(0), 0);
        drop(open);
        // There is room again once the server has seen that they have gone.
        let deadline = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < deadline {
            let mut stream = connect();
            let asked = stream.write_all(&framed(&question(1, "web", A)));
            if asked.and_then(|()| stream.read_exact(&mut [0; 2])).is_ok() {
                return;
            }
        }
        panic!("there is no room any more");
    });
}
