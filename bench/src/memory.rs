//! Folders in memory, as `/run` is, where engines and runtimes keep what lasts until the next boot.

use tempfile::TempDir;

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// A new one, for one engine. On a disk each record that goes takes its time, and the kernel may look through all that went lately for
/// each new one.
pub(crate) fn folder() -> TempDir {
    let is_memory = |path: &&str| {
        rustix::fs::statfs(*path).is_ok_and(|found| found.f_type.cast_unsigned() == TMPFS_MAGIC)
    };
    let place = ["/run", "/dev/shm"].into_iter().find(is_memory);
    let folder =
        tempfile::Builder::new().prefix("gantry-bench-").tempdir_in(place.unwrap_or("/tmp"));
    folder.expect("make a folder in memory")
}
