//! What containers get that ask for nothing else, for the names that they ask for: dockerd's flags and keys.

use std::net::IpAddr;

use gantry_engine::NameSettings;

use crate::config_file::ConfigFile;
use crate::error::Error;

/// The flags.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct NameFlags {
    /// A name server for containers, instead of the host's; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// A domain that containers try behind a name, instead of the host's; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// An option of resolv.conf(5) for containers, instead of the host's; may be repeated
    #[arg(long = "dns-opt", value_name = "OPTION")]
    pub dns_opts: Vec<String>,
    /// What host-gateway means in --add-host; may be repeated [default: the default bridge's own address]
    #[arg(long = "host-gateway-ip", value_name = "ADDRESS")]
    pub host_gateway_ips: Vec<String>,
}

/// Flags and file become what the engine is told.
pub(crate) fn resolve(flags: NameFlags, file: &mut ConfigFile) -> Result<NameSettings, Error> {
    let servers = file.dns.take().unwrap_or(flags.dns);
    let one = file.host_gateway_ip.take().map(|address| vec![address]);
    let gateways = file.host_gateway_ips.take().or(one).unwrap_or(flags.host_gateway_ips);
    let settings = NameSettings {
        servers: addresses("dns", &servers)?,
        search: file.dns_search.take().unwrap_or(flags.dns_search),
        options: file.dns_opts.take().unwrap_or(flags.dns_opts),
        host_gateways: addresses("host-gateway-ip", &gateways)?,
        ..NameSettings::default()
    };
    for (key, words) in [("dns-search", &settings.search), ("dns-opts", &settings.options)] {
        if let Some(word) = words.iter().find(|word| word.contains(char::is_whitespace)) {
            let why = "it has white space in it".to_owned();
            return Err(Error::Network { key, value: word.clone(), why });
        }
    }
    Ok(settings)
}

fn addresses(key: &'static str, texts: &[String]) -> Result<Vec<IpAddr>, Error> {
    let address = |text: &String| {
        text.parse().map_err(|_| Error::Network {
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
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let flags = NameFlags { dns: words(&["192.0.2.1", "::1"]), ..NameFlags::default() };
        let resolved = resolve(flags, &mut ConfigFile::default()).unwrap();
        assert_eq!(resolved.servers.len(), 2);
        let mut file = ConfigFile {
            host_gateway_ip: Some("192.0.2.9".to_owned()),
            dns_search: Some(words(&["lan"])),
            ..ConfigFile::default()
        };
        let resolved = resolve(NameFlags::default(), &mut file).unwrap();
        assert_eq!(resolved.host_gateways, [IpAddr::from([192, 0, 2, 9])]);
        assert_eq!(resolved.search, ["lan"]);
        for wrong in [
            NameFlags { dns: words(&["name"]), ..NameFlags::default() },
            NameFlags { host_gateway_ips: words(&["host-gateway"]), ..NameFlags::default() },
            NameFlags { dns_search: words(&["a b"]), ..NameFlags::default() },
            NameFlags { dns_opts: words(&["a\nb"]), ..NameFlags::default() },
        ] {
            resolve(wrong, &mut ConfigFile::default()).unwrap_err();
        }
    }
}
