//! Starting a shim's process and learning its address. Talking to it comes after.

use crate::Error;
use gantry_shim_protocol::bootstrap::{BootstrapResult, MAX_BYTES};
use gantry_shim_protocol::{ADDRESS_FILE, TASK_SOCKET};
use gantry_sys::descriptors::with_first_limit;
use gantry_types::SEARCH_PATH;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which shim to start, and for what.
///
/// A bundle whose `config.json` names a group by an annotation (`gantry_shim_protocol::group`) gets the shim
/// of that group, when one runs already. Each container of it is a `Shim` of its own here.
#[derive(Debug, Clone)]
pub struct LaunchOptions {
    /// The shim's program.
    pub binary: PathBuf,
    /// The bundle, which becomes its working directory.
    pub bundle: PathBuf,
    /// The container.
    pub id: String,
}

/// How long a shim may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// What is kept of the words of a shim that fails.
const MAX_WORDS_BYTES: usize = 4096;
/// containerd's shims ask for a namespace; ours is this.
pub(crate) const NAMESPACE: &str = "gantry";

/// The name of our own shim's program.
const OWN_SHIM: &str = "gantry-shim";

/// Runs `<binary> start` and gives its answer. The shim's server runs on when this returns.
pub(crate) fn start(
    options: &LaunchOptions,
    copies: &ProgramCopies,
) -> Result<BootstrapResult, Error> {
    let spawn_error = |source| Error::Spawn { binary: options.binary.clone(), source };
    let copy = copies.of(&options.binary).map_err(spawn_error)?;
    let program = match &copy {
        Some(copy) => PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd())),
        None => options.binary.clone(),
    };
    let mut command = Command::new(program);
    command
        .arg0(&options.binary)
        .args(["-namespace", NAMESPACE, "-id", &options.id, "start"])
        .current_dir(&options.bundle)
        // Other shims look for their runtime there; nothing else of the daemon's environment reaches them.
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // The daemon's own is for the daemon; containers inherit the shim's.
    let mut child = with_first_limit(&mut command).spawn().map_err(spawn_error)?;
    let result = collect(&mut child).and_then(|words| {
        let status = words.is_some().then(|| child.wait()).transpose()?;
        Ok(words.zip(status))
    });
    let Some(((stdout, stderr), status)) = result.map_err(spawn_error)? else {
        // It may have ended by itself meanwhile; either way it is reaped.
        drop(child.kill());
        drop(child.wait());
        return Err(Error::StartDeadline { binary: options.binary.clone(), limit: START_LIMIT });
    };
    if !status.success() {
        let words = String::from_utf8_lossy(if stderr.is_empty() { &stdout } else { &stderr });
        let output = format!("{} ({status})", words.trim());
        return Err(Error::Start { binary: options.binary.clone(), output });
    }
    let bootstrap = BootstrapResult::parse(&stdout)?;
    keep_address(&options.bundle, &bootstrap)?;
    Ok(bootstrap)
}

/// Our own shim's program as a sealed memory file, which all shims of this daemon run from: a container
/// cannot overwrite it, and its pages are shared. Other shims find themselves by their path, and run
/// from there.
#[derive(Debug, Default)]
pub(crate) struct ProgramCopies(Mutex<Option<ProgramCopy>>);

#[derive(Debug)]
struct ProgramCopy {
    path: PathBuf,
    /// Device, inode, size and change time: an update of the program makes another.
    version: (u64, u64, u64, i64, i64),
    copy: Arc<File>,
}

impl ProgramCopies {
    fn of(&self, binary: &Path) -> io::Result<Option<Arc<File>>> {
        if binary.file_name() != Some(OsStr::new(OWN_SHIM)) {
            return Ok(None);
        }
        let program = File::open(binary)?;
        let stat = program.metadata()?;
        let version = (stat.dev(), stat.ino(), stat.size(), stat.ctime(), stat.ctime_nsec());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && (known.path.as_path(), known.version) == (binary, version)
        {
            return Ok(Some(Arc::clone(&known.copy)));
        }
        let copy = Arc::new(gantry_sys::self_copy::sealed_copy(&program)?);
        *known = Some(ProgramCopy { path: binary.to_owned(), version, copy: Arc::clone(&copy) });
        Ok(Some(copy))
    }
}

/// stdout and stderr of a process that was just started, or `None` when it takes too long.
fn collect(child: &mut Child) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let deadline = Instant::now() + START_LIMIT;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut answer, mut words) = (Vec::new(), Vec::new());
    while stdout.is_some() || stderr.is_some() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut fds = Vec::with_capacity(2);
        fds.extend(
            stdout.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        fds.extend(
            stderr.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready =
            fds.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>().into_iter();
        let stdout_ready = stdout.is_some() && ready.next() == Some(true);
        let stderr_ready = stderr.is_some() && ready.next() == Some(true);
        if stdout_ready {
            read_some(&mut stdout, &mut answer, MAX_BYTES)?;
        }
        if stderr_ready {
            read_some(&mut stderr, &mut words, MAX_WORDS_BYTES)?;
        }
    }
    Ok(Some((answer, words)))
}

/// One read; the pipe goes at its end. What is over `limit` is read and forgotten, so that the writer
/// is not stopped.
fn read_some(pipe: &mut Option<impl Read>, into: &mut Vec<u8>, limit: usize) -> io::Result<()> {
    let Some(reader) = pipe else {
        return Ok(());
    };
    let mut block = [0; 4096];
    let read = match reader.read(&mut block) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
        result => result?,
    };
    if read == 0 {
        *pipe = None;
    }
    into.extend_from_slice(&block[..read.min(limit + 1 - into.len().min(limit))]);
    Ok(())
}

/// Shims of containerd leave the file to whoever launched them.
fn keep_address(bundle: &Path, bootstrap: &BootstrapResult) -> Result<(), Error> {
    let path = bundle.join(ADDRESS_FILE);
    if path.exists() {
        return Ok(());
    }
    std::fs::write(&path, bootstrap.to_json()).map_err(|source| Error::Address { path, source })
}

/// The address that a bundle's file holds. It is believed only as far as the path goes; who listens
/// there is checked after connecting.
pub(crate) fn read_address(bundle: &Path) -> Result<BootstrapResult, Error> {
    let path = bundle.join(ADDRESS_FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        // The shim died between listening and writing, or somebody removed the file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let address = bundle.join(TASK_SOCKET).to_string_lossy().into_owned();
            return Ok(BootstrapResult::ttrpc(2, address));
        }
        Err(source) => return Err(Error::Address { path, source }),
    };
    Ok(BootstrapResult::parse(&bytes)?)
}
