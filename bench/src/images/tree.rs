//! Applying an archive of 50,000 small files, beside GNU tar on the same disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use gantry_testkit::Tar;

use super::{SETTLE, words};
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};
use crate::samples::Samples;

const FOLDERS: usize = 500;
const FILES: usize = 100;
const LIMIT: f64 = 0.8;

pub(super) fn figures(folder: &Path, rounds: u32) -> Figures {
    let archive = archive(folder);
    let ours = std::env::current_exe().expect("find this program");
    let (mut gantry, mut gnu) = (Samples::default(), Samples::default());
    // Nothing is removed before the end: see `SETTLE`.
    thread::sleep(SETTLE);
    // The first round pays for the directories' first blocks and is not counted.
    for round in 0..=rounds {
        let into = |name: &str| {
            let path = folder.join(format!("{name}-{round}"));
            fs::create_dir(&path).expect("make a folder to extract to");
            path.display().to_string()
        };
        let archive = archive.to_string_lossy();
        let took = time(&mut words(&ours, &["apply", &archive, &into("gantry")]));
        let peer_took = time(&mut words("tar", &["-xpf", &archive, "-C", &into("gnu")]));
        if round > 0 {
            gantry.add(took);
            gnu.add(peer_took);
        }
    }
    let (gantry, gnu) = (gantry.median_ms(), gnu.median_ms());
    Figures {
        title: "an archive of 50,000 small files, applied: medians, ms".to_owned(),
        columns: vec!["time"],
        rows: vec![("gantry".to_owned(), vec![gantry]), ("GNU tar".to_owned(), vec![gnu])],
        limits: vec![Limit::new(format!("apply ≤ {LIMIT} × GNU tar"), gantry / gnu, LIMIT)],
    }
}

/// Files of 0 to 8 KiB.
fn archive(folder: &Path) -> PathBuf {
    let path = folder.join("small.tar");
    let noise: Vec<u8> =
        (0..32_768_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let mut tar = Tar::new();
    for outer in 0..FOLDERS {
        tar = tar.directory(&format!("tree/{outer:03}/"), 0o755);
        for inner in 0..FILES {
            let number = outer * FILES + inner;
            let start = number * 37 % 65_536;
            let content = &noise[start..start + number * 4_099 % 8_192];
            tar = tar.file(&format!("tree/{outer:03}/file-{inner:02}.txt"), 0o644, content);
        }
    }
    fs::write(&path, tar.finish()).expect("write the archive of small files");
    path
}
