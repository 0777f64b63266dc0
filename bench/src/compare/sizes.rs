//! How large the programs are that live in or beside every container.

use std::fs;
use std::path::{Path, PathBuf};

use gantry_testkit::Binaries;

use super::figures::{Figures, Limit};
use super::stage::installed;

const LIMIT_MB: f64 = 2.5;
const OURS: [&str; 2] = ["gantry-runc", "gantry-shim"];
const PEERS: [&str; 3] = ["crun", "runc", "containerd-shim-runc-v2"];

pub(super) fn figures() -> Figures {
    let binaries = Binaries::find();
    let ours: Vec<(&str, f64)> =
        OURS.iter().map(|name| (*name, size_mb(&binaries.path(name)))).collect();
    let limits = ours
        .iter()
        .map(|(name, size)| Limit::new(format!("{name} ≤ {LIMIT_MB} MB"), *size, LIMIT_MB))
        .collect();
    let peers = PEERS.iter().filter_map(|name| {
        let path = PathBuf::from(installed(name)?);
        Some((*name, size_mb(&path)))
    });
    Figures {
        title: "binaries: size, MB (ours are static, crun needs shared libraries)".to_owned(),
        columns: vec!["size"],
        rows: ours.iter().copied().chain(peers).map(row).collect(),
        limits,
    }
}

fn row((name, size): (&str, f64)) -> (String, Vec<f64>) {
    (name.to_owned(), vec![size])
}

fn size_mb(path: &Path) -> f64 {
    let file = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    #[expect(clippy::cast_precision_loss, reason = "a few million bytes")]
    let bytes = file.len() as f64;
    bytes / 1e6
}
