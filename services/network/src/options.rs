//! What users may tell a bridge by `--opt`, in Docker's words. What the engine does not know is refused, for it would change nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

pub(crate) const DEVICE: &str = "com.docker.network.bridge.name";
pub(crate) const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.";
const LEAST_MTU: u32 = 68;
const MOST_MTU: u32 = 65_535;
/// IPv6 cannot do with less (RFC 8200).
const LEAST_MTU_OF_IPV6: u32 = 1280;

/// Who reaches a network's containers from where, for one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayMode {
    /// Published ports only; containers go out under the host's address.
    #[default]
    Nat,
    /// Every port of a container can be reached by its own address.
    NatUnprotected,
    /// Published ports by the container's own address; containers go out under their own, too.
    Routed,
    /// The bridge has no address of its own. For internal networks.
    Isolated,
}

/// How a bridge treats its containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BridgeOptions {
    /// Whether containers reach one another.
    pub icc: bool,
    /// Whether they go out under the host's address.
    pub masquerade: bool,
    pub gateway_mode4: GatewayMode,
    pub gateway_mode6: GatewayMode,
    /// Where ports are published that name no address of the host.
    pub host_binding: Option<IpAddr>,
    /// The bridge gets no IPv4 address.
    pub inhibit_ipv4: bool,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self {
            icc: true,
            masquerade: true,
            gateway_mode4: GatewayMode::Nat,
            gateway_mode6: GatewayMode::Nat,
            host_binding: None,
            inhibit_ipv4: false,
        }
    }
}

impl BridgeOptions {
    pub(crate) fn parse(options: &BTreeMap<String, String>, internal: bool) -> Result<Self> {
        let mut parsed = Self::default();
        for (key, value) in options {
            let Some(name) = key.strip_prefix(PREFIX) else { continue };
            let invalid = || Error::InvalidOption { key: key.clone(), value: value.clone() };
            match name {
                "bridge.name"
                | "driver.mtu"
                | "bridge.default_bridge"
                | "enable_ipv4"
                | "enable_ipv6" => {}
                "container_iface_prefix" => check_prefix(value).ok_or_else(invalid)?,
                "bridge.enable_icc" => parsed.icc = boolean(value).ok_or_else(invalid)?,
                "bridge.enable_ip_masquerade" => {
                    parsed.masquerade = boolean(value).ok_or_else(invalid)?;
                }
                "bridge.inhibit_ipv4" => {
                    parsed.inhibit_ipv4 = boolean(value).ok_or_else(invalid)?;
                }
                "bridge.host_binding_ipv4" => {
                    let address = value.parse::<IpAddr>().ok().filter(IpAddr::is_ipv4);
                    parsed.host_binding = match value.as_str() {
                        "" => None,
                        _ => Some(address.ok_or_else(invalid)?),
                    };
                }
                "bridge.gateway_mode_ipv4" => {
                    parsed.gateway_mode4 = mode(value, internal).ok_or_else(invalid)?;
                }
                "bridge.gateway_mode_ipv6" => {
                    parsed.gateway_mode6 = mode(value, internal).ok_or_else(invalid)?;
                }
                _ => return Err(Error::UnknownOption { key: key.clone() }),
            }
        }
        Ok(parsed)
    }
}

/// The packets' greatest length: what the options say, else `default`.
pub(crate) fn mtu(options: &BTreeMap<String, String>, default: u32, has_ipv6: bool) -> Result<u32> {
    let Some(text) = options.get(MTU) else { return Ok(default) };
    let (least, most) = (if has_ipv6 { LEAST_MTU_OF_IPV6 } else { LEAST_MTU }, MOST_MTU);
    let mtu = text.parse().ok().filter(|mtu| (least..=most).contains(mtu));
    mtu.ok_or_else(|| Error::InvalidMtu { text: text.clone(), least, most })
}

/// As Go reads a flag.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn mode(text: &str, internal: bool) -> Option<GatewayMode> {
    match text {
        "" | "nat" => Some(GatewayMode::Nat),
        "nat-unprotected" => Some(GatewayMode::NatUnprotected),
        "routed" => Some(GatewayMode::Routed),
        // The containers of others would have a gateway that nobody is.
        "isolated" => internal.then_some(GatewayMode::Isolated),
        _ => None,
    }
}

/// With three digits behind it, it still has to be a device's name.
fn check_prefix(text: &str) -> Option<()> {
    let fits =
        text.is_empty() || format!("{text}999").parse::<gantry_netlink::route::LinkName>().is_ok();
    (fits && text != "lo").then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, value: &str, internal: bool) -> Result<BridgeOptions> {
        BridgeOptions::parse(&[(format!("{PREFIX}{key}"), value.to_owned())].into(), internal)
    }

    #[test]
    fn options_have_docker_s_words() {
        assert_eq!(
            BridgeOptions::parse(&BTreeMap::new(), false).unwrap(),
            BridgeOptions::default()
        );
        assert!(!parse("bridge.enable_icc", "false", false).unwrap().icc);
        assert!(!parse("bridge.enable_ip_masquerade", "0", false).unwrap().masquerade);
        let mode = parse("bridge.gateway_mode_ipv6", "nat-unprotected", false).unwrap();
        assert_eq!(mode.gateway_mode6, GatewayMode::NatUnprotected);
        let mode = parse("bridge.gateway_mode_ipv4", "isolated", true).unwrap();
        assert_eq!(mode.gateway_mode4, GatewayMode::Isolated);
        let binding = parse("bridge.host_binding_ipv4", "127.0.0.1", false).unwrap();
        assert_eq!(binding.host_binding, Some("127.0.0.1".parse().unwrap()));
        let foreign = [("com.example.anything".to_owned(), "1".to_owned())];
        BridgeOptions::parse(&foreign.into(), false).unwrap();
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (key, value) in [
            ("bridge.enable_icc", "maybe"),
            ("bridge.gateway_mode_ipv4", "isolated"),
            ("bridge.gateway_mode_ipv4", "tunnel"),
            ("bridge.host_binding_ipv4", "::1"),
            ("container_iface_prefix", "a/b"),
            ("container_iface_prefix", "thirteen-long"),
            ("bridge.no_such_thing", "1"),
        ] {
            let error = parse(key, value, false).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
