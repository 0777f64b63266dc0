//! Connections to agents that the daemon has no way to: it asks for each, and gets it in a request of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantry_api::build::BuildExchange;
use gantry_client::{Client, Hijacked};
use gantry_sys::unix_socket;
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::Wanted;
use crate::error::Error;

/// The most at once: commands that go on at the same time may have 32 each.
const MAX_CONNECTIONS: usize = 256;

/// Those that are open; they end with this.
#[derive(Default)]
pub(super) struct Connections {
    tasks: JoinSet<Result<(), Error>>,
    complaints: BTreeSet<String>,
}

impl Connections {
    /// Opens one in a task of its own. A command that cannot have it fails, or does without.
    pub(super) fn open(
        &mut self,
        client: &Arc<Client>,
        wanted: &Arc<Wanted>,
        asked: BuildExchange,
    ) {
        self.look();
        let reached = match asked.agent.as_ref().and_then(|id| wanted.agents.get(id)) {
            _ if self.tasks.len() >= MAX_CONNECTIONS => {
                Err(Error::refused("the build wants too many connections to SSH agents at once"))
            }
            Some(socket) => {
                reach(socket).map_err(Error::file("connect to the SSH agent at", socket))
            }
            None => Err(Error::refused("the daemon asks for an SSH agent that nobody named")),
        };
        let client = Arc::clone(client);
        self.tasks.spawn(async move {
            match reached {
                Ok(agent) => pass_on(&client, &asked.id, agent).await,
                Err(error) => {
                    // A build that has ended meanwhile does not wait for it.
                    drop(client.build_bring(&asked.id, None).await);
                    Err(error)
                }
            }
        });
    }

    /// Why some could not be had; each reason once.
    pub(super) fn complaints(&mut self) -> impl Iterator<Item = &str> {
        self.look();
        self.complaints.iter().map(String::as_str)
    }

    fn look(&mut self) {
        while let Some(done) = self.tasks.try_join_next() {
            match done {
                // The daemon wants no more of a build that has ended.
                Ok(Ok(()) | Err(Error::Client(_))) => {}
                Ok(Err(error)) => drop(self.complaints.insert(error.report())),
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    }
}

/// A connect to a unix socket does not wait for the other side.
fn reach(socket: &str) -> std::io::Result<UnixStream> {
    let agent = unix_socket::connect(socket.as_ref())?;
    agent.set_nonblocking(true)?;
    UnixStream::from_std(agent)
}

/// Passes on in both directions until both have ended, or one breaks off.
async fn pass_on(client: &Client, id: &str, agent: UnixStream) -> Result<(), Error> {
    let Hijacked { mut output, mut input, .. } = client.build_open(id).await?;
    let (mut answers, mut requests) = agent.into_split();
    let there = async {
        copy(&mut output, &mut requests).await?;
        requests.shutdown().await
    };
    let back = async {
        copy(&mut answers, &mut input).await?;
        input.shutdown().await
    };
    // Whoever uses it sees the end of one that breaks off.
    drop(tokio::try_join!(there, back));
    Ok(())
}
