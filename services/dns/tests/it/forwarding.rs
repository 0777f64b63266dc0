//! Names of the world outside: which server is asked, and which answers count.

use std::os::fd::AsFd;

use gantry_dns::{Config, Dns, Upstreams, View};

use crate::place::{
    A, answer, ask, ask_here, client, code, dns, inside, namespace, place, question, upstream, view,
};

#[test]
fn unknown_names_are_asked_outside_and_known_ones_never() {
    let (dns, one) = (dns(), namespace());
    dns.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    upstream(&one, "127.0.0.2", |question| vec![answer(question, 0, 77)]);
    dns.serve("one", one.as_fd(), view(&["127.0.0.2"])).unwrap();
    assert_eq!(ask(&one, "www.example.com", A), (vec![77], 0));
    assert_eq!(ask(&one, "web", A), (vec![1], 0));
    assert_eq!(ask(&one, "web", 28), (vec![], 0));
}

#[test]
fn each_question_sees_the_view_that_was_set_before_it() {
    let (dns, one) = (dns(), namespace());
    upstream(&one, "127.0.0.2", |question| vec![answer(question, 0, 77)]);
    let closed = View { upstreams: Upstreams::None, ..view(&[]) };
    let views = [view(&["127.0.0.2"]), closed];
    dns.serve("one", one.as_fd(), view(&[])).unwrap();
    // At once, from where the answer came to: the server may not have begun to wait again.
    inside(&one, || {
        for round in 0..2000 {
            let view = &views[round % 2];
            dns.serve("one", one.as_fd(), view.clone()).unwrap();
            let found = code(&ask_here(&question(7, "www.example.com", A)));
            assert_eq!(found, if round % 2 == 0 { 0 } else { 2 }, "{round}");
        }
    });
}

#[test]
fn the_next_server_is_asked_when_one_cannot_tell() {
    let (dns, one) = (dns(), namespace());
    // Nobody is at .4, .2 fails, .3 refuses, and a fourth is never asked.
    upstream(&one, "127.0.0.2", |question| vec![answer(question, 2, 0)]);
    upstream(&one, "127.0.0.3", |question| vec![answer(question, 5, 0)]);
    upstream(&one, "127.0.0.5", |question| vec![answer(question, 0, 5)]);
    upstream(&one, "127.0.0.6", |question| vec![answer(question, 3, 0)]);
    for (servers, wanted) in [
        (&["127.0.0.4", "127.0.0.2", "127.0.0.5"][..], (vec![5], 0)),
        (&["127.0.0.3", "127.0.0.5"], (vec![5], 0)),
        (&["127.0.0.2", "127.0.0.3"], (vec![], 5)),
        (&["127.0.0.4", "127.0.0.2", "127.0.0.3", "127.0.0.5"], (vec![], 5)),
        (&["127.0.0.6", "127.0.0.5"], (vec![], 3)),
        (&["127.0.0.4"], (vec![], 2)),
        (&["127.0.0.11"], (vec![], 2)),
        (&[], (vec![], 2)),
    ] {
        dns.serve("one", one.as_fd(), view(servers)).unwrap();
        assert_eq!(ask(&one, "www.example.com", A), wanted, "{servers:?}");
    }
}

#[test]
fn the_host_s_servers_are_asked_by_the_host_where_a_container_has_no_way() {
    let (host, one) = (namespace(), namespace());
    inside(&host, || {
        for address in ["192.0.2.53/32", "fd00:53::1/128"] {
            let words = ["addr", "add", address, "dev", "lo", "nodad"];
            let words = if address.contains(':') { &words[..] } else { &words[..5] };
            assert!(std::process::Command::new("ip").args(words).status().unwrap().success());
        }
    });
    upstream(&host, "192.0.2.53", |question| vec![answer(question, 0, 4)]);
    upstream(&host, "fd00:53::1", |question| vec![answer(question, 0, 6)]);
    let folder = tempfile::tempdir().unwrap();
    let resolv_conf = folder.path().join("resolv.conf");
    for (server, last) in [("192.0.2.53", 4), ("fd00:53::1", 6)] {
        std::fs::write(&resolv_conf, format!("nameserver {server}\n")).unwrap();
        let config = Config { resolv_conf: resolv_conf.clone() };
        let as_the_host_has_them = View { upstreams: Upstreams::Host, ..view(&[]) };
        // The host is where the first container gets its server.
        let dns = inside(&host, || {
            let dns = Dns::new(config).unwrap();
            dns.serve("one", one.as_fd(), as_the_host_has_them).unwrap();
            dns
        });
        assert_eq!(ask(&one, "www.example.com", A), (vec![last], 0), "{server}");
        // The user's own choice is asked by the container or not at all.
        dns.serve("one", one.as_fd(), view(&[server])).unwrap();
        assert_eq!(ask(&one, "www.example.com", A), (vec![], 2), "{server}");
    }
}

#[test]
fn a_silent_server_has_four_seconds() {
    let (dns, one) = (dns(), namespace());
    upstream(&one, "127.0.0.2", |_| Vec::new());
    upstream(&one, "127.0.0.3", |question| vec![answer(question, 0, 3)]);
    dns.serve("one", one.as_fd(), view(&["127.0.0.2", "127.0.0.3"])).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(ask(&one, "www.example.com", A), (vec![3], 0));
    let took = start.elapsed().as_secs_f64();
    assert!((3.9..8.0).contains(&took), "{took}");
}

#[test]
fn forged_answers_do_not_count() {
    let (dns, one) = (dns(), namespace());
    upstream(&one, "127.0.0.2", |bytes| {
        let right = answer(bytes, 0, 1);
        let mut other_number = answer(bytes, 0, 66);
        other_number[1] ^= 1;
        let mut other_question = answer(bytes, 0, 66);
        other_question[13] ^= 1;
        let mut no_answer = answer(bytes, 0, 66);
        no_answer[2] &= 0x7f;
        let cut = right[..20].to_vec();
        vec![other_number, other_question, no_answer, cut, vec![1], right]
    });
    dns.serve("one", one.as_fd(), view(&["127.0.0.2"])).unwrap();
    for _ in 0..20 {
        assert_eq!(ask(&one, "www.example.com", A), (vec![1], 0));
    }
}

#[test]
fn too_many_questions_cost_the_oldest() {
    let (dns, one) = (dns(), namespace());
    upstream(&one, "127.0.0.2", |_| Vec::new());
    dns.serve("one", one.as_fd(), view(&["127.0.0.2"])).unwrap();
    let refused = inside(&one, || {
        let socket = client();
        let mut room = [0; 512];
        let mut refused = Vec::new();
        for number in 0..1026_u16 {
            socket.send(&question(number, "a.example", A)).unwrap();
            if number % 32 == 31 {
                // The server has taken what was sent when it answers this.
                let probe = client();
                probe.send(&question(9, "a.example", 252)).unwrap();
                let length = probe.recv(&mut room).unwrap();
                assert_eq!(code(&room[..length]), 5);
            }
        }
        for _ in 0..2 {
            let length = socket.recv(&mut room).unwrap();
            refused.push((u16::from_be_bytes([room[0], room[1]]), code(&room[..length])));
        }
        refused
    });
    assert_eq!(refused, [(0, 5), (1, 5)]);
}

#[test]
fn questions_to_a_dead_server_disturb_no_other_container_and_end() {
    let (dns, one, two) = (dns(), namespace(), namespace());
    dns.set_places("web", vec![place(&["web"], "10.0.0.1")]);
    upstream(&one, "127.0.0.2", |_| Vec::new());
    upstream(&two, "127.0.0.3", |question| vec![answer(question, 0, 5)]);
    dns.serve("one", one.as_fd(), view(&["127.0.0.2"])).unwrap();
    dns.serve("two", two.as_fd(), view(&["127.0.0.3"])).unwrap();
    let mut room = [0; 512];
    // A socket has room for so many answers at once.
    let sockets: Vec<_> = inside(&one, || (0..32).map(|_| client()).collect());
    for socket in &sockets {
        for number in 0..32_u16 {
            socket.send(&question(number, "a.example", A)).unwrap();
        }
        // The server has taken what was sent when it answers this.
        let probe = inside(&one, client);
        probe.send(&question(9, "a.example", 252)).unwrap();
        let length = probe.recv(&mut room).unwrap();
        assert_eq!(code(&room[..length]), 5);
    }
    for _ in 0..50 {
        let start = std::time::Instant::now();
        assert_eq!(ask(&two, "www.example.com", A), (vec![5], 0));
        assert_eq!(ask(&two, "web", A), (vec![1], 0));
        assert_eq!(ask(&one, "web", A), (vec![1], 0));
        assert!(start.elapsed().as_secs_f64() < 2.0);
    }
    for socket in &sockets {
        let mut numbers: Vec<u16> = (0..32)
            .map(|_| {
                let length = socket.recv(&mut room).unwrap();
                assert_eq!(code(&room[..length]), 2);
                u16::from_be_bytes([room[0], room[1]])
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..32).collect::<Vec<_>>());
    }
}

#[test]
fn many_questions_at_once_are_all_answered() {
    let (dns, one) = (dns(), namespace());
    upstream(&one, "127.0.0.2", |question| vec![answer(question, 0, 9)]);
    dns.serve("one", one.as_fd(), view(&["127.0.0.2"])).unwrap();
    inside(&one, || {
        let socket = client();
        let mut room = [0; 512];
        for _ in 0..20 {
            for number in 0..50 {
                socket.send(&question(number, "a.example", A)).unwrap();
            }
            let mut got: Vec<u16> = (0..50)
                .map(|_| {
                    let length = socket.recv(&mut room).unwrap();
                    assert_eq!(code(&room[..length]), 0);
                    u16::from_be_bytes([room[0], room[1]])
                })
                .collect();
            got.sort_unstable();
            assert_eq!(got, (0..50).collect::<Vec<_>>());
        }
    });
}
