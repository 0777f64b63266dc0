//! A plugin's configuration: read as Docker reads it, checked, and what a user has to grant because of it.

use std::collections::BTreeSet;

use gantry_api::plugin::{PluginConfig, PluginMount, PluginPrivilege};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// Every key of the document, but for those of `rootfs`. Go's programs read them in capitals or not, and so they are written.
const KEYS: &[&str] = &[
    "AllowAllDevices",
    "Args",
    "Capabilities",
    "Description",
    "Destination",
    "Devices",
    "DockerVersion",
    "Documentation",
    "Entrypoint",
    "Env",
    "GID",
    "Interface",
    "IpcHost",
    "Linux",
    "Mounts",
    "Name",
    "Network",
    "Options",
    "Path",
    "PidHost",
    "PropagatedMount",
    "ProtocolScheme",
    "Settable",
    "Socket",
    "Source",
    "Type",
    "Types",
    "UID",
    "User",
    "Value",
    "WorkDir",
    "rootfs",
];

/// The longest name of a socket: a path of a socket has 107 bytes.
const MAX_SOCKET_NAME: usize = 64;

/// Reads the document and checks all of it that needs no look at the host.
///
/// # Errors
/// [`Error::Config`] says what is wrong.
pub fn parse(bytes: &[u8]) -> Result<PluginConfig> {
    let bad = |error: serde_json::Error| Error::Config { reason: error.to_string() };
    let document: Value = serde_json::from_slice(bytes).map_err(bad)?;
    let config: PluginConfig = serde_json::from_value(canonical(document)).map_err(bad)?;
    match fault(&config) {
        Some(reason) => Err(Error::Config { reason }),
        None => Ok(config),
    }
}

/// The document with every known key as it is written.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(canonical_entry).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        other => other,
    }
}

fn canonical_entry((key, value): (String, Value)) -> (String, Value) {
    match KEYS.iter().find(|known| known.eq_ignore_ascii_case(&key)) {
        // Its own keys are as they are.
        Some(&"rootfs") => ("rootfs".to_owned(), value),
        Some(known) => ((*known).to_owned(), canonical(value)),
        None => (key, canonical(value)),
    }
}

fn fault(config: &PluginConfig) -> Option<String> {
    if config.entrypoint.first().is_none_or(String::is_empty) {
        return Some("it has no Entrypoint".to_owned());
    }
    let socket = &config.interface.socket;
    let is_plain = !socket.is_empty()
        && !socket.starts_with('.')
        && socket.len() <= MAX_SOCKET_NAME
        && !socket.contains(['/', '\0']);
    if !is_plain {
        return Some(format!("{socket:?} is no name of a socket (Interface.Socket)"));
    }
    if config.interface.types.is_empty() {
        return Some("it does not say what it is for (Interface.Types)".to_owned());
    }
    if let Some(word) = config.interface.types.iter().find(|word| capability(word).is_none()) {
        return Some(format!("{word:?} is no type of plugins, as docker.volumedriver/1.0 is one"));
    }
    if let Some(env) =
        config.env.iter().find(|env| env.name.is_empty() || env.name.contains(['=', '\0']))
    {
        return Some(format!("{:?} is no name of a variable", env.name));
    }
    if let Some(mount) = config.mounts.iter().find(|mount| !is_target(&mount.destination)) {
        return Some(format!("{:?} is no place for a mount", mount.destination));
    }
    let propagated = &config.propagated_mount;
    if !propagated.is_empty() && !is_target(propagated) {
        return Some(format!("{propagated:?} is no place for mounts (PropagatedMount)"));
    }
    if !matches!(config.network.r#type.as_str(), "" | "null" | "none" | "host" | "bridge") {
        return Some(format!(
            "unknown network {:?}: host, bridge and none are known",
            config.network.r#type
        ));
    }
    repeated(config).map(|name| format!("the name {name:?} is there twice"))
}

/// An absolute path below the root, without steps back.
fn is_target(path: &str) -> bool {
    path.starts_with('/')
        && !path.trim_matches('/').is_empty()
        && !path.contains('\0')
        && path.split('/').all(|part| part != "..")
}

/// A name that means two settings.
fn repeated(config: &PluginConfig) -> Option<&str> {
    let names = config.env.iter().map(|it| &it.name);
    let names = names.chain(config.mounts.iter().map(|it| &it.name));
    let names = names.chain(config.linux.devices.iter().map(|it| &it.name));
    let mut seen = BTreeSet::new();
    names.filter(|name| !name.is_empty()).find(|name| !seen.insert(*name)).map(String::as_str)
}

/// `volumedriver` of `docker.volumedriver/1.0`.
fn capability(word: &str) -> Option<&str> {
    let (name, version) = word.split_once('/')?;
    let (prefix, capability) = name.split_once('.')?;
    (!prefix.is_empty() && !capability.is_empty() && !version.is_empty()).then_some(capability)
}

/// What it can be asked for, in the words that plugins say of themselves when they are activated.
pub fn kinds(config: &PluginConfig) -> Vec<String> {
    let known = |word: &String| {
        let capability = capability(word)?;
        let kind = match capability.to_ascii_lowercase().as_str() {
            "volumedriver" => "VolumeDriver",
            "networkdriver" => "NetworkDriver",
            "ipamdriver" => "IpamDriver",
            "logdriver" => "LogDriver",
            "authz" => "authz",
            "metricscollector" => "MetricsCollector",
            _ => capability,
        };
        Some(kind.to_owned())
    };
    config.interface.types.iter().filter_map(known).collect()
}

/// What a user has to grant, in Docker's words.
pub fn privileges(config: &PluginConfig) -> Vec<PluginPrivilege> {
    let mut all = Vec::new();
    let mut ask = |name: &str, description: &str, value: Vec<String>| {
        let (name, description) = (name.to_owned(), description.to_owned());
        all.push(PluginPrivilege { name, description, value });
    };
    let yes = || vec!["true".to_owned()];
    let network = config.network.r#type.as_str();
    if !matches!(network, "" | "null" | "none" | "bridge") {
        ask("network", "permissions to access a network", vec![network.to_owned()]);
    }
    if config.ipc_host {
        ask("host ipc namespace", "allow access to host ipc namespace", yes());
    }
    if config.pid_host {
        ask("host pid namespace", "allow access to host pid namespace", yes());
    }
    for source in config.mounts.iter().filter_map(source) {
        ask("mount", "host path to mount", vec![source]);
    }
    for path in config.linux.devices.iter().filter_map(|device| device.path.clone()) {
        ask("device", "host device to access", vec![path]);
    }
    if config.linux.allow_all_devices {
        ask("allow-all-devices", "allow 'rwm' access to all devices", yes());
    }
    if !config.linux.capabilities.is_empty() {
        let wanted = config.linux.capabilities.clone();
        ask("capabilities", "list of additional capabilities required", wanted);
    }
    all
}

/// What of the host's a mount shows: its source, but other file systems may have that among their options.
fn source(mount: &PluginMount) -> Option<String> {
    let source = mount.source.clone()?;
    match mount.r#type.as_str() {
        "" | "bind" => Some(source),
        kind => Some(format!("{kind} {source} ({})", mount.options.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"description": "d", "entrypoint": ["/p"], "interface": {"types": ["docker.volumedriver/1.0"], "socket": "p.sock"},
        "linux": {"capabilities": ["CAP_SYS_ADMIN"], "allowAllDevices": true}, "propagatedMount": "/mnt", "network": {"type": "host"},
        "env": [{"name": "DEBUG", "value": "0", "settable": ["value"]}], "pidhost": true, "workdir": "/w",
        "mounts": [{"name": "state", "source": "/var/lib/x", "destination": "/x", "type": "bind", "options": ["rbind"]}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}}"#;

    #[test]
    fn keys_are_read_in_capitals_or_not() {
        let config = parse(SMALL.as_bytes()).unwrap();
        assert!(config.linux.allow_all_devices && config.pid_host);
        assert_eq!((config.work_dir.as_str(), config.propagated_mount.as_str()), ("/w", "/mnt"));
        assert_eq!(config.rootfs.as_ref().unwrap().diff_ids, ["sha256:1"]);
        assert_eq!(kinds(&config), ["VolumeDriver"]);
        let written = serde_json::to_vec(&config).unwrap();
        assert_eq!(parse(&written).unwrap(), config);
    }

    #[test]
    fn privileges_are_what_is_beyond_other_containers() {
        let names: Vec<_> = privileges(&parse(SMALL.as_bytes()).unwrap())
            .into_iter()
            .map(|it| (it.name, it.value))
            .collect();
        let expected = [
            ("network", "host"),
            ("host pid namespace", "true"),
            ("mount", "/var/lib/x"),
            ("allow-all-devices", "true"),
            ("capabilities", "CAP_SYS_ADMIN"),
        ];
        assert_eq!(names, expected.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])));
    }

    #[test]
    fn what_options_show_of_the_host_is_asked_for() {
        let text = SMALL.replace("/var/lib/x", "none").replace(
            r#""bind", "options": ["rbind"]"#,
            r#""overlay", "options": ["lowerdir=/:/x"]"#,
        );
        let asked = privileges(&parse(text.as_bytes()).unwrap());
        let mount = asked.into_iter().find(|it| it.name == "mount").unwrap();
        assert_eq!(mount.value, ["overlay none (lowerdir=/:/x)"]);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (from, to, says) in [
            ("\"/p\"", "", "no Entrypoint"),
            ("p.sock", "../p", "no name of a socket"),
            ("docker.volumedriver/1.0", "volumes", "no type of plugins"),
            ("\"docker.volumedriver/1.0\"", "", "what it is for"),
            ("\"DEBUG\"", "\"A=B\"", "no name of a variable"),
            ("\"destination\": \"/x\"", "\"destination\": \"/x/../..\"", "no place for a mount"),
            ("\"/mnt\"", "\"/\"", "PropagatedMount"),
            ("\"host\"", "\"mars\"", "unknown network"),
            ("\"DEBUG\"", "\"state\"", "twice"),
        ] {
            let error = parse(SMALL.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
