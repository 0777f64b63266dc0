//! `version`: who answers.

use std::collections::BTreeMap;

use gantry_api::system::{ComponentVersion, Platform, Version};

/// The newest Engine API version that is spoken here.
pub const NEWEST_API_VERSION: &str = "1.50";
/// The oldest one.
pub const MIN_API_VERSION: &str = "1.40";

/// Versions of the engine and its API.
pub fn version() -> Version {
    let own = env!("CARGO_PKG_VERSION");
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let details = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let engine = details(&[
        ("ApiVersion", NEWEST_API_VERSION),
        ("MinAPIVersion", MIN_API_VERSION),
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
        api_version: NEWEST_API_VERSION.to_owned(),
        min_api_version: MIN_API_VERSION.to_owned(),
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
