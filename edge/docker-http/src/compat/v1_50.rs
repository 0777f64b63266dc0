//! What 1.50 took away: fields of an image's configuration that only a container's can have, and the state of the
//! bridge's netfilter hooks. It brought devices that drivers have found.

use serde_json::{Value, json};

pub(super) fn image_inspect(image: &mut Value) {
    let config = &mut image["Config"];
    for flag in ["AttachStderr", "AttachStdin", "AttachStdout", "OpenStdin", "StdinOnce", "Tty"] {
        config[flag] = json!(false);
    }
    for text in ["Domainname", "Hostname", "Image"] {
        config[text] = json!("");
    }
}

pub(super) fn info(info: &mut Value) {
    if let Some(fields) = info.as_object_mut() {
        fields.remove("DiscoveredDevices");
    }
    info["BridgeNfIptables"] = json!(false);
    info["BridgeNfIp6tables"] = json!(false);
}
