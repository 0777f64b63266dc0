//! What goes into a shim's `start` and what comes out: the protobuf forms of containerd 2.3 and later,
//! and the forms of earlier versions (flags; an address or a line of JSON). Flags themselves are read
//! by the shim's `main`.
//!
//! Follows `api/runtime/bootstrap/v1/bootstrap.proto` of containerd, and `parseStartResponse` of its
//! shim manager for the earlier forms.

use crate::Error;
use crate::rpc::Any;
use crate::wire::{Message, messages};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest parameters or answer that is read.
pub const MAX_BYTES: usize = 1 << 20;

messages! {
    /// What containerd 2.3 and later write to the stdin of `start`.
    pub struct BootstrapParams {
        1 => instance_id: String,
        2 => namespace: String,
        3 => log_level: i32,
        4 => containerd_version: String,
        5 => containerd_ttrpc_address: String,
        6 => containerd_grpc_address: String,
        7 => containerd_binary: String,
        8 => extensions: Vec<Extension>,
        9 => socket_dir: String,
    }

    /// A further section of the parameters; none is needed here.
    pub struct Extension {
        1 => value: Option<Any>,
    }

    /// What such a `start` answers on its stdout.
    pub struct BootstrapResult {
        1 => version: i32,
        2 => address: String,
        3 => protocol: String,
        5 => metadata: BTreeMap<String, String>,
    }
}

/// The answer of `start` in the JSON of containerd 2.0 to 2.2.
#[derive(Serialize, Deserialize)]
struct JsonResult {
    version: i32,
    address: String,
    #[serde(default)]
    protocol: String,
}

impl BootstrapParams {
    /// The parameters on stdin, when they are there. Earlier versions of containerd write the
    /// runtime's options to the same place, so it counts only when the id agrees with the `-id` flag.
    pub fn from_stdin(stdin: &[u8], id_flag: &str) -> Option<Self> {
        let params = Self::decode(stdin).ok()?;
        let known = !params.instance_id.is_empty();
        (known && (id_flag.is_empty() || params.instance_id == id_flag)).then_some(params)
    }
}

impl BootstrapResult {
    /// An answer that names a ttrpc socket.
    pub fn ttrpc(version: i32, address: String) -> Self {
        Self { version, address, protocol: "ttrpc".to_owned(), metadata: BTreeMap::new() }
    }

    /// The answer in the JSON form.
    pub fn to_json(&self) -> String {
        let json = JsonResult {
            version: self.version,
            address: self.address.clone(),
            protocol: self.protocol.clone(),
        };
        // A struct of numbers and text always serialises.
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// Reads what any version 2 or 3 shim prints: an address, JSON, or protobuf.
    pub fn parse(stdout: &[u8]) -> Result<Self, Error> {
        if stdout.len() > MAX_BYTES {
            return Err(Error::Bootstrap("it is too long"));
        }
        let result = match std::str::from_utf8(stdout).map(str::trim) {
            Ok(text) if text.starts_with('{') => {
                let json: JsonResult = serde_json::from_str(text)
                    .map_err(|_| Error::Bootstrap("its JSON has no version and address"))?;
                Self { protocol: json.protocol, ..Self::ttrpc(json.version, json.address) }
            }
            Ok(text) if text.starts_with("unix:") || text.starts_with('/') => {
                Self::ttrpc(2, text.to_owned())
            }
            _ => Self::decode(stdout)
                .map_err(|_| Error::Bootstrap("it is neither an address, JSON nor protobuf"))?,
        };
        result.checked()
    }

    fn checked(self) -> Result<Self, Error> {
        if !matches!(self.version, 2 | 3) {
            return Err(Error::Bootstrap("its version is neither 2 nor 3"));
        }
        if !matches!(self.protocol.as_str(), "" | "ttrpc") {
            return Err(Error::Bootstrap("its protocol is not ttrpc"));
        }
        if !self.socket_path().starts_with('/') {
            return Err(Error::Bootstrap("its address is not the path of a unix socket"));
        }
        Ok(self)
    }

    /// The socket's path, without the scheme.
    pub fn socket_path(&self) -> &str {
        socket_path(&self.address)
    }
}

/// The path in an address such as `unix:///run/x.sock`; a bare path is one already.
pub fn socket_path(address: &str) -> &str {
    address.strip_prefix("unix://").unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stdout: &[u8], expected: Option<(i32, &str)>) {
        let parsed = BootstrapResult::parse(stdout).ok();
        let parsed = parsed.as_ref().map(|result| (result.version, result.socket_path()));
        assert_eq!(parsed, expected, "{}", String::from_utf8_lossy(stdout));
    }

    #[test]
    fn every_form_of_the_answer_is_read() {
        let result = BootstrapResult::ttrpc(3, "unix:///b/task.sock".to_owned());
        check(b"unix:///run/s/1", Some((2, "/run/s/1")));
        check(b"/run/s/1\n", Some((2, "/run/s/1")));
        check(result.to_json().as_bytes(), Some((3, "/b/task.sock")));
        check(&result.encode(), Some((3, "/b/task.sock")));
    }

    #[test]
    fn other_answers_are_refused() {
        check(b"", None);
        check(b"panic: no such thing", None);
        check(br#"{"version":1,"address":"unix:///x"}"#, None);
        check(br#"{"version":3,"address":"unix:///x","protocol":"grpc"}"#, None);
        check(br#"{"version":3,"address":"vsock://2:1"}"#, None);
        check(b"{", None);
        check(&vec![b'/'; MAX_BYTES + 1], None);
    }

    #[test]
    fn parameters_are_told_from_runtime_options() {
        let params = BootstrapParams { instance_id: "c1".to_owned(), ..Default::default() };
        let options =
            Any { type_url: "containerd.runc.v1.Options".to_owned(), value: vec![0x10, 1] };
        assert_eq!(BootstrapParams::from_stdin(&params.encode(), "c1"), Some(params.clone()));
        assert_eq!(BootstrapParams::from_stdin(&params.encode(), ""), Some(params));
        assert_eq!(BootstrapParams::from_stdin(&options.encode(), "c1"), None);
        assert_eq!(BootstrapParams::from_stdin(b"", "c1"), None);
        assert_eq!(BootstrapParams::from_stdin(b"\xff\xff", "c1"), None);
    }
}
