//! Replacing the program of this process.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A list of C strings in the shape that `execve(2)` takes. Made before it is needed, so that the last step allocates nothing.
pub struct CStringList {
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl CStringList {
    /// Fails when a string holds a NUL byte.
    pub fn new<S: Into<Vec<u8>>>(list: impl IntoIterator<Item = S>) -> io::Result<Self> {
        let strings = list.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { strings, pointers })
    }

    pub fn first(&self) -> Option<&CStr> {
        self.strings.first().map(CString::as_c_str)
    }
}

/// `execve(2)`; returns only to say why it failed.
pub fn execve(path: &CStr, args: &CStringList, env: &CStringList) -> io::Error {
    // SAFETY: all three point to NUL-terminated data, the lists end with a null pointer, and all of it outlives the call.
    unsafe { libc::execve(path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// `execveat(2)` with `AT_EMPTY_PATH`: the program is the open file; returns only to say why it failed.
pub fn fexecve(program: BorrowedFd<'_>, args: &CStringList, env: &CStringList) -> io::Error {
    // SAFETY: the empty path is NUL-terminated, the lists end with a null pointer, and all of it outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            args.pointers.as_ptr(),
            env.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_execve_says_why() {
        let none = CStringList::new(Vec::<String>::new()).unwrap();
        let name = CStringList::new(["nonexistent"]).unwrap();
        let error = execve(c"/nonexistent", &name, &none);
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn strings_with_nul_bytes_are_refused() {
        assert!(CStringList::new(["a\0b"]).is_err());
    }
}
