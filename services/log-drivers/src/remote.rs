//! Which drivers there are, and what all of them have in common.

use crate::delivery::Delivery;
use crate::fluentd::Fluentd;
use crate::gelf::Gelf;
use crate::journald::Journald;
use crate::syslog::Syslog;
use crate::{Error, Origin};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The drivers that send to other programs.
pub const NAMES: [&str; 4] = ["fluentd", "gelf", "journald", "syslog"];

/// Docker's drivers that are not there, for the error that says so.
pub const NOT_THERE: [&str; 4] = ["awslogs", "etwlogs", "gcplogs", "splunk"];

/// Options that every driver takes, and that others read.
pub(crate) const COMMON: [&str; 5] = ["env", "env-regex", "labels", "labels-regex", "tag"];

/// Where output is sent, as the options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Fluentd(Fluentd),
    Gelf(Gelf),
    Journald(Journald),
    Syslog(Syslog),
}

impl Remote {
    /// Reads the options of a driver; `None`: it is none of these. `journal` is the journal's socket.
    pub fn parse(
        driver: &str,
        options: &BTreeMap<String, String>,
        journal: PathBuf,
    ) -> Result<Option<Self>, Error> {
        let kind = match driver {
            "fluentd" => Kind::Fluentd(Fluentd::parse(options)?),
            "gelf" => Kind::Gelf(Gelf::parse(options)?),
            "journald" => Kind::Journald(Journald::parse(options, journal)?),
            "syslog" => Kind::Syslog(Syslog::parse(options)?),
            _ => return Ok(None),
        };
        Ok(Some(Self(kind)))
    }

    /// Connects. Blocks for a limited time.
    pub fn connect(&self, origin: &Origin) -> Result<Box<dyn Delivery>, Error> {
        match &self.0 {
            Kind::Fluentd(fluentd) => fluentd.connect(origin),
            Kind::Gelf(gelf) => gelf.connect(origin),
            Kind::Journald(journald) => journald.connect(origin),
            Kind::Syslog(syslog) => syslog.connect(origin),
        }
    }

    /// Whether a container may start although nobody listens.
    pub fn may_be_away(&self) -> bool {
        matches!(&self.0, Kind::Fluentd(fluentd) if fluentd.is_async())
    }

    /// How often a message is tried again before it is given up, if ever, and after which pause.
    pub fn retries(&self) -> Retries {
        let (limit, pause) = match &self.0 {
            Kind::Fluentd(fluentd) => fluentd.retries(),
            Kind::Gelf(gelf) => gelf.retries(),
            Kind::Journald(_) | Kind::Syslog(_) => (None, DEFAULT_PAUSE),
        };
        Retries { limit, pause }
    }
}

const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// When a delivery that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// `None`: for ever.
    pub limit: Option<u32>,
    /// Between one and the next.
    pub pause: Duration,
}
