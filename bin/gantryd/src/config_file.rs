//! `daemon.json`: Docker's keys, as far as they mean something here. An unknown key is an error that names it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::flags::{LayerFormat, LogFormat, LogLevel};
use crate::networks::{Bridge, Pool};

/// The file that is read when none is named and it is there.
const DEFAULT_PATH: &str = "/etc/gantry/daemon.json";
/// No configuration is longer.
const MAX_BYTES: u64 = 1 << 20;

/// The keys that are known.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ConfigFile {
    pub hosts: Option<Vec<String>>,
    pub data_root: Option<PathBuf>,
    pub exec_root: Option<PathBuf>,
    pub pidfile: Option<PathBuf>,
    pub cgroup_parent: Option<String>,
    pub registry_mirrors: Option<Vec<String>>,
    pub insecure_registries: Option<Vec<String>>,
    pub proxies: Option<ProxySettings>,
    pub signature_policy: Option<PathBuf>,
    pub layer_format: Option<LayerFormat>,
    pub bridge: Option<Bridge>,
    pub bip: Option<String>,
    pub bip6: Option<String>,
    pub fixed_cidr: Option<String>,
    pub fixed_cidr_v6: Option<String>,
    pub default_gateway: Option<String>,
    pub default_gateway_v6: Option<String>,
    pub default_address_pools: Option<Vec<Pool>>,
    pub default_network_opts: Option<BTreeMap<String, BTreeMap<String, String>>>,
    pub dns: Option<Vec<String>>,
    pub dns_search: Option<Vec<String>>,
    pub dns_opts: Option<Vec<String>>,
    pub host_gateway_ip: Option<String>,
    pub host_gateway_ips: Option<Vec<String>>,
    pub ip: Option<String>,
    pub mtu: Option<u32>,
    pub icc: Option<bool>,
    pub ip_forward: Option<bool>,
    pub ip_masq: Option<bool>,
    pub ipv6: Option<bool>,
    pub max_api_version: Option<String>,
    pub min_api_version: Option<String>,
    pub debug: Option<bool>,
    pub log_level: Option<LogLevel>,
    pub log_format: Option<LogFormat>,
}

/// The key `proxies`; each wins over its environment variable.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProxySettings {
    #[serde(rename = "http-proxy")]
    pub http: Option<String>,
    #[serde(rename = "https-proxy")]
    pub https: Option<String>,
    #[serde(rename = "no-proxy")]
    pub exempt: Option<String>,
}

impl ConfigFile {
    /// Reads the file; without a name, the default one if it is there.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Error> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        match read_bounded(path) {
            Ok(text) if text.trim().is_empty() => Ok(Self::default()),
            Ok(text) => serde_json::from_str(&text).map_err(|source| Error::ConfigFile {
                path: path.to_owned(),
                source: source.into(),
            }),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(Error::ConfigFile { path: path.to_owned(), source }),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_docker_s_keys_and_names_the_others() {
        let known: ConfigFile =
            serde_json::from_str(r#"{"data-root":"/d","hosts":["unix:///s"],"log-level":"warn"}"#)
                .unwrap();
        assert_eq!(known.data_root.as_deref(), Some(Path::new("/d")));
        assert_eq!(known.log_level, Some(LogLevel::Warn));
        let error = serde_json::from_str::<ConfigFile>(r#"{"data-rot":"/d"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `data-rot`"), "{error}");
        let error = serde_json::from_str::<ConfigFile>(r#"{"layer-format":"zfs"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown variant `zfs`"), "{error}");
    }
}
