//! Networks, as far as containers show them: endpoints, ports, the settings block of inspect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// `port/protocol` → where it is published; `null` when it is exposed only.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

/// The third part of a create: the endpoints to make, by network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkingConfig {
    #[serde(deserialize_with = "go::lenient")]
    pub endpoints_config: BTreeMap<String, Option<EndpointSettings>>,
}

/// Where a port is published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    #[serde(rename = "HostIp", deserialize_with = "go::lenient")]
    pub host_ip: String,
    /// One port or a range; empty lets the engine choose.
    #[serde(deserialize_with = "go::lenient")]
    pub host_port: String,
}

/// One port in a list of containers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Port {
    #[serde(rename = "IP", skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub ip: String,
    #[serde(deserialize_with = "go::lenient")]
    pub private_port: u16,
    /// Absent when exposed only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub public_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub r#type: String,
}

/// The driver option of an endpoint that has kernel parameters of its device: `name=value`, joined by commas.
pub const ENDPOINT_SYSCTLS: &str = "com.docker.network.endpoint.sysctls";
/// Stands for the device's name there.
pub const DEVICE_PLACEHOLDER: &str = "IFNAME";

/// One container's place in one network: as asked for, and as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSettings {
    #[serde(rename = "IPAMConfig", deserialize_with = "go::lenient")]
    pub ipam_config: Option<EndpointIpamConfig>,
    #[serde(with = "go::nil")]
    pub links: Vec<String>,
    #[serde(with = "go::nil")]
    pub aliases: Vec<String>,
    #[serde(deserialize_with = "go::lenient")]
    pub mac_address: String,
    #[serde(with = "go::nil")]
    pub driver_opts: BTreeMap<String, String>,
    /// Which endpoint gives the default gateway: the highest (from 1.48).
    #[serde(deserialize_with = "go::lenient")]
    pub gw_priority: i64,
    #[serde(rename = "NetworkID", deserialize_with = "go::lenient")]
    pub network_id: String,
    #[serde(rename = "EndpointID", deserialize_with = "go::lenient")]
    pub endpoint_id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub gateway: String,
    #[serde(rename = "IPAddress", deserialize_with = "go::lenient")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen", deserialize_with = "go::lenient")]
    pub ip_prefix_len: i64,
    #[serde(rename = "IPv6Gateway", deserialize_with = "go::lenient")]
    pub ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "go::lenient")]
    pub global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen", deserialize_with = "go::lenient")]
    pub global_ipv6_prefix_len: i64,
    #[serde(rename = "DNSNames", with = "go::nil")]
    pub dns_names: Vec<String>,
}

/// Addresses a user chose for an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointIpamConfig {
    #[serde(
        rename = "IPv4Address",
        skip_serializing_if = "go::is_zero",
        deserialize_with = "go::lenient"
    )]
    pub ipv4_address: String,
    #[serde(
        rename = "IPv6Address",
        skip_serializing_if = "go::is_zero",
        deserialize_with = "go::lenient"
    )]
    pub ipv6_address: String,
    #[serde(
        rename = "LinkLocalIPs",
        skip_serializing_if = "go::is_zero",
        deserialize_with = "go::lenient"
    )]
    pub link_local_ips: Vec<String>,
}

/// `NetworkSettings` of an inspected container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    #[serde(rename = "SandboxID", deserialize_with = "go::lenient")]
    pub sandbox_id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub sandbox_key: String,
    #[serde(deserialize_with = "go::lenient")]
    pub ports: PortMap,
    #[serde(deserialize_with = "go::lenient")]
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// `GET /networks/{name}`, and a row of `GET /networks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the document has as many flags")]
pub struct NetworkInspect {
    pub name: String,
    pub id: String,
    pub created: String,
    /// `local` or `swarm`.
    pub scope: String,
    pub driver: String,
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub config_from: ConfigReference,
    pub config_only: bool,
    /// By the container's id.
    #[serde(deserialize_with = "go::lenient")]
    pub containers: BTreeMap<String, NetworkContainer>,
    #[serde(deserialize_with = "go::lenient")]
    pub options: BTreeMap<String, String>,
    #[serde(deserialize_with = "go::lenient")]
    pub labels: BTreeMap<String, String>,
    /// In the document of one network only (from 1.52).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<NetworkStatus>,
}

/// What of a network changes while it is used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkStatus {
    #[serde(rename = "IPAM")]
    pub ipam: IpamStatus,
}

/// How full its subnets are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamStatus {
    /// By subnet. None of networks whose addresses are not the daemon's to give.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "go::lenient")]
    pub subnets: BTreeMap<String, SubnetStatus>,
}

/// How full one is; what is more than the numbers can say is their largest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubnetStatus {
    /// Addresses that nobody can get: taken, or reserved.
    #[serde(rename = "IPsInUse")]
    pub ips_in_use: u64,
    /// Addresses that can be given to who asks for none in particular.
    #[serde(rename = "DynamicIPsAvailable")]
    pub dynamic_ips_available: u64,
}

/// The network that another one takes its configuration from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigReference {
    #[serde(deserialize_with = "go::lenient")]
    pub network: String,
}

/// How a network's addresses are given out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    #[serde(deserialize_with = "go::lenient")]
    pub driver: String,
    /// Told as it was asked for: `null` and none are two things to clients.
    pub options: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "go::lenient")]
    pub config: Vec<IpamConfig>,
}

/// One subnet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamConfig {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub subnet: String,
    #[serde(
        rename = "IPRange",
        skip_serializing_if = "go::is_zero",
        deserialize_with = "go::lenient"
    )]
    pub ip_range: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub gateway: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// A container in a network's document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkContainer {
    pub name: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub mac_address: String,
    /// With the length of the prefix.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// `POST /networks/create`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the request has as many flags")]
pub struct NetworkCreateRequest {
    #[serde(deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(deserialize_with = "go::lenient")]
    pub driver: String,
    #[serde(deserialize_with = "go::lenient")]
    pub scope: String,
    #[serde(deserialize_with = "go::lenient")]
    pub internal: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub attachable: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub ingress: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub config_only: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub config_from: ConfigReference,
    #[serde(
        rename = "EnableIPv4",
        skip_serializing_if = "go::is_zero",
        deserialize_with = "go::lenient"
    )]
    pub enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6", deserialize_with = "go::lenient")]
    pub enable_ipv6: bool,
    #[serde(rename = "IPAM", deserialize_with = "go::lenient")]
    pub ipam: Ipam,
    #[serde(deserialize_with = "go::lenient")]
    pub options: BTreeMap<String, String>,
    #[serde(deserialize_with = "go::lenient")]
    pub labels: BTreeMap<String, String>,
}

/// The answer to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkCreated {
    pub id: String,
    #[serde(deserialize_with = "go::lenient")]
    pub warning: String,
}

/// `POST /networks/prune`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworksPruned {
    #[serde(with = "go::nil")]
    pub networks_deleted: Vec<String>,
}

/// `POST /networks/{name}/connect`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkConnect {
    /// A name or an id.
    #[serde(deserialize_with = "go::lenient")]
    pub container: String,
    #[serde(deserialize_with = "go::lenient")]
    pub endpoint_config: Option<EndpointSettings>,
}

/// `POST /networks/{name}/disconnect`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkDisconnect {
    /// A name or an id.
    #[serde(deserialize_with = "go::lenient")]
    pub container: String,
    /// A container that is gone is no error.
    #[serde(deserialize_with = "go::lenient")]
    pub force: bool,
}
