//! One call of the program: what it may see, and how it ends.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_sys::parent_death::dies_with_thread;
use gantry_types::without_password;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Error, Login, Repositories, Result, Wanted};

/// Where programs are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a call is waited for before asking whether it is still wanted.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a call goes on before what it has made is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// No file that the program writes may be larger: the blocks of `ulimit -f`, 20 GiB.
const FILE_BLOCKS: u64 = (20 << 30) / 512;
/// A server of the web that sends nothing for so long is given up, in seconds. One that counts its objects says every five that it is
/// still there.
const SILENT_SECONDS: u64 = 600;
/// What is read of the program's complaints.
const COMPLAINT: u64 = 64 << 10;

/// Calls of the program for one repository.
pub(crate) struct Program<'a> {
    pub(crate) repositories: &'a Repositories,
    pub(crate) wanted: &'a Wanted,
    /// Fails when nobody wants it any more.
    pub(crate) is_wanted: &'a dyn Fn() -> bool,
    /// An empty folder for what it prints, and for its home.
    pub(crate) room: &'a Path,
}

/// What a call is allowed to read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Servers of the web.
    Network,
    /// Repositories of this host.
    Host,
}

/// What a call has printed.
pub(crate) struct Printed {
    pub(crate) status: ExitStatus,
    pub(crate) complaint: String,
}

impl Program<'_> {
    /// The address as it may be shown.
    pub(crate) fn shown(&self) -> String {
        without_password(&self.wanted.url)
    }

    /// Calls the program; what it prints goes to a file of at most so many bytes.
    pub(crate) fn call(
        &self,
        (reach, words): (Reach, &[&str]),
        output: &Path,
        limit_bytes: Option<u64>,
    ) -> Result<Printed> {
        self.call_within((reach, words), output, limit_bytes, &|| Ok(()))
    }

    /// The same; `growth` is asked from time to time, and ends it when it fails.
    fn call_within(
        &self,
        (reach, words): (Reach, &[&str]),
        output: &Path,
        limit_bytes: Option<u64>,
        growth: &dyn Fn() -> Result<()>,
    ) -> Result<Printed> {
        let blocks = limit_bytes.map_or(FILE_BLOCKS, |bytes| bytes.div_ceil(512));
        let complaints = self.room.join("complaints");
        let create = |path: &Path| File::create(path).map_err(Error::file("create", path));
        // The shell sets what nothing but unsafe code could set between fork and exec.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("ulimit -f {blocks}; exec git \"$@\""), "git"])
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
            .args([
                "-c",
                "advice.detachedHead=false",
                "-c",
                "gc.auto=0",
                "-c",
                "maintenance.auto=false",
            ])
            .args(["-c", "fetch.recurseSubmodules=no", "-c", "submodule.recurse=false"])
            .args(["-c", "init.defaultBranch=main", "-c", "protocol.version=2"])
            .args(["-c", "core.logAllRefUpdates=false"])
            .args(["-c", "http.lowSpeedLimit=1"])
            .args(["-c", &format!("http.lowSpeedTime={SILENT_SECONDS}")])
            .args(words)
            .env_clear()
            .envs(self.environment(reach))
            .current_dir(self.room)
            .stdin(Stdio::null())
            .stdout(create(output)?)
            .stderr(create(&complaints)?)
            .process_group(0);
        // Who comes after a daemon that was killed takes the repository. The loop below is in this thread, and git's helpers end when
        // nobody reads what they write.
        let mut child =
            dies_with_thread(&mut command).spawn().map_err(Error::file("execute", "/bin/sh"))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let waited = Error::file("wait for", "git");
        // With its helpers, which are in its group.
        let end = |child: &mut Child| {
            if let Some(group) = group {
                kill_process_group(group, Signal::KILL).unwrap_or_default();
            }
            drop(child.wait());
        };
        let mut next_look = Instant::now() + LOOK;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => {
                    let complaint = beginning(&complaints)?;
                    if status.code() == Some(127) {
                        return Err(Error::NoProgram);
                    }
                    return Ok(Printed { status, complaint });
                }
                Ok(None) => {}
                Err(error) => return Err(waited(error)),
            }
            if !(self.is_wanted)() {
                end(&mut child);
                return Err(Error::CalledOff);
            }
            let now = Instant::now();
            if now >= next_look {
                growth().inspect_err(|_| end(&mut child))?;
                // It is looked at for a tenth of the time at most.
                next_look = Instant::now() + LOOK.max(now.elapsed() * 10);
            }
            thread::sleep(PAUSE);
        }
    }

    /// The same, where a failure is one.
    pub(crate) fn must(&self, action: &'static str, reach: Reach, words: &[&str]) -> Result<()> {
        self.must_within(action, reach, words, &|| Ok(()))
    }

    /// The same; `growth` is asked from time to time, and ends it when it fails.
    pub(crate) fn must_within(
        &self,
        action: &'static str,
        reach: Reach,
        words: &[&str],
        growth: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let output = self.room.join("output");
        let printed = self.call_within((reach, words), &output, None, growth)?;
        self.check(action, &printed)
    }

    /// The same for what prints a little.
    pub(crate) fn ask(&self, action: &'static str, reach: Reach, words: &[&str]) -> Result<String> {
        let output = self.room.join("output");
        let printed = self.call((reach, words), &output, Some(64 << 20))?;
        self.check(action, &printed)?;
        fs::read_to_string(&output).map_err(Error::file("read", &output))
    }

    pub(crate) fn check(&self, action: &'static str, printed: &Printed) -> Result<()> {
        if printed.status.success() {
            return Ok(());
        }
        let lines = printed.complaint.lines().map(str::trim);
        let mut telling: Vec<&str> =
            lines.filter(|line| line.contains(':') && !line.starts_with("hint:")).collect();
        telling.truncate(3);
        let reason = match telling.as_slice() {
            [] => format!("git ended with {}", printed.status),
            lines => lines.join("; "),
        };
        // Git repeats the address it was given.
        let reason = reason.replace(&self.wanted.url, &self.shown());
        Err(Error::Failed { action, url: self.shown(), reason })
    }

    fn environment(&self, reach: Reach) -> Vec<(String, String)> {
        let protocols = match reach {
            Reach::Network => "http:https:git:ssh",
            Reach::Host => "file",
        };
        let home = self.room.to_string_lossy().into_owned();
        let mut all: Vec<(String, String)> = [
            ("PATH", PATH),
            ("HOME", &home),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "/bin/false"),
            ("SSH_ASKPASS", "/bin/false"),
            ("GIT_ALLOW_PROTOCOL", protocols),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            // Nothing of the host's gets into new repositories.
            ("GIT_TEMPLATE_DIR", ""),
            // What a server says of ours is checked; nobody is asked.
            ("GIT_SSH_COMMAND", "ssh -F /dev/null -oBatchMode=yes -oStrictHostKeyChecking=yes"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if reach == Reach::Network {
            all.extend(self.repositories.environment.iter().cloned());
            all.extend(self.login());
        }
        if let Some(agent) = &self.wanted.agent {
            all.push(("SSH_AUTH_SOCK".to_owned(), agent.to_string_lossy().into_owned()));
        }
        all
    }

    /// Who asks, as configuration that no argument list shows. It is for this server alone: no redirect is followed with it.
    fn login(&self) -> Vec<(String, String)> {
        let (Some(login), Some(origin)) = (&self.wanted.login, origin(&self.wanted.url)) else {
            return Vec::new();
        };
        let header = match login {
            Login::Header(header) => header.clone(),
            Login::Token(token) => {
                format!("basic {}", STANDARD.encode(format!("x-access-token:{token}")))
            }
        };
        let pairs = [
            (format!("http.{origin}.extraHeader"), format!("Authorization: {header}")),
            ("http.followRedirects".to_owned(), "false".to_owned()),
        ];
        let mut all = vec![("GIT_CONFIG_COUNT".to_owned(), pairs.len().to_string())];
        for (number, (key, value)) in pairs.into_iter().enumerate() {
            all.push((format!("GIT_CONFIG_KEY_{number}"), key));
            all.push((format!("GIT_CONFIG_VALUE_{number}"), value));
        }
        all
    }
}

/// `https://host/` of an address of the web.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    matches!(scheme, "http" | "https").then(|| format!("{scheme}://{authority}/"))
}

fn beginning(path: &Path) -> Result<String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(Error::file("read", path))?;
    file.take(COMPLAINT).read_to_end(&mut text).map_err(Error::file("read", path))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
