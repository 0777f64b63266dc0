//! One cgroup directory, held by a descriptor: its files, its children and its processes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;

/// No file of a cgroup is longer; `cgroup.procs` with a million processes has some 8 MB.
const MAX_FILE: usize = 16 << 20;
/// In bytes.
const READ_AT_ONCE: usize = 4096;
const LEAST_ROOM: usize = 1024;

/// An open cgroup directory.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    /// For error texts and for mounts.
    path: PathBuf,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::openat(CWD, path, directory_flags(), Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens a directory that [`Hierarchy::reach`](crate::hierarchy::Hierarchy) says how to get to.
    pub(crate) fn reach((at, names): (BorrowedFd<'_>, &Path), path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::openat(at, names, directory_flags(), Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens a directory below this one, by names joined with slashes.
    pub(crate) fn child(&self, names: &str) -> io::Result<Self> {
        let fd = rustix::fs::openat(&self.fd, names, directory_flags(), Mode::empty())?;
        Ok(Self { fd, path: self.path.join(names) })
    }

    /// Opens the directory that `name`, which this one was opened by, lies in.
    pub(crate) fn parent(&self) -> io::Result<Self> {
        let fd = rustix::fs::openat(&self.fd, "..", directory_flags(), Mode::empty())?;
        Ok(Self { fd, path: self.path.parent().unwrap_or(&self.path).to_owned() })
    }

    /// Removes a directory below this one. False when it was gone already.
    pub(crate) fn remove_child(&self, names: &str) -> Result<bool, Errno> {
        match rustix::fs::unlinkat(&self.fd, names, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names of the directories in this one.
    pub(crate) fn children(&self) -> io::Result<Vec<String>> {
        self.names(FileType::Directory)
    }

    /// The symbolic links in this directory, each with what it says.
    pub(crate) fn links(&self) -> io::Result<Vec<(String, String)>> {
        let names = self.names(FileType::Symlink)?;
        let pairs = names.into_iter().map(|name| {
            let target = rustix::fs::readlinkat(&self.fd, name.as_str(), Vec::new())?;
            Ok((name, target.to_string_lossy().into_owned()))
        });
        pairs.collect()
    }

    /// Names that are not UTF-8 are left out: nobody here made them.
    fn names(&self, kind: FileType) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            if entry.file_type() == kind
                && let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        rustix::fs::accessat(&self.fd, file, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
    }

    pub(crate) fn open_for_writing(&self, file: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::TRUNC;
        Ok(rustix::fs::openat(&self.fd, file, flags, Mode::empty())?)
    }

    /// Writes in one call: the kernel takes each write as a whole.
    pub(crate) fn try_write(&self, file: &str, value: &str) -> io::Result<()> {
        let fd = self.open_for_writing(file)?;
        write_once(&fd, value)
    }

    pub(crate) fn write(&self, file: &str, value: &str) -> Result<(), Error> {
        self.try_write(file, value).map_err(|source| Error::Write {
            file: self.path.join(file),
            value: value.to_owned(),
            source,
        })
    }

    /// Writes one value after the other; a file that takes several in a row is opened once.
    pub(crate) fn write_each(&self, values: &[(&str, String)]) -> Result<(), Error> {
        for values in values.chunk_by(|(before, _), (file, _)| before == file) {
            let mut open = None;
            for (file, value) in values {
                let fd = match open.take() {
                    Some(fd) => Ok(fd),
                    None => self.open_for_writing(file),
                };
                let written = fd.and_then(|fd| write_once(&fd, value).map(|()| fd));
                open = Some(written.map_err(|source| Error::Write {
                    file: self.path.join(file),
                    value: value.clone(),
                    source,
                })?);
            }
        }
        Ok(())
    }

    pub(crate) fn try_read(&self, file: &str) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&self.fd, file, flags, Mode::empty())?;
        read_all(&fd)
    }

    pub(crate) fn read(&self, file: &str) -> Result<String, Error> {
        self.try_read(file).map_err(|source| Error::Read { file: self.path.join(file), source })
    }

    /// Reads a file with one number in it; `max` is the largest there is.
    pub(crate) fn read_number(&self, file: &str) -> Result<u64, Error> {
        let text = self.read(file)?;
        match text.trim() {
            "max" => Ok(u64::MAX),
            number => number
                .parse()
                .map_err(|_| Error::Parse { file: self.path.join(file), text: number.to_owned() }),
        }
    }

    /// The processes in this cgroup itself, as this process's pid namespace counts them.
    pub(crate) fn processes(&self) -> Result<Vec<i32>, Error> {
        let text = match self.try_read("cgroup.procs") {
            Ok(text) => text,
            // A threaded cgroup of v2: its processes are those of the domain above it.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => String::new(),
            // Removed meanwhile.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => String::new(),
            Err(source) => {
                return Err(Error::Read { file: self.path.join("cgroup.procs"), source });
            }
        };
        // 0 is a process that this pid namespace does not see.
        Ok(text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl From<Directory> for OwnedFd {
    fn from(directory: Directory) -> Self {
        directory.fd
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Writes `value` in one call.
pub(crate) fn write_once(fd: &OwnedFd, value: &str) -> io::Result<()> {
    let written = rustix::io::retry_on_intr(|| rustix::io::write(fd, value.as_bytes()))?;
    if written == value.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn read_all(fd: &OwnedFd) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(READ_AT_ONCE);
    loop {
        if bytes.len() > MAX_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // The next read, which finds the end, hardly ever needs room of its own.
        if bytes.capacity() - bytes.len() < LEAST_ROOM {
            bytes.reserve(READ_AT_ONCE);
        }
        let read = rustix::io::retry_on_intr(|| {
            rustix::io::read(fd, rustix::buffer::spare_capacity(&mut bytes))
        })?;
        if read == 0 {
            return String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into());
        }
    }
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW
}
