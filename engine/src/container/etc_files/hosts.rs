//! `/etc/hosts`: loopback, the user's own lines, linked containers, and the container itself by all of its addresses.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use super::of_host;
use crate::Result;
use crate::error::Error;
use crate::plan::{ContainerPlan, Network};

const LOOPBACK: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// What only a run knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Addresses<'a> {
    /// The container's own.
    pub own: &'a [IpAddr],
    /// Those of the containers that it is linked to, with their names.
    pub linked: &'a [(IpAddr, String)],
    /// The host's, for `host-gateway`.
    pub gateways: &'a [IpAddr],
}

/// The host's own file where the host's network is shared and the user adds nothing. Without an address the container's name is not in
/// it, as with Docker (`makeHostsRecs` in libnetwork's `sandbox_dns_unix.go`).
pub(super) fn hosts(plan: &ContainerPlan, addresses: &Addresses<'_>) -> Result<String> {
    let is_host = plan.network == Network::Host && plan.host_config.extra_hosts.is_empty();
    let mut text = if is_host { of_host(Path::new("/etc/hosts")) } else { LOOPBACK.to_owned() };
    let mut add = |address: IpAddr, names: &str| {
        writeln!(text, "{address}\t{names}")
            .unwrap_or_else(|_| unreachable!("a string takes every text"));
    };
    for entry in &plan.host_config.extra_hosts {
        let (name, found) = extra_host(entry, addresses.gateways)?;
        for address in found {
            add(address, name);
        }
    }
    for (address, names) in addresses.linked {
        add(*address, names);
    }
    let names = own_names(&plan.config.hostname, &plan.config.domainname);
    for address in addresses.own {
        add(*address, &names);
    }
    Ok(text)
}

/// The whole name, and its first label where it has more.
fn own_names(hostname: &str, domainname: &str) -> String {
    let whole = match domainname {
        "" => hostname.to_owned(),
        domain => format!("{hostname}.{domain}"),
    };
    match whole.split_once('.') {
        Some((first, _)) => format!("{whole} {first}"),
        None => whole,
    }
}

/// `name:address`, or `name:host-gateway` for the host's own addresses.
fn extra_host<'a>(entry: &'a str, gateways: &[IpAddr]) -> Result<(&'a str, Vec<IpAddr>)> {
    let invalid =
        || Error::invalid(format!("invalid extra host {entry:?}: name:address is needed"));
    let (name, address) = entry.split_once([':', '=']).ok_or_else(invalid)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(invalid());
    }
    if address == "host-gateway" {
        if gateways.is_empty() {
            return Err(Error::invalid(format!(
                "no host-gateway for {name}: this daemon has no default bridge; give it one by --host-gateway-ip"
            )));
        }
        return Ok((name, gateways.to_vec()));
    }
    let address = address.trim_matches(['[', ']']).parse().map_err(|_| invalid())?;
    Ok((name, vec![address]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_many_labels_comes_with_its_first() {
        assert_eq!(own_names("one", ""), "one");
        assert_eq!(own_names("one", "example.org"), "one.example.org one");
        assert_eq!(own_names("one.example.org", ""), "one.example.org one");
        assert_eq!(own_names("one.two", "org"), "one.two.org one");
    }

    #[test]
    fn extra_hosts_are_names_and_addresses() {
        let gateways = [IpAddr::from([172, 17, 0, 1]), "fd00::1".parse().unwrap()];
        let read = |entry| extra_host(entry, &gateways).ok();
        assert_eq!(read("db:10.0.0.1"), Some(("db", vec![[10, 0, 0, 1].into()])));
        assert_eq!(read("db=[::1]"), Some(("db", vec!["::1".parse().unwrap()])));
        assert_eq!(read("db:::1"), Some(("db", vec!["::1".parse().unwrap()])));
        assert_eq!(read("host:host-gateway"), Some(("host", gateways.to_vec())));
        for wrong in ["db", ":10.0.0.1", "d b:10.0.0.1", "db:10.0.0", "db:", "a\n:1.1.1.1"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert!(extra_host("host:host-gateway", &[]).is_err());
    }
}
