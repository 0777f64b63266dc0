//! Files of git repositories for builds: where they are kept, and who asks for them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use gantry_build::{Checkout, Secret};
use gantry_dockerfile::Repository;
use gantry_git::{Limits, Login, Repositories, Wanted};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::BuildRequest;
use super::workshop::{Bench, of_engine};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// The folder of repositories, below the data root.
const FOLDER: &str = "build-sources/git";
/// The secrets that say who asks, each also with `.HOST` behind it for one server alone.
const TOKEN: &str = "GIT_AUTH_TOKEN";
const HEADER: &str = "GIT_AUTH_HEADER";
/// The agent that git's `ssh` may ask.
const AGENT: &str = "default";

/// Fills `into` with the files of a commit. `room` is an empty directory.
pub(super) fn checkout(
    bench: &Bench<'_>,
    repository: &Repository,
    (into, room): (&Path, &Path),
    wanted: &dyn Fn() -> gantry_build::Result<()>,
) -> gantry_build::Result<Checkout> {
    let (engine, request) = (bench.engine, bench.request);
    let settings = engine.live.settings();
    let proxies = &settings.registries.proxies;
    let proxies = [
        ("http_proxy", &proxies.http),
        ("https_proxy", &proxies.https),
        ("no_proxy", &proxies.exempt),
    ];
    let repositories = Repositories {
        folder: engine.settings.data_root.join(FOLDER),
        environment: proxies
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect(),
        limits: Limits::default(),
    };
    let agent = request.agents.contains_key(AGENT).then(|| bench.agent(AGENT)?.reach(engine));
    let agent = agent.transpose().map_err(of_engine)?;
    let asked = Wanted {
        url: repository.url.clone(),
        reference: repository.reference.clone(),
        keeps_git_dir: repository.keeps_git_dir,
        has_submodules: repository.has_submodules,
        login: login(request, &repository.url),
        agent: agent.as_ref().map(|agent| agent.socket.clone()),
    };
    let of_git = |error: gantry_git::Error| match error {
        gantry_git::Error::CalledOff => wanted().err().unwrap_or(gantry_build::Error::Cancelled),
        error => gantry_build::Error::workshop(error.kind(), error),
    };
    let done = repositories.checkout(&asked, (into, room), &|| wanted().is_ok()).map_err(of_git)?;
    let root = open(into, &repository.directory).map_err(of_engine)?;
    Ok(Checkout { root, commit: done.commit })
}

/// A directory of the checkout; links in it lead nowhere else.
fn open(root: &Path, directory: &str) -> Result<OwnedFd> {
    let root = File::open(root).map_err(Error::file("open", root))?;
    if directory.is_empty() {
        return Ok(root.into());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(&root, directory, flags, Mode::empty(), how).map_err(|error| {
        Error::invalid(format!("the repository has no directory {directory:?}: {error}"))
    })
}

fn login(request: &BuildRequest, url: &str) -> Option<Login> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let text = |name: &str| {
        let secret: Option<&Secret> = request.secrets.get(&format!("{name}.{host}"));
        let secret = secret.or_else(|| request.secrets.get(name))?;
        let text = String::from_utf8_lossy(secret.bytes()).trim().to_owned();
        // No header has a second line.
        (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
    };
    text(HEADER).map(Login::Header).or_else(|| text(TOKEN).map(Login::Token))
}

/// Takes away the repositories that nobody is using; how many bytes they had.
pub(super) fn prune(engine: &Engine) -> Result<u64> {
    let folder = engine.settings.data_root.join(FOLDER);
    let pruned = Repositories { folder, ..Repositories::default() }.prune();
    pruned.map_err(|error| Error::Build(gantry_build::Error::workshop(error.kind(), error)))
}
