//! `checkpoint ID`: writes a running container to files and ends it, or lets it run on.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use gantry_runtime::{AfterDump, CheckpointOptions, PageServer, Switch};
use gantry_sys::fds;

use crate::arguments::{Arguments, Flag, switch, value};
use crate::commands::create::undo;
use crate::criu::{self, Criu};
use crate::error::Error;
use crate::global::Global;

const OWN: [Flag; 7] = [
    value("parent-path"),
    switch("leave-running"),
    switch("tcp-skip-in-flight"),
    switch("link-remap"),
    value("status-fd"),
    value("page-server"),
    switch("pre-dump"),
];

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let flags: Vec<Flag> = criu::FLAGS.into_iter().chain(OWN).collect();
    let args = Arguments::parse("checkpoint", &flags, args)?;
    let id = args.only_id("checkpoint")?;
    let state_dir = global.state_dir(id)?;
    // Nothing is looked for on behalf of a container that is not there.
    gantry_runtime::state(&state_dir)?;
    let more = [("tcp-skip-in-flight", Switch::TcpSkipInFlight), ("link-remap", Switch::LinkRemap)];
    let criu = Criu::new(global, &args, &more)?;
    let status = args.number("status-fd")?.map(open_status).transpose()?;
    let after = match (args.is_set("pre-dump"), args.is_set("leave-running")) {
        (true, _) => AfterDump::PreDump,
        (false, true) => AfterDump::LeaveRunning,
        (false, false) => AfterDump::Kill,
    };
    let options = CheckpointOptions {
        after,
        parent: args.get("parent-path").filter(|path| !path.is_empty()).map(Path::new),
        page_server: args
            .get("page-server")
            .filter(|text| !text.is_empty())
            .map(server)
            .transpose()?,
        status_fd: status.as_ref().map(AsFd::as_fd),
        ..CheckpointOptions::new(criu.options())
    };
    gantry_runtime::checkpoint(&state_dir, &options)?;
    if after == AfterDump::Kill {
        undo(global, id)?;
    }
    Ok(0)
}

/// The caller's descriptor by its number.
fn open_status(number: u32) -> Result<File, Error> {
    let failed = |source| Error::File {
        what: "open for writing the --status-fd",
        path: format!("/proc/self/fd/{number}").into(),
        source,
    };
    if !fds::is_open(i32::try_from(number).unwrap_or(i32::MAX)) {
        return Err(Error::usage(format!("--status-fd {number} is not open")));
    }
    File::options().write(true).open(format!("/proc/self/fd/{number}")).map_err(failed)
}

/// `ADDRESS:PORT`, an IPv6 address in brackets or without.
fn server(text: &str) -> Result<PageServer<'_>, Error> {
    let parts = text.rsplit_once(':').and_then(|(address, port)| {
        let address =
            address.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(address);
        Some(PageServer { address, port: port.parse().ok().filter(|port| *port > 0)? })
    });
    parts.filter(|server| !server.address.is_empty()).ok_or_else(|| {
        Error::usage(format!("--page-server {text:?}: use ADDRESS:PORT to specify a page server"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_server_has_an_address_and_a_port() {
        for (text, address) in [("10.0.0.1:27", "10.0.0.1"), ("[::1]:27", "::1"), ("a.b:27", "a.b")]
        {
            let server = server(text).unwrap();
            assert_eq!((server.address, server.port), (address, 27));
        }
        for text in ["27", ":27", "a:", "a:0", "a:70000"] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
