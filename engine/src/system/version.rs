//! `version`: who answers.

use std::collections::BTreeMap;

use gantry_api::system::{ComponentVersion, Platform, Version};

/// Versions of the engine, and of the API that is spoken in front of it.
pub fn version(oldest_api: &str, newest_api: &str) -> Version {
    let own = env!("CARGO_PKG_VERSION");
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let details = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let engine = details(&[
        ("ApiVersion", newest_api),
        ("MinAPIVersion", oldest_api),
        ("Arch", architecture()),
        ("Os", "linux"),
        ("KernelVersion", &kernel),
    ]);
    Version {
        platform: Platform { name: "Gantry".to_owned() },
        components: vec![ComponentVersion {
            name: "Engine".to_owned(),
            version: own.to_owned(),
            details: engine,
        }],
        version: own.to_owned(),
        api_version: newest_api.to_owned(),
        min_api_version: oldest_api.to_owned(),
        os: "linux".to_owned(),
        arch: architecture().to_owned(),
        kernel_version: kernel,
        ..Version::default()
    }
}

/// The architecture by the name that images use.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
