//! `build`: an image of a Dockerfile and the files around it.

mod check;
mod context;
mod exchange;
mod limits;
mod progress;
mod results;
mod secret;
mod shell;
mod sources;
mod ssh;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_api::system::AuthConfig;
use gantry_client::{BuildQuery, BuildSources, Client, Host, Progress};
use gantry_dockerfile::{Dockerfile, Source};
use gantry_types::ImageReference;

use crate::cli::{Takes, Verb};
use crate::commands::archive::Writing;
use crate::error::Error;
use crate::flags::{environment_entry, label, without};
use crate::output;
use crate::session::Session;
use context::Context;
use exchange::Exchange;
use limits::LimitFlags;
use progress::{Followed, Form};
use results::{ResultFlags, Wanted};
use shell::OnFailure;
use sources::{SourceFlags, Sources};

/// The moment that all bears that a build makes; builds have it from the environment, too.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

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
    /// What to do when a RUN fails: "shell" opens a shell in it, as it is then
    #[arg(long, value_name = "ACTION")]
    on_failure: Option<OnFailure>,
    /// Set target platform for build
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Always attempt to pull all referenced images
    #[arg(long)]
    pull: bool,
    /// Set type of progress output ("auto", "plain", "tty", "rawjson", "quiet")
    #[arg(long, value_name = "TYPE")]
    progress: Option<Form>,
    /// Suppress the build output and print image ID on success
    #[arg(short, long)]
    quiet: bool,
    /// Secret to expose to the build (format: "id=mysecret[,src=/local/secret]" or "id=mysecret,env=NAME")
    #[arg(long)]
    secret: Vec<String>,
    /// Squash newly built layers into a single new layer
    #[arg(long)]
    squash: bool,
    /// Name and optionally a tag (format: "name:tag")
    #[arg(short, long)]
    tag: Vec<String>,
    /// Set the target build stage to build
    #[arg(long, default_value = "", hide_default_value = true)]
    target: String,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    results: ResultFlags,
    #[command(flatten)]
    sources: SourceFlags,
    #[arg(required = true, hide = true)]
    path: String,
}

impl Verb for Build {
    const USAGE: &'static str = "[OPTIONS] PATH | URL | -";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let mut context = Context::find(&self.path, self.file.as_deref())?;
        if self.check {
            return check::check(&context);
        }
        // What is wrong with it is said before anything is sent, where it is here.
        let read = |text| Source::parse(text).and_then(|source| Dockerfile::read(&source));
        let dockerfile = context.dockerfile().map(read).transpose();
        let dockerfile = dockerfile.map_err(|error| check::refusal(&context, &error))?;
        if self.on_failure == Some(OnFailure::Shell) {
            shell::check(self.quiet)?;
        }
        let form = if self.quiet { Form::Quiet } else { Form::chosen(self.progress)? };
        let mut wanted = self.results.read(&self.tag)?;
        let Sources { told, layouts, agents } = self.sources.read(&mut context)?;
        wanted.layouts = layouts;
        let mut options = self.options((&context, &wanted, told), dockerfile.as_ref(), session)?;
        options.quiet = form == Form::Quiet;
        options.steps = form != Form::Quiet;
        options.keeps_failure = self.on_failure.unwrap_or_default() == OnFailure::Shell;
        let name = context.dockerfile_name().to_owned();
        let client = Arc::new(session.connect().await?);
        wanted.agents = agents.handed_over(client.host(), &mut options.sources);
        wanted.mirrored = context.mirrored()?.map(Arc::new);
        let mirrored = wanted.mirrored.as_ref().map(|folder| folder.name.clone());
        let mut exchange = Exchange::new(Arc::clone(&client), wanted);
        let (messages, sending) =
            begin(&client, &context, &mut options, mirrored.as_deref()).await?;
        // At a terminal they would stand in the picture.
        let (mut id, mut remarks) = (None, Vec::new());
        let shown = progress::follow(messages, form, &name, &mut exchange, |message| {
            if let Some(found) = message.aux.as_ref().and_then(|aux| aux["ID"].as_str()) {
                id = Some(found.to_owned());
            } else if form == Form::Quiet {
                id = Some(message.stream.trim().to_owned());
                return output::print(&message.stream);
            }
            if !message.stream.is_empty() && form != Form::RawJson {
                remarks.push(message.stream.trim_end().to_owned());
            }
            Ok(())
        });
        let shown = shown.await;
        if let Ok(Followed::Interrupted(code)) = shown {
            return Ok(code);
        }
        let is_done = matches!(shown, Ok(Followed::Done));
        if let Some(sending) = sending {
            sending.finish(is_done).await?;
        }
        if let Followed::Failed { error, image } = shown? {
            if let Some(image) = image {
                output::remark(&error.report());
                shell::open(&client, session, (&image, &self.network)).await?;
                return Err(Error::Reported);
            }
            return Err(error);
        }
        if form != Form::Quiet && form != Form::RawJson {
            remarks.extend(check::remarks(&context));
        }
        for remark in &remarks {
            output::remark(remark);
        }
        exchange.finish().await?;
        drop(agents);
        if let (Some(path), Some(id)) = (&self.iidfile, id) {
            std::fs::write(path, id).map_err(Error::file("write", path))?;
        }
        Ok(0)
    }
}

/// Begins a build. A folder on the daemon's machine is read where it is, if the daemon can, and else what of it is new is sent.
async fn begin(
    client: &Client,
    context: &Context,
    options: &mut BuildQuery,
    mirrored: Option<&str>,
) -> Result<(Progress, Option<Writing>), Error> {
    /// What the daemon says when it cannot read a folder in place.
    const CONFLICT: u16 = 409;
    let is_local = matches!(client.host(), Host::Unix(_));
    let in_place = if is_local { context.in_place()? } else { None };
    let mut is_in_place = in_place.is_some();
    options.directory = in_place.as_ref().map(|folder| folder.name.clone()).unwrap_or_default();
    loop {
        if !is_in_place {
            mirrored.unwrap_or_default().clone_into(&mut options.mirrored);
        }
        let (upload, sending) = context.send(is_in_place || mirrored.is_some())?;
        match client.build(upload, options).await {
            Ok(messages) => return Ok((messages, sending)),
            Err(error) => {
                if let Some(sending) = sending {
                    sending.finish(false).await?;
                }
                match error {
                    gantry_client::Error::Daemon { status: CONFLICT, .. } if is_in_place => {
                        is_in_place = false;
                        options.directory.clear();
                    }
                    error => return Err(error.into()),
                }
            }
        }
    }
}

impl Build {
    fn options(
        &self,
        (context, wanted, sources): (&Context, &Wanted, BuildSources),
        dockerfile: Option<&Dockerfile>,
        session: &Session,
    ) -> Result<BuildQuery, Error> {
        let pairs = |entries: &[String]| -> BTreeMap<String, String> {
            let pair =
                |entry: &String| entry.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
            entries.iter().filter_map(pair).collect()
        };
        // One without a value has that of the environment.
        let mut given = self.arguments.clone();
        if !given.iter().any(|entry| entry.split('=').next() == Some(EPOCH)) {
            // Where the environment has it, builds have it.
            given.push(EPOCH.to_owned());
        }
        let arguments: Vec<String> = given.iter().map(|entry| environment_entry(entry)).collect();
        let proxies = session.proxies();
        let proxies = without(&proxies, &self.arguments).cloned();
        let arguments: BTreeMap<String, String> =
            pairs(&arguments).into_iter().chain(proxies).collect();
        let named = dockerfile.map(|file| file.image_names(&arguments));
        let references = sources::references(&sources).chain(wanted.references.iter().cloned());
        let credentials = credentials(session, named.as_deref(), references)?;
        let labels = self.label.iter().map(|label| match label.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (label.clone(), String::new()),
        });
        Ok(BuildQuery {
            tags: self.tag.clone(),
            dockerfile: context.dockerfile_name().to_owned(),
            arguments,
            labels: labels.collect(),
            target: self.target.clone(),
            platform: self.platform.clone(),
            network: self.network.clone(),
            no_cache: self.no_cache,
            no_cache_stages: self.no_cache_filter.clone(),
            pull: self.pull,
            is_squashed: self.squash,
            quiet: self.quiet,
            steps: false,
            directory: String::new(),
            mirrored: String::new(),
            keeps_failure: false,
            secrets: secret::read_all(&self.secret)?,
            credentials,
            results: wanted.results.clone(),
            sources,
            limits: self.limits.read()?,
        })
    }
}

/// What registries are shown: those of the images that the Dockerfile names, and of `others`. Where the Dockerfile is not here, it may
/// name any, and all that is known is handed to the daemon.
fn credentials(
    session: &Session,
    named: Option<&[String]>,
    others: impl Iterator<Item = ImageReference>,
) -> Result<BTreeMap<String, AuthConfig>, Error> {
    let mut all = match named {
        Some(_) => BTreeMap::new(),
        None => session.known_credentials()?,
    };
    // The name of a stage asks for what the default registry wants, and then nobody needs it.
    let named = named.into_iter().flatten().filter_map(|name| name.parse::<ImageReference>().ok());
    for reference in named.chain(others) {
        if let Some(known) = session.credentials(reference.domain())? {
            all.insert(reference.domain().to_owned(), known);
        }
    }
    Ok(all)
}
