//! `/etc/resolv.conf`: the container's own name server in networks that have names; else the host's servers, or those that were asked
//! for. What the request does not say, the daemon's settings say, and then the host's file.

use std::net::IpAddr;
use std::path::Path;

use gantry_api::container::HostConfig;

use super::{names, of_host};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::Network;
use crate::record::ContainerRecord;
use crate::settings::NameSettings;

/// Where each container finds its name server.
const OWN_SERVER: &str = "127.0.0.11";
/// Where a resolver that runs on the host's loopback keeps the servers that it asks itself.
const BEHIND_RESOLVER: &str = "/run/systemd/resolve/resolv.conf";
/// Docker's choice where the host's file has no server that a container can reach: without any, no program in it could ask for a name.
/// The setting `dns` has other ones.
const PUBLIC: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// Fails on what would make the file say something else.
pub(super) fn check(host: &HostConfig) -> Result<()> {
    let words = host.dns.iter().chain(&host.dns_search).chain(&host.dns_options);
    if let Some(word) = words.into_iter().find(|word| word.contains(char::is_whitespace)) {
        return Err(Error::invalid(format!(
            "invalid DNS setting {word:?}: it has white space in it"
        )));
    }
    match host.dns.iter().find(|server| server.parse::<IpAddr>().is_err()) {
        Some(server) => Err(Error::invalid(format!("{server} is not an ip address"))),
        None => Ok(()),
    }
}

/// The text for a container as its networks are now.
pub(super) fn resolv_conf(engine: &Engine, record: &ContainerRecord) -> String {
    let settings = &engine.settings.names;
    let host = of_host(&settings.resolv_conf);
    let servers = if names::has_server(record) {
        Servers::Own
    } else if record.plan.network == Network::Bridge {
        Servers::Outside
    } else {
        Servers::All
    };
    text(&record.plan.host_config, settings, &host, servers)
}

/// Which servers a container can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Servers {
    /// The one in its namespace, which asks the others.
    Own,
    /// Those that are not on the host's loopback.
    Outside,
    All,
}

fn text(own: &HostConfig, settings: &NameSettings, host: &str, servers: Servers) -> String {
    let of_host = |key: &str| -> Vec<&str> {
        let lines = host.lines().filter(|line| line.split_whitespace().next() == Some(key));
        lines.flat_map(|line| line.split_whitespace().skip(1)).collect()
    };
    let chosen = |asked: &[String], set: &[String], key: &str| -> Vec<String> {
        match (asked.is_empty(), set.is_empty()) {
            (false, _) => asked.to_vec(),
            (true, false) => set.to_vec(),
            (true, true) => of_host(key).into_iter().map(ToOwned::to_owned).collect(),
        }
    };
    let set: Vec<String> = settings.servers.iter().map(ToString::to_string).collect();
    let is_given = !own.dns.is_empty() || !set.is_empty();
    let outside = chosen(&own.dns, &set, "nameserver");
    let mut options = chosen(&own.dns_options, &settings.options, "options");
    let mut lines = String::new();
    let nameservers = match servers {
        Servers::Own => {
            lines += "# The container's own name server asks others for names that are not its networks'.\n";
            // Names of containers have no dots.
            if !options.iter().any(|option| option.starts_with("ndots:")) {
                options.push("ndots:0".to_owned());
            }
            vec![OWN_SERVER.to_owned()]
        }
        Servers::Outside if !is_given => reachable(outside),
        Servers::Outside | Servers::All => outside,
    };
    lines.extend(nameservers.iter().map(|server| format!("nameserver {server}\n")));
    let mut search = chosen(&own.dns_search, &settings.search, "search");
    // The word for none at all.
    if search.iter().any(|domain| domain == ".") {
        search.clear();
    }
    for (key, words) in [("search", search), ("options", options)] {
        if !words.is_empty() {
            lines.extend([key, " ", &words.join(" "), "\n"]);
        }
    }
    lines
}

/// A server on the host's loopback cannot be reached from a container's namespace; those behind it can.
fn reachable(servers: Vec<String>) -> Vec<String> {
    let outside =
        |server: &String| server.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback());
    let kept: Vec<String> = servers.into_iter().filter(outside).collect();
    if !kept.is_empty() {
        return kept;
    }
    let behind = of_host(Path::new(BEHIND_RESOLVER));
    let behind = behind.lines().filter_map(|line| line.strip_prefix("nameserver "));
    let behind: Vec<String> = behind.map(|it| it.trim().to_owned()).filter(outside).collect();
    if behind.is_empty() { PUBLIC.map(ToOwned::to_owned).to_vec() } else { behind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch lan example.org\n\
        options edns0 timeout:1\n";

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn lines(own: &HostConfig, settings: &NameSettings, servers: Servers) -> Vec<String> {
        let text = text(own, settings, HOST, servers);
        text.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_host_s_file_is_what_there_is_without_a_wish() {
        let (own, settings) = (HostConfig::default(), NameSettings::default());
        let rest = ["search lan example.org", "options edns0 timeout:1"];
        assert_eq!(
            lines(&own, &settings, Servers::All),
            [&["nameserver 127.0.0.53", "nameserver 192.0.2.1"][..], &rest].concat()
        );
        assert_eq!(
            lines(&own, &settings, Servers::Outside),
            [&["nameserver 192.0.2.1"][..], &rest].concat()
        );
        assert_eq!(
            lines(&own, &settings, Servers::Own),
            ["nameserver 127.0.0.11", rest[0], "options edns0 timeout:1 ndots:0"]
        );
    }

    #[test]
    fn wishes_win_over_settings_and_settings_over_the_host() {
        let settings = NameSettings {
            servers: vec![[192, 0, 2, 9].into()],
            search: words(&["set"]),
            options: words(&["ndots:3"]),
            ..NameSettings::default()
        };
        let none = HostConfig::default();
        assert_eq!(
            lines(&none, &settings, Servers::Outside),
            ["nameserver 192.0.2.9", "search set", "options ndots:3"]
        );
        let own = HostConfig {
            dns: words(&["127.0.0.1"]),
            dns_search: words(&["."]),
            dns_options: words(&["rotate"]),
            ..HostConfig::default()
        };
        assert_eq!(
            lines(&own, &settings, Servers::Outside),
            ["nameserver 127.0.0.1", "options rotate"]
        );
        assert_eq!(
            lines(&own, &settings, Servers::Own),
            ["nameserver 127.0.0.11", "options rotate ndots:0"]
        );
    }

    #[test]
    fn white_space_and_words_are_no_servers() {
        for (dns, search) in [("8.8.8.8\nx", ""), ("name", ""), ("8.8.8.8", "a b")] {
            let own = HostConfig {
                dns: words(&[dns]),
                dns_search: words(&[search]),
                ..HostConfig::default()
            };
            check(&own).unwrap_err();
        }
    }
}
