//! `volume create`: a directory that outlives containers.

use gantry_api::volume::VolumeCreateRequest;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::flags::value;
use crate::output;
use crate::session::Session;

/// Create a volume
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Specify volume driver name
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Set metadata for a volume
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Specify volume name
    #[arg(long, hide = true)]
    name: Option<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = value::pair)]
    opt: Vec<(String, String)>,
    #[arg(hide = true)]
    volume: Option<String>,
}

impl Verb for Create {
    const USAGE: &'static str = "[OPTIONS] [VOLUME]";
    const TAKES: Takes = Takes::AtMost(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        if self.name.is_some() && self.volume.is_some() {
            return Err(Error::refused(
                "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
            ));
        }
        // A label without a value is an empty one.
        let label = |word: String| match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (word, String::new()),
        };
        let request = VolumeCreateRequest {
            name: self.name.or(self.volume).unwrap_or_default(),
            driver: self.driver,
            driver_opts: self.opt.into_iter().collect(),
            labels: self.label.into_iter().map(label).collect(),
            cluster_volume_spec: None,
        };
        let created = session.connect().await?.volume_create(&request).await?;
        output::line(&created.name)?;
        Ok(0)
    }
}
