//! `POST /containers/create`.

use gantry_api::container::{Config, CreateRequest, HostConfig};
use gantry_api::network::NetworkingConfig;
use gantry_engine::Engine;
use gantry_engine::container::{CreateQuery, create};
use hyper::StatusCode;
use serde::Deserialize;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::{body, compat};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let version = call.version;
    let mut query = CreateQuery {
        name: call.query.get("name").map(str::to_owned),
        platform: call.query.get("platform").map(str::to_owned),
    };
    let mut request = parse(&call.json_bytes().await?)?;
    compat::upgrade_create(version, &mut query, &mut request)?;
    if !request.config.mac_address.is_empty() {
        let text = "a container has no MAC address of its own since API v1.52: set MacAddress of an endpoint in \
                    NetworkingConfig.EndpointsConfig";
        return Err(Error::Invalid(text.to_owned()));
    }
    let created = create(&engine, query, request).await?;
    reply::json(StatusCode::CREATED, &created)
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
