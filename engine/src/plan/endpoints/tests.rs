//! Requests and what becomes of them.

use gantry_api::container::CreateRequest;
use gantry_types::ErrorKind;

use super::*;

fn plan(json: &str) -> Result<(Vec<EndpointPlan>, String), Error> {
    let CreateRequest { config, mut host_config, networking_config } =
        serde_json::from_str(json).unwrap();
    let network = Network::parse(&host_config.network_mode, &config, true)?;
    let endpoints = resolve(network, &mut host_config, networking_config)?;
    Ok((endpoints, host_config.network_mode))
}

#[test]
fn networks_are_those_of_the_mode_and_of_the_request() {
    for json in [
        "{}",
        r#"{"HostConfig":{"NetworkMode":"default"},"NetworkingConfig":{"EndpointsConfig":{"default":{}}}}"#,
    ] {
        let (endpoints, mode) = plan(json).unwrap();
        assert_eq!(
            (endpoints.len(), &*endpoints[0].network, &*mode),
            (1, "bridge", "bridge"),
            "{json}"
        );
    }
    let (endpoints, _) = plan(
        r#"{"HostConfig":{"NetworkMode":"one"},"NetworkingConfig":{"EndpointsConfig":{
            "one":{"IPAMConfig":{"IPv4Address":"10.0.0.9"},"MacAddress":"02:00:00:00:00:07"},
            "two":{"GwPriority":3}}}}"#,
    )
    .unwrap();
    let names: Vec<_> = endpoints.iter().map(|endpoint| &*endpoint.network).collect();
    assert_eq!(names, ["two", "one"], "the way out comes first");
    assert_eq!(endpoints[1].address, Some(Ipv4Addr::new(10, 0, 0, 9)));
    assert_eq!(endpoints[1].mac, Some([2, 0, 0, 0, 0, 7]));
    assert_eq!(plan(r#"{"HostConfig":{"NetworkMode":"none"}}"#).unwrap().0, []);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let endpoint = |network: &str, settings: &str| {
        format!(
            r#"{{"HostConfig":{{"NetworkMode":"{network}"}},"NetworkingConfig":{{"EndpointsConfig":{{"{network}":{settings}}}}}}}"#
        )
    };
    for (json, kind, says) in [
        (
            endpoint("bridge", r#"{"IPAMConfig":{"IPv4Address":"172.17.0.9"}}"#),
            ErrorKind::InvalidParameter,
            "user defined networks only",
        ),
        (
            endpoint("bridge", r#"{"Aliases":["db"]}"#),
            ErrorKind::InvalidParameter,
            "only supported for user-defined networks",
        ),
        (
            endpoint("mine", r#"{"IPAMConfig":{"IPv4Address":"10.0.0"}}"#),
            ErrorKind::InvalidParameter,
            "invalid IPv4 address: 10.0.0",
        ),
        (
            endpoint("mine", r#"{"MacAddress":"01:00:00:00:00:07"}"#),
            ErrorKind::InvalidParameter,
            "invalid MAC address",
        ),
        (
            endpoint("mine", r#"{"MacAddress":"zz"}"#),
            ErrorKind::InvalidParameter,
            "invalid MAC address",
        ),
        (
            endpoint("none", r#"{"Aliases":["db"]}"#),
            ErrorKind::InvalidParameter,
            "conflicting options",
        ),
    ] {
        let error = plan(&json).unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(says), "{json}: {error}");
    }
}
