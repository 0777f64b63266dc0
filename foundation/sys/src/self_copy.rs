//! Running one's own program from where a container cannot change it.
//!
//! A process in a container can get hold of `/proc/<pid>/exe` of a runtime process that enters it, and overwrite the runtime's file on
//! the host (CVE-2019-5736). A sealed memory file cannot be written by anybody, and shares no page with the file on disk.
//!
//! A copy costs the program's size in memory and some tenths of a millisecond per megabyte. Whoever launches many processes of one
//! program makes a single copy and executes all from it; they find that they are sealed already. Whoever has something else to do first
//! lets a copier make the copy meanwhile, and moves to it in the end.

mod copier;
mod remap;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use crate::exec::{CStringList, fexecve};

const OWN_PROGRAM: &str = "/proc/self/exe";
/// In bytes.
const COMPARED_AT_ONCE: usize = 128 * 1024;

/// Makes sure that this process runs from a sealed copy: returns when it does, else starts the program anew from one, with the same
/// arguments and environment. Call it first thing in `main`.
pub fn ensure() -> io::Result<()> {
    ensure_from(std::iter::empty())
}

/// The same, but runs from one of `others` when that is a sealed copy of this very program, for example the one that another process
/// runs from: its pages are then shared. Where they come from does not matter, since every byte is compared.
pub fn ensure_from(others: impl IntoIterator<Item = File>) -> io::Result<()> {
    let program = File::open(OWN_PROGRAM)?;
    if is_sealed(&program) {
        return Ok(());
    }
    let copy = match others.into_iter().find(|other| is_sealed(other) && is_same(other, &program)) {
        Some(copy) => copy,
        None => sealed_copy(&program)?,
    };
    Err(restart_from(copy.as_fd()))
}

/// Whether two files have the same contents. One that cannot be read has not.
fn is_same(one: &File, other: &File) -> bool {
    let length = |file: &File| file.metadata().map(|stat| stat.len()).ok();
    let (Some(left), Some(right)) = (length(one), length(other)) else { return false };
    if left != right {
        return false;
    }
    let (mut ours, mut theirs) = (vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]);
    let mut at = 0;
    while at < left {
        let size = usize::try_from(left - at).unwrap_or(usize::MAX).min(COMPARED_AT_ONCE);
        let (ours, theirs) = (&mut ours[..size], &mut theirs[..size]);
        let read = one.read_exact_at(ours, at).and_then(|()| other.read_exact_at(theirs, at));
        if read.is_err() || ours != theirs {
            return false;
        }
        at += size as u64;
    }
    true
}

/// A copy in the making, for a process that enters containers only later.
#[derive(Debug)]
pub struct Pending(RefCell<Option<Making>>);

#[derive(Debug)]
struct Making {
    // Before the files that it uses.
    copier: copier::Copier,
    program: File,
    copy: File,
}

/// Begins to make a copy of the own program. Where the process could not move to it later, this is [`ensure`].
///
/// Only for a process with one thread; [`Pending::finish`] comes before it makes one that enters a container.
pub fn begin() -> io::Result<Pending> {
    let program = File::open(OWN_PROGRAM)?;
    if is_sealed(&program) {
        return Ok(Pending(RefCell::new(None)));
    }
    if !remap::is_allowed() {
        ensure()?;
    }
    let copy = empty_copy()?;
    let copier = copier::Copier::start(&program, &copy, program.metadata()?.len())?;
    Ok(Pending(RefCell::new(Some(Making { copier, program, copy }))))
}

impl Pending {
    /// Waits for the copy, seals it, and goes on from it: afterwards nothing of this process refers to the program's file.
    pub fn finish(&self) -> io::Result<()> {
        let Some(Making { copier, program, copy }) = self.0.borrow_mut().take() else {
            return Ok(());
        };
        copier.wait()?;
        drop(program);
        fcntl_add_seals(&copy, seals())?;
        remap::move_to(&copy)
    }
}

/// Executes the open file with this process's arguments and environment; returns only to say why it failed.
fn restart_from(program: BorrowedFd<'_>) -> io::Error {
    let args = CStringList::new(std::env::args_os().map(OsStringExt::into_vec));
    let env = CStringList::new(std::env::vars_os().map(|(name, value)| {
        let mut line = name.into_vec();
        line.push(b'=');
        line.extend(value.into_vec());
        line
    }));
    match (args, env) {
        (Ok(args), Ok(env)) => fexecve(program, &args, &env),
        (Err(error), _) | (_, Err(error)) => error,
    }
}

fn seals() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
}

fn is_sealed(program: &File) -> bool {
    // Files on disk cannot carry seals: the question itself is an error there.
    fcntl_get_seals(program).is_ok_and(|found| found.contains(seals()))
}

/// The contents of `program` in a memory file that nobody can change. A process that starts others may make one copy for all of them.
pub fn sealed_copy(program: &File) -> io::Result<File> {
    let copy = empty_copy()?;
    let mut left = program.metadata()?.len();
    while left > 0 {
        let chunk = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
        let sent = rustix::fs::sendfile(&copy, program, None, chunk)?;
        if sent == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(sent as u64);
    }
    fcntl_add_seals(&copy, seals())?;
    Ok(copy)
}

fn empty_copy() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 know no EXEC flag and make every memory file executable.
    let copy = memfd_create("gantry", flags | MemfdFlags::EXEC)
        .or_else(|_| memfd_create("gantry", flags))?;
    Ok(File::from(copy))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_copy_is_complete_and_cannot_be_written() {
        let program = File::open(OWN_PROGRAM).unwrap();
        assert!(!is_sealed(&program));
        let mut copy = sealed_copy(&program).unwrap();
        assert!(is_sealed(&copy));
        assert_eq!(copy.metadata().unwrap().len(), program.metadata().unwrap().len());
        assert!(copy.write_all(b"x").is_err());
    }

    #[test]
    fn only_the_same_bytes_are_the_same_program() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            File::open(path).unwrap()
        };
        let mut bytes = vec![7; 300_000];
        let one = file("one", &bytes);
        assert!(is_same(&one, &sealed_copy(&one).unwrap()));
        bytes[299_999] = 8;
        assert!(!is_same(&one, &file("another", &bytes)));
        assert!(!is_same(&one, &file("shorter", &bytes[..299_999])));
        assert!(is_same(&file("nothing", b""), &file("nothing too", b"")));
    }
}
