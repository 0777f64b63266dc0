//! TLS: who shows a certificate of the CA is served, nobody else; and certificates are replaced while the daemon runs.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use gantry_client::{Client, Host, Tls, TlsFiles};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::{Places, until};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A CA whose certificate is in `ca.pem` of a folder.
fn authority(folder: &Path) -> Authority {
    std::fs::create_dir_all(folder).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    authority
}

/// Writes a certificate for `name` and its key beside `ca.pem`.
fn issue(authority: &Authority, folder: &Path, prefix: &str, name: &str) {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    std::fs::write(folder.join(format!("{prefix}cert.pem")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{prefix}key.pem")), key.serialize_pem()).unwrap();
}

/// Whether a client with these files is served.
fn is_served(host: &Host, files: &TlsFiles) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tls = Tls::read(files).unwrap();
    runtime.block_on(async {
        let asked = async {
            let client = Client::connect_over(host.clone(), Some(tls)).await?;
            client.info().await
        };
        match tokio::time::timeout(Duration::from_secs(20), asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(gantry_types::error_chain(&error)),
            Err(_) => Err("no answer".to_owned()),
        }
    })
}

fn files(folder: &Path, prefix: &str) -> TlsFiles {
    let identity =
        (folder.join(format!("{prefix}cert.pem")), folder.join(format!("{prefix}key.pem")));
    TlsFiles { ca: Some(folder.join("ca.pem")), identity: Some(identity) }
}

#[test]
fn only_clients_of_the_authority_are_served() {
    let dir = TempDir::new().unwrap();
    let (own, other) = (dir.path().join("own-ca"), dir.path().join("other-ca"));
    let ours = authority(&own);
    issue(&ours, &own, "server-", "daemon");
    issue(&ours, &own, "", "alice");
    let theirs = authority(&other);
    issue(&theirs, &other, "", "mallory");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let flag = |name: &str, file: &str| format!("--{name}={}", own.join(file).display());
    let places = Places::below(&dir, "own").with(&[
        "--tlsverify",
        &flag("tlscacert", "ca.pem"),
        &flag("tlscert", "server-cert.pem"),
        &flag("tlskey", "server-key.pem"),
        "-H",
        &format!("tcp://127.0.0.1:{port}"),
    ]);
    let daemon = places.start();
    let host = Host::Tcp { name: "127.0.0.1".to_owned(), port };
    is_served(&host, &files(&own, "")).unwrap();
    // Without a certificate, with another's, and by another's daemon.
    let nobody = TlsFiles { identity: None, ..files(&own, "") };
    is_served(&host, &nobody).unwrap_err();
    let stranger = TlsFiles { ca: Some(own.join("ca.pem")), ..files(&other, "") };
    is_served(&host, &stranger).unwrap_err();
    let mistaken = TlsFiles { ca: Some(other.join("ca.pem")), ..files(&own, "") };
    let error = is_served(&host, &mistaken).unwrap_err();
    assert!(error.contains("invalid peer certificate"), "{error}");
    let careless = TlsFiles { ca: None, ..files(&own, "") };
    is_served(&host, &careless).unwrap();
    // A plain client is not answered, and keeps nobody else from it.
    let plain = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    is_served(&host, &files(&own, "")).unwrap();
    drop(plain);
    // Another authority takes over, while the daemon runs.
    issue(&theirs, &other, "server-", "daemon");
    for name in ["ca.pem", "server-cert.pem", "server-key.pem"] {
        std::fs::copy(other.join(name), own.join(name)).unwrap();
    }
    is_served(&host, &files(&other, "")).unwrap_err();
    daemon.signal(Signal::HUP);
    until("the new authority", || is_served(&host, &files(&other, "")).is_ok());
    is_served(&host, &files(&own, "")).unwrap_err();
    // Who has not shaken hands yet is not waited for.
    let silent = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    is_served(&host, &files(&other, "")).unwrap();
    let asked = Instant::now();
    daemon.end();
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop(silent);
}
