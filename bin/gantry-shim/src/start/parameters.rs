//! What `start` was told, by whichever way, and the answer in the caller's form.

use crate::error::Error;
use crate::flags::Flags;
use crate::info::read_stdin;
use gantry_cgroup::{Cgroup, CgroupPath, Hierarchies};
use gantry_shim_protocol::bootstrap::{BootstrapParams, BootstrapResult, socket_path};
use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::task::{RUNC_OPTIONS_TYPE_URL, RuncOptions};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{MAX_ID_BYTES, TASK_SOCKET, group};
use gantry_sys::clone::Child;
use std::io;
use std::path::{Path, PathBuf};

/// The longest path that other programs can connect to.
const LONGEST_FOREIGN_PATH: usize = 107;
/// A larger `config.json` is refused, as by the runtime.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// How the caller wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerForm {
    /// The bare address: what every version understands.
    Address,
    /// For those who say that they understand version 3 of the task API.
    Json,
    /// containerd 2.3 and later.
    Protobuf,
}

pub(super) struct Parameters {
    pub(super) id: String,
    pub(super) namespace: String,
    /// Where events go; empty: nowhere.
    pub(super) events_address: String,
    /// Where the caller wants sockets when the bundle's path will not do.
    socket_dir: Option<PathBuf>,
    /// The cgroup for the shim; empty: the caller's.
    shim_cgroup: String,
    form: AnswerForm,
}

impl Parameters {
    pub(super) fn gather(flags: &Flags) -> Result<Self, Error> {
        #[expect(clippy::disallowed_methods, reason = "containerd passes parameters in here")]
        let variable = |name| std::env::var(name).unwrap_or_default();
        let stdin = read_stdin()?;
        let parameters = match BootstrapParams::from_stdin(&stdin, &flags.id) {
            Some(params) => {
                let extensions = params.extensions.iter().filter_map(|it| it.value.as_ref());
                Self {
                    shim_cgroup: shim_cgroup(extensions)?,
                    id: params.instance_id,
                    namespace: params.namespace,
                    events_address: params.containerd_ttrpc_address,
                    socket_dir: Some(params.socket_dir)
                        .filter(|dir| !dir.is_empty())
                        .map(Into::into)
                        .or_else(|| beside(&params.containerd_grpc_address)),
                    form: AnswerForm::Protobuf,
                }
            }
            None => Self {
                // Earlier versions write the runtime's options there.
                shim_cgroup: shim_cgroup(Any::decode(&stdin).ok().iter())?,
                id: flags.id.clone(),
                namespace: flags.namespace.clone(),
                events_address: variable("TTRPC_ADDRESS"),
                socket_dir: beside(&flags.address),
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

    /// Whether the caller is a containerd, and not our daemon, which copies the program itself.
    pub(super) fn is_from_containerd(&self) -> bool {
        self.socket_dir.is_some()
    }

    /// The file of the group that the bundle is of.
    pub(super) fn group_file(&self, bundle: &Path) -> Result<Option<PathBuf>, Error> {
        let Some(group) = read_group(bundle)? else {
            return Ok(None);
        };
        let directory = self.socket_dir(bundle);
        super::make_directory(&directory)?;
        Ok(Some(directory.join(group::file_name(&self.namespace, &group)?)))
    }

    /// The bundle's own socket, unless its path is too long for a caller that gave a place for it. (Our
    /// daemon reaches any length.) A group's socket must outlive the first bundle.
    pub(super) fn task_socket(&self, bundle: &Path, is_group: bool) -> PathBuf {
        let own = bundle.join(TASK_SOCKET);
        let too_long = self.socket_dir.is_some() && own.as_os_str().len() > LONGEST_FOREIGN_PATH;
        if too_long || is_group {
            let clock = gantry_sys::clock::monotonic().as_nanos();
            let name = format!("gantry-{}-{clock:x}", gantry_sys::process::pid());
            return self.socket_dir(bundle).join(name);
        }
        own
    }

    fn socket_dir(&self, bundle: &Path) -> PathBuf {
        let beside = || bundle.parent().unwrap_or(bundle).to_owned();
        self.socket_dir.clone().unwrap_or_else(beside)
    }

    /// Puts the server into the cgroup that was asked for, which must be there.
    pub(super) fn place_shim(&self, child: &Child) -> Result<(), Error> {
        if self.shim_cgroup.is_empty() {
            return Ok(());
        }
        let failed = |source| Error::ShimCgroup { path: self.shim_cgroup.clone(), source };
        let path: CgroupPath = self.shim_cgroup.parse().map_err(failed)?;
        let hierarchies = Hierarchies::detect().map_err(failed)?;
        let cgroup = Cgroup::open(&hierarchies, &path).map_err(failed)?;
        cgroup.add(child.pid).map_err(failed)
    }

    pub(super) fn answer(&self, address: String) -> Vec<u8> {
        match self.form {
            AnswerForm::Address => address.into_bytes(),
            AnswerForm::Json => BootstrapResult::ttrpc(3, address).to_json().into_bytes(),
            AnswerForm::Protobuf => BootstrapResult::ttrpc(3, address).encode(),
        }
    }
}

/// Where containerd keeps shims' sockets: beside its own.
fn beside(address: &str) -> Option<PathBuf> {
    let directory = Path::new(socket_path(address)).parent()?;
    directory.is_absolute().then(|| directory.join("s"))
}

/// What the runtime's options, if they are there, say about the shim itself.
fn shim_cgroup<'a>(mut values: impl Iterator<Item = &'a Any>) -> Result<String, Error> {
    match values.find(|any| any.type_url == RUNC_OPTIONS_TYPE_URL) {
        Some(any) => Ok(RuncOptions::decode(&any.value)?.shim_cgroup),
        None => Ok(String::new()),
    }
}

fn read_group(bundle: &Path) -> Result<Option<String>, Error> {
    use std::io::Read;
    let path = bundle.join("config.json");
    let file = match std::fs::File::open(&path) {
        // Create will say so, if it is still missing then.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(Error::file("open", &path))?,
    };
    let mut config = Vec::new();
    file.take(MAX_CONFIG_BYTES).read_to_end(&mut config).map_err(Error::file("read", path))?;
    Ok(group::group_of(&config)?)
}
