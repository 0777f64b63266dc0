//! `build`: an image of a Dockerfile and the files around it.

mod check;
mod context;
mod secret;

use std::collections::BTreeMap;
use std::path::PathBuf;

use gantry_client::BuildQuery;
use gantry_dockerfile::{Dockerfile, Source};
use gantry_types::ImageReference;

use crate::cli::{Takes, Verb};
use crate::commands::progress;
use crate::error::Error;
use crate::flags::{environment_entry, label, without};
use crate::output;
use crate::session::Session;
use context::Context;

/// Start a build
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "the command has as many switches")]
pub(crate) struct Build {
    /// Set build-time variables
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    arguments: Vec<String>,
    /// Check the Dockerfile and build nothing
    #[arg(long)]
    check: bool,
    /// Name of the Dockerfile (default: "PATH/Dockerfile")
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Write the image ID to a file
    #[arg(long)]
    iidfile: Option<PathBuf>,
    /// Set metadata for an image
    #[arg(long, value_parser = label)]
    label: Vec<String>,
    /// Set the networking mode for the "RUN" instructions during build
    #[arg(long, default_value = "default", hide_default_value = true)]
    network: String,
    /// Do not use cache when building the image
    #[arg(long)]
    no_cache: bool,
    /// Do not cache specified stages
    #[arg(long, value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Set target platform for build
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Always attempt to pull all referenced images
    #[arg(long)]
    pull: bool,
    /// Suppress the build output and print image ID on success
    #[arg(short, long)]
    quiet: bool,
    /// Secret to expose to the build (format: "id=mysecret[,src=/local/secret]" or "id=mysecret,env=NAME")
    #[arg(long)]
    secret: Vec<String>,
    /// Name and optionally a tag (format: "name:tag")
    #[arg(short, long)]
    tag: Vec<String>,
    /// Set the target build stage to build
    #[arg(long, default_value = "", hide_default_value = true)]
    target: String,
    #[arg(required = true, hide = true)]
    path: String,
}

impl Verb for Build {
    const USAGE: &'static str = "[OPTIONS] PATH | -";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let context = Context::find(&self.path, self.file.as_deref())?;
        let source = Source::parse(context.dockerfile());
        if self.check {
            let source = source.map_err(|error| Error::refused(error.to_string()))?;
            return check::check(&context, &source);
        }
        // What is wrong with it is said before anything is sent.
        let dockerfile = source.and_then(|source| Dockerfile::read(&source));
        let dockerfile = dockerfile.map_err(|error| Error::refused(error.to_string()))?;
        let options = self.options(&context, &dockerfile, session)?;
        let client = session.connect().await?;
        let (upload, sending) = context.send()?;
        let built = client.build(upload, &options).await;
        let mut messages = match built {
            Ok(messages) => messages,
            Err(error) => {
                sending.finish(false)?;
                return Err(error.into());
            }
        };
        let mut id = None;
        let shown = progress::follow(&mut messages, |message| {
            if let Some(found) = message.aux.as_ref().and_then(|aux| aux["ID"].as_str()) {
                id = Some(found.to_owned());
            } else if self.quiet {
                id = Some(message.stream.trim().to_owned());
            }
            output::print(&message.stream)
        });
        let shown = shown.await;
        sending.finish(shown.is_ok())?;
        shown?;
        if let (Some(path), Some(id)) = (&self.iidfile, id) {
            std::fs::write(path, id).map_err(Error::file("write", path))?;
        }
        Ok(0)
    }
}

impl Build {
    fn options(
        &self,
        context: &Context,
        dockerfile: &Dockerfile,
        session: &Session,
    ) -> Result<BuildQuery, Error> {
        let pairs = |entries: &[String]| -> BTreeMap<String, String> {
            let pair =
                |entry: &String| entry.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
            entries.iter().filter_map(pair).collect()
        };
        // One without a value has that of the environment.
        let arguments: Vec<String> =
            self.arguments.iter().map(|entry| environment_entry(entry)).collect();
        let proxies = session.proxies();
        let proxies = without(&proxies, &self.arguments).cloned();
        let mut credentials = BTreeMap::new();
        for stage in &dockerfile.stages {
            let Ok(reference) = stage.from.base.parse::<ImageReference>() else { continue };
            if let Some(known) = session.credentials(reference.domain())? {
                credentials.insert(reference.domain().to_owned(), known);
            }
        }
        let labels = self.label.iter().map(|label| match label.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (label.clone(), String::new()),
        });
        Ok(BuildQuery {
            tags: self.tag.clone(),
            dockerfile: context.dockerfile_name().to_owned(),
            arguments: pairs(&arguments).into_iter().chain(proxies).collect(),
            labels: labels.collect(),
            target: self.target.clone(),
            platform: self.platform.clone(),
            network: self.network.clone(),
            no_cache: self.no_cache,
            no_cache_stages: self.no_cache_filter.clone(),
            pull: self.pull,
            quiet: self.quiet,
            secrets: secret::read_all(&self.secret)?,
            credentials,
        })
    }
}
