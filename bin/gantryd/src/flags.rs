//! The command line, with dockerd's names.

use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

use crate::names::NameFlags;
use crate::networks::{Bridge, NetworkFlags};

/// A container engine: Docker's API, its own runtime.
#[derive(Debug, Parser)]
#[command(name = "gantryd", version = env!("CARGO_PKG_VERSION"), disable_version_flag = true)]
pub(crate) struct Flags {
    /// Where to listen, as `unix:///path` or `tcp://address:port`; may be repeated
    #[arg(short = 'H', long = "host", value_name = "LIST")]
    pub hosts: Vec<String>,
    /// What outlives a reboot: images, layers, containers [default: /var/lib/gantry]
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// What does not: bundles and sockets [default: /run/gantry]
    #[arg(long, value_name = "DIR")]
    pub exec_root: Option<PathBuf>,
    /// Where to write the daemon's process id [default: <exec-root>/gantryd.pid]
    #[arg(short = 'p', long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// The cgroup below which containers get theirs [default: /gantry]
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<String>,
    /// A registry that is asked before Docker Hub, as a URL; may be repeated
    #[arg(long = "registry-mirror", value_name = "URL")]
    pub registry_mirrors: Vec<String>,
    /// A registry (host[:port]) or network (CIDR) that may be spoken to without TLS or a known certificate; may be
    /// repeated. Loopback addresses always may
    #[arg(long = "insecure-registry", value_name = "LIST")]
    pub insecure_registries: Vec<String>,
    /// Pull only images that fulfil this signature policy, in the form of containers-policy.json(5)
    #[arg(long, value_name = "FILE")]
    pub signature_policy: Option<PathBuf>,
    /// How extracted layers are kept: as directories, or each as one file with an image of erofs, which needs Linux
    /// 6.15 [default: auto]
    #[arg(long, value_name = "FORMAT")]
    pub layer_format: Option<LayerFormat>,
    /// The default bridge: auto makes one; none makes no bridges at all, and containers get no network unless they ask
    /// for the host's; a name means one that is there [default: auto]
    #[arg(short = 'b', long, value_name = "BRIDGE")]
    pub bridge: Option<Bridge>,
    #[command(flatten)]
    pub networks: NetworkFlags,
    /// A folder of plugins' sockets and spec files, looked at before Docker's own; may be repeated
    #[arg(long = "plugin-dir", value_name = "DIR")]
    pub plugin_dirs: Vec<PathBuf>,
    #[command(flatten)]
    pub names: NameFlags,
    /// The newest version of the API that clients are offered [default: 1.55]
    #[arg(long, value_name = "VERSION")]
    pub max_api_version: Option<gantry_docker_http::ApiVersion>,
    /// The oldest version of the API that clients may speak [default: 1.40]
    #[arg(long, value_name = "VERSION")]
    pub min_api_version: Option<gantry_docker_http::ApiVersion>,
    /// Settings in JSON; a key that a flag gives too is an error [default: /etc/gantry/daemon.json, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Log at debug level
    #[arg(short = 'D', long)]
    pub debug: bool,
    /// How much to log [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// The log's form [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: (),
}

/// dockerd's levels, as far as there is something to tell at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// The form of extracted layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LayerFormat {
    /// What this host can
    Auto,
    Directory,
    Erofs,
}

impl LayerFormat {
    /// The engine's word for it; none for a free choice.
    pub(crate) fn choice(self) -> Option<gantry_engine::LayerFormat> {
        match self {
            Self::Auto => None,
            Self::Directory => Some(gantry_engine::LayerFormat::Directory),
            Self::Erofs => Some(gantry_engine::LayerFormat::Erofs),
        }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}
