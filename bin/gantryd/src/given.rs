//! Every key that can be set, once: the command line and `daemon.json` fill the same fields, under dockerd's names.
//!
//! Which of the two said something, and whether both did, is `told`'s matter; what it means is `settings`'.

#![expect(clippy::doc_markdown, reason = "the help of the command is made of it")]

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::cgroup_keys::CgroupKeys;
use crate::containers::ContainerKeys;
use crate::foreign::ForeignKeys;
use crate::layer_archives::LayerArchives;
use crate::names::NameKeys;
use crate::networks::{Bridge, NetworkKeys};
use crate::pairs::{self, Pair};
use crate::tls::TlsKeys;

/// What somebody said. A field's name in the file is its own with dashes.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Given {
    /// Where to listen: unix:///path, tcp://address:port, or fd:// for sockets from systemd; may be repeated
    #[arg(short = 'H', long = "host", value_name = "LIST")]
    pub hosts: Option<Vec<String>>,
    /// The group that may use the daemon's unix sockets, by name or number [default: docker, if there is one]
    #[arg(short = 'G', long, value_name = "GROUP")]
    pub group: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub tls: TlsKeys,
    /// What outlives a reboot: images, layers, containers [default: /var/lib/gantry]
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// What does not: bundles and sockets [default: /run/gantry]
    #[arg(long, value_name = "DIR")]
    pub exec_root: Option<PathBuf>,
    /// Where to write the daemon's process id [default: <exec-root>/gantryd.pid]
    #[arg(short = 'p', long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    pub cgroups: CgroupKeys,
    /// Label containers' processes and files for SELinux, where the kernel has it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub selinux_enabled: Option<bool>,
    /// A label of this daemon, as key=value; may be repeated
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Option<Vec<String>>,
    /// Switch a feature on or off, as name=true; may be repeated
    #[arg(long = "feature", value_name = "NAME=BOOL")]
    #[serde(with = "pairs")]
    pub features: Option<Vec<Pair<bool>>>,
    /// A plugin that is asked whether a request may be served; may be repeated
    #[arg(long = "authorization-plugin", value_name = "PLUGIN")]
    pub authorization_plugins: Option<Vec<String>>,
    /// Where to tell Prometheus how the daemon is, as address:port, without TLS [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_addr: Option<String>,
    /// Seconds that requests under way may take when the daemon ends; -1 waits for all of them [default: 15]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub shutdown_timeout: Option<i64>,
    #[command(flatten)]
    #[serde(flatten)]
    pub registries: RegistryKeys,
    /// How extracted layers are kept: as directories, or each as one file with an image of erofs, which needs Linux
    /// 6.15 [default: auto]
    #[arg(long, value_name = "FORMAT")]
    pub layer_format: Option<LayerFormat>,
    /// How long nothing may have come in before archives of layers go that can be put together from the layers, up to
    /// 168h; or "keep" [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub layer_archives: Option<LayerArchives>,
    /// The default bridge: auto makes one; none makes no bridges at all, and containers get no network unless they ask
    /// for the host's; a name means one that is there [default: auto]
    #[arg(short = 'b', long, value_name = "BRIDGE")]
    pub bridge: Option<Bridge>,
    #[command(flatten)]
    #[serde(flatten)]
    pub networks: NetworkKeys,
    #[command(flatten)]
    #[serde(flatten)]
    pub names: NameKeys,
    #[command(flatten)]
    #[serde(flatten)]
    pub containers: ContainerKeys,
    /// Where containers' output goes that ask for nothing else [default: local]
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// An option of that log driver, as name=value; may be repeated
    #[arg(long = "log-opt", value_name = "NAME=VALUE")]
    #[serde(with = "pairs")]
    pub log_opts: Option<Vec<Pair<String>>>,
    /// A folder of plugins' sockets and spec files, looked at before Docker's own; may be repeated
    #[arg(long = "plugin-dir", value_name = "DIR")]
    pub plugin_dirs: Option<Vec<PathBuf>>,
    /// The newest version of the API that clients are offered [default: 1.55]
    #[arg(long, value_name = "VERSION")]
    pub max_api_version: Option<String>,
    /// The oldest version of the API that clients may speak [default: 1.40]
    #[arg(long, value_name = "VERSION")]
    pub min_api_version: Option<String>,
    /// Log at debug level
    #[arg(short = 'D', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub debug: Option<bool>,
    /// How much to log [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// The log's form [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Say that this daemon is experimental; nothing else follows from it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub experimental: Option<bool>,
    #[command(flatten)]
    #[serde(flatten)]
    pub foreign: ForeignKeys,
}

/// How registries are spoken to.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct RegistryKeys {
    /// A registry that is asked before Docker Hub, as a URL; may be repeated
    #[arg(long = "registry-mirror", value_name = "URL")]
    pub registry_mirrors: Option<Vec<String>>,
    /// A registry (host[:port]) or network (CIDR) that may be spoken to without TLS or a known certificate; may be
    /// repeated. Loopback addresses always may
    #[arg(long = "insecure-registry", value_name = "LIST")]
    pub insecure_registries: Option<Vec<String>>,
    /// A registry (host[:port]) or network (CIDR) that layers may be sent to which are not to be distributed; may be
    /// repeated
    #[arg(long = "allow-nondistributable-artifacts", value_name = "LIST")]
    pub allow_nondistributable_artifacts: Option<Vec<String>>,
    /// Pull only images that fulfil this signature policy, in the form of containers-policy.json(5)
    #[arg(long, value_name = "FILE")]
    pub signature_policy: Option<PathBuf>,
    /// Layers of one pull that are fetched at a time [default: 6]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub max_concurrent_downloads: Option<i64>,
    /// Layers of one push that are sent at a time [default: 5]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub max_concurrent_uploads: Option<i64>,
    /// How often a registry is asked for one thing [default: 5]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub max_download_attempts: Option<i64>,
    /// The proxy for plain connections to registries; wins over HTTP_PROXY
    #[arg(long, value_name = "URL")]
    pub http_proxy: Option<String>,
    /// The proxy for encrypted connections to registries; wins over HTTPS_PROXY
    #[arg(long, value_name = "URL")]
    pub https_proxy: Option<String>,
    /// Hosts that are spoken to without a proxy, separated by commas; wins over NO_PROXY
    #[arg(long, value_name = "LIST")]
    pub no_proxy: Option<String>,
}

/// dockerd's levels, as far as there is something to tell at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    #[value(hide = true)]
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
    #[value(hide = true)]
    Panic,
}

/// The form of extracted layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}
