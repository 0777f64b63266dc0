//! `start`: makes the bundle's sockets, forks the server, and answers where it listens. The server is
//! this same process image, so nothing is executed a second time.

use crate::error::{Error, complain, whole_text};
use crate::flags::Flags;
use crate::info::{read_stdin, write_out};
use crate::server::{Identity, Server};
use gantry_shim_protocol::bootstrap::{BootstrapParams, BootstrapResult, socket_path};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{ADDRESS_FILE, IO_SOCKET, MAX_ID_BYTES, TASK_SOCKET};
use gantry_sys::clone::{Fork, Namespaces, clone_into};
use gantry_sys::unix_socket::{bind_listener, connect};
use rustix::fs::{FileType, Mode, OFlags};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The longest path that other programs can connect to.
const LONGEST_FOREIGN_PATH: usize = 107;

/// How the caller wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerForm {
    /// The bare address: what every version understands.
    Address,
    /// containerd 2.0 to 2.2.
    Json,
    /// containerd 2.3 and later.
    Protobuf,
}

/// What the caller said, by whichever way.
struct Parameters {
    id: String,
    namespace: String,
    /// Where events go; empty: nowhere.
    events_address: String,
    /// Where the caller wants sockets when the bundle's path is too long.
    socket_dir: Option<PathBuf>,
    form: AnswerForm,
}

pub(crate) fn start(flags: &Flags) -> Result<(), Error> {
    // What the caller forgot to close would stay open as long as the container runs.
    gantry_sys::fds::close_inherited().map_err(Error::system("close inherited descriptors"))?;
    // Before any process of a container can look at /proc/<pid>/exe. Our daemon ran a copy already.
    gantry_sys::self_copy::ensure().map_err(Error::system("run from a sealed copy"))?;
    // A program run from a descriptor would be named by its number.
    rustix::thread::set_name(c"gantry-shim").map_err(Error::errno("set the process's name"))?;
    let parameters = Parameters::gather(flags)?;
    let bundle =
        std::env::current_dir().map_err(Error::system("find the bundle, the working directory"))?;
    let socket = parameters.task_socket(&bundle);
    let listener = listen(&socket)?;
    let io_path = bundle.join(IO_SOCKET);
    let result = listen(&io_path).and_then(|io_listener| {
        let address = format!("unix://{}", socket.display());
        let path = bundle.join(ADDRESS_FILE);
        std::fs::write(&path, &address).map_err(Error::file("write", path))?;
        fork_server(&parameters, &bundle, &socket, (listener, io_listener))?;
        Ok(address)
    });
    let address = result.inspect_err(|_| {
        // Nothing serves these.
        for path in [&socket, &io_path, &bundle.join(ADDRESS_FILE)] {
            drop(std::fs::remove_file(path));
        }
    })?;
    write_out(&parameters.answer(address))
}

impl Parameters {
    fn gather(flags: &Flags) -> Result<Self, Error> {
        #[expect(clippy::disallowed_methods, reason = "containerd passes parameters in here")]
        let variable = |name| std::env::var(name).unwrap_or_default();
        let parameters = match BootstrapParams::from_stdin(&read_stdin()?, &flags.id) {
            Some(params) => Self {
                id: params.instance_id,
                namespace: params.namespace,
                events_address: params.containerd_ttrpc_address,
                socket_dir: Some(params.socket_dir).filter(|dir| !dir.is_empty()).map(Into::into),
                form: AnswerForm::Protobuf,
            },
            None => Self {
                id: flags.id.clone(),
                namespace: flags.namespace.clone(),
                events_address: variable("TTRPC_ADDRESS"),
                socket_dir: Path::new(socket_path(&flags.address))
                    .parent()
                    .filter(|dir| dir.is_absolute())
                    .map(|dir| dir.join("s")),
                form: match variable("MAX_SHIM_VERSION").parse::<u32>() {
                    Ok(3..) => AnswerForm::Json,
                    _ => AnswerForm::Address,
                },
            },
        };
        let refuse = |reason: &str| Err(Error::Usage { reason: reason.to_owned() });
        if parameters.namespace.is_empty() {
            return refuse("flag -namespace is missing");
        }
        if parameters.id.is_empty() || parameters.id.len() > MAX_ID_BYTES {
            return refuse("flag -id is missing, or longer than 255 bytes");
        }
        Ok(parameters)
    }

    /// The bundle's own socket, unless its path is too long for a caller that gave a place for it. (Our
    /// daemon reaches any length.)
    fn task_socket(&self, bundle: &Path) -> PathBuf {
        let own = bundle.join(TASK_SOCKET);
        match &self.socket_dir {
            Some(dir) if own.as_os_str().len() > LONGEST_FOREIGN_PATH => {
                let clock = gantry_sys::clock::monotonic().as_nanos();
                dir.join(format!("gantry-{}-{clock:x}", gantry_sys::process::pid()))
            }
            _ => own,
        }
    }

    fn answer(&self, address: String) -> Vec<u8> {
        match self.form {
            AnswerForm::Address => address.into_bytes(),
            AnswerForm::Json => BootstrapResult::ttrpc(3, address).to_json().into_bytes(),
            AnswerForm::Protobuf => BootstrapResult::ttrpc(3, address).encode(),
        }
    }
}

/// A listening socket at `path`. One that a dead shim left there is replaced; one that answers is not.
fn listen(path: &Path) -> Result<UnixListener, Error> {
    if let Some(directory) = path.parent() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o711).create(directory);
        made.map_err(Error::file("create directory", directory))?;
    }
    let listener = match bind_listener(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if connect(path).is_ok() {
                return Err(Error::AlreadyRunning { path: path.to_owned() });
            }
            std::fs::remove_file(path).map_err(Error::file("remove", path))?;
            bind_listener(path)
        }
        result => result,
    };
    let listener = listener.map_err(Error::file("listen on", path))?;
    listener.set_nonblocking(true).map_err(Error::file("listen on", path))?;
    Ok(listener)
}

fn fork_server(
    parameters: &Parameters,
    bundle: &Path,
    socket: &Path,
    listeners: (UnixListener, UnixListener),
) -> Result<(), Error> {
    let fork = clone_into(Namespaces::NONE, None).map_err(Error::system("fork the server"))?;
    if let Fork::Parent(_) = fork {
        return Ok(());
    }
    let identity = Identity {
        id: parameters.id.clone(),
        namespace: parameters.namespace.clone(),
        bundle: bundle.to_owned(),
        socket: socket.to_owned(),
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
