//! Reads a checkout: the workspace manifest, the member crates and every Rust file. Judges nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::source::Source;

/// Why a checkout could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read.
    #[error("read {path}")]
    Read {
        /// What was read.
        path: PathBuf,
        /// The reason of the system.
        source: io::Error,
    },
    /// A manifest is not TOML.
    #[error("parse {path}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where it stops being TOML.
        source: Box<toml::de::Error>,
    },
    /// A Rust file is not made of Rust tokens.
    #[error("read the tokens of {path}: {reason}")]
    Tokens {
        /// The Rust file.
        path: PathBuf,
        /// What the tokenizer says.
        reason: String,
    },
}

/// Where a crate stands in the house; the top folder decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A floor, from 0 (`model`) to 5 (`bin`).
    Floor(u8),
    /// Beside the floors: tests, measurements and chores.
    Beside,
    /// In a folder that the house does not have.
    Nowhere,
}

/// A dependency as a manifest states it.
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dependencies`, `dev-dependencies` or `build-dependencies`.
    pub(crate) section: &'static str,
    pub(crate) inherits: bool,
}

/// A member crate.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its folder, relative to the checkout.
    pub(crate) folder: PathBuf,
    pub(crate) place: Place,
    pub(crate) manifest: Table,
    pub(crate) dependencies: Vec<Dependency>,
}

impl Member {
    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.folder.join("Cargo.toml")
    }
}

/// A checkout, read once for all rules.
pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
    pub(crate) members: Vec<Member>,
    pub(crate) sources: Vec<Source>,
}

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Folders that hold no source of ours.
const SKIPPED: [&str; 5] = ["target", ".git", ".venv", "__pycache__", "corpus"];

impl Checkout {
    pub(crate) fn read(root: &Path) -> Result<Self, Error> {
        let workspace = manifest(&root.join("Cargo.toml"))?;
        let mut members = Vec::new();
        for folder in member_folders(root, &workspace)? {
            members.push(member(root, folder)?);
        }
        let mut sources = Vec::new();
        collect_sources(root, Path::new(""), &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root: root.to_owned(), members, sources })
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

fn member_folders(root: &Path, workspace: &Table) -> Result<Vec<PathBuf>, Error> {
    let patterns = workspace
        .get("workspace")
        .and_then(|section| section.get("members"))
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut folders = Vec::new();
    for pattern in patterns.iter().filter_map(Value::as_str) {
        match pattern.strip_suffix("/*") {
            None => folders.push(PathBuf::from(pattern)),
            Some(parent) => {
                for name in names_in(&root.join(parent))? {
                    let folder = Path::new(parent).join(name);
                    if root.join(&folder).join("Cargo.toml").exists() {
                        folders.push(folder);
                    }
                }
            }
        }
    }
    Ok(folders)
}

fn member(root: &Path, folder: PathBuf) -> Result<Member, Error> {
    let manifest = manifest(&root.join(&folder).join("Cargo.toml"))?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut dependencies = Vec::new();
    declared(&manifest, &mut dependencies);
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        for target in targets.values().filter_map(Value::as_table) {
            declared(target, &mut dependencies);
        }
    }
    Ok(Member { name, place: place(&folder), folder, manifest, dependencies })
}

fn declared(table: &Table, into: &mut Vec<Dependency>) {
    for section in SECTIONS {
        for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
            let inherits = value.get("workspace").and_then(Value::as_bool) == Some(true);
            into.push(Dependency { name: name.clone(), section, inherits });
        }
    }
}

fn place(folder: &Path) -> Place {
    let top = folder.components().next().map(|part| part.as_os_str().to_string_lossy());
    match top.as_deref() {
        Some("model") => Place::Floor(0),
        Some("foundation") => Place::Floor(1),
        Some("services") => Place::Floor(2),
        Some("engine") => Place::Floor(3),
        Some("edge") => Place::Floor(4),
        Some("bin") => Place::Floor(5),
        Some("testkit" | "e2e" | "bench" | "fuzz" | "xtask") => Place::Beside,
        _ => Place::Nowhere,
    }
}

fn manifest(path: &Path) -> Result<Table, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    text.parse()
        .map_err(|source| Error::Manifest { path: path.to_owned(), source: Box::new(source) })
}

fn names_in(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn collect_sources(root: &Path, folder: &Path, into: &mut Vec<Source>) -> Result<(), Error> {
    for name in names_in(&root.join(folder))? {
        let path = folder.join(&name);
        let full = root.join(&path);
        let kind = fs::symlink_metadata(&full)
            .map_err(|source| Error::Read { path: full.clone(), source })?
            .file_type();
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect_sources(root, &path, into)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&full)
                .map_err(|source| Error::Read { path: full.clone(), source })?;
            into.push(Source::parse(path, text)?);
        }
    }
    Ok(())
}
