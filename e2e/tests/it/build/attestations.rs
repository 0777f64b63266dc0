//! What is stated about an image: it lies beside it in its index, and goes with it to registries and into archives.

use std::fs;

use gantry_testkit::{Daemon, Registry};
use serde_json::Value;

use super::context;

const DOCKERFILE: &str = "FROM busybox\nARG TOKEN\nCOPY status /var/lib/dpkg/status\nCOPY METADATA /usr/lib/x-1.dist-info/METADATA\n\
     RUN --mount=type=secret,id=key cat /run/secrets/key > /dev/null\n";
const STATUS: &str =
    "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.3\n";

fn attestations(daemon: &Daemon, name: &str) -> Vec<Value> {
    let reply = daemon.http("GET", &format!("/images/{name}/attestations?statement=1"), &[]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json().as_array().unwrap().clone()
}

/// Builds with both statements under a name.
#[track_caller]
fn build(daemon: &Daemon, flags: &[&str]) {
    let files = [
        ("Dockerfile", DOCKERFILE),
        ("status", STATUS),
        ("METADATA", "Name: x\nVersion: 1\n"),
        ("key", "quite-secret"),
    ];
    let root = context(daemon, &crate::shared::unique("context"), &files);
    let secret = format!("id=key,src={}", root.join("key").display());
    fs::write(root.join(".dockerignore"), "key\n").unwrap();
    let fixed = [
        "build",
        "--network=none",
        "--sbom",
        "--secret",
        &secret,
        "--build-arg",
        "TOKEN=not-public",
    ];
    daemon.ok(&[&fixed[..], flags, &[root.to_str().unwrap()]].concat());
}

#[test]
fn statements_go_with_the_image() {
    let (here, registry) = (Daemon::with_busybox(), Registry::open());
    let name = format!("{}/stated:1", registry.address());
    let metadata = here.scratch("metadata.json");
    build(
        &here,
        &[
            "--provenance=mode=max",
            "--push",
            "-t",
            &name,
            "--metadata-file",
            metadata.to_str().unwrap(),
        ],
    );
    let metadata: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    let check = |daemon: &Daemon| {
        let told = attestations(daemon, &name);
        let kinds: Vec<&str> =
            told.iter().map(|one| one["PredicateType"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"]);
        let inspected = daemon.http("GET", &format!("/images/{name}/json"), &[]).json();
        let digest = inspected["RepoDigests"][0].as_str().unwrap().to_owned();
        assert!(digest.ends_with(metadata["containerimage.digest"].as_str().unwrap()), "{digest}");
        let packages = told[0]["Statement"]["predicate"]["packages"].to_string();
        for url in ["pkg:deb/debian/zlib1g@1:1.3?arch=amd64", "pkg:pypi/x@1"] {
            assert!(packages.contains(url), "{packages}");
        }
        told
    };
    let told = check(&here);
    let subject = &told[0]["Statement"]["subject"][0];
    let provenance = &told[1]["Statement"]["predicate"];
    let depends = &provenance["buildDefinition"]["resolvedDependencies"][0]["uri"];
    assert_eq!(depends, "pkg:docker/busybox@latest?platform=linux%2Famd64");
    let text = provenance.to_string();
    assert!(text.contains("not-public") && !text.contains("quite-secret"), "{text}");
    // In the registry, as every tool finds it.
    let raw =
        registry.skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    let index: Value = serde_json::from_str(&raw.run().success()).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap();
    assert_eq!(subject["digest"]["sha256"], manifest["sha256:".len()..]);
    let notes = &index["manifests"][1]["annotations"];
    assert_eq!(notes["vnd.docker.reference.type"], "attestation-manifest");
    assert_eq!(notes["vnd.docker.reference.digest"], manifest);
    // By the registry, and by an archive.
    let there = Daemon::start();
    there.ok(&["pull", &name]);
    assert_eq!(check(&there), told);
    let archive = here.scratch("stated.tar");
    here.ok(&["save", "-o", archive.to_str().unwrap(), &name]);
    let other = Daemon::start();
    other.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert_eq!(attestations(&other, &name), told);
    for daemon in [&here, &there, &other] {
        daemon.ok(&["run", "--rm", "--network=none", &name, "true"]);
        daemon.ok(&["system", "check"]);
    }
}

#[test]
fn little_is_told_unless_all_is_asked_for() {
    let daemon = Daemon::with_busybox();
    build(&daemon, &["--provenance", "-t", "little"]);
    let told = attestations(&daemon, "little");
    let text = told[1]["Statement"].to_string();
    assert!(!text.contains("not-public") && !text.contains("FROM busybox"), "{text}");
    build(&daemon, &["--sbom=false", "-t", "none"]);
    assert_eq!(attestations(&daemon, "none"), Vec::<Value>::new());
    let wrong =
        daemon.gantry(&["build", "--attest", "type=guess", "-"]).input("FROM scratch\n").run();
    wrong.exits(1).complains("sbom and provenance");
}
