//! Registries whose certificates only the administrator knows, and the proxy that stands before them: a real registry
//! with TLS, called by a name that only the proxy can resolve.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gantry_registry_client::{Access, Client, Config, Proxies, Repository};
use gantry_testkit::{ConnectProxy, Invocation, Registry};

const NAME: &str = "r.example:5443";

/// A certificate authority, what it gave to a server and to a client, and another authority.
const MAKE: &str = r#"set -e
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }
for name in ca other; do
    key $name; openssl req -x509 -key $name.key -out $name.crt -days 2 -subj "/CN=$name"
done
for name in server client; do
    key $name; openssl req -new -key $name.key -subj "/CN=$name" -out $name.csr
    echo "subjectAltName=DNS:r.example" >$name.ext
    openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.crt
done 2>/dev/null
"#;

/// Puts files into `certs.d` below `folder`, under other names.
fn lay(folder: &Path, files: &[(&str, &str)]) {
    let own = folder.join("certs.d").join(NAME);
    fs::create_dir_all(&own).unwrap();
    for (file, name) in files {
        fs::copy(folder.join(file), own.join(name)).unwrap();
    }
}

fn repository(folder: &Path, proxy: &ConnectProxy) -> Repository {
    let client = Arc::new(Client::new(Config {
        certificate_folders: vec![folder.join("certs.d")],
        proxies: Proxies { https: format!("http://{}", proxy.address()), ..Proxies::default() },
        user_agent: "gantry-test".to_owned(),
        ..Config::default()
    }));
    let reference = format!("{NAME}/a/b:t").parse().unwrap();
    client.repository(&reference, None, Access::Pull)
}

#[test]
fn an_authority_that_only_the_administrator_knows() {
    let folder = tempfile::tempdir().unwrap();
    Invocation::new("sh").current_dir(folder.path()).args(["-c", MAKE]).run().exits(0);
    let registry = Registry::with_tls(folder.path(), false);
    let proxy = ConnectProxy::before(registry.address());
    let refused = repository(folder.path(), &proxy).tags().unwrap_err();
    let says = |error: &gantry_registry_client::Error| gantry_types::error_chain(error);
    assert!(says(&refused).to_lowercase().contains("certificate"), "{}", says(&refused));
    lay(folder.path(), &[("other.crt", "ca.crt")]);
    let refused = repository(folder.path(), &proxy).tags().unwrap_err();
    assert!(says(&refused).to_lowercase().contains("certificate"), "{}", says(&refused));
    lay(folder.path(), &[("ca.crt", "ca.crt")]);
    // It lets us in, and has nothing.
    let refused = repository(folder.path(), &proxy).manifest("t").unwrap_err();
    assert!(says(&refused).contains("manifest unknown"), "{}", says(&refused));
    let asked = proxy.asked();
    assert!(asked.len() >= 3 && asked.iter().all(|name| name == NAME), "{asked:?}");
}

#[test]
fn a_registry_that_wants_to_know_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    Invocation::new("sh").current_dir(folder.path()).args(["-c", MAKE]).run().exits(0);
    let registry = Registry::with_tls(folder.path(), true);
    let proxy = ConnectProxy::before(registry.address());
    lay(folder.path(), &[("ca.crt", "ca.crt")]);
    let refused = repository(folder.path(), &proxy).manifest("t").unwrap_err();
    assert!(!gantry_types::error_chain(&refused).contains("manifest unknown"));
    lay(folder.path(), &[("client.crt", "me.cert"), ("client.key", "me.key")]);
    let refused = repository(folder.path(), &proxy).manifest("t").unwrap_err();
    let says = gantry_types::error_chain(&refused);
    assert!(says.contains("manifest unknown"), "{says}");
}
