//! `POST /build`: an image of a Dockerfile and its context.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use gantry_engine::Engine;
use gantry_engine::build::{BuildRequest, Telling, build};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::call::Call;
use crate::error::Error;
use crate::local_peer::NamedDirectory;
use crate::progress::{self, WhenGone};
use crate::query::Query;
use crate::registry_auth;
use crate::reply::Reply;

/// Secrets of a build by their ids: a JSON object of values in base64, itself in base64. Gantry's own.
const SECRETS: &str = "x-gantry-secrets";

/// The directory that is the context, by the client's descriptor of it (see [`NamedDirectory`]); what comes in the body lies beside
/// it. Gantry's own.
const DIRECTORY: &str = "directory";

/// The name of the folder that is the context, of which the client lists what it has and sends what is asked for. Gantry's own.
const MIRRORED: &str = "mirrored";

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let mut request = request(&call.query)?;
    request.credentials = registry_auth::of_builds(&call.headers)?;
    if let Some(value) = call.headers.get(SECRETS) {
        let invalid = || Error::Invalid(format!("invalid {SECRETS} header"));
        let bytes = URL_SAFE.decode(value).map_err(|_| invalid())?;
        let encoded: BTreeMap<String, String> =
            serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        for (id, value) in encoded {
            let value = URL_SAFE.decode(value).map_err(|_| invalid())?;
            request.secrets.insert(id, value.into());
        }
    }
    request.directory = directory(&call)?;
    request.mirrored = mirrored(&call.query, request.directory.is_some())?;
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let archive = call.archive().pausing();
    // A build remembers much while it waits: too much to hand from stack to stack.
    let work = Box::pin(async move { build(&engine, archive, request, sender).await });
    progress::reply(messages, WhenGone::Stop, work).await
}

/// The client's own directory, where that is the context.
fn directory(call: &Call) -> Result<Option<Arc<OwnedFd>>, Error> {
    let Some(text) = call.query.get(DIRECTORY) else { return Ok(None) };
    let named = NamedDirectory::parse(text).ok_or_else(|| Error::Parameter {
        name: DIRECTORY,
        value: text.to_owned(),
        wanted: "descriptor:device:inode is needed",
    })?;
    let opened = call.local_peer.and_then(|peer| peer.directory(named));
    opened.map(|opened| Some(Arc::new(opened))).ok_or(Error::NotInPlace)
}

/// What the client calls its folder, of which it sends what changed.
fn mirrored(query: &Query, is_in_place: bool) -> Result<Option<String>, Error> {
    let Some(name) = query.get(MIRRORED).filter(|name| !name.is_empty()) else { return Ok(None) };
    // Who does not hand files over would wait for ever, as the build would for him.
    if is_in_place || !query.flag("exchange") || !query.text("remote").is_empty() {
        let wanted = "it goes with exchange=1, and without directory and remote";
        return Err(Error::Parameter { name: MIRRORED, value: name.to_owned(), wanted });
    }
    Ok(Some(name.to_owned()))
}

fn request(query: &Query) -> Result<BuildRequest, Error> {
    if query.get("version").is_some_and(|version| version != "1") {
        return Err(Error::Invalid(
            "this version of Gantry has no BuildKit: build with DOCKER_BUILDKIT=0, or with gantry build".to_owned(),
        ));
    }
    let mut request = BuildRequest {
        tags: query.all("t"),
        dockerfile: query.text("dockerfile"),
        arguments: document(query, "buildargs")?,
        labels: document(query, "labels")?,
        target: query.get("target").map(str::to_owned),
        platform: query.get("platform").map(str::to_owned),
        network: query.text("networkmode"),
        no_cache: query.flag("nocache"),
        no_cache_stages: query.all("nocachefilter"),
        pull: query.flag("pull"),
        telling: telling(query)?,
        called: query.text("buildid"),
        keeps_failure: query.flag("keepfailure"),
        is_squashed: query.flag("squash"),
        ..BuildRequest::default()
    };
    super::results::read(query, &mut request)?;
    super::around::read(query, &mut request)?;
    Ok(request)
}

/// What the client hears of the build: Gantry's own `progress=steps` asks for more than lines.
fn telling(query: &Query) -> Result<Telling, Error> {
    match query.get("progress") {
        _ if query.flag("q") => Ok(Telling::Quiet),
        None | Some("" | "lines") => Ok(Telling::Lines),
        Some("steps") => Ok(Telling::Steps),
        Some(other) => Err(Error::Parameter {
            name: "progress",
            value: other.to_owned(),
            wanted: "lines and steps are known",
        }),
    }
}

/// A parameter that is a JSON document; `null` says nothing.
pub(super) fn document<T: DeserializeOwned + Default>(
    query: &Query,
    name: &'static str,
) -> Result<T, Error> {
    let Some(text) = query.get(name) else { return Ok(T::default()) };
    let wanted = "it takes a JSON object of names and values";
    let document: Result<Option<T>, _> = serde_json::from_str(text);
    let document =
        document.map_err(|_| Error::Parameter { name, value: text.to_owned(), wanted })?;
    Ok(document.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_asked_for() {
        let read = |text: &str| request(&Query::parse(text).unwrap());
        let arguments = "%7B%22A%22%3A%221%22%2C%22B%22%3Anull%7D";
        let build = read(&format!(
            "t=a&t=b:c&buildargs={arguments}&nocache=1&version=1&remote=&labels=null"
        ));
        let build = build.unwrap();
        assert_eq!(build.tags, ["a", "b:c"]);
        assert_eq!(build.arguments["A"].as_deref(), Some("1"));
        assert_eq!(build.arguments["B"], None);
        assert!(build.no_cache);
        assert!(read("version=2").is_err() && read("buildargs=x").is_err());
        assert!(read("squash=1").unwrap().is_squashed && !read("squash=0").unwrap().is_squashed);
    }
}
