//! What a build has around its steps: contexts by name, agents, grants, and the limits and hosts of their containers.

use std::collections::BTreeMap;

use gantry_api::container::{HostConfig, Ulimit};
use gantry_engine::build::{AgentPlace, BuildRequest};

use super::start::document;
use crate::error::Error;
use crate::query::Query;

/// Reads the parameters. Gantry's own are `contexts` and `ssh` (JSON objects of names and values) and `allow`.
pub(super) fn read(query: &Query, request: &mut BuildRequest) -> Result<(), Error> {
    request.remote = Some(query.text("remote")).filter(|address| !address.is_empty());
    request.contexts = document(query, "contexts")?;
    request.agents = agents(query)?;
    request.grants = query.all("allow").into_iter().filter(|word| !word.is_empty()).collect();
    request.around = HostConfig {
        memory: number(query, "memory")?,
        memory_swap: number(query, "memswap")?,
        cpu_shares: number(query, "cpushares")?,
        cpu_period: number(query, "cpuperiod")?,
        cpu_quota: number(query, "cpuquota")?,
        cpuset_cpus: query.text("cpusetcpus"),
        cpuset_mems: query.text("cpusetmems"),
        shm_size: number(query, "shmsize")?,
        ulimits: document::<Vec<Ulimit>>(query, "ulimits")?,
        cgroup_parent: query.text("cgroupparent"),
        extra_hosts: hosts(query),
        ..HostConfig::default()
    };
    Ok(())
}

/// The agents by their sockets; one without is with the client.
fn agents(query: &Query) -> Result<BTreeMap<String, AgentPlace>, Error> {
    let sockets: BTreeMap<String, String> = document(query, "ssh")?;
    // Who opens no connections would let commands wait for them.
    if sockets.values().any(String::is_empty) && !query.flag("exchange") {
        return Err(Error::Invalid(
            "an SSH agent that is with the client needs a client that connects to it: build with gantry build".to_owned(),
        ));
    }
    let place = |socket: String| match socket.as_str() {
        "" => AgentPlace::WithClient,
        _ => AgentPlace::Here(socket.into()),
    };
    Ok(sockets.into_iter().map(|(id, socket)| (id, place(socket))).collect())
}

/// One by one, or several in one with commas between them; `null` and `[]` are none.
fn hosts(query: &Query) -> Vec<String> {
    let all = query.all("extrahosts");
    let words = all.iter().flat_map(|text| text.split(','));
    let words = words.map(str::trim).filter(|word| !matches!(*word, "" | "null" | "[]"));
    words.map(str::to_owned).collect()
}

fn number(query: &Query, name: &'static str) -> Result<i64, Error> {
    let text = query.text(name);
    if text.is_empty() {
        return Ok(0);
    }
    let wanted = "it takes a whole number";
    text.parse().map_err(|_| Error::Parameter { name, value: text, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_hosts_are_read() {
        let read = |text: &str| {
            let mut request = BuildRequest::default();
            read(&Query::parse(text).unwrap(), &mut request).map(|()| request)
        };
        let ulimits = "%5B%7B%22Name%22%3A%22nofile%22%2C%22Soft%22%3A5%2C%22Hard%22%3A6%7D%5D";
        let request = read(&format!(
            "memory=5&memswap=-1&cpushares=2&cpusetcpus=0-1&shmsize=65536&ulimits={ulimits}&extrahosts=a:1.2.3.4&extrahosts=b:1.1.1.1,c:2.2.2.2&cgroupparent=x&remote=https://x/y.git&contexts=%7B%22a%22%3A%22b%22%7D&allow=device"
        ))
        .unwrap();
        let around = &request.around;
        assert_eq!((around.memory, around.memory_swap, around.cpu_shares), (5, -1, 2));
        assert_eq!((around.cpuset_cpus.as_str(), around.shm_size), ("0-1", 65536));
        assert_eq!(around.ulimits.len(), 1);
        assert_eq!(around.extra_hosts, ["a:1.2.3.4", "b:1.1.1.1", "c:2.2.2.2"]);
        assert_eq!(around.cgroup_parent, "x");
        assert_eq!(request.remote.as_deref(), Some("https://x/y.git"));
        assert_eq!(request.contexts["a"], "b");
        assert_eq!(request.grants, ["device"]);
        // What Docker's command line sends when nobody asks for anything.
        let silent = "cgroupparent=&cpuperiod=0&cpuquota=0&cpusetcpus=&cpusetmems=&cpushares=0&memory=0&memswap=0&shmsize=0&ulimits=null&remote=&extrahosts=";
        let request = read(silent).unwrap();
        assert_eq!(request.around, HostConfig::default());
        assert!(request.remote.is_none());
        let agents = "ssh=%7B%22a%22%3A%22%2Fa%22%2C%22b%22%3A%22%22%7D&exchange=1";
        let agents = read(agents).unwrap().agents;
        assert_eq!(agents["a"], AgentPlace::Here("/a".into()));
        assert_eq!(agents["b"], AgentPlace::WithClient);
        for text in [
            "ssh=%7B%22a%22%3A%22%22%7D",
            "memory=x",
            "ulimits=x",
            "contexts=%5B%5D",
            "shmsize=1.5",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
