//! Running one's own program from where a container cannot change it.
//!
//! A process in a container can get hold of `/proc/<pid>/exe` of a runtime process that enters it, and overwrite the runtime's file on
//! the host (CVE-2019-5736). A sealed copy in memory cannot be written by anybody, and shares no page with the file on disk.
//!
//! A copy costs the program's size in memory and some tenths of a millisecond per megabyte. Whoever launches many processes of one
//! program makes a single copy and executes all from it; they find that they are sealed already. Whoever has something else to do first
//! lets a copier make the copy meanwhile, and moves to it in the end; so does what he has borne meanwhile.

mod blank;
mod copier;
mod remap;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use self::blank::Blank;
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
/// runs from: its pages are then shared. Where they come from does not matter, since every byte is compared, and none can change any
/// more.
pub fn ensure_from(others: impl IntoIterator<Item = File>) -> io::Result<()> {
    let program = File::open(OWN_PROGRAM)?;
    if is_sealed(&program) {
        return Ok(());
    }
    let copy =
        match others.into_iter().find(|other| is_immutable(other) && is_same(other, &program)) {
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

/// A copy to be made, for a process that enters containers only later.
#[derive(Debug)]
pub struct Pending(RefCell<Option<Making>>);

#[derive(Debug)]
struct Making {
    copier: Option<copier::Copier>,
    program: Option<File>,
    /// Until the copier has it.
    blank: Option<Blank>,
    copy: File,
    /// Once it is known that the process can move.
    map: Option<remap::MemoryMap>,
}

/// Gets ready to make a copy of the own program. Where the process could not move to it later, the start of the copy is [`ensure`].
///
/// Only for a process with one thread; [`Pending::finish`] comes before it makes one that somebody in a container can see.
pub fn begin() -> io::Result<Pending> {
    let program = File::open(OWN_PROGRAM)?;
    if is_sealed(&program) {
        return Ok(Pending(RefCell::new(None)));
    }
    let (blank, copy) = Blank::make()?;
    let making =
        Making { copier: None, program: Some(program), blank: Some(blank), copy, map: None };
    Ok(Pending(RefCell::new(Some(making))))
}

impl Pending {
    /// Starts to copy, if nobody has yet, while the process goes on.
    pub fn start(&self) -> io::Result<()> {
        self.start_for(copier::Task::Copy)
    }

    /// The same by somebody who stays until [`complete`](Self::complete) unless he is asked for a network namespace before.
    pub fn start_to_be_asked(&self) -> io::Result<()> {
        self.start_for(copier::Task::CopyAndAnswer)
    }

    fn start_for(&self, task: copier::Task) -> io::Result<()> {
        let is_prepared = match self.0.borrow_mut().as_mut() {
            // Whoever copies begins meanwhile.
            Some(making) => making.start(task)? || making.prepare(),
            None => true,
        };
        if is_prepared {
            return Ok(());
        }
        drop(self.0.take());
        ensure()
    }

    /// Asks whoever copies for a new network namespace, its loopback device up, to be had from [`network`](Self::network). False when
    /// nobody waits to be asked, or has been.
    ///
    /// It is made with the calling process's rights and in its user namespace.
    pub fn ask_for_network(&self) -> io::Result<bool> {
        match self.0.borrow_mut().as_mut().and_then(|making| making.copier.as_mut()) {
            Some(copier) => copier.ask_for_network(),
            None => Ok(false),
        }
    }

    /// Waits for the namespace that was asked for.
    ///
    /// # Errors
    /// What the kernel said when it was made: `EPERM` without the right to, `ENOSPC` when there are as many as there may be.
    pub fn network(&self) -> io::Result<OwnedFd> {
        match self.0.borrow_mut().as_mut().and_then(|making| making.copier.as_mut()) {
            Some(copier) => copier.network(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Waits for the copy, and goes on from it: afterwards nothing of this process refers to the program's file.
    pub fn finish(&self) -> io::Result<()> {
        self.complete()?;
        // The copier, which this waits for, has time to end meanwhile.
        self.0.take().map_or(Ok(()), Making::go_on)
    }

    /// Waits until the copy is complete and sealed.
    pub fn complete(&self) -> io::Result<()> {
        self.start()?;
        let mut place = self.0.borrow_mut();
        let Some(making) = place.as_mut() else { return Ok(()) };
        making.copier.as_mut().map_or(Ok(()), copier::Copier::wait_sealed)?;
        making.program = None;
        if blank::is_filled(&making.copy) { Ok(()) } else { Err(not_ready()) }
    }

    /// Goes on from the copy in a process that was duplicated from its maker before it was complete, and has heard since that it is. A
    /// duplicate must not have started a program or changed its memory's layout.
    pub fn follow(&self) -> io::Result<()> {
        let Some(mut making) = self.0.take() else { return Ok(()) };
        // Somebody else's child.
        if let Some(copier) = making.copier.take() {
            copier.forget();
        }
        making.go_on()
    }
}

impl Making {
    fn go_on(self) -> io::Result<()> {
        let Self { copier: _copier, program, blank, copy, map } = self;
        drop((program, blank));
        match map {
            Some(map) if blank::is_filled(&copy) => remap::move_to(&copy, &map),
            _ => Err(not_ready()),
        }
    }

    /// Whether this process can move to the copy.
    fn prepare(&mut self) -> bool {
        self.map = remap::MemoryMap::if_allowed();
        self.map.is_some()
    }

    /// True when the copy was begun before.
    fn start(&mut self, task: copier::Task) -> io::Result<bool> {
        let is_new = self.copier.is_none();
        if let (None, Some(program), Some(blank)) = (&self.copier, &self.program, self.blank.take())
        {
            let length = program.metadata()?.len();
            self.copier = Some(copier::Copier::start((program, blank), length, task)?);
        }
        Ok(!is_new)
    }
}

fn not_ready() -> io::Error {
    io::Error::other("the copy of the program is not ready")
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

/// Seals a file that nobody has mapped or may have pages of. Before the kernel forbids all writing it waits for every processor to let
/// go of the file's pages; to forbid what is new is then the same, and nothing is waited for.
///
/// Without the heap.
fn seal_unmapped(copy: impl AsFd + Copy) -> io::Result<()> {
    let seals = seals().difference(SealFlags::WRITE) | SealFlags::FUTURE_WRITE;
    // Kernels before 5.1 do not know it.
    Ok(fcntl_add_seals(copy, seals).or_else(|_| fcntl_add_seals(copy, self::seals()))?)
}

fn seals() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
}

/// Whether nobody can change the file, whoever made it and has it mapped: the kernel lets the seal on writing be set only when nobody
/// has the file mapped for writing, and lets nobody map it so afterwards.
fn is_immutable(program: &File) -> bool {
    // Files on disk cannot carry seals: the question itself is an error there.
    fcntl_get_seals(program).is_ok_and(|found| found.contains(seals()))
}

/// The same of a copy that this process has made, or was started from: a seal on what is new only is enough, for nobody else can have
/// mapped it before.
fn is_sealed(program: &File) -> bool {
    let rest = seals().difference(SealFlags::WRITE);
    let unwritable = SealFlags::WRITE | SealFlags::FUTURE_WRITE;
    fcntl_get_seals(program).is_ok_and(|found| found.contains(rest) && found.intersects(unwritable))
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
    use std::os::fd::AsRawFd;

    use rustix::mm::{MapFlags, ProtFlags, mmap};

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
    fn a_copy_that_nobody_has_mapped_cannot_be_written_or_mapped_for_writing() {
        let mut copy = empty_copy().unwrap();
        copy.write_all(b"program").unwrap();
        seal_unmapped(&copy).unwrap();
        assert!(is_sealed(&copy));
        let again = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let mut again = File::options().read(true).write(true).open(again).unwrap();
        for file in [&mut copy, &mut again] {
            assert!(file.write_at(b"x", 0).is_err() && file.write_all(b"x").is_err());
            assert!(file.set_len(0).is_err() && file.set_len(100).is_err());
            let (flags, protection) = (MapFlags::SHARED, ProtFlags::READ | ProtFlags::WRITE);
            // SAFETY: a new mapping wherever there is room.
            let mapped = unsafe { mmap(std::ptr::null_mut(), 1, protection, flags, &*file, 0) };
            assert!(mapped.is_err());
            assert!(fcntl_add_seals(&*file, SealFlags::empty()).is_err());
        }
    }

    #[test]
    fn a_copy_that_its_maker_can_still_change_is_nobody_elses_program() {
        let mut theirs = empty_copy().unwrap();
        theirs.write_all(b"program").unwrap();
        let (flags, protection) = (MapFlags::SHARED, ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a new mapping wherever there is room.
        let mapped =
            unsafe { mmap(std::ptr::null_mut(), 7, protection, flags, &theirs, 0) }.unwrap();
        seal_unmapped(&theirs).unwrap();
        // SAFETY: the mapping is longer than a byte, and only this test has it.
        unsafe { mapped.cast::<u8>().write(b'P') };
        let mut found = [0; 7];
        theirs.read_exact_at(&mut found, 0).unwrap();
        assert_eq!(&found, b"Program");
        assert!(is_sealed(&theirs) && !is_immutable(&theirs));
        // Nor can the seal be had with the mapping, nor later.
        assert!(fcntl_add_seals(&theirs, seals()).is_err());
        assert!(is_immutable(&sealed_copy(&File::open(OWN_PROGRAM).unwrap()).unwrap()));
    }

    #[test]
    fn who_waits_for_the_copy_can_only_read_it() {
        for (blank, copy) in [Blank::make().unwrap(), Blank::in_memory_file().unwrap()] {
            let making = Making {
                copier: None,
                program: Some(File::open(OWN_PROGRAM).unwrap()),
                blank: Some(blank),
                copy,
                // Here nobody moves.
                map: Some(remap::MemoryMap::default()),
            };
            let pending = Pending(RefCell::new(Some(making)));
            assert!(!pending.0.borrow_mut().as_mut().unwrap().start(copier::Task::Copy).unwrap());
            let mut copy = pending.0.borrow().as_ref().unwrap().copy.try_clone().unwrap();
            assert!(copy.write_all(b"x").is_err());
            pending.complete().unwrap();
            assert!(blank::is_filled(&copy));
            let again = format!("/proc/self/fd/{}", copy.as_raw_fd());
            let again = File::options().write(true).open(again);
            assert!(again.and_then(|mut again| again.write_all(b"x")).is_err());
            assert!(is_same(&copy, &File::open(OWN_PROGRAM).unwrap()));
        }
    }

    #[test]
    fn what_is_not_complete_is_not_sealed() {
        for (blank, copy) in [Blank::make().unwrap(), Blank::in_memory_file().unwrap()] {
            assert!(!blank::is_filled(&copy));
            let writer = blank.writer().unwrap();
            rustix::io::write(&writer, b"program").unwrap();
            assert!(!blank::is_filled(&copy));
            blank.seal(writer).unwrap();
            assert!(blank::is_filled(&copy));
            let again = blank.writer();
            assert!(again.and_then(|again| Ok(rustix::io::write(again, b"x")?)).is_err());
        }
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
