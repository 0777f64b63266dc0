//! A place where hostile archives may write: a thread of its own that sees an empty file system in memory, or an empty directory
//! of the disk, and nothing of the machine. It goes with the process.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use gantry_sys::clone::{Namespaces, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{chdir, chroot};

type Work = Box<dyn FnOnce() + Send>;

/// The way into one pen.
pub(crate) struct Pen {
    work: Mutex<SyncSender<Work>>,
}

impl Pen {
    /// Makes a pen. It takes root's rights, like what is tried in it.
    pub(crate) fn new() -> Self {
        Self::begin(shut_in)
    }

    /// Makes one on the disk, for the kernel mounts no images that lie in memory.
    pub(crate) fn on_disk() -> Self {
        Self::begin(shut_in_on_disk)
    }

    fn begin(shut_in: fn()) -> Self {
        let (sender, receiver) = sync_channel(0);
        let live = move || {
            shut_in();
            live(&receiver);
        };
        thread::Builder::new().name("pen".to_owned()).spawn(live).expect("start a thread");
        Self { work: Mutex::new(sender) }
    }

    /// Does something in there; its panic is ours.
    pub(crate) fn inside(&self, work: impl FnOnce() + Send + 'static) {
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            sender.send(result).expect("somebody waits for it");
        };
        let pen = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        pen.send(Box::new(work)).expect("the pen lives as long as we");
        drop(pen);
        if let Err(panic) = receiver.recv().expect("the pen answers") {
            resume_unwind(panic);
        }
    }
}

fn live(receiver: &Receiver<Work>) {
    while let Ok(work) = receiver.recv() {
        work();
    }
}

/// A mount namespace and a root of the thread's own.
fn shut_in() {
    alone();
    let place = std::env::temp_dir();
    mount("tmpfs", &place, "tmpfs", MountFlags::empty(), c"size=256m,mode=755")
        .expect("mount a tmpfs");
    chroot(&place).expect("enter it");
    chdir("/").expect("enter it");
    // The one file of the machine that a store asks for.
    let boot = "/proc/sys/kernel/random";
    fs::DirBuilder::new().recursive(true).mode(0o755).create(boot).expect("make a directory");
    fs::write(format!("{boot}/boot_id"), "pen\n").expect("make the boot's id");
}

/// The same in a new directory of the disk, with the machine's `/proc`: mounted layers are looked at by descriptor.
fn shut_in_on_disk() {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let place = std::env::temp_dir().join(format!("gantry-fuzz-{}-{number}", std::process::id()));
    fs::create_dir(&place).expect("make a directory");
    // It outlives us, however we end, and then removes what is left.
    let watcher = Command::new("sh")
        .args(["-c", "read _; rm -rf \"$0\""])
        .arg(&place)
        .stdin(Stdio::piped())
        .spawn()
        .expect("start a shell");
    std::mem::forget(watcher);
    alone();
    fs::create_dir(place.join("proc")).expect("make a directory");
    mount("/proc", place.join("proc"), "", MountFlags::BIND, None).expect("bind /proc");
    chroot(&place).expect("enter it");
    chdir("/").expect("enter it");
}

fn alone() {
    // It also makes root and working directory this thread's own.
    unshare(Namespaces::MOUNT).expect("leave the mount namespace: be root");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("keep our mounts to ourselves");
}
