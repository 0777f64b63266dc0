//! A runtime under test: where it is, what it calls itself, which specification it follows.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::case::Minor;

/// A program that speaks the runtimes' command line.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) path: PathBuf,
    /// The name of the program.
    pub(crate) name: String,
    /// What it says of its version.
    pub(crate) version: String,
    /// The minor version of the specification that it says it follows.
    pub(crate) spec: Minor,
}

impl Runtime {
    /// Asks the program at `path` who it is.
    pub(crate) fn ask(path: &Path) -> Result<Self, String> {
        let output = Command::new(path).arg("--version").output();
        let output = output.map_err(|error| format!("run {}: {error}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let version = text.lines().next().and_then(|line| line.split_whitespace().last());
        let spec = text.lines().find_map(|line| line.trim().strip_prefix("spec: "));
        let minor = spec.and_then(|spec| spec.split('.').nth(1)?.parse().ok());
        let minor = minor.ok_or_else(|| format!("{} --version names no spec", path.display()))?;
        let version = version.unwrap_or_default().to_owned();
        Ok(Self { path: path.to_owned(), name, version, spec: Minor(minor) })
    }

    /// Debian's crun refuses a machine with both hierarchies; the empty unified one is hidden from it.
    pub(crate) fn refuses_hybrid(&self) -> bool {
        self.name == "crun"
    }
}
