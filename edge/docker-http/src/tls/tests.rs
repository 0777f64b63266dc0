//! Certificates that are made here, and a server and a client that have shaken hands by them.

use std::time::Duration;

use gantry_tls::Trust;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::socket::{ClientSocket, Transport};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// An authority in `ca.pem`, and a certificate of it for this machine and for alice in `cert.pem` and `key.pem`.
fn files(dir: &TempDir) -> Files {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "alice");
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Files {
        ca: Some(write("ca.pem", authority.pem())),
        certificate: write("cert.pem", certificate.pem()),
        key: write("key.pem", key.serialize_pem()),
    }
}

/// A server that was told `told`, and a client that has the certificate of `files`.
async fn pair(files: &Files, told: Files) -> (TlsStream<TcpStream>, client::TlsStream<TcpStream>) {
    let roots = gantry_tls::authorities(files.ca.as_ref().unwrap()).unwrap();
    let identity = (files.certificate.clone(), files.key.clone());
    let config = gantry_tls::client(Trust::Authorities(roots), Some(&identity)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let accepted = listener.accept().await.unwrap().0;
    let acceptor = Acceptor::new(told).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(config);
    let (server, client) = tokio::join!(acceptor.accept(accepted), connector.connect(name, stream));
    (server.unwrap(), client.unwrap())
}

#[tokio::test]
async fn a_client_is_who_it_was_asked_to_show() {
    let dir = TempDir::new().unwrap();
    let files = files(&dir);
    let (server, _client) = pair(&files, files.clone()).await;
    let peer = Peer::of(&server).unwrap();
    assert_eq!((peer.user.as_str(), peer.certificates.len()), ("alice", 1));
    let (server, _client) = pair(&files, Files { ca: None, ..files.clone() }).await;
    assert_eq!(Peer::of(&server), None);
}

#[tokio::test]
async fn what_was_sent_comes_without_more() {
    let dir = TempDir::new().unwrap();
    let files = files(&dir);
    let (server, mut client) = pair(&files, files.clone()).await;
    let (_reader, mut writer) = ClientSocket::new(Transport::tls(server).unwrap()).into_split();
    // Until the socket takes no more, as the client does not read yet.
    let mut sent = 0;
    while let Ok(done) =
        tokio::time::timeout(Duration::from_millis(300), writer.send(&[7; 999])).await
    {
        done.unwrap();
        sent += 999;
    }
    let mut read = vec![0; sent];
    let all = tokio::time::timeout(PATIENCE, client.read_exact(&mut read)).await;
    all.expect("some of it stayed with the writer").unwrap();
}

#[test]
fn other_files_do_not_change_whether_clients_are_asked() {
    let dir = TempDir::new().unwrap();
    let files = files(&dir);
    let anybody = Files { ca: None, ..files.clone() };
    let acceptor = Acceptor::new(files.clone()).unwrap();
    assert_eq!(acceptor.read(anybody.clone()).unwrap().files, files);
    let acceptor = Acceptor::new(anybody.clone()).unwrap();
    assert_eq!(acceptor.read(files).unwrap().files, anybody);
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cert.pem");
    let files = Files { ca: None, certificate: path.clone(), key: dir.path().join("key.pem") };
    let error = Acceptor::new(files.clone()).unwrap_err().to_string();
    assert!(error.contains("cert.pem"), "{error}");
    std::fs::write(&path, "nothing").unwrap();
    let error = Acceptor::new(files.clone()).unwrap_err().to_string();
    assert!(error.contains("there is no certificate in it"), "{error}");
    let ca = Files { ca: Some(path), ..files };
    assert!(Acceptor::new(ca).unwrap_err().to_string().contains("cert.pem"));
}

#[test]
fn pem_has_short_lines() {
    let text = pem(&[7; 100]);
    assert!(text.lines().all(|line| line.len() <= PEM_LINE_BYTES));
    assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().as_ref(), [7; 100]);
}
