//! Everything that a use case can fail with. The texts are contract: clients print and grep them.
//!
//! A text does not repeat its cause: whoever shows an error shows the whole chain (`gantry_types::error_chain`).

use std::io;
use std::path::PathBuf;

use gantry_types::{ContainerName, ErrorKind, InvalidFilter};

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the caller sent is malformed or contradicts itself.
    #[error("{reason}")]
    Invalid { reason: String },
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    /// Understood, but not part of this version.
    #[error("{what} is not there yet in this version of Gantry")]
    NotThereYet { what: String },
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    #[error("No such build: {0}")]
    NoSuchBuild(String),
    #[error("build {0} goes on: wait for its end, or cancel it")]
    BuildGoesOn(String),
    #[error("No such cache mount: {id}")]
    NoCacheMount { id: String },
    #[error("a build has the cache mount {id} now: try again when it has ended")]
    CacheMountInUse { id: String },
    #[error("multiple IDs found with provided prefix: {0}")]
    AmbiguousId(String),
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{owner}\". You have to remove (or \
         rename) that container to be able to reuse that name."
    )]
    NameInUse { name: ContainerName, owner: String },
    /// The container is in the wanted state already.
    #[error("container {id} is already {state}")]
    AlreadyIn { id: String, state: &'static str },
    #[error("container {0} is not running")]
    NotRunning(String),
    #[error("Container {0} is already paused")]
    AlreadyPaused(String),
    #[error("Container {0} is not paused")]
    NotPaused(String),
    #[error("cannot start a paused container, try unpause instead")]
    StartPaused,
    #[error("Container {0} is paused, unpause the container before exec")]
    ExecInPaused(String),
    #[error("Container {0} is restarting, wait until the container is running")]
    Restarting(String),
    #[error(
        "cannot remove container \"/{name}\": container is running: stop the container before removing or force remove"
    )]
    RemoveRunning { name: ContainerName },
    #[error("cannot {action} container: {id}")]
    Container {
        action: &'static str,
        id: String,
        #[source]
        source: Box<Error>,
    },
    #[error("too many clients are attached to container {0} already; detach some and try again")]
    TooManyAttached(String),
    #[error("container {0} has too many exec sessions; try again when some have ended")]
    TooManyExecs(String),
    /// The runtime cannot make the process; in Docker's words, which clients look for.
    #[error("OCI runtime exec failed: exec failed")]
    ExecFailed {
        #[source]
        source: gantry_shims::Error,
    },
    #[error("exec {0} has already run")]
    ExecHasRun(String),
    #[error("invalid mount config for type \"bind\": bind source path does not exist: {path}")]
    NoBindSource { path: String },
    #[error("error gathering device information while adding custom device \"{path}\"")]
    Device { path: String, source: io::Error },
    #[error("look up the block device {path}")]
    BlockDevice { path: String, source: io::Error },
    /// What the caller asks for is never possible with this container.
    #[error("{reason}")]
    Refused { reason: String },
    #[error("endpoint with name {container} already exists in network {network}")]
    EndpointExists { container: String, network: String },
    #[error("container {container} is not connected to the network {network}")]
    NotConnected { container: String, network: String },
    #[error("Cannot link to a non running container: {target} AS {alias}")]
    LinksToStopped { target: String, alias: String },
    #[error("cannot join network of a non running container: {id}")]
    JoinsStopped { id: String },
    #[error("failed to join {what} namespace: container {id} is not running")]
    JoinsNamespaceOfStopped { what: &'static str, id: String },
    #[error("Could not find the file {path} in container {container}")]
    NoSuchFile { path: String, container: String },
    #[error("{what} is marked read-only")]
    ReadOnly { what: String },
    #[error("copy files of container {container}")]
    Copy { container: String, source: gantry_archive::Error },
    #[error("{action} {path}")]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("An image does not exist locally with the tag: {repository}")]
    NothingToPush { repository: String },
    #[error("image {image} was made for {own}, not for {wanted}")]
    WrongPlatform { image: String, wanted: String, own: String },
    #[error("no space left to {action} {path}: free some space and try again")]
    Full { action: &'static str, path: PathBuf },
    #[error("the build ran out of space (gantry builder prune frees what earlier ones keep)")]
    BuildFull { source: Box<Error> },
    /// A task that owned the answer went away, which happens only while the daemon ends.
    #[error("the daemon is shutting down")]
    ShuttingDown,
    /// A test asked for this failure.
    #[error("failure injected at {step}")]
    Injected { step: &'static str },
    #[error("{reason}")]
    Conflict { reason: String },
    #[error("plugin {0:?} is enabled")]
    PluginEnabled(String),
    #[error("plugin {0:?} is disabled")]
    PluginDisabled(String),
    #[error("plugin {name:?} is in use by {user}")]
    PluginInUse { name: String, user: String },
    #[error("create {volume}: error looking up volume plugin {driver}")]
    VolumeDriver { volume: String, driver: String, source: Box<gantry_plugins::Error> },
    #[error("Error when allocating new name")]
    NewName { source: Box<Self> },
    #[error("AppArmor enabled on system but the {profile} profile could not be loaded: {why}")]
    AppArmor { profile: &'static str, why: String },
    #[error("cannot start the plugin {name}: {reason}")]
    PluginStart { name: String, reason: String },
    #[error("authorization denied by plugin {plugin}: {reason}")]
    NotAuthorized { plugin: String, reason: String },
    #[error("plugin {plugin} failed with error")]
    AuthorizationFailed { plugin: String, source: gantry_plugins::Error },
    #[error("failed to validate authorization plugin")]
    AuthorizationPlugin { source: gantry_plugins::Error },
    #[error(transparent)]
    Build(#[from] gantry_build::Error),
    #[error(transparent)]
    Images(#[from] gantry_images::Error),
    #[error(transparent)]
    Registry(#[from] gantry_registry_client::Error),
    #[error(transparent)]
    Trust(#[from] gantry_trust::Error),
    #[error(transparent)]
    Layers(#[from] gantry_layers::Error),
    #[error(transparent)]
    Networks(#[from] gantry_network::Error),
    #[error(transparent)]
    Dns(#[from] gantry_dns::Error),
    #[error(transparent)]
    Plugins(#[from] gantry_plugins::Error),
    #[error(transparent)]
    Volumes(#[from] gantry_volumes::Error),
    #[error(transparent)]
    Shims(#[from] gantry_shims::Error),
    #[error("configured logging driver does not support reading")]
    LogNotReadable,
    #[error("logger: no log driver named '{0}' is registered")]
    NoSuchLogDriver(String),
    #[error("failed to initialize logging driver")]
    LogDriver { source: Box<Error> },
    #[error(transparent)]
    LogDrivers(#[from] gantry_log_drivers::Error),
    #[error(transparent)]
    Logs(#[from] gantry_logs::Error),
    #[error(transparent)]
    Database(#[from] gantry_db::Error),
    #[error(transparent)]
    Cgroup(#[from] gantry_cgroup::Error),
}

impl Error {
    /// A request that is malformed or contradicts itself.
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }

    /// A capability that is not there yet; `what` begins the sentence.
    pub(crate) fn not_there_yet(what: impl Into<String>) -> Self {
        Self::NotThereYet { what: what.into() }
    }

    /// A failed operation on a file of the engine's own.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { action, path }
            }
            _ => Self::File { action, path, source },
        }
    }

    /// What a command of a build ended with, where that is the failure.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Build(error) => error.command_code(),
            _ => None,
        }
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. }
            | Self::Filter(_)
            | Self::NoBindSource { .. }
            | Self::BlockDevice { .. }
            | Self::NoSuchLogDriver(_)
            | Self::AmbiguousId(_) => ErrorKind::InvalidParameter,
            Self::NotThereYet { .. } | Self::LogNotReadable => ErrorKind::NotImplemented,
            Self::NoSuchContainer(_)
            | Self::NoSuchExec(_)
            | Self::NoSuchBuild(_)
            | Self::NoCacheMount { .. }
            | Self::NoSuchFile { .. }
            | Self::NothingToPush { .. }
            | Self::WrongPlatform { .. } => ErrorKind::NotFound,
            Self::NameInUse { .. }
            | Self::Conflict { .. }
            | Self::PluginEnabled(_)
            | Self::PluginDisabled(_)
            | Self::PluginInUse { .. }
            | Self::BuildGoesOn(_)
            | Self::CacheMountInUse { .. }
            | Self::JoinsStopped { .. }
            | Self::JoinsNamespaceOfStopped { .. }
            | Self::LinksToStopped { .. }
            | Self::NotRunning(_)
            | Self::AlreadyPaused(_)
            | Self::NotPaused(_)
            | Self::StartPaused
            | Self::ExecInPaused(_)
            | Self::Restarting(_)
            | Self::RemoveRunning { .. }
            | Self::TooManyAttached(_)
            | Self::TooManyExecs(_)
            | Self::ExecHasRun(_) => ErrorKind::Conflict,
            Self::Refused { .. }
            | Self::EndpointExists { .. }
            | Self::NotConnected { .. }
            | Self::ReadOnly { .. }
            | Self::NotAuthorized { .. } => ErrorKind::Forbidden,
            Self::AlreadyIn { .. } => ErrorKind::NotModified,
            Self::Copy { source, .. } => source.kind(),
            Self::ShuttingDown => ErrorKind::Unavailable,
            Self::Full { .. } | Self::BuildFull { .. } => ErrorKind::StorageFull,
            Self::File { .. }
            | Self::AppArmor { .. }
            | Self::PluginStart { .. }
            | Self::Device { .. }
            | Self::AuthorizationFailed { .. }
            | Self::AuthorizationPlugin { .. }
            | Self::Injected { .. } => ErrorKind::Internal,
            Self::Container { source, .. }
            | Self::NewName { source }
            | Self::LogDriver { source } => source.kind(),
            Self::Build(error) => error.kind(),
            Self::Images(error) => error.kind(),
            Self::Registry(error) => error.kind(),
            Self::Trust(error) => error.kind(),
            Self::Layers(error) => error.kind(),
            Self::Networks(error) => error.kind(),
            Self::Dns(error) => error.kind(),
            Self::Plugins(error) => error.kind(),
            Self::VolumeDriver { source, .. } => source.kind(),
            Self::Volumes(error) => error.kind(),
            Self::Shims(error) | Self::ExecFailed { source: error } => error.kind(),
            Self::LogDrivers(error) => error.kind(),
            Self::Logs(error) => error.kind(),
            Self::Database(error) => error.kind(),
            Self::Cgroup(error) => error.kind(),
        }
    }
}
