//! `push`: an image to its registry.

use gantry_client::{ImageListQuery, PushQuery};
use gantry_types::{ImageReference, InvalidReference};

use crate::cli::{Takes, Verb, boolean};
use crate::commands::progress;
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Upload an image to a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Compress layers that are not compressed yet: gzip, zstd or none
    #[arg(long, default_value = "gzip")]
    compression: String,
    /// Skip image signing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = boolean, hide = true)]
    disable_content_trust: Option<bool>,
    /// Push a platform-specific manifest as a single-platform image to the registry: os[/arch[/variant]]
    #[arg(long)]
    platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[arg(required = true, hide = true)]
    name: String,
}

impl Verb for Push {
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG]";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let invalid = |error: InvalidReference| Error::refused(error.to_string());
        let reference: ImageReference = self.name.parse().map_err(invalid)?;
        if reference.digest().is_some() {
            return Err(Error::refused("cannot push a digest reference"));
        }
        let names_one = self.name.rsplit('/').next().unwrap_or_default().contains(':');
        if self.all_tags && names_one {
            return Err(Error::refused("tag can't be used with --all-tags/-a"));
        }
        if !self.all_tags && !names_one && !self.quiet {
            output::line("Using default tag: latest")?;
        }
        let platform = self.platform.as_deref().map(platform_json).unwrap_or_default();
        let client = session.connect().await?;
        let credentials = session.credentials(reference.domain())?;
        let tags = if self.all_tags {
            tags(&client, &reference).await?
        } else {
            vec![reference.tag().unwrap_or("latest").to_owned()]
        };
        for tag in tags {
            let repository = reference.repository();
            let query = PushQuery {
                repository,
                tag,
                compression: self.compression.clone(),
                platform: platform.clone(),
                credentials: credentials.clone(),
            };
            let mut messages = client.image_push(&query).await?;
            if self.quiet {
                progress::show(&mut messages, |_| Ok(())).await?;
            } else {
                progress::draw(&mut messages).await?;
            }
        }
        if self.quiet {
            output::line(&if self.all_tags {
                reference.repository()
            } else {
                reference.to_string()
            })?;
        }
        Ok(0)
    }
}

/// `os[/arch[/variant]]` as the API has it.
fn platform_json(text: &str) -> String {
    let keys = ["os", "architecture", "variant"].into_iter();
    let parts = keys.zip(text.split('/')).filter(|(_, part)| !part.is_empty());
    let object: serde_json::Map<String, serde_json::Value> =
        parts.map(|(key, part)| (key.to_owned(), part.into())).collect();
    serde_json::Value::from(object).to_string()
}

/// The tags that images here have in the repository.
async fn tags(
    client: &gantry_client::Client,
    repository: &ImageReference,
) -> Result<Vec<String>, Error> {
    let images = client.image_list(&ImageListQuery::default()).await?;
    let names = images.iter().flat_map(|image| &image.repo_tags);
    let parsed = names.filter_map(|name| name.parse::<ImageReference>().ok());
    let own = parsed.filter(|name| name.repository() == repository.repository());
    let tags: Vec<String> = own.filter_map(|name| Some(name.tag()?.to_owned())).collect();
    if tags.is_empty() {
        let name = repository.familiar_repository();
        return Err(Error::refused(format!(
            "An image does not exist locally with the tag: {name}"
        )));
    }
    Ok(tags)
}
