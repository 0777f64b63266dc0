//! syslog over every kind of socket.

use crate::{DEADLINE, connect, message, origin, piece, read_until, remote, reserve};
use gantry_log_drivers::Error;
use gantry_types::ErrorKind;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

const FIRST: &str = "<30>1 2024-03-03T00:04:05Z host tagged 7 tagged - one";

fn ends_with(text: &'static [u8]) -> impl Fn(&[u8]) -> bool {
    move |bytes| bytes.ends_with(text)
}

#[test]
fn datagrams() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = format!("udp://{}", udp.local_addr().unwrap());
    let mut delivery =
        connect("syslog", &[("syslog-address", &address), ("syslog-format", "rfc5424")]);
    delivery.deliver(&[message(b"one"), piece(b"\xfftwo", 1, false)]).unwrap();
    let mut packet = [0; 2048];
    let length = udp.recv(&mut packet).unwrap();
    assert_eq!(packet[..length], *format!("{FIRST}\n").as_bytes());
    let length = udp.recv(&mut packet).unwrap();
    assert!(packet[..length].starts_with(b"<27>1 ") && packet[..length].ends_with(b"\xfftwo\n"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = format!("unixgram://{}", path.display());
    let options = [("syslog-address", &*address), ("syslog-facility", "local7")];
    connect("syslog", &options).deliver(&[message(b"one")]).unwrap();
    let length = socket.recv(&mut packet).unwrap();
    let text = String::from_utf8_lossy(&packet[..length]);
    assert!(text.starts_with("<190>") && text.ends_with(" tagged[7]: one\n"), "{text}");
}

#[test]
fn streams() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", tcp.local_addr().unwrap());
    let mut delivery =
        connect("syslog", &[("syslog-address", &address), ("syslog-format", "rfc5424micro")]);
    let (mut stream, _) = tcp.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    delivery.deliver(&[message(b"one"), message(b"two")]).unwrap();
    let text = read_until(&mut stream, ends_with(b"two\n"));
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), 2);
    let first = "<30>1 2024-03-03T00:04:05.006007Z host tagged 7 tagged - one\n";
    assert!(text.starts_with(first), "{text}");
    // A connection that its other side has closed takes nothing, rather than losing it.
    drop(stream);
    let failure = delivery.deliver(&[message(b"three")]).unwrap_err();
    assert_eq!((failure.delivered, failure.error.kind()), (0, ErrorKind::Unavailable));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let listener = UnixListener::bind(&path).unwrap();
    let address = format!("unix://{}", path.display());
    let options = [("syslog-address", &*address), ("syslog-format", "rfc3164")];
    let mut delivery = connect("syslog", &options);
    let (mut stream, _) = listener.accept().unwrap();
    delivery.deliver(&[message(b"one")]).unwrap();
    drop(delivery);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("<30>") && text.ends_with(" host tagged[7]: one\n"), "{text}");
}

#[test]
fn nobody_is_there() {
    let reserved = reserve();
    let address = format!("tcp://{}", reserved.local_addr().unwrap());
    let remote = remote("syslog", &[("syslog-address", &address)]).unwrap();
    let error = remote.connect(&origin()).err().unwrap();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(error.to_string().starts_with("reach the syslog log driver's 127.0.0.1:"));
    assert!(!remote.may_be_away());
}

/// An authority, and a certificate of `127.0.0.1` that it vouches for.
const CERTIFICATES: &str = r#"
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
key ca && openssl req -x509 -key ca.key -out ca.crt -days 2 -subj /CN=ca &&
key log && openssl req -new -key log.key -subj /CN=log -out log.csr &&
echo subjectAltName=IP:127.0.0.1 > log.ext &&
openssl x509 -req -in log.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile log.ext -out log.crt
"#;

fn certificate(folder: &Path) {
    let made = Command::new("sh").args(["-c", CERTIFICATES]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn server(folder: &Path) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(folder.join("log.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("log.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Arc::new(config)
}

#[test]
fn tls() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let config = server(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp+tls://{}", listener.local_addr().unwrap());
    let accept = || {
        let config = Arc::clone(&config);
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        StreamOwned::new(ServerConnection::new(config).unwrap(), stream)
    };
    let ca = folder.path().join("ca.crt").display().to_string();
    for trust in [("syslog-tls-ca-cert", &*ca), ("syslog-tls-skip-verify", "true")] {
        thread::scope(|scope| {
            let receiving =
                scope.spawn(|| read_until(&mut accept(), |bytes| bytes.ends_with(b"one")));
            let options = [("syslog-address", &*address), ("syslog-format", "rfc5424"), trust];
            connect("syslog", &options).deliver(&[message(b"one")]).unwrap();
            // With its length before it, and no newline.
            let expected = format!("{} {FIRST}", FIRST.len());
            assert_eq!(String::from_utf8(receiving.join().unwrap()).unwrap(), expected);
        });
    }
    // It says goodbye, after things that nobody here reads: that is seen as well.
    thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            let mut stream = accept();
            read_until(&mut stream, |bytes| bytes.ends_with(b"one\n"));
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        });
        let options = [("syslog-address", &*address), ("syslog-tls-ca-cert", &*ca)];
        let mut delivery = connect("syslog", &options);
        delivery.deliver(&[message(b"one")]).unwrap();
        receiving.join().unwrap();
        assert_eq!(delivery.deliver(&[message(b"two")]).unwrap_err().delivered, 0);
    });
    // Nobody vouches for it.
    thread::scope(|scope| {
        scope.spawn(|| accept().read(&mut [0; 1]).unwrap_err());
        let remote = remote("syslog", &[("syslog-address", &address)]).unwrap();
        assert!(matches!(remote.connect(&origin()), Err(Error::Connect { .. })));
    });
    let missing = [("syslog-address", &*address), ("syslog-tls-ca-cert", "/nowhere.pem")];
    let remote = remote("syslog", &missing).unwrap();
    assert!(matches!(remote.connect(&origin()), Err(Error::Tls { .. })));
}
