//! What `checkpoint` and `restore` have in common: flags, and where the program `criu` is.

use std::ffi::OsStr;
use std::path::PathBuf;

use gantry_runtime::{CgroupMode, CriuOptions, Switch, find_criu};

use crate::arguments::{Arguments, Flag, switch, value};
use crate::error::Error;
use crate::global::Global;

pub(crate) const FLAGS: [Flag; 10] = [
    value("image-path"),
    value("work-path"),
    switch("tcp-established"),
    switch("ext-unix-sk"),
    switch("shell-job"),
    switch("lazy-pages"),
    switch("file-locks"),
    value("manage-cgroups-mode"),
    value("empty-ns"),
    switch("auto-dedup"),
];

const SWITCHES: [(&str, Switch); 6] = [
    ("tcp-established", Switch::TcpEstablished),
    ("ext-unix-sk", Switch::ExternalUnixSockets),
    ("shell-job", Switch::ShellJob),
    ("lazy-pages", Switch::LazyPages),
    ("file-locks", Switch::FileLocks),
    ("auto-dedup", Switch::AutoDedup),
];

const PROGRAM: &str = "criu";
const DEFAULT_IMAGES: &str = "checkpoint";

/// The program and what it is to do, from the flags.
#[derive(Debug)]
pub(crate) struct Criu {
    program: PathBuf,
    image_dir: PathBuf,
    work_dir: Option<PathBuf>,
    switches: Vec<Switch>,
    cgroups: CgroupMode,
    empty_network: bool,
}

impl Criu {
    /// `more` are the switches that one of the two commands has for itself.
    pub(crate) fn new(
        global: &Global,
        args: &Arguments,
        more: &[(&str, Switch)],
    ) -> Result<Self, Error> {
        let path = |name| args.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let on = SWITCHES.iter().chain(more).filter(|(name, _)| args.is_set(name));
        Ok(Self {
            cgroups: cgroup_mode(args.get("manage-cgroups-mode").unwrap_or_default())?,
            empty_network: empty_network(args)?,
            switches: on.map(|(_, switch)| *switch).collect(),
            image_dir: path("image-path").unwrap_or_else(|| DEFAULT_IMAGES.into()),
            work_dir: path("work-path"),
            program: program(global)?,
        })
    }

    pub(crate) fn options(&self) -> CriuOptions<'_> {
        CriuOptions {
            work_dir: self.work_dir.as_deref(),
            switches: &self.switches,
            cgroups: self.cgroups,
            empty_network: self.empty_network,
            ..CriuOptions::new(&self.program, &self.image_dir)
        }
    }
}

/// The program, looked for once.
pub(crate) fn find(global: &Global) -> Option<PathBuf> {
    find_criu(
        OsStr::new(global.criu.as_deref().unwrap_or(PROGRAM)),
        OsStr::new(&global.search_path),
    )
}

fn program(global: &Global) -> Result<PathBuf, Error> {
    find(global).ok_or_else(|| match &global.criu {
        Some(name) => Error::usage(format!("--criu {name:?} is no program")),
        None => Error::usage(
            "checkpoint and restore need the program criu, and it is not in PATH: install the package criu",
        ),
    })
}

fn cgroup_mode(text: &str) -> Result<CgroupMode, Error> {
    Ok(match text {
        "" => CgroupMode::Default,
        "soft" => CgroupMode::Soft,
        "full" => CgroupMode::Full,
        "strict" => CgroupMode::Strict,
        "ignore" => CgroupMode::Ignore,
        other => {
            return Err(Error::usage(format!(
                "--manage-cgroups-mode is soft, full, strict or ignore, not {other:?}"
            )));
        }
    })
}

/// Of namespaces only the network's can stay empty.
fn empty_network(args: &Arguments) -> Result<bool, Error> {
    let mut all = args.all("empty-ns").filter(|name| !name.is_empty());
    match all.find(|name| *name != "network") {
        Some(other) => Err(Error::usage(format!("--empty-ns is network, not {other:?}"))),
        None => Ok(args.get("empty-ns").is_some_and(|name| !name.is_empty())),
    }
}
