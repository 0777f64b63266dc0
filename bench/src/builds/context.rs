//! The contexts that are built.

use std::fs;
use std::path::{Path, PathBuf};

/// Twelve steps in three stages: `tools` and `src` come in, and what was made of them goes into the last one.
const TWELVE: &str = "FROM busybox AS tools\nRUN mkdir /out && echo tools > /out/tools\nCOPY tools /tools\n\
    RUN cat /tools/* > /out/all\nFROM busybox AS app\nWORKDIR /src\nRUN echo begun > /begun\nCOPY src /src\n\
    RUN find /src -type f | sort | xargs cat | md5sum > /sum\nFROM busybox\nCOPY --from=tools /out /tools\n\
    COPY --from=app /sum /sum\n";

/// How many files are below `src`.
const FILES: usize = 2_000;
/// How many of them one directory has.
const IN_ONE: usize = 50;

/// The context of the twelve steps.
pub(super) fn twelve(folder: &Path) -> PathBuf {
    let root = fresh(folder, "twelve");
    write(&root.join("Dockerfile"), TWELVE);
    for number in 0..10 {
        write(&root.join(format!("tools/tool-{number}")), &text(number, 20));
    }
    files(&root.join("src"), FILES);
    root
}

/// Changes one file of the twelve steps' sources, each time to something that was never there.
pub(super) fn change(root: &Path, turn: u32) {
    write(&root.join("src/d7/f357"), &format!("changed {turn}\n"));
}

/// Fifty commands that do nothing.
pub(super) fn fifty(folder: &Path) -> PathBuf {
    let root = fresh(folder, "fifty");
    write(&root.join("Dockerfile"), &format!("FROM busybox\n{}", "RUN true\n".repeat(50)));
    root
}

/// Some bytes that do not compress, from the context.
pub(super) fn large(folder: &Path, bytes: u64) -> PathBuf {
    let root = fresh(folder, "large");
    let made = "FROM busybox\nARG BYTES\nRUN head -c $BYTES /dev/urandom > /large\n";
    write(&root.join("Dockerfile"), made);
    write(&root.join("bytes"), &bytes.to_string());
    root
}

/// So many small files, and a Dockerfile that takes them all.
pub(super) fn crowd(folder: &Path, count: usize) -> PathBuf {
    let root = fresh(folder, "crowd");
    write(&root.join("Dockerfile"), "FROM busybox\nCOPY files /files\n");
    files(&root.join("files"), count);
    root
}

fn files(folder: &Path, count: usize) {
    for number in 0..count {
        write(&folder.join(format!("d{}/f{number}", number / IN_ONE)), &text(number, 10));
    }
}

/// A few lines that no other file has.
fn text(number: usize, lines: usize) -> String {
    let lines =
        (0..lines).map(|line| format!("line {line} of file {number}: {}\n", number * 31 + line));
    lines.collect::<Vec<_>>().concat()
}

fn fresh(folder: &Path, name: &str) -> PathBuf {
    let root = folder.join(format!("context-{name}"));
    fs::create_dir_all(&root).expect("make a context");
    root
}

fn write(path: &Path, content: &str) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).expect("make a directory of a context");
    }
    fs::write(path, content).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
}
