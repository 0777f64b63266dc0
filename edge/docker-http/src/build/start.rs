//! `POST /build`: an image of a Dockerfile and its context.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use gantry_engine::Engine;
use gantry_engine::build::{BuildRequest, build};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::call::Call;
use crate::error::Error;
use crate::progress::{self, WhenGone};
use crate::query::Query;
use crate::registry_auth;
use crate::reply::Reply;

/// Secrets of a build by their ids: a JSON object of values in base64, itself in base64. Gantry's own.
const SECRETS: &str = "x-gantry-secrets";

/// What Docker applies to the containers of steps, and Gantry does not yet.
const UNAPPLIED: [&str; 11] = [
    "memory",
    "memswap",
    "cpushares",
    "cpuperiod",
    "cpuquota",
    "cpusetcpus",
    "cpusetmems",
    "shmsize",
    "ulimits",
    "extrahosts",
    "cgroupparent",
];

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
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let archive = call.archive();
    let work = async move { build(&engine, archive, request, sender).await };
    progress::reply(messages, WhenGone::Stop, work).await
}

fn request(query: &Query) -> Result<BuildRequest, Error> {
    if query.get("version").is_some_and(|version| version != "1") {
        return Err(Error::Invalid(
            "this version of Gantry has no BuildKit: build with DOCKER_BUILDKIT=0, or with gantry build".to_owned(),
        ));
    }
    for name in ["remote", "outputs", "squash"] {
        if query.get(name).is_some_and(|value| !matches!(value, "0" | "false")) {
            return Err(Error::Invalid(format!(
                "a build with {name} is not there yet in this version of Gantry"
            )));
        }
    }
    refuse(query)?;
    Ok(BuildRequest {
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
        quiet: query.flag("q"),
        ..BuildRequest::default()
    })
}

/// What is not applied is refused: a step without the limit that was asked for is not what was wanted.
fn refuse(query: &Query) -> Result<(), Error> {
    for name in UNAPPLIED {
        let says_nothing = |value: &str| matches!(value.trim(), "" | "0" | "null" | "[]" | "{}");
        if query.all(name).iter().any(|value| !says_nothing(value)) {
            return Err(Error::Invalid(format!(
                "a build with {name} is not there yet in this version of Gantry"
            )));
        }
    }
    Ok(())
}

/// A parameter that is a JSON document; `null` says nothing.
fn document<T: DeserializeOwned + Default>(query: &Query, name: &'static str) -> Result<T, Error> {
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
        assert!(read("remote=https://x/y.git").is_err());
        // What Docker's command line sends when nobody asks for anything.
        let silent = "cgroupparent=&cpuperiod=0&cpuquota=0&cpusetcpus=&cpusetmems=&cpushares=0&memory=0&memswap=0&shmsize=0&ulimits=null";
        assert!(read(silent).is_ok());
        for name in UNAPPLIED {
            let error = read(&format!("{name}=67108864")).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
