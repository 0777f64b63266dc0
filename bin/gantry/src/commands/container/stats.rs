//! `stats`: what containers use, once or again and again.

mod figures;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gantry_api::container::ContainerStats;
use gantry_client::{Client, ListQuery};
use gantry_types::Filters;
use tokio::task::JoinSet;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::Listing;
use crate::output;
use crate::session::Session;

/// How often the table is written again.
const REFRESH: Duration = Duration::from_millis(500);
/// How often it is looked whether there are other containers.
const LOOK: Duration = Duration::from_secs(1);
/// How long the first samples may take.
const FIRST: Duration = Duration::from_secs(3);
/// To the upper left corner; and away with what is below the cursor, or right of it.
const HOME: &str = "\x1b[H";
const CLEAR: &str = "\x1b[J";
const CLEAR_LINE: &str = "\x1b[K";

/// Display a live stream of container(s) resource usage statistics
#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

/// The latest sample of each container; `None` until there is one.
type Latest = Arc<Mutex<BTreeMap<String, Option<ContainerStats>>>>;

impl Verb for Stats {
    const USAGE: &'static str = "[OPTIONS] [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(0);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = Arc::new(session.connect().await?);
        if self.no_stream { self.once(&client).await } else { self.again_and_again(&client).await }
    }
}

impl Stats {
    /// The containers that are meant: those named, or all that there are.
    async fn names(&self, client: &Client) -> Result<Vec<String>, Error> {
        if !self.containers.is_empty() {
            return Ok(self.containers.clone());
        }
        let query =
            ListQuery { all: self.all, limit: None, size: false, filters: Filters::default() };
        let containers = client.container_list(&query).await?;
        Ok(containers.into_iter().map(|container| container.id).collect())
    }

    async fn once(&self, client: &Arc<Client>) -> Result<u8, Error> {
        let mut works = JoinSet::new();
        for (number, name) in self.names(client).await?.into_iter().enumerate() {
            let client = Arc::clone(client);
            works.spawn(async move {
                let sample = async { client.container_stats(&name, false).await?.next().await };
                (number, sample.await)
            });
        }
        let mut samples = BTreeMap::new();
        while let Some(result) = works.join_next().await {
            let (number, sample) = result.map_err(|_| Error::refused("a sample was not taken"))?;
            if let Some(sample) = sample? {
                samples.insert(number, sample);
            }
        }
        output::print(&self.render(&samples.into_values().collect::<Vec<_>>())?)?;
        Ok(0)
    }

    async fn again_and_again(&self, client: &Arc<Client>) -> Result<u8, Error> {
        let latest = Latest::default();
        let mut works = JoinSet::new();
        self.follow(client, &latest, &mut works).await?;
        if !self.containers.is_empty() {
            // A name that is wrong is told at once.
            for name in &self.containers {
                client.container_inspect(name).await?;
            }
        }
        let started = tokio::time::Instant::now();
        let (mut refresh, mut look) = (tokio::time::interval(REFRESH), tokio::time::interval(LOOK));
        loop {
            tokio::select! {
                _ = refresh.tick() => {
                    let known = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let waits = known.values().any(Option::is_none) && started.elapsed() < FIRST;
                    if !waits {
                        let samples: Vec<_> = known.into_values().flatten().collect();
                        let table = self.render(&samples)?.replace('\n', &format!("{CLEAR_LINE}\n"));
                        output::print(&format!("{HOME}{table}{CLEAR}"))?;
                    }
                }
                _ = look.tick() => {
                    while works.try_join_next().is_some() {}
                    if !self.containers.is_empty() && works.is_empty() {
                        // All that were named are gone.
                        return Ok(0);
                    }
                    self.follow(client, &latest, &mut works).await?;
                }
            }
        }
    }

    /// Begins to follow the containers that nobody follows yet.
    async fn follow(
        &self,
        client: &Arc<Client>,
        latest: &Latest,
        works: &mut JoinSet<()>,
    ) -> Result<(), Error> {
        if !self.containers.is_empty() && !works.is_empty() {
            return Ok(());
        }
        for name in self.names(client).await? {
            let is_new = {
                let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                let is_new = !latest.contains_key(&name);
                latest.entry(name.clone()).or_default();
                is_new
            };
            if !is_new {
                continue;
            }
            let (client, latest, all) = (Arc::clone(client), Arc::clone(latest), self.all);
            let named = !self.containers.is_empty();
            works.spawn(async move {
                if let Ok(mut samples) = client.container_stats(&name, true).await {
                    while let Ok(Some(sample)) = samples.next().await {
                        if !figures::is_running(&sample) && !all && !named {
                            break;
                        }
                        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                        latest.insert(name.clone(), Some(sample));
                    }
                }
                latest.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            });
        }
        Ok(())
    }

    fn render(&self, samples: &[ContainerStats]) -> Result<String, Error> {
        let rows = samples.iter().map(|sample| figures::row_of(sample, self.no_trunc)).collect();
        Listing { columns: figures::COLUMNS, headings: figures::HEADINGS, rows }
            .render(&self.format)
    }
}
