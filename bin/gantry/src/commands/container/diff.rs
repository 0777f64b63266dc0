//! `diff`: which files a container changed.

use gantry_api::container::FileChange;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Inspect changes to files or directories on a container's filesystem
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    #[arg(required = true, hide = true)]
    container: String,
}

impl Verb for Diff {
    const USAGE: &'static str = "CONTAINER";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        if self.container.is_empty() {
            return Err(Error::refused("container name cannot be empty"));
        }
        let changes = session.connect().await?.container_diff(&self.container).await?;
        output::print(&changes.iter().map(line).collect::<String>())?;
        Ok(0)
    }
}

fn line(change: &FileChange) -> String {
    let kind = match change.kind {
        0 => 'C',
        1 => 'A',
        2 => 'D',
        _ => '?',
    };
    format!("{kind} {}\n", change.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_its_letter() {
        let change = |kind| line(&FileChange { path: "/etc/a b".to_owned(), kind });
        assert_eq!([0, 1, 2].map(change), ["C /etc/a b\n", "A /etc/a b\n", "D /etc/a b\n"]);
    }
}
