//! `POST /images/create`: an image from a registry, or from an archive.

use gantry_api::image::ProgressMessage;
use gantry_engine::Engine;
use gantry_engine::image::{ImportRequest, PullRequest, import, import_from_url, pull, pull_all};
use gantry_types::{ImageReference, InvalidReference};
use hyper::StatusCode;
use tokio::sync::mpsc;

use crate::call::Call;
use crate::error::Error;
use crate::progress::{self, WhenGone};
use crate::query::Query;
use crate::registry_auth;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    if let Some(image) = call.query.get("fromImage").map(str::to_owned) {
        return pulled(engine, &image, &call).await;
    }
    let (source, request) = request(&call.query)?;
    if source != "-" {
        let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
        let work = async move { import_from_url(&engine, source, request, sender).await };
        return progress::reply(messages, WhenGone::Stop, work).await;
    }
    let id = import(&engine, call.archive(), request).await?;
    reply::json(StatusCode::OK, &ProgressMessage::status("", id))
}

async fn pulled(engine: Engine, image: &str, call: &Call) -> Result<Reply, Error> {
    let (reference, all) = named(image, call.query.get("tag").filter(|tag| !tag.is_empty()))?;
    let request = PullRequest {
        reference,
        platform: call.query.get("platform").map(str::to_owned),
        credentials: registry_auth::from_headers(&call.headers)?,
    };
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let work = async move {
        if all {
            pull_all(&engine, request, sender).await
        } else {
            pull(&engine, request, sender).await
        }
    };
    progress::reply(messages, WhenGone::Stop, work).await
}

/// Where the archive is, and what to make of it.
fn request(query: &Query) -> Result<(String, ImportRequest), Error> {
    let Some(source) = query.get("fromSrc") else {
        let text = "nothing to make an image of: say fromSrc=- and send an archive, or fromSrc=URL";
        return Err(Error::Invalid(text.to_owned()));
    };
    let from = format!("Imported from {}", without_login(source));
    let request = ImportRequest {
        repository: query.text("repo"),
        tag: query.text("tag"),
        message: query.get("message").map_or(from, str::to_owned),
        changes: query.all("changes"),
        platform: query.get("platform").map(str::to_owned),
    };
    Ok((source.to_owned(), request))
}

/// A URL without the name and password that may be in it: what an image says, others read.
fn without_login(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let host = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    format!("{}{}", &url[..start], &url[host..])
}

/// What `fromImage` and `tag` name together; the flag says whether every tag is meant.
fn named(image: &str, tag: Option<&str>) -> Result<(ImageReference, bool), Error> {
    let text = match tag {
        None => image.to_owned(),
        // A digest can come as a tag.
        Some(digest) if digest.contains(':') => format!("{image}@{digest}"),
        Some(tag) => format!("{image}:{tag}"),
    };
    let reference: ImageReference =
        text.parse().map_err(|error: InvalidReference| Error::Invalid(error.to_string()))?;
    let last = text.rsplit('/').next().unwrap_or_default();
    Ok((reference, !last.contains([':', '@'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_pulled() {
        let read = |image, tag| named(image, tag).map(|(name, all)| (name.familiar(), all));
        assert_eq!(read("alpine", Some("3.20")).unwrap(), ("alpine:3.20".to_owned(), false));
        assert_eq!(read("r.io:5000/a", None).unwrap(), ("r.io:5000/a:latest".to_owned(), true));
        assert_eq!(read("r.io:5000/a:b", None).unwrap(), ("r.io:5000/a:b".to_owned(), false));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(read("a", Some(&digest)).unwrap(), (format!("a@{digest}"), false));
        assert!(read("UPPER", None).is_err());
    }

    #[test]
    fn imports() {
        let read = |text: &str| request(&Query::parse(text).unwrap());
        let (source, import) =
            read("fromSrc=-&repo=a&tag=b&changes=CMD%20x&changes=ENV%20y").unwrap();
        assert_eq!((import.repository.as_str(), import.tag.as_str()), ("a", "b"));
        assert_eq!(import.changes, ["CMD x", "ENV y"]);
        assert_eq!((source.as_str(), import.message.as_str()), ("-", "Imported from -"));
        let (source, import) = read("fromSrc=http://x/y.tar").unwrap();
        assert_eq!(source, "http://x/y.tar");
        assert_eq!(import.message, "Imported from http://x/y.tar");
        assert!(read("").is_err());
        for (url, told) in [
            ("https://me:secret@x/y.tar?a@b", "https://x/y.tar?a@b"),
            ("me:secret@x/y.tar", "x/y.tar"),
            ("http://x/a@b", "http://x/a@b"),
        ] {
            assert_eq!(without_login(url), told);
        }
    }
}
