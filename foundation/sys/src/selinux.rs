//! SELinux as the kernel shows it: whether a policy is in force, which contexts it knows, and the labels of files (`selinux(8)`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;

/// Where the kernel's own file system of it is, once a policy is loaded.
const PLACE: &str = "/sys/fs/selinux";
const MAGIC: u64 = 0xf97c_ff8c;
/// The attribute that a file's label is in (`xattr(7)`).
const LABEL: &str = "security.selinux";
/// The kernel takes and gives contexts of up to a page.
const LABEL_LIMIT: usize = 4096;

/// Whether the kernel has a policy of SELinux in force, be it enforced or not.
pub fn is_in_force() -> bool {
    rustix::fs::statfs(PLACE).is_ok_and(|found| found.f_type.cast_unsigned() == MAGIC)
}

/// `context` as the kernel writes it, which has one name for a type that has several; none that the policy does not know.
///
/// # Errors
/// The process may not ask.
pub fn canonical(context: &str) -> io::Result<Option<String>> {
    let mut file = File::options().read(true).write(true).open(Path::new(PLACE).join("context"))?;
    match file.write_all(context.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
        written => written?,
    }
    let mut value = vec![0; LABEL_LIMIT];
    let length = file.read(&mut value)?;
    Ok(Some(text(&value[..length])))
}

/// The label of an open file, which may be open without any rights to it (`O_PATH`), and may be a symbolic link; none where its file
/// system has no labels.
pub fn label_of(file: BorrowedFd<'_>) -> io::Result<Option<String>> {
    let mut value = vec![0; LABEL_LIMIT];
    let length = match getxattr(magic_link(file), LABEL, &mut value[..]) {
        Err(Errno::NODATA | Errno::NOTSUP) => return Ok(None),
        length => length?,
    };
    Ok(Some(text(&value[..length])))
}

/// The kernel ends a context with a NUL, or not.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

/// Changes the label of an open file, as [`label_of`] reads it.
///
/// # Errors
/// `EOPNOTSUPP` where its file system has no labels, or gives one to all its files; `EINVAL` for a context that the policy does not know.
pub fn set_label(file: BorrowedFd<'_>, label: &str) -> io::Result<()> {
    Ok(setxattr(magic_link(file), LABEL, label.as_bytes(), XattrFlags::empty())?)
}

/// Leads to the very file, whatever its path means by now, and to a symbolic link itself.
fn magic_link(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
