//! From an address to the files of a commit.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::address::{with_login, without_user};
use crate::program::{Program, Reach};
use crate::resolve::{Meant, meant};
use crate::{Error, Repositories, Result, Wanted};

/// The most bytes of the list of them.
const MAX_LIST: u64 = 128 << 20;
/// What sizes on the disk are counted in.
const BLOCK: u64 = 512;

/// Files of a commit that lie in a directory now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The commit's digest in hexadecimal.
    pub commit: String,
}

impl Repositories {
    /// Fills the empty directory `into` with the files of a commit. `room` is an empty directory that is the caller's to remove;
    /// `is_wanted` is asked all the while, and ends it by saying no.
    ///
    /// # Errors
    /// See [`Error`]. What lies in `into` then is of no use.
    pub fn checkout(
        &self,
        wanted: &Wanted,
        (into, room): (&Path, &Path),
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Checkout> {
        let wanted = &with_login(wanted);
        let program = Program { repositories: self, wanted, is_wanted, room };
        // One at a time fetches into a repository.
        let kept = self.take(&program)?;
        let (commit, name) = fetch(&program, &kept.path)?;
        measure(&program, &kept.path, &commit)?;
        unpack(&program, &kept.path, (&commit, &name), into)?;
        kept.is_whole()?;
        drop(kept);
        self.tidy()?;
        Ok(Checkout { commit })
    }
}

/// Brings a commit into the kept repository; its digest, and the reference that it came by.
fn fetch(program: &Program<'_>, kept: &Path) -> Result<(String, String)> {
    let Meant { object, name } = meant(program)?;
    let git_dir = format!("--git-dir={}", text(kept));
    let commit_of = |object: &str| -> Result<Option<String>> {
        let revision = format!("{object}^{{commit}}");
        let words = [&git_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", &revision];
        let output = program.room.join("output");
        let printed = program.call((Reach::Host, &words), &output, Some(4096))?;
        let found = fs::read_to_string(&output).map_err(Error::file("read", &output))?;
        Ok(printed.status.success().then(|| found.trim().to_owned()))
    };
    if !object.is_empty()
        && let Some(commit) = commit_of(&object)?
    {
        return Ok((commit, name));
    }
    let url = program.wanted.url.as_str();
    let source = if name.is_empty() { object.as_str() } else { name.as_str() };
    let mut is_here = false;
    if !source.is_empty() {
        let fetched = format!("+{source}:refs/fetched/{object}");
        let base = [git_dir.as_str(), "fetch", "-q", "--no-tags"];
        let end = ["--", url, &fetched];
        // Some servers cannot give a commit without those before it.
        for depth in [&["--depth=1"][..], &[]] {
            let words = [&base[..], depth, &end].concat();
            let output = program.room.join("output");
            is_here = program.call((Reach::Network, &words), &output, None)?.status.success();
            if is_here {
                break;
            }
        }
    }
    if !is_here {
        // And some give commits only by the references that lead to them.
        let words =
            [&git_dir, "fetch", "-q", "--tags", "--", url, "+refs/heads/*:refs/fetched/heads/*"];
        program.must("fetch", Reach::Network, &words)?;
    }
    let asked = if object.is_empty() { &program.wanted.reference } else { &object };
    if let Some(commit) = commit_of(asked)? {
        Ok((commit, name))
    } else {
        let (url, reference) = (program.shown(), program.wanted.reference.clone());
        Err(Error::NoReference { url, reference })
    }
}

/// Counts what a commit unpacks to: a small repository may have more files than any disk holds.
fn measure(program: &Program<'_>, kept: &Path, commit: &str) -> Result<()> {
    let limits = program.repositories.limits;
    let git_dir = format!("--git-dir={}", text(kept));
    let list = program.room.join("list");
    let words = [&git_dir, "ls-tree", "-r", "-l", "--full-tree", commit];
    let printed = program.call((Reach::Host, &words), &list, Some(MAX_LIST))?;
    let over = |what, limit| Error::Limit { url: program.shown(), what, limit };
    let length = fs::metadata(&list).map_err(Error::file("look at", &list))?.len();
    if length >= MAX_LIST {
        return Err(over("the files", limits.files));
    }
    program.check("list the files of", &printed)?;
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let opened = File::open(&list).map_err(Error::file("read", &list))?;
    for line in BufReader::new(opened).split(b'\n') {
        let line = line.map(|line| String::from_utf8_lossy(&line).into_owned());
        let line = line.map_err(Error::file("read", &list))?;
        files += 1;
        // Submodules have no size here.
        let size = line.split_whitespace().nth(3).and_then(|size| size.parse().ok());
        bytes = bytes.saturating_add(size.unwrap_or(0));
        if files > limits.files {
            return Err(over("the files", limits.files));
        }
        if bytes > limits.bytes {
            return Err(over("the bytes", limits.bytes));
        }
    }
    fs::remove_file(&list).map_err(Error::file("remove", &list))
}

fn unpack(
    program: &Program<'_>,
    kept: &Path,
    (commit, name): (&str, &str),
    into: &Path,
) -> Result<()> {
    let (kept, here) = (text(kept), text(into));
    let wanted = program.wanted;
    let in_it = |reach, action, words: &[&str]| {
        program.must(action, reach, &[&["-C", here.as_str()], words].concat())
    };
    // By its name, for a repository gives no commits by digest that nothing leads to.
    let held = format!("refs/fetched/{commit}");
    program.must(
        "hold",
        Reach::Host,
        &[&format!("--git-dir={kept}"), "update-ref", &held, commit],
    )?;
    program.must("make a directory for", Reach::Host, &["init", "-q", &here])?;
    // A tag or a branch keeps its name, for programs that ask which version they are of.
    let as_named = match name.strip_prefix("refs/heads/") {
        Some(branch) => format!("refs/remotes/origin/{branch}"),
        None if name.starts_with("refs/tags/") => name.to_owned(),
        None => "refs/fetched".to_owned(),
    };
    let refspec = format!("+{held}:{as_named}");
    in_it(
        Reach::Host,
        "read",
        &["fetch", "-q", "--no-tags", "--depth=1", "--", &format!("file://{kept}"), &refspec],
    )?;
    in_it(Reach::Host, "unpack", &["checkout", "-q", "--force", "--detach", commit, "--"])?;
    in_it(Reach::Host, "name", &["remote", "add", "origin", &without_user(&wanted.url)])?;
    if wanted.has_submodules && into.join(".gitmodules").exists() {
        let update =
            ["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", "--force"];
        let words = [&["-C", here.as_str()], &update[..]].concat();
        // Commits of submodules are counted while they are unpacked: a few that name one another become very many files.
        let growth = || within_limits(program, into);
        program.must_within("fetch the submodules of", Reach::Network, &words, &growth)?;
        growth()?;
    }
    if wanted.keeps_git_dir { settle(program, into) } else { remove_git_dirs(into) }
}

/// Fails when a directory has more in it than a commit and its submodules may have.
fn within_limits(program: &Program<'_>, folder: &Path) -> Result<()> {
    let limits = program.repositories.limits;
    let over = |what, limit| Err(Error::Limit { url: program.shown(), what, limit });
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        // What vanishes meanwhile takes nothing.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            bytes = bytes.saturating_add(metadata.blocks().saturating_mul(BLOCK));
            if metadata.is_dir() {
                pending.push(entry.path());
            }
        }
        if files > limits.files {
            return over("the files", limits.files);
        }
        if bytes > limits.bytes {
            return over("the bytes", limits.bytes);
        }
    }
    Ok(())
}

/// Makes git's own directories the same whenever and wherever the commit was unpacked: what it notes of times, inodes and places of this
/// host goes.
fn settle(program: &Program<'_>, root: &Path) -> Result<()> {
    let mut pending = vec![root.join(".git")];
    while let Some(folder) = pending.pop() {
        let git_dir = format!("--git-dir={}", text(&folder));
        // Packed by one thread, and out of nothing that was packed before.
        let pack = ["-c", "pack.threads=1", &git_dir, "repack", "-q", "-a", "-d", "-f", "-n"];
        program.must("pack", Reach::Host, &pack)?;
        // A new index says nothing of the files but what the commit says.
        program.must("read", Reach::Host, &[&git_dir, "read-tree", "HEAD"])?;
        for name in ["FETCH_HEAD", "ORIG_HEAD"] {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        pending.extend(modules(&folder.join("modules"))?);
    }
    Ok(())
}

/// The git directories of submodules in a folder. Their names may have slashes in them.
fn modules(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut pending) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = pending.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(Error::file("read", &folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::file("read", &folder))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let is_one = entry.path().join("HEAD").is_file();
                if is_one { &mut found } else { &mut pending }.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// Takes away what is git's own: the directory, and the files that stand for those of submodules.
fn remove_git_dirs(root: &Path) -> Result<()> {
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::file("read", &folder))? {
            let entry = entry.map_err(Error::file("read", &folder))?;
            let (path, kind) = (entry.path(), entry.file_type());
            let kind = kind.map_err(Error::file("look at", &path))?;
            let removed = match (entry.file_name() == ".git", kind.is_dir()) {
                (true, true) => fs::remove_dir_all(&path),
                (true, false) => fs::remove_file(&path),
                (false, true) => {
                    pending.push(path);
                    continue;
                }
                (false, false) => continue,
            };
            removed.map_err(Error::file("remove", &path))?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
