//! Why the daemon does not start, or ends.

use std::io;
use std::path::PathBuf;

use crate::claim::{Holder, Place};

/// Each makes one sentence with its causes for whoever started the daemon.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("unable to configure the daemon with file {path}")]
    ConfigFile { path: PathBuf, source: io::Error },
    #[error(
        "unable to configure the daemon with file {path}: the following directives are specified both as a flag and in \
         the configuration file: {keys}"
    )]
    GivenTwice { path: PathBuf, keys: String },
    #[error(
        "unable to configure the daemon with file {path}: the following directives don't match any configuration option: \
         {keys}"
    )]
    UnknownKeys { path: PathBuf, keys: String },
    #[error("unable to configure the daemon with file {path}: the value of {key}")]
    Value { path: PathBuf, key: String, source: serde_json::Error },
    #[error("invalid host {host:?}: {reason}")]
    Host { host: String, reason: String },
    #[error("listen on {host}")]
    Listen { host: String, source: io::Error },
    #[error("listen on {host}: a daemon answers there already")]
    Answered { host: String },
    #[error(
        "the {place} {path} is in use by {holder}; end that daemon, or start this one with another --{place}"
    )]
    Held { place: Place, path: PathBuf, holder: Holder },
    #[error(
        "--{place} and --{other} both lead to {path}; start the daemon with a different path for each"
    )]
    SharedPlace { place: Place, other: Place, path: PathBuf },
    #[error("lock the file {path}")]
    Lock { path: PathBuf, source: io::Error },
    #[error("create the directory {path}")]
    Directory { path: PathBuf, source: io::Error },
    #[error("{name} is not beside gantryd ({looked}) and not in PATH; install it there")]
    MissingProgram { name: &'static str, looked: PathBuf },
    #[error("{flag} must be an absolute path, not {path}")]
    RelativePath { flag: &'static str, path: PathBuf },
    #[error("--cgroup-parent {path:?} is no path of a cgroup: names between slashes are needed")]
    CgroupParent { path: String },
    #[error("read {key}")]
    ApiVersion { key: &'static str, source: gantry_docker_http::InvalidVersion },
    #[error("choose the versions of the API")]
    ApiVersions { source: gantry_docker_http::Error },
    #[error("{key} cannot be {value}: {why}")]
    Refused { key: &'static str, value: String, why: String },
    #[error("invalid TLS configuration")]
    Tls { source: gantry_docker_http::Error },
    #[error(
        "{host} would give root's rights to everybody who reaches it: use --tlsverify with certificates, or say --tls=false \
         if it shall be so"
    )]
    Unprotected { host: String },
    #[error("give the socket {path} to the group {group}")]
    SocketGroup { path: PathBuf, group: String, source: io::Error },
    #[error("take the sockets that systemd passes on")]
    Activation { source: io::Error },
    #[error("tell {what} to the service manager at NOTIFY_SOCKET")]
    Notify { what: &'static str, source: io::Error },
    #[error("read the seccomp profile {path}")]
    SeccompProfile { path: PathBuf, source: io::Error },
    #[error("gantryd needs to run as root")]
    NotRoot,
    #[error("start the log")]
    Log { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("start the daemon's threads and signal handlers")]
    Runtime { source: io::Error },
    #[error("take the new settings")]
    Reload { source: gantry_engine::Error },
    #[error("open the engine")]
    Engine { source: gantry_engine::Error },
    #[error("serve the API")]
    Server { source: gantry_docker_http::Error },
    #[error("a part of the daemon failed")]
    Panicked { source: tokio::task::JoinError },
}
