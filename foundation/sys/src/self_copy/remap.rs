//! Moving this running process from its program's file to a copy of it: other pages under the same addresses, and another
//! `/proc/self/exe`.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::{io, ptr, slice};

use crate::check;

const PAGE: usize = 4096;

/// The kernel's `struct prctl_mm_map`.
#[repr(C)]
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

impl MemoryMap {
    /// As it is now, but for the heap's end (proc(5), fields of `stat` by their numbers).
    fn read() -> io::Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        let fields: Vec<u64> = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.split_ascii_whitespace().map(|it| it.parse().unwrap_or(0)))
            .map(Iterator::collect)
            .unwrap_or_default();
        let field = |number: usize| {
            let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "unreadable status");
            fields.get(number - 3).copied().ok_or_else(unreadable)
        };
        Ok(Self {
            start_code: field(26)?,
            end_code: field(27)?,
            start_stack: field(28)?,
            start_data: field(45)?,
            end_data: field(46)?,
            start_brk: field(47)?,
            arg_start: field(48)?,
            arg_end: field(49)?,
            env_start: field(50)?,
            env_end: field(51)?,
            ..Self::default()
        })
    }

    /// How it is now, when the kernel lets this process say what its program is: a kernel with checkpoint and restore, a capability for
    /// it, and pages of the usual size.
    pub(super) fn if_allowed() -> Option<Self> {
        // SAFETY: takes a number and returns one.
        if unsafe { libc::getauxval(libc::AT_PAGESZ) } != PAGE as u64 {
            return None;
        }
        let mut map = Self::read().ok()?;
        // The descriptor is the last thing that the kernel looks at.
        let refusal = map.set(RawFd::MAX).err()?;
        (refusal.raw_os_error() == Some(libc::EBADF)).then_some(map)
    }

    /// Says it to the kernel (`PR_SET_MM_MAP`, Linux 3.18), with this file as the program and the heap's end where it is now.
    fn set(&mut self, program: RawFd) -> io::Result<()> {
        const PR_SET_MM_MAP: libc::c_ulong = 14;
        // SAFETY: zero changes nothing: the kernel answers with the current end.
        let brk = check(unsafe { libc::syscall(libc::SYS_brk, 0_usize) })?;
        self.brk = u64::try_from(brk).unwrap_or(0);
        self.exe_fd = u32::try_from(program).unwrap_or(u32::MAX);
        let (map, size) = (ptr::from_mut(self), size_of::<Self>());
        // SAFETY: the structure has the kernel's layout and the size that is passed, and outlives the call; all addresses stay as they are.
        check(unsafe { libc::prctl(libc::PR_SET_MM, PR_SET_MM_MAP, map, size, 0_usize) }.into())?;
        Ok(())
    }
}

/// Maps `copy` in the place of the program's file, everywhere, and makes it the process's program. The contents must be the same.
///
/// The kernel does the last step only when no page of the old file is mapped any more.
///
/// # Errors
/// Before anything is changed, when another process is at work in this one's memory.
pub(super) fn move_to(copy: &File, map: &MemoryMap) -> io::Result<()> {
    if crate::aside::is_any_running() {
        return Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process uses this one's memory",
        ));
    }
    let image = Image::of_this_process()?;
    for segment in &image.segments {
        if segment.p_flags & libc::PF_W == 0 {
            image.map_again(segment, copy)?;
        } else {
            image.make_anonymous(segment)?;
        }
    }
    if let Some(relro) = &image.relro {
        let (start, end) = (
            image.base + address(relro.p_vaddr),
            image.base + address(relro.p_vaddr + relro.p_memsz),
        );
        let (start, end) = (start & !(PAGE - 1), end & !(PAGE - 1));
        // SAFETY: the start-up code has protected these pages in the same way; nothing writes to them since.
        check(unsafe { libc::mprotect(at(start), end - start, libc::PROT_READ) }.into())?;
    }
    map.clone().set(copy.as_raw_fd())
}

/// The program as it lies in memory.
struct Image {
    /// What to add to the addresses of the program's headers.
    base: usize,
    segments: Vec<libc::Elf64_Phdr>,
    /// What became read-only when the program had been relocated.
    relro: Option<libc::Elf64_Phdr>,
}

impl Image {
    fn of_this_process() -> io::Result<Self> {
        // SAFETY: takes a number and returns one.
        let headers = unsafe { libc::getauxval(libc::AT_PHDR) };
        // SAFETY: as above.
        let count = unsafe { libc::getauxval(libc::AT_PHNUM) };
        let (headers, count) = (address(headers), address(count));
        if headers == 0 || count == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let first = ptr::with_exposed_provenance::<libc::Elf64_Phdr>(headers);
        // SAFETY: the kernel says that the program's headers, which never change, lie here.
        let headers_in_memory = unsafe { slice::from_raw_parts(first, count) };
        let of = |kind| headers_in_memory.iter().filter(move |header| header.p_type == kind);
        // The headers lie in the page that the file begins with.
        let page = headers & !(PAGE - 1);
        let first = of(libc::PT_LOAD).find(|segment| segment.p_offset == 0);
        let base = first.and_then(|first| page.checked_sub(address(first.p_vaddr)));
        let base = base.ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self {
            base,
            segments: of(libc::PT_LOAD).copied().collect(),
            relro: of(libc::PT_GNU_RELRO).next().copied(),
        })
    }

    /// The pages of a segment that come from the file: address and length.
    fn pages(&self, segment: &libc::Elf64_Phdr) -> (usize, usize) {
        let start = (self.base + address(segment.p_vaddr)) & !(PAGE - 1);
        let end = self.base + address(segment.p_vaddr + segment.p_filesz);
        (start, end.next_multiple_of(PAGE) - start)
    }

    /// For pages that nobody writes.
    fn map_again(&self, segment: &libc::Elf64_Phdr, copy: &File) -> io::Result<()> {
        let (start, length) = self.pages(segment);
        let protection = if segment.p_flags & libc::PF_X == 0 {
            libc::PROT_READ
        } else {
            libc::PROT_READ | libc::PROT_EXEC
        };
        let offset = segment.p_offset & !(PAGE as u64 - 1);
        let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidData)?;
        let (flags, fd) = (libc::MAP_PRIVATE | libc::MAP_FIXED, copy.as_raw_fd());
        // SAFETY: these pages are replaced, in one step, by pages with the same contents and protection, and nobody may write them.
        let mapped = unsafe { libc::mmap(at(start), length, protection, flags, fd, offset) };
        if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// For pages that have contents of their own by now: copies of these, without a file.
    fn make_anonymous(&self, segment: &libc::Elf64_Phdr) -> io::Result<()> {
        let (start, length) = self.pages(segment);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        // SAFETY: asks for a new mapping wherever there is room.
        let room = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
        if room == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both have this length, and the new one is nobody else's. Nothing is written to the old one until the next call is over:
        // this thread is the only one that runs, nobody is at work aside, and it writes to its stack alone.
        unsafe { ptr::copy_nonoverlapping(at(start).cast::<u8>(), room.cast::<u8>(), length) };
        let moves = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: the pages are replaced, in one step, by pages with the same contents.
        check(unsafe { libc::syscall(libc::SYS_mremap, room, length, length, moves, start) })?;
        Ok(())
    }
}

fn at(address: usize) -> *mut libc::c_void {
    ptr::with_exposed_provenance_mut(address)
}

/// Addresses have the machine's width here.
fn address(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PendingNamespace;

    #[test]
    fn nothing_moves_while_another_process_uses_the_memory() {
        let other = PendingNamespace::begin().unwrap();
        let nowhere = File::open("/dev/null").unwrap();
        let error = move_to(&nowhere, &MemoryMap::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        drop(other);
    }
}
