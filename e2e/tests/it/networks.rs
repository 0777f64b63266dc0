//! Bridge networks: containers reach one another and the outside, are reached by published ports, and keep all that while the daemon is
//! away. Each test has a host of its own: a network namespace in which its daemon runs. Here is the place that all of them share; the files
//! beside it have the tests.

mod bad_input;
mod basics;
mod clients;
mod connections;
mod debian;
mod ipv6;
mod killed;
mod names;
mod plugins;
mod programs;
mod published;
mod restarts;

use std::sync::Arc;

use gantry_testkit::{Daemon, NetworkHost, Options, busybox, poll};

struct Place {
    host: Arc<NetworkHost>,
    /// A machine at 192.0.2.2; the host is 192.0.2.1 there.
    outside: NetworkHost,
    daemon: Daemon,
}

impl Place {
    fn new() -> Self {
        Self::with(Vec::new())
    }

    fn with(environment: Vec<(String, String)>) -> Self {
        let (host, outside) = (Arc::new(NetworkHost::new()), NetworkHost::new());
        host.connect("wire", "192.0.2.1/24", &outside, "192.0.2.2/24");
        let network = Some(Arc::clone(&host));
        let daemon = Daemon::start_with(Options { network, environment, ..Options::default() });
        daemon.load(&busybox());
        Self { host, outside, daemon }
    }

    /// A web server that answers with its own name.
    fn serve(&self, name: &str, flags: &[&str]) {
        let script =
            format!("mkdir /www && echo {name} >/www/index.html && exec httpd -f -p 80 -h /www");
        let mut words = vec!["run", "-d", "--name", name];
        words.extend(flags);
        words.extend(["busybox", "sh", "-c", &script]);
        self.daemon.ok(&words);
    }

    fn address_of(&self, name: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.daemon.ok(&["inspect", "-f", format, name])
    }
}

fn fetch(from: &NetworkHost, address: &str, seconds: &str) -> String {
    from.fetch(&format!("http://{address}/"), seconds).trim().to_owned()
}

/// What a page says, asked for until it answers.
fn page(from: &NetworkHost, address: &str) -> String {
    poll(&format!("{address} answers"), || {
        Some(fetch(from, address, "5")).filter(|text| !text.is_empty())
    })
}

fn refuses(from: &NetworkHost, address: &str) -> bool {
    fetch(from, address, "1").is_empty()
}
