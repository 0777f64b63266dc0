//! `logs`: what a container has written.

use gantry_client::{LogsQuery, demultiplex};
use gantry_sys::clock;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::time::moment;
use crate::session::Session;
use crate::streams::copy_raw;

/// Fetch the logs of a container
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long)]
    since: Option<String>,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, default_value = "all")]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long)]
    until: Option<String>,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Verb for Logs {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = session.connect().await?;
        let known = client.container_inspect(&self.container).await?;
        let now = clock::now();
        let query = LogsQuery {
            follow: self.follow,
            stdout: true,
            stderr: true,
            timestamps: self.timestamps,
            details: self.details,
            since: self.since.map(|text| moment(&text, now)),
            until: self.until.map(|text| moment(&text, now)),
            tail: Some(self.tail),
        };
        let mut log = client.container_logs(&known.id, &query).await?;
        let mut stdout = tokio::io::stdout();
        if known.config.tty {
            copy_raw(&mut log, &mut stdout).await?;
        } else {
            demultiplex(&mut log, &mut stdout, &mut tokio::io::stderr()).await?;
        }
        Ok(0)
    }
}
