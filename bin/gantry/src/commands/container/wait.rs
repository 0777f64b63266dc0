//! `wait`: until containers do not run, and how they ended.

use gantry_client::WaitCondition;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Block until one or more containers stop, then print their exit codes
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Wait {
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = session.connect().await?;
        let mut failed = false;
        for name in &self.containers {
            let wait = async {
                let wait = client.container_wait(name, WaitCondition::NotRunning).await?;
                let response = wait.result().await?;
                match response.error.filter(|error| !error.message.is_empty()) {
                    Some(error) => Err(Error::refused(error.message)),
                    None => Ok(response.status_code),
                }
            };
            match wait.await {
                Ok(code) => output::line(&code.to_string())?,
                Err(error) => {
                    output::remark(&error.report());
                    failed = true;
                }
            }
        }
        if failed { Err(Error::Reported) } else { Ok(0) }
    }
}
