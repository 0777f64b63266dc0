//! `top`: a container's processes.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::table::layout;
use crate::output;
use crate::session::Session;

/// Display the running processes of a container
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    ps_options: Vec<String>,
}

impl Verb for Top {
    const USAGE: &'static str = "CONTAINER [ps OPTIONS]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = session.connect().await?;
        let top = client.container_top(&self.container, &self.ps_options.join(" ")).await?;
        let mut lines = vec![top.titles.join("\t")];
        lines.extend(top.processes.iter().map(|cells| cells.join("\t")));
        output::print(&layout(&lines))?;
        Ok(0)
    }
}
