//! Flags, environment and file become one set of settings without gaps. Nothing after this reads any of the three.

use std::env;
use std::path::{Path, PathBuf};

use crate::HELLO_WORLD;
use gantry_docker_http::{ApiVersion, Versions};
use gantry_engine::{PluginConfig, Proxies, RegistryConfig};

use crate::config_file::{ConfigFile, ProxySettings};
use crate::error::Error;
use crate::flags::{Flags, LayerFormat, LogFormat, LogLevel};
use crate::listen::Host;
use crate::names;
use crate::networks::{self, Bridge};

const DATA_ROOT: &str = "/var/lib/gantry";
const EXEC_ROOT: &str = "/run/gantry";
const CGROUP_PARENT: &str = "/gantry";
/// Where certificates for single registries are; Docker's own folder too.
const CERTIFICATE_FOLDERS: [&str; 2] = ["/etc/gantry/certs.d", "/etc/docker/certs.d"];

/// Everything the daemon does as it was told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub hosts: Vec<Host>,
    pub pidfile: PathBuf,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    pub api_versions: Versions,
    pub engine: gantry_engine::Settings,
}

impl Settings {
    /// Completes the flags from the file and the defaults.
    pub(crate) fn resolve(flags: Flags) -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        let mut file = ConfigFile::read(flags.config_file.as_deref())?;
        check_given_once(&flags, &file)?;
        let registries = registries(&flags, &file);
        let api_versions = api_versions(&flags, &file)?;
        let bridge = flags.bridge.or(file.bridge.take()).unwrap_or(Bridge::Auto);
        let networks = networks::resolve(flags.networks, &mut file, &bridge)?;
        let names = names::resolve(flags.names, &mut file)?;
        let data_root = flags.data_root.or(file.data_root).unwrap_or_else(|| DATA_ROOT.into());
        let exec_root = flags.exec_root.or(file.exec_root).unwrap_or_else(|| EXEC_ROOT.into());
        for (flag, path) in [("--data-root", &data_root), ("--exec-root", &exec_root)] {
            if !path.is_absolute() {
                return Err(Error::RelativePath { flag, path: path.clone() });
            }
        }
        let mut hosts = file.hosts.unwrap_or(flags.hosts);
        if hosts.is_empty() {
            hosts.push(format!("unix://{}", exec_root.join("gantry.sock").display()));
        }
        let signature_policy = flags.signature_policy.or(file.signature_policy);
        if let Some(path) = signature_policy.as_ref().filter(|path| !path.is_absolute()) {
            return Err(Error::RelativePath { flag: "--signature-policy", path: path.clone() });
        }
        let cgroup_parent = cgroup_parent(flags.cgroup_parent.or(file.cgroup_parent))?;
        let layer_format = flags.layer_format.or(file.layer_format).unwrap_or(LayerFormat::Auto);
        let debug = flags.debug || file.debug.unwrap_or(false);
        let level = flags.log_level.or(file.log_level).unwrap_or(LogLevel::Info);
        Ok(Self {
            hosts: hosts.iter().map(|host| host.parse()).collect::<Result<_, _>>()?,
            pidfile: flags
                .pidfile
                .or(file.pidfile)
                .unwrap_or_else(|| exec_root.join("gantryd.pid")),
            log_level: if debug { LogLevel::Debug } else { level },
            log_format: flags.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            api_versions,
            engine: gantry_engine::Settings {
                data_root,
                exec_root,
                shim: program("gantry-shim")?,
                init: program("gantry-init")?,
                cgroup_parent,
                debug,
                layer_format: layer_format.choice(),
                default_bridge: bridge != Bridge::None,
                networks,
                plugins: plugins(flags.plugin_dirs),
                names,
                registries,
                signature_policy,
                embedded_image: HELLO_WORLD,
                fail_at: env::var_os("GANTRY_FAIL_AT").and_then(|step| step.into_string().ok()),
            },
        })
    }
}

/// Which versions of the API clients may speak.
fn api_versions(flags: &Flags, file: &ConfigFile) -> Result<Versions, Error> {
    let parse = |key, text: &String| {
        text.parse::<ApiVersion>().map_err(|source| Error::ApiVersion { key, source })
    };
    let of_file =
        |key, text: &Option<String>| text.as_ref().map(|text| parse(key, text)).transpose();
    let oldest = flags.min_api_version.or(of_file("min-api-version", &file.min_api_version)?);
    let newest = flags.max_api_version.or(of_file("max-api-version", &file.max_api_version)?);
    Versions::new(oldest, newest).map_err(|source| Error::ApiVersions { source })
}

/// The user's folders first.
fn plugins(mut own: Vec<PathBuf>) -> PluginConfig {
    let default = PluginConfig::default();
    own.extend(default.sockets);
    PluginConfig { sockets: own, ..default }
}

/// Which registries may be spoken to, and how.
fn registries(flags: &Flags, file: &ConfigFile) -> RegistryConfig {
    let none = ProxySettings::default();
    let given = file.proxies.as_ref().unwrap_or(&none);
    let proxy = |given: &Option<String>, names: [&str; 2]| {
        let from_environment =
            || names.iter().find_map(|name| env::var_os(name)?.into_string().ok());
        given.clone().or_else(from_environment).unwrap_or_default()
    };
    RegistryConfig {
        mirrors: file.registry_mirrors.clone().unwrap_or_else(|| flags.registry_mirrors.clone()),
        insecure: file
            .insecure_registries
            .clone()
            .unwrap_or_else(|| flags.insecure_registries.clone()),
        certificate_folders: CERTIFICATE_FOLDERS.map(PathBuf::from).to_vec(),
        proxies: Proxies {
            http: proxy(&given.http, ["HTTP_PROXY", "http_proxy"]),
            https: proxy(&given.https, ["HTTPS_PROXY", "https_proxy"]),
            exempt: proxy(&given.exempt, ["NO_PROXY", "no_proxy"]),
        },
        user_agent: format!("gantry/{}", env!("CARGO_PKG_VERSION")),
    }
}

/// A path from the root of each hierarchy, with or without its first slash.
fn cgroup_parent(given: Option<String>) -> Result<String, Error> {
    let Some(path) = given else { return Ok(CGROUP_PARENT.to_owned()) };
    let names = path.trim_matches('/');
    let valid = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if names.split('/').all(valid) {
        Ok(format!("/{names}"))
    } else {
        Err(Error::CgroupParent { path })
    }
}

/// A setting that both a flag and the file give is an error, as in Docker: nobody can tell which one was meant.
fn check_given_once(flags: &Flags, file: &ConfigFile) -> Result<(), Error> {
    let (network, names) = (&flags.networks, &flags.names);
    let both = [
        ("hosts", !flags.hosts.is_empty() && file.hosts.is_some()),
        ("data-root", flags.data_root.is_some() && file.data_root.is_some()),
        ("exec-root", flags.exec_root.is_some() && file.exec_root.is_some()),
        ("pidfile", flags.pidfile.is_some() && file.pidfile.is_some()),
        ("cgroup-parent", flags.cgroup_parent.is_some() && file.cgroup_parent.is_some()),
        ("registry-mirrors", !flags.registry_mirrors.is_empty() && file.registry_mirrors.is_some()),
        (
            "insecure-registries",
            !flags.insecure_registries.is_empty() && file.insecure_registries.is_some(),
        ),
        ("signature-policy", flags.signature_policy.is_some() && file.signature_policy.is_some()),
        ("layer-format", flags.layer_format.is_some() && file.layer_format.is_some()),
        ("max-api-version", flags.max_api_version.is_some() && file.max_api_version.is_some()),
        ("min-api-version", flags.min_api_version.is_some() && file.min_api_version.is_some()),
        ("bridge", flags.bridge.is_some() && file.bridge.is_some()),
        ("dns", !names.dns.is_empty() && file.dns.is_some()),
        ("dns-search", !names.dns_search.is_empty() && file.dns_search.is_some()),
        ("dns-opts", !names.dns_opts.is_empty() && file.dns_opts.is_some()),
        (
            "host-gateway-ip",
            !names.host_gateway_ips.is_empty()
                && (file.host_gateway_ip.is_some() || file.host_gateway_ips.is_some()),
        ),
        ("bip", network.bip.is_some() && file.bip.is_some()),
        ("bip6", network.bip6.is_some() && file.bip6.is_some()),
        ("fixed-cidr", network.fixed_cidr.is_some() && file.fixed_cidr.is_some()),
        ("fixed-cidr-v6", network.fixed_cidr_v6.is_some() && file.fixed_cidr_v6.is_some()),
        ("default-gateway", network.default_gateway.is_some() && file.default_gateway.is_some()),
        (
            "default-gateway-v6",
            network.default_gateway_v6.is_some() && file.default_gateway_v6.is_some(),
        ),
        (
            "default-address-pools",
            !network.default_address_pools.is_empty() && file.default_address_pools.is_some(),
        ),
        (
            "default-network-opts",
            !network.default_network_opts.is_empty() && file.default_network_opts.is_some(),
        ),
        ("ip", network.ip.is_some() && file.ip.is_some()),
        ("mtu", network.mtu.is_some() && file.mtu.is_some()),
        ("icc", network.icc.is_some() && file.icc.is_some()),
        ("ip-forward", network.ip_forward.is_some() && file.ip_forward.is_some()),
        ("ip-masq", network.ip_masq.is_some() && file.ip_masq.is_some()),
        ("ipv6", network.ipv6.is_some() && file.ipv6.is_some()),
        ("debug", flags.debug && file.debug.is_some()),
        ("log-level", flags.log_level.is_some() && file.log_level.is_some()),
        ("log-format", flags.log_format.is_some() && file.log_format.is_some()),
    ];
    let keys: Vec<&str> = both.into_iter().filter(|(_, both)| *both).map(|(key, _)| key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let path = flags.config_file.clone().unwrap_or_else(|| "daemon.json".into());
    Err(Error::GivenTwice { path, keys: keys.join(", ") })
}

/// A program of ours: beside this one, or in `PATH`.
fn program(name: &'static str) -> Result<PathBuf, Error> {
    let own = env::current_exe().unwrap_or_default();
    let beside = own.parent().unwrap_or(Path::new("/")).join(name);
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|dir| dir.join(name));
    let found =
        std::iter::once(beside.clone()).chain(in_path).find(|candidate| candidate.is_file());
    found.ok_or(Error::MissingProgram { name, looked: beside })
}
