//! What users may tell one endpoint by `driver-opt`, in Docker's words.

use std::collections::BTreeMap;

use gantry_api::network::{DEVICE_PLACEHOLDER, ENDPOINT_SYSCTLS};
use gantry_network::is_device_name;
use gantry_oci::runtime::sysctl_path;
use serde::{Deserialize, Serialize};

use crate::error::Error;

const DEVICE: &str = "com.docker.network.endpoint.ifname";
const PREFIX: &str = "com.docker.network.";

/// One endpoint's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct EndpointOptions {
    /// The device's name in the container.
    pub device: Option<String>,
    /// Kernel parameters as paths below `/proc/sys/net`, with a placeholder for the device.
    pub sysctls: Vec<(String, String)>,
}

impl EndpointOptions {
    /// The kernel parameters of a device.
    pub(crate) fn sysctls_of(&self, device: &str) -> Vec<(String, String)> {
        let named = |(path, value): &(String, String)| {
            (
                path.replace(&format!("/{DEVICE_PLACEHOLDER}/"), &format!("/{device}/")),
                value.clone(),
            )
        };
        self.sysctls.iter().map(named).collect()
    }
}

/// Reads Docker's options; those of others belong to whoever understands them.
pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<EndpointOptions, Error> {
    let mut parsed = EndpointOptions::default();
    for (key, value) in options {
        match key.as_str() {
            DEVICE if is_device_name(value) && value != "lo" => {
                parsed.device = Some(value.clone());
            }
            DEVICE => {
                return Err(Error::invalid(format!(
                    "invalid interface name {value:?} ({key}): up to 15 bytes, without slashes, colons and white space"
                )));
            }
            ENDPOINT_SYSCTLS => {
                let words = value.split(',').filter(|word| !word.trim().is_empty());
                parsed.sysctls = words.map(sysctl).collect::<Result<_, _>>()?;
            }
            other if other.starts_with(PREFIX) => {
                return Err(Error::invalid(format!("the endpoint option {other} is not known")));
            }
            _ => {}
        }
    }
    Ok(parsed)
}

/// `net.ipv4.conf.IFNAME.name=value`: only what belongs to the device itself.
fn sysctl(word: &str) -> Result<(String, String), Error> {
    let invalid =
        |why: &str| Error::invalid(format!("invalid sysctl {word:?} of a network endpoint: {why}"));
    let (name, value) =
        word.split_once('=').ok_or_else(|| invalid("it takes the form name=value"))?;
    let path = sysctl_path(name.trim()).ok_or_else(|| invalid("it is no kernel parameter"))?;
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["net", "ipv4" | "ipv6" | "mpls", "conf" | "neigh" | "input", DEVICE_PLACEHOLDER, name]
            if !value.contains('\0') && !matches!(*name, "." | "..") =>
        {
            let path = path.trim_start_matches("net/").to_owned();
            Ok((path, value.trim().to_owned()))
        }
        _ => Err(invalid(
            "only net.ipv4, net.ipv6 and net.mpls with IFNAME for the device are possible",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: &str) -> Result<EndpointOptions, Error> {
        parse(&[(key.to_owned(), value.to_owned())].into())
    }

    #[test]
    fn sysctls_are_the_device_s_own() {
        let text = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.forwarding=0";
        let options = one(ENDPOINT_SYSCTLS, text).unwrap();
        let expected = [
            ("ipv4/conf/eth3/log_martians".to_owned(), "1".to_owned()),
            ("ipv6/conf/eth3/forwarding".to_owned(), "0".to_owned()),
        ];
        assert_eq!(options.sysctls_of("eth3"), expected);
        for text in [
            "net.ipv4.conf.all.forwarding=1",
            "net.ipv4.conf.IFNAME.forwarding",
            "kernel.IFNAME.x=1",
            "net.ipv4.conf.IFNAME.../../x=1",
            "net/ipv4/conf/IFNAME/../all/forwarding=1",
            "net.core.IFNAME.somaxconn=1",
        ] {
            let error = one(ENDPOINT_SYSCTLS, text).unwrap_err().to_string();
            assert!(error.contains("of a network endpoint"), "{text}: {error}");
        }
    }

    #[test]
    fn devices_have_names_that_the_kernel_takes() {
        assert_eq!(one(DEVICE, "lan0").unwrap().device.as_deref(), Some("lan0"));
        for name in ["", "lo", "a/b", "sixteen-letters-", "a b"] {
            one(DEVICE, name).unwrap_err();
        }
        one("com.docker.network.endpoint.nothing", "1").unwrap_err();
        one("com.example.own", "1").unwrap();
    }
}
