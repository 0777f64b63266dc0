//! Finds the programs under test. It builds none: `make build` does.

use std::path::{Path, PathBuf};

/// The folder with the binaries under test.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// The binaries in `GANTRY_BIN_DIR`, else those that `make build` left in `target/dist/bin`.
    pub fn find() -> Self {
        let folder = std::env::var_os("GANTRY_BIN_DIR")
            .map_or_else(|| checkout().join("target/dist/bin"), PathBuf::from);
        let binaries = Self { folder };
        for name in ["gantry", "gantryd", "gantry-shim", "gantry-runc", "gantry-init"] {
            let path = binaries.path(name);
            assert!(path.exists(), "{} is not there: run `make build` first", path.display());
        }
        binaries
    }

    /// The path of one binary.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The top folder of this checkout.
pub fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The `docker` command line: on PATH, or the copy that `make test-tools` unpacked.
pub fn docker_cli() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = checkout().join("target/testdata/docker-cli/usr/bin");
    std::env::split_paths(&path)
        .chain([unpacked])
        .map(|folder| folder.join("docker"))
        .find(|candidate| candidate.exists())
        .unwrap_or_else(|| panic!("no docker command line on PATH: run `make test-tools`"))
}

/// The Python that `make test-tools` gave Docker's SDK.
pub fn python_with_sdk() -> PathBuf {
    let python = checkout().join(".venv/bin/python");
    assert!(python.exists(), "{} is not there: run `make test-tools` first", python.display());
    python
}

/// Each version of Docker Compose that `make test-tools` installed.
pub fn compose_programs() -> Vec<PathBuf> {
    let python = python_with_sdk();
    let bin = python.parent().unwrap_or(&python);
    let programs = ["docker-compose-v2", "docker-compose-v5"].map(|name| bin.join(name));
    for program in &programs {
        assert!(program.exists(), "{} is not there: run `make test-tools`", program.display());
    }
    programs.to_vec()
}

/// Containers need root; says so instead of failing in some later step.
pub fn require_root() {
    assert!(rustix::process::geteuid().is_root(), "these tests start containers: run them as root");
}
