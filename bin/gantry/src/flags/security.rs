//! How the container is kept apart: capabilities, namespaces, devices, cgroups, kernel parameters.

use std::path::Path;

use gantry_api::container::{CreateRequest, DeviceMapping, DeviceRequest};

use super::{gpus, value};
use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct SecurityFlags {
    /// Add Linux capabilities
    #[arg(long)]
    cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long)]
    cap_drop: Vec<String>,
    /// Optional parent cgroup for the container
    #[arg(long)]
    cgroup_parent: Option<String>,
    /// Cgroup namespace to use (host|private)
    #[arg(long)]
    cgroupns: Option<String>,
    /// Add a host device to the container
    #[arg(long)]
    device: Vec<String>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_parser = device_rule)]
    device_cgroup_rule: Vec<String>,
    /// GPU devices to add to the container ('all' to pass all GPUs)
    #[arg(long, value_parser = gpus::request)]
    gpus: Vec<DeviceRequest>,
    /// IPC mode to use
    #[arg(long)]
    ipc: Option<String>,
    /// Container isolation technology
    #[arg(long, hide = true)]
    isolation: Option<String>,
    /// PID namespace to use
    #[arg(long)]
    pid: Option<String>,
    /// Give extended privileges to this container
    #[arg(long)]
    privileged: bool,
    /// Runtime to use for this container
    #[arg(long)]
    runtime: Option<String>,
    /// Security Options
    #[arg(long)]
    security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_parser = value::sysctl)]
    sysctl: Vec<(String, String)>,
    /// User namespace to use
    #[arg(long)]
    userns: Option<String>,
    /// UTS namespace to use
    #[arg(long)]
    uts: Option<String>,
}

impl SecurityFlags {
    pub(super) fn apply(&self, request: &mut CreateRequest) -> Result<(), Error> {
        let host = &mut request.host_config;
        host.cap_add.clone_from(&self.cap_add);
        host.cap_drop.clone_from(&self.cap_drop);
        host.cgroup_parent = self.cgroup_parent.clone().unwrap_or_default();
        host.cgroupns_mode = self.cgroupns.clone().unwrap_or_default();
        host.device_cgroup_rules.clone_from(&self.device_cgroup_rule);
        host.device_requests.clone_from(&self.gpus);
        host.ipc_mode = self.ipc.clone().unwrap_or_default();
        host.isolation = self.isolation.clone().unwrap_or_default();
        host.pid_mode = self.pid.clone().unwrap_or_default();
        host.privileged = self.privileged;
        host.runtime = self.runtime.clone().unwrap_or_default();
        host.sysctls = self.sysctl.iter().cloned().collect();
        host.userns_mode = self.userns.clone().unwrap_or_default();
        host.uts_mode = self.uts.clone().unwrap_or_default();
        for option in &self.security_opt {
            match option.as_str() {
                // No option of the daemon's: it means two lists without anything in them.
                "systempaths=unconfined" | "systempaths:unconfined" => {
                    host.masked_paths = Some(Vec::new());
                    host.readonly_paths = Some(Vec::new());
                }
                option => host.security_opt.push(security_option(option)?),
            }
        }
        // A name without a slash before it is one of the Container Device Interface.
        let (named, paths): (Vec<_>, Vec<_>) = self
            .device
            .iter()
            .partition(|text| !text.starts_with('/') && text.contains('/') && text.contains('='));
        if !named.is_empty() {
            host.device_requests.push(DeviceRequest {
                driver: "cdi".to_owned(),
                device_ids: named.into_iter().cloned().collect(),
                ..DeviceRequest::default()
            });
        }
        host.devices = paths.into_iter().map(|text| device(text)).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// `host path[:container path][:permissions]`.
fn device(text: &str) -> Result<DeviceMapping, Error> {
    let is_mode =
        |word: &str| !word.is_empty() && word.len() <= 3 && word.chars().all(|c| "rwm".contains(c));
    let parts: Vec<_> = text.split(':').collect();
    let (host, container, mode) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, mode] if is_mode(mode) => (*host, *host, *mode),
        [host, container] => (*host, *container, "rwm"),
        [host, container, mode] if is_mode(mode) => (*host, *container, *mode),
        [_, _, mode] => return Err(Error::refused(format!("bad mode specified: {mode}"))),
        _ => return Err(Error::refused(format!("bad format for path: {text}"))),
    };
    if !container.starts_with('/') || host.is_empty() {
        return Err(Error::refused(format!(
            "bad format for path: {text}: {container} is not an absolute path"
        )));
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

/// `type major:minor permissions`, as the kernel's first cgroup version has them.
fn device_rule(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.split(' ').collect();
    let number = |text: &str| text == "*" || text.parse::<u32>().is_ok();
    let [kind, numbers, mode] = parts.as_slice() else {
        return Err(format!("invalid device cgroup format '{text}'"));
    };
    let numbers_fit = numbers.split_once(':').is_some_and(|(a, b)| number(a) && number(b));
    let mode_fits = (1..=3).contains(&mode.len()) && mode.chars().all(|c| "rwm".contains(c));
    if matches!(*kind, "a" | "b" | "c") && numbers_fit && mode_fits {
        return Ok(text.to_owned());
    }
    Err(format!("invalid device cgroup format '{text}'"))
}

/// A seccomp profile is read here, because the path is ours and not the daemon's.
fn security_option(text: &str) -> Result<String, Error> {
    /// Docker's own profile is a tenth of this.
    const LIMIT_BYTES: u64 = 1 << 20;

    let (key, value) = match text.split_once('=') {
        Some(pair) => pair,
        None => match text.split_once(':') {
            Some(pair) => pair,
            None if text == "no-new-privileges" => return Ok(text.to_owned()),
            None => return Err(Error::refused(format!("invalid --security-opt: {text:?}"))),
        },
    };
    if key != "seccomp" || matches!(value, "unconfined" | "builtin") {
        return Ok(text.to_owned());
    }
    let path = Path::new(value);
    let failed = Error::file("open the seccomp profile", path);
    let length = path.metadata().map_err(failed)?.len();
    if length > LIMIT_BYTES {
        let text = format!("the seccomp profile {value} is longer than {LIMIT_BYTES} bytes");
        return Err(Error::Refused(text));
    }
    let profile = std::fs::read(path).map_err(Error::file("read the seccomp profile", path))?;
    let profile: serde_json::Value = serde_json::from_slice(&profile).map_err(|error| {
        Error::refused(format!("the seccomp profile {value} is not JSON: {error}"))
    })?;
    Ok(format!("seccomp={profile}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        let check = |text: &str, expected: (&str, &str, &str)| {
            let found = device(text).unwrap();
            let found =
                (&*found.path_on_host, &*found.path_in_container, &*found.cgroup_permissions);
            assert_eq!(found, expected, "{text}");
        };
        check("/dev/null", ("/dev/null", "/dev/null", "rwm"));
        check("/dev/null:r", ("/dev/null", "/dev/null", "r"));
        check("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm"));
        check("/dev/a:/dev/b:rw", ("/dev/a", "/dev/b", "rw"));
        for text in ["a:b:c:d", "/dev/a:/dev/b:x", "/dev/a:b", ""] {
            assert!(device(text).is_err(), "{text}");
        }
    }

    #[test]
    fn device_rules() {
        assert!(device_rule("c 1:3 mr").is_ok() && device_rule("a *:* rwm").is_ok());
        for text in ["", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 q"] {
            assert!(device_rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_seccomp_profile_is_sent_as_a_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }").unwrap();
        let option = security_option(&format!("seccomp={}", file.path().display())).unwrap();
        assert_eq!(option, "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
        assert_eq!(security_option("seccomp=unconfined").unwrap(), "seccomp=unconfined");
        assert_eq!(security_option("no-new-privileges").unwrap(), "no-new-privileges");
        assert!(
            security_option("seccomp=/nonexistent").unwrap_err().report().contains("/nonexistent")
        );
        assert!(security_option("foo").is_err());
    }
}
