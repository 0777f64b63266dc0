//! A network namespace that plays a host: for daemons with bridges, and for whoever calls their containers.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::poll;

/// Prints a page, or nothing when it does not come in time. Whatever proxy the machine has, it is not for this.
const FETCH: &str = "import sys, urllib.request as r
try: print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1], timeout=float(sys.argv[2])).read().decode(), end='')
except OSError: pass";

/// It goes when nobody holds it and no process is in it.
#[derive(Debug)]
pub struct NetworkHost {
    namespace: File,
}

impl NetworkHost {
    /// A new one, with loopback only.
    pub fn new() -> Self {
        // A process holds it open until we do.
        let mut holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("run unshare");
        let path = format!("/proc/{}/ns/net", holder.id());
        let ours = fs::read_link("/proc/self/ns/net").expect("look at our own network namespace");
        poll("a network namespace is made", || {
            fs::read_link(&path).is_ok_and(|its| its != ours).then_some(())
        });
        let namespace = File::open(&path).expect("open the network namespace");
        drop(holder.stdin.take());
        holder.wait().expect("wait for unshare");
        let host = Self { namespace };
        host.ip("link set lo up");
        host
    }

    /// The one that a process is in.
    pub fn of_process(pid: u32) -> Self {
        let path = format!("/proc/{pid}/ns/net");
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("open {path}: {error}"));
        Self { namespace }
    }

    /// Does something in it: sockets that are made there stay there.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let visit = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.namespace.as_fd(), kind).expect("enter the namespace");
            act()
        };
        thread::scope(|scope| scope.spawn(visit).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A command that runs in it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        command
    }

    /// `ip` in it, with these words.
    #[track_caller]
    pub fn ip(&self, words: &str) {
        let output = self.command("ip").args(words.split(' ')).output().expect("run ip");
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Joins it with another by a cable: a device `name` in each, with these addresses.
    #[track_caller]
    pub fn connect(&self, name: &str, address: &str, other: &Self, other_address: &str) {
        self.ip(&format!("link add {name} type veth peer name {name} netns {}", other.path()));
        for (host, address) in [(self, address), (other, other_address)] {
            host.ip(&format!("addr add {address} dev {name}"));
            host.ip(&format!("link set {name} up"));
        }
    }

    /// What a command in it prints; empty when it fails.
    pub fn prints(&self, program: &str, words: &[&str]) -> String {
        let output = self.command(program).args(words).output().expect("run a command");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a page says that a client in it asks for; empty when it does not come within so many seconds.
    pub fn fetch(&self, url: &str, seconds: &str) -> String {
        self.prints("python3", &["-c", FETCH, url, seconds])
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }
}

impl Default for NetworkHost {
    fn default() -> Self {
        Self::new()
    }
}
