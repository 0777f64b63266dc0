//! Specifications of the Container Device Interface, and what their edits make of a container's own specification.
//!
//! Follows CDI 1.1.0 (tags.cncf.io/container-device-interface, `SPEC.md`). Where such files are found, and how what they
//! leave out is looked up on the host, is `container::cdi`'s matter.

use std::collections::BTreeMap;

use gantry_oci::runtime::{
    Device, DeviceKind, DeviceRule, Hook, Hooks, IntelRdt, Mount, NetDevice, Spec,
};
use serde::Deserialize;

/// One file: a kind of devices, and the edits for each and for all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Specification {
    cdi_version: String,
    /// `vendor/class`.
    pub kind: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub devices: Vec<SpecifiedDevice>,
    /// For every container that gets any of the devices.
    #[serde(default)]
    pub container_edits: ContainerEdits,
}

/// One device that containers can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SpecifiedDevice {
    pub name: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub container_edits: ContainerEdits,
}

/// What is changed in a container's specification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ContainerEdits {
    env: Vec<String>,
    pub device_nodes: Vec<DeviceNode>,
    net_devices: Vec<NetworkDevice>,
    hooks: Vec<NamedHook>,
    mounts: Vec<HostMount>,
    intel_rdt: Option<ResourceDirector>,
    additional_gids: Vec<u32>,
}

/// A node in `/dev`; what is absent is taken from the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DeviceNode {
    pub path: String,
    /// Empty is the same path.
    host_path: String,
    /// `b`, `c`, `u` or `p`.
    #[serde(rename = "type")]
    pub kind: String,
    pub major: i64,
    pub minor: i64,
    pub file_mode: Option<u32>,
    /// Any of `r`, `w`, `m`; `none` is none of them, and empty all.
    permissions: String,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NetworkDevice {
    host_interface_name: String,
    name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct NamedHook {
    hook_name: String,
    path: String,
    args: Vec<String>,
    env: Vec<String>,
    timeout: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct HostMount {
    host_path: String,
    container_path: String,
    options: Vec<String>,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ResourceDirector {
    #[serde(rename = "closID")]
    clos_id: String,
    l3_cache_schema: String,
    mem_bw_schema: String,
    schemata: Vec<String>,
    enable_monitoring: bool,
    /// Of versions before 1.1; the kernel has had one switch for both since.
    #[serde(rename = "enableCMT")]
    enable_cmt: bool,
    #[serde(rename = "enableMBM")]
    enable_mbm: bool,
}

impl Specification {
    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_version(&self.cdi_version)?;
        let (vendor, class) =
            self.kind.split_once('/').ok_or_else(|| format!("invalid kind {:?}", self.kind))?;
        if !is_name(vendor, "_-.") || !is_name(class, "_-.") {
            return Err(format!("invalid kind {:?}", self.kind));
        }
        if self.devices.is_empty() {
            return Err("it has no devices".to_owned());
        }
        self.container_edits.check()?;
        for device in &self.devices {
            if !is_name(&device.name, "_-.:") {
                return Err(format!("invalid device name {:?}", device.name));
            }
            device.container_edits.check().map_err(|why| format!("{}: {why}", device.name))?;
        }
        Ok(())
    }
}

/// Letters and digits at both ends, and some others in between.
fn is_name(text: &str, others: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    is_end(text.chars().next()) && is_end(text.chars().next_back()) && text.chars().all(allowed)
}

/// Whether a word is a device's full name, `vendor/class=name`.
pub(crate) fn is_qualified(word: &str) -> bool {
    let Some((kind, name)) = word.split_once('=') else { return false };
    let Some((vendor, class)) = kind.split_once('/') else { return false };
    is_name(vendor, "_-.") && is_name(class, "_-.") && is_name(name, "_-.:")
}

/// Minor versions of version 1 only add to it.
fn check_version(text: &str) -> Result<(), String> {
    let invalid = || format!("invalid version {text:?}");
    let numbers: Vec<u32> = text
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse().map_err(|_| invalid()))
        .collect::<Result<_, _>>()?;
    match numbers[..] {
        [0, 1..=8, 0] | [1, _, _] => Ok(()),
        _ => Err(invalid()),
    }
}

impl ContainerEdits {
    fn check(&self) -> Result<(), String> {
        let lacks_name = |entry: &&String| entry.find('=').is_none_or(|at| at == 0);
        let hook_env = self.hooks.iter().flat_map(|hook| &hook.env);
        if let Some(entry) = self.env.iter().chain(hook_env).find(lacks_name) {
            return Err(format!("invalid environment variable {entry:?}"));
        }
        for node in &self.device_nodes {
            node.check()?;
        }
        for hook in &self.hooks {
            if hooks_of(&mut Hooks::default(), &hook.hook_name).is_none() {
                return Err(format!("invalid hook name {:?}", hook.hook_name));
            }
            if !hook.path.starts_with('/') {
                return Err(format!("hook {} has no absolute path", hook.hook_name));
            }
        }
        for mount in &self.mounts {
            if mount.host_path.is_empty() || !mount.container_path.starts_with('/') {
                return Err(format!("invalid mount of {:?}", mount.host_path));
            }
        }
        for device in &self.net_devices {
            if device.host_interface_name.is_empty() || device.name.is_empty() {
                return Err("a network device has no name".to_owned());
            }
        }
        let clos_id = self.intel_rdt.as_ref().map_or("", |rdt| &rdt.clos_id);
        if clos_id != "/" && (matches!(clos_id, "." | "..") || clos_id.contains(['/', '\n'])) {
            return Err(format!("invalid closID {clos_id:?}"));
        }
        Ok(())
    }

    /// Makes the edits. Device nodes have been completed.
    pub(crate) fn apply(&self, spec: &mut Spec) {
        if let Some(process) = &mut spec.process {
            for entry in &self.env {
                let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
                process.env.retain(|own| name(own) != name(entry));
                process.env.push(entry.clone());
            }
            let groups = &mut process.user.additional_gids;
            for group in self.additional_gids.iter().filter(|group| **group != 0) {
                if !groups.contains(group) {
                    groups.push(*group);
                }
            }
        }
        for mount in &self.mounts {
            spec.mounts.retain(|own| own.destination != mount.container_path);
            spec.mounts.push(mount.document());
        }
        if !self.mounts.is_empty() {
            // A mount comes before what lies below it.
            spec.mounts.sort_by_key(|mount| {
                mount.destination.split('/').filter(|part| !part.is_empty()).count()
            });
        }
        for hook in &self.hooks {
            let hooks = spec.hooks.get_or_insert_default();
            if let Some(list) = hooks_of(hooks, &hook.hook_name) {
                list.push(hook.document());
            }
        }
        let linux = spec.linux.get_or_insert_default();
        for node in &self.device_nodes {
            linux.devices.retain(|own| own.path != node.path);
            linux.devices.push(node.document());
            linux.resources.get_or_insert_default().devices.extend(node.rule());
        }
        for device in &self.net_devices {
            let inside = NetDevice { name: device.name.clone() };
            linux.net_devices.insert(device.host_interface_name.clone(), inside);
        }
        if let Some(rdt) = &self.intel_rdt {
            linux.intel_rdt = Some(rdt.document());
        }
    }
}

impl DeviceNode {
    /// Where it is on the host.
    pub(crate) fn host_path(&self) -> &str {
        if self.host_path.is_empty() { &self.path } else { &self.host_path }
    }

    fn check(&self) -> Result<(), String> {
        let path = &self.path;
        if !path.starts_with('/') {
            return Err(format!("invalid device path {path:?}"));
        }
        if !matches!(self.kind.as_str(), "" | "b" | "c" | "u" | "p") {
            return Err(format!("device {path:?}: invalid type {:?}", self.kind));
        }
        if self.major < 0 || self.minor < 0 {
            return Err(format!("device {path:?}: invalid number {}:{}", self.major, self.minor));
        }
        let access = self.permissions.as_str();
        if access != "none" && !access.bytes().all(|byte| b"rwm".contains(&byte)) {
            return Err(format!("device {path:?}: invalid permissions {access:?}"));
        }
        Ok(())
    }

    fn document(&self) -> Device {
        Device {
            path: self.path.clone(),
            kind: match self.kind.as_str() {
                "b" => DeviceKind::Block,
                "p" => DeviceKind::Fifo,
                _ => DeviceKind::Char,
            },
            major: self.major,
            minor: self.minor,
            file_mode: self.file_mode,
            uid: self.uid,
            gid: self.gid,
        }
    }

    fn rule(&self) -> Option<DeviceRule> {
        let access = match self.permissions.as_str() {
            "" => "rwm",
            "none" => return None,
            access => access,
        };
        let kind = if self.kind == "b" { "b" } else { "c" };
        (self.kind != "p").then(|| DeviceRule {
            allow: true,
            kind: kind.to_owned(),
            major: Some(self.major),
            minor: Some(self.minor),
            access: access.to_owned(),
        })
    }
}

fn hooks_of<'a>(hooks: &'a mut Hooks, name: &str) -> Option<&'a mut Vec<Hook>> {
    match name {
        "prestart" => Some(&mut hooks.prestart),
        "createRuntime" => Some(&mut hooks.create_runtime),
        "createContainer" => Some(&mut hooks.create_container),
        "startContainer" => Some(&mut hooks.start_container),
        "poststart" => Some(&mut hooks.poststart),
        "poststop" => Some(&mut hooks.poststop),
        _ => None,
    }
}

impl NamedHook {
    fn document(&self) -> Hook {
        Hook {
            path: self.path.clone(),
            args: self.args.clone(),
            env: self.env.clone(),
            timeout: self.timeout,
        }
    }
}

impl HostMount {
    fn document(&self) -> Mount {
        Mount {
            destination: self.container_path.clone(),
            kind: self.kind.clone(),
            source: self.host_path.clone(),
            options: self.options.clone(),
            ..Mount::default()
        }
    }
}

impl ResourceDirector {
    fn document(&self) -> IntelRdt {
        IntelRdt {
            clos_id: self.clos_id.clone(),
            schemata: self.schemata.clone(),
            l3_cache_schema: self.l3_cache_schema.clone(),
            mem_bw_schema: self.mem_bw_schema.clone(),
            enable_monitoring: self.enable_monitoring || self.enable_cmt || self.enable_mbm,
        }
    }
}

#[cfg(test)]
mod tests;
