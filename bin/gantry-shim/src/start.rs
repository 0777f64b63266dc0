//! `start`: makes the bundle's sockets, forks the server, and answers where it listens. The server is
//! this same process image, so nothing is executed a second time. A bundle of a group whose shim runs
//! already gets that one's address instead.

mod parameters;

use crate::error::{Error, complain, whole_text};
use crate::flags::Flags;
use crate::group::{self, Entered};
use crate::info::write_out;
use crate::server::{Identity, Place, Server, listen};
use gantry_shim_protocol::bootstrap::socket_path;
use gantry_shim_protocol::{ADDRESS_FILE, GROUP_FILE, IO_SOCKET};
use gantry_sys::clone::{Fork, Namespaces, clone_into};
use parameters::Parameters;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// The file inside a bundle that holds the pid of its shim, where others may look for one.
pub(crate) const PID_FILE: &str = "shim.pid";
/// The kind of file system that memory files are on (`statfs(2)`).
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
/// More bundles than this are not asked for their shims.
const MAX_NEIGHBOURS: usize = 16;

pub(crate) fn start(flags: &Flags) -> Result<(), Error> {
    // What the caller forgot to close would stay open as long as the container runs.
    gantry_sys::fds::close_inherited().map_err(Error::system("close inherited descriptors"))?;
    let bundle =
        std::env::current_dir().map_err(Error::system("find the bundle, the working directory"))?;
    // Before any process of a container can look at /proc/<pid>/exe. Our daemon ran a copy already; for
    // containerd the shims share one.
    gantry_sys::self_copy::ensure_from(neighbours(&bundle))
        .map_err(Error::system("run from a sealed copy"))?;
    // A program run from a descriptor would be named by its number.
    rustix::thread::set_name(c"gantry-shim").map_err(Error::errno("set the process's name"))?;
    let parameters = Parameters::gather(flags)?;
    let group_file = parameters.group_file(&bundle)?;
    let entered = match &group_file {
        Some(file) => {
            note(&bundle, GROUP_FILE, &file.to_string_lossy())?;
            Some(group::enter(file, &parameters.id, &bundle)?)
        }
        None => None,
    };
    let lock = match entered {
        Some(Entered::Joined(address)) => {
            note(&bundle, ADDRESS_FILE, &address)?;
            return write_out(&parameters.answer(address));
        }
        Some(Entered::First(lock)) => Some(lock),
        None => None,
    };
    let socket = parameters.task_socket(&bundle, group_file.is_some());
    let address = serve(&parameters, &bundle, Place { socket, group_file }, lock)?;
    write_out(&parameters.answer(address))
}

/// Starts the server; gives its address. The lock ends with this.
fn serve(
    parameters: &Parameters,
    bundle: &Path,
    place: Place,
    lock: Option<group::Lock>,
) -> Result<String, Error> {
    let socket = place.socket.clone();
    if let Some(directory) = socket.parent() {
        make_directory(directory)?;
    }
    let listener = listen(&socket)?;
    let io_path = bundle.join(IO_SOCKET);
    let result = listen(&io_path).and_then(|io_listener| {
        let address = format!("unix://{}", socket.display());
        note(bundle, ADDRESS_FILE, &address)?;
        if let Some(file) = &place.group_file {
            group::publish(file, &address)?;
        }
        fork_server(parameters, (bundle, place), (listener, io_listener), lock)?;
        Ok(address)
    });
    result.inspect_err(|_| {
        // Nothing serves these. A group's file without a shim behind it is replaced by the next.
        for path in [&socket, &io_path, &bundle.join(ADDRESS_FILE)] {
            drop(std::fs::remove_file(path));
        }
    })
}

/// The programs that the shims of other bundles beside this one run from.
fn neighbours(bundle: &Path) -> impl Iterator<Item = File> {
    let entries = bundle.parent().and_then(|parent| std::fs::read_dir(parent).ok());
    entries.into_iter().flatten().take(MAX_NEIGHBOURS).filter_map(|entry| {
        let pid = std::fs::read_to_string(entry.ok()?.path().join(PID_FILE)).ok()?;
        memory_file(&format!("/proc/{}/exe", pid.parse::<u32>().ok()?))
    })
}

/// The file at `path` if it lies in memory. By now the pid may be that of a container's process, and opening
/// its program could wait for the container.
fn memory_file(path: &str) -> Option<File> {
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let system = rustix::fs::fstatfs(&handle).ok()?;
    if system.f_type != TMPFS_MAGIC {
        return None;
    }
    File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok()
}

pub(crate) fn make_directory(directory: &Path) -> Result<(), Error> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o711).create(directory);
    made.map_err(Error::file("create directory", directory))
}

/// Writes a line into a file of the bundle.
fn note(bundle: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = bundle.join(name);
    std::fs::write(&path, text).map_err(Error::file("write", path))
}

fn fork_server(
    parameters: &Parameters,
    (bundle, place): (&Path, Place),
    listeners: (UnixListener, UnixListener),
    lock: Option<group::Lock>,
) -> Result<(), Error> {
    let fork = clone_into(Namespaces::NONE, None).map_err(Error::system("fork the server"))?;
    if let Fork::Parent(child) = fork {
        if parameters.is_from_containerd() {
            // Without it the next shim has a copy of its own.
            drop(note(bundle, PID_FILE, &child.pid.to_string()));
        }
        // With a wrong cgroup there is no shim.
        return parameters.place_shim(&child).inspect_err(|_| {
            drop(gantry_sys::pidfd::send_signal(child.pidfd.as_fd(), gantry_types::Signal::KILL));
            drop(gantry_sys::pidfd::wait(child.pidfd.as_fd()));
        });
    }
    // It is one lock for both processes, and held until both let go.
    drop(lock);
    let identity = Identity {
        id: parameters.id.clone(),
        namespace: parameters.namespace.clone(),
        bundle: bundle.to_owned(),
        place,
        events_address: socket_path(&parameters.events_address).to_owned(),
    };
    let result = detach(bundle).and_then(|()| Server::new(identity, listeners)?.run());
    if let Err(error) = &result {
        complain(&whole_text(error));
    }
    gantry_sys::process::exit_now(u8::from(result.is_err()));
}

/// Leaves the caller's session and streams. Words of trouble go to containerd's log pipe, if it made one.
fn detach(bundle: &Path) -> Result<(), Error> {
    gantry_sys::process::setsid().map_err(Error::system("leave the session"))?;
    gantry_sys::process::set_child_subreaper().map_err(Error::system("become a subreaper"))?;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, Mode::empty())
        .map_err(Error::errno("open /dev/null"))?;
    let log = bundle.join("log");
    let is_pipe = rustix::fs::lstat(&log)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    let log = is_pipe
        .then(|| rustix::fs::open(&log, flags | OFlags::NONBLOCK | OFlags::NOFOLLOW, Mode::empty()))
        .and_then(Result::ok);
    let stderr = log.as_ref().unwrap_or(&null);
    gantry_sys::fds::set_stdio(null.as_fd(), null.as_fd(), stderr.as_fd())
        .map_err(Error::system("redirect the standard streams"))
}
