//! `--ssh`: who signs for a build's commands. An agent that runs is passed on; for keys in files one runs here while the build does.

mod agent;
mod key;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use gantry_client::{BuildSources, Host};

use super::context::unguessable;
use crate::environment;
use crate::error::Error;
use agent::Agent;
use key::Key;

/// What commands may ask for signatures, by id.
#[derive(Default)]
pub(super) struct Agents {
    /// The sockets, by what commands call them.
    pub(super) sockets: BTreeMap<String, String>,
    own: Vec<Agent>,
}

impl Agents {
    /// The sockets that a daemon at `host` asks for connections to, by what it calls them: where it has no way to them itself, it is
    /// told that they are here.
    pub(super) fn handed_over(
        &self,
        host: &Host,
        told: &mut BuildSources,
    ) -> BTreeMap<String, String> {
        if matches!(host, Host::Unix(_)) {
            return BTreeMap::new();
        }
        told.agents.values_mut().for_each(String::clear);
        self.sockets.clone()
    }

    /// Reads `default`, `id`, `id=SOCKET` and `id=KEY[,KEY…]`.
    pub(super) fn read(flags: &[String]) -> Result<Self, Error> {
        let mut agents = Self::default();
        for flag in flags {
            let refused =
                |reason: &str| Error::refused(format!("invalid --ssh {flag:?}: {reason}"));
            let (id, places) = flag.split_once('=').unwrap_or((flag, ""));
            let socket = match places {
                "" => environment::of_user("SSH_AUTH_SOCK").ok_or_else(|| {
                    refused("there is no SSH_AUTH_SOCK; start an ssh-agent, or name its socket or a file with a key")
                })?,
                places => places.to_owned(),
            };
            let path = Path::new(&socket);
            if fs::metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
                let path = fs::canonicalize(path).map_err(Error::file("find", &socket))?;
                agents.sockets.insert(id.to_owned(), path.to_string_lossy().into_owned());
                continue;
            }
            let key = |place: &str| {
                Key::read(Path::new(place)).map_err(|reason| refused(&format!("{place}: {reason}")))
            };
            let keys = socket.split(',').map(key).collect::<Result<Vec<_>, _>>()?;
            let name = format!("gantry-agent-{}", unguessable());
            let agent = Agent::start(keys, &name)
                .map_err(|source| Error::System { action: "start an agent for keys", source })?;
            let place = agent.socket().to_string_lossy().into_owned();
            agents.sockets.insert(id.to_owned(), place);
            agents.own.push(agent);
        }
        Ok(agents)
    }
}
