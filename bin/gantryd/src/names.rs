//! What containers get that ask for nothing else, for the names that they ask for: dockerd's flags and keys.

use std::net::IpAddr;
use std::path::PathBuf;

use gantry_engine::NameSettings;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The keys.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct NameKeys {
    /// A name server for containers, instead of the host's; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Option<Vec<String>>,
    /// A domain that containers try behind a name, instead of the host's; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Option<Vec<String>>,
    /// An option of resolv.conf(5) for containers, instead of the host's; may be repeated
    #[arg(long = "dns-opt", value_name = "OPTION")]
    pub dns_opts: Option<Vec<String>>,
    /// What host-gateway means in --add-host; may be repeated [default: the default bridge's own address]
    #[arg(long = "host-gateway-ip", value_name = "ADDRESS")]
    pub host_gateway_ips: Option<Vec<String>>,
    /// The host's own resolv.conf(5) [default: /etc/resolv.conf]
    #[arg(long, value_name = "FILE", hide = true)]
    pub resolv_conf: Option<PathBuf>,
}

/// Keys become what the engine is told.
pub(crate) fn resolve(keys: NameKeys) -> Result<NameSettings, Error> {
    let default = NameSettings::default();
    let gateways = keys.host_gateway_ips.unwrap_or_default();
    let settings = NameSettings {
        servers: addresses("dns", &keys.dns.unwrap_or_default())?,
        search: keys.dns_search.unwrap_or_default(),
        options: keys.dns_opts.unwrap_or_default(),
        host_gateways: addresses("host-gateway-ip", &gateways)?,
        resolv_conf: keys.resolv_conf.unwrap_or(default.resolv_conf),
    };
    for (key, words) in [("dns-search", &settings.search), ("dns-opts", &settings.options)] {
        if let Some(word) = words.iter().find(|word| word.contains(char::is_whitespace)) {
            let why = "it has white space in it".to_owned();
            return Err(Error::Refused { key, value: word.clone(), why });
        }
    }
    Ok(settings)
}

fn addresses(key: &'static str, texts: &[String]) -> Result<Vec<IpAddr>, Error> {
    let address = |text: &String| {
        text.parse().map_err(|_| Error::Refused {
            key,
            value: text.clone(),
            why: "it is not an ip address".to_owned(),
        })
    };
    texts.iter().map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_words_are_checked() {
        let words = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
        let resolved = resolve(NameKeys {
            dns: words(&["192.0.2.1", "::1"]),
            host_gateway_ips: words(&["192.0.2.9"]),
            dns_search: words(&["lan"]),
            ..NameKeys::default()
        })
        .unwrap();
        assert_eq!(resolved.servers.len(), 2);
        assert_eq!(resolved.host_gateways, [IpAddr::from([192, 0, 2, 9])]);
        assert_eq!(resolved.search, ["lan"]);
        for wrong in [
            NameKeys { dns: words(&["name"]), ..NameKeys::default() },
            NameKeys { host_gateway_ips: words(&["host-gateway"]), ..NameKeys::default() },
            NameKeys { dns_search: words(&["a b"]), ..NameKeys::default() },
            NameKeys { dns_opts: words(&["a\nb"]), ..NameKeys::default() },
        ] {
            resolve(wrong).unwrap_err();
        }
    }
}
