//! The three files that the engine mounts into a container's `/etc`: `hostname`, `hosts`, `resolv.conf`.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::Result;
use crate::error::Error;
use crate::plan::{ContainerPlan, Network};

/// Writes the files into the container's directory, which it makes.
pub(super) fn write(dir: &Path, plan: &ContainerPlan) -> Result<()> {
    let host = |name: &str| fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
    fs::create_dir_all(dir).map_err(Error::file("create directory", dir))?;
    let hosts = hosts(plan, &host("hosts"))?;
    let resolv_conf = resolv_conf(plan, &host("resolv.conf"))?;
    let hostname = format!("{}\n", plan.config.hostname);
    for (name, text) in [("hostname", hostname), ("hosts", hosts), ("resolv.conf", resolv_conf)] {
        let path = dir.join(name);
        fs::write(&path, text).map_err(Error::file("write", path))?;
    }
    Ok(())
}

/// Loopback and the container's own name; the host's file where the host's network is shared; extra hosts in both.
fn hosts(plan: &ContainerPlan, host: &str) -> Result<String> {
    let mut text = if plan.network == Network::Host {
        host.to_owned()
    } else {
        let own = if plan.config.domainname.is_empty() {
            plan.config.hostname.clone()
        } else {
            format!("{0}.{1} {0}", plan.config.hostname, plan.config.domainname)
        };
        format!(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
             ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n127.0.0.1\t{own}\n"
        )
    };
    for entry in &plan.host_config.extra_hosts {
        let invalid =
            || Error::invalid(format!("invalid extra host {entry:?}: name:address is needed"));
        let (name, address) = entry.split_once([':', '=']).ok_or_else(invalid)?;
        if address == "host-gateway" {
            return Err(Error::not_there_yet("host-gateway in --add-host"));
        }
        let address: IpAddr = address.trim_matches(['[', ']']).parse().map_err(|_| invalid())?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(invalid());
        }
        writeln!(text, "{address}\t{name}")
            .unwrap_or_else(|_| unreachable!("a string takes every text"));
    }
    Ok(text)
}

/// The host's file, unless the container asked for servers, domains or options of its own.
fn resolv_conf(plan: &ContainerPlan, host: &str) -> Result<String> {
    let own = &plan.host_config;
    let line = |key: &str, values: &[String]| format!("{key} {}\n", values.join(" "));
    let words = own.dns.iter().chain(&own.dns_search).chain(&own.dns_options);
    if let Some(word) = words.into_iter().find(|word| word.contains(char::is_whitespace)) {
        return Err(Error::invalid(format!(
            "invalid DNS setting {word:?}: it has white space in it"
        )));
    }
    if let Some(server) = own.dns.iter().find(|server| server.parse::<IpAddr>().is_err()) {
        return Err(Error::invalid(format!("{server} is not an ip address")));
    }
    let kept = |key: &str, replaced: bool| -> String {
        let lines = host.split_inclusive('\n');
        let wanted = |line: &&str| !replaced && line.split_whitespace().next() == Some(key);
        lines.filter(wanted).collect()
    };
    let mut text = kept("nameserver", !own.dns.is_empty());
    text.extend(own.dns.iter().map(|server| format!("nameserver {server}\n")));
    text += &kept("search", !own.dns_search.is_empty());
    if !own.dns_search.is_empty() {
        text += &line("search", &own.dns_search);
    }
    text += &kept("options", !own.dns_options.is_empty());
    if !own.dns_options.is_empty() {
        text += &line("options", &own.dns_options);
    }
    Ok(text)
}
