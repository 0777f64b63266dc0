//! Commands on a disk with next to no space: whichever part of the build meets the end of it, the failure says so, and nothing stays.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::{Daemon, Options, busybox, poll};
use rustix::fs::{FallocateFlags, fallocate, statvfs, syncfs};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{cached, context, is_over};

/// A disk of its own, with a file system of the kind that most have: it is full for files, for directories and for what is moved at
/// different times.
struct Ext4 {
    folder: TempDir,
}

impl Ext4 {
    fn mount(mebibytes: u64) -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-e2e-disk-").tempdir().unwrap();
        let image = folder.path().join("image");
        File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        let disk = Self { folder };
        fs::create_dir(disk.path()).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).args([&image, &disk.path()]));
        disk
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Leaves so much, in KiB.
    fn fill(&self, left: u64) {
        let file = File::create(self.path().join("filler")).unwrap();
        syncfs(&file).unwrap();
        let found = statvfs(self.path()).unwrap();
        let free = found.f_bavail * found.f_frsize;
        let filled = fallocate(&file, FallocateFlags::empty(), 0, free - (left << 10));
        // What the file system needs for its own notes was the last of it.
        assert!(matches!(filled, Ok(()) | Err(Errno::NOSPC)), "{filled:?}");
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        run(Command::new("umount").arg(self.path()));
    }
}

#[track_caller]
fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn build(daemon: &Daemon, root: &Path, command: &str) -> gantry_testkit::Outcome {
    let dockerfile = format!("FROM busybox\nRUN echo small > /small\nRUN {command}\n");
    fs::write(root.join("Dockerfile"), dockerfile).unwrap();
    daemon.gantry(&["build", "--network", "none", "-t", "full", root.to_str().unwrap()]).run()
}

#[test]
fn whatever_is_full_first_it_is_said() {
    let disk = Ext4::mount(40);
    let options = Options { data_root: Some(disk.path().join("data")), ..Options::default() };
    let daemon = Daemon::start_with(options);
    daemon.load(&busybox());
    let root = context(&daemon, "full", &[]);
    build(&daemon, &root, "true").exits(0);
    let mut failures = 0;
    for left in [0, 16, 24, 32, 48, 64, 200] {
        // One that writes too much and fails, one that hides it, and one that writes next to nothing.
        let large = "head -c 4000000 /dev/zero > /large";
        for command in [large, &format!("{large}; true"), "echo x > /x"] {
            disk.fill(left);
            let outcome = build(&daemon, &root, &format!("{command} # {left}"));
            if outcome.code != 0 {
                failures += 1;
                let complaint = outcome.stderr.to_lowercase();
                let data_root = daemon.data_root();
                assert!(complaint.contains("no space left"), "{}", outcome.stderr);
                assert!(complaint.contains("builder prune"), "{}", outcome.stderr);
                outcome.complains(data_root.to_str().unwrap());
            }
            poll("nothing is left of it", || is_over(&daemon).then_some(()));
            disk.empty();
            let check = || daemon.gantry(&["system", "check"]).run().code == 0;
            poll("no layer is left that was not written down", || check().then_some(()));
        }
    }
    assert!(failures > 10, "{failures}");
    // What was done before is used.
    let outcome = build(&daemon, &root, "echo again > /again");
    assert_eq!((outcome.code, cached(&outcome.stderr)), (0, 1), "{}", outcome.stderr);
    daemon.gantry(&["system", "check", "--deep"]).run().exits(0);
}
