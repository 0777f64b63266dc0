//! The file's forms, and a helper that is a real program.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn credentials(text: &str) -> (tempfile::TempDir, Credentials) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), text).unwrap();
    let opened = Credentials::open(folder.path()).unwrap();
    (folder, opened)
}

fn ann(password: &str) -> AuthConfig {
    let (username, password) = ("ann".to_owned(), password.to_owned());
    AuthConfig { username, password, ..AuthConfig::default() }
}

#[test]
fn what_others_wrote_is_read_and_stays() {
    // ann:secret
    let (folder, mut credentials) = credentials(
        r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YW5uOnNlY3JldA=="},
            "https://r.example/v2/":{"auth":"YW5uOnNlY3JldA=="}},"psFormat":"x"}"#,
    );
    for domain in ["docker.io", "r.example"] {
        let known = credentials.get(domain).unwrap().unwrap();
        assert_eq!(
            (known.username.as_str(), known.password.as_str()),
            ("ann", "secret"),
            "{domain}"
        );
    }
    assert!(credentials.get("other.test").unwrap().is_none());
    assert!(credentials.keep("other.test", &ann("new")).unwrap());
    assert!(credentials.forget("r.example").unwrap() && !credentials.forget("r.example").unwrap());
    let path = folder.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("psFormat") && !text.contains("r.example"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Credentials::open(folder.path()).unwrap();
    assert_eq!(again.get("other.test").unwrap().unwrap().password, "new");
}

#[test]
fn all_registries_that_are_known_have_a_domain() {
    let (_folder, credentials) = credentials(
        r#"{"auths":{"https://index.docker.io/v1/":{},"https://r.example/v2/":{},"own:5000":{}},
            "credHelpers":{"own:5000":"x","g.example":"y"},"credsStore":"z"}"#,
    );
    let domains: Vec<&str> = credentials.domains().into_iter().collect();
    assert_eq!(domains, ["docker.io", "g.example", "own:5000", "r.example"]);
}

#[test]
fn proxies_are_a_daemon_s_own_or_everybody_s() {
    let (_folder, credentials) = credentials(
        r#"{"proxies":{"default":{"httpProxy":"http://one:1","noProxy":"localhost","ftpProxy":""},
            "tcp://far:2375":{"allProxy":"http://two:2"}}}"#,
    );
    let pairs = |host: &str| -> Vec<String> {
        let pairs = credentials.proxies(host).into_iter();
        pairs.map(|(name, value)| format!("{name}={value}")).collect()
    };
    assert_eq!(
        pairs("unix:///run/gantry/gantry.sock"),
        [
            "HTTP_PROXY=http://one:1",
            "http_proxy=http://one:1",
            "NO_PROXY=localhost",
            "no_proxy=localhost"
        ]
    );
    assert_eq!(pairs("tcp://far:2375"), ["ALL_PROXY=http://two:2", "all_proxy=http://two:2"]);
}

#[test]
fn a_refresh_token_takes_the_password_s_place() {
    let (folder, mut credentials) = credentials("{}");
    let token = AuthConfig { identitytoken: "t".to_owned(), ..ann("") };
    credentials.keep("docker.io", &token).unwrap();
    let known = Credentials::open(folder.path()).unwrap().get("docker.io").unwrap().unwrap();
    assert_eq!((known.identitytoken.as_str(), known.password.as_str()), ("t", ""));
}

#[test]
fn no_file_knows_nothing_and_a_broken_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Credentials::open(folder.path()).unwrap().get("docker.io").unwrap().is_none());
    fs::write(folder.path().join("config.json"), "{").unwrap();
    let error = Credentials::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("config.json is no valid configuration"), "{error}");
}
