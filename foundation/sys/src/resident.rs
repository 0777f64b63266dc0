//! What a process that goes on for long keeps in memory.

use std::ffi::c_void;
use std::{fs, io, ptr};

/// Lets go of what is not needed at the moment: free memory of the heaps, and the program's own instructions, most of which run at the
/// start alone. The kernel maps those again where they are needed, from the page cache, which may now forget them before anything else.
///
/// # Errors
/// The process's mappings cannot be read.
pub fn let_go() -> io::Result<()> {
    trim_heaps();
    let program = fs::read_link("/proc/self/exe")?;
    let program = program.to_string_lossy();
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        if let Some((start, length)) = instructions(line, &program) {
            // SAFETY: nothing writes to these pages, so that they are what the file has, and is read again.
            unsafe {
                rustix::mm::madvise(
                    ptr::with_exposed_provenance_mut::<c_void>(start),
                    length,
                    rustix::mm::Advice::LinuxDontNeed,
                )?;
            }
        }
    }
    Ok(())
}

/// Where a line of `maps` (`proc_pid_maps(5)`) has instructions of a program: its address and length.
fn instructions(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    // Its path is the last, after an offset, a device and an inode.
    if rights != "r-xp" || words.nth(3)? != program {
        return None;
    }
    let (start, end) =
        (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
}

#[cfg(target_env = "gnu")]
fn trim_heaps() {
    // SAFETY: it takes the locks of the heaps that it works on.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim_heaps() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_goes_on_with_less() {
        let resident = || -> usize {
            let text = fs::read_to_string("/proc/self/statm").unwrap();
            text.split(' ').nth(2).unwrap().parse().unwrap()
        };
        // Other tests of this process may map files meanwhile.
        let has_less = |_| {
            let before = resident();
            let_go().unwrap();
            resident() < before
        };
        assert!((0..20).any(has_less));
    }

    #[test]
    fn only_the_programs_own_instructions_are_meant() {
        let of =
            |rights: &str, path: &str| format!("1000-3000 {rights} 00001000 fe:00 123   {path}");
        assert_eq!(instructions(&of("r-xp", "/bin/x"), "/bin/x"), Some((0x1000, 0x2000)));
        for (rights, path) in
            [("r--p", "/bin/x"), ("rw-p", "/bin/x"), ("r-xp", "/lib/y"), ("r-xp", "")]
        {
            assert_eq!(instructions(&of(rights, path), "/bin/x"), None, "{rights} {path}");
        }
    }
}
