//! `system dial-stdio`: the daemon's socket on our standard streams, for a client that comes by `ssh`.

use tokio::io::{stdin, stdout};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;

/// Proxy the stdio stream to the daemon connection. Should not be invoked manually.
#[derive(Debug, clap::Args)]
pub(crate) struct DialStdio {}

impl Verb for DialStdio {
    const USAGE: &'static str = "";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        session.connect().await?.relay(stdin(), stdout()).await?;
        Ok(0)
    }
}
