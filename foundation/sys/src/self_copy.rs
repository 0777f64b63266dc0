//! Running one's own program from where a container cannot change it.
//!
//! A process in a container can get hold of `/proc/<pid>/exe` of a runtime process that enters it, and overwrite the runtime's file on
//! the host (CVE-2019-5736). A sealed memory file cannot be written by anybody, and shares no page with the file on disk.
//!
//! A copy costs the program's size in memory and some tenths of a millisecond per megabyte. Whoever launches many processes of one
//! program makes a single copy and executes all from it; they find that they are sealed already.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use crate::exec::{CStringList, fexecve};

const OWN_PROGRAM: &str = "/proc/self/exe";

/// Makes sure that this process runs from a sealed copy: returns when it does, else starts the program anew from one, with the same
/// arguments and environment. Call it first thing in `main`.
pub fn ensure() -> io::Result<()> {
    let program = File::open(OWN_PROGRAM)?;
    if is_sealed(&program) {
        return Ok(());
    }
    let copy = sealed_copy(&program)?;
    Err(restart_from(copy.as_fd()))
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
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 know no EXEC flag and make every memory file executable.
    let copy = memfd_create("gantry", flags | MemfdFlags::EXEC)
        .or_else(|_| memfd_create("gantry", flags))?;
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
}
