//! The command line: every key of `given` as a flag, and what only a command line can say.

use std::path::PathBuf;

use clap::{ArgAction, Parser};

use crate::given::Given;

/// A container engine: Docker's API, its own runtime.
#[derive(Debug, Parser)]
#[command(name = "gantryd", version = env!("CARGO_PKG_VERSION"), disable_version_flag = true)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub given: Given,
    /// Settings in JSON; a key that a flag gives too is an error [default: /etc/gantry/daemon.json, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Check the flags and the file, and end
    #[arg(long)]
    pub validate: bool,
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: (),
}
