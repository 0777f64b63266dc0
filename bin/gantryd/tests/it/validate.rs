//! `--validate`: flags and file are read, and nothing else happens.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::daemon::Places;

fn validated(file: &str, flags: &[&str]) -> Output {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("daemon.json");
    std::fs::write(&path, file).unwrap();
    let config = format!("--config-file={}", path.display());
    let places = Places::below(&dir, "own").with(&["--validate", &config]).with(flags);
    let words = places.words();
    let mut command = Command::new(&words[0]);
    places.furnish(command.args(&words[1..]));
    let output = command.output().unwrap();
    assert!(!dir.path().join("own").exists(), "something was made");
    output
}

#[test]
fn what_is_right_is_told_to_be_right() {
    let output = validated(r#"{"labels":["a=b"],"log-opts":{"max-size":"10m"}}"#, &["--mtu=1400"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "configuration OK\n");
}

#[test]
fn what_is_wrong_is_named() {
    for (file, flags, says) in [
        ("{", &[][..], "daemon.json"),
        (r#"{"data-rot":1}"#, &[], "don't match any configuration option: data-rot"),
        (r#"{"mtu":1400}"#, &["--mtu=1400"], "mtu: (from flag: 1400, from file: 1400)"),
        (r#"{"mtu":12}"#, &[], "mtu cannot be 12"),
        (r#"{"storage-driver":"zfs"}"#, &[], "storage-driver cannot be zfs"),
        (r#"{"tlsverify":false,"tlscert":"/nowhere/cert.pem"}"#, &[], "/nowhere"),
        (r#"{"metrics-addr":"here"}"#, &[], "metrics-addr cannot be here"),
    ] {
        let output = validated(file, flags);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{file}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
