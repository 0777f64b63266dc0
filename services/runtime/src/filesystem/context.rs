//! A file system on its way to a mount, as `fsopen(2)` and `fsconfig(2)` make it.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use gantry_sys::mount::Change;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::numbered::Numbered;
use crate::failure::{During, Failure, errno_text};

/// `fsconfig(2)` takes strings of up to 255 bytes.
const VALUE_LIMIT: usize = 255;

/// A file system on its way to a mount (`fsopen(2)`).
pub(super) struct Context {
    fd: OwnedFd,
    kind: String,
    /// Directories that options name by descriptor: open until the file system is made.
    named: Vec<OwnedFd>,
    numbered: Option<Numbered>,
}

impl Context {
    pub(super) fn new(kind: &str) -> Result<Self, Failure> {
        let fd = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
            .during_with(|| format!("open the file system {kind:?}"))?;
        Ok(Self { fd, kind: kind.to_owned(), named: Vec::new(), numbered: None })
    }

    pub(super) fn set(&self, key: &str, value: Option<&str>) -> Result<(), Failure> {
        match value {
            Some(value) => fsconfig_set_string(&self.fd, key, value),
            None => fsconfig_set_flag(&self.fd, key),
        }
        .map_err(|error| self.explain(&error.into(), format_args!("option {key:?}")))
    }

    /// Directories of an overlay are named one at a time, and by descriptor when the path is too long for a string.
    pub(super) fn set_overlay(&mut self, key: &str, value: Option<&str>) -> Result<(), Failure> {
        match (key, value) {
            ("lowerdir", Some(list)) if !takes_single_layers() => self.set_lower(list),
            ("lowerdir", Some(list)) => {
                split_lower(list).iter().try_for_each(|path| self.set_directory("lowerdir+", path))
            }
            ("upperdir" | "workdir" | "lowerdir+" | "datadir+", Some(path)) => {
                self.set_directory(key, path)
            }
            _ => self.set(key, value),
        }
    }

    fn set_directory(&mut self, key: &str, path: &str) -> Result<(), Failure> {
        let result = if path.len() <= VALUE_LIMIT {
            fsconfig_set_string(&self.fd, key, path)
        } else {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::open(path, flags, Mode::empty())
                .during_with(|| format!("open the overlay's {key} {path}"))?;
            // Overlay takes descriptors since Linux 6.13; a name of one works before that, too.
            let result = fsconfig_set_fd(&self.fd, key, &directory).or_else(|_| {
                let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
                fsconfig_set_string(&self.fd, key, name)
            });
            self.named.push(directory);
            result
        };
        result.map_err(|error| self.explain(&error.into(), format_args!("{key} {path}")))
    }

    /// All lower directories at once, for kernels that know no other way. A list that is too long for a string names them
    /// by the numbers of their descriptors, which is short enough for some 80.
    fn set_lower(&mut self, list: &str) -> Result<(), Failure> {
        // Kernels of that age refuse a comma, too.
        if list.len() <= VALUE_LIMIT && !list.contains(',') {
            return self.set("lowerdir", Some(list));
        }
        let numbered = self.numbered.insert(Numbered::open(&split_lower(list))?);
        let numbers = numbered.list();
        self.set("lowerdir", Some(&numbers))
    }

    pub(super) fn mount(mut self, change: Change) -> Result<OwnedFd, Failure> {
        let created = fsconfig_create(&self.fd);
        self.named.clear();
        self.numbered = None;
        created.map_err(|error| self.explain(&error.into(), "create"))?;
        let bits = u32::try_from(change.set.bits()).unwrap_or(u32::MAX);
        let attributes = MountAttrFlags::from_bits_retain(bits);
        fsmount(&self.fd, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .map_err(|error| self.explain(&error.into(), "fsmount"))
    }

    /// The kernel leaves a sentence about what it did not like in the context; without one there is the errno.
    fn explain(&self, error: &io::Error, what: impl Display) -> Failure {
        let mut log = [0; 512];
        let said = match rustix::io::read(&self.fd, &mut log) {
            Ok(length) => String::from_utf8_lossy(&log[..length]).trim().to_owned(),
            Err(_) => String::new(),
        };
        let kind = &self.kind;
        let text = errno_text(error);
        match said.strip_prefix("e ") {
            Some(said) => Failure::io(format!("make a {kind} mount: {what}: {said}"), error),
            None => Failure::io(format!("make a {kind} mount: {what}"), &io::Error::other(text)),
        }
    }
}

/// Whether overlay takes its lower directories one at a time (Linux 6.8). Before 6.5 it is one of the file systems that take
/// every option, and refuse those that they do not know only when all are there.
fn takes_single_layers() -> bool {
    let Ok(context) = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) else { return true };
    fsconfig_set_flag(&context, "no such option").is_err()
        && fsconfig_set_string(&context, "lowerdir+", "/").is_ok()
}

/// The layers of a `lowerdir` option: separated by colons, with a backslash before a colon that is part of a name.
pub(super) fn split_lower(list: &str) -> Vec<String> {
    let mut layers = vec![String::new()];
    let mut letters = list.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => layers.push(String::new()),
            '\\' => layers.last_mut().into_iter().for_each(|layer| layer.extend(letters.next())),
            _ => layers.last_mut().into_iter().for_each(|layer| layer.push(letter)),
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_directories_are_separated_by_colons_that_are_not_escaped() {
        assert_eq!(split_lower("/a:/b"), ["/a", "/b"]);
        assert_eq!(split_lower(r"/a\:b:/c\\d"), ["/a:b", r"/c\d"]);
        assert_eq!(split_lower("/a"), ["/a"]);
    }
}
