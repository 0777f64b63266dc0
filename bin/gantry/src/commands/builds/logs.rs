//! `builds logs`: what the commands of a build wrote.

use tokio::io::AsyncWriteExt;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;

/// Print the logs of a build
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    #[arg(required = true, hide = true)]
    build: String,
}

impl Verb for Logs {
    const USAGE: &'static str = "BUILD | latest";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let mut log = session.connect().await?.build_history_logs(&self.build).await?;
        let mut stdout = tokio::io::stdout();
        let copied = tokio::io::copy(&mut log, &mut stdout).await;
        let printed = match copied {
            Ok(_) => stdout.flush().await,
            Err(error) => Err(error),
        };
        match printed {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(Error::OutputClosed)
            }
            Err(source) => Err(Error::System { action: "print the log of a build", source }),
            Ok(()) => Ok(0),
        }
    }
}
