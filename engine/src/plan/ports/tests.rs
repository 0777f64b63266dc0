//! Requests and the ports that come of them.

use gantry_api::container::CreateRequest;
use gantry_types::ErrorKind;

use super::*;

fn published(json: &str) -> Result<Vec<String>, Error> {
    let request: CreateRequest = serde_json::from_str(json).unwrap();
    let wishes = ports(&request.config, &request.host_config)?;
    let text = |wish: &PortWish| {
        let range = wish.host_ports.as_ref();
        let host = range.map(|it| format!("{}-{}", it.start(), it.end())).unwrap_or_default();
        let address = wish.host_address.map(|it| it.to_string()).unwrap_or_default();
        format!("{address}:{host}->{}/{}", wish.port, wish.protocol.name())
    };
    Ok(wishes.iter().map(text).collect())
}

#[test]
fn ports_are_read() {
    let json = r#"{"ExposedPorts":{"9/udp":{},"80/tcp":{}},"HostConfig":{"PublishAllPorts":true,"PortBindings":{
        "80/tcp":[{"HostPort":"8080"},{"HostIp":"127.0.0.1","HostPort":"9000-9010"},
        {"HostIp":"[::1]"}],
        "53/udp":[{"HostPort":""}]}}}"#;
    let expected = [
        ":->53/udp",
        ":8080-8080->80/tcp",
        "127.0.0.1:9000-9010->80/tcp",
        "::1:->80/tcp",
        ":->9/udp",
    ];
    assert_eq!(published(json).unwrap(), expected);
    for (port, binding) in [
        ("80/dccp", "{}"),
        ("0/tcp", "{}"),
        ("70000", "{}"),
        ("80", r#"{"HostPort":"0x50"}"#),
        ("80", r#"{"HostPort":"90-80"}"#),
        ("80", r#"{"HostIp":"localhost"}"#),
    ] {
        let json = format!(r#"{{"HostConfig":{{"PortBindings":{{"{port}":[{binding}]}}}}}}"#);
        let error = published(&json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{json}: {error}");
    }
}
