//! The three files that the engine mounts into a container's `/etc`: `hostname`, `hosts`, `resolv.conf`.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use gantry_network::Endpoint;

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{ContainerPlan, Network};
use crate::record::ContainerRecord;

/// Writes the files into the container's directory, which it makes.
pub(super) fn write(dir: &Path, plan: &ContainerPlan) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::file("create directory", dir))?;
    // Checked now, written with the addresses when it starts.
    hosts(plan, &[], Some(Ipv4Addr::UNSPECIFIED))?;
    put(dir, "hosts", "")?;
    put(dir, "resolv.conf", &resolv_conf(plan, &of_host("resolv.conf"))?)?;
    put(dir, "hostname", &format!("{}\n", plan.config.hostname))
}

/// Writes the file of names with the addresses that the container has in this run.
pub(super) fn write_hosts(
    engine: &Engine,
    record: &ContainerRecord,
    endpoints: &[Endpoint],
) -> Result<()> {
    let dir = engine.settings.container_dir(record.id.as_str());
    let own: Vec<Ipv4Addr> = endpoints.iter().map(|endpoint| endpoint.address).collect();
    put(&dir, "hosts", &hosts(&record.plan, &own, engine.networks.host_gateway())?)
}

fn of_host(name: &str) -> String {
    fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default()
}

fn put(dir: &Path, name: &str, text: &str) -> Result<()> {
    let path = dir.join(name);
    fs::write(&path, text).map_err(Error::file("write", path))
}

/// Loopback and the container's own names; the host's file where the host's network is shared; extra hosts in both.
fn hosts(plan: &ContainerPlan, own: &[Ipv4Addr], gateway: Option<Ipv4Addr>) -> Result<String> {
    let mut text = if plan.network == Network::Host {
        of_host("hosts")
    } else {
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
            .to_owned()
    };
    let mut add = |address: IpAddr, name: &str| {
        writeln!(text, "{address}\t{name}")
            .unwrap_or_else(|_| unreachable!("a string takes every text"));
    };
    for entry in &plan.host_config.extra_hosts {
        let (name, address) = extra_host(entry, gateway)?;
        add(address, name);
    }
    if plan.network != Network::Host {
        let name = if plan.config.domainname.is_empty() {
            plan.config.hostname.clone()
        } else {
            format!("{0}.{1} {0}", plan.config.hostname, plan.config.domainname)
        };
        match own {
            [] => add(Ipv4Addr::LOCALHOST.into(), &name),
            own => own.iter().for_each(|address| add((*address).into(), &name)),
        }
    }
    Ok(text)
}

/// `name:address`, or `name:host-gateway` for the host's own address in the default network.
fn extra_host(entry: &str, gateway: Option<Ipv4Addr>) -> Result<(&str, IpAddr)> {
    let invalid =
        || Error::invalid(format!("invalid extra host {entry:?}: name:address is needed"));
    let (name, address) = entry.split_once([':', '=']).ok_or_else(invalid)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(invalid());
    }
    if address == "host-gateway" {
        let gateway = gateway.ok_or_else(|| {
            Error::invalid(format!("no host-gateway for {name}: this daemon has no default bridge"))
        })?;
        return Ok((name, gateway.into()));
    }
    let address = address.trim_matches(['[', ']']).parse().map_err(|_| invalid())?;
    Ok((name, address))
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
    if plan.network == Network::Bridge && own.dns.is_empty() {
        text = servers_outside(&text);
    }
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

/// A server on the host's loopback cannot be reached from a container's namespace. Where there is no other, public ones serve, as with
/// Docker.
fn servers_outside(lines: &str) -> String {
    let is_outside = |line: &&str| {
        let server = line.split_whitespace().nth(1).unwrap_or_default();
        server.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback())
    };
    let kept: String = lines.split_inclusive('\n').filter(is_outside).collect();
    if kept.is_empty() { "nameserver 8.8.8.8\nnameserver 8.8.4.4\n".to_owned() } else { kept }
}
