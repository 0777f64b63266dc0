//! A managed plugin of the tests that is, as its configuration says, a driver of networks and addresses, a taker of logs, or a guard.
//! Networks are pairs of devices; what it takes and hears goes to files of its own root file system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::{io, thread};

use serde_json::{Value, json};

const SOCKET: &str = "/run/docker/plugins/many.sock";
/// What it took of logs.
const TAKEN: &str = "/taken";
/// What it was asked, a method on each line.
const HEARD: &str = "/heard";

fn main() -> io::Result<()> {
    let mut addresses = Addresses::default();
    let mut endpoints = BTreeMap::new();
    gantry_e2e::plugin_socket::serve(Path::new(SOCKET), |method, question| {
        let mut heard = OpenOptions::new().append(true).create(true).open(HEARD).expect("open");
        writeln!(heard, "{method}").expect("write down what was asked");
        match method.split_once('.').unwrap_or_default() {
            ("NetworkDriver", call) => network(call, question, &mut endpoints),
            ("IpamDriver", call) => addresses.answer(call, question),
            ("LogDriver", call) => log(call, question),
            ("AuthZPlugin", call) => guard(call, question),
            _ => json!({"Implements": []}),
        }
    })
}

fn text<'a>(question: &'a Value, key: &str) -> &'a str {
    question[key].as_str().unwrap_or_default()
}

/// Addresses by pool; each pool is a /24.
#[derive(Default)]
struct Addresses(BTreeMap<String, BTreeSet<String>>);

impl Addresses {
    fn answer(&mut self, call: &str, question: &Value) -> Value {
        match call {
            "GetDefaultAddressSpaces" => {
                json!({"LocalDefaultAddressSpace": "here", "GlobalDefaultAddressSpace": "there"})
            }
            "RequestPool" => {
                let pool = match text(question, "Pool") {
                    "" => "10.78.0.0/24",
                    pool => pool,
                };
                self.0.entry(pool.to_owned()).or_default();
                json!({"PoolID": pool, "Pool": pool})
            }
            "RequestAddress" => {
                let pool = text(question, "PoolID").to_owned();
                let first = pool.trim_end_matches("0/24").to_owned();
                let used = self.0.entry(pool).or_default();
                let wanted = text(question, "Address");
                let free = (1..255).map(|last| format!("{first}{last}"));
                let mut free =
                    free.filter(|it| !used.contains(it) && (wanted.is_empty() || it == wanted));
                let Some(address) = free.next() else {
                    return json!({"Err": "no such address is free"});
                };
                used.insert(address.clone());
                json!({"Address": format!("{address}/24")})
            }
            "ReleaseAddress" => {
                let used = self.0.entry(text(question, "PoolID").to_owned()).or_default();
                used.remove(text(question, "Address"));
                json!({})
            }
            _ => json!({}),
        }
    }
}

fn network(call: &str, question: &Value, endpoints: &mut BTreeMap<String, String>) -> Value {
    let id = text(question, "EndpointID").to_owned();
    let device = |first: char| format!("{first}{}", id.get(..10).unwrap_or_default());
    match call {
        "GetCapabilities" => json!({"Scope": "local"}),
        "CreateEndpoint" => {
            let address = question["Interface"]["Address"].as_str().unwrap_or_default();
            endpoints.insert(id, address.to_owned());
            json!({})
        }
        "Join" => {
            ip(&["link", "add", &device('p'), "type", "veth", "peer", "name", &device('q')]);
            let address = endpoints.get(&id).map_or("", String::as_str);
            let gateway = address.rsplit_once('.').map_or("", |(first, _)| first).to_owned() + ".1";
            json!({"InterfaceName": {"SrcName": device('q'), "DstPrefix": "eth"}, "Gateway": gateway})
        }
        "DeleteEndpoint" => {
            endpoints.remove(&id);
            ip(&["link", "del", &device('p')]);
            json!({})
        }
        _ => json!({}),
    }
}

fn ip(words: &[&str]) {
    // The other end may have gone with its namespace, and this one with it.
    let status = Command::new("/bin/ip").args(words).status().expect("run ip");
    assert!(status.success() || words[1] == "del", "ip {words:?}: {status}");
}

fn log(call: &str, question: &Value) -> Value {
    if call == "StartLogging" {
        let path = text(question, "File").to_owned();
        thread::spawn(move || {
            let mut taken = OpenOptions::new().append(true).create(true).open(TAKEN)?;
            io::copy(&mut File::open(path)?, &mut taken)
        });
    }
    json!({"Err": ""})
}

/// Volumes of one name are nobody's.
fn guard(call: &str, question: &Value) -> Value {
    let forbidden = text(question, "RequestUri").ends_with("/volumes/forbidden");
    json!({"Allow": call != "AuthZReq" || !forbidden, "Msg": "it is forbidden"})
}
