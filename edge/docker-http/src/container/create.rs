//! `POST /containers/create`.

use gantry_api::container::{Config, CreateRequest, HostConfig};
use gantry_api::network::{DEVICE_PLACEHOLDER, ENDPOINT_SYSCTLS, NetworkingConfig, PortBinding};
use gantry_engine::Engine;
use gantry_engine::container::{CreateQuery, create};
use hyper::StatusCode;
use serde::Deserialize;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::version::ApiVersion;
use crate::{body, compat};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let version = call.version;
    let mut query = CreateQuery {
        name: call.query.get("name").map(str::to_owned),
        platform: call.query.get("platform").map(str::to_owned),
    };
    let mut request = parse(&call.json_bytes().await?)?;
    let mut warnings = compat::upgrade_create(version, &mut query, &mut request)?;
    check(&request)?;
    // Docker tells of what is to come only from here on.
    let empty = publish_empty(&mut request);
    warnings.extend(empty.filter(|_| version >= ApiVersion::one(52)));
    let mut created = create(&engine, query, request).await?;
    created.warnings.extend(warnings);
    reply::json(StatusCode::CREATED, &created)
}

/// Refuses what only older versions know.
fn check(request: &CreateRequest) -> Result<(), Error> {
    if !request.config.mac_address.is_empty() {
        let text = "a container has no MAC address of its own since API v1.52: set MacAddress of an endpoint in \
                    NetworkingConfig.EndpointsConfig";
        return Err(Error::Invalid(text.to_owned()));
    }
    let host = &request.host_config;
    // Nothing of a network can be set in one that is not the container's: the engine says so.
    let is_shared = host.network_mode == "host" || host.network_mode.starts_with("container:");
    let of_device = host.sysctls.keys().find(|name| endpoint_sysctl(name).is_some());
    if let Some(name) = of_device.filter(|_| !is_shared) {
        return Err(Error::Invalid(format!(
            "interface specific sysctl setting {name:?} must be supplied using driver option '{ENDPOINT_SYSCTLS}'"
        )));
    }
    Ok(())
}

/// A port without a binding is published at any free one. The warning tells which ports those are.
fn publish_empty(request: &mut CreateRequest) -> Option<String> {
    let mut empty = Vec::new();
    for (port, bindings) in &mut request.host_config.port_bindings {
        let bindings = bindings.get_or_insert_default();
        if bindings.is_empty() {
            bindings.push(PortBinding::default());
            empty.push(port.as_str());
        }
    }
    let ports = empty.join(", ");
    (!ports.is_empty()).then(|| {
        format!(
            "Following container port(s) have an empty list of port-bindings: {ports}. Such bindings will be discarded in a future version."
        )
    })
}

/// A kernel parameter of the first device as one of an endpoint, which knows no name for its device.
pub(crate) fn endpoint_sysctl(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.splitn(5, '.').collect();
    let ["net", family, kind, "eth0", parameter] = parts[..] else { return None };
    Some(format!("net.{family}.{kind}.{DEVICE_PLACEHOLDER}.{parameter}"))
}

/// Reads the body twice, once for the fields of its first level and once for the two documents within, because an
/// error that names its field is worth more than the microseconds.
fn parse(bytes: &[u8]) -> Result<CreateRequest, Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Within {
        host_config: Option<HostConfig>,
        networking_config: Option<NetworkingConfig>,
    }

    if bytes.is_empty() {
        return Err(Error::NoBody);
    }
    let config: Config = body::parse(bytes)?;
    let within: Within = body::parse(bytes)?;
    let mut host_config = within.host_config.unwrap_or_default();
    // Gone with 1.42 and 1.52, and without effect on the kernels we run on: passed over, as Docker does.
    host_config.kernel_memory = 0;
    host_config.kernel_memory_tcp = 0;
    Ok(CreateRequest {
        config,
        host_config,
        networking_config: within.networking_config.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_three_parts() {
        let body = br#"{"Image":"a","HostConfig":{"Memory":1,"KernelMemory":9},"NetworkingConfig":{"EndpointsConfig":{"n":null}}}"#;
        let request = parse(body).unwrap();
        assert_eq!((request.config.image.as_str(), request.host_config.memory), ("a", 1));
        assert_eq!(request.host_config.kernel_memory, 0);
        assert!(request.networking_config.endpoints_config.contains_key("n"));
        assert_eq!(parse(b"{\"HostConfig\":null}").unwrap(), CreateRequest::default());
    }

    fn checked(json: &str) -> Result<(), String> {
        let request = parse(format!(r#"{{"HostConfig":{{{json}}}}}"#).as_bytes()).unwrap();
        check(&request).map_err(|error| error.to_string())
    }

    #[test]
    fn ports_without_a_binding_are_published_at_any() {
        let json = r#"{"HostConfig":{"PortBindings":{"53/udp":null,"80/tcp":[],"90/tcp":[{"HostPort":"9"}]}}}"#;
        let mut request = parse(json.as_bytes()).unwrap();
        let warning = publish_empty(&mut request).unwrap();
        assert!(warning.contains("port-bindings: 53/udp, 80/tcp."), "{warning}");
        let ports = &request.host_config.port_bindings;
        let any = Some(vec![PortBinding::default()]);
        assert_eq!((&ports["53/udp"], &ports["80/tcp"]), (&any, &any));
        assert_eq!(ports["90/tcp"].as_ref().unwrap()[0].host_port, "9");
        assert_eq!(publish_empty(&mut request), None);
    }

    #[test]
    fn sysctls_of_a_device_are_its_endpoint_s() {
        let sysctl = |name: &str, mode: &str| {
            checked(&format!(r#""Sysctls":{{"{name}":"1"}},"NetworkMode":"{mode}""#))
        };
        for mode in ["", "bridge", "mine", "none"] {
            let text = sysctl("net.ipv4.conf.eth0.log_martians", mode).unwrap_err();
            assert!(text.contains("'com.docker.network.endpoint.sysctls'"), "{mode}: {text}");
        }
        sysctl("net.ipv4.conf.eth0.log_martians", "host").unwrap();
        sysctl("net.ipv4.conf.all.log_martians", "bridge").unwrap();
        sysctl("net.ipv4.ip_forward", "bridge").unwrap();
    }

    #[test]
    fn errors_name_the_field() {
        let text = |body: &str| parse(body.as_bytes()).unwrap_err().to_string();
        assert!(
            text(r#"{"HostConfig":{"Memory":"1g"}}"#).contains("HostConfig.Memory: invalid type")
        );
        assert!(text(r#"{"Tty":"yes"}"#).contains("Tty: invalid type"));
        assert_eq!(text(""), "invalid JSON: got EOF while reading request body");
    }
}
