//! The daemon's own log: structured lines on stderr.

use tracing_subscriber::filter::LevelFilter;

use crate::error::Error;
use crate::flags::{LogFormat, LogLevel};
use crate::settings::Settings;

/// Starts logging, once, before anything else happens.
pub(crate) fn start(settings: &Settings) -> Result<(), Error> {
    let level = match settings.log_level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Fatal => LevelFilter::ERROR,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false);
    let started = match settings.log_format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|source| Error::Log { source })
}
