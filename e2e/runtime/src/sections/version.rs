//! config.md, "Specification version", "Extensibility" and "Valid values".

use serde_json::json;

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> = ["1.0.0", "1.0.1", "1.1.0", "1.2.1", "1.3.0"].map(accepted).into();
    cases.extend([
        must("missing", "A config without ociVersion is refused.", |stage| {
            stage.remove("/ociVersion").refused();
        }),
        must(
            "not-a-version",
            "An ociVersion that is not in SemVer's format is refused.",
            |stage| {
                stage.set("/ociVersion", json!("the newest")).refused();
            },
        ),
        should("other-major", "A config of another major version is refused.", |stage| {
            stage.set("/ociVersion", json!("2.0.0")).refused();
        }),
        must(
            "unknown-properties",
            "Unknown properties, wherever they stand, are ignored.",
            unknown,
        ),
        must("wrong-type", "A value of a wrong JSON type is refused.", |stage| {
            stage.set("/process/cwd", json!(17)).refused();
        }),
        must("not-json", "A config.json that is not JSON is refused.", |stage| {
            let path = stage.bundle().join("config.json");
            std::fs::write(path, "{\"ociVersion\": ").expect("write half a config");
            let id = stage.id.clone();
            assert_ne!(stage.call(&["run", &id]).code, 0);
            stage.assert_no_container();
        }),
    ]);
    Section::new("config.md", "Specification version", cases)
}

fn accepted(version: &'static str) -> Case {
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0);
    must(
        version,
        format!("A config of version {version} is accepted."),
        move |stage: &mut Stage| {
            stage.set("/ociVersion", json!(version));
            assert_eq!(stage.sh("echo ran"), "ran");
        },
    )
    .since(minor)
}

fn unknown(stage: &mut Stage) {
    for place in ["", "/process", "/root", "/linux", "/linux/resources", "/mounts/0"] {
        stage.set(&format!("{place}/org.example.unknown"), json!({"a": [1, null]}));
    }
    assert_eq!(stage.sh("echo ran"), "ran");
}
