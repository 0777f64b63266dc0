//! `cp`: files between a container and this machine.
//!
//! What goes where follows Docker's rules for what is at both ends (`copy/plan.rs`); the files themselves are archives.

mod local;
mod plan;
mod relay;

use gantry_api::container::ContainerPathStat;
use gantry_client::{Client, CopyInQuery, Upload};
use gantry_types::ErrorKind;

use crate::cli::{Takes, Verb};
use crate::commands::archive;
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;
use crate::terminal;

use plan::{Destination, Source};

/// Copy files/folders between a container and the local filesystem
#[derive(Debug, clap::Args)]
pub(crate) struct Copy {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached
    #[arg(short, long)]
    quiet: bool,
    #[arg(required = true, hide = true)]
    source: String,
    #[arg(required = true, hide = true)]
    destination: String,
}

impl Verb for Copy {
    const USAGE: &'static str = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n       gantry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let [from, to] = [&self.source, &self.destination].map(|word| split(word));
        match (from, to) {
            (Some(_), Some(_)) => {
                Err(Error::refused("copying between containers is not supported"))
            }
            (None, None) => Err(Error::refused("must specify at least one container source")),
            (Some((container, path)), None) => {
                let client = session.connect().await?;
                self.copy_out(&client, container, path).await
            }
            (None, Some((container, path))) => {
                let client = session.connect().await?;
                self.copy_in(&client, container, path).await
            }
        }
    }
}

/// `container:path`; nothing when it is a path of this machine.
fn split(word: &str) -> Option<(&str, &str)> {
    if word.starts_with('/') || word == "-" {
        return None;
    }
    word.split_once(':').filter(|(container, _)| !container.starts_with('.'))
}

impl Copy {
    async fn copy_out(&self, client: &Client, container: &str, path: &str) -> Result<u8, Error> {
        let to_stdout = self.destination == "-";
        if to_stdout {
            archive::check_output(None)?;
        }
        let (mut path, mut called) = (path.to_owned(), plan::last(path));
        if self.follow_link {
            let stat = client.container_path_stat(container, &path).await;
            // One that is not there is told below, in words.
            if let Ok(ContainerPathStat { link_target, .. }) = &stat
                && !link_target.is_empty()
            {
                path.clone_from(link_target);
            }
        } else {
            called = plan::last(&path);
        }
        let destination =
            if to_stdout { None } else { Some(Destination::local(&self.destination)?) };
        let (stat, content) = client.container_copy_out(container, &path).await?;
        let Some(destination) = destination else {
            archive::receive(content, None).await?;
            return Ok(0);
        };
        let source = Source { name: plan::last(&path), called, is_dir: stat.is_dir() };
        let placed = destination.place(&source)?;
        let owner = local::owner(self.archive);
        let bytes = relay::extract(content, placed, owner, self.progress("from")).await?;
        self.report(bytes, &local::absolute(&self.destination).to_string_lossy());
        Ok(0)
    }

    async fn copy_in(&self, client: &Client, container: &str, path: &str) -> Result<u8, Error> {
        let mut target = path.to_owned();
        let mut stat = client.container_path_stat(container, &target).await;
        if let Ok(found) = &stat
            && found.is_link()
        {
            target.clone_from(&found.link_target);
            stat = client.container_path_stat(container, &target).await;
        }
        let stat = match stat {
            Ok(stat) => Some(stat),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let destination = Destination { path: target, is_dir: stat.map(|stat| stat.is_dir()) };
        let options = CopyInQuery { kinds_stay: true, to_user: self.archive };
        if self.source == "-" {
            if destination.is_dir != Some(true) {
                let text = format!("destination \"{container}:{path}\" must be a directory");
                return Err(Error::refused(text));
            }
            let content = Upload::stream(tokio::io::stdin());
            client.container_copy_in(container, &destination.path, options, content).await?;
            return Ok(0);
        }
        let source = local::find(&self.source, self.follow_link)?;
        let placed = destination.place(&source.source)?;
        let (content, counted) = relay::create(source, &placed, self.progress("to"))?;
        let copied = client.container_copy_in(container, &placed.dir, options, content).await;
        let bytes = counted.finish(copied.is_ok()).await?;
        copied?;
        self.report(bytes, &format!("{container}:{path}"));
        Ok(0)
    }

    fn is_quiet(&self) -> bool {
        self.quiet || !terminal::stdout_is_terminal()
    }

    /// What the progress line begins with; none when there is no such line.
    fn progress(&self, direction: &str) -> Option<String> {
        (!self.is_quiet()).then(|| format!("Copying {direction} container"))
    }

    fn report(&self, bytes: u64, to: &str) {
        if !self.is_quiet() {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            output::remark(&format!("\r\x1b[KSuccessfully copied {} to {to}", size::exact(bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_have_a_colon() {
        for (word, expected) in [
            ("web:/etc", Some(("web", "/etc"))),
            ("web:", Some(("web", ""))),
            ("/a:b", None),
            ("./a:b", None),
            ("../a:b", None),
            ("file", None),
            ("-", None),
        ] {
            assert_eq!(split(word), expected, "{word}");
        }
    }
}
