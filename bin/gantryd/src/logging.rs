//! The daemon's own log: structured lines on stderr, at a level that can be changed.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::error::Error;
use crate::given::{LogFormat, LogLevel};
use crate::settings::Settings;

/// The log's level.
pub(crate) struct Level(reload::Handle<LevelFilter, Registry>);

impl Level {
    /// From now on this one.
    pub(crate) fn set(&self, level: LogLevel) {
        // Fails only when there is no log any more.
        drop(self.0.reload(filter(level)));
    }
}

/// Starts logging, once, before anything else happens.
pub(crate) fn start(settings: &Settings) -> Result<Level, Error> {
    let (level, handle) = reload::Layer::new(filter(settings.log_level));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines: Box<dyn Layer<_> + Send + Sync> = match settings.log_format {
        LogFormat::Text => Box::new(lines.with_ansi(false)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    let started = tracing_subscriber::registry().with(level).with(lines).try_init();
    started.map_err(|source| Error::Log { source: source.into() })?;
    Ok(Level(handle))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Fatal | LogLevel::Panic => LevelFilter::ERROR,
    }
}
