//! The daemon that most tests share, with `busybox` loaded. A test names its containers after itself and removes
//! them.

use std::sync::LazyLock;

use gantry_testkit::{Daemon, Invocation, Outcome};

static SHARED: LazyLock<Daemon> = LazyLock::new(Daemon::with_busybox);

/// The shared daemon. Its reaper ends it when this test program ends.
pub(crate) fn shared() -> &'static Daemon {
    &SHARED
}

/// `gantry run --rm FLAGS… busybox COMMAND…` on the shared daemon.
pub(crate) fn run(flags: &[&str], command: &[&str]) -> Outcome {
    invocation(flags, command).run()
}

/// The same, not yet started.
pub(crate) fn invocation(flags: &[&str], command: &[&str]) -> Invocation {
    let words = [&["run", "--rm", "--network", "none"], flags, &["busybox"], command].concat();
    shared().gantry(&words)
}

/// `gantry run -d --name NAME FLAGS… busybox COMMAND…` on the shared daemon; returns the id.
#[track_caller]
pub(crate) fn detached(name: &str, flags: &[&str], command: &[&str]) -> String {
    let fixed = ["run", "-d", "--network", "none", "--name", name];
    let id = shared().ok(&[&fixed, flags, &["busybox"], command].concat());
    assert_eq!(id.len(), 64, "run -d prints the whole id: {id}");
    id
}

/// A name that no other test uses.
pub(crate) fn unique(stem: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}
